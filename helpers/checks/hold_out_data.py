"""What the answers to the exercises of lesson 24 must do."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator
from sklearn.metrics import roc_auc_score

from helpers.checks.core import check, one_number_a_fold, one_number_a_row, type_name

HOUR = pd.Timedelta(hours=1)

# 24.1: a cut along time


@check("24.1")
def check_split_at(split_at, rng: Generator) -> None:
    """Cut flights whose times stand close to the cutoff, and some exactly on it."""
    for horizon in (2 * HOUR, pd.Timedelta(minutes=int(rng.integers(150, 400)))):
        flights, cutoff = _flights_around_a_cutoff(rng, horizon)
        before = flights.copy()
        parts = split_at(flights, cutoff, horizon)
        assert isinstance(parts, tuple | list) and len(parts) == 2, (
            f"Return the two parts, train and test: this is {type_name(parts)}."
        )
        train, test = parts
        for part in parts:
            assert isinstance(part, pd.DataFrame) and "id" in part, (
                f"Each part is a data frame with the columns of flights: this is {type_name(part)}."
            )
            assert list(part.columns) == list(before.columns), (
                f"The parts have the columns {list(part.columns)}; the flights have {list(before.columns)}."
            )
        assert flights.equals(before), "The flights that were passed in have changed: work on a copy."
        _assert_split(before, set(train["id"]), set(test["id"]), cutoff, horizon)
        assert len(train) + len(test) == train["id"].nunique() + test["id"].nunique(), "Some flight is there twice."


def _assert_split(flights: pd.DataFrame, train: set, test: set, cutoff: pd.Timestamp, horizon: pd.Timedelta) -> None:
    shared = train & test
    assert not shared, f"{len(shared)} flights are in both parts: the test score will flatter you."
    decision = flights.scheduled - horizon
    trained, tested = flights["id"].isin(train), flights["id"].isin(test)
    open_ = trained & (flights.known > cutoff)
    assert not open_.any(), (
        f"{open_.sum()} training flights had no outcome yet at the cutoff: whoever trains at that moment cannot know "
        "it. Cut the training part by `known`."
    )
    early = tested & (decision < cutoff)
    assert not early.any(), (
        f"{early.sum()} test flights were decided before the cutoff, when the model did not exist: the decision is "
        "made a horizon before the scheduled departure."
    )
    forgotten = ~trained & (flights.known <= cutoff)
    assert not forgotten.any(), (
        f"{forgotten.sum()} flights with an outcome known at the cutoff or before are not used for training: an "
        "outcome that arrives at the cutoff itself is known."
    )
    untested = ~tested & (decision >= cutoff)
    assert not untested.any(), (
        f"{untested.sum()} flights that are decided at the cutoff or after are not in the test: a decision at the "
        "cutoff itself is the model's first."
    )


def _flights_around_a_cutoff(rng: Generator, horizon: pd.Timedelta) -> tuple[pd.DataFrame, pd.Timestamp]:
    cutoff = pd.Timestamp("2013-07-01 04:00", tz="UTC") + pd.Timedelta(days=int(rng.integers(100)))
    count = 300
    scheduled = cutoff + pd.to_timedelta(rng.integers(-720, 721, count), unit="min")
    known = scheduled + pd.to_timedelta(rng.integers(0, 600, count), unit="min")
    scheduled, known = scheduled.to_series(), known.to_series()
    scheduled.iloc[:3] = cutoff + horizon  # decided exactly at the cutoff
    known.iloc[:3] = cutoff + horizon + HOUR
    scheduled.iloc[3:6], known.iloc[3:6] = cutoff - 3 * HOUR, cutoff  # known exactly at the cutoff
    columns = {"id": rng.permutation(count) + 1000, "scheduled": scheduled.array, "known": known.array}
    flights = pd.DataFrame(columns, index=rng.permutation(count)).sample(frac=1, random_state=rng)
    return flights, cutoff


# 24.2: a cross-validation that leaks


@check("24.2")
def check_repaired_scores(repaired_scores, rng: Generator) -> None:
    """Score noise, days with a mood and a real signal: only the last may score."""
    noise = _scores(repaired_scores, *_noise(rng), k=20)
    assert np.mean(noise) < 0.63, (
        f"Columns of pure noise score {np.mean(noise):.2f}. The choice of the columns has seen the answers of the "
        "flights that it is tested on: choose inside each fold."
    )
    assert np.mean(noise) > 0.25, f"Columns of pure noise score {np.mean(noise):.2f}: they should score about .5."
    moods = _scores(repaired_scores, *_days_with_moods(rng), k=30)
    assert np.mean(moods) < 0.7, (
        f"Columns that only name the day score {np.mean(moods):.2f}. Flights of one day are on both sides: keep the "
        "day together."
    )
    X, y, day = _signal(rng)
    found = _scores(repaired_scores, X, y, day, k=2)
    assert np.mean(found) > 0.8, (
        f"Two columns with a real signal score only {np.mean(found):.2f}. They have a large mean and a small spread, "
        "so the regression needs them standardised; and the score is the AUC."
    )
    blurred = _scores(repaired_scores, X, y, day, k=X.shape[1])
    assert np.mean(found) > np.mean(blurred) + 0.02, (
        f"With k=2 and with k={X.shape[1]} the scores are {np.mean(found):.2f} and {np.mean(blurred):.2f}: only the k "
        "best columns should reach the regression."
    )


def _scores(repaired_scores: Callable, X: pd.DataFrame, y: pd.Series, day: pd.Series, k: int) -> np.ndarray:
    return one_number_a_fold(repaired_scores(X.copy(), y.copy(), day.copy(), k), "score")


def _noise(rng: Generator) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    rows = 400
    X = pd.DataFrame(rng.normal(size=(rows, 600))).add_prefix("x")
    return X, pd.Series(rng.random(rows) < 0.2), pd.Series(rng.permutation(np.arange(rows) % 60))


def _days_with_moods(rng: Generator) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Thirty columns that are constant within a day, and days on which most flights are late or few."""
    day = pd.Series(rng.permutation(np.repeat(np.arange(60), 10)))
    X = pd.DataFrame(rng.normal(size=(60, 30))[day]).add_prefix("x")
    mood = rng.permutation(np.arange(60) % 2)[day]
    return X, pd.Series(rng.random(len(day)) < np.where(mood == 1, 0.9, 0.1)), day


