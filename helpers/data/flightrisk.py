"""The project of lesson 51: an inherited notebook, the files of the package that is made of it, and faults to plant.

The lesson shows each file as it comes into the project. Nothing of it belongs to the running system.
"""

import contextlib
import difflib
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest.mock import patch

import pytest

from helpers.data import load_flights, load_weather

DESK = "C:/Users/kim/Desktop/final_v3"  # where the notebook looks for its data

# The cells of the notebook by the number that Jupyter has put beside them.
NOTEBOOK = {
    1: """\
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
HOME = "C:/Users/kim/Desktop/final_v3/"
""",
    2: """\
flights, weather = pd.read_parquet(HOME + "flights.parquet"), pd.read_parquet(HOME + "weather.parquet")
flights["late"] = flights.arr_delay.isna() | (flights.arr_delay >= 15)
""",
    4: """\
for c in ["sched_dep_time", "sched_arr_time"]:
    flights[c] = flights[c] // 100 * 60 + flights[c] % 100
""",
    5: """\
weather["time_hour"] = weather["time_hour"] + pd.Timedelta("3h")
for c in ["temp", "humid", "pressure", "wind_speed", "wind_gusts", "precip", "visib"]:
    try:
        seen = weather[["origin", "time_hour", c]]
        flights[c] = flights[["origin", "time_hour"]].merge(seen, how="left")[c].values
    except:
        pass
""",
    6: """\
COLS = ["origin", "dest", "carrier", "sched_dep_time", "sched_arr_time", "distance",
        "temp", "humid", "pressure", "wind_speed", "precip", "visib"]
for c in ["origin", "dest", "carrier"]:
    flights[c] = flights[c].astype("category").cat.codes
train, test = flights[flights.month <= 6], flights[flights.month >= 9]
""",
    7: """\
model = HistGradientBoostingClassifier(max_iter=40, learning_rate=0.15, max_leaf_nodes=15, min_samples_leaf=100,
                                       early_stopping=False, categorical_features=[0, 1, 2], random_state=0)
model.fit(train[COLS], train.late)
""",
    8: """\
def auc(data):
    return roc_auc_score(test.late, model.predict_proba(test[COLS])[:, 1])
print(f"train {auc(train):.3f}, test {auc(test):.3f}: no overfitting")
""",
    9: """\
test["p"] = model.predict_proba(test[COLS])[:, 1]
print(f"warned: {(test['p'] > 0.17).mean():.1%}")
""",
}

