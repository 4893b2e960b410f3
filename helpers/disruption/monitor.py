"""Watch the service: is what it is asked, what it answers and what comes true still like the reference?

Flights of one day share their weather and their queues, so the day is the sampling unit. Everything here rests on one
idea: **a day is a set of counts, a window is the sum of its days, and a statistic is a function of that sum.** Rows
are read once. A week, a month, and each of a thousand resampled windows are then one product of matrices, which
is why a month is compared with its reference in a fraction of a second.

Alarm limits come from the reference itself. Windows of the same length are drawn from its days in blocks of
consecutive days (Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", 1989), each is
compared with the days that were not drawn, and the limit is the quantile that leaves out the false-alarm rate. The
usual limits, a Kolmogorov-Smirnov test or a PSI of .2, take the rows for independent; see `textbook_alarms`.

The frames of the reference and of the served predictions have one row a prediction, and the columns

==================  ================================================================================================
at                  the decision time; an aware moment
flight_id           the key of the flight: one that comes twice on a day is a repeat
model_version       the version that answered, as text
probability         of a disruption
flagged             the decision: True where the flight was called disrupted
milliseconds        time that the answer took
disrupted           what came true: True, False, or missing while it is not known
one for a feature   of which origin, carrier and departure_minute must be there: the slices are made from them
==================  ================================================================================================

The reference's predictions must be made by a model that was not trained on those flights, or each later
window looks worse than it is. The times of refused requests come apart, since a refused request has no prediction.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from scipy.stats import kstwobign

from helpers.metrics import Bins, psi_of_counts

Key = tuple[str, str]  # a group and its subject, such as ("input", "temp")
Counts = Mapping[Key, np.ndarray]  # for each key one row a day, or one a window
Family = Literal["each", "statistic"]
OF_WHAT = {
    "each": "for each statistic of each subject",
    "statistic": "for each statistic, whichever of its subjects rings",
}

REPORT = Path(__file__).with_name("monitor_report.html")  # template of the report
RULES = Path(__file__).with_name("monitor_alerts.yml")  # alert rules for Prometheus
DASHBOARD = Path(__file__).with_name("monitor_dashboard.json")  # dashboard for Grafana

SERVED = ("at", "flight_id", "model_version", "probability", "flagged", "milliseconds", "disrupted")
SLICED = ("origin", "carrier", "departure_minute")
NEW_YORK = "America/New_York"  # a day of operations begins and ends on New York's clock

CELLS = 200  # cells of a numeric feature, equally filled by the reference: a KS distance is exact to 1/200
PSI_BINS = 10
SCORES = 250  # cells of the probability, equally wide; a multiple of the bins of the calibration error
CALIBRATION_BINS = 10
DECIMALS = 6  # a cut is a value of the reference: the same value, worked out in another way, must lie in its cell
LEAST_SCALE = 0.7  # see joint_limit
LATENCIES = np.geomspace(0.1, 60_000, 250)  # upper ends of the cells of latency, 5 % apart, milliseconds
LATENCY_QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
OUTCOMES_NEEDED = 0.95  # share of outcomes that must be in: those that come early are not like those that come late
ROWS_NEEDED = 30  # known outcomes of a slice in a window, fewer mean nothing

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


BLUE, RED, GREY = "#0072B2", "#D55E00", "#8c8c8c"  # of Okabe and Ito, "Color Universal Design", 2008


class Costs(Protocol):
    """What a wrong decision costs, in euros; ``helpers.disruption.model.Costs`` is one."""

    @property
    def false_alarm(self) -> float:
        """A flight that was flagged and went well."""

    @property
    def miss(self) -> float:
        """A flight that was not flagged and was disrupted."""


# Counting: from rows to days


@dataclass(frozen=True)
class Cells:
    """How a column is counted: a cell for each range or category, then one for the unseen, then one for the missing.

    ``cuts`` are the upper ends of the ranges of a number; ``categories`` the known values of a text.
    ``bins`` gives for each cell its bin of the PSI: a bin is made of whole cells.
    """

    cuts: np.ndarray
    categories: pd.Index | None
    bins: np.ndarray

    @property
    def count(self) -> int:
        """Number of cells, with the one for missing values."""
        return len(self.bins)

    def place(self, values: pd.Series) -> np.ndarray:
        """The cell of each value."""
        if self.categories is not None:
            known = self.categories.get_indexer(values.astype("str"))
            cells = np.where(known < 0, self.count - 2, known)
        else:
            cells = np.searchsorted(self.cuts, rounded(values))
        return np.where(values.isna(), self.count - 1, cells)


def rounded(values: pd.Series) -> np.ndarray:
    """Numbers without the last digits, in which two ways to work out one value differ; missing is NaN."""
    return values.to_numpy("float64", na_value=np.nan).round(DECIMALS)


def cells_of(values: pd.Series) -> Cells:
    """Cells that the reference fills equally, as far as ties allow; a text has one cell for each of its values."""
    if values.isna().all():
        return Cells(np.empty(0), None, np.arange(2))
    if pd.api.types.is_numeric_dtype(values):
        values = pd.Series(rounded(values))
    ruler = Bins.of(values, PSI_BINS)
    if ruler.categories is not None:
        return Cells(np.empty(0), ruler.categories, np.arange(len(ruler.categories) + 2))
    quantiles = np.arange(1, CELLS) / CELLS
    # Quantiles that are values of the column: its zeros share no cell with the first rain.
    cuts = np.union1d(ruler.edges, np.quantile(values.dropna(), quantiles, method="lower"))
    bins = np.searchsorted(ruler.edges, np.append(cuts, np.inf))
    return Cells(cuts, None, np.append(bins, bins[-1] + 1))


def spread(day: np.ndarray, cell: np.ndarray, shape: tuple[int, int], weight: np.ndarray | None = None) -> np.ndarray:
    """Count the rows, or add up their weights, by day and cell."""
    days, cells = shape
    return np.bincount(day * cells + cell, weight, days * cells).reshape(shape).astype("float64")


def local_day(at: pd.Series) -> pd.Series:
    """The date on New York's clock."""
    return at.dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()