def _signal(rng: Generator) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Two columns of two hundred tell, and their mean is a million times their spread."""
    rows = 600
    X = rng.normal(size=(rows, 200))
    y = pd.Series(X[:, 0] + X[:, 1] + rng.normal(scale=0.3, size=rows) > 0.8)
    X[:, :2] += 1e6
    return pd.DataFrame(X).add_prefix("x"), y, pd.Series(rng.permutation(np.arange(rows) % 50))


# 24.3: a target encoding that does not know its own answer


@check("24.3")
def check_encode(encode, rng: Generator) -> None:
    """Compare with an encoding made row by row; some keys are rare, new, or in one fold only."""
    for weight in (20, float(rng.integers(1, 9))):
        key, late, fold, new_key = _keys(rng)
        parts = encode(key.copy(), late.copy(), fold.copy(), new_key.copy(), weight)
        assert isinstance(parts, tuple | list) and len(parts) == 2, (
            f"Return two encodings, of the training rows and of the new ones: this is {type_name(parts)}."
        )
        trained, new = (one_number_a_row(part, "An encoding") for part in parts)
        assert len(trained) == len(key) and len(new) == len(new_key), (
            f"{len(key)} training rows and {len(new_key)} new ones got {len(trained)} and {len(new)} values."
        )
        assert np.isfinite(trained).all() and np.isfinite(new).all(), (
            "Some rows have no value: a key that no row to learn from has gets the prior."
        )
        _assert_encoding(trained, new, key, late, fold, new_key, weight)


def _assert_encoding(
    trained: np.ndarray,
    new: np.ndarray,
    key: pd.Series,
    late: pd.Series,
    fold: pd.Series,
    new_key: pd.Series,
    weight: float,
) -> None:
    everything = np.ones(len(key), bool)
    naive = [_slow_rate(name, key, late, everything, weight) for name in key]
    expected = [_slow_rate(*pair, late, fold.to_numpy() != own, weight) for *pair, own in _with_key(key, fold)]
    assert not np.allclose(trained, naive, atol=1e-6) or np.allclose(naive, expected, atol=1e-6), (
        "A training row's value contains the row's own answer: learn it from the other folds."
    )
    assert np.allclose(trained, expected, rtol=0, atol=1e-6), (
        "The values of the training rows are not right: count late flights and flights of the key in the other "
        "folds, and let prior and weight come in as the formula says; the prior, too, is of the other folds."
    )
    new_expected = [_slow_rate(name, key, late, everything, weight) for name in new_key]
    assert np.allclose(new, new_expected, rtol=0, atol=1e-6), (
        "The values of the new rows are not right: they may learn from all training rows, whatever their fold, with "
        "the same formula; an unknown key gets the prior."
    )


def _with_key(key: pd.Series, fold: pd.Series) -> list[tuple[str, pd.Series, int]]:
    return [(name, key, own) for name, own in zip(key, fold, strict=True)]


def _slow_rate(name: str, key: pd.Series, late: pd.Series, rows: np.ndarray, weight: float) -> float:
    prior = late.to_numpy(float)[rows].mean()
    own = late.to_numpy(float)[rows & (key == name).to_numpy()]
    return (own.sum() + weight * prior) / (len(own) + weight)


def _keys(rng: Generator) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    rows = 240
    names = np.array([f"UA{number}" for number in rng.permutation(900)[:30]])
    which = np.minimum(rng.geometric(0.12, rows) - 1, 28)
    index = rng.permutation(rows) + 5000
    fold = pd.Series(rng.integers(0, 4, rows) + 3, index=index)
    rate = rng.random(30)
    late = pd.Series(rng.random(rows) < rate[which] * np.where(fold == 3, 0.4, 1), index=index)
    which[:3] = 29  # a key that one fold has alone
    fold.iloc[:3] = 4
    new_key = pd.Series([*rng.choice(names, 40), "XX1", "XX2"])
    return pd.Series(names[which], index=index), late, fold, new_key


# 24.4: the audit


class World(NamedTuple):
    """All that columns may be made of, as known at some moment."""

    flights: pd.DataFrame
    weather: pd.DataFrame


# Each leak that the lesson names, with the words in which a learner who missed it is told.
LEAKS = {
    "arr_time": "it is read off after the landing",
    "dep_delay": "it is known when the flight has left",
    "dep_time": "it is known when the flight has left",
    "air_time": "it is known after the landing",
    "same_hour_delay": "flights of the same hour leave after the decision",
    "same_day_delay": "flights of the same day leave after the decision",
    "previous_ten_delay": "by the timetable they are before, but most of them have not left at the decision",
    "weather_at_departure": "that weather is two hours in the future",
    "rate_over_all_data": "it counts outcomes that come after the decision",
    "rate_over_training": "a training flight's own answer is in it",
    "aircraft_legs": "its gaps go with one answer: the tail number of a cancelled flight was never filled in",
    "on_time_stamp": "its gaps go with one answer: exactly thirty training flights lack it, and all were on time",
    "day_of_year": "no later flight lies in the range of the training flights",
    "days_to_relaunch": "no later flight lies in the range of the training flights: all lie below it",
    "row_of_day": "the order of the rows was made after the fact",
}
CLEAN = {
    "departure_hour": "the timetable is known",
    "known_weather": "it is the last observation before the decision",
    "delay_last_3h": "it takes flights that have left by then; sums in another order differ in the last digit",
    "rate_over_folds": "a flight's own day does not count in it, and it learns from training flights only",
    "wind_gust": "its gaps go with both answers",
    "paper_form": "only 29 training flights lack it, and its gaps among later flights are not to be looked at",
    "season": "no more than half of the later flights lie outside the range of the training flights",
}
TESTS = ("future", "own answer", "gaps", "clock")


@check("24.4")
def check_audit(audit, rng: Generator) -> None:
    """Hide every leak that the lesson names among clean columns; none may be missed and none of the clean accused."""
    world = make_world(rng)
    pasts = {moment: _world_at(world, moment, rng) for moment in _moments(world, rng)}
    fates = {flight: _with_other_fate(world, flight) for flight in _probes(world, rng)}
    found = audit(build_columns, world, pasts, fates)
    assert isinstance(found, dict), (
        f"Return a dict from column to the tests that accuse it: this is {type_name(found)}."
    )
    for name, tests in found.items():
        assert name in LEAKS or name in CLEAN, f"{name!r} is no column of the table."
        assert not isinstance(tests, str), f"{name} has the text {tests!r}: give a set of tests, even where it is one."
        assert set(tests), f"{name} is in the dict without a test: leave out the columns that no test accuses."
        assert set(tests) <= set(TESTS), f"{name} has {sorted(map(str, tests))}: the tests are called {TESTS}."
        assert name not in CLEAN, f"{name} is accused by {' and '.join(sorted(tests))}, and it is clean: {CLEAN[name]}."
    expected = _slow_audit(world, pasts, fates)
    for name, why in LEAKS.items():
        assert name in found, f"{name} is a leak that nobody noticed: {why}."
    for name, tests in expected.items():
        missed, added = tests - set(found[name]), set(found[name]) - tests
        assert not missed, f"The test {missed.pop()!r} should accuse {name} too."
        assert not added, f"The test {added.pop()!r} accuses {name}, for which it has no ground."


def make_world(rng: Generator) -> World:
    """Sixty days of flights that behave like New York's: bad days, queues, and rows in the order of departure."""
    days, a_day = 60, 16
    count = days * a_day
    bad_day = rng.gamma(0.7, 25, days).repeat(a_day)
    date = pd.Timestamp("2013-05-01", tz="UTC") + pd.to_timedelta(np.arange(days).repeat(a_day), unit="D")
    minute = np.sort(rng.integers(6 * 12, 22 * 12, (days, a_day)) * 5, axis=1)
    minute[:, [6, 9]] = minute[:, [5, 8]]  # two flights are decided at one moment
    minute = minute.ravel()
    flights = pd.DataFrame(
        {
            "date": date,
            "origin": rng.choice(["EWR", "JFK"], count),
            "number": rng.choice([f"UA{number}" for number in range(40)], count),
            "scheduled": date + pd.to_timedelta(minute, unit="min"),
            "dep_delay": np.round(rng.normal(-3, 4, count) + bad_day * rng.random(count)),
            "air_time": rng.integers(60, 300, count).astype(float),
        }
    )
    flights["decision"] = flights.scheduled - 2 * HOUR
    flights["train"] = flights.date < flights.date.iloc[40 * a_day]
    flights["tailnum"] = [f"N{number}" for number in rng.integers(0, 50, count)]
    flights.loc[rng.random(count) < bad_day / 200, "dep_delay"] = np.nan
    flights.loc[flights.dep_delay.isna() & (rng.random(count) < 0.9), "tailnum"] = None
    flights = _with_outcomes(flights)
    flights = _with_papers(flights, rng)
    hours = pd.date_range(date[0], date[-1] + 24 * HOUR, freq="h")
    weather = pd.DataFrame({"hour": hours, "temp": rng.normal(60, 9, len(hours))})
    # In the order of the actual departure, the cancelled at the end of the day: as the file of 2013.
    flights = flights.sort_values(["date", "departed"]).reset_index(drop=True)
    return World(flights, weather)


