"""What the answers to the exercises of lesson 62 must do."""

import math
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.stats import norm, t

from helpers.checks.core import check, type_name

# 62.1: choose a window without looking ahead

WINDOWS = ["1 month", "3 months", "6 months", "all"]


@check("62.1")
def check_choose_windows(choose_windows, rng: Generator) -> None:
    """Years in which the best window changes, outcomes come late, and months differ in size."""
    for latest in (0, 40, 40, 40):
        scores = _shadow_scores(rng, latest)
        before = scores.copy()
        found = choose_windows(scores)
        assert scores.equals(before), "The table that was passed in has changed: work on a copy."
        assert isinstance(found, dict), f"Return a dict from each start to a window: this is {type_name(found)}."
        starts = sorted(set(scores["start"]))
        assert {pd.Timestamp(start) for start in found} == set(starts), (
            f"The dict has {len(found)} starts, and the table {len(starts)}: choose for each first of a month, also "
            "where nothing is known yet."
        )
        choices = {pd.Timestamp(start): window for start, window in found.items()}
        _assert_choices(choices, scores)


def _assert_choices(choices: dict, scores: pd.DataFrame) -> None:
    rows, starts = scores.to_dict("records"), sorted(choices)

    def by(seen: Callable[[dict, pd.Timestamp], bool], best: Callable | None = None, **instead: object) -> dict:
        choose = best or _best_window
        return {start: choose([row | instead for row in rows if seen(row, start)]) for start in starts}

    expected = by(lambda row, start: row["known_at"] <= start)
    wrong = [start for start in starts if choices[start] != expected[start]]
    if not wrong:
        return
    day = f"{wrong[0]:%d %B}"
    mistakes = {
        "a month counts as soon as it is over, though its last outcome came in later: what counts is known_at": by(
            lambda row, start: row["start"] < start
        ),
        "what comes in on the first itself is known on it: `known_at` at or before the start": by(
            lambda row, start: row["known_at"] < start
        ),
        "the choice looks ahead: it uses the scores of the month that is to be forecast": by(
            lambda row, start: row["start"] <= start
        ),
        "the choice looks ahead: it is the best of the whole year": by(lambda row, start: True),
        "a month with few flights counts as much as one with many: take the mean over flights": by(
            lambda row, start: row["known_at"] <= start, flights=1
        ),
        "a window that was tried in fewer months has the lower sum: take the mean over its own flights": by(
            lambda row, start: row["known_at"] <= start, best=_lowest_sum
        ),
    }
    for mistake, made in mistakes.items():
        assert choices != made, f"{len(wrong)} of {len(starts)} choices are wrong, the first that of {day}: {mistake}."
    assert expected[wrong[0]] != "all" or any(row["known_at"] <= wrong[0] for row in rows), (
        f"On {day} nothing is known yet and the choice is {choices[wrong[0]]!r}: it is 'all' until a month is known."
    )
    raise AssertionError(
        f"On {day} the choice is {choices[wrong[0]]!r}, and among what is known then the lowest mean Brier score is "
        "another's."
    )


def _best_window(rows: list[dict]) -> str:
    """Window by window, in the order of the alphabet: the first that has the lowest mean."""
    best, lowest = "all", math.inf
    for window in WINDOWS:
        mine = [row for row in rows if row["window"] == window]
        if mine:
            mean = sum(row["flights"] * row["brier"] for row in mine) / sum(row["flights"] for row in mine)
            if mean < lowest:
                best, lowest = window, mean
    return best


def _lowest_sum(rows: list[dict]) -> str:
    """The window with the lowest sum of errors, which is that of the window that was tried least."""
    sums = {window: sum(row["flights"] * row["brier"] for row in rows if row["window"] == window) for window in WINDOWS}
    return min((window for window in WINDOWS if sums[window]), key=lambda window: sums[window], default="all")


def _shadow_scores(rng: Generator, latest: int) -> pd.DataFrame:
    """A year's scores in any order; outcomes come up to ``latest`` days after the month's end.

    Six months are not tried before July, since there are none to train on.
    """
    rows, level = [], rng.normal(0.15, 0.004, len(WINDOWS))
    for month in range(1, 13):
        start = pd.Timestamp(2013, month, 1)
        known_at = start + pd.offsets.MonthBegin(1) + pd.Timedelta(days=int(rng.integers(0, latest + 1)))
        flights = int(rng.choice([300, 3_000, 30_000]))
        level = level + rng.normal(0, 0.006, len(WINDOWS))
        rows += [(start, known_at, window, flights, brier) for window, brier in zip(WINDOWS, level, strict=True)]
    scores = pd.DataFrame(rows, columns=["start", "known_at", "window", "flights", "brier"])
    scores = scores[(scores["window"] != "6 months") | (scores["start"] >= "2013-07-01")].reset_index(drop=True)
    tied = scores["start"] == "2013-01-01"  # two windows share the lowest score of the first month
    scores.loc[tied, "brier"] = scores["window"][tied].map({"1 month": 0.1, "3 months": 0.1, "all": 0.3})
    return scores.sample(frac=1, random_state=int(rng.integers(1_000)))