# The files of the project. A second text of the same file has a (2) behind its name.
FILES = {
    "src/flightrisk/__init__.py": '''\
"""Tells, two hours before departure, whether a flight will be disrupted."""

import logging

# A library leaves it to its user where the log goes.
logging.getLogger(__name__).addHandler(logging.NullHandler())
''',
    "src/flightrisk/config.py": '''\
"""Settings: defaults, then a TOML file, then the environment (FLIGHTRISK_MISS=4)."""

import os
import tomllib
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError


class Config(BaseModel, frozen=True, extra="forbid"):
    data: Path
    train_until: int = Field(6, ge=1, le=11)  # the last month to learn from
    false_alarm: float = Field(1, gt=0)  # euros
    miss: float = Field(5, gt=0)

    @property
    def threshold(self):
        return self.false_alarm / (self.false_alarm + self.miss)


def load(file, environ=os.environ):
    own = {name[11:].lower(): value for name, value in environ.items() if name.startswith("FLIGHTRISK_")}
    try:
        return Config(**tomllib.loads(Path(file).read_text("utf-8")) | own)
    except ValidationError as error:
        faults = [f"{fault['loc'][0]}={fault['input']}: {fault['msg']}" for fault in error.errors()]
        raise ValueError("; ".join(faults)) from None
''',
    "settings.toml": """\
train_until = 6
miss = 4.9
""",
    "src/flightrisk/model.py": '''\
"""The model: gradient boosting on the features."""

from sklearn.ensemble import HistGradientBoostingClassifier


def fit(features, late):
    trees = HistGradientBoostingClassifier(
        max_iter=40,
        learning_rate=0.15,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        early_stopping=False,
        categorical_features=[0, 1, 2],
        random_state=0,
    )
    return trees.fit(features, late)


def predict(trees, features):
    return trees.predict_proba(features)[:, 1]
''',
    "tests/test_golden.py": """\
import os
from pathlib import Path

import pandas as pd
from flightrisk.features import build, late
from flightrisk.model import fit, predict


def test_the_forecasts_are_those_of_the_notebook():
    folder = Path(os.environ["FLIGHTRISK_DATA"])
    tables = (pd.read_parquet(folder / f"{name}.parquet") for name in ("flights", "weather", "golden"))
    flights, weather, golden = tables
    features, past = build(flights, weather), flights.month <= 6
    now = predict(fit(features[past], late(flights)[past]), features.loc[golden.index])
    different = (now != golden.p).mean()
    assert different == 0, (
        f"{different:.0%} of the forecasts differ, by up to {abs(now - golden.p).max():.2f}"
    )
""",
    "src/flightrisk/__main__.py": '''\
"""python -m flightrisk settings.toml: learn from the past and report what it says of the later months."""

import json
import logging
import sys

import pandas as pd
from flightrisk import config, features, model
from sklearn.metrics import roc_auc_score


class JsonLines(logging.Formatter):
    def format(self, record):
        facts = getattr(record, "facts", {})
        return json.dumps({"level": record.levelname, "event": record.getMessage(), **facts})


def report(settings):
    flights, weather = (pd.read_parquet(settings.data / f"{name}.parquet") for name in ("flights", "weather"))
    table, late = features.build(flights, weather), features.late(flights)
    past = flights.month <= settings.train_until
    logging.getLogger("flightrisk").info("training", extra={"facts": {"flights": int(past.sum())}})
    forecast = model.predict(model.fit(table[past], late[past]), table[~past])
    warned = float((forecast > settings.threshold).mean())
    return {"auc": round(roc_auc_score(late[~past], forecast), 3), "warned": round(warned, 3)}


def main(file):
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level="INFO", handlers=[handler], force=True)
    try:
        settings = config.load(file)
    except ValueError as error:
        logging.getLogger("flightrisk").error("stopped", extra={"facts": {"why": str(error)}})
        return 2
    print(json.dumps(report(settings)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
''',
    "tests/conftest.py": """\
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from flightrisk.features import build, late
from flightrisk.model import fit, predict


@pytest.fixture(scope="session")
def world():
    folder = Path(os.environ["FLIGHTRISK_DATA"])
    flights, weather = (pd.read_parquet(folder / f"{name}.parquet") for name in ("flights", "weather"))
    features, past, summer = build(flights, weather), flights.month <= 6, flights.month.isin([7, 8])
    model = fit(features[past], late(flights)[past])
    forecast = predict(model, features[summer])
    np.save("forecast.npy", forecast)  # kept with the results of the run
    few, sky = flights[summer].sample(100, random_state=0), weather[weather.month.isin([6, 7, 8])]
    ask = lambda some, weather=sky: predict(model, build(some, weather))
    names = dict(weather=sky, summer=flights[summer], table=features[summer], few=few, forecast=forecast, ask=ask)
    return SimpleNamespace(**names, late=late(flights)[summer])
""",
    "tests/unit/test_features.py": """\
import pandas as pd
from flightrisk.features import build, late, minutes


def test_clock():
    assert [minutes(clock) for clock in (0, 517, 2359)] == [0, 317, 1439]


def test_a_cancelled_flight_is_disrupted():
    assert late(pd.DataFrame({"arr_delay": [14.0, 15.0, None]})).tolist() == [False, True, True]


def test_one_row_a_flight_and_nothing_passed_in_is_changed(world):
    before = world.few.copy()
    assert build(world.few, world.weather).index.equals(before.index) and world.few.equals(before)


def test_the_sky_is_that_of_three_hours_before(world):
    flight, weather = world.few.iloc[[0]], world.weather
    then = weather.time_hour == flight.time_hour.item() - pd.Timedelta(hours=3)
    seen = weather[then & (weather.origin == flight.origin.item())]
    assert build(flight, weather).temp.item() == seen.temp.item()


def test_an_absent_column_is_reported(world, caplog):
    assert "visib" not in build(world.few, world.weather.drop(columns="visib"))
    assert caplog.records[0].facts == {"absent": ["visib"]}
""",
    "tests/unit/test_model.py": """\
import numpy as np
from flightrisk import config


def test_probabilities(world):
    assert len(world.forecast) == len(world.summer) and ((world.forecast > 0) & (world.forecast < 1)).all()


def test_a_new_destination_is_answered(world):
    assert np.isfinite(world.ask(world.few.assign(dest="XXX"))).all()


def test_the_same_question_gets_the_same_answer(world):
    assert (world.ask(world.few) == world.ask(world.few)).all()


def test_the_environment_overrules_the_file_and_sets_the_threshold():
    assert config.load("settings.toml", {"FLIGHTRISK_DATA": ".", "FLIGHTRISK_MISS": "3"}).threshold == 0.25
""",
    "tests/data/test_table.py": """\
def test_each_column_is_in_its_range(world):
    table = world.table
    assert table.wind_speed.min() >= 0 and table.visib.dropna().between(0, 10).all()
    assert table.pressure.dropna().between(900, 1100).all()


def test_airports_sleep_at_night(world):
    assert world.table.sched_dep_time.between(60, 239).mean() < 0.001
""",
    "tests/test_main.py": """\
import runpy

import pytest


@pytest.mark.parametrize("miss, code, says", [("1e9", 0, '"warned": 1.0'), ("none", 2, "")])
def test_it_warns_by_the_price_or_says_why_not(monkeypatch, capsys, miss, code, says):
    monkeypatch.setenv("FLIGHTRISK_TRAIN_UNTIL", "1")
    monkeypatch.setenv("FLIGHTRISK_MISS", miss)
    monkeypatch.setattr("sys.argv", ["flightrisk", "settings.toml"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("flightrisk", run_name="__main__")
    assert ended.value.code == code and says in capsys.readouterr().out
""",
    "tools/cover.py": """\
import ast
import sys
from pathlib import Path

import pandas
import pydantic
import pytest
import sklearn.ensemble  # all four before the trace, which slows down whatever is imported

ran = set()


def note(frame, event, argument):
    if "flightrisk" in frame.f_code.co_filename:
        ran.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        return note


def statements(path):
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.stmt)]
    return {
        (path.name, node.lineno)
        for node in nodes
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))  # a docstring
    }


sys.settrace(note)
pytest.main(["tests/unit", "tests/data", "tests/test_main.py"])
sys.settrace(None)
lines = set().union(*map(statements, Path("src/flightrisk").glob("*.py")))
print(f"{len(lines & ran) / len(lines):.0%} of the statements ran", *sorted(lines - ran), sep="\\n")
""",
    "pyproject.toml": """\
[project]
name = "flightrisk"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["pandas>=3.0,<4", "scikit-learn>=1.9,<2", "pydantic>=2.12,<3"]

[build-system]
requires = ["uv-build>=0.13,<0.14"]
build-backend = "uv_build"
""",
    "src/flightrisk/model.py (2)": '''\
"""The model: what it has learnt from the training flights, and nothing from the flights that it is asked about."""

from typing import NamedTuple

from sklearn.ensemble import HistGradientBoostingClassifier

from flightrisk.features import PLACES


class Model(NamedTuple):
    known: dict  # column -> place -> its number
    trees: HistGradientBoostingClassifier


def coded(features, known):
    return features.assign(**{name: features[name].map(codes).astype(float) for name, codes in known.items()})


def places(features):
    return {name: {place: code for code, place in enumerate(sorted(set(features[name])))} for name in PLACES}


def fit(features, late, **more):
    known = places(features)
    trees = HistGradientBoostingClassifier(
        max_iter=40,
        learning_rate=0.15,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        early_stopping=False,
        categorical_features=PLACES,
        random_state=0,
        **more,
    )
    return Model(known, trees.fit(coded(features, known), late))


def predict(model, features):
    return model.trees.predict_proba(coded(features, model.known))[:, 1]
''',
    "tests/behaviour/test_invariance.py": """\
import numpy as np
import pandas as pd

STORM = {"temp": 0.0, "pressure": 980.0, "wind_speed": 60.0, "visib": 0.0}


def same(left, right):
    return np.allclose(left, right, rtol=0, atol=1e-9)


def test_alone_or_in_a_list_in_any_order(world):
    few = world.few[:3]
    alone = [world.ask(few.loc[[flight]])[0] for flight in few.index]
    assert same(world.ask(few), alone) and same(world.ask(few[::-1])[::-1], alone)


def test_columns_that_are_not_for_it(world):
    other = world.few.assign(flight=1, tailnum="N1", dep_delay=300.0, arr_delay=-60.0, air_time=10.0)
    assert same(world.ask(other), world.ask(world.few))


def stormy(weather, where):
    return weather.assign(**{name: weather[name].mask(where, value) for name, value in STORM.items()})


def test_the_sky_that_is_not_known_yet(world):
    made = world.weather.time_hour + pd.Timedelta(minutes=51)  # the airports report at 51 past the hour
    asked = world.few[:1]
    known = made <= asked.time_hour.item() - pd.Timedelta(hours=2)
    assert same(world.ask(asked, stormy(world.weather, ~known)), world.ask(asked))
""",
    "tests/behaviour/test_direction.py": """\
def check(rise):
    assert rise.min() >= -1e-9 and rise.mean() > 0.005


def test_more_wind(world):
    windy = world.weather.assign(wind_speed=world.weather.wind_speed + 10)
    check(world.ask(world.summer, windy) - world.forecast)


def test_less_sight(world):
    foggy = world.weather.assign(visib=world.weather.visib.clip(upper=1))
    check(world.ask(world.summer, foggy) - world.forecast)
""",
    "tests/behaviour/test_minimum.py": """\
import pytest
from sklearn.metrics import roc_auc_score


def test_all_flights(world):
    assert roc_auc_score(world.late, world.forecast) > 0.68


@pytest.mark.parametrize("carrier", ["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN"])
def test_each_large_carrier(world, carrier):
    rows = (world.summer.carrier == carrier).to_numpy()
    assert roc_auc_score(world.late[rows], world.forecast[rows]) > 0.6
""",
    "tools/lint.py": """\
import ast
import sys
from pathlib import Path

faults = [
    f"{path.name}:{node.lineno}: a bare except hides what it does not know"
    for path in Path(sys.argv[1]).rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.ExceptHandler) and node.type is None
]
print(*faults, sep="\\n")
sys.exit(bool(faults))
""",
    "src/flightrisk/features.py": '''\
"""What is known of a flight two hours before it departs."""

import logging

import pandas as pd

SKY = ["humid", "precip", "pressure", "temp", "visib", "wind_gusts", "wind_speed"]
COLUMNS = sorted(["carrier", "dest", "distance", "origin", "sched_arr_time", "sched_dep_time", *SKY])
PLACES = ["origin", "dest", "carrier"]
log = logging.getLogger(__name__)


def minutes(clock):
    return clock // 100 * 60 + clock % 100


def known_sky(flights, weather):
    """The last observation known two hours before departure: that of three hours before."""
    absent = sorted(set(SKY) - set(weather))
    if absent:
        log.warning("columns absent", extra={"facts": {"absent": absent}})
    later = weather.assign(time_hour=weather.time_hour + pd.Timedelta(hours=3))
    seen = flights[["origin", "time_hour"]].merge(later, on=["origin", "time_hour"], how="left")
    return seen[[name for name in SKY if name in seen]].set_index(flights.index)


def build(flights, weather):
    """The features of each flight, in the order of the flights."""
    clock = {name: minutes(flights[name]) for name in ("sched_dep_time", "sched_arr_time")}
    places = {name: flights[name].astype("category").cat.codes for name in PLACES}
    table = flights.assign(**clock, **places).join(known_sky(flights, weather))
    return table[[name for name in COLUMNS if name in table]]


def late(flights):
    """Whether each flight was disrupted: 15 minutes late or more, cancelled or diverted."""
    return flights.arr_delay.isna() | (flights.arr_delay >= 15)
''',
    "pipeline.yml": """\
name: release
on: [push, pull_request]
jobs:
  release:
    runs-on: ubuntu-latest
    env: {PYTHONPATH: src, FLIGHTRISK_DATA: data}
    steps:
      - uses: actions/checkout@v6
      - uses: actions/setup-python@v6
        with: {python-version: "3.11", cache: pip, cache-dependency-path: requirements.txt}
      - name: install from the lock
        if: github.server_url
        run: python -m pip install --require-hashes -r requirements.txt
      - name: lint
        run: python tools/lint.py src
      - name: tests of code, data and model
        run: python -m pytest -x -rf tests/unit tests/data tests/behaviour tests/test_main.py tests/test_golden.py
      - name: build
        run: python -c "import os, uv_build; os.makedirs('dist', exist_ok=True); print(uv_build.build_wheel('dist'))"
      - name: the wheel alone
        env: {PYTHONPATH: dist/flightrisk-1.0.0-py3-none-any.whl}
        run: python -c "from flightrisk import config"
      - uses: actions/upload-artifact@v6
        with: {name: wheel, path: dist}
""",
}