def _with_outcomes(flights: pd.DataFrame) -> pd.DataFrame:
    """Let everything that happens follow from delay and air time; a cancelled flight has neither."""
    departed = flights.scheduled + pd.to_timedelta(flights.dep_delay, unit="min")
    landed = departed + pd.to_timedelta(flights.air_time, unit="min")
    cancelled = departed.isna()
    return flights.assign(
        departed=departed,
        dep_time=departed.dt.hour * 100 + departed.dt.minute,
        arr_time=landed.dt.hour * 100 + landed.dt.minute,
        air_time=flights.air_time.where(~cancelled),
        known=landed.fillna(flights.scheduled),
        late=(cancelled | (flights.dep_delay >= 12)).astype(float),
    )


def _with_papers(flights: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    """Columns that are what they are at any moment; the gaps of two of them are counted out."""

    def gaps(late: int, train: bool, count: int) -> np.ndarray:
        return rng.choice(flights.index[(flights.late == late) & (flights.train == train)], count, replace=False)

    number = pd.Series(rng.normal(size=len(flights)), index=flights.index)
    season = pd.Series(rng.normal(size=len(flights)), index=flights.index)
    season[flights.train] = season[flights.train].clip(-1, 1)
    later = rng.permutation(flights.index[~flights.train])
    season[later[: len(later) // 2]] = 2.0  # exactly half
    season[later[len(later) // 2 :]] = 0.0
    return flights.assign(
        stamp=number.drop(gaps(0, True, 30)),
        form=number.drop(gaps(1, True, 29)).drop(gaps(1, False, 20)),
        gust=number.where(rng.random(len(flights)) < 0.3),
        season=season,
    )


def build_columns(world: World) -> pd.DataFrame:
    """Build the columns that the audit judges: those of LEAKS and of CLEAN."""
    flights, weather = world
    day = flights.date.dt.dayofyear
    number, delay = flights.number, flights.dep_delay
    learnt = flights.late.where(flights.train)
    total, count = (learnt.groupby(number).transform(how) for how in ("sum", "count"))
    own = {how: learnt.groupby([number, day % 5]).transform(how).where(flights.train, 0) for how in ("sum", "count")}
    in_order = flights.sort_values(["origin", "scheduled", "number", "decision"], kind="stable")
    ten = in_order.dep_delay.groupby(in_order.origin).rolling(10, min_periods=1, closed="left").mean().droplevel(0)
    columns = {
        "departure_hour": flights.scheduled.dt.hour,
        **{name: flights[name] for name in ("arr_time", "dep_delay", "dep_time", "air_time")},
        "same_hour_delay": delay.groupby(flights.scheduled.dt.floor("h")).transform("mean"),
        "same_day_delay": delay.groupby(flights.date).transform("mean"),
        "previous_ten_delay": ten,
        "weather_at_departure": flights.scheduled.dt.floor("h").map(weather.set_index("hour").temp),
        "known_weather": (flights.decision - 0.85 * HOUR).dt.floor("h").map(weather.set_index("hour").temp),
        "delay_last_3h": _delay_of_the_last_hours(flights),
        "rate_over_all_data": flights.late.groupby(number).transform("mean"),
        "rate_over_training": total / count,
        "rate_over_folds": (total - own["sum"]) / (count - own["count"]),
        "aircraft_legs": flights.groupby(["tailnum", "date"]).number.transform("size"),
        "day_of_year": day,
        "days_to_relaunch": 365 - day,
        "row_of_day": flights.groupby("date").cumcount(),
        "on_time_stamp": flights.stamp,
        "paper_form": flights.form,
        "wind_gust": flights.gust,
        "season": flights.season,
    }
    return pd.DataFrame(columns).reindex(flights.index).astype(float)


def _delay_of_the_last_hours(flights: pd.DataFrame) -> pd.Series:
    """Mean delay of the flights that left in the three hours before the decision, with the noise of its last digit."""
    decision, departed = (flights[name].to_numpy("datetime64[ns]") for name in ("decision", "departed"))
    window = (departed <= decision[:, None]) & (departed > decision[:, None] - np.timedelta64(3, "h"))
    with np.errstate(invalid="ignore"):
        mean = (window * np.nan_to_num(flights.dep_delay.to_numpy())).sum(axis=1) / window.sum(axis=1)
    # The order of the rows decides the last digit of a sum of floats; here it does so on every machine.
    return pd.Series(mean, index=flights.index) * (1 + 1e-14 * np.arange(len(flights)))


def _world_at(world: World, moment: pd.Timestamp, rng: Generator) -> World:
    """Return what was known at the moment, with the rows in another order: backwards, from somewhere on."""
    count = len(world.flights)
    flights = world.flights.iloc[np.roll(np.arange(count)[::-1], rng.integers(count))].copy()
    flights.loc[~(flights.departed <= moment), ["dep_delay", "dep_time"]] = np.nan
    flights.loc[~(flights.known <= moment), ["arr_time", "air_time", "late"]] = np.nan
    flights.loc[~(flights.departed <= moment), "departed"] = pd.NaT
    return World(flights, world.weather[world.weather.hour + 0.85 * HOUR <= moment])


def _with_other_fate(world: World, flight: int) -> World:
    """Return the world in which one flight that was late left on time, or one that was on time was cancelled."""
    flights = world.flights.copy()
    was_late = flights.at[flight, "late"] == 1
    flights.loc[flight, "dep_delay"] = 0.0 if was_late else np.nan
    flights.loc[flight, "air_time"] = 77.0
    changed = _with_outcomes(flights.loc[[flight]])
    return world._replace(flights=pd.concat([flights.drop(flight), changed]).reindex(flights.index))


def _moments(world: World, rng: Generator) -> list[pd.Timestamp]:
    """Return five decisions of later days, about flights that leave soon after another one of their origin.

    At some of them two flights are decided, so that their order matters to who compares without labels. The first
    of those days are left out: all training flights have landed by then.
    """
    flights = world.flights[world.flights.dep_delay.notna()].sort_values("scheduled")
    waited = flights.scheduled - flights.groupby("origin").scheduled.shift()
    later = flights.date >= flights.date[~flights.train].min() + 48 * HOUR
    asked = flights[later & (waited > 0 * HOUR) & (waited <= HOUR) & flights.scheduled.dt.hour.between(8, 18)]
    shared = asked.decision.isin(flights.decision[flights.decision.duplicated()])
    chosen = [
        asked[rows].drop_duplicates("date").sample(count, random_state=rng)
        for rows, count in ((shared, 2), (~shared, 3))
    ]
    return list(pd.concat(chosen).decision)


def _probes(world: World, rng: Generator) -> list[int]:
    """Return training flights, two that were on time and two that were late, whose number has other flights."""
    flights = world.flights[world.flights.train & world.flights.dep_delay.notna()]
    return [flight for late in (0, 1) for flight in flights[flights.late == late].sample(2, random_state=rng).index]


def _slow_audit(world: World, pasts: dict[Any, World], fates: dict[int, World]) -> dict[str, set[str]]:
    """Judge column by column and row by row."""
    now, flights = build_columns(world), world.flights
    found: dict[str, set[str]] = {name: set() for name in now}
    for moment, past in pasts.items():
        then = build_columns(past)
        for flight in flights.index[flights.decision == moment]:
            for name in _differing(now.loc[flight], then.loc[flight]):
                found[name].add("future")
    for flight, fate in fates.items():
        for name in _differing(now.loc[flight], build_columns(fate).loc[flight]):
            found[name].add("own answer")
    for name, column in now.items():
        answers = [
            late
            for late, value in zip(flights.late[flights.train], column[flights.train], strict=True)
            if value != value
        ]
        if len(answers) >= 30 and len(set(answers)) == 1:
            found[name].add("gaps")
        low, high = column[flights.train].min(), column[flights.train].max()
        outside = [value < low or value > high for value in column[~flights.train]]
        if sum(outside) > len(outside) / 2:
            found[name].add("clock")
    return {name: tests for name, tests in found.items() if tests}


def _differing(left: pd.Series, right: pd.Series) -> list[str]:
    return [
        name
        for name in left.index
        if pd.isna(left[name]) != pd.isna(right[name]) or abs(left[name] - right[name]) > 1e-9 * max(1, abs(left[name]))
    ]


# 24.5: a decision with its interval


@check("24.5")
def check_decide(decide, rng: Generator) -> None:
    """Decide about challengers that are better every day, on a few days, or not at all."""
    for better, lucky_days in ((0.6, 0), (0.0, 3)):
        scores = _two_models(rng, better, lucky_days)
        expected = _jackknife(scores)
        for worth in (0.0, expected["low"] - 0.001, expected["low"] + 0.001):
            answer = _assert_decision(decide(scores.copy(), worth), expected, worth)
        edge = decide(scores.copy(), answer["low"])
        assert not bool(edge["ship"]), (
            "Where the lower end of the interval equals what the gain must be worth, do not ship: it must be above."
        )


def _assert_decision(answer: Any, expected: dict[str, float], worth: float) -> dict:
    assert isinstance(answer, dict), f"Return a dict with gain, low, high and ship: this is {type_name(answer)}."
    for name in ("gain", "low", "high", "ship"):
        assert name in answer, f"The dict has no {name!r}; it has {sorted(map(str, answer))}."
    assert abs(float(answer["gain"]) - expected["gain"]) < 1e-6, (
        f"The gain is {float(answer['gain']):+.4f} and should be {expected['gain']:+.4f}: it is the AUC of the new "
        "model less the AUC of the old one, over all flights."
    )
    half, right = float(answer["high"]) - float(answer["gain"]), expected["high"] - expected["gain"]
    assert half > 0.75 * right, (
        f"The interval reaches {half:.4f} to either side and should reach {right:.4f}: it is too narrow. Leave out "
        "whole days, not flights, and mind the factor (n - 1) / n."
    )
    assert half < 1.25 * right, (
        f"The interval reaches {half:.4f} to either side and should reach {right:.4f}: it is too wide. Take the "
        "difference of the two models in each replicate, so that their shared days cancel."
    )
    for name in ("low", "high"):
        assert abs(float(answer[name]) - expected[name]) < 1e-6, (
            f"{name} is {float(answer[name]):+.4f} and should be {expected[name]:+.4f}: gain less and plus 1.96 "
            "standard errors."
        )
    assert bool(answer["ship"]) == (expected["low"] > worth), (
        f"With an interval from {expected['low']:+.4f} to {expected['high']:+.4f} and a worth of {worth:.4f}, ship is "
        f"{answer['ship']}: ship only when even the lower end is above the worth."
    )
    return answer


def _jackknife(scores: pd.DataFrame) -> dict[str, float]:
    def gain(rows: pd.DataFrame) -> float:
        return roc_auc_score(rows.late, rows.new) - roc_auc_score(rows.late, rows.old)

    days = scores.day.unique()
    without = [gain(scores[scores.day != day]) for day in days]
    center = sum(without) / len(days)
    error = ((len(days) - 1) / len(days) * sum((value - center) ** 2 for value in without)) ** 0.5
    total = gain(scores)
    return {"gain": total, "low": total - 1.96 * error, "high": total + 1.96 * error}


def _two_models(rng: Generator, better: float, lucky_days: int) -> pd.DataFrame:
    """Forecasts of two models that share hard days; the new one sees `better` of what the old one does not see."""
    days = int(rng.integers(12, 16))
    sizes = rng.integers(8, 60, days)
    day = np.arange(days).repeat(sizes)
    mood, hidden = rng.normal(size=days)[day], rng.normal(size=len(day))
    late = mood + hidden + rng.normal(size=len(day)) > 0.9
    old = mood + rng.normal(scale=0.8, size=len(day))
    shift = np.where(day < lucky_days, 2.0 * (late - 0.5), 0.0)
    new = old + better * hidden + shift + rng.normal(scale=0.1, size=len(day))
    dates = pd.Timestamp("2013-09-01") + pd.to_timedelta(day, unit="D")
    table = pd.DataFrame({"day": dates, "late": late, "old": old, "new": new})
    return table.sample(frac=1, random_state=rng).reset_index(drop=True)


# 24.6: a rolling origin


@check("24.6")
def check_rolling_origin(rolling_origin, rng: Generator) -> None:
    """Roll over unsorted rows of days of very different sizes, some days missing, with and without a window."""
    for window in (None, 9):
        for folds, test_days, gap_days in ((3, 5, 2), (4, 3, 0)):
            day = _unsorted_days(rng)
            parts = rolling_origin(day.copy(), folds, test_days, gap_days, window)
            assert isinstance(parts, list | tuple), f"Return a list of folds: this is {type_name(parts)}."
            assert len(parts) == folds, f"{folds} folds were asked for, and these are {len(parts)}."
            for number, part in enumerate(parts):
                assert isinstance(part, list | tuple) and len(part) == 2, (
                    f"A fold is a pair (train, test) of positions: this is {type_name(part)}."
                )
                _assert_fold(day, number, part, (folds, test_days, gap_days, window))


def _assert_fold(day: pd.Series, number: int, part: tuple, ask: tuple[int, int, int, int | None]) -> None:
    folds, test_days, gap_days, window = ask
    train, test = ([int(position) for position in rows] for rows in part)
    values = list(day)
    assert all(0 <= position < len(values) for position in [*train, *test]), (
        "Some positions are outside the rows: give positions from 0 on, not labels of the index."
    )
    studied, examined = {values[position] for position in train}, {values[position] for position in test}
    shared = studied & examined
    assert not shared, f"{len(shared)} days are on both sides of a fold: count days, not rows."
    assert not studied or max(studied) < min(examined, default=max(studied)), (
        "A training day comes after a test day: sort the days; the order of the rows means nothing."
    )
    calendar = sorted(set(values))
    start = len(calendar) - (folds - number) * test_days
    expected = set(calendar[start : start + test_days])
    assert examined == expected, (
        f"Fold {number + 1} tests on {len(examined)} days that are not the right ones: the last fold ends with the "
        f"last day, each has {test_days} days, and they follow each other without overlap, in order of time."
    )
    end = start - gap_days
    past = set(calendar[max(0, end - window) if window else 0 : end])
    assert studied == past, (
        f"Fold {number + 1} trains on {len(studied)} days and should train on {len(past)}: with a gap of {gap_days} "
        f"days and {'no window, all days before it' if window is None else f'the last {window} days before it'}."
    )
    assert len(train) == sum(value in past for value in values) and len(test) == sum(
        value in expected for value in values
    ), "Each row of a day belongs to its part, and once."


def _unsorted_days(rng: Generator) -> pd.Series:
    dates = pd.Timestamp("2013-01-20") + pd.to_timedelta(np.sort(rng.permutation(45)[:30]), unit="D")
    rows = pd.Series(dates.repeat(rng.integers(1, 12, 30)))
    return rows.sample(frac=1, random_state=rng)
