"""What the terminal shows of a replay and of the monitor: tables that fit into 80 columns."""

from datetime import timedelta

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from helpers.disruption.monitor_counts import local_day
from helpers.disruption.oversight import DAYS, Oversight, alarms

PLAIN = {"box": None, "pad_edge": False, "padding": (0, 1, 0, 0), "header_style": "bold"}
MEASURES = (("brier", 4), ("auc", 3), ("cost", 0))  # of the table of months, and their digits
STATISTICS = {  # columns of the table of windows: a row of the judgement and its format
    "requests\na day": (("service", "requests", "volume"), ",.0f"),
    "mean\nforecast": (("prediction", "probability", "mean"), ".3f"),
    "share\nwarned": (("prediction", "probability", "flagged_share"), ".0%"),
    "ROC\nAUC": (("outcome", "all", "auc"), ".3f"),
    "Brier\nscore": (("outcome", "all", "brier"), ".4f"),
    "euros per\n1,000": (("outcome", "all", "cost_per_1000"), ",.0f"),
}
GROUPS = ("service", "input", "prediction", "outcome", "slice")


def progress_bar(console: Console | None = None) -> Progress:
    """A bar with the simulated hour."""
    day, share = TextColumn("{task.fields[day]}"), TextColumn("{task.percentage:.0f}%")
    return Progress(day, BarColumn(), share, TimeRemainingColumn(), console=console)


def months_table(table: pd.DataFrame) -> Table:
    """The table for the terminal: frozen, as served, and below the change with its interval."""
    shown = Table(title="Frozen model against what was served; 95 % interval of the change, by days", **PLAIN)
    for name in ("month", "flights", "disrupted", "Brier score", "ROC AUC", "euros per 1,000"):
        shown.add_column(name, justify="right")
    for month, row in table.iterrows():
        scores = (in_words(row, name, digits) for name, digits in MEASURES)
        # Brackets would be taken for markup.
        shown.add_row(month, f"{row.flights:,}", f"{row.disrupted:.1%}", *map(escape, scores))
    return shown


def in_words(row: pd.Series, name: str, digits: int) -> str:
    """A measure, such as ``0.1866 to 0.1708`` and below ``[-0.0240, -0.0080]``."""
    change, scores = row[f"{name}_change"], (f"{row[f'{name}_{model}']:.{digits}f}" for model in ("frozen", "served"))
    interval = "(one day)" if np.isnan(change.low) else f"[{change.low:+.{digits}f}, {change.high:+.{digits}f}]"
    return f"{' to '.join(scores)}\n{interval}"


def windows_table(seen: Oversight, by: str) -> Table:
    """A row for each window: what was served, how good it was, and how many statistics of each group ring."""
    days, shown = DAYS[by], Table(title=f"By {by}; what rings has an asterisk", **PLAIN)
    for name in ("from", "version", *STATISTICS, "ringing statistics"):
        shown.add_column(name, justify="right" if name in STATISTICS else "left")
    versions = seen.served.groupby(local_day(seen.served["at"])).model_version.unique()
    for start, window in seen.table[seen.table.days == days].groupby("start"):
        by_key = window.set_index(["group", "subject", "statistic"])
        answered = versions[start : start + timedelta(days=days - 1)].explode().unique()
        cells = [cell(by_key, key, style) for key, style in STATISTICS.values()]
        ringing = window[window.alarm].group.value_counts()
        words = ", ".join(f"{ringing[group]} {group}" for group in GROUPS if group in ringing)
        shown.add_row(f"{start:%d %b}", ", ".join(answered), *cells, words, style="red" if words else None)
    return shown


def cell(window: pd.DataFrame, key: tuple[str, str, str], style: str) -> str:
    """A value of a window, with an asterisk when it rings; nothing where it is not known."""
    if key not in window.index:
        return ""
    row = window.loc[key]
    return f"{row.value:{style}}{'*' if row.alarm else ' '}"


def alarms_table(seen: Oversight, rows: int = 15) -> Table:
    """The first of the alarms; of an input also its median there and, in brackets, in the training."""
    found = alarms(seen)
    more = f" ({rows} of {len(found)})" if len(found) > rows else ""
    shown = Table(title=f"What rings, the furthest from normal first{more}", **PLAIN)
    for name in ("what", "statistic", "windows", "since", "value", "typical", "median (trained)"):
        shown.add_column(name, justify="left" if name in ("what", "statistic") else "right")
    for row in found.head(rows).itertuples():
        what = escape(row.subject) if row.group == "input" else f"{row.group} {escape(row.subject)}"
        median = "" if np.isnan(row.median) else f"{row.median:.3g} ({row.trained:.3g})"
        numbers = f"{row.value:.3g}", f"{row.typical:.3g}", median
        shown.add_row(what, row.statistic, row.windows, f"{row.since:%d %b}", *numbers)
    return shown
