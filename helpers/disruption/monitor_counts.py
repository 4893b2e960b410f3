"""What the monitor counts on a day, and the statistics of a sum of days.

Everything rests on one idea: **a day is a set of counts, a window is the sum of its days, and a statistic is a function
of that sum.** Rows are read once. A week, a month, and each of a thousand resampled windows are then one product of
matrices, which is why a month is compared with its reference in a fraction of a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from helpers.disruption.stream import NEW_YORK
from helpers.metrics import Bins, psi_of_counts

Key = tuple[str, str]  # a group and its subject, such as ("input", "temp")
Counts = Mapping[Key, np.ndarray]  # for each key one row a day, or one a window

CELLS = 200  # cells of a numeric feature, equally filled by the reference: a KS distance is exact to 1/200
PSI_BINS = 10
SCORES = 250  # cells of the probability, equally wide; a multiple of the bins of the calibration error
CALIBRATION_BINS = 10
DECIMALS = 6  # a cut is a value of the reference: the same value, worked out in another way, must lie in its cell
LATENCIES = np.geomspace(0.1, 60_000, 250)  # upper ends of the cells of latency, 5 % apart, milliseconds
LATENCY_QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
OUTCOMES_NEEDED = 0.95  # share of outcomes that must be in: those that come early are not like those that come late
ROWS_NEEDED = 30  # known outcomes of a slice in a window, fewer mean nothing


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
    # Quantiles that are values of the column: its zeros share no cell with the first rain. For so many of them to sort
    # takes a sixth of the time of np.quantile(..., method="lower"), which gives the same.
    ordered = np.sort(values.dropna().to_numpy("float64"))
    cuts = np.union1d(ruler.edges, ordered[((len(ordered) - 1) * quantiles).astype(int)])
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
        """Add the days up: one row for each row of ``weights`` (windows x days), of which few are not 0."""
        some = csr_array(weights)
        return {key: some @ counts for key, counts in self.counts.items()}


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
    hour = served.departure_minute // 60
    hour = hour.map({one: f"{one:02.0f}" for one in hour.dropna().unique()})
    return {"origin": served.origin, "carrier": served.carrier, "hour": hour}


def count_days(
    served: pd.DataFrame, refused: pd.Series | None, layout: Layout, days: pd.DatetimeIndex | None = None
) -> Days:
    """Count the served predictions, and the messages refused at the times ``refused`` if known, on each of ``days``.

    Without ``days``, on each day from the first to the last: a day without a request is a day, too.
    """
    served, date = complete(served, layout), local_day(served["at"])
    refused_on = date[:0] if refused is None else local_day(refused)
    if days is None:
        every = pd.concat([date, refused_on])
        days = pd.date_range(every.min(), every.max())
    day = days.get_indexer(date)
    number_refused = tally(days.get_indexer(refused_on[refused_on.isin(days)]), len(days))
    counts = {
        **count_traffic(served, day, len(days)),
        ("days", ""): np.ones((len(days), 1)),
        ("refused", ""): np.full_like(number_refused, np.nan) if refused is None else number_refused,
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
    timed = served.milliseconds.notna().to_numpy()
    latency = np.searchsorted(LATENCIES, served.milliseconds[timed].to_numpy("float64"))
    return {
        ("rows", ""): tally(day, days),
        ("repeated", ""): tally(day, days, pd.DataFrame({"day": day, "flight": served.flight_id}).duplicated()),
        ("known", ""): tally(day, days, served.disrupted.notna()),
        ("flagged", ""): tally(day, days, served.flagged),
        ("mean", "probability"): tally(day, days, served.probability),
        ("latency", ""): spread(day[timed], latency, (days, len(LATENCIES) + 1)),
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
