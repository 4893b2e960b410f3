"""What holds for every test and every notebook that is compared: the settings under which outputs were stored."""

import importlib
import os

import matplotlib
import pytest

from helpers.course.notebooks import ENVIRONMENT, UNRECORDED

os.environ.update(ENVIRONMENT | UNRECORDED)
# For the answers that tests run in this process; the kernels of notebooks choose their own.
matplotlib.use("agg")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run where nbval would compare nothing; before kernels start, let matplotlib make its font cache."""
    if config.option.nbval and config.option.nbval_lax:
        raise pytest.UsageError("--nbval and --nbval-lax together compare nothing: give --nbval alone")
    if not hasattr(config, "workerinput"):
        # On a new machine this takes seconds, and the first notebook to draw would say so in its output.
        importlib.import_module("matplotlib.font_manager")
