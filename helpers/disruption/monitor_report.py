"""What the monitor found, for people and for machines: a report, gauges, alert rules and a dashboard.

The report is one HTML file with its figures within: it opens without a network.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from helpers.disruption.monitor import OF_WHAT, Monitor
from helpers.disruption.monitor_counts import CALIBRATION_BINS, Days

REPORT = Path(__file__).with_name("monitor_report.html")  # template of the report
RULES = Path(__file__).with_name("monitor_alerts.yml")  # alert rules for Prometheus
DASHBOARD = Path(__file__).with_name("monitor_dashboard.json")  # dashboard for Grafana
BLUE, RED, GREY = "#0072B2", "#D55E00", "#8c8c8c"  # of Okabe and Ito, "Color Universal Design", 2008


WIDTH, LONG_NAMES = 8.0, 2.9  # of a chart, and of its left margin where the names of features stand; inches


# The report


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
        figures="\n".join(f'<img alt="{escape(title_of(figure))}" src="{svg(figure)}">' for figure in figures),
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


def canvas(finding: str, x: str, y: str, height: float = 3.2, left: float = 0.8) -> tuple[Figure, Axes]:
    """An empty chart with the finding as its title and named axes; free of pyplot, so that a server can draw it.

    The margins (``left`` and ``height`` in inches) are given: a layout that finds them draws every chart twice.
    """
    figure = Figure(figsize=(WIDTH, height), layout="none")  # whatever the style of the caller
    figure.suptitle(finding, x=0.01, y=1 - 0.08 / height, ha="left", va="top", fontweight="bold")
    figure.subplots_adjust(left=left / WIDTH, right=1 - 0.2 / WIDTH, top=1 - 0.6 / height, bottom=0.55 / height)
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def legend(axes: Axes) -> None:
    """Name the curves above the chart, where they hide nothing."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0)


def title_of(figure: Figure) -> str:
    """The finding of a chart, for those who cannot see it."""
    return figure.get_suptitle()


def svg(figure: Figure) -> str:
    """A figure as a data URL: sharp at every size, its text set in the reader's own font."""
    buffer = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


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
    legend(axes)
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
    legend(axes)
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
    figure, axes = canvas(finding, "distance from the typical value, 1 = limit", "", height=4.6, left=LONG_NAMES)
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
    legend(axes)
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
    figure, axes = canvas(
        finding, "mean forecast less share disrupted", "", height=2 + 0.16 * len(gaps), left=LONG_NAMES
    )
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
