"""The charts draw what they are given."""

import matplotlib.pyplot as plt
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