# 62.2: a job that learns from what is not known yet


@check("62.2")
def check_split(split, rng: Generator) -> None:
    """Days with late outcomes, with outcomes that never come, and champions that know too much."""
    for test_days in (1, 5, 7):
        flights, at = _flights_with_late_outcomes(rng)
        last_days = _counting_days(flights, at)
        champion = last_days[-test_days] - pd.Timedelta(days=1)
        before = flights.copy()
        found = split(flights, at, champion, test_days)
        assert flights.equals(before), "The flights that were passed in have changed: work on a copy."
        _assert_parts(found, flights, at, test_days)
        for first in (last_days[-test_days], last_days[-1] + pd.Timedelta(days=3)):
            assert _refuses(split, flights, at, first, test_days), (
                f"The champion was trained until {first:%d %B}, on days of the test or later, and it was judged: that "
                "is no exam for it. Raise ValueError."
            )
    few = flights[flights["day"].isin(last_days[-5:])]
    old = pd.Timestamp("2012-12-01")
    for test_days in (5, 6):
        assert _refuses(split, few, at, old, test_days), (
            f"5 days count and {test_days} are asked for the test: no day is left to train on. Raise ValueError."
        )


def _refuses(split: Callable, *given: object) -> bool:
    try:
        split(*given)
    except ValueError:
        return True
    return False


def _assert_parts(found: Any, flights: pd.DataFrame, at: pd.Timestamp, test_days: int) -> None:
    assert isinstance(found, dict) and {"train", "test", "final"} <= set(found), (
        f"Return a dict with train, test and final: this is {type_name(found)}."
    )
    parts = {name: list(found[name]) for name in ("train", "test", "final")}
    labels = set(flights.index)
    for name, part in parts.items():
        assert set(part) <= labels, f"{name} holds labels that are not in the index of the flights."
        assert len(set(part)) == len(part), f"{name} holds {len(part) - len(set(part))} flights twice."
        unknown = ~(flights.loc[part, "known_at"] <= at)
        assert not unknown.any(), (
            f"{unknown.sum()} flights of {name} have an outcome that is not known at that moment: the job would learn "
            "from the future."
        )
        days = flights.loc[part, "day"]
        half_known = set(days) - set(_counting_days(flights, at))
        assert not half_known, (
            f"{name} holds {len(half_known)} days of which only a part is known: what is known early is not like the "
            "rest. Such a day does not count."
        )
    assert not set(parts["train"]) & set(parts["test"]), (
        f"{len(set(parts['train']) & set(parts['test']))} flights are in train and in test: the gate would judge what "
        "was learnt by heart."
    )
    counting = _counting_days(flights, at)
    tested = sorted(set(flights.loc[parts["test"], "day"]))
    assert tested == counting[-test_days:], (
        f"The test has {len(tested)} days, and it takes the last {test_days} that count."
    )
    left_out = set(counting[:-test_days]) - set(flights.loc[parts["train"], "day"])
    left = flights[flights["day"].isin(left_out)]
    lacking = set(left["day"][~(left["known_at"] <= at)])  # of these days not everything is known
    assert not left_out or left_out > lacking, (
        f"Train leaves out {min(left_out):%d %B}, of which 99 % is known: 99 % or more are enough for a day to count."
    )
    assert not left_out, "Train takes every day that counts before the test, and no other."
    usable = set(flights.index[flights["known_at"] <= at])
    for name, days in (("test", counting[-test_days:]), ("train", counting[:-test_days])):
        expected = usable & set(flights.index[flights["day"].isin(days)])
        assert set(parts[name]) == expected, (
            f"{name} holds {len(parts[name])} of {len(expected)} usable flights of its days: take all of them."
        )
    assert set(parts["final"]) == set(parts["train"]) | set(parts["test"]), (
        f"final holds {len(parts['final'])} flights: the model that serves learns from train and from test."
    )


def _counting_days(flights: pd.DataFrame, at: pd.Timestamp) -> list[pd.Timestamp]:
    """Day by day: how many of its flights are known."""
    counting = []
    for day, known_at in flights.groupby("day")["known_at"]:
        if sum(moment <= at for moment in known_at) >= 0.99 * len(known_at):
            counting.append(day)
    return sorted(counting)


