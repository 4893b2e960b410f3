"""The house style of the figures: readable at the size shown, colours that the colour-blind can tell apart."""

from collections.abc import Callable, Iterable
from itertools import count

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

# Okabe and Ito, "Color Universal Design" (2008), in the order in which a figure takes them.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
GREY = "#8c8c8c"


def use_house_style() -> None:
    """Set matplotlib's defaults for the figures of the course."""
    mpl.rcParams.update(
        {
            "figure.figsize": (7.5, 3.6),
            "figure.dpi": 90,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e6e6e6",
            "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY]),
            "legend.frameon": False,
        }
    )


def label(ax: Axes, finding: str, x: str, y: str) -> Axes:
    """Give a chart the finding as its title, and its axes their names with units."""
    ax.set(title=finding, xlabel=x, ylabel=y)
    return ax


def percent(axis: mpl.axis.Axis, decimals: int = 0) -> None:
    """Show the shares (0 to 1) of an axis, such as `ax.yaxis`, as per cent."""
    axis.set_major_formatter(PercentFormatter(1, decimals))


def waterfall(ax: Axes, start: tuple[str, float], steps: pd.Series, end: str, marked: int, floor: float) -> None:
    """Draw how a number changes in steps, one bar each, the `marked` one (from 0) red; the axis begins at `floor`."""
    levels = start[1] + steps.cumsum()
    changes = ax.bar([start[0], *steps.index], [0, *steps.abs()], bottom=[0, *levels.where(steps < 0, levels - steps)])
    for place, bar in enumerate(changes[1:]):
        bar.set_color(RED if place == marked else SKY)
    totals = ax.bar([start[0], end], [start[1], levels.iloc[-1]], color=[GREY, BLUE])
    ax.bar_label(changes, ["", *(f"{step:+.3f}" for step in steps)], padding=3)
    ax.bar_label(totals, fmt="%.3f", padding=3)
    ax.set_ylim(floor)


def slopes(ax: Axes, table: pd.DataFrame, colours: list[str]) -> None:
    """Draw each row of a table with two columns as a line from the first to the second, with its name at the end."""
    for (name, row), colour in zip(table.iterrows(), colours, strict=True):
        ax.plot([0, 1], row, marker="o", color=colour)
        ax.annotate(f"{name}  {row.iloc[1]:.3f}", (1, row.iloc[1]), (8, -4), textcoords="offset points", color=colour)
    ax.set_xticks([0, 1], table.columns)
    ax.set_xlim(-0.2, 1.7)


def time_folds(ax: Axes, folds: list[tuple[pd.Series, pd.Series]], notes: list[str]) -> None:
    """Draw the training days (grey) and test days (blue) of each fold along the calendar, with a note behind."""
    for row, ((train, test), note) in enumerate(zip(folds, notes, strict=True)):
        for days, colour in ((train, GREY), (test, BLUE)):
            ax.barh(row, days.max() - days.min(), left=days.min(), color=colour, height=0.6)
        ax.annotate(note, (test.max(), row), (6, -4), textcoords="offset points", color=BLUE)
    ax.set_yticks(range(len(folds)), [f"fold {number + 1}" for number in range(len(folds))])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.xaxis_date()
    ax.xaxis.set_major_formatter(DateFormatter("%b"))
    ax.margins(x=0.1)


def from_a_line(ax: Axes, values: pd.Series, line: float) -> None:
    """Draw each value as a dot whose stem starts at a dashed vertical line, one row each."""
    ax.hlines(range(len(values)), line, values, color=GREY)
    ax.plot(values, range(len(values)), "o", color=BLUE)
    ax.axvline(line, color=BLUE, linestyle="--")
    ax.set_yticks(range(len(values)), values.index)


def true_cells(ax: Axes, table: pd.DataFrame) -> None:
    """Draw a square for each True of a table, one row of the chart a row, from the bottom."""
    row, column = table.to_numpy().nonzero()
    ax.scatter(column, row, marker="s", s=110, color=RED)
    ax.set_xticks(range(table.shape[1]), table.columns, rotation=30)
    ax.set_xlim(-0.5, table.shape[1] - 0.5)


def named_lines(ax: Axes, table: pd.DataFrame, colours: list[str]) -> None:
    """Draw each column of a table as a line over its index, with the column's name at the end."""
    for (name, line), colour in zip(table.items(), colours, strict=True):
        ax.plot(line, color=colour)
        ax.annotate(name, (line.index[-1], line.iloc[-1]), (6, -4), textcoords="offset points", color=colour)
    ax.margins(x=0.15)


def histograms(axes: Iterable[Axes], columns: dict[str, ArrayLike], bins: int = 60) -> None:
    """Draw the histogram of each column in a chart of its own, with its name above; heights are not compared."""
    for ax, (name, values) in zip(axes, columns.items(), strict=True):
        ax.hist(np.ravel(values), bins=bins, color=BLUE)
        ax.set(title=name, yticks=[])


def points_and_line(ax: Axes, x: ArrayLike, y: ArrayLike) -> None:
    """Draw points and the straight line that fits them best."""
    slope, start = np.polyfit(x, y, 1)
    ax.plot(x, y, "o", color=BLUE)
    ax.axline((0, start), slope=slope, color=ORANGE)