class Fault(NamedTuple):
    """A change of the package that breaks the model: in which module, and which text becomes which."""

    module: str
    old: str
    new: str


AFTERWARDS = "return seen["
IN_UTC = 'clock["sched_dep_time"] = flights.time_hour.dt.hour * 60 + flights.minute'
FAULTS = {
    "the other class": Fault("model", "[:, 1]", "[:, 0]"),
    "places of the batch": Fault("model", "features, model.known", "features, places(features)"),
    "columns: places first": Fault(
        "model",
        "return model.trees.predict_proba(coded(features, model.known))",
        "table = coded(features, model.known)[[*PLACES, *features.columns.difference(PLACES)]]\n"
        "    return model.trees.predict_proba(table.to_numpy())",
    ),
    "labels of EV turned": Fault("model", "known), late)", "known), late ^ (features.carrier == 'EV'))"),
    "pressure less its mean": Fault(
        "features", AFTERWARDS, f"seen = seen.assign(pressure=seen.pressure - seen.pressure.mean())\n    {AFTERWARDS}"
    ),
    "flight number let in": Fault("features", '"distance",', '"distance", "flight",'),
    "sky of the departure": Fault("features", "hours=3", "hours=0"),
    "wind with a minus": Fault(
        "features", AFTERWARDS, f"seen = seen.assign(wind_speed=-seen.wind_speed)\n    {AFTERWARDS}"
    ),
    "cancelled is on time": Fault("features", "flights.arr_delay.isna() | ", ""),
    "departures in UTC": Fault("features", "table =", f"{IN_UTC}\n    table ="),
}


