"""What the answers to the exercises of lesson 26 must do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name

# 26.1: a window as of a moment


@check("26.1")
def check_window_mean(window_mean, rng: Generator) -> None:
    """Ask at random moments and exactly at events and a window's length after them."""
    for minutes in (15, int(rng.integers(20, 60))):
        known_at, value, at = _events_and_moments(rng, minutes)
        found = _numbers(window_mean(known_at.copy(), value.copy(), at.copy(), minutes), len(at), "moments")
        expected = _slow_means(known_at, value, at, minutes)
        _assert_window(found, expected, known_at, value, at, minutes)


def _assert_window(
    found: np.ndarray, expected: np.ndarray, known_at: np.ndarray, value: np.ndarray, at: np.ndarray, minutes: int
) -> None:
    wrong = ~np.isclose(found, expected, rtol=0, atol=1e-9, equal_nan=True)
    now = np.isin(at, known_at)
    assert not (wrong & now).any() or (wrong & ~now).any(), (
        "Only moments in which something became known come out wrong: what is known at the moment itself counts."
    )
    old = np.isin(at - minutes, known_at)
    assert not (wrong & old).any() or (wrong & ~old).any(), (
        f"Only moments exactly {minutes} minutes after an event come out wrong: such an event has just left the window."
    )
    empty = np.isnan(expected)
    assert np.isnan(found[empty]).all(), (
        "Where nothing became known in the window there is no mean: give NaN. A zero would say that all went well."
    )
    assert np.isfinite(found[~empty]).all(), (
        f"{np.isnan(found[~empty]).sum()} moments have no mean although something became known: an event that never "
        "happened (NaN) must not spoil the others."
    )
    assert not wrong.any(), (
        f"{wrong.sum()} of {len(at)} means are not right. The events are in no order, each value belongs to its own "
        f"minute, and the window of {minutes} minutes lies before the moment."
    )


def _slow_means(known_at: np.ndarray, value: np.ndarray, at: np.ndarray, minutes: int) -> np.ndarray:
    means = []
    for moment in at:
        seen = [v for minute, v in zip(known_at, value, strict=True) if moment - minutes < minute <= moment]
        means.append(sum(seen) / len(seen) if seen else np.nan)
    return np.array(means)


