"""What the answers to the exercises of lesson 33 must do."""

import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from sklearn.metrics import roc_auc_score

from helpers.checks.core import check, one_number_a_fold, type_name

MEGABYTE = 1e6
LONGEST = 60  # sorts of the same flights; a loop of searches takes 20, one over all pairs 200

# 33.1: a threshold for other prices, and few hands


@check("33.1")
def check_choose(choose, rng: Generator) -> None:
    """Compare with a search over all thresholds, without a limit, with one, and with one that forbids all."""
    for capacity in (None, int(rng.integers(4, 9)), int(rng.integers(4, 9)), 0):
        late, forecast, day = _forecast_flights(rng)
        false_alarm, miss = float(rng.integers(1, 4)), float(rng.integers(2, 12))
        _assert_chosen(choose, late, forecast, day, false_alarm, miss, capacity)
    late, forecast, day = _forecast_flights(rng)
    _assert_chosen(choose, np.zeros_like(late), forecast, day, 1.0, 5.0, None)
    # A tie in cost: one more false alarm for one miss less, at equal prices.
    _assert_chosen(choose, np.array([1, 0, 1, 0, 0]) > 0, np.arange(0.9, 0.4, -0.1), np.zeros(5), 2.0, 2.0, None)


def _assert_chosen(
    choose: Callable,
    late: np.ndarray,
    forecast: np.ndarray,
    day: np.ndarray,
    false_alarm: float,
    miss: float,
    capacity: int | None,
) -> None:
    answer = _parts(choose(late.copy(), forecast.copy(), day.copy(), false_alarm, miss, capacity), "threshold", "cost")
    threshold, cost = float(answer["threshold"]), float(answer["cost"])
    prices = f"With a false alarm at {false_alarm:.0f} and a miss at {miss:.0f} euros"
    assert threshold == np.inf or np.isin(threshold, forecast), (
        f"The threshold {threshold:.4f} is no forecast that occurs: choose among the forecasts, and np.inf."
    )
    if capacity is not None:
        busiest = _busiest_day(forecast >= threshold, day)
        assert busiest <= capacity, (
            f"The threshold {threshold:.3f} warns {busiest} flights on one day, and there are hands for {capacity}: "
            "the limit holds on every day."
        )
    own = _slow_cost(late, forecast >= threshold, false_alarm, miss)
    assert np.isclose(cost, own, rtol=0, atol=1e-6), (
        f"{prices} the threshold {threshold:.3f} costs {own:.1f} per 1,000 flights, not {cost:.1f}: a flight at the "
        "threshold is warned, and the misses count as well as the false alarms."
    )
    best, least = _slow_choice(late, forecast, day, false_alarm, miss, capacity)
    assert own <= least + 1e-6, (
        f"{prices} {'no limit' if capacity is None else f'a limit of {capacity} a day'} your threshold costs {own:.1f} "
        f"per 1,000 flights; another one costs less. These forecasts are not calibrated: let the flights say, and "
        "mind np.inf, which warns nobody."
    )
    assert threshold == best, (
        f"Another threshold costs the same as your {threshold:.3f} and is higher: of several, the highest is asked for."
    )


def _slow_choice(
    late: np.ndarray, forecast: np.ndarray, day: np.ndarray, false_alarm: float, miss: float, capacity: int | None
) -> tuple[float, float]:
    best, least = np.inf, _slow_cost(late, forecast > 1, false_alarm, miss)
    for threshold in sorted(set(forecast), reverse=True):
        warned = forecast >= threshold
        cost = _slow_cost(late, warned, false_alarm, miss)
        if (capacity is None or _busiest_day(warned, day) <= capacity) and cost < least - 1e-9:
            best, least = threshold, cost
    return float(best), least


def _slow_cost(late: np.ndarray, warned: np.ndarray, false_alarm: float, miss: float) -> float:
    pairs = zip(late, warned, strict=True)
    total = sum(miss if bad and not told else false_alarm if told and not bad else 0 for bad, told in pairs)
    return 1000 * total / len(late)