@dataclass(frozen=True)
class Days:
    """What was counted on each day: for each key an array with one row a day.

    ``("days", "")`` is one; ``("rows", "")``, ``("repeated", "")``, ``("refused", "")``, ``("known", "")`` and
    ``("flagged", "")`` are numbers of rows, ``("latency", "")`` counts by cell of latency. Of each column
    ``("cells", column)`` counts by its cells and
    ``("variety", column)`` says how many of them are not empty; ``("mean", "probability")`` adds up the forecasts.
    Of the rows whose outcome is known ``("scores", slice)`` counts not disrupted, disrupted, and adds up the
    forecasts, by cell of the probability; ``("losses", slice)`` adds up rows, squared error, false alarms and misses.
    """

    days: pd.DatetimeIndex
    counts: Counts

    def sums(self, weights: np.ndarray) -> Counts:
        """Add the days up: one row for each row of ``weights`` (windows x days)."""
        return {key: weights @ counts for key, counts in self.counts.items()}


class Layout(NamedTuple):
    """What is counted, fixed by the reference: the cells of each column, and the slices with their levels."""

    columns: Mapping[str, Cells]
    slices: Mapping[str, pd.Index]


def layout_of(reference: pd.DataFrame, features: Sequence[str]) -> Layout:
    """Learn from the reference how to count."""
    columns = {name: cells_of(reference[name]) for name in (*features, "probability")}
    slices = {name: pd.Index(sorted(levels.dropna().unique())) for name, levels in slicings(reference).items()}
    return Layout(columns, slices)


