"""What the answers to the exercises of lesson 31 must do."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from scipy.special import expit

from helpers.checks.core import check, one_number_a_row, type_name

# 31.1: odds ratios


@check("31.1")
def check_odds_ratio(odds_ratio, rng: Generator) -> None:
    """Move one column up, one down, and several at once whose coefficients slide against each other."""
    fitted, draws, scale = _springs(rng)
    for change in _changes(rng):
        answer = odds_ratio(fitted.copy(), draws.copy(), scale.copy(), dict(change))
        value, low, high = _fields(answer, ("value", "low", "high"))
        steps = {name: units / scale[name] for name, units in change.items()}
        sums = [sum(draw[name] * step for name, step in steps.items()) for _, draw in draws.iterrows()]
        right = math.exp(sum(fitted[name] * step for name, step in steps.items()))
        assert math.isclose(value, right, rel_tol=1e-9), (
            f"The value for {change} is {value:.4f} and should be {right:.4f}: the exponential of the sum, over the "
            "changed columns, of coefficient times change divided by standard deviation."
        )
        assert low <= high, (
            f"low is {low:.3f} and high {high:.3f} for {change}: a negative change turns the ends around."
        )
        ends = [math.exp(end) for end in np.quantile(sums, [0.025, 0.975])]
        assert math.isclose(low, ends[0], rel_tol=1e-6) and math.isclose(high, ends[1], rel_tol=1e-6), (
            f"The interval for {change} is {low:.4f} to {high:.4f} and should be {ends[0]:.4f} to {ends[1]:.4f}: make "
            "the whole change in each draw, then take the 2.5 % and the 97.5 % quantile over the draws."
        )


def _springs(rng: Generator) -> tuple[pd.Series, pd.DataFrame, pd.Series]:
    """Coefficients, their resamples (skewed, two of them tied to each other) and standard deviations."""
    names = ["waiting", "temp", "dewp", "carrier_EV", "carrier_DL"]
    fitted = pd.Series(rng.normal(0, 0.3, 5), names)
    # With 81 draws both quantiles are draws themselves: before or after the exponential, they are the same.
    noise = pd.DataFrame(rng.gamma(2.0, 0.06, (81, 5)) - 0.08, columns=names)
    noise["dewp"] = -0.9 * noise.temp + 0.1 * noise.dewp
    scale = pd.Series([*rng.uniform(3, 20, 3), 1.0, 1.0], names)
    return fitted, (noise + fitted)[list(rng.permutation(names))], scale.sample(frac=1, random_state=rng)


def _changes(rng: Generator) -> list[dict[str, float]]:
    return [
        {"waiting": float(rng.uniform(4, 9))},
        {"temp": -float(rng.uniform(10, 30))},
        {"temp": 20.0, "dewp": float(rng.uniform(15, 25))},
        {"carrier_EV": 1, "carrier_DL": -1},
    ]


# 31.2: a loss and its gradient


@check("31.2")
def check_loss_and_gradient(loss_and_gradient, rng: Generator) -> None:
    """Compare the loss with a sum flight by flight, the gradient with finite differences of that sum."""
    for C in (np.inf, float(rng.uniform(0.2, 2))):
        w, A, y, weight = _weighted(rng)
        loss, gradient = _loss_and_gradient(loss_and_gradient, w, A, y, weight, C)
        right = _slow_loss(w, A, y, weight, C)
        assert math.isclose(loss, right, rel_tol=1e-6), (
            f"The loss is {loss:.5f} and should be {right:.5f} for C={C:.3g}: weight times log loss, summed over the "
            "flights, and the squares of all coefficients but the intercept, over 2C."
        )
        slopes = _slopes(w, A, y, weight, C)
        wrong = np.flatnonzero(~np.isclose(gradient, slopes, rtol=1e-5, atol=1e-5))
        assert not len(wrong), (
            f"Entry {wrong[0]} of the gradient is {gradient[wrong[0]]:.5f}, and the loss changes by "
            f"{slopes[wrong[0]]:.5f} a step (entry 0 is the intercept's, which pays no penalty)."
        )
    w, A, y, weight = _weighted(rng)
    for largest in (800, -800):
        far = largest * w / np.abs(A @ w).max()
        _assert_far_out(loss_and_gradient, far, A, np.where(np.abs(A @ far) > 700, A @ far < 0, y), weight)


def _assert_far_out(loss_and_gradient: Any, w: np.ndarray, A: np.ndarray, y: np.ndarray, weight: np.ndarray) -> None:
    """Where the log-odds reach 800 and are wrong, the loss and the gradient are still the right numbers."""
    loss, gradient = _loss_and_gradient(loss_and_gradient, w, A, y, weight, 1.0)
    assert math.isfinite(loss) and np.isfinite(gradient).all(), (
        f"With log-odds of 800 the loss is {loss}: do not take the logarithm of a chance that is rounded to 0."
    )
    right = _slow_loss(w, A, y, weight, 1.0)
    assert math.isclose(loss, right, rel_tol=1e-6), (
        f"With log-odds of 800 the loss is {loss:.1f} and should be {right:.1f}: a chance that is cut off near 0 hides "
        "how wrong the model is."
    )
    slopes = A.T @ (weight * (expit(A @ w) - y)) + np.r_[0.0, w[1:]]
    wrong = np.flatnonzero(~np.isclose(gradient, slopes, rtol=1e-6))
    assert not len(wrong), (
        f"With log-odds of 800 entry {wrong[0]} of the gradient is {gradient[wrong[0]]:.3f} and should be "
        f"{slopes[wrong[0]]:.3f}: the chance is 1 there, and not infinity over infinity."
    )


def _loss_and_gradient(
    loss_and_gradient: Any, w: np.ndarray, A: np.ndarray, y: np.ndarray, weight: np.ndarray, C: float
) -> tuple[float, np.ndarray]:
    """Loss and gradient of the answer, which must leave its arrays as they are."""
    given = {"w": w.copy(), "A": A.copy(), "y": y.copy(), "weight": weight.copy()}
    answer = loss_and_gradient(*given.values(), C)
    for (name, passed), kept in zip(given.items(), (w, A, y, weight), strict=True):
        assert np.array_equal(passed, kept), f"The {name} that was passed in has changed: work on a copy."
    assert isinstance(answer, tuple | list) and len(answer) == 2, (
        f"Return two things, the loss and the gradient: this is {type_name(answer)}."
    )
    assert np.ndim(answer[0]) == 0, f"The loss is one number: this is {type_name(answer[0])}."
    gradient = one_number_a_row(answer[1], "The gradient")
    assert len(gradient) == len(w), f"The gradient has {len(gradient)} entries for {len(w)} coefficients."
    return float(answer[0]), gradient


def _slow_loss(w: np.ndarray, A: np.ndarray, y: np.ndarray, weight: np.ndarray, C: float) -> float:
    total = sum(float(value) ** 2 for value in w[1:]) / (2 * C)
    for row, outcome, times in zip(A, y, weight, strict=True):
        z = sum(float(a) * float(b) for a, b in zip(row, w, strict=True))
        towards = -z if outcome == 1 else z
        total += times * (max(towards, 0.0) + math.log1p(math.exp(-abs(towards))))
    return total


def _slopes(w: np.ndarray, A: np.ndarray, y: np.ndarray, weight: np.ndarray, C: float) -> np.ndarray:
    steps = 1e-5 * np.eye(len(w))
    return np.array([(_slow_loss(w + e, A, y, weight, C) - _slow_loss(w - e, A, y, weight, C)) / 2e-5 for e in steps])


def _weighted(rng: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    A = np.column_stack([np.ones(30), rng.normal(0, 1, (30, 3))])
    return rng.normal([1.5, 0, 0, 0], 1), A, (rng.random(30) < 0.4).astype(int), rng.uniform(0.5, 3, 30)


# 31.3: standard errors by days


@check("31.3")
def check_repaired_errors(repaired_errors, rng: Generator) -> None:
    """Flights in no order of days, whose days share a column and a fate; days as dates and as names."""
    for names in (True, False):
        A, y, w, day = _shared_days(rng, names)
        answer = repaired_errors(A.copy(), y.copy(), w.copy(), day.copy())
        errors = one_number_a_row(answer, "The standard errors")
        assert len(errors) == len(w), f"There are {len(errors)} errors for {len(w)} coefficients."
        by_row, by_day, diagonal, factor = _slow_errors(A, y, w, day)
        assert not np.allclose(errors, by_row[0]) and not np.allclose(errors, by_row[1]), (
            "These are the errors of independent rows: the pulls were squared before they were added up by day."
        )
        assert not np.allclose(errors, by_day / factor), "The factor D / (D - 1) is missing, with D the number of days."
        assert not np.allclose(errors, diagonal), (
            "The days' pulls are squared column by column: two columns that pull together need their product too."
        )
        assert np.allclose(errors, by_day, rtol=1e-6, atol=0), (
            f"The first error is {errors[0]:.4f} and should be {by_day[0]:.4f}: the pull of a day is the sum over its "
            "flights, wherever they stand in the table, and the matrix of the days' products stands between the two "
            "inverses."
        )


def _slow_errors(A: np.ndarray, y: np.ndarray, w: np.ndarray, day: np.ndarray) -> tuple:
    """Errors by rows (of the Hessian, and White's), by days, by days without the products, and the days' factor."""
    chance = [1 / (1 + math.exp(-float(row @ w))) for row in A]
    hessian = sum(p * (1 - p) * np.outer(row, row) for row, p in zip(A, chance, strict=True))
    inverse = np.linalg.inv(hessian)
    pulls: dict[Any, np.ndarray] = {}
    white = np.zeros_like(hessian)
    for row, outcome, p, name in zip(A, y, chance, day, strict=True):
        pulls[name] = pulls.get(name, 0) + row * (outcome - p)
        white += np.outer(row, row) * (outcome - p) ** 2
    factor = len(pulls) / (len(pulls) - 1)
    scatter = factor * sum(np.outer(pull, pull) for pull in pulls.values())

    def errors(middle: np.ndarray) -> np.ndarray:
        return np.sqrt(np.diag(inverse @ middle @ inverse))

    by_row = np.sqrt(np.diag(inverse)), errors(white)
    return by_row, errors(scatter), errors(np.diag(np.diag(scatter))), math.sqrt(factor)


def _shared_days(rng: Generator, names: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    days, rows = int(rng.integers(9, 14)), 240
    number = rng.integers(0, days, rows)
    wind, fate = rng.normal(0, 1, days), rng.normal(0, 1, days)
    A = np.column_stack([np.ones(rows), wind[number], rng.normal(0, 1, rows) + 0.5 * wind[number]])
    w = rng.normal(0, 0.4, 3)
    y = (rng.random(rows) < expit(A @ w + fate[number])).astype(int)
    for _ in range(8):  # the task says fitted: there, and only there, the days' pulls have a mean of zero
        p = expit(A @ w)
        w = w + np.linalg.solve((A * (p * (1 - p))[:, None]).T @ A, A.T @ (y - p))
    labels = np.array([f"day {name}" for name in rng.permutation(days)])
    dates = np.datetime64("2013-05-01") + rng.permutation(days)
    return A, y, w, (labels if names else dates)[number]


# 31.4: hinges


@check("31.4")
def check_hinges(hinges, rng: Generator) -> None:
    """Values inside, on the knots, outside on both sides and missing; two knots, and several away from zero."""
    for count in (2, 3, 6):
        knots = sorted(float(knot) for knot in rng.choice(np.arange(-40, 120), count, replace=False) + 0.5)
        inside = rng.uniform(knots[0], knots[-1], 25)
        values = rng.permutation([*inside, *knots, knots[0] - 30, knots[-1] + 500, np.nan, np.nan])
        given = values.copy()
        matrix = np.asarray(hinges(values if count == 3 else list(values), list(knots)), float)
        assert np.array_equal(values, given, equal_nan=True), "The values that were passed in have changed."
        assert matrix.shape == (len(values), count), (
            f"{len(values)} values and {count} knots gave the shape {matrix.shape}: a row for each value, and the "
            "limited value, the inner knots and the flag make as many columns as there are knots."
        )
        _assert_hinges(matrix, given, knots)


def _assert_hinges(matrix: np.ndarray, values: np.ndarray, knots: list[float]) -> None:
    gap = np.isnan(values)
    assert np.array_equal(matrix[:, -1], gap), "The last column is 1 for a gap, and 0 for every value."
    assert (matrix[gap, :-1] == 0).all(), "A gap has 0 in all columns but the flag."
    for row, value in zip(matrix[~gap], values[~gap], strict=True):
        limited = min(max(value, knots[0]), knots[-1])
        right = [max(limited - knot, 0.0) for knot in knots[:-1]]
        where = "beyond the ends nothing changes any more; " if limited != value else ""
        assert np.allclose(row[:-1], right, rtol=0, atol=1e-9), (
            f"With the knots {knots} the value {value:.2f} became {row[:-1].round(2).tolist()} and should be "
            f"{np.round(right, 2).tolist()}: {where}the limited value less the first knot, then how far it lies above "
            "each inner knot."
        )


# 31.5: the reasons of a forecast


@check("31.5")
def check_explain(explain, rng: Generator) -> None:
    """Explain flights with known, reference and unknown levels, with gaps, and with columns that are not used."""
    for gap in (False, True, False, True, False):
        intercept, weights, row, usual = _flight(rng, gap)
        own, typical_flight = dict(row), dict(usual)
        answer = explain(intercept, weights, own, typical_flight)
        assert repr((own, typical_flight)) == repr((row, usual)), "`row` or `usual` has changed: work on a copy."
        assert isinstance(answer, Mapping), f"Return a dict: this is {type_name(answer)}."
        forecast, typical = _fields({name: answer.get(name) for name in ("forecast", "usual")}, ("forecast", "usual"))
        reasons = answer.get("reasons")
        assert isinstance(reasons, Mapping), f"`reasons` is a dict: this is {type_name(reasons)}."
        assert set(reasons) == set(weights), (
            f"The reasons are about {sorted(reasons)}: give one to each name in `weights`, also when it is 0."
        )
        start = intercept + sum(_slow_part(weights[name], usual[name]) for name in weights)
        assert math.isclose(typical, 1 / (1 + math.exp(-start)), rel_tol=1e-9), (
            f"The usual flight has a chance of {typical:.4f} and should have {1 / (1 + math.exp(-start)):.4f}: its "
            "log-odds are the intercept and the parts of its own values."
        )
        right = {name: _slow_reason(weights[name], row[name], usual[name]) for name in weights}
        _assert_reasons({name: float(value) for name, value in reasons.items()}, right, row)
        end = start + sum(right.values())
        assert math.isclose(forecast, 1 / (1 + math.exp(-end)), rel_tol=1e-9), (
            f"The forecast is {forecast:.4f} and should be {1 / (1 + math.exp(-end)):.4f}: the reasons add up to the "
            "difference of the two log-odds, not of the two chances."
        )


def _assert_reasons(reasons: dict[str, float], right: dict[str, float], row: dict[str, Any]) -> None:
    for name, value in right.items():
        assert math.isclose(reasons[name], value, rel_tol=1e-9, abs_tol=1e-9), (
            f"The reason {name} is {reasons[name]:+.4f} and should be {value:+.4f} for the value {row[name]!r}: its "
            "part of the log-odds less that of the usual value. A missing number counts as usual, and a level without "
            "a weight has 0."
        )
    sizes = [abs(value) for value in reasons.values()]
    assert sizes == sorted(sizes, reverse=True), (
        f"The reasons come in the order {list(reasons)}: the largest first, whatever its sign."
    )


def _slow_part(weight: Any, value: Any) -> float:
    return weight.get(value, 0.0) if isinstance(weight, dict) else weight * value


def _slow_reason(weight: Any, value: Any, usual: Any) -> float:
    missing = isinstance(value, float) and math.isnan(value)
    return 0.0 if missing else _slow_part(weight, value) - _slow_part(weight, usual)


def _flight(rng: Generator, gap: bool) -> tuple[float, dict[str, Any], dict[str, Any], dict[str, Any]]:
    levels = ["EV", "DL", "AA"]
    weights = {
        "visib": -float(rng.uniform(0.05, 0.2)),
        "carrier": {name: float(value) for name, value in zip(levels, rng.normal(0, 0.7, 3), strict=True)},
        "waiting": float(rng.uniform(0.02, 0.1)),
        "origin": {"JFK": float(rng.normal(0, 0.5)), "LGA": float(rng.normal(0, 0.5))},
        "pressure": float(rng.normal(0, 0.05)),
    }
    usual = {"visib": 10.0, "carrier": "DL", "waiting": 4.0, "origin": "EWR", "pressure": 1017.5, "dest": "ATL"}
    row = {
        "dest": "SBN",
        "pressure": float("nan") if gap else float(rng.uniform(990, 1035)),
        "waiting": 0.0 if gap else float(rng.integers(5, 40)),
        "carrier": str(rng.choice(["EV", "AA", "UA", "XX"])),
        "origin": str(rng.choice(["JFK", "LGA"])),
        "visib": float(rng.uniform(0, 9)),
    }
    # The parts of the usual flight may be large, since the pressure is: the intercept brings the sum back.
    centre = -1.0 - sum(_slow_part(weights[name], usual[name]) for name in weights)
    return centre + float(rng.normal(0, 0.3)), weights, row, usual


# 31.6: the strength of the penalty


@check("31.6")
def check_choose_strength(choose_strength, rng: Generator) -> None:
    """Choose where all days are hard or easy for all strengths, and where the strengths differ by their own noise."""
    for hard, noise in 3 * ((0.15, 0.0008), (0.003, 0.006), (0.05, 0.003), (0.02, 0.0015)):
        _assert_choice(choose_strength, *_losses(rng, hard, noise))
    _assert_choice(choose_strength, *_few_days(rng))
    _assert_choice(choose_strength, *_with_a_gap(rng))


def _assert_choice(choose_strength: Any, losses: pd.DataFrame, flights: pd.Series) -> None:
    right = _slow_choice(losses, flights)
    answer = choose_strength(losses.copy(), flights.copy())
    best, one_se, paired = _fields(answer, ("best", "one_se", "paired"))
    assert best == right["best"], (
        f"The best C is {best:g} and should be {right['best']:g}: the smallest sum of losses over all flights. "
        "Days with more flights count for more."
    )
    assert one_se == right["one_se"], (
        f"one_se is {one_se:g} and should be {right['one_se']:g}: the smallest C within one standard error of the "
        "best mean loss, where the error is that of the best one's loss, as the formula has it."
    )
    assert paired == right["paired"], (
        f"paired is {paired:g} and should be {right['paired']:g}: subtract the best one's loss day by day, and "
        "compare the mean of that with its own standard error."
    )


def _slow_choice(losses: pd.DataFrame, flights: pd.Series) -> dict[str, float]:
    counts = list(flights)
    total, days = sum(counts), len(counts)

    def mean_and_error(sums: list[float]) -> tuple[float, float]:
        mean = sum(sums) / total
        squares = sum((x - mean * n) ** 2 for x, n in zip(sums, counts, strict=True))
        return mean, math.sqrt(days / (days - 1) * squares) / total

    columns = {C: list(losses[C]) for C in losses}
    means = {C: mean_and_error(sums)[0] for C, sums in columns.items()}
    best = min(means, key=means.get)
    limit = means[best] + mean_and_error(columns[best])[1]
    apart = {C: [x - z for x, z in zip(sums, columns[best], strict=True)] for C, sums in columns.items()}
    behind = {C: mean_and_error(sums) for C, sums in apart.items()}
    return {
        "best": best,
        "one_se": min(C for C in means if means[C] <= limit),
        "paired": min(C for C, (mean, error) in behind.items() if mean <= error),
    }


def _losses(rng: Generator, hard: float, noise: float) -> tuple[pd.DataFrame, pd.Series]:
    """Sums of losses by day: a flat top, worse and shakier towards strong penalties; days of very unequal size."""
    days = int(rng.integers(40, 60))
    index = pd.date_range("2013-07-01", periods=days)
    flights = pd.Series(rng.integers(100, 1000, days), index)
    strengths = 10.0 ** np.arange(-5, 2)
    behind = np.array([0.03, 0.012, 0.004, 0.0012, 0.0003, 0.0, 0.0002]) * rng.uniform(0.7, 1.4, 7)
    shaky = np.array([1.8, 1.5, 1.3, 1.2, 1.1, 1.0, 1.0])
    day = 0.5 + rng.gamma(2.0, hard, days)
    each = day.mean() + (day - day.mean())[:, None] * shaky + behind
    each += rng.normal(0, noise, (days, 7)) * np.sqrt(1000 / flights.to_numpy())[:, None]
    # The weakest penalty is good on small days: whoever counts all days alike takes it for the best.
    each[:, -1] += np.where(flights < 400, -0.004, 0.001)
    losses = pd.DataFrame(each * flights.to_numpy()[:, None], index, strengths)
    return losses[list(rng.permutation(strengths))], flights


def _few_days(rng: Generator) -> tuple[pd.DataFrame, pd.Series]:
    """Four days and many strengths that lose a little each: the factor D / (D - 1) decides."""
    flights = pd.Series(rng.integers(200, 400, 4), pd.date_range("2013-07-01", periods=4))
    each = rng.permutation(np.linspace(0.4, 0.6, 4))[:, None] + np.linspace(0.1, 0, 50)
    return pd.DataFrame(each * flights.to_numpy()[:, None], flights.index, np.geomspace(1e-4, 10, 50)), flights


def _with_a_gap(rng: Generator) -> tuple[pd.DataFrame, pd.Series]:
    """Three strengths, of which both rules allow the smallest and refuse the one between it and the best."""
    flights = pd.Series(rng.integers(200, 400, 30), pd.date_range("2013-07-01", periods=30))
    day, shake = rng.uniform(0.4, 0.6, 30), rng.normal(0, 0.1, 30)
    shake -= np.average(shake, weights=flights)
    each = day[:, None] + np.column_stack([shake + 0.002, np.full(30, 0.03), np.zeros(30)])
    return pd.DataFrame(each * flights.to_numpy()[:, None], flights.index, [1e-4, 1e-2, 1.0]), flights


# What several checks share


def _fields(answer: Any, names: tuple[str, ...]) -> list[float]:
    """The named numbers of a dict."""
    assert isinstance(answer, Mapping), f"Return a dict with {', '.join(names)}: this is {type_name(answer)}."
    for name in names:
        assert answer.get(name) is not None, f"The dict has no {name!r}."
        assert np.ndim(answer[name]) == 0, f"{name} is one number: this is {type_name(answer[name])}."
    return [float(answer[name]) for name in names]