def strips(ax: Axes, above: dict[str, ArrayLike], below: dict[str, ArrayLike], names: tuple[str, str]) -> None:
    """Draw two samples of each row as ticks, the first (blue) above the second (red)."""
    for samples, colour, name, offset in ((above, BLUE, names[0], 0.14), (below, RED, names[1], -0.14)):
        for row, values in enumerate(samples.values()):
            ax.plot(values, [row + offset] * len(values), "|", color=colour, label=name if row == 0 else None)
    ax.set_yticks(range(len(above)), above)


def dumbbells(ax: Axes, table: pd.DataFrame, marked: str | list[str]) -> None:
    """Draw each row of a table with two columns as a hollow and a full dot, the `marked` row or rows red."""
    first, second = table.columns
    colours = np.where(table.index.isin(np.atleast_1d(marked)), RED, GREY)
    ax.hlines(table.index, table[first], table[second], color=colours)
    ax.scatter(table[first], table.index, facecolor="white", edgecolor=colours, label=first, zorder=3)
    ax.scatter(table[second], table.index, color=colours, label=second, zorder=3)
    ax.legend()


def intervals(ax: Axes, table: pd.DataFrame) -> None:
    """Draw each row's value, low and high; red where the interval is below zero, blue where it is above."""
    colours = np.select([table.high < 0, table.low > 0], [RED, BLUE], GREY)
    ax.hlines(table.index, table.low, table.high, color=colours, linewidth=3)
    ax.scatter(table.value, table.index, color=colours, zorder=3)
    ax.axvline(0, color="black", linewidth=0.8)


def tree(ax: Axes, root: dict, words: Callable[[dict], str]) -> None:
    """Draw nested dicts with a `left` and a `right` from the root down; `words` says what stands in a node."""
    columns = count()

    def place(node: dict, depth: int) -> float:
        branches = [place(node[side], depth + 1) for side in ("left", "right") if side in node]
        x = sum(branches) / 2 if branches else next(columns)
        for end in branches:
            ax.plot([x, end], [-depth, -depth - 1], color=GREY, zorder=0)
        box = {"facecolor": "white", "edgecolor": BLUE if branches else GREY, "boxstyle": "round,pad=0.3"}
        ax.text(x, -depth, words(node), ha="center", va="center", fontsize=9, bbox=box)
        return x

    place(root, 0)
    ax.margins(0.08, 0.15)
    ax.axis("off")


def heat(ax: Axes, table: pd.DataFrame, unit: str, decimals: int = 1, around_zero: bool = False) -> None:
    """Draw a table as coloured cells with their values in them, its index upwards and its columns to the right.

    With ``around_zero`` the colours part at zero, and zero is white.
    """
    reach = np.abs(table.to_numpy()).max()
    colours = {"cmap": "PuOr", "vmin": -reach, "vmax": reach} if around_zero else {"cmap": "cividis"}
    picture = ax.pcolormesh(table, edgecolor="white", **colours)
    for (row, column), value in np.ndenumerate(table.to_numpy()):
        red, green, blue, _ = picture.to_rgba(value)
        shade = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.48 else "white"
        ax.text(column + 0.5, row + 0.5, f"{value:.{decimals}f}", ha="center", va="center", color=shade)
    ax.set_xticks(np.arange(table.shape[1]) + 0.5, table.columns)
    ax.set_yticks(np.arange(table.shape[0]) + 0.5, table.index)
    ax.grid(visible=False)
    ax.figure.colorbar(picture, ax=ax, label=unit)


def bands(ax: Axes, runs: dict[str, np.ndarray], colours: list[str], first: int = 1) -> None:
    """Draw the mean of some arrays (runs x steps) from step `first` on, and the band that holds 80 % of the runs."""
    for (name, values), colour in zip(runs.items(), colours, strict=True):
        steps, shown = range(first, values.shape[1] + 1), values[:, first - 1 :]
        ax.plot(steps, shown.mean(axis=0), color=colour, label=name)
        ax.fill_between(steps, *np.quantile(shown, [0.1, 0.9], axis=0), color=colour, alpha=0.2, linewidth=0)
    ax.legend()


def best_so_far(ax: Axes, scores: pd.Series) -> None:
    """Draw each score as a dot and the highest up to each as a stair."""
    ax.plot(scores, "o", color=GREY)
    ax.step(scores.index, scores.cummax(), where="post", color=BLUE)


def alarm_wall(ax: Axes, rang: pd.DataFrame) -> None:
    """Draw a table of Booleans as a wall, its index downwards: red where an alarm rang, grey where none did."""
    ax.pcolormesh(
        rang.astype(float), cmap=mpl.colors.ListedColormap(["#ececec", RED]), vmin=0, vmax=1, edgecolor="white"
    )
    ax.set_xticks(np.arange(rang.shape[1]) + 0.5, rang.columns)
    ax.set_yticks(np.arange(rang.shape[0]) + 0.5, rang.index, fontsize=9)
    ax.set_ylim(len(rang), 0)
    ax.grid(visible=False)