def slicings(served: pd.DataFrame) -> dict[str, pd.Series]:
    """The ways in which the predictions are cut into slices; the hour is that of the scheduled departure, local."""
    hour = (served.departure_minute // 60).map("{:02.0f}".format, na_action="ignore")
    return {"origin": served.origin, "carrier": served.carrier, "hour": hour}


def count_days(served: pd.DataFrame, refused: pd.Series, layout: Layout, days: pd.DatetimeIndex | None = None) -> Days:
    """Count the served predictions, and the requests refused at the times ``refused``, on each of ``days``.

    Without ``days``, on each day from the first to the last: a day without a request is a day, too.
    """
    served, refused_on = complete(served, layout), local_day(refused)
    date = local_day(served["at"])
    if days is None:
        every = pd.concat([date, refused_on])
        days = pd.date_range(every.min(), every.max())
    day = days.get_indexer(date)
    counts = {
        **count_traffic(served, day, len(days)),
        ("days", ""): np.ones((len(days), 1)),
        ("refused", ""): tally(days.get_indexer(refused_on), len(days)),
        **count_columns(served, day, len(days), layout.columns),
        **count_outcomes(served, day, len(days), layout.slices),
    }
    return Days(days, counts)


def complete(served: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """The frame with every column that is watched: one that is gone counts as missing everywhere."""
    gone = {name for name in layout.columns if name not in served}
    return served.assign(**dict.fromkeys(gone, np.nan)) if gone else served


def tally(day: np.ndarray, days: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Number of rows a day, or of those where ``rows`` is true, as a column."""
    return spread(day, np.zeros_like(day), (days, 1), rows)


def count_traffic(served: pd.DataFrame, day: np.ndarray, days: int) -> dict[Key, np.ndarray]:
    """Rows, repeats, known outcomes, decisions, forecasts and latency by day."""
    latency = np.searchsorted(LATENCIES, served.milliseconds.to_numpy("float64"))
    return {
        ("rows", ""): tally(day, days),
        ("repeated", ""): tally(day, days, pd.DataFrame({"day": day, "flight": served.flight_id}).duplicated()),
        ("known", ""): tally(day, days, served.disrupted.notna()),
        ("flagged", ""): tally(day, days, served.flagged),
        ("mean", "probability"): tally(day, days, served.probability),
        ("latency", ""): spread(day, latency, (days, len(LATENCIES) + 1)),
    }


def count_columns(
    served: pd.DataFrame, day: np.ndarray, days: int, columns: Mapping[str, Cells]
) -> dict[Key, np.ndarray]:
    """Rows by day and cell of each column, and how many cells a day fills."""
    counts: dict[Key, np.ndarray] = {}
    for name, cells in columns.items():
        counts["cells", name] = spread(day, cells.place(served[name]), (days, cells.count))
        counts["variety", name] = (counts["cells", name][:, :-1] > 0).sum(axis=1, keepdims=True).astype("float64")
    return counts


def count_outcomes(
    served: pd.DataFrame, day: np.ndarray, days: int, slices: Mapping[str, pd.Index]
) -> dict[Key, np.ndarray]:
    """Scores and losses by day, over all rows whose outcome is known and over each slice of them."""
    truth = served.disrupted.astype("float64").to_numpy()
    frame = pd.DataFrame({"day": day, "p": served.probability, "y": truth, "flagged": served.flagged.astype("bool")})
    known = np.isfinite(truth)
    counts = dict(zip(outcome_keys("all"), scores_and_losses(frame[known], days), strict=True))
    for slicing, level in slicings(served).items():
        place = slices[slicing].get_indexer(level)
        for number, name in enumerate(slices[slicing]):
            rows = frame[known & (place == number)]
            counts.update(zip(outcome_keys(f"{slicing}={name}"), scores_and_losses(rows, days), strict=True))
    return counts


def outcome_keys(name: str) -> tuple[Key, Key]:
    """The keys under which a slice's outcomes are counted."""
    return ("scores", name), ("losses", name)


def scores_and_losses(rows: pd.DataFrame, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (days x 3 SCORES) and losses (days x 4) of rows with ``day``, ``p``, ``y`` (0 or 1) and ``flagged``."""
    day, p, y, flagged = (rows[name].to_numpy() for name in ("day", "p", "y", "flagged"))
    cell = np.minimum((p * SCORES).astype("int64"), SCORES - 1)
    shape = (days, SCORES)
    scores = [spread(day, cell, shape, 1 - y), spread(day, cell, shape, y), spread(day, cell, shape, p)]
    false_alarm, miss = flagged & (y == 0), ~flagged & (y == 1)
    losses = [tally(day, days, part) for part in (None, (p - y) ** 2, false_alarm, miss)]
    return np.hstack(scores), np.hstack(losses)


# Statistics: from the sum of some days to numbers


def statistics(window: Counts, reference: Counts, layout: Layout, costs: Costs) -> pd.DataFrame:
    """Every statistic of every window: one row a window, columns (group, subject, statistic).

    ``window`` and ``reference`` are sums of days; the reference has one row, or one for each window.
    A statistic without the data it needs is NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            **service_statistics(window),
            **input_statistics(window, reference, layout),
            **prediction_statistics(window, reference, layout),
            **outcome_statistics(window, costs),
        }
    return pd.DataFrame(found).rename_axis(columns=["group", "subject", "statistic"])


def service_statistics(window: Counts) -> dict[tuple[str, str, str], np.ndarray]:
    """Volume a day, and how the service answered."""
    rows, refused = window["rows", ""][:, 0], window["refused", ""][:, 0]
    latency = {name: latency_quantile(window["latency", ""], q) for name, q in LATENCY_QUANTILES.items()}
    values = {
        "volume": rows / window["days", ""][:, 0],
        "repeated_share": window["repeated", ""][:, 0] / rows,
        "refused_share": refused / (rows + refused),
        **latency,
    }
    return {("service", "requests", name): value for name, value in values.items()}


def latency_quantile(counts: np.ndarray, q: float) -> np.ndarray:
    """The upper end of the cell in which the quantile lies, milliseconds; NaN without a request."""
    reached = counts.cumsum(axis=1) >= q * counts.sum(axis=1, keepdims=True)
    ends = np.append(LATENCIES, np.inf)[reached.argmax(axis=1)]
    return np.where(counts.sum(axis=1) > 0, ends, np.nan)


def input_statistics(window: Counts, reference: Counts, layout: Layout) -> dict[tuple[str, str, str], np.ndarray]:
    """Missing values, PSI, KS distance and variety of each feature."""
    found = {}
    for name, cells in layout.columns.items():
        if name == "probability":
            continue
        counts, expected = window["cells", name], reference["cells", name]
        values = {
            "missing_share": counts[:, -1] / counts.sum(axis=1),
            "psi": stability_index(counts, expected, cells.bins),
            "variety": window["variety", name][:, 0] / window["days", ""][:, 0],
        }
        if cells.categories is None:
            values["ks"] = ks_distance(counts, expected)
        found |= {("input", name, statistic): value for statistic, value in values.items()}
    return found


def prediction_statistics(window: Counts, reference: Counts, layout: Layout) -> dict[tuple[str, str, str], np.ndarray]:
    """The distribution of the forecasts, and what was decided."""
    counts, expected = window["cells", "probability"], reference["cells", "probability"]
    rows = window["rows", ""][:, 0]
    values = {
        "psi": stability_index(counts, expected, layout.columns["probability"].bins),
        "ks": ks_distance(counts, expected),
        "mean": window["mean", "probability"][:, 0] / rows,
        "flagged_share": window["flagged", ""][:, 0] / rows,
    }
    return {("prediction", "probability", name): value for name, value in values.items()}


def stability_index(counts: np.ndarray, expected: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """The PSI of each window, from counts by cell (windows x cells)."""
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    observed, known = (np.add.reduceat(part, starts, axis=1) for part in (counts, expected))
    filled = observed.any(axis=1)
    index = np.full(len(observed), np.nan)
    index[filled] = psi_of_counts(np.broadcast_to(known, observed.shape)[filled], observed[filled])
    return index


def ks_distance(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The largest difference of the two distribution functions at a cell's end; missing values are left out."""
    observed, known = (part[:, :-1].cumsum(axis=1) for part in (counts, expected))
    return np.abs(observed / observed[:, -1:] - known / known[:, -1:]).max(axis=1)


def outcome_statistics(window: Counts, costs: Costs) -> dict[tuple[str, str, str], np.ndarray]:
    """How good the forecasts turned out to be: in all, and in each slice with enough outcomes."""
    known = window["known", ""][:, 0] / window["rows", ""][:, 0]
    found = {("outcome", "all", "outcome_known_share"): known}
    for kind, name in window:
        if kind == "scores":
            rows = window["losses", name][:, 0]
            enough = (known >= OUTCOMES_NEEDED) & (rows >= ROWS_NEEDED)
            group = "outcome" if name == "all" else "slice"
            for statistic, value in quality(window[kind, name], window["losses", name], costs).items():
                found[group, name, statistic] = np.where(enough, value, np.nan)
    return found


def quality(scores: np.ndarray, losses: np.ndarray, costs: Costs) -> dict[str, np.ndarray]:
    """Ranking, calibration and cost of each window, from its scores and losses."""
    fine, disrupted, forecast = np.split(scores, 3, axis=1)
    rows, squared_error, false_alarms, misses = losses.T
    return {
        "auc": auc(fine, disrupted),
        "brier": squared_error / rows,
        "calibration_error": calibration_error(disrupted, forecast, rows),
        "calibration_gap": (forecast.sum(axis=1) - disrupted.sum(axis=1)) / rows,
        "cost_per_1000": 1000 * (costs.false_alarm * false_alarms + costs.miss * misses) / rows,
    }


def auc(fine: np.ndarray, disrupted: np.ndarray) -> np.ndarray:
    """Chance that a disrupted flight had the higher score, from counts by cell; a shared cell counts half."""
    below = fine.cumsum(axis=1) - fine / 2
    return (disrupted * below).sum(axis=1) / (disrupted.sum(axis=1) * fine.sum(axis=1))


def calibration_error(disrupted: np.ndarray, forecast: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Expected calibration error over equally wide bins: see helpers.metrics.expected_calibration_error."""
    width = SCORES // CALIBRATION_BINS
    gap = (forecast - disrupted).reshape(len(rows), CALIBRATION_BINS, width).sum(axis=2)
    return np.abs(gap).sum(axis=1) / rows


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
    centre = null.median()
    # Only the side that is bad counts: what strays upwards is seldom what strays downwards, mirrored.
    square = (null - centre).clip(lower=0).to_numpy() ** 2
    scale = root_mean(square, np.ones((1, len(null))))
    others = np.maximum(root_mean(square, apart), LEAST_SCALE * scale)
    largest = pd.DataFrame(np.sqrt(square) / np.where(others > 0, others, np.nan)).max(axis="columns")
    factor = upper_quantile(largest.to_frame(), rate, independent).iloc[0]
    # What never strayed has its typical value as the limit: one repeated request is news where there were none.
    limit = centre + np.multiply(factor, scale[0], where=scale[0] > 0, out=np.zeros_like(scale[0]))
    return limit.where((null.notna().sum() + 1) * rate >= 1, np.inf)


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

        Raises ValueError for a reference that lacks a column, and for one with too few days for the rate.
        """
        refuse_incomplete(reference, [*SERVED, *features])
        if gone := [name for name in SLICED if name not in features]:
            raise ValueError(f"the features lack {', '.join(gone)}: the slices are made from them")
        layout = layout_of(reference, features)
        days = pd.DatetimeIndex(sorted(local_day(reference["at"]).unique()))
        return cls(layout, count_days(reference, moments(refused), layout, days), costs, **settings)

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
        window, rest = self.reference.sums(weights), self.reference.sums((weights == 0).astype("float64"))
        return statistics(window, rest, self.layout, self.costs)

    def count(self, served: pd.DataFrame, refused: pd.Series | None = None) -> Days:
        """Count what was served and refused (``refused``: the times), on each day from the first to the last.

        A feature that is gone counts as missing. Raises ValueError when another column is gone, or nothing was served.
        """
        refuse_incomplete(served, SERVED)
        return count_days(served, moments(refused), self.layout)

    def values(self, days: Days, weights: np.ndarray) -> pd.DataFrame:
        """Statistics of the windows that are sums of ``days`` with ``weights`` (windows x days)."""
        every = self.reference.sums(np.ones((1, len(self.reference.days))))
        return statistics(days.sums(weights), every, self.layout, self.costs)

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
    return (distance / allowed).where(distance != 0, 0.0)


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


def moments(refused: pd.Series | None) -> pd.Series:
    """The times of the refused requests; none when nothing is known of them."""
    return pd.Series([], dtype="datetime64[us, UTC]") if refused is None else refused


def served_from_store(scored: pd.DataFrame) -> pd.DataFrame:
    """The frame that the monitor reads, from that of ``Store.scored``: each feature becomes a column."""
    features = pd.DataFrame(scored.features.tolist(), index=scored.index)
    return pd.concat([scored[list(SERVED)], features], axis="columns")


# The textbook's limits, for comparison


def textbook_alarms(monitor: Monitor, served: pd.DataFrame) -> pd.DataFrame:
    """What the usual limits say of all rows in ``served``: one row a feature.

    Columns: psi, psi_alarm (above .2, Siddiqi, "Credit Risk Scorecards", 2006), ks, p (two-sided, asymptotic, as if
    the rows were independent, which those of one day are not) and ks_alarm (p < .001).
    """
    days = monitor.count(served)
    value = monitor.values(days, np.ones((1, len(days.days)))).iloc[0]["input"].unstack()[["psi", "ks"]]
    rows = pd.Series({name: known_rows(days, name) for name in value.index})
    expected = pd.Series({name: known_rows(monitor.reference, name) for name in value.index})
    p = kstwobign.sf(value.ks * np.sqrt(rows * expected / (rows + expected)))
    return value.assign(p=p, psi_alarm=value.psi > 0.2, ks_alarm=p < 0.001)


def known_rows(days: Days, name: str) -> float:
    """Number of rows in which a column is not missing."""
    return days.counts["cells", name][:, :-1].sum()


# The report: one HTML file that needs no network


def report(
    monitor: Monitor, served: pd.DataFrame, refused: pd.Series | None = None, lengths: Iterable[int] = (1, 7)
) -> str:
    """The judgement of a period as an HTML page, its figures within: what rings, how far off it is, and the pictures.

    The figures of features and slices show the last window of the longest length that the period fills.
    """
    days = monitor.count(served, refused)
    table = monitor.judge(days, lengths)
    last = latest(table)
    last = last[last.days == last.days.max()]
    figures = [
        draw_by_day(table, "service", "requests", "volume", "requests a day"),
        draw_by_day(table, "prediction", "probability", "mean", "mean forecast of disruption"),
        draw_by_day(table, "outcome", "all", "cost_per_1000", "cost per 1,000 flights, euros"),
        draw_forecasts(monitor, days),
        draw_features(last),
        draw_calibration(monitor, days),
        draw_slices(last),
    ]
    return Template(REPORT.read_text("utf-8")).substitute(
        period=f"{days.days[0]:%d %B %Y} to {days.days[-1]:%d %B %Y}",
        versions=escape(", ".join(sorted(served.model_version.astype("str").unique()))),
        predictions=f"{len(served):,}",
        rate=f"{monitor.rate:.1%}",
        family=OF_WHAT[monitor.family],
        verdict=html_table(verdict(table)),
        alarms=html_table(alarm_table(table)),
        figures="\n".join(f'<img alt="{escape(title_of(figure))}" src="{png(figure)}">' for figure in figures),
    )


def html_table(table: pd.DataFrame) -> str:
    """A table for the report; what is missing stays empty."""
    return table.to_html(index=False, border=0, na_rep="", float_format="{:,.3f}".format)


def latest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last window of each length."""
    return table[table.start == table.groupby("days").start.transform("max")]


def verdict(table: pd.DataFrame) -> pd.DataFrame:
    """In how many windows of each length any statistic of a group was out of its limits."""
    rang = table.groupby(["days", "group", "start"]).alarm.any()
    return rang.groupby(["days", "group"]).agg(rang="sum", windows="size").reset_index()


def alarm_table(table: pd.DataFrame, rows: int = 40) -> pd.DataFrame:
    """The alarms, the worst first: what was out of its limits, and in how many windows."""
    alarms = table[table.alarm].sort_values("severity", ascending=False, kind="stable")
    by = ["days", "group", "subject", "statistic"]
    worst = alarms.drop_duplicates(by).assign(windows=lambda first: count_of(alarms, first, by))
    columns = [*by, "windows", "start", "value", "typical", "low", "high"]
    return worst[columns].head(rows).replace([np.inf, -np.inf], np.nan)


def count_of(rows: pd.DataFrame, first: pd.DataFrame, by: Sequence[str]) -> np.ndarray:
    """For each of the rows ``first``, how many of ``rows`` share its keys ``by``."""
    return rows.groupby(list(by)).size().reindex(pd.MultiIndex.from_frame(first[list(by)])).to_numpy()


def canvas(finding: str, x: str, y: str, height: float = 3.2) -> tuple[Figure, Axes]:
    """An empty chart with the finding as its title and named axes; free of pyplot, so that a server can draw it."""
    figure = Figure(figsize=(8, height), layout="constrained")
    figure.suptitle(finding, x=0.01, horizontalalignment="left", fontweight="bold")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def title_of(figure: Figure) -> str:
    """The finding of a chart, for those who cannot see it."""
    return figure.get_suptitle()


def png(figure: Figure) -> str:
    """A figure as a data URL."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def draw_by_day(table: pd.DataFrame, group: str, subject: str, statistic: str, y: str) -> Figure:
    """A statistic by day within its limits, the days of alarm marked."""
    mine = (table.group == group) & (table.subject == subject) & (table.statistic == statistic)
    days = table[mine & (table.days == table.days.min())]
    finding = f"{days.alarm.sum()} of {len(days)} windows are out of limits: {y}"
    figure, axes = canvas(finding, "first day of the window", y)
    axes.plot(days.start, days.value, "o-", color=BLUE, markersize=4, label="served")
    axes.plot(days.start[days.alarm], days.value[days.alarm], "X", color=RED, markersize=9, label="alarm")
    for limit in ("low", "high"):
        axes.plot(days.start, days[limit].where(np.isfinite(days[limit])), "--", color=GREY)
    figure.legend(loc="outside right upper", frameon=False)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    return figure


def draw_forecasts(monitor: Monitor, days: Days) -> Figure:
    """The distribution functions of the forecasts: their largest gap is the KS distance."""
    cuts = monitor.layout.columns["probability"].cuts
    shares = [cumulative_shares(one.counts["cells", "probability"]) for one in (monitor.reference, days)]
    finding = f"The forecasts differ from the reference by at most {np.abs(shares[0] - shares[1]).max():.0%} of flights"
    figure, axes = canvas(finding, "probability of disruption", "share of forecasts below")
    axes.plot(cuts, shares[0], color=GREY, label="reference")
    axes.plot(cuts, shares[1], color=BLUE, label="served")
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def cumulative_shares(counts: np.ndarray) -> np.ndarray:
    """Share of all rows at or below each cut, from counts (days x cells)."""
    total = counts.sum(axis=0)[:-1].cumsum()
    return total[:-1] / total[-1]


def draw_features(last: pd.DataFrame, rows: int = 15) -> Figure:
    """The statistics of the inputs that are furthest off; 1 is the limit."""
    inputs = last[(last.group == "input") & np.isfinite(last.severity)]
    furthest = inputs.nlargest(rows, "severity")[::-1]
    finding = f"{inputs.alarm.sum()} statistics of the inputs are out of limits in the last window"
    figure, axes = canvas(finding, "distance from the typical value, 1 = limit", "", height=4.6)
    colours = np.where(furthest.alarm, RED, BLUE)
    axes.barh(furthest.subject + " " + furthest.statistic, furthest.severity, color=colours)
    axes.axvline(1, color=GREY, linestyle="--")
    return figure


def draw_calibration(monitor: Monitor, days: Days) -> Figure:
    """What came true against what was forecast, in bins of the forecast."""
    known = int(days.counts["losses", "all"][:, 0].sum())
    figure, axes = canvas(
        f"Calibration of {known:,} forecasts whose outcome is known", "mean forecast", "share disrupted"
    )
    axes.plot([0, 1], [0, 1], "--", color=GREY)
    for one, colour, name in ((monitor.reference, GREY, "reference"), (days, BLUE, "served")):
        axes.plot(*calibration_points(one.counts["scores", "all"]), "o-", color=colour, label=name)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def calibration_points(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean forecast and share disrupted of each bin of the forecast that is not empty; scores of days."""
    fine, disrupted, forecast = scores.sum(axis=0).reshape(3, CALIBRATION_BINS, -1).sum(axis=2)
    rows = fine + disrupted
    filled = rows > 0
    return forecast[filled] / rows[filled], disrupted[filled] / rows[filled]


def draw_slices(last: pd.DataFrame) -> Figure:
    """Calibration of each slice within its limits: whom do the forecasts fail?"""
    gaps = last[last.group.isin(["outcome", "slice"]) & (last.statistic == "calibration_gap")][::-1]
    finding = f"{gaps.alarm.sum()} of {len(gaps)} slices are out of limits in the last window"
    figure, axes = canvas(finding, "mean forecast less share disrupted", "", height=2 + 0.16 * len(gaps))
    axes.hlines(gaps.subject, gaps.low.clip(-1, 1), gaps.high.clip(-1, 1), color=GREY, linewidth=4, alpha=0.5)
    axes.scatter(gaps.value, gaps.subject, color=np.where(gaps.alarm, RED, BLUE), zorder=3)
    return figure


# For Prometheus and Grafana


def gauges(table: pd.DataFrame, checked_at: pd.Timestamp) -> CollectorRegistry:
    """The last window of each length as gauges, and when it was judged.

    The limits are gauges of their own with the same labels, so that the alert rules compare two series and need no
    change when the reference does. A limit that is infinite has no gauge, and a comparison with it is never true.
    """
    registry = CollectorRegistry()
    labels = ["days", "group", "subject", "statistic"]
    named = {
        "value": Gauge(
            "mle_monitor_value", "A statistic in the last window of this many days.", labels, registry=registry
        ),
        "low": Gauge("mle_monitor_low", "Lowest value that rings no alarm.", labels, registry=registry),
        "high": Gauge("mle_monitor_high", "Highest value that rings no alarm.", labels, registry=registry),
    }
    for row in latest(table).to_dict("records"):
        for name, gauge in named.items():
            if np.isfinite(row[name]):
                gauge.labels(*(row[label] for label in labels)).set(row[name])
    checked = Gauge("mle_monitor_checked_timestamp_seconds", "When the monitor last judged.", registry=registry)
    checked.set(checked_at.timestamp())
    return registry


def exposition(table: pd.DataFrame, checked_at: pd.Timestamp) -> str:
    """The gauges as the text that Prometheus reads."""
    return generate_latest(gauges(table, checked_at)).decode("utf-8")


def alert_rules() -> str:
    """The alert rules as YAML, for Prometheus's ``rule_files``."""
    return RULES.read_text("utf-8")


def dashboard() -> str:
    """The dashboard as JSON, to import into Grafana."""
    return DASHBOARD.read_text("utf-8")
