"""A month of predictions against the months before: the monitor's report, and that of Evidently's drift preset.

Evidently is no part of the lock: it needs an older pandas and brings a web server along. It gets an environment of its
own in a folder that git ignores, and where there is no network the line says so.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pandas as pd
from bench_lines import Line, seconds

from helpers.course import ROOT
from helpers.data import load_tables
from helpers.disruption.contract import mended
from helpers.disruption.features import CATEGORIES
from helpers.disruption.model import Costs, train
from helpers.disruption.monitor import Monitor
from helpers.disruption.monitor_report import report
from helpers.disruption.retrain import FEATURES, history

PACKAGES = ("evidently>=0.7.23,<0.8", "pandas<3", "pyarrow")
ENVIRONMENT = ROOT / ".bootstrap" / "evidently"
MONTH = 28_000  # predictions
ROUNDS = 3
GOAL = 5.0


def drift() -> Iterator[Line]:
    """One line; without a figure of Evidently's when it could not be had."""
    reference, month = served()
    what = f"drift report, {len(month):,} x {len(FEATURES)}, Evidently"
    python = evidently()
    with tempfile.TemporaryDirectory() as folder:
        write(reference, month, Path(folder))
        taken = [(seconds(lambda: monitor(reference, month)), python and peer(python, folder)) for _ in range(ROUNDS)]
    ours = median(mine for mine, _ in taken)
    if python is None:
        yield Line(what, f"{ours:.1f} s", "could not be had", goal=f"{GOAL:g} times faster: not measured")
        return
    theirs = median(other for _, other in taken)
    ratio = theirs / ours
    yield Line(what, f"{ours:.1f} s", f"{theirs:.1f} s", ratio, f"{GOAL:g} times faster", ratio < GOAL)


def served() -> tuple[pd.DataFrame, pd.DataFrame]:
    """April to June, and 28,000 flights of July, as served by a model of January to March."""
    flights = history(mended(load_tables(2013)))
    month = flights.day.dt.month
    model = train("boosting", flights.loc[month <= 3, FEATURES], flights.disrupted[month <= 3])
    probability = model.predict_proba(flights)
    answers = {"probability": probability, "flagged": probability >= Costs().threshold}
    flights = flights.assign(model_version="1", milliseconds=1.0, **answers)
    return flights[month.between(4, 6)], flights[month == 7].head(MONTH)


def monitor(reference: pd.DataFrame, month: pd.DataFrame) -> str:
    """From the two frames to the page: the limits are learnt anew, which the service does once for each model."""
    return report(Monitor.learn(reference, FEATURES, Costs()), month)


def write(reference: pd.DataFrame, month: pd.DataFrame, folder: Path) -> None:
    """The same columns for the peer, their categories as the plain text that an older pandas can read."""
    for name, table in {"reference": reference, "month": month}.items():
        table[FEATURES].astype(dict.fromkeys(CATEGORIES, "object")).to_parquet(folder / f"{name}.parquet")


def evidently() -> Path | None:
    """The Python that has Evidently, made at the first call; None when it cannot be made."""
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    uv = [sys.executable, str(ROOT / "bootstrap.py"), "uv"]
    steps = [
        [*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(ENVIRONMENT)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *PACKAGES],
    ]
    made = all(subprocess.run(step, capture_output=True, check=False).returncode == 0 for step in steps)
    return python if made else None


def peer(python: Path, folder: str) -> float:
    """Seconds of Evidently's report, measured in its own process without the start of Python."""
    script = str(Path(__file__).with_name("bench_evidently.py"))
    return float(subprocess.run([python, script, folder], capture_output=True, text=True, check=True).stdout)
