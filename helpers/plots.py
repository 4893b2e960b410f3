"""The house style of the figures: readable at the size shown, colours that the colour-blind can tell apart."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

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
