"""Measures that scikit-learn lacks: calibration error, expected cost, stability of a distribution, intervals by days.

Targets are 0 and 1 (or False and True), probabilities are of the 1. Where a function takes ``sample_weight`` it means
what it means in scikit-learn, and a weight of two is the same as having the row twice.
"""

from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

HALF = 0.5  # what each bin is lent, so that an empty one has a logarithm


def expected_calibration_error(
    target: ArrayLike, probability: ArrayLike, bins: int = 10, sample_weight: ArrayLike | None = None
) -> float:
    """How far the forecasts lie from the observed frequencies, on average over the rows; 0 is best, 1 worst.

    The forecasts are put into equally wide bins; each bin's gap between mean forecast and observed share counts by
    its number of rows. Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", 2015. Raises ValueError for no rows.
    """
    target, probability = same_length(target, probability)
    weight = np.ones_like(target) if sample_weight is None else np.asarray(sample_weight, "float64")
    place = np.clip((probability * bins).astype(int), 0, bins - 1)
    gap = np.bincount(place, weight * (target - probability), minlength=bins)
    return float(np.abs(gap).sum() / weight.sum())


def cost_per_1000(
    target: ArrayLike,
    flagged: ArrayLike,
    false_alarm: float,
    miss: float,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean cost of 1,000 decisions, in the unit in which a false alarm and a miss are given.

    A false alarm is a row that was flagged and whose target is 0; a miss one that was not, and whose target is 1.
    Raises ValueError for no rows.
    """
    target, flagged = same_length(target, flagged)
    return float(1000 * np.average(decision_costs(target, flagged, false_alarm, miss), weights=sample_weight))


def decision_costs(target: ArrayLike, flagged: ArrayLike, false_alarm: float, miss: float) -> np.ndarray:
    """Cost of each single decision, in the unit in which a false alarm and a miss are given."""
    target, flagged = np.asarray(target, bool), np.asarray(flagged, bool)
    return false_alarm * (flagged & ~target) + miss * (~flagged & target)


def same_length(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays of floats. Raises ValueError when there are no rows, or not as many in each."""
    left, right = np.asarray(first, "float64"), np.asarray(second, "float64")
    if left.shape != right.shape or not left.size:
        raise ValueError(f"got {left.size} and {right.size} rows: give one row of each, and at least one")
    return left, right


class Ranking:
    """How well forecasts put the 1s before the 0s, for one set of rows and many weightings of them.

    The two scores are scikit-learn's ``roc_auc_score`` and ``average_precision_score``. Those sort the rows at each
    call; here they are sorted once, which makes the two hundred resamples of an interval about ten times faster.
    """

    def __init__(self, target: ArrayLike, probability: ArrayLike) -> None:
        """Sort the rows by forecast, the highest first. Raises ValueError for no rows."""
        target, probability = same_length(target, probability)
        self.order = np.argsort(-probability, kind="stable")
        self.target = target[self.order]
        ranked = probability[self.order]
        self.ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last row of each forecast

    def roc_auc(self, sample_weight: np.ndarray) -> float:
        """Chance that a 1 has a higher forecast than a 0, ties counting half; NaN without both."""
        hits, rows = self.counts(sample_weight)
        false_alarms = rows - hits
        pairs = hits[-1] * false_alarms[-1]
        return float(np.trapezoid(hits, false_alarms) / pairs) if pairs else np.nan

    def roc_auc_by_days(self, day: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``roc_auc`` for many weightings of whole days (weightings x days), from the number of each row's day.

        Every pair of a 1 and a 0 belongs to a pair of days, so the pairs are counted once, for each two days, and a
        weighting is a product with that small matrix. Where it is not small, each weighting is scored by itself.
        """
        if weights.shape[1] ** 2 > len(day):
            return np.array([self.roc_auc(weight[day]) for weight in weights])
        day, hit, days = day[self.order], self.target == 1, np.arange(weights.shape[1])
        ones, zeros = (np.bincount(day[rows], minlength=len(days)) for rows in (hit, ~hit))
        # How many 0s stand before the forecast of each 1, and how many when those that share it are added.
        last = np.append(0, np.cumsum(~hit)[self.ends])
        place = np.searchsorted(self.ends, np.flatnonzero(hit))
        above, level = last[place], last[place + 1]
        day_of_one, day_of_zero = day[hit], day[~hit]
        wrong = np.empty((len(days), len(days)))
        for other in days:
            before = np.append(0, np.cumsum(day_of_zero == other))
            wrong[:, other] = np.bincount(day_of_one, (before[above] + before[level]) / 2, minlength=len(days))
        pairs = (weights @ ones) * (weights @ zeros)
        right = pairs - ((weights @ wrong) * weights).sum(axis=1)
        return np.divide(right, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    def average_precision(self, sample_weight: np.ndarray) -> float:
        """Mean precision over the 1s, each at its own forecast; NaN without a 1."""
        hits, rows = self.counts(sample_weight)
        precision = np.divide(hits, rows, out=np.zeros_like(hits), where=rows > 0)
        return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1]) if hits[-1] else np.nan

    def counts(self, sample_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight of the 1s, and of all rows, with a forecast at least as high, for each distinct forecast."""
        weight = sample_weight[self.order]
        hits, rows = (np.cumsum(part)[self.ends] for part in (weight * self.target, weight))
        return np.append(0.0, hits), np.append(0.0, rows)


# Stability of a distribution


class Bins(NamedTuple):
    """How the values of one feature are counted; made once, from the reference.

    Numbers: bin i holds the values in (edges[i-1], edges[i]], the outer ones all beyond. Categories: one bin each
    and one for those that the reference does not have. The last bin of all holds the missing values.
    """

    edges: np.ndarray | None
    categories: pd.Index | None

    @classmethod
    def of(cls, reference: ArrayLike, bins: int = 10) -> "Bins":
        """Bins that the reference fills as equally as its ties allow; one for each category when it is not numbers.

        A value that fills whole bins, such as the zero of dry hours, gets a bin of its own.
        """
        values = pd.Series(reference).dropna()
        if values.empty:
            raise ValueError("the reference has no value that is not missing: choose a longer one")
        if not pd.api.types.is_numeric_dtype(values):
            return cls(None, pd.Index(values.astype("str").unique()))
        # Quantiles that are observed values: nothing is interpolated between the zeros and the first rain.
        quantiles = np.quantile(values.to_numpy("float64"), np.linspace(0, 1, bins + 1)[1:-1], method="lower")
        edges, times = np.unique(quantiles, return_counts=True)
        below_ties = np.nextafter(edges[times > 1], -np.inf)
        return cls(np.union1d(edges, below_ties), None)

    def count(self, values: ArrayLike) -> np.ndarray:
        """Number of values in each bin, the missing ones last."""
        values = pd.Series(values)
        missing = values.isna().to_numpy()
        if self.edges is None:
            found = self.categories.get_indexer(values.astype("str"))
            place, known = np.where(found < 0, len(self.categories), found), len(self.categories) + 1
        else:
            place, known = self.edges.searchsorted(values.to_numpy("float64", na_value=np.nan)), len(self.edges) + 1
        return np.bincount(np.where(missing, known, place), minlength=known + 1)


def population_stability_index(reference: ArrayLike, current: ArrayLike, bins: int = 10) -> float:
    """How far the distribution of one feature has moved from the reference's; 0 when it has not.

    The bins come from the reference alone, so that two windows are measured with one ruler; see ``Bins``. The sum
    over the bins of (q - p) log(q / p), where p and q are the shares of the two samples: Siddiqi, "Credit Risk
    Scorecards", 2006. It is the symmetric divergence of Jeffreys, "An invariant form for the prior probability in
    estimation problems", 1946. The limits .1 and .2 that go round with it hold for independent rows only.
    Raises ValueError for no rows, or no reference value that is not missing.
    """
    ruler = Bins.of(reference, bins)
    return float(psi_of_counts(ruler.count(reference), ruler.count(current)))


def psi_of_counts(expected: ArrayLike, observed: ArrayLike) -> np.ndarray:
    """The population stability index of two rows of counts by bin, or of many at once (last axis: the bins).

    Half a row is lent to each bin, in both samples, so that an empty bin has a logarithm; bins that are empty in
    both add next to nothing. Raises ValueError when a sample has no rows at all.
    """
    expected, observed = np.asarray(expected, "float64"), np.asarray(observed, "float64")
    if not (expected.sum(axis=-1).all() and observed.sum(axis=-1).all()):
        raise ValueError("a sample without rows has no distribution: choose a longer window")
    p, q = lent_shares(expected), lent_shares(observed)
    return ((q - p) * np.log(q / p)).sum(axis=-1)


def lent_shares(counts: np.ndarray) -> np.ndarray:
    """The share of each bin after half a row was lent to it."""
    lent = counts + HALF
    return lent / lent.sum(axis=-1, keepdims=True)


# Intervals by resampling days


class Interval(NamedTuple):
    """A measured value and the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """As it stands in a report, such as ``0.746 [0.738, 0.755]``."""
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def __format__(self, spec: str) -> str:
        """Each number in the format asked for, such as ``+0.014 [+0.009, +0.018]`` for ``+.3f``."""
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]" if spec else str(self)


class WeightedMetric(Protocol):
    """A metric of scikit-learn, or one that is called like them."""

    def __call__(self, *columns: np.ndarray, sample_weight: np.ndarray) -> float:
        """The metric of the rows, each counted as often as its weight says."""


def bootstrap_days(
    metric: WeightedMetric, days: ArrayLike, *columns: ArrayLike, n_boot: int = 200, seed: int = 0, level: float = 0.95
) -> Interval:
    """The metric of the columns, with an interval that treats whole days as drawn by chance.

    Flights of one day share weather and queues: the day is the sampling unit, and an interval from resampled rows is
    too narrow. A day drawn twice gives its rows the weight two, so any metric that takes ``sample_weight`` will do.
    Percentile interval: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; whole clusters:
    Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8.
    A resample for which the metric does not exist (NaN) is left out. Raises ValueError for fewer than two days.
    """
    day, count = numbered(days)
    arrays = [np.asarray(column) for column in columns]
    value = metric(*arrays, sample_weight=np.ones(len(day)))
    resampled = [metric(*arrays, sample_weight=weights[day]) for weights in day_weights(count, n_boot, seed)]
    return interval(value, np.array(resampled), level)


def bootstrap_days_mean(
    values: ArrayLike, days: ArrayLike, n_boot: int = 200, seed: int = 0, level: float = 0.95
) -> Interval:
    """The same for a mean over the rows (Brier score, log loss, cost, or the difference of two models in one).

    A mean needs only each day's sum, so that thousands of resamples are one product of two small matrices.
    """
    day, count = numbered(days)
    values = np.asarray(values, "float64")
    weights = day_weights(count, n_boot, seed)
    resampled = weights @ np.bincount(day, values) / (weights @ np.bincount(day))
    return interval(float(values.mean()), resampled, level)


def roc_auc_gain(
    target: ArrayLike, new: ArrayLike, old: ArrayLike, days: ArrayLike, n_boot: int = 200, seed: int = 0
) -> Interval:
    """ROC AUC of the new forecasts less that of the old ones on the same rows, with its interval by days.

    Each resample scores both, so what they share, easy and hard days, cancels. Introduced in lesson 24.
    """
    better, worse = Ranking(target, new), Ranking(target, old)
    day, count = numbered(days)
    weights = np.vstack([np.ones(count), day_weights(count, n_boot, seed)])
    value, *resampled = better.roc_auc_by_days(day, weights) - worse.roc_auc_by_days(day, weights)
    return interval(value, np.array(resampled), 0.95)


def numbered(days: ArrayLike) -> tuple[np.ndarray, int]:
    """For each row the number of its day, and how many days there are. Raises ValueError for fewer than two."""
    day, names = pd.factorize(pd.Series(days))
    if len(names) < 2:
        raise ValueError(f"got {len(names)} day(s): an interval by days needs at least two, better thirty")
    return day, len(names)


def day_weights(count: int, n_boot: int, seed: int) -> np.ndarray:
    """How often each day is drawn in each resample (resamples x days), as many days as there are, with replacement."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=n_boot).astype("float64")


def interval(value: float, resampled: np.ndarray, level: float) -> Interval:
    """The value between the quantiles that enclose ``level`` of its resamples."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))