def _events_and_moments(rng: Generator, minutes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events on whole minutes in no order, some that never happened; moments on the half, on events, and long after."""
    known_at = rng.choice(np.arange(400, 1000), 120, replace=False).astype(float)
    known_at[rng.random(120) < 0.1] = np.nan
    value = rng.integers(-15, 90, 120).astype(float)
    events = rng.choice(known_at[~np.isnan(known_at)], 30)
    moments = [rng.integers(400, 1000, 80) + 0.5, events[:15], events[15:] + minutes, [100.0, 5000.0]]
    return known_at, value, rng.permutation(np.concatenate(moments))


# 26.2: the flight's own news


@check("26.2")
def check_others_delay(others_delay, rng: Generator) -> None:
    """Ask at horizons at which no flight, some flights and most flights have left."""
    for horizon in (120, 0, int(rng.integers(5, 30))):
        flights = _departures(rng)
        before = flights.copy()
        found = others_delay(flights, horizon)
        assert isinstance(found, pd.Series), f"Return a series on the index of the flights: this is {type_name(found)}."
        assert list(found.index) == list(before.index), (
            "The values are not on the index of the flights in its order: put each airport's values back by label."
        )
        assert flights.equals(before), "The flights that were passed in have changed: work on a copy."
        _assert_others(found.to_numpy("float64"), before, horizon)


def _assert_others(found: np.ndarray, flights: pd.DataFrame, horizon: int) -> None:
    expected = _slow_others(flights, horizon)
    with_own = _slow_others(flights, horizon, own=True)
    wrong = ~np.isclose(found, expected, rtol=0, atol=1e-9, equal_nan=True)
    touched = ~np.isclose(with_own, expected, rtol=0, atol=1e-9, equal_nan=True)
    assert not (wrong & touched).any() or not np.allclose(found, with_own, rtol=0, atol=1e-9, equal_nan=True), (
        f"At a horizon of {horizon} minutes {touched.sum()} flights find their own departure in the mean: their "
        "features would hold what is to be predicted."
    )
    empty = np.isnan(expected)
    assert np.isnan(found[empty]).all(), "Where no other flight has left in the window there is no mean: give NaN."
    subtracted = _slow_others(flights, horizon, always=True)
    assert not wrong.any() or not np.allclose(found[~empty], subtracted[~empty], rtol=0, atol=1e-9, equal_nan=True), (
        "The flight's own delay is taken out even when it is not in the window: there is nothing to take out then."
    )
    assert not wrong.any(), (
        f"At a horizon of {horizon} minutes {wrong.sum()} of {len(wrong)} means are not right: the window is "
        "(T - 180, T] by the minute of leaving, T is `due - horizon`, and each origin has its own."
    )


def _slow_others(flights: pd.DataFrame, horizon: int, own: bool = False, always: bool = False) -> np.ndarray:
    rows = list(flights[["origin", "due", "left"]].itertuples(index=False))
    means = []
    for place, flight in enumerate(rows):
        moment = flight.due - horizon
        seen = [
            other.left - other.due
            for number, other in enumerate(rows)
            if other.origin == flight.origin
            and moment - 180 < other.left <= moment
            and (own or always or number != place)
        ]
        count, total = len(seen), sum(seen)
        if always:
            count, total = count - 1, total - (0 if np.isnan(flight.left) else flight.left - flight.due)
        means.append(total / count if count > 0 else np.nan)
    return np.array(means)


def _departures(rng: Generator) -> pd.DataFrame:
    """A day at two airports: many leave a little early, several share a minute, some events lie on a window's edge."""
    count = 140
    due = rng.integers(60, 230, count) * 5.0
    left = due + np.where(rng.random(count) < 0.6, rng.integers(-8, 1, count), rng.integers(1, 200, count))
    left[rng.random(count) < 0.1] = np.nan
    due[:2], left[:2] = [3000.0, 4000.0], [2999.0, 4000.0]  # alone in their windows
    due[2:4], left[2:4] = [500.0, 510.0], [500.0, 510.0]
    due[4:6], left[4:6] = [680.0, 690.0], [680.0, 681.0]  # 180 minutes after those
    due[6:9], left[6:9] = [620.0, 621.0, 622.0], 622.0  # three in one minute
    columns = {"origin": np.where(np.arange(count) < count / 3, "JFK", "EWR"), "due": due, "left": left}
    return pd.DataFrame(columns, index=rng.permutation(count) + 7000)


# 26.3: a backlog that drifts


@check("26.3")
def check_backlog(backlog, rng: Generator) -> None:
    """Tell one day in several ways, each with one kind of trouble more."""
    day = _messages(rng)
    plans = [message for message in day if message[0] in ("planned", "ask")]
    punctual = plans + [("departed", flight, due + 7) for kind, flight, due in plans if kind == "planned"]
    _assert_backlog(backlog, _in_order(punctual, rng), "On a quiet day, every message once and in order of time,")
    _assert_backlog(backlog, _in_order(day, rng), "When some flights leave before they are due,")
    edges = [(kind, flight, minute) for kind, flight, minute in day if kind != "ask"]
    edges += [("ask", None, minute) for _, _, minute in edges]
    _assert_backlog(backlog, _in_order(edges, rng), "At the very minutes of plans and departures,")
    repeated = [message for message in _in_order(day, rng) for _ in range(1 if message[0] == "ask" else 2)]
    _assert_backlog(backlog, repeated, "When each message is told twice,")
    news = [message for message in day if message[0] != "ask"]
    asks = [message for message in day if message[0] == "ask"]
    _assert_backlog(backlog, _shuffled(news, rng) + _shuffled(asks, rng), "When all news comes first, in any order,")
    _assert_backlog(backlog, _shuffled(day, rng), "When news is late and asks are about any minute,")
    twice = news + [(kind, flight, minute + 30) for kind, flight, minute in news if kind != "planned"]
    _assert_backlog(backlog, _shuffled(twice + asks, rng), "When a flight is reported gone at two different minutes,")
    unknown = [("departed", f"X{number}", 500.0) for number in range(9)]
    _assert_backlog(backlog, _shuffled(day + unknown, rng), "When flights without a plan are reported,")


def _assert_backlog(backlog: Callable, stream: list[tuple], when: str) -> None:
    answers = backlog(list(stream))
    assert isinstance(answers, list | tuple | np.ndarray), f"Return the list of answers: this is {type_name(answers)}."
    expected = _slow_backlog(stream)
    assert len(answers) == len(expected), f"{when} {len(expected)} asks got {len(answers)} answers."
    off = [int(answer) - right for answer, right in zip(answers, expected, strict=True) if int(answer) != right]
    assert not off, f"{when} {len(off)} of {len(expected)} answers are wrong: one is off by {off[0]:+d}."


def _slow_backlog(stream: list[tuple]) -> list[int]:
    answers = []
    for place, (kind, _, moment) in enumerate(stream):
        if kind == "ask":
            told = stream[:place]
            due = {flight for what, flight, minute in told if what == "planned" and minute <= moment}
            gone = {flight for what, flight, minute in told if what in ("departed", "cancelled") and minute <= moment}
            answers.append(len(due - gone))
    return answers


def _messages(rng: Generator) -> list[tuple]:
    """Plans, departures (some early), cancellations and asks of one day, in no order."""
    # One flight leaves before it is due, and somebody asks in between.
    messages = [("planned", "early", 600.0), ("departed", "early", 596.0), ("ask", None, 597.5)]
    for number in range(40):
        due = float(rng.integers(60, 200) * 5)
        messages.append(("planned", f"F{number}", due))
        fate = rng.random()
        if fate < 0.75:
            messages.append(("departed", f"F{number}", due + float(rng.choice([-4, -1, 0, 7, 35, 120]))))
        elif fate < 0.9:
            messages.append(("cancelled", f"F{number}", due))
    return messages + [("ask", None, float(minute) + 0.5) for minute in rng.integers(300, 1100, 40)]


def _in_order(messages: list[tuple], rng: Generator) -> list[tuple]:
    """In order of the minute; in one minute the plans come first and the asks last."""
    first = {"planned": 0, "departed": 1, "cancelled": 1, "ask": 2}
    return sorted(_shuffled(messages, rng), key=lambda message: (message[2], first[message[0]]))


def _shuffled(messages: list[tuple], rng: Generator) -> list[tuple]:
    return [messages[place] for place in rng.permutation(len(messages))]


# 26.4: features that know nothing early

# What becomes known of a flight and when: the column that holds the minute, and what it is the future of.
FATES = {"left": "departures", "cancelled": "cancellations", "arrived": "arrivals"}
COLUMNS = ("waiting", "arrival_delay", "wind")
# The minutes after its hour in which an observation comes in, and a T between the two of some hour.
KNOWN_AFTER = (51.0, 56.0)
BETWEEN = 655.0


@check("26.4")
def check_board_features(board_features, rng: Generator) -> None:
    """Take the future away source by source and name the one that was read; then compare with a slow count."""
    flights, weather = _world(rng)
    now = _table(board_features, flights, weather)
    for moment in _telling_moments(flights, rng):
        asked = flights.index[flights["at"] == moment]
        for source, world in _without_the_future(flights, weather, moment).items():
            then = _table(board_features, *world)
            for name in now:
                assert name in then, f"The column {name} vanishes when {source} after T are taken away."
                assert _same(now.loc[asked, name], then.loc[asked, name]), (
                    f"{name} changes when {source} after T are taken away: it reads {source} that nobody knows "
                    "at T yet."
                )
    backwards = _table(board_features, flights[::-1], weather[::-1])
    for name in now:
        assert _same(now[name], backwards.loc[now.index, name]), (
            f"{name} changes when the rows come in another order: the order of a file may tell the future too."
        )
    _assert_features(now, flights, weather)


def _table(board_features: Callable, flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    table = board_features(flights.copy(), weather.copy())
    assert isinstance(table, pd.DataFrame), f"Return a data frame: this is {type_name(table)}."
    for name in COLUMNS:
        assert name in table, f"The table has no column {name!r}; it has {list(map(str, table.columns))}."
    assert list(table.index) == list(flights.index), (
        "The rows are not those of the flights in their order: a sort or a join has moved them."
    )
    return table.astype(float)


def _without_the_future(flights: pd.DataFrame, weather: pd.DataFrame, moment: float) -> dict[str, tuple]:
    """For each source the world in which only that source ends at the moment."""
    worlds = {}
    for column, source in FATES.items():
        known = flights[column].where(flights[column] <= moment)
        worlds[source] = flights.assign(**{column: known}), weather
    return {**worlds, "observations": (flights, weather[weather.known <= moment])}


def _telling_moments(flights: pd.DataFrame, rng: Generator) -> list[float]:
    """Decisions at which something is overdue that will happen, two for each source, the first one, and BETWEEN."""
    column = {name: flights[name].to_numpy() for name in flights}
    moment = column["at"][:, None]
    chosen = [moment.min(), BETWEEN]
    for name, meant, place in (
        ("left", "due", "origin"),
        ("cancelled", "due", "origin"),
        ("arrived", "planned", "dest"),
    ):
        overdue = (column[meant] <= moment) & (column[name] > moment) & (column[place][:, None] == column[place])
        chosen += list(rng.choice(column["at"][overdue.any(axis=1)], 2))
    return chosen


def _assert_features(found: pd.DataFrame, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    expected = _slow_features(flights, weather)
    faults = {
        "waiting": "count flights of the same origin due at T or before that have neither left nor been cancelled; "
        "what happens at T itself is known",
        "arrival_delay": "the mean of arrived less planned, over the same destination, in (T - 360, T]; NaN if none",
        "wind": "the origin's observation with the latest `known` at T or before; NaN if there is none",
    }
    for name, fault in faults.items():
        wrong = ~np.isclose(found[name], expected[name], rtol=0, atol=1e-6, equal_nan=True)
        assert not wrong.any(), (
            f"{name} knows nothing early, but {wrong.sum()} of {len(wrong)} values are wrong: {fault}."
        )


def _slow_features(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    rows, observations = list(flights.itertuples()), list(weather.itertuples())
    features = []
    for flight in rows:
        moment = flight.at
        due = [other for other in rows if other.origin == flight.origin and other.due <= moment]
        waiting = [other for other in due if not (other.left <= moment or other.cancelled <= moment)]
        landed = [other for other in rows if other.dest == flight.dest and moment - 360 < other.arrived <= moment]
        delays = [other.arrived - other.planned for other in landed]
        seen = [it for it in observations if it.origin == flight.origin and it.known <= moment]
        features.append(
            {
                "waiting": len(waiting),
                "arrival_delay": sum(delays) / len(delays) if delays else np.nan,
                "wind": max(seen, key=lambda it: it.known).wind if seen else np.nan,
            }
        )
    return pd.DataFrame(features, index=flights.index)


def _world(rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A day of flights and weather at two origins; many things happen exactly at somebody's T."""
    count = 120
    due = rng.integers(70, 230, count) * 5.0
    due[:2] = BETWEEN + 120
    planned = due + rng.integers(12, 60, count) * 5.0
    delay = np.where(rng.random(count) < 0.5, rng.integers(-2, 3, count) * 5.0, rng.integers(0, 60, count) * 5.0)
    cancelled = rng.random(count) < 0.15
    flights = pd.DataFrame(
        {
            "origin": np.append(["EWR", "JFK"], rng.choice(["EWR", "JFK"], count - 2)),
            "dest": rng.choice(["BOS", "ORD", "LAX"], count),
            "due": due,
            "at": due - 120,
            "planned": planned,
            "left": np.where(cancelled, np.nan, due + delay),
            "cancelled": np.where(cancelled, due + rng.choice([-60.0, 0.0, 45.0], count), np.nan),
            "arrived": np.where(
                cancelled | (rng.random(count) < 0.03), np.nan, planned + delay + rng.choice([0, 0, 1], count)
            ),
        },
        index=rng.permutation(count) + 300,
    )
    # One arrival lies exactly at the open start of the last window that is asked for.
    last = flights.loc[flights["at"].idxmax()]
    rivals = (flights.dest == last.dest) & flights.arrived.notna()
    flights.loc[(flights.arrived[rivals] - (last["at"] - 360)).abs().idxmin(), "arrived"] = last["at"] - 360
    hours = np.arange(5, 21) * 60.0
    weather = pd.DataFrame({"origin": np.repeat(["EWR", "JFK"], len(hours)), "hour": np.tile(hours, 2)})
    weather = weather.assign(known=weather.hour + rng.choice(KNOWN_AFTER, len(weather)))
    # Of the hour before BETWEEN one origin's observation has come in by then, the other's has not.
    weather.loc[weather.hour == BETWEEN // 60 * 60, "known"] = BETWEEN // 60 * 60 + rng.permutation(KNOWN_AFTER)
    weather = weather.assign(wind=rng.permutation(len(weather)) + 1.0)
    return flights, weather.sample(frac=1, random_state=rng)


def _same(left: pd.Series, right: pd.Series) -> bool:
    return np.allclose(left, right, rtol=0, atol=1e-6, equal_nan=True)


# 26.5: the skew test


@check("26.5")
def check_skew(skew, rng: Generator) -> None:
    """Serve a clean table in another shape, then with one fault at a time, then with all of them."""
    table = _features(rng)
    clean = _served(table, rng)
    found = _shares(skew, table, clean)
    assert not found, (
        f"The service answers the same as the table, in another order and another type, and {sorted(found)} "
        f"{'is' if len(found) == 1 else 'are'} accused: compare by label, by value, and let missing agree with missing."
    )
    for fault, (name, planted) in _planted(rng).items():
        served = _served(table, rng)
        flights = served.index[planted(table.loc[served.index])]
        _plant(served, name, flights, fault)
        _assert_shares(_shares(skew, table, served), {name: len(flights) / len(served)}, fault)
    without = clean.drop(columns="delay").assign(extra=1.0)
    _assert_shares(_shares(skew, table, without), {"delay": 1.0}, "a column that is not served")


def _shares(skew: Callable, table: pd.DataFrame, served: pd.DataFrame) -> dict[str, float]:
    found = skew(table.copy(), served.copy())
    assert isinstance(found, dict), f"Return a dict from column to share: this is {type_name(found)}."
    for name, share in found.items():
        assert name in table, f"{name!r} is in the result, and it is no column of the table."
        assert 0 < float(share) <= 1, f"{name} has the share {share}: a share lies above 0, and at most at 1."
    return {name: float(share) for name, share in found.items()}


def _assert_shares(found: dict[str, float], expected: dict[str, float], fault: str) -> None:
    for name, share in expected.items():
        assert name in found, f"{name} was served with {fault}, and nobody noticed."
        assert abs(found[name] - share) < 1e-9, (
            f"{name} was served with {fault} on {share:.1%} of the served flights, and the result says "
            f"{found[name]:.1%}."
        )
    innocent = sorted(set(found) - set(expected))
    assert not innocent, f"{innocent[0]} is accused although only {sorted(expected)} was served with {fault}."


def _planted(rng: Generator) -> dict[str, tuple[str, Callable[[pd.DataFrame], np.ndarray]]]:
    """Each fault, the column that has it, and the flights that it touches."""

    def some(share: float) -> Callable[[pd.DataFrame], np.ndarray]:
        return lambda table: np.arange(len(table)) < max(1, int(share * len(table)))

    return {
        "zero for a missing value": ("delay", lambda table: table.delay.isna().to_numpy()),
        "a missing value for a number": ("pressure", some(0.1)),
        "a shift of a few billionths": ("pressure", some(0.3)),
        "one more in the queue": ("waiting", some(rng.uniform(0.2, 0.8))),
        "another code": ("dest", some(0.05)),
        "another category": ("carrier", some(0.2)),
    }


def _plant(served: pd.DataFrame, name: str, flights: pd.Index, fault: str) -> None:
    changes = {
        "zero for a missing value": 0.0,
        "a missing value for a number": np.nan,
        "a shift of a few billionths": served.loc[flights, name] + 4e-9 if name == "pressure" else None,
        "one more in the queue": served.loc[flights, name] + 1 if name == "waiting" else None,
        "another code": "XXX",
        "another category": "ZZ",
    }
    served.loc[flights, name] = changes[fault]


def _features(rng: Generator) -> pd.DataFrame:
    rows = 200
    table = pd.DataFrame(
        {
            "delay": rng.normal(10, 30, rows),
            "pressure": rng.normal(1016, 8, rows),
            "waiting": rng.integers(0, 40, rows).astype(float),
            "dest": rng.choice(["BOS", "ORD", "LAX"], rows),
            "carrier": pd.Categorical(rng.choice(["UA", "DL", "B6"], rows)),
        },
        index=rng.permutation(rows) + 50,
    )
    table.loc[rng.random(rows) < 0.2, "delay"] = np.nan
    return table


def _served(table: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """The same values for some flights, with rows and columns in another order, and as a service returns them."""
    some = table.sample(120, random_state=rng)[list(rng.permutation(table.columns))]
    noise = some.delay + rng.uniform(-1e-11, 1e-11, len(some))
    return some.assign(waiting=some.waiting.astype(int), carrier=some.carrier.astype(str), delay=noise)


# 26.6: gain against cost


@check("26.6")
def check_decide(decide, rng: Generator) -> None:
    """Decide about groups that save much, too little, only sometimes, and only while their feed is alive."""
    for outage in (0.0, 0.1, round(float(rng.uniform(0.2, 0.4)), 2)):
        days, upkeep = _trial(rng)
        # A group that is worth its keep by half a euro, no more.
        upkeep["queue"] += _saving(days, "queue", upkeep["queue"], outage)[1] - 0.5
        found = decide(days.copy(), dict(upkeep), outage)
        assert isinstance(found, dict), f"Return a dict from group to its decision: this is {type_name(found)}."
        assert set(found) == set(upkeep), (
            f"The groups are {sorted(upkeep)}, and the decisions are about {sorted(found)}."
        )
        for group in upkeep:
            _assert_group(found[group], group, days, upkeep[group], outage)


def _assert_group(answer: Any, group: str, days: pd.DataFrame, upkeep: float, outage: float) -> None:
    for name in ("net", "low", "keep"):
        assert name in answer, f"The decision about {group} has no {name!r}."
    net, low = _saving(days, group, upkeep, outage)
    gross, dreamt = net + upkeep, (days[f"without_{group}"] - days["all"]).mean() - upkeep
    off = float(answer["net"]) - net
    assert abs(off) < 1e-6 or abs(float(answer["net"]) - gross) > 1e-6, (
        f"The net saving of {group} leaves its upkeep of {upkeep:.0f} euros a day out."
    )
    assert abs(off) < 1e-6 or abs(float(answer["net"]) - dreamt) > 1e-6, (
        f"The net saving of {group} takes its feed for always alive, and it is silent {outage:.0%} of the time."
    )
    assert abs(off) < 1e-6, (
        f"The net saving of {group} is {float(answer['net']):.2f} euros a day and should be {net:.2f}: the cost "
        "without it, less the cost with it (alive and silent, each by its share of the time), less its upkeep."
    )
    margin, right = net - float(answer["low"]), net - low
    assert abs(margin - right) < 1e-6, (
        f"low lies {margin:.3f} below the net saving of {group} and should lie {right:.3f} below: 1.96 standard errors "
        "of the daily saving, its standard deviation with n - 1."
    )
    assert bool(answer["keep"]) == (low > 0), (
        f"{group} saves {net:.2f} euros a day, at least {low:.2f}, and keep is {answer['keep']}: keep it only when "
        "even the lower end is above zero."
    )


def _saving(days: pd.DataFrame, group: str, upkeep: float, outage: float) -> tuple[float, float]:
    saved = [
        row[f"without_{group}"] - (1 - outage) * row["all"] - outage * row[f"silent_{group}"] - upkeep
        for _, row in days.iterrows()
    ]
    net = sum(saved) / len(saved)
    spread = (sum((value - net) ** 2 for value in saved) / (len(saved) - 1)) ** 0.5
    return net, net - 1.96 * spread / len(saved) ** 0.5


def _trial(rng: Generator) -> tuple[pd.DataFrame, dict[str, float]]:
    """Costs of some weeks, with days that are hard for every model."""
    count = int(rng.integers(20, 40))
    hard = rng.gamma(2, 300, count)
    days = pd.DataFrame({"all": hard + rng.normal(0, 5, count)})
    worth = {"weather": 90.0, "queue": 40.0, "arrivals": 25.0, "radar": 30.0}
    noise = {"weather": 20.0, "queue": 20.0, "arrivals": 15.0, "radar": 120.0}
    for group, value in worth.items():
        days[f"without_{group}"] = days["all"] + value + rng.normal(0, noise[group], count)
        days[f"silent_{group}"] = days[f"without_{group}"] + rng.uniform(40, 160) + rng.normal(0, 10, count)
    upkeep = {"weather": 30.0, "queue": 10.0, "arrivals": 30.0, "radar": 5.0}
    order = rng.permutation(list(upkeep))
    return days.sample(frac=1, random_state=rng), {str(group): upkeep[group] for group in order}


def _numbers(values: Any, count: int, what: str) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    assert array.shape == (count,), f"{count} {what} were asked for, and the answer has the shape {array.shape}."
    return array
