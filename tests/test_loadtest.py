"""What lesson 53 measures with: a service in a process of its own, and loads that are offered to it."""

import asyncio
import subprocess
import sys
import time
from itertools import count

import httpx
import psutil
import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from helpers.disruption.loadtest import bill, capacity, closed_loop, open_loop, serving, with_a_stall, write_service

APP = """# service.py: the app
import os
from fastapi import FastAPI

app = FastAPI()


@app.post("/predict")
async def predict() -> str:
    return os.environ["WORD"]"""


def test_cells_are_collected_as_they_run_also_without_a_history():
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        shell.run_cell("from helpers.disruption.loadtest import cells_from_now_on\ncells = cells_from_now_on()")
        shell.run_cell("x = 1", store_history=False)
        assert shell.user_ns["cells"] == ["x = 1"]
    finally:
        InteractiveShell.clear_instance()


def test_the_last_form_of_a_piece_is_written(tmp_path):
    cells = ["# service.py: a\nx = 1", "y = 2", "# service.py: b\nz = x", "# service.py: a\nx = 3"]
    write_service(tmp_path, cells, "w = z")
    assert (tmp_path / "service.py").read_text() == "# service.py: a\nx = 3\n\n\n# service.py: b\nz = x\n\n\nw = z\n"


def test_a_service_runs_in_a_process_that_ends_with_the_block(tmp_path):
    write_service(tmp_path, [APP], "")
    with serving(tmp_path, WORD="heard") as (client, process):
        assert client.post("/predict").json() == "heard"
        assert process.is_running()
    assert not process.is_running()


def test_a_service_that_cannot_start_says_why(tmp_path):
    write_service(tmp_path, [], "raise ValueError('no model')")
    with pytest.raises(RuntimeError, match="no model"), serving(tmp_path):
        pass


def test_a_service_ends_when_the_one_who_started_it_is_killed(tmp_path):
    write_service(tmp_path, [APP], "")
    start = f"""
import time
from pathlib import Path
from helpers.disruption.loadtest import serving
with serving(Path({str(tmp_path)!r}), WORD="heard") as (client, process):
    print(process.pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def slow_service() -> tuple[FastAPI, list[int]]:
    """An app that takes 20 ms for each answer, and how many it had in hand at the start of each."""
    app, in_hand, now = FastAPI(), [], [0]

    @app.post("/predict")
    async def predict() -> None:
        now[0] += 1
        in_hand.append(now[0])
        await asyncio.sleep(0.02)
        now[0] -= 1

    return app, in_hand


def offered(load) -> tuple:
    app, in_hand = slow_service()

    async def run():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await load(client)

    return asyncio.run(run()), in_hand


def test_an_open_loop_asks_whether_or_not_it_hears():
    found, in_hand = offered(lambda client: open_loop(client, {}, rate=1000, number=30))
    assert len(found) == 30 and max(in_hand) > 5
    assert (found.due <= found.sent).all() and (found.answered - found.sent >= 0.02).all()
    assert (found.due.iloc[-1] - found.due.iloc[0]) / 29 == pytest.approx(1 / 1000, rel=0.1)


def test_a_closed_loop_asks_when_it_has_heard():
    found, in_hand = offered(lambda client: closed_loop(client, {}, clients=3, number=12))
    assert len(found) == 12 and max(in_hand) == 3
    assert (found.due <= found.sent).all()


def test_the_capacity_is_what_is_answered_when_somebody_always_asks():
    found, in_hand = offered(lambda client: capacity(client, {}, number=40))
    assert max(in_hand) == 4 and 20 < found <= 4 / 0.02


def test_a_stall_stops_the_process_and_lets_it_go_on():
    calls = []

    class Process:
        def suspend(self):
            calls.append("suspend")

        def resume(self):
            calls.append("resume")

    async def load():
        return "load"

    assert asyncio.run(with_a_stall(Process(), load(), seconds=0)) == "load"
    assert calls == ["suspend", "resume"]


def test_a_bill_takes_an_answer_apart():
    app = FastAPI()

    @app.get("/healthz")
    def alive() -> None:
        time.sleep(0.005)

    number = count()

    @app.post("/predict")
    def predict(response: Response) -> None:
        time.sleep(0.05)
        slow = next(number) % 2  # never the quickest in both
        response.headers["Server-Timing"] = f"model;dur={20 + slow}, store;dur={11 - slow}"

    found = bill(TestClient(app), {}, times=20)
    assert list(found.index) == ["model", "store", "HTTP", "rest"]
    assert found["model"] == 20 and found["store"] == 10 and found["HTTP"] >= 5
    assert found.sum() >= 50
