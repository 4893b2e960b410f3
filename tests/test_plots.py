"""The charts draw what they are given."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import plots


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_a_tree_stands_over_the_middle_of_its_branches(ax):
    leaf = {"name": "leaf"}
    root = {"name": "root", "left": leaf, "right": {"name": "inner", "left": leaf, "right": leaf}}
    plots.tree(ax, root, lambda node: node["name"])
    drawn = [(text.get_text(), text.get_position()) for text in ax.texts]
    assert drawn == [
        ("leaf", (0, -1)),
        ("leaf", (1, -2)),
        ("leaf", (2, -2)),
        ("inner", (1.5, -1)),
        ("root", (0.75, 0)),
    ]
    assert len(ax.lines) == 4


def test_a_table_becomes_cells_with_their_values_each_in_its_place(ax):
    plots.heat(ax, pd.DataFrame([[1.0, 2.0], [3.0, 4.25]], index=["low", "high"], columns=[8, 16]), "skill, %")
    assert {text.get_position(): text.get_text() for text in ax.texts} == {
        (0.5, 0.5): "1.0",
        (1.5, 0.5): "2.0",
        (0.5, 1.5): "3.0",
        (1.5, 1.5): "4.2",
    }
    assert [label.get_text() for label in ax.get_yticklabels()] == ["low", "high"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16"]


def test_colours_part_at_zero_where_they_are_asked_to(ax):
    plots.heat(ax, pd.DataFrame([[-1.0, 0.0, 4.0]]), "points", decimals=0, around_zero=True)
    assert ax.collections[0].get_clim() == (-4, 4)
    assert [text.get_text() for text in ax.texts] == ["-1", "0", "4"]
    assert [text.get_color() for text in ax.texts] == ["black", "black", "white"]


def test_one_dumbbell_is_marked_or_several(ax):
    table = pd.DataFrame({"before": [1.0, 2.0, 3.0], "after": [2.0, 3.0, 4.0]}, ["wind", "gust", "rain"])
    for marked, red in (("wind", [0]), (["wind", "gust"], [0, 1])):
        ax.clear()
        plots.dumbbells(ax, table, marked)
        dots = ax.collections[-1].get_facecolor()
        assert [number for number in range(3) if (dots[number] == mpl.colors.to_rgba(plots.RED)).all()] == red


def test_a_band_holds_the_runs_from_the_first_step_shown(ax):
    runs = np.arange(11)[:, None] + np.zeros((11, 4))
    plots.bands(ax, {"random": runs}, [plots.BLUE], first=2)
    assert ax.lines[0].get_xydata().tolist() == [[2, 5], [3, 5], [4, 5]]
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (1, 9)


def test_the_stair_never_falls(ax):
    plots.best_so_far(ax, pd.Series([2.0, 1.0, 3.0]))
    dots, stair = (line.get_ydata().tolist() for line in ax.lines)
    assert dots == [2, 1, 3] and stair == [2, 2, 3]


def test_a_wall_has_a_red_cell_for_each_alarm_and_its_first_row_on_top(ax):
    plots.alarm_wall(ax, pd.DataFrame({"Apr": [True, False], "May": [False, False]}, index=["temp", "wind"]))
    (cells,) = ax.collections
    assert cells.get_array().ravel().tolist() == [1, 0, 0, 0]
    red, grey = (tuple(cells.cmap(value)) for value in (1.0, 0.0))
    assert red == mpl.colors.to_rgba(plots.RED) != grey
    assert [label.get_text() for label in ax.get_yticklabels()] == ["temp", "wind"]
    assert ax.get_ylim() == (2, 0)
