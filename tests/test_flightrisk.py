"""The project that lesson 51 hands out: sound files, faults that can be planted, and the features of the course."""

import ast
import os
import sys

import pandas as pd
import pytest
import yaml

from helpers.data import flightrisk, load_flights, load_tables, load_weather
from helpers.data.flightrisk import FAULTS, FILES, VARIABLES, Fault, Project, diff, verdict
from helpers.disruption.features import build_features, disrupted
from helpers.disruption.model import Encoder

COLUMNS = {"departure_minute": "sched_dep_time", "arrival_minute": "sched_arr_time", "distance": "distance"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose data are a few flights: the export of the year is the lesson's."""
    monkeypatch.setattr(flightrisk, "load_flights", lambda: load_flights().query("month == 7 and day == 8"))
    return Project(tmp_path)


@pytest.mark.parametrize("name", [name for name in FILES if ".py" in name])
def test_each_file_is_python(name):
    ast.parse(FILES[name])


def test_a_file_is_written_and_shown_and_an_edit_shows_its_lines(project, capsys):
    project.put("src/flightrisk/model.py (2)")
    assert (project.root / "src/flightrisk/model.py").read_text("utf-8") in capsys.readouterr().out
    project.edit("src/flightrisk/model.py", "max_iter=40", "max_iter=4")
    assert capsys.readouterr().out.split() == ["-", "max_iter=40,", "+", "max_iter=4,"]
    with pytest.raises(ValueError, match="does not contain"):
        project.edit("src/flightrisk/model.py", "max_iter=40", "max_iter=4")


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_changes_its_module_and_shows_the_lines(project, name, capsys):
    project.put("src/flightrisk/features.py", "src/flightrisk/model.py (2)")
    file = f"src/flightrisk/{FAULTS[name].module}.py"
    (project.root / "dist").mkdir()
    (project.root / "forecast.npy").touch()
    capsys.readouterr()
    broken = project.copy(name, FAULTS[name])
    changed = (broken / file).read_text("utf-8")
    ast.parse(changed)
    lines = diff((project.root / file).read_text("utf-8"), changed)
    assert lines and capsys.readouterr().out.splitlines() == lines
    assert not (broken / "dist").exists() and not (broken / "forecast.npy").exists()


def test_the_features_and_the_target_are_those_of_the_course(project):
    project.put("src/flightrisk/__init__.py", "src/flightrisk/features.py")
    features, tables = project.module("features"), load_tables(2013)
    own = features.build(tables.flights, tables.weather)
    course = build_features(tables)
    for theirs, ours in COLUMNS.items():
        pd.testing.assert_series_equal(own[ours], course[theirs], check_names=False, check_dtype=False)
    assert features.late(tables.flights).equals(disrupted(tables.flights).rename(None))
    # The package always reads the observation of three hours before; from minute 51 on a newer one would be known.
    same_hour = (tables.flights.minute < 51) & own.temp.notna() & own.visib.notna()
    for name in ("temp", "visib", "wind_speed"):
        pd.testing.assert_series_equal(own[name][same_hour], course[name][same_hour], check_names=False)


def test_the_package_numbers_places_as_the_service_does(project):
    project.put("src/flightrisk/__init__.py", "src/flightrisk/features.py", "src/flightrisk/model.py (2)")
    learnt = load_flights()[["origin", "dest", "carrier"]].iloc[:2000]
    asked = pd.DataFrame({"origin": ["JFK"], "dest": ["XXX"], "carrier": ["UA"]})
    model = project.module("model")
    ours = model.coded(asked, model.places(learnt))
    encoder = Encoder.learn(learnt)
    theirs = pd.DataFrame(encoder.matrix(asked), columns=encoder.columns)
    pd.testing.assert_frame_equal(ours, theirs[list(ours)])


def test_an_edit_that_leaves_length_and_second_as_they_were_is_seen(project, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    project.put("src/flightrisk/__init__.py", "src/flightrisk/features.py")
    file = project.root / "src/flightrisk/features.py"
    os.utime(file, (0, 0))
    assert project.module("features").minutes(517) == 317
    project.edit("src/flightrisk/features.py", "* 60", "* 61")
    os.utime(file, (0, 0))
    assert project.module("features").minutes(517) == 322


def test_the_weather_is_exported_whole(project):
    assert len(pd.read_parquet(project.data / "weather.parquet")) == len(load_weather())


def test_a_command_gets_the_variables_that_it_is_given_and_no_others_of_the_project(project, monkeypatch):
    monkeypatch.setenv("FLIGHTRISK_MISS", "3")
    monkeypatch.setenv("FLIGHTRISK_DATA", "elsewhere")
    show = "python -c \"import os; print([name for name in sorted(os.environ) if name.startswith('FLIGHTRISK')])\""
    assert project.run(show).stdout.strip() == "['FLIGHTRISK_DATA']"
    assert project.run(show, variables={}).stdout.strip() == "[]"


def test_the_pipeline_says_all_that_its_commands_need():
    assert yaml.safe_load(FILES["pipeline.yml"])["jobs"]["release"]["env"] == VARIABLES


def test_the_program_explains_a_wrong_setting_and_swallows_nothing_else(project):
    project.put(*(name for name in FILES if name.startswith("src") and "(2)" not in name), "settings.toml")
    command = "python -m flightrisk settings.toml"
    refused = project.run(command, variables=VARIABLES | {"FLIGHTRISK_MISS": "none"})
    assert refused.returncode == 2 and "stopped" in refused.stderr and "Traceback" not in refused.stderr
    weather = load_weather()
    pd.concat([weather, weather]).to_parquet(project.data / "weather.parquet")
    failed = project.run(command)
    assert failed.returncode == 1 and "Traceback" in failed.stderr and "stopped" not in failed.stderr


OWN = """\
import warnings
from flightrisk.features import minutes


def test_clock_of_this_copy():
    warnings.warn("asked")
    assert minutes(517) == 317
"""


def test_pytest_in_this_python_runs_the_code_of_its_folder_and_leaves_nothing(project):
    project.put("src/flightrisk/__init__.py", "src/flightrisk/features.py")
    (project.root / "tests").mkdir()
    (project.root / "tests/test_clock_of_this_copy.py").write_text(OWN, encoding="utf-8")
    broken, before = (
        project.copy("broken", Fault("features", "* 60", "* 61")),
        (os.getcwd(), sys.path[:], dict(os.environ)),
    )
    test = "tests/test_clock_of_this_copy.py::test_clock_of_this_copy"
    for folder, passed in ((project.root, True), (broken, False), (project.root, True)):
        notes = project.test("-W always tests", folder)
        assert notes.passed == {test: passed} and notes.warnings == {"asked"}
        assert verdict(notes).endswith("1 passed, 1 warning" if passed else "1 failed, 1 warning")
    assert (os.getcwd(), sys.path[:], dict(os.environ)) == before
