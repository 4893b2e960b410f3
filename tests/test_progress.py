"""Progress is append-only, survives a torn line and forgets only what is reset."""

import json
import os
from pathlib import Path

import pytest

from helpers.course import progress


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MLE_PROGRESS", str(tmp_path / "progress"))
    monkeypatch.delenv("MLE_RECORD", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)


def test_what_is_done_stays_done_until_it_is_reset():
    for status in ("not yet", "done", "not attempted"):
        progress.record("24.1", status)
    assert progress.statuses() == {"24.1": "done"}
    progress.record("24.1", progress.RESET)
    assert progress.statuses() == {}


def test_a_torn_last_line_is_skipped_and_costs_nothing_else():
    progress.record("24.1", "done")
    file = progress.folder() / "progress.jsonl"
    with file.open("a") as handle:
        handle.write('{"at": "2026-11-21T0')
    progress.record("24.2", "done")
    assert progress.statuses() == {"24.1": "done", "24.2": "done"}


@pytest.mark.parametrize("line", ["", "null", "[]", '{"exercise": 3}', "\udcff", '{"exercise": "1", "status": []}'])
def test_a_line_that_is_not_an_event_is_skipped(line):
    progress.record("24.1", "done")
    with (progress.folder() / "progress.jsonl").open("ab") as handle:
        handle.write(line.encode(errors="surrogateescape") + b"\n")
    assert progress.statuses() == {"24.1": "done"}


def test_an_event_has_its_time_in_utc():
    progress.record("24.1", "done")
    assert json.loads((progress.folder() / "progress.jsonl").read_text())["at"].endswith("+00:00")


def test_nothing_is_kept_while_building_nor_in_a_solution(monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/course/solutions/24_hold_out_data.ipynb")
    progress.record("24.1", "done")
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setenv("MLE_RECORD", "no")
    progress.record("24.1", "done")
    assert not progress.folder().exists()


def test_progress_does_not_show_while_building(monkeypatch):
    progress.record("24.1", "done")
    monkeypatch.setenv("MLE_RECORD", "no")
    assert progress.statuses() == {}


def test_without_a_file_nothing_is_done():
    assert progress.statuses() == {}


def test_a_home_that_cannot_be_written_is_left_alone(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    monkeypatch.setenv("IPYTHONDIR", "chosen")
    kept = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    for variable in kept:
        monkeypatch.setenv(variable, "")  # so that what is set below is undone after the test
        monkeypatch.delenv(variable)
    progress.leave_home_alone()
    for variable in kept:
        assert Path(os.environ[variable]).is_dir() and tmp_path in Path(os.environ[variable]).parents
    assert os.environ["IPYTHONDIR"] == "chosen"