def _busiest_day(warned: np.ndarray, day: np.ndarray) -> int:
    return max(int(warned[day == name].sum()) for name in set(day))


def _forecast_flights(rng: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flights of twelve days, some of them bad, with forecasts in hundredths that are too high or too low."""
    day = np.sort(rng.integers(0, 12, 260))
    chance = np.clip(rng.beta(1.5, 4, 260) + 0.3 * (day % 4 == 0), 0.01, 0.99)
    late = rng.random(260) < chance
    bent = chance ** rng.choice([0.5, 2.0])
    shuffled = rng.permutation(260)
    return late[shuffled], bent.round(2)[shuffled], day[shuffled]


# 33.2: reliability with bins of equal counts


@check("33.2")
def check_reliability(reliability, rng: Generator) -> None:
    """Forecasts with a heavy tie, without ties, and the example, against a table made flight by flight."""
    tied = np.concatenate([rng.random(300), np.full(200, 0.25), rng.random(100).round(1)])
    for forecast, bins in (
        (rng.permutation(tied), 10),
        (rng.random(int(rng.integers(180, 220))), int(rng.integers(4, 8))),
        (np.array([0.1, 0.2, 0.2, 0.2, 0.2, 0.7]), 4),
    ):
        late = rng.random(len(forecast)) < forecast**2
        table = reliability(late.copy(), forecast.copy(), bins)
        _assert_reliability(table, late, forecast, bins)


def _assert_reliability(table: Any, late: np.ndarray, forecast: np.ndarray, bins: int) -> None:
    assert isinstance(table, pd.DataFrame), f"Return a data frame: this is {type_name(table)}."
    lacking = {"said", "came", "flights"} - set(table)
    assert not lacking, f"The table lacks the column {sorted(lacking)[0]!r}; it has {list(table)}."
    flights = table.flights.to_numpy(float)
    assert not np.isnan(table[["said", "came"]].to_numpy(float)).any() and (flights > 0).all(), (
        "A bin without flights is in the table: it has no mean and is left out."
    )
    assert flights.sum() == len(forecast), f"The bins hold {flights.sum():.0f} flights of {len(forecast)}."
    expected = _slow_reliability(late, forecast, bins)
    assert len(table) == len(expected), (
        f"There are {len(table)} bins with flights and should be {len(expected)} (asked for: {bins}). Flights with the "
        "same forecast share a bin, and the bin of a flight is the number of inner edges at or below its forecast."
    )
    assert np.array_equal(flights, expected[:, 2]), (
        f"The bins hold {flights.astype(int).tolist()} flights: cut at the quantiles of the forecasts, keep ties "
        "together, put a flight on an edge above it, and list the bins in rising order."
    )
    said, came = table.said.to_numpy(float), table.came.to_numpy(float)
    assert np.allclose(said, expected[:, 0], rtol=0, atol=1e-9), (
        f"The first bin has the mean forecast {said[0]:.3f}, which its flights do not have: `said` is the mean of the "
        "forecasts, not the middle of the bin."
    )
    assert np.allclose(came, expected[:, 1], rtol=0, atol=1e-9), "`came` is not the share of late flights in each bin."


def _slow_reliability(late: np.ndarray, forecast: np.ndarray, bins: int) -> np.ndarray:
    edges = [np.quantile(forecast, number / bins) for number in range(1, bins)]
    place = np.array([sum(edge <= value for edge in edges) for value in forecast])
    rows = [(forecast[place == p].mean(), late[place == p].mean(), (place == p).sum()) for p in sorted(set(place))]
    return np.array(rows, float)


# 33.3: a cross-validation that leaks


@check("33.3")
def check_repaired_bills(repaired_bills, rng: Generator) -> None:
    """Turn the outcomes of one day of five, or move a flight of it far out; bill a signal, and names of days."""
    X, late, day = _five_days(rng)
    bills = _bills(repaired_bills, X, late, day, 1.0)
    for name in (0, rng.integers(1, 5)):  # day 0 is long enough to move a threshold that has seen it
        turned = _bills(repaired_bills, X, late ^ (day == name), day, 1.0)
        # At equal prices a decision costs 1 with the one outcome or the other: the two bills of its fold add up to it.
        assert np.isclose(bills + turned, 1000, rtol=0, atol=1e-6).any(), (
            "There are five days, so each fold bills one of them. When the outcomes of that day alone are turned "
            "around, its decisions change: the folds, the fit or the threshold have seen flights that are billed."
        )
    nobody = 1000 * late.mean()
    assert bills.mean() < 0.75 * nobody, (
        f"Columns that tell a lot leave the bill at {bills.mean():.0f}, and warning nobody costs {nobody:.0f}: the "
        "numbers need standardising, the regression must reach the forecast, and the threshold comes from the "
        "training rows."
    )
    far = X.copy()
    far.iloc[np.argmax(day == 0)] = 1000 * X.abs().max()
    moved, flight = np.abs(_bills(repaired_bills, far, late, day, 1.0) - bills).min(), 1000 / (day == 0).sum()
    assert moved < flight + 1e-6, (
        "One flight of the longest day now has numbers far from all others. The fold that bills this day learns "
        f"without it, so one decision may change there, {flight:.1f} euros. But each fold's bill moves by "
        f"{moved:.1f} or more: the scaler has seen flights that are billed."
    )
    ratios = []
    for _ in range(3):  # one draw can be unlucky
        X, late, day = _names_of_days(rng)
        ratios.append(_bills(repaired_bills, X, late, day, 10.0).mean() / (1000 * (1 - late.mean())))
    times = np.mean(ratios)
    assert times < 1.2, (
        f"On columns that only name the day, with a miss at 10 euros, the bill is {times:.1f} times that of warning "
        "everybody: the threshold must follow the prices given, on forecasts of all training rows, each by a model "
        "that has not learnt from its day."
    )


def _bills(repaired_bills: Callable, X: pd.DataFrame, late: pd.Series, day: pd.Series, miss: float) -> np.ndarray:
    return one_number_a_fold(repaired_bills(X.copy(), late.copy(), day.copy(), 1.0, miss), "bill")


def _five_days(rng: Generator) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Days of different size, and two columns that tell a lot, with a spread of a millionth."""
    day = pd.Series(rng.permutation(np.repeat(np.arange(5), [120, 43, 37, 31, 29])))
    numbers = rng.normal(size=(len(day), 2))
    late = numbers.sum(axis=1) + rng.normal(scale=0.4, size=len(day))
    return pd.DataFrame(numbers * 1e-6).add_prefix("x"), pd.Series(late > np.quantile(late, 0.7)), day


def _names_of_days(rng: Generator) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """160 days of four flights, all late on every fourth; forty numbers that are the same all day and tell nothing."""
    day = rng.permutation(np.repeat(np.arange(160), 4))
    numbers, bad = rng.normal(size=(160, 40)), rng.permutation(np.arange(160) % 4 == 0)
    return pd.DataFrame(numbers[day]).add_prefix("x"), pd.Series(bad[day]), pd.Series(day)


# 33.4: the AUC by sorting


@check("33.4")
def check_roc_auc(roc_auc, rng: Generator) -> None:
    """Few flights against all pairs, forecasts that differ in the last digits, then many flights in little time."""
    for forecast in (rng.random(60), rng.integers(0, 6, 80) / 5, rng.normal(size=70).round(1) * 1e-12, np.full(9, 0.3)):
        late = rng.permutation(np.arange(len(forecast)) % 3 == 0)
        forecast = forecast + (0.1 * late if np.ptp(forecast) > 0.5 else 0)
        _assert_auc(roc_auc(late.copy(), forecast.copy()), _slow_auc(late, forecast, np.ones(len(late))), forecast)
    late, forecast = _many_flights(rng, 12_000)
    tracemalloc.start()
    try:
        answer = roc_auc(late, forecast)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * MEGABYTE, (
        f"For 12,000 flights your answer takes {peak / MEGABYTE:.0f} MB: it holds the pairs. Sort, and count."
    )
    _assert_auc(answer, roc_auc_score(late, forecast), forecast)
    for count in (12_000, 100_000):  # a loop over pairs is stopped at the smaller one, and not after minutes
        late, forecast = _many_flights(rng, count)
        _assert_auc(_quick(roc_auc, late, forecast), roc_auc_score(late, forecast), forecast)


def _quick(auc: Callable, late: np.ndarray, forecast: np.ndarray, *weight: np.ndarray) -> Any:
    """Return the answer, and assert that it took little more than sorting a list: a machine is its own yardstick."""
    start = time.process_time()
    answer = auc(late.copy(), forecast.copy(), *(column.copy() for column in weight))
    times = (time.process_time() - start) / _seconds_to_sort(forecast)
    assert times < LONGEST, (
        f"{len(late):,} flights took {times:.0f} times as long as sorting them, and may take {LONGEST}: "
        "that looks at every pair. Sort one side, and search in it."
    )
    return answer


def _seconds_to_sort(forecast: np.ndarray) -> float:
    """Seconds of computing that Python takes for one sort, from as many as a coarse clock needs."""
    values, rounds = forecast.tolist(), 400_000 // len(forecast)
    start = time.process_time()
    for _ in range(rounds):
        sorted(values)
    return (time.process_time() - start) / rounds


def _assert_auc(answer: Any, expected: float, forecast: np.ndarray) -> None:
    assert np.ndim(answer) == 0, f"Return one number: this is {type_name(answer)}."
    value = float(answer)
    assert not np.isclose(value, 1 - expected, rtol=0, atol=1e-9) or np.isclose(expected, 0.5), (
        f"Your AUC is {value:.4f}, which is 1 less the right one: count the pairs in which the *late* flight is higher."
    )
    ties = len(forecast) - len(np.unique(forecast))
    assert np.isclose(value, expected, rtol=0, atol=1e-9), (
        f"Your AUC is {value:.6f}, and the share of pairs in order is another ({len(forecast)} flights, {ties} of them "
        f"tie with another, forecasts from {forecast.min():.3g} to {forecast.max():.3g}). A tie counts half, no "
        "matter in what order the rows come, and forecasts that differ at all are no tie."
    )


def _slow_auc(late: np.ndarray, forecast: np.ndarray, weight: np.ndarray) -> float:
    won = total = 0.0
    for bad, high in zip(forecast[late], weight[late], strict=True):
        for good, low in zip(forecast[~late], weight[~late], strict=True):
            won += high * low * (1 if bad > good else 0.5 if bad == good else 0)
            total += high * low
    return won / total


def _many_flights(rng: Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    forecast = rng.random(count).round(4)
    return rng.random(count) < 0.3 + 0.4 * forecast, forecast


# 33.5: learning curves

SHAPES = {
    "richer model": "training and held-out scores lie together, and neither rises with more days",
    "simpler model": "the training score is close to 1, and the held-out score far below it",
    "more days": "a gap that closes, and a held-out score that still rises with each doubling",
    "check the columns": "the held-out days of the season do well, and the months after fall behind",
}


@check("33.5")
def check_remedy(remedy, rng: Generator) -> None:
    """Ask for forty curves: each shape at ten levels. Some that still rise have closed their gap."""
    for name in rng.permutation(np.repeat(list(SHAPES), 10)):
        curve = _learning_curve(rng, name)
        answer = remedy(curve.copy())
        assert isinstance(answer, str) and answer in SHAPES, (
            f"{answer!r} is none of the four texts: {', '.join(map(repr, SHAPES))}."
        )
        last = curve.iloc[-1]
        assert answer == name, (
            f"You say {answer!r} of a curve that ends at {last.training:.3f} in training, {last.held_out:.3f} held out "
            f"and {last.later:.3f} later, with {curve.held_out.iloc[-2]:.3f} held out before the last doubling. But "
            f"{SHAPES[name]}."
        )


def _learning_curve(rng: Generator, name: str) -> pd.DataFrame:
    days = int(rng.integers(5, 12)) * 2 ** np.arange(5)
    step = np.arange(5)
    level, rise = rng.uniform(0.62, 0.78), rng.uniform(0.022, 0.028)
    held_out = level + rise * (step - 4)
    later = held_out - rng.uniform(0, 0.015)
    if name == "richer model":
        held_out = level - 0.02 * 0.4**step
        training, later = level + 0.01 + 0.03 * 0.4**step, held_out - rng.uniform(0, 0.015)
    elif name == "simpler model":
        training = 1 - rng.uniform(0.003, 0.006) * step
    else:
        gap = rng.uniform(0.06, 0.09) if rng.random() < 0.5 else rng.uniform(0.01, 0.02)
        training = held_out[-1] + gap + rng.uniform(0.015, 0.02) * (4 - step)
    if name == "check the columns":
        later = held_out[-1] - rng.uniform(0.07, 0.1) - 0.03 * 0.4**step
    noise = rng.uniform(-0.005, 0.005, (3, 5))
    columns = {"training": training, "held_out": held_out, "later": later}
    shaken = zip(columns.items(), noise, strict=True)
    return pd.DataFrame({key: np.minimum(value + off, 1) for (key, value), off in shaken}, days)


# 33.6: which of two models ships


@check("33.6")
def check_verdict(verdict, rng: Generator) -> None:
    """Margins far below, far above and around the gain, days of different size, and the numbers by the formula."""
    seen = set()
    for place in (-2.87, 2.83, 0.53, -0.37, 1.43, -1.57):
        costs = _paired_costs(rng)
        gain, error, days = _slow_gain(costs)
        margin = gain + place * 1.96 * error
        answer = _parts(verdict(costs.copy(), margin), "gain", "low", "high", "verdict", "days")
        _assert_verdict(answer, gain, error, days, margin)
        seen.add(answer["verdict"])
    assert len(seen) == 3, f"Only the verdicts {sorted(seen)} came up."  # holds whenever the others do


def _assert_verdict(answer: Mapping, gain: float, error: float, days: int, margin: float) -> None:
    found = float(answer["gain"])
    assert not np.isclose(found, -gain, rtol=0, atol=1e-6), (
        f"The gain is {found:.2f}, the right one with the other sign: it is what the challenger *saves*."
    )
    assert np.isclose(found, gain, rtol=0, atol=1e-6), (
        f"The gain is {found:.4f} and should be {gain:.4f}: the mean over all flights, per 1,000 of them. Days have "
        "different numbers of flights."
    )
    half = 1.96 * error
    width = (float(answer["high"]) - float(answer["low"])) / 2
    assert width > 0.999 * half, (
        f"The interval is too narrow ({width:.1f} on either side where the days leave {half:.1f}): the day is the "
        "unit, not the flight, and it counts 1.96 errors."
    )
    assert width < 1.001 * half, (
        f"The interval is too wide ({width:.1f} on either side where the days leave {half:.1f}): take the saving "
        "flight by flight before you sum, so that what both pay cancels, and 1.96 errors."
    )
    for name, end in (("low", gain - half), ("high", gain + half)):
        assert np.isclose(float(answer[name]), end, rtol=0, atol=1e-6), (
            f"`{name}` is {float(answer[name]):.4f} and should be {end:.4f}: the gain less and plus 1.96 errors, with "
            "the factor n / (n - 1) under the root."
        )
    expected = "better" if gain - half > margin else "worse" if gain + half < margin else "not proved"
    assert answer["verdict"] == expected, (
        f"{gain:.1f} [{gain - half:.1f}, {gain + half:.1f}] against a margin of {margin:.1f} is {expected!r}, not "
        f"{answer['verdict']!r}: compare the ends of the interval with the margin, not with zero."
    )
    needed = days * (half / (gain - margin)) ** 2
    assert answer["days"] == np.ceil(needed), (
        f"`days` is {answer['days']} and should be the next whole number from {needed:.2f} on: the half-width "
        f"{half:.1f} of {days} days falls with the root of the days, down to the distance {abs(gain - margin):.1f}."
    )


def _slow_gain(costs: pd.DataFrame) -> tuple[float, float, int]:
    saving = 1000 * (costs.champion - costs.challenger)
    names = sorted(set(costs.day))
    gain = sum(saving) / len(saving)
    squares = sum(sum(saving[costs.day == name] - gain) ** 2 for name in names)
    return gain, np.sqrt(len(names) / (len(names) - 1) * squares) / len(saving), len(names)


def _paired_costs(rng: Generator) -> pd.DataFrame:
    """Two models that pay much on the same bad days; on these the challenger is better. Days of 3 to 40 flights."""
    flights = rng.integers(3, 41, int(rng.integers(15, 30)))
    day = np.repeat(np.arange(len(flights)) + 200, flights)
    mood = rng.gamma(1, 0.25, len(flights)).repeat(flights).clip(0, 0.9)
    champion = rng.choice([1.0, 5.0], len(day)) * (rng.random(len(day)) < mood)
    mended = rng.random(len(day)) < np.where(mood > 0.3, 0.8, 0.05)
    challenger = np.where(mended, rng.choice([0.0, 1.0], len(day)), champion)
    costs = pd.DataFrame({"day": day, "champion": champion, "challenger": challenger})
    return costs.sample(frac=1, random_state=rng)


# 33.7: weights


@check("33.7")
def check_weighted_auc(weighted_auc, rng: Generator) -> None:
    """Whole weights against copies, fractions against all pairs, weights of zero, ties, and many flights."""
    for weight in (rng.integers(0, 4, 60), rng.random(60), np.ones(60)):
        late = rng.permutation(np.arange(60) % 3 == 0)
        forecast = (rng.integers(0, 8, 60) + 2 * late) / 8
        forecast[np.argmax(late)] = -1  # a late flight with nobody below it
        expected = _slow_auc(late, forecast, weight.astype(float))
        _assert_weighted(weighted_auc(late.copy(), forecast.copy(), weight.copy()), expected, late, forecast, weight)
    late, forecast = _many_flights(rng, 100_000)
    weight = rng.integers(0, 3, len(late)).astype(float)
    answer = _quick(weighted_auc, late, forecast, weight)
    _assert_weighted(answer, roc_auc_score(late, forecast, sample_weight=weight), late, forecast, weight)


def _assert_weighted(answer: Any, expected: float, late: np.ndarray, forecast: np.ndarray, weight: np.ndarray) -> None:
    assert np.ndim(answer) == 0, f"Return one number: this is {type_name(answer)}."
    plain = roc_auc_score(late, forecast)
    assert not np.isclose(float(answer), plain, rtol=0, atol=1e-9) or np.isclose(plain, expected), (
        f"Your AUC is {float(answer):.4f}, as if every flight counted once: the weights run from {weight.min():.2g} to "
        f"{weight.max():.2g}."
    )
    assert np.isclose(float(answer), expected, rtol=0, atol=1e-9), (
        f"Your AUC is {float(answer):.6f}, and that of the flights, copied as often as they weigh, is another: a pair "
        "counts as the product of its two weights, in the sum and in the number of pairs, and a tie half of that."
    )


def _parts(answer: Any, *names: str) -> Mapping:
    assert isinstance(answer, Mapping), f"Return a dict with {', '.join(names)}: this is {type_name(answer)}."
    for name in names:
        assert name in answer, f"The dict has no {name!r}; it has {sorted(map(str, answer))}."
    return answer