def _flights_with_late_outcomes(rng: Generator) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Five weeks of flights: one of the last days is half known, those after it hardly, some outcomes never come."""
    days = pd.date_range("2013-03-01", periods=35)
    counts = rng.integers(20, 40, len(days))
    exact, below = rng.choice(np.arange(5, 20), 2, replace=False)
    whole = rng.integers(26, 29)  # among the days of a test
    counts[exact], counts[below] = 100, 100
    day = days.repeat(counts)
    known_at = pd.Series(day + pd.to_timedelta(rng.uniform(8, 30, len(day)), "h"))
    at = days[30] + pd.Timedelta(hours=20)
    for number, missing in ((exact, 1), (below, 2)):  # 99 of a hundred count, 98 do not
        known_at[np.flatnonzero(day == days[number])[:missing]] = pd.NaT
    late = np.flatnonzero(day == days[whole])
    known_at[late[: len(late) // 2]] = at + pd.Timedelta(days=2)
    known_at[np.flatnonzero(day == days[3])[0]] = at  # known at this very moment
    flights = pd.DataFrame({"day": day, "known_at": known_at.to_numpy()})
    flights.index = rng.permutation(len(flights)) + 5_000
    return flights.sample(frac=1, random_state=int(rng.integers(1_000))), at


# 62.3: on which dates to train


@check("62.3")
def check_plan_trainings(plan_trainings, rng: Generator) -> None:
    """Bills of some months, at prices from nothing to too much."""
    for months, prices in ((5, (0.0, 40.0, 200.0)), (8, (20.0, 60.0, 90.0, 130.0)), (8, (50.0, 100.0)), (2, (30.0,))):
        bill = _bill(rng, months)
        for price in prices:
            before = bill.copy()
            found = plan_trainings(bill, price)
            assert bill.equals(before), "The bill that was passed in has changed: work on a copy."
            _assert_plan(found, bill, price)
    # Here the old model does better again in the last month: who trains has given it away.
    unit = float(rng.uniform(1, 3))
    bill = pd.DataFrame([[100, 100, 50], [np.nan, 60, 90], [np.nan, np.nan, 85]], index=[4, 5, 6], columns=[4, 5, 6])
    _assert_plan(plan_trainings(unit * bill, 10 * unit), unit * bill, 10 * unit)


def _assert_plan(found: Any, bill: pd.DataFrame, price: float) -> None:
    wanted = ("never", "calendar", "break_even", "dates", "best")
    assert isinstance(found, dict) and set(wanted) <= set(found), (
        f"Return a dict with {', '.join(wanted)}: this is {type_name(found)}."
    )
    later = [int(origin) for origin in bill.index[1:]]
    never, calendar = _cost_of(bill, [], price), _cost_of(bill, later, price)
    assert math.isclose(found["never"], never, abs_tol=1e-6), (
        f"never is {found['never']:.2f} and should be {never:.2f}: all months with the model that exists already."
    )
    assert math.isclose(found["calendar"], calendar, abs_tol=1e-6), (
        f"calendar is {found['calendar']:.2f} and should be {calendar:.2f}: each month its own model, and the price of "
        f"{len(later)} trainings (the first model exists already)."
    )
    break_even = (never - _cost_of(bill, later, 0)) / len(later)
    assert math.isclose(found["break_even"], break_even, abs_tol=1e-6), (
        f"break_even is {found['break_even']:.2f}: at that price of a training never and calendar do not cost the same."
    )
    dates = [int(date) for date in found["dates"]]
    assert set(dates) <= set(later) and dates == sorted(set(dates)), (
        f"dates are {dates}: take them from the later origins {later}, each once, in order."
    )
    sets = [list(some) for count in range(len(later) + 1) for some in combinations(later, count)]
    lowest = min(_cost_of(bill, some, price) for some in sets)
    cost = _cost_of(bill, dates, price)
    assert cost <= lowest + 1e-6, (
        f"Training on {dates} costs {cost:.2f} in all, and there are dates that cost {cost - lowest:.2f} less. A "
        "training pays until the next one, not in its first month alone, and an old model does not come back after "
        "a new one."
    )
    assert math.isclose(found["best"], lowest, abs_tol=1e-6), (
        f"best is {found['best']:.2f}, and the months and trainings of these dates cost {lowest:.2f}: an "
        "old model does not come back after a new one."
    )


def _cost_of(bill: pd.DataFrame, dates: list[int], price: float) -> float:
    """Month by month: the model of the last training answers."""
    origin, total = bill.index[0], price * len(dates)
    for month in bill.columns:
        origin = month if month in dates else origin
        total += bill.loc[origin, month]
    return float(total)


def _bill(rng: Generator, months: int) -> pd.DataFrame:
    """What each month costs with each model: older ones are mostly worse, and some fresh ones are unlucky."""
    numbers = list(range(3, 3 + months))
    level = rng.uniform(500, 900, months)
    rows = {}
    for origin in numbers:
        luck = rng.normal(0, 40)
        rows[origin] = [
            level[month - 3] + 35 * (month - origin) + luck + rng.normal(0, 15) if month >= origin else np.nan
            for month in numbers
        ]
    return pd.DataFrame(rows, index=numbers).T


# 62.4: a gate that luck does not pass

CARRIERS = ["AA", "DL", "HA"]


@check("62.4")
def check_gate(gate, rng: Generator) -> None:
    """Send equal challengers, the best of forty, better ones, such as one carrier pays for, and narrow cases."""
    flights, forecasts = _contest(rng, 1, better=True)
    verdict = gate(flights.assign(challenger=forecasts[0]), 1)
    assert isinstance(verdict, bool | np.bool_), f"Return True or False: this is {type_name(verdict)}."
    assert not gate(flights.assign(challenger=flights["champion"]), 1), (
        "A challenger that forecasts what the champion forecasts passed: its bound is zero, and not below zero."
    )
    _assert_power(gate, rng)
    _assert_slices(gate, rng)
    pairs = 24
    passed = sum(bool(gate(_ahead(rng), 1)) for _ in range(pairs))
    assert passed <= 7, (
        f"Of {pairs} pairs of equal models, the one that was ahead on these days was sent as the challenger, and "
        f"{passed} passed. At 5 % for each of the two it should be 2. Luck comes in runs of days: "
        "how many things were drawn by chance?"
    )
    groups = 8
    passed = sum(bool(gate(_sent(*_contest(rng, 40)), 40)) for _ in range(groups))
    assert passed <= 2, (
        f"The best of forty equal candidates was sent {groups} times, and {passed} passed: it was picked because of "
        "these days, and `tried` says so."
    )
    _assert_bound(gate, rng)


def _assert_bound(gate: Callable, rng: Generator) -> None:
    """Challengers whose bound lies close to zero, on days that are good or bad for both models alike."""
    contests = [(_close(rng, tried, near), tried) for tried in (1, 5, 60) for near in np.arange(0.76, 1.25, 0.03)]
    bounds = [_bound(flights, tried) for flights, tried in contests]
    said = [bool(gate(flights, tried)) for flights, tried in contests]
    wrong = [place for place, bound in enumerate(bounds) if abs(bound) > 1e-6 and said[place] != (bound < 0)]
    if not wrong:
        return
    first = wrong[0]
    assert any(said), (
        f"Of {len(said)} challengers {sum(bound < 0 for bound in bounds)} have a bound below zero, and none passed. "
        "Both models meet the same good and bad days: take the change flight by flight, so that this cancels."
    )
    mistakes = {
        "seven blocks ask for Student's t with 6 degrees of freedom, not for the normal quantile": [
            _bound(*contest, quantile=lambda level: norm.ppf(level)) < 0 for contest in contests
        ],
        "the standard deviation of the blocks divides by n - 1 (`ddof=1`)": [
            _bound(*contest, ddof=0) < 0 for contest in contests
        ],
    }
    for mistake, made in mistakes.items():
        assert said != made, f"{len(wrong)} of {len(said)} verdicts are wrong: {mistake}."
    raise AssertionError(
        f"{len(wrong)} of {len(said)} verdicts are wrong, the first with {contests[first][1]} tried: the bound is "
        f"{bounds[first]:+.5f}, and the answer {said[first]}. Go through the formula: blocks of four days in a row "
        "from the first, their mean and standard deviation, and a quantile that rises with `tried`."
    )


def _bound(
    flights: pd.DataFrame,
    tried: int,
    quantile: Callable[[float], float] = lambda level: t.ppf(level, 6),
    ddof: int = 1,
) -> float:
    """Block by block: the upper bound of the change."""
    outcome = flights["disrupted"].to_numpy()
    new, old = ((flights[name].to_numpy() - outcome) ** 2 for name in ("challenger", "champion"))
    block = (flights["day"] - flights["day"].min()).dt.days.to_numpy() // 4
    blocks = [(new - old)[block == number].mean() for number in range(7)]
    return float(np.mean(blocks) + quantile(1 - 0.05 / tried) * np.std(blocks, ddof=ddof) / math.sqrt(7))


def _close(rng: Generator, tried: int, near: float) -> pd.DataFrame:
    """A challenger that is better by ``near`` times what the bound asks for. Brier scores are set, not drawn.

    Days are good or bad for both models alike, and within a block they stray.
    """
    days, per_day = 28, 16

    def centred(shape: tuple[int, int], size: float) -> np.ndarray:
        values = rng.normal(0, size, shape)
        return values - values.mean(axis=1, keepdims=True)

    blocks = centred((1, 7), 1.0)[0]
    blocks = 0.01 * (blocks / blocks.std(ddof=1) - near * t.ppf(1 - 0.05 / tried, 6) / math.sqrt(7))
    change = (blocks[:, None] + centred((7, 4), 0.005)).ravel()[:, None] + centred((days, per_day), 0.004)
    old = rng.uniform(0.2, 0.6, days)[:, None] + rng.uniform(-0.03, 0.03, (days, per_day))
    disrupted = rng.integers(0, 2, days * per_day)
    far = {"champion": np.sqrt(old).ravel(), "challenger": np.sqrt(old + change).ravel()}
    flights = pd.DataFrame(
        {
            "day": pd.date_range("2013-07-01", periods=days).repeat(per_day),
            "carrier": rng.choice(CARRIERS, days * per_day),
            "disrupted": disrupted,
            **{name: np.where(disrupted == 1, 1 - error, error) for name, error in far.items()},
        }
    )
    return flights.sample(frac=1, random_state=int(rng.integers(1_000)))


def _assert_power(gate: Callable, rng: Generator) -> None:
    better = [(flights, forecasts[0]) for flights, forecasts in (_contest(rng, 1, better=True) for _ in range(8))]
    passed = sum(bool(gate(flights.assign(challenger=forecast), 1)) for flights, forecast in better)
    assert passed >= 6, (
        f"Of 8 challengers that are much better than the champion, {passed} passed: a gate that nothing passes keeps "
        "the old model for ever. Which sign has a gain?"
    )
    turned = [flights.assign(champion=forecast, challenger=flights["champion"]) for flights, forecast in better[:4]]
    passed = sum(bool(gate(flights, 1)) for flights in turned)
    assert not passed, f"{passed} of 4 challengers that are much worse than the champion passed."
    assert gate(_won(rng, "DL", -0.1), 40), (
        "A challenger that is better by about .1 on every day was refused as the best of 40: the bound rises with "
        "`tried`, and one that is clearly better passes all the same."
    )


def _assert_slices(gate: Callable, rng: Generator) -> None:
    """One carrier is worse by a stated amount, in a contest that is won clearly otherwise."""
    for carrier, worse, expected in (("DL", 0.05, False), ("DL", 0.021, False), ("DL", 0.019, True), ("HA", 0.1, True)):
        flights = _won(rng, carrier, worse)
        found = bool(gate(flights, 1))
        size = int((flights["carrier"] == carrier).sum())
        assert found or not expected, (
            f"A challenger that is clearly better was refused, where {carrier} with {size} flights is worse by "
            f"{worse}: only a carrier with 300 flights or more that is worse by more than .02 stands in the way."
        )
        assert expected or not found, (
            f"A challenger passed that is worse by {worse} for {carrier}, which has {size} flights: the others' gain "
            "is paid for by one."
        )


def _won(rng: Generator, carrier: str, worse: float) -> pd.DataFrame:
    """The challenger is better by about .1 on each day, but for one carrier. Brier scores are set, not drawn."""
    days = pd.date_range("2013-07-01", periods=28).repeat(40)
    names = rng.permutation(np.repeat(CARRIERS, [521, 300, 299]))  # just enough flights to be judged, and one too few
    disrupted = rng.integers(0, 2, len(days))
    champion = np.full(len(days), 0.4)  # distance from the outcome
    challenger = np.sqrt(0.16 - 0.1 + rng.uniform(-0.02, 0.02, len(days)))
    challenger[names == carrier] = math.sqrt(0.16 + worse)
    forecast = {
        name: np.where(disrupted == 1, 1 - far, far)
        for name, far in (("champion", champion), ("challenger", challenger))
    }
    flights = pd.DataFrame({"day": days, "carrier": names, "disrupted": disrupted, **forecast})
    return flights.sample(frac=1, random_state=int(rng.integers(1_000)))


def _ahead(rng: Generator) -> pd.DataFrame:
    """Two equal models, of which the one that did better on these flights is the challenger."""
    flights, forecasts = _contest(rng, 1)
    pair = np.vstack([flights["champion"], forecasts])
    return _sent(flights.assign(champion=pair[_losses(flights, pair).argmax()]), pair)


def _sent(flights: pd.DataFrame, forecasts: np.ndarray) -> pd.DataFrame:
    """The flights with the forecasts of the candidate that did best on them."""
    return flights.assign(challenger=forecasts[_losses(flights, forecasts).argmin()])


def _losses(flights: pd.DataFrame, forecasts: np.ndarray) -> np.ndarray:
    return ((forecasts - flights["disrupted"].to_numpy()) ** 2).mean(axis=1)


def _contest(rng: Generator, candidates: int, better: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    """28 days of flights with a champion, and candidates (rows) whose errors are drawn alike, or much smaller.

    A model is off by the same amount in a run of four days, as the weather of a run is the same for all its flights.
    """
    runs, per_day = 7, 20
    truth = rng.normal(-1.0, 1.0, runs * 4 * per_day)
    off = rng.normal(0, 2.0, (candidates + 1, runs))
    if better:
        off = np.vstack([rng.choice([-1, 1], runs) * rng.uniform(0.9, 1.6, runs), 0.07 * off[1:]])
    off = off.repeat(4 * per_day, axis=1)
    outcome = rng.random(truth.size) < 1 / (1 + np.exp(-truth))
    forecasts = 1 / (1 + np.exp(-(truth + off)))
    order = rng.permutation(truth.size)
    flights = pd.DataFrame(
        {
            "day": pd.date_range("2013-07-01", periods=28).repeat(per_day)[order],
            "carrier": rng.choice(CARRIERS, truth.size, p=[0.5, 0.3, 0.2]),
            "disrupted": outcome[order].astype(int),
            "champion": forecasts[0][order],
        },
        index=rng.permutation(truth.size) + 100,
    )
    return flights, forecasts[1:, order]


# 62.5: a canary that does not pay for its looks

LOOKS = 14


@check("62.5")
def check_stop_day(stop_day, rng: Generator) -> None:
    """Harmless canaries, harmful ones, helpful ones, and what is known on each day of one."""
    spread = float(rng.uniform(0.005, 0.02))
    _assert_day(stop_day, rng, spread)
    found = _share(stop_day, rng.normal(3, 1, (60, LOOKS)) * spread, spread, 0.05, by=4)
    assert found >= 0.9, (
        f"Harm of three spreads a day was found by day 4 in {found:.0%} of cases: a canary that waits for its last day "
        "lets the harm go on."
    )
    found = _share(stop_day, rng.normal(1, 1, (120, LOOKS)) * spread, spread, 0.05)
    assert found > 0.75, f"Harm of one spread a day was found within 14 days in {found:.0%} of cases only."
    helped = _share(stop_day, rng.normal(-2, 1, (60, LOOKS)) * spread, spread, 0.05)
    assert helped < 0.05, (
        f"{helped:.0%} of the versions that do good were stopped: below zero is a lower Brier score, and no harm."
    )
    for rate, series in ((0.05, 1_200), (0.002, 400)):
        stopped = _share(stop_day, rng.normal(0, 1, (series, LOOKS)) * spread, spread, rate)
        assert stopped <= rate + 3 * math.sqrt(rate * (1 - rate) / series), (
            f"{stopped:.1%} of harmless canaries were stopped at a rate of {rate:.1%}: chance has 14 tries when "
            "somebody looks on each of 14 days."
        )


def _assert_day(stop_day: Callable, rng: Generator, spread: float) -> None:
    """What is said on a day must stand whatever comes later."""
    clear = stop_day([5 * spread, 6 * spread, 5 * spread, 7 * spread], spread, 0.05)
    assert clear is None or (isinstance(clear, int | np.integer) and not isinstance(clear, bool)), (
        f"Return the number of a day, or None: this is {type_name(clear)}."
    )
    assert clear != 0, "Harm on the first day, and the answer is 0: days count from 1."
    assert clear == 1, (
        f"Five spreads of harm on the first day, and the answer is {'None' if clear is None else f'day {clear}'}: the "
        "prompt asks for a stop on day 1. A bound that is strict at first and mild later lets great harm go on."
    )
    assert stop_day([5 * spread], spread, 1e-8) is None, (
        "Chance alone strays by five spreads three times in ten million: at a rate of 1e-8 that is no proof. Where "
        "does `rate` stand in your bound?"
    )
    for _ in range(20):
        changes = (rng.normal(0.9, 1, LOOKS) * spread).tolist()
        day = stop_day(list(changes), spread, 0.05)
        if day is None:
            continue
        for length in range(1, LOOKS + 1):
            known = stop_day(changes[:length], spread, 0.05)
            expected = day if length >= day else None
            assert known == expected, (
                f"With all 14 days the canary is stopped on day {day}; asked on day {length}, with what was known "
                f"then, the answer is {known}. What is said of a day must not depend on later days."
            )


def _share(stop_day: Callable, series: np.ndarray, spread: float, rate: float, by: int = LOOKS) -> float:
    """Share of the series that are stopped by a day."""
    days = [stop_day(changes, spread, rate) for changes in series.tolist()]
    return sum(day is not None and day <= by for day in days) / len(days)


# 62.6: a rollback that can be killed at any moment


class Killed(Exception):
    """The process was killed."""


class Hand:
    """Kills the process after so many calls that were done."""

    def __init__(self, calls: int) -> None:
        """Kill after this many calls; 0 for never."""
        self.left = calls

    def did(self) -> None:
        """Count a call, and kill if it was the last."""
        self.left -= 1
        if self.left == 0:
            raise Killed


class FakeRegistry:
    """Champions in order; remembers in which order it was moved and what the record held by then."""

    def __init__(self, champions: list[str], damaged: set[str], record: list) -> None:
        """``damaged`` are the versions whose files were changed."""
        self.history, self.damaged, self.record, self.hand = list(champions), damaged, record, Hand(0)
        self.moves: list[tuple[str, int]] = []
        self.next: str | None = None  # the version that somebody else promotes right after a move

    def champions(self) -> list[str]:
        """The champions, the present one last."""
        self.hand.did()
        return list(self.history)

    def intact(self, version: str) -> bool:
        """Whether the files are what they were."""
        self.hand.did()
        return version not in self.damaged

    def point(self, version: str) -> None:
        """Make an earlier champion the champion."""
        assert version in self.history, f"The registry was pointed to {version!r}, which was never champion."
        self.moves.append((version, len(self.record)))
        while self.history[-1] != version:
            self.history.pop()
        if self.next:
            self.history.append(self.next)
        self.hand.did()


class FakeService:
    """Follows the registry after some calls."""

    def __init__(self, registry: FakeRegistry, lag: int) -> None:
        """``lag`` is the number of calls that are still answered by the version before."""
        self.registry, self.lag, self.answers, self.calls, self.hand = registry, lag, registry.history[-1], 0, Hand(0)

    def version(self) -> str:
        """The version that answers."""
        self.calls += 1
        assert self.calls < 2_000, "The service was asked two thousand times: give up after a hundred."
        if self.answers != self.registry.history[-1]:
            self.lag -= 1
            if self.lag < 0:
                self.answers = self.registry.history[-1]
        self.hand.did()
        return self.answers


class Record(list):
    """A list that may kill the process after a line was written."""

    hand = Hand(0)

    def append(self, line: dict) -> None:
        """Write a line."""
        super().append(line)
        self.hand.did()


def _house(
    champions: list[str], damaged: set[str], lag: int, kill: int = 0
) -> tuple[FakeRegistry, FakeService, Record]:
    record = Record({"what": "promote", "version": version} for version in champions)
    registry = FakeRegistry(champions, damaged, record)
    service = FakeService(registry, lag)
    record.hand = registry.hand = service.hand = Hand(kill)
    return registry, service, record


@check("62.6")
def check_roll_back(roll_back, rng: Generator) -> None:
    """Roll back in many houses, twice, with two hands, and with the process killed after each call."""
    for _ in range(6):
        names = [str(number) for number in np.sort(rng.choice(np.arange(1, 60), 6, replace=False))]
        for damaged in (set(), {names[-2]}, {names[-2], names[-3]}):
            _assert_back(roll_back, names, damaged, int(rng.integers(0, 60)))
        _assert_twice_champion(roll_back, names)
        _assert_no_way_back(roll_back, names)
        _assert_left_alone(roll_back, names)
        _assert_after_another(roll_back, names)
        _assert_damaged_since(roll_back, names)
        _assert_moved_meanwhile(roll_back, names)
    _assert_empty_record(roll_back, names)
    _assert_patience(roll_back, names)
    for kill in range(1, 40):
        _assert_killed(roll_back, names, kill)


def _line(bad: str, to: str) -> dict:
    return {"what": "roll back", "from": bad, "to": to}


def _target(champions: list[str], damaged: set[str]) -> str:
    return [version for version in champions[:-1] if version not in damaged and version != champions[-1]][-1]


def _assert_back(roll_back: Callable, names: list[str], damaged: set[str], lag: int) -> None:
    registry, service, record = _house(names, damaged, lag)
    before, bad, target = list(record), names[-1], _target(names, damaged)
    found = roll_back(bad, registry, service, record)
    now = registry.history[-1]
    assert now not in damaged, f"The registry points to version {now}, whose files are not intact."
    assert now == target, (
        f"Of the champions {names}, damaged {sorted(damaged) or 'none'}, the registry now points to {now}: go to the "
        "latest earlier one that is intact."
    )
    _assert_record(record, before, _line(bad, target))
    assert registry.moves == [(target, len(before) + 1)], (
        "The registry was moved before the line was in the record: a process that is killed in between leaves a move "
        "that nobody can explain. First the line, then the move, and one move only."
    )
    assert service.answers == target, (
        f"The service still answers with version {service.answers}: the rollback is done when it does not."
    )
    assert found == target, f"Return the version that answers, {target!r}: this is {found!r}."
    again = roll_back(bad, registry, service, record)
    assert registry.history[-1] == target and len(registry.moves) == 1, (
        f"Called a second time for version {bad}, it went back one more step, to {registry.history[-1]}."
    )
    assert again == target, f"Called a second time it returned {again!r}, and version {target} answers."
    _assert_record(record, before, _line(bad, target))


def _assert_record(record: list, before: list, line: dict) -> None:
    added = list(record)[len(before) :]
    assert list(record)[: len(before)] == before, "The lines that were in the record have changed: append to it."
    assert added, "Nothing was written to the record: nobody will know who took the version back."
    assert added == [line] * len(added), f"The record got {added[0]!r}, and the line should be {line!r}."
    assert len(added) == 1, f"The record got the same line {len(added)} times: one rollback is one line."


def _assert_twice_champion(roll_back: Callable, names: list[str]) -> None:
    """The bad version was champion before; and the record ends with another rollback from it."""
    registry, service, record = _house([names[0], names[-1], names[1], names[-1]], {names[1]}, 0)
    record.append(_line(names[-1], names[0]))
    record.append({"what": "promote", "version": names[-1]})
    before = list(record)
    roll_back(names[-1], registry, service, record)
    assert registry.history[-1] != names[-1], (
        f"Version {names[-1]} was champion before, too, and the registry points to it again: it is the bad one."
    )
    assert list(record)[len(before) :] == [_line(names[-1], names[0])], (
        "An earlier rollback, before the version was promoted again, has the same line, and this one has left none: "
        "only the last line of the record tells of a process that was killed."
    )


def _assert_no_way_back(roll_back: Callable, names: list[str]) -> None:
    for champions, damaged in ((names[:1], set()), (names, set(names[:-1]))):
        registry, service, record = _house(champions, damaged, 0)
        before = list(record)
        try:
            roll_back(champions[-1], registry, service, record)
        except LookupError:
            refused = True
        else:
            refused = False
        assert registry.history == champions and list(record) == before, (
            "There is no intact version to go back to, and something has changed: look before you act."
        )
        assert refused, "There is no intact version to go back to: raise LookupError."


def _assert_left_alone(roll_back: Callable, names: list[str]) -> None:
    """Somebody was quicker, and the service is behind."""
    registry, service, record = _house(names, set(), 7)
    service.answers, before = names[0], list(record)
    found = roll_back(names[-3], registry, service, record)
    assert registry.history == names and not registry.moves, (
        f"Version {names[-3]} is not champion any more, and the registry was moved: that takes a good version out."
    )
    assert list(record) == before, "The bad version is not champion any more: there is nothing to record."
    assert found == names[-1] and service.answers == names[-1], (
        f"It returned {found!r} while the service answered with {service.answers}: wait until it answers with the "
        f"champion {names[-1]}, also when somebody else has moved the registry."
    )


def _assert_after_another(roll_back: Callable, names: list[str]) -> None:
    """Two rollbacks from two versions, one after the other."""
    registry, service, record = _house(names, set(), 1)
    before = list(record)
    roll_back(names[-1], registry, service, record)
    roll_back(names[-2], registry, service, record)
    expected = [_line(names[-1], names[-2]), _line(names[-2], names[-3])]
    assert list(record)[len(before) :] == expected, (
        f"Version {names[-1]} was taken back and then version {names[-2]}, too: these are two rollbacks, each with its "
        f"line, and the record got {len(record) - len(before)}. The last line is yours only if it is the same in full."
    )


def _assert_damaged_since(roll_back: Callable, names: list[str]) -> None:
    """A killed process has written where it wanted to go, and since then that version was damaged."""
    registry, service, record = _house(names, {names[-2]}, 1)
    record.append(_line(names[-1], names[-2]))
    roll_back(names[-1], registry, service, record)
    assert registry.history[-1] == names[-3], (
        f"The record's last line says that a killed process wanted to go to version {names[-2]}. That one is not "
        f"intact any more, and the registry points to {registry.history[-1]}: choose by what is intact now."
    )
    assert list(record)[-1] == _line(names[-1], names[-3]), (
        f"The registry went to version {names[-3]}, and the last line of the record names another one."
    )


def _assert_moved_meanwhile(roll_back: Callable, names: list[str]) -> None:
    """Somebody promotes a mended version as soon as the registry points back."""
    registry, service, record = _house(names, set(), 2)
    registry.next = names[-1] + "0"
    try:
        found = roll_back(names[-1], registry, service, record)
    except TimeoutError:
        found = "TimeoutError"
    assert found == registry.history[-1], (
        f"After your move somebody promoted version {registry.history[-1]}, the service answers with it, and roll_back "
        f"ended with {found}: wait for the champion that the registry has now, not for the version of your own move."
    )


def _assert_empty_record(roll_back: Callable, names: list[str]) -> None:
    registry, service, record = _house(names, set(), 1)
    record.clear()
    try:
        roll_back(names[-1], registry, service, record)
    except IndexError as error:
        raise AssertionError(
            f"The record of a new system is empty, and there is no last line to look at: IndexError, {error}."
        ) from None
    assert list(record) == [_line(names[-1], names[-2])], f"An empty record got {len(record)} lines for one rollback."


def _assert_patience(roll_back: Callable, names: list[str]) -> None:
    registry, service, record = _house(names, set(), 97)
    assert roll_back(names[-1], registry, service, record) == names[-2], "It gave up before a hundred calls."
    registry, service, record = _house(names, set(), 10_000)
    try:
        roll_back(names[-1], registry, service, record)
    except TimeoutError:
        assert service.calls <= 100, f"The service was asked {service.calls} times: give up after a hundred."
        return
    raise AssertionError("The service never took the version up, and nobody was told: raise TimeoutError.")


def _assert_killed(roll_back: Callable, names: list[str], kill: int) -> None:
    registry, service, record = _house(names, {names[-2]}, 3, kill)
    before, target = list(record), names[-3]
    with suppress(Killed):
        roll_back(names[-1], registry, service, record)
    record.hand = registry.hand = service.hand = Hand(0)
    assert not registry.moves or len(record) > len(before), (
        "Killed in between, the process has left a move without a line in the record: first the line, then the move."
    )
    found = roll_back(names[-1], registry, service, record)
    assert found == target == registry.history[-1] == service.answers, (
        f"The process was killed after its call number {kill} and started again: it returned {found!r}, the registry "
        f"points to {registry.history[-1]}, and it should be {target}."
    )
    added = list(record)[len(before) :]
    assert added == [_line(names[-1], target)], (
        f"The process was killed after its call number {kill} and started again: the record got {len(added)} lines for "
        "one rollback."
    )
