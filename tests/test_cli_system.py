"""The system by its commands: a replay that is killed goes on, the monitor finds its fault, a service answers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from helpers.cli import main
from helpers.course import ROOT
from helpers.disruption.store import SCHEMA, Store
from tests.serving import MemoryRegistry, bundle, eventually, july

pytestmark = pytest.mark.timeout(600)  # four processes, one after the other, on a machine that may be busy

# `mle`, with the first weeks of two carriers for a year.
MLE = [
    sys.executable,
    "-c",
    """
import helpers.data as data
whole = data.load_tables
def first_weeks(year=2013):
    tables = whole(year)
    flights = tables.flights.query("origin == 'LGA' and carrier in ['AA', 'MQ'] and (month < 3 or day < 8)")
    flights = flights.query("month <= 3")
    return tables._replace(flights=flights.reset_index(drop=True))
data.load_tables = first_weeks
from helpers.cli import main
main()
""",
]
REPLAY = [
    "replay",
    "--from",
    "2013-03-02",
    "--to",
    "2013-03-04",
    "--fault",
    "doubled-rows",
    "--fault-from",
    "2013-03-03",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"MLE_HOME": str(folder), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}


def mle(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*MLE, *arguments], cwd=ROOT, env=environment(folder), capture_output=True, encoding="utf-8", timeout=200
    )


def hour(folder: Path) -> datetime:
    """Where the only replay of a folder is."""
    for path in folder.glob("replays/*/place.json"):
        return datetime.fromisoformat(json.loads(path.read_text())["hour"])
    return datetime.fromisoformat("2013-01-01T00:00:00Z")


@pytest.fixture(scope="module")
def replayed(folder) -> str:
    """What a replay says that was killed on its first day and started again."""
    killed = subprocess.Popen([*MLE, *REPLAY], cwd=ROOT, env=environment(folder), stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: hour(folder) >= datetime.fromisoformat("2013-03-02T12:00:00Z"), 250)
    finally:
        killed.kill()
        killed.wait()
    assert hour(folder) < datetime.fromisoformat("2013-03-04T05:00:00Z")
    done = mle(folder, *REPLAY)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_replay_that_was_killed_goes_on_and_ends_with_its_table(replayed):
    assert "This replay was cut off: it goes on at 02 March 2013" in replayed
    (row,) = (line for line in replayed.splitlines() if line.strip().startswith("all"))
    assert " to " in row


def test_the_monitor_leads_to_the_fault_and_writes_its_files(folder, replayed, tmp_path):
    files = [tmp_path / name for name in ("report.html", "gauges.txt", "alerts.yml", "dashboard.json")]
    options = [f"--{path.stem}={path}" for path in files]
    found = mle(folder, "monitor", *options)
    assert (found.returncode, found.stderr) == (1, "")
    first = " ".join(found.stdout.split("What rings")[1].splitlines()[2].split())
    assert first.startswith("service requests repeated_share") and "03 Mar" in first
    quiet = mle(folder, "monitor", "--to", "2013-03-03")
    assert "repeated_share" not in quiet.stdout
    report, gauges, alerts, dashboard = (path.read_text("utf-8") for path in files)
    assert "repeated_share" in report and 'statistic="repeated_share"' in gauges
    assert "OutcomesOutOfLimits" in alerts and json.loads(dashboard)["panels"]


def test_a_service_answers_from_the_home_of_a_replay(folder, replayed):
    (home,) = folder.glob("replays/*")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [*MLE, "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment(home), stderr=subprocess.PIPE, text=True)
    try:
        assert eventually(lambda: answers(address), 100)
        flight = httpx.get(f"{address}/v1/flights", params={"day": "2013-03-03", "origin": "LGA"}).json()["flights"][0]
        told = httpx.get(f"{address}/v1/flights/{flight['flight_id']}/explanation").json()
        assert told["model_version"] == "1" and told["outcome"]
    finally:
        server.send_signal(signal.SIGINT) if os.name == "posix" else server.terminate()
        errors = server.communicate(timeout=60)[1]
    assert f"Serving on {address}/" in errors and "Traceback" not in errors


class OneVersion(MemoryRegistry):
    """A registry with a champion and no history."""

    def champions(self) -> list[str]:
        return ["1"]


@pytest.mark.parametrize("command", ["serve", "monitor", "replay"])
def test_a_store_of_an_older_course_gets_one_line(command, tmp_path, monkeypatch, capsys):
    store = Store(tmp_path / "store.db")
    with store._transaction() as connection:
        connection.execute(SCHEMA.update().values(version=1))
    store.close()
    monkeypatch.setenv("MLE_HOME", str(tmp_path))
    monkeypatch.setattr("helpers.data.load_tables", lambda year: july())
    monkeypatch.setattr("helpers.disruption.server.Registry", lambda folder: OneVersion(bundle()))
    monkeypatch.setattr(sys, "argv", ["mle", command, *(["--home", str(tmp_path)] if command == "replay" else [])])
    with pytest.raises(SystemExit) as end:
        main()
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2
    assert line.startswith("mle: the store ") and "schema version 1" in line and "move it away, or choose" in line


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").status_code == 200
    except httpx.TransportError:
        time.sleep(0.2)
        return False
