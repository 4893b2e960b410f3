"""What holds for every test and every notebook that is compared: the settings under which outputs were stored."""

import os

import pytest

from helpers.course.notebooks import ENVIRONMENT, UNRECORDED

os.environ.update(ENVIRONMENT | UNRECORDED | {"MPLBACKEND": "agg"})


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run at all where nbval would compare nothing."""
    if config.option.nbval and config.option.nbval_lax:
        raise pytest.UsageError("--nbval and --nbval-lax together compare nothing: give --nbval alone")
