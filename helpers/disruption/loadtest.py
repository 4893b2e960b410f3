"""A service in a process of its own, and loads that are offered to it: what lesson 53 measures with.

A load test is *open* when requests come at the rate of the public, whether or not earlier ones were answered, and
*closed* when some clients each ask again once they have heard. Only the first sees what a stall does to those who
come meanwhile (Tene, "How NOT to measure latency", 2013). Every load here has a number of requests and so an end.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server
from time import perf_counter
from typing import Any

import httpx
import numpy as np
import pandas as pd
import psutil

MARK = "# service.py"  # how a cell begins that is a piece of the file
START_SECONDS = 300  # in which a server must be ready, on a busy machine too


def cells_from_now_on() -> list[str]:
    """The text of each cell that this notebook runs from now on; the list grows as they run."""
    from IPython import get_ipython

    cells: list[str] = []
    get_ipython().events.register("pre_run_cell", lambda cell: cells.append(cell.raw_cell))
    return cells


def write_service(folder: Path, cells: Iterable[str], last: str) -> None:
    """Write service.py: the cells that are pieces of it, and a last line.

    A piece is known by its first line; one that comes again takes the place of the one before.
    """
    pieces = {cell.split("\n")[0]: cell for cell in cells if cell.startswith(MARK)}
    (folder / "service.py").write_text("\n\n\n".join([*pieces.values(), last + "\n"]), "utf-8")


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """A client of ``service:app`` of a folder, in a process of its own on loopback, and that process.

    The process ends with the block, and also when this process dies. Raises RuntimeError when it cannot start.
    """
    with create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
    command = [sys.executable, "-m", "helpers.disruption.loadtest", port]
    said = {"env": os.environ | environment, "stdin": subprocess.PIPE, "stderr": subprocess.STDOUT}
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
    log = folder / f"{port}.log"
    with client, log.open("wb") as out, subprocess.Popen(command, cwd=folder, stdout=out, **said) as process:
        try:
            wait_until_ready(f"{client.base_url}", lambda: process.poll() is None, log)
            yield client, psutil.Process(process.pid)
        finally:
            process.kill()


def wait_until_ready(url: str, is_alive: Callable[[], bool], log: Path) -> None:
    """Return when ``url`` is answered without a server error: of /readyz that means ready, of any other address awake.

    Raises RuntimeError with the end of its log when the process has ended, or takes too long.
    """
    end = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end and is_alive():
            with suppress(httpx.TransportError):
                if client.get(url).status_code < 500:
                    return
            time.sleep(0.1)
    state = "did not get ready in time" if is_alive() else "ended by itself"
    last = log.read_text("utf-8", "replace")[-2000:]
    raise RuntimeError(f"the server {state} after its start; the end of its log: {last}")


def bill(client: httpx.Client, body: dict[str, Any], times: int = 200) -> pd.Series:
    """Milliseconds of each part of an answer, told by its header Server-Timing and by asking /healthz in between.

    "HTTP" is what /healthz takes, "rest" what no other part explains. Each is the mean of its own quickest tenth, since
    whatever else the machine does only adds.
    """
    answers: list[dict[str, float]] = []
    for _ in range(times):
        start = perf_counter()
        client.get("/healthz")
        middle = perf_counter()
        steps = client.post("/predict", json=body).headers["server-timing"].split(", ")
        end, told = perf_counter(), (step.split(";dur=") for step in steps)
        answer = {name: float(milliseconds) for name, milliseconds in told}
        around = 1000 * (end - middle) - sum(answer.values())
        answers.append(answer | {"HTTP": 1000 * (middle - start), "rest": around})
    parts = pd.DataFrame(answers).apply(lambda part: part.nsmallest(times // 10).mean())
    parts["rest"] -= parts["HTTP"]
    return parts


async def ask(client: httpx.AsyncClient, body: dict[str, Any], due: float) -> tuple[float, float, float]:
    """When a request was due, sent and answered, in seconds."""
    sent = perf_counter()
    await client.post("/predict", json=body)
    return due, sent, perf_counter()


async def open_loop(client: httpx.AsyncClient, body: dict[str, Any], rate: float, number: int) -> pd.DataFrame:
    """Ask at random moments, `rate` times a second, whether or not the answers come."""
    gaps = np.random.default_rng(0).exponential(1, number)
    tasks, due = [], perf_counter()
    for gap in gaps / gaps.sum() * number / rate:  # a short load by chance would be lighter or heavier than asked for
        due += gap
        await asyncio.sleep(max(due - perf_counter(), 0))
        tasks.append(asyncio.create_task(ask(client, body, due)))
    return pd.DataFrame(await asyncio.gather(*tasks), columns=["due", "sent", "answered"])


async def closed_loop(client: httpx.AsyncClient, body: dict[str, Any], clients: int, number: int) -> pd.DataFrame:
    """Clients that each ask again when they have heard."""

    async def one() -> list[tuple[float, float, float]]:
        return [await ask(client, body, perf_counter()) for _ in range(number // clients)]

    told = await asyncio.gather(*(one() for _ in range(clients)))
    return pd.DataFrame([row for rows in told for row in rows], columns=["due", "sent", "answered"])


async def capacity(client: httpx.AsyncClient, body: dict[str, Any], number: int = 60) -> float:
    """Requests a second that are answered when four clients always ask."""
    found = await closed_loop(client, body, clients=4, number=number)
    return len(found) / (found.answered.max() - found.due.min())


async def with_a_stall(process: psutil.Process, load: Coroutine, seconds: float = 1.0) -> pd.DataFrame:
    """Run a load; soon after its start the process stands still for some seconds."""

    async def stall() -> None:
        await asyncio.sleep(0.1)
        process.suspend()
        try:
            await asyncio.sleep(seconds)
        finally:
            process.resume()

    found, _ = await asyncio.gather(load, stall())
    return found


def main(port: int) -> None:
    """Serve ``service:app`` until killed, or until the process that started this one is gone."""
    import uvicorn

    # Its death closes the other end of the pipe.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    # An idle connection that ended by itself just when a request came on it would fail a load test.
    uvicorn.run("service:app", host="127.0.0.1", port=port, access_log=False, timeout_keep_alive=3600)


if __name__ == "__main__":
    main(int(sys.argv[1]))