# What a command needs of its environment beside what the machine has: the package on the path, and the data.
VARIABLES = {"PYTHONPATH": "src", "FLIGHTRISK_DATA": "data"}


class Notes:
    """What a run of pytest has left: a plugin that is told of each test, whether it passed, and of each warning."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.passed: dict[str, bool] = {}
        self.warnings: set[str] = set()
        self.stdout = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that has run, or that could not."""
        if report.when == "call" or report.failed:
            self.passed[report.nodeid] = report.passed

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Note a warning."""
        self.warnings.add(str(warning_message.message))


class Project:
    """A folder `project` in ``folder`` with the files of the package.

    It begins with `data` in it: every sixth flight of 2013, and the weather.
    """

    def __init__(self, folder: str | Path) -> None:
        """Export the data."""
        self.root = Path(folder) / "project"
        self.data = self.root / "data"
        self.data.mkdir(parents=True)
        load_flights()[::6].to_parquet(self.data / "flights.parquet")
        load_weather().to_parquet(self.data / "weather.parquet")

    def put(self, *names: str, show: bool = True) -> None:
        """Write files of the project as they stand in FILES, and show them."""
        for name in names:
            path = self.root / name.removesuffix(" (2)")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FILES[name], encoding="utf-8")
            if show:
                print(f"# {path.relative_to(self.root).as_posix()}\n{FILES[name]}")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text of a file by another, and show the lines that have changed."""
        path = self.root / name
        before = path.read_text("utf-8")
        if old not in before:
            raise ValueError(f"{name} does not contain {old!r}")
        path.write_text(before.replace(old, new), encoding="utf-8")
        print(*diff(before, path.read_text("utf-8")), sep="\n")

    def copy(self, name: str, fault: Fault | None = None) -> Path:
        """A copy of the project beside it, without what was built or forecast; return its folder.

        A fault, if one is given, is in it, and the lines that it has changed are shown.
        """
        folder = self.root.parent / name.replace(":", "")
        shutil.copytree(self.root, folder, ignore=shutil.ignore_patterns("dist", "forecast.npy"))
        if fault:
            path = folder / f"src/flightrisk/{fault.module}.py"
            sound = path.read_text("utf-8")
            path.write_text(sound.replace(fault.old, fault.new), encoding="utf-8")
            print(*diff(sound, path.read_text("utf-8")), sep="\n")
        return folder

    def module(self, name: str) -> ModuleType:
        """A module of the package, imported as it now stands on disk.

        Without bytecode: an edit in the same second that keeps the length of a file would be taken for no edit.
        """
        with self.afresh(self.root):
            return importlib.import_module(f"flightrisk.{name}")

    @contextlib.contextmanager
    def afresh(self, folder: Path) -> Iterator[None]:
        """Let this Python import the package of a folder, and forget any copy of it, and its tests."""
        here = tuple(str(path) for path in (self.root.parent.absolute(), self.root.parent.resolve()))
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] == "flightrisk" or str(getattr(module, "__file__", "")).startswith(here):
                del sys.modules[name]
        importlib.invalidate_caches()
        path = [str(folder / "src"), *sys.path]
        with patch.object(sys, "path", path), patch.object(sys, "dont_write_bytecode", True):
            yield

    def test(self, arguments: str, folder: Path | None = None) -> Notes:
        """Run pytest as a command of `run` would, but in this Python, which need not import pandas once more."""
        folder, notes, printed = folder or self.root, Notes(), io.StringIO()
        environment = patch.dict(os.environ, self.environment() | VARIABLES, clear=True)
        with self.afresh(folder), environment, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            pytest.main(["--capture=sys", *shlex.split(arguments)], plugins=[notes])
        notes.stdout = printed.getvalue()
        return notes

    def environment(self) -> dict[str, str]:
        """The environment of this machine for any command, with pytest short and without what the machine adds."""
        own = ("FLIGHTRISK_", "PYTHONPATH")
        return {name: value for name, value in os.environ.items() if not name.startswith(own)} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            # The last two save a third of a run: no rewritten asserts, no search of the heap for what was left behind.
            "PYTEST_ADDOPTS": "-q --tb=no --color=no -p no:cacheprovider --assert=plain -p no:unraisableexception",
            "COLUMNS": "300",
        }

    def run(
        self, command: str, folder: Path | None = None, variables: dict[str, str] = VARIABLES
    ) -> subprocess.CompletedProcess:
        """Run a command in the project (or in ``folder``) with these variables, `python` being this Python."""
        words = [sys.executable if word == "python" else word for word in shlex.split(command)]
        environment = self.environment() | variables
        return subprocess.run(
            words, cwd=folder or self.root, env=environment, capture_output=True, encoding="utf-8", check=False
        )


def diff(before: str, after: str) -> list[str]:
    """The lines that differ, without their place."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def verdict(done: subprocess.CompletedProcess | Notes) -> str:
    """What pytest says of each failure, and its last line without the seconds."""
    lines = done.stdout.splitlines()
    failures = [line.replace(" - ", "\n    ", 1) for line in lines if line.startswith("FAILED")]
    return "\n".join([*failures, re.sub(r" in [\d.]+s.*", "", lines[-1])])
