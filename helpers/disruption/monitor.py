"""Watch the service: is what it is asked, what it answers and what comes true still like the reference?

Flights of one day share their weather and their queues, so the day is the sampling unit. ``monitor_counts`` says what
is counted on a day and how the sum of some days becomes statistics; here is decided which values ring.

Alarm limits come from the reference itself. Windows of the same length are drawn from its days in blocks of
consecutive days (Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", 1989), each is
compared with the days that were not drawn, and the limit is the quantile that leaves out the false-alarm rate. The
usual limits, a Kolmogorov-Smirnov test or a PSI of .25, take the rows for independent; see `textbook_alarms`.

The frames of the reference and of the served predictions have one row a prediction, and the columns

==================  ================================================================================================
at                  the decision time; an aware moment
flight_id           the key of the flight: one that comes twice on a day is a repeat
model_version       the version that answered, as text
probability         of a disruption
flagged             the decision: True where the flight was called disrupted
milliseconds        time that the answer took; missing where nobody waited
disrupted           what came true: True, False, or missing while it is not known
one for a feature   of which origin, carrier and departure_minute must be there: the slices are made from them
==================  ================================================================================================

The reference's predictions must be made by a model that was not trained on those flights, or each later
window looks worse than it is. The times of refused messages come apart, since a refused one has no prediction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.stats import kstwobign

from helpers.disruption.monitor_counts import (
    LATENCY_QUANTILES,
    Costs,
    Counts,
    Days,
    Layout,
    count_days,
    layout_of,
    local_day,
    spread,
    statistics,
)

Family = Literal["each", "statistic"]
OF_WHAT = {
    "each": "for each statistic of each subject",
    "statistic": "for each statistic, whichever of its subjects rings",
}

SERVED = ("at", "flight_id", "model_version", "probability", "flagged", "milliseconds", "disrupted")
SLICED = ("origin", "carrier", "departure_minute")
LEAST_SCALE = 0.7  # see joint_limit

# On which side a statistic is bad news.
SIDES: Mapping[str, Literal["low", "high", "both"]] = {
    "volume": "both",
    "repeated_share": "high",
    "refused_share": "high",
    "outcome_known_share": "low",
    **dict.fromkeys(LATENCY_QUANTILES, "high"),
    "missing_share": "high",
    "psi": "high",
    "ks": "high",
    "variety": "low",
    "mean": "both",
    "flagged_share": "both",
    "auc": "low",
    "brier": "high",
    "calibration_error": "high",
    "calibration_gap": "both",
    "cost_per_1000": "high",
}


# Limits: how far the statistics of a quiet window stray


class Limits(NamedTuple):
    """For each statistic the lowest and the highest value that rings no alarm; infinite where that side is good."""

    low: pd.Series
    high: pd.Series


def resample_days(days: int, length: int, block: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of the reference's days occurs in each resampled window (windows x days).

    A window of ``length`` days is put together from runs of ``block`` consecutive days; the year is taken as a
    circle, so that each day is drawn equally often. When one run fills the window, each possible window occurs once.
    """
    block = min(block, length)
    runs = -(-length // block)
    starts = np.arange(days)[:, None] if runs == 1 else rng.integers(days, size=(resamples, runs))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(len(starts), -1)[:, :length] % days
    return spread(np.repeat(np.arange(len(drawn)), length), drawn.ravel(), (len(drawn), days))


def limits_of(null: pd.DataFrame, weights: np.ndarray, rate: float, family: Family) -> Limits:
    """Limits from the statistics of quiet windows (one row a window, columns as ``statistics`` gives them).

    ``weights`` says of which days the windows were made (see ``resample_days``). With the family "each" each number
    oversteps its limits in a share ``rate`` of quiet windows. With "statistic" that is the share of quiet windows in
    which a statistic does so for any of its subjects, such as the PSI of any feature.
    """
    side = null.columns.get_level_values("statistic").map(SIDES)
    bad = pd.concat({"high": null.loc[:, side != "low"], "low": -null.loc[:, side != "high"]}, axis="columns")
    independent = weights.shape[1] / weights[0].sum()
    if family == "each":
        two_sided = bad.columns.get_level_values("statistic").map(SIDES) == "both"
        limit = upper_quantile(bad, np.where(two_sided, rate / 2, rate), independent)
    else:
        apart = weights @ weights.T == 0
        kinds = null.columns.droplevel("subject").unique()
        group, statistic = (bad.columns.get_level_values(level) for level in kinds.names)
        parts = [bad.loc[:, (group == one) & (statistic == other)] for one, other in kinds]
        limit = pd.concat([joint_limit(part, apart, rate, independent) for part in parts])
    return Limits(-limit["low"].reindex(null.columns), limit["high"].reindex(null.columns))


def upper_quantile(null: pd.DataFrame, rate: float | np.ndarray, independent: float) -> pd.Series:
    """For each column the value that a new window exceeds with the chance ``rate``; infinite when it cannot be told.

    The rank is that of a conformal bound, (n + 1)(1 - rate) of n (Vovk, Gammerman and Shafer, "Algorithmic Learning
    in a Random World", 2005), with n the number of ``independent`` windows in the reference. Where that is beyond the
    largest, the largest is the limit: thirteen weeks cannot tell what one week in a hundred looks like. A column
    with fewer than 1 / rate known values has no limit.
    """
    values = np.sort(null.to_numpy(), axis=0)  # missing values come last
    known = np.isfinite(values).sum(axis=0)
    n = np.maximum(known, 1) * independent / len(null)
    rank = np.ceil(known * np.minimum((n + 1) * (1 - rate) / n, 1)).astype("int64")
    found = values[np.maximum(rank, 1) - 1, np.arange(values.shape[1])]
    return pd.Series(np.where((known + 1) * rate >= 1, found, np.inf), index=null.columns)


def joint_limit(null: pd.DataFrame, apart: np.ndarray, rate: float, independent: float) -> pd.Series:
    """Limits of which a quiet window oversteps any with the chance ``rate``.

    Each statistic is brought to one scale, and the largest in a window decides (Westfall and Young,
    "Resampling-Based Multiple Testing", 1993): statistics that move together do not pay for each other, as they
    do when the rate is divided by their number. A window is measured by the scale of those that share no day with
    it (``apart``, windows x windows), as a new one will be: by its own, none would look unusual. But one storm must
    not blind the rest, so that scale counts as at least ``LEAST_SCALE`` of the scale of all windows;
    the value was chosen on held-out weeks of 2013, at a rate of 5 %: with 0.7 the slices ring in 2 % of them and wind
    in metres per second is found in 7 of 10; with 1 in 13 % and 9 of 10; with 0 in 1 % and 3 of 10.
    """
    values, centre = null.to_numpy(), null.median().to_numpy()
    # Only the side that is bad counts: what strays upwards is seldom what strays downwards, mirrored.
    square = np.maximum(values - centre, 0) ** 2
    scale = root_mean(square, np.ones((1, len(null))))
    others = np.maximum(root_mean(square, apart), LEAST_SCALE * scale)
    strayed = np.divide(np.sqrt(square), others, out=np.full_like(others, np.nan), where=others > 0)
    largest = np.fmax.reduce(strayed, axis=1)
    factor = upper_quantile(pd.DataFrame(largest), rate, independent).iloc[0]
    # What never strayed has its typical value as the limit: one repeated request is news where there were none.
    limit = centre + np.multiply(factor, scale[0], where=scale[0] > 0, out=np.zeros_like(scale[0]))
    enough = (np.isfinite(values).sum(axis=0) + 1) * rate >= 1
    return pd.Series(np.where(enough, limit, np.inf), index=null.columns)


def root_mean(square: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Root of the mean of the known squares in each selection of rows (selections x rows), 0 where there are none."""
    known = np.isfinite(square)
    count = rows.astype("float64") @ known
    return np.sqrt(rows.astype("float64") @ np.where(known, square, 0) / np.maximum(count, 1))


# The monitor


@dataclass(frozen=True)
class Monitor:
    """The reference, and how far from it is too far. Make one with ``Monitor.learn``.

    ``rate`` is the false-alarm rate, a share of quiet windows; ``family`` says of what (see ``limits_of``). Measured on
    held-out days of 2013 with 120 days of reference: 1.7 % of days, 1.6 % of weeks, 1 % of months where 2 % are stated.
    ``block`` is the number of consecutive days that are drawn together: as long as weather and queues hang together.
    """

    layout: Layout
    reference: Days
    costs: Costs
    rate: float = 0.02
    family: Family = "statistic"
    block: int = 7
    resamples: int = 1000
    seed: int = 0
    known: dict[int, tuple[pd.Series, Limits]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def learn(
        cls,
        reference: pd.DataFrame,
        features: Sequence[str],
        costs: Costs,
        refused: pd.Series | None = None,
        **settings: Any,
    ) -> Self:
        """Learn what is normal from the reference (columns: see the module; days without a row are left out).

        Without ``refused``, the times of what was refused, nothing was.

        Raises ValueError for a reference that lacks a column, and for one with too few days for the rate.
        """
        refuse_incomplete(reference, [*SERVED, *features])
        if gone := [name for name in SLICED if name not in features]:
            raise ValueError(f"the features lack {', '.join(gone)}: the slices are made from them")
        layout = layout_of(reference, features)
        days = pd.DatetimeIndex(sorted(local_day(reference["at"]).unique()))
        refused = pd.Series([], dtype="datetime64[us, UTC]") if refused is None else refused
        return cls(layout, count_days(reference, refused, layout, days), costs, **settings)

    def __post_init__(self) -> None:
        """Refuse a rate that so few days cannot promise."""
        days = len(self.reference.days)
        if not 0 < self.rate < 1 or self.rate < 1 / (days + 1):
            raise ValueError(
                f"{days} days of reference cannot hold a false-alarm rate of {self.rate}: "
                f"take a rate from {1 / (days + 1):.3f} to 1, or more days"
            )

    def limits(self, length: int) -> tuple[pd.Series, Limits]:
        """What is typical of a quiet window of ``length`` days, the median, and its limits."""
        if length not in self.known:
            weights = self.quiet_windows(length)
            null = self.null(weights)
            self.known[length] = null.median(), limits_of(null, weights, self.rate, self.family)
        return self.known[length]

    def quiet_windows(self, length: int) -> np.ndarray:
        """Windows of ``length`` days, resampled from the days of the reference (windows x days)."""
        days = len(self.reference.days)
        if not 1 <= length <= days // 2:
            raise ValueError(f"{days} days of reference can judge windows of 1 to {days // 2} days, not of {length}")
        return resample_days(days, length, self.block, self.resamples, np.random.default_rng(self.seed))

    def null(self, weights: np.ndarray) -> pd.DataFrame:
        """Statistics of quiet windows, each compared with the days that were not drawn for it."""
        drawn = self.reference.sums((weights > 0).astype("float64"))
        rest = {key: counts - drawn[key] for key, counts in self.whole().items()}
        return statistics(self.reference.sums(weights), rest, self.layout, self.costs)

    def whole(self) -> Counts:
        """The days of the reference, added up (one row)."""
        return self.reference.sums(np.ones((1, len(self.reference.days))))

    def count(self, served: pd.DataFrame, refused: pd.Series | None = None) -> Days:
        """Count what was served and refused (``refused``: the times), on each day from the first to the last.

        Without ``refused`` nothing is said of refusals. A feature that is gone counts as missing. Raises ValueError
        when another column is gone, or nothing was served.
        """
        refuse_incomplete(served, SERVED)
        return count_days(served, refused, self.layout)

    def values(self, days: Days, weights: np.ndarray) -> pd.DataFrame:
        """Statistics of the windows that are sums of ``days`` with ``weights`` (windows x days)."""
        return statistics(days.sums(weights), self.whole(), self.layout, self.costs)

    def check(
        self, served: pd.DataFrame, refused: pd.Series | None = None, lengths: Iterable[int] = (1, 7)
    ) -> pd.DataFrame:
        """Judge what was served, by day and by week or by windows of other lengths: the table of ``judge``."""
        return self.judge(self.count(served, refused), lengths)

    def judge(self, days: Days, lengths: Iterable[int] = (1, 7)) -> pd.DataFrame:
        """One row for each window and each statistic that has a value in it.

        Columns: start (date), days, group, subject, statistic, value, typical, low, high (the limits), alarm, and
        severity: 1 at the limit, and 0 where the value is typical. Windows follow each other from the first day
        on; days that do not fill a last one are left to the shorter windows.
        """
        tables = [self.judge_windows(days, length) for length in lengths if length <= len(days.days)]
        if not tables:
            raise ValueError(f"{len(days.days)} days fill none of the windows: give a shorter length")
        return pd.concat(tables, ignore_index=True)

    def judge_windows(self, days: Days, length: int) -> pd.DataFrame:
        """The rows of ``judge`` for windows of one length."""
        windows = len(days.days) // length
        weights = np.arange(len(days.days)) // length == np.arange(windows)[:, None]
        typical, limits = self.limits(length)
        value = self.values(days, weights.astype("float64"))
        table = value.columns.to_frame(index=False).loc[np.tile(np.arange(value.shape[1]), windows)]
        columns = {"typical": typical, "low": limits.low, "high": limits.high}
        table = table.assign(value=value.to_numpy().ravel(), **{n: np.tile(c, windows) for n, c in columns.items()})
        table.insert(0, "start", np.repeat(days.days[::length][:windows], value.shape[1]))
        table.insert(1, "days", length)
        table = table.assign(alarm=(table.value < table.low) | (table.value > table.high), severity=severity(table))
        return table[table.value.notna()].reset_index(drop=True)


def severity(table: pd.DataFrame) -> pd.Series:
    """How far a value is from the typical one, in units of the distance from there to the limit on that side."""
    distance = table.value - table.typical
    allowed = np.where(distance > 0, table.high - table.typical, table.low - table.typical)
    return (distance.abs() / np.abs(allowed)).where(distance != 0, 0.0)  # no room at all makes it infinite


def refuse_incomplete(served: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ValueError, one line, for a frame without rows, without a column, or with times that are not aware."""
    if gone := [name for name in columns if name not in served]:
        raise ValueError(f"the predictions lack {', '.join(gone)}: see helpers.disruption.monitor for the columns")
    if served.empty:
        raise ValueError("there are no predictions: choose a period in which the service answered")
    if served["at"].isna().any() or not isinstance(served["at"].dtype, pd.DatetimeTZDtype):
        raise ValueError("column at must hold moments with a time zone, none missing")
    if not served.probability.between(0, 1).all():
        raise ValueError("column probability must hold numbers from 0 to 1, none missing")


def served_from_store(scored: pd.DataFrame) -> pd.DataFrame:
    """The frame that the monitor reads, from that of ``Store.scored``: each feature becomes a column."""
    features = pd.DataFrame(scored.features.tolist(), index=scored.index)
    return pd.concat([scored[list(SERVED)], features], axis="columns")


# The textbook's limits, for comparison


def textbook_alarms(monitor: Monitor, served: pd.DataFrame) -> pd.DataFrame:
    """What the usual limits say of all rows in ``served``: one row a feature.

    Columns: psi, psi_alarm (above .25, Siddiqi, "Credit Risk Scorecards", 2006), ks, p (two-sided, asymptotic, as if
    the rows were independent, which those of one day are not) and ks_alarm (p < .001).
    """
    days = monitor.count(served)
    value = monitor.values(days, np.ones((1, len(days.days)))).iloc[0]["input"].unstack()[["psi", "ks"]]
    rows = pd.Series({name: known_rows(days, name) for name in value.index})
    expected = pd.Series({name: known_rows(monitor.reference, name) for name in value.index})
    p = kstwobign.sf(value.ks * np.sqrt(rows * expected / (rows + expected)))
    return value.assign(p=p, psi_alarm=value.psi > 0.25, ks_alarm=p < 0.001)


def known_rows(days: Days, name: str) -> float:
    """Number of rows in which a column is not missing."""
    return days.counts["cells", name][:, :-1].sum()
