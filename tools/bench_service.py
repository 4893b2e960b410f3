"""One prediction and a batch of 1,000 over HTTP, against the same model under `mlflow models serve`; and the memory.

Ours gets a flight's plan, looks its features up, scores, decides, stores and answers. The peer gets the features ready
made, as the numbers that the trees want, and scores. Both run as their command starts them, with the same settings,
each in a process of its own on this machine, and eight clients ask them in turn.
"""

import http.client
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import numpy as np
import psutil
from bench_lines import Line, interleaved, seconds
from bench_memory import PeakMemory
from pydantic_core import from_json, to_json

from helpers.data import load_tables
from helpers.disruption.contract import mended
from helpers.disruption.loadtest import wait_until_ready
from helpers.disruption.registry import TRUSTED, Registry
from helpers.disruption.stream import events, flight_plans, records

ONE, MANY, EVENTS = "/v1/predictions", "/v1/predictions:batch", "/v1/events"
KEY = "a key for the benchmark"
BATCH = 1_000
CLIENTS = 8
ROUNDS, SECONDS = 7, 3.0  # of eight clients at each server
FASTER, QUICKER = 3.0, 3.0  # goals: times the peer's throughput, and its p99 over ours
BATCH_GOAL = 20_000  # predictions a second of server time
MEGABYTES = 600
logging.getLogger("mlflow").setLevel(logging.ERROR)  # it warns of what is left out on purpose
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # two would wait for each other in each of the 150 trees


# The servers


class Server(NamedTuple):
    """A server of this machine: its port, and the process that was started."""

    port: int
    process: psutil.Process

    def ask(self, path: str, bodies: Sequence[bytes]) -> Iterator[bytes]:
        """The answers to the bodies, one after the other over one connection. Raises RuntimeError at a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json", "X-API-Key": KEY}
        for body in bodies:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path} was refused: {text[:300]!r}")
            yield text

    def get(self, path: str) -> bytes:
        """What stands at a path. Raises RuntimeError at a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{path} answers {answer.status}")
        return answer.read()


def program(name: str, *arguments: str) -> list[str]:
    """The command line of a program of this environment."""
    return [str(Path(sys.executable).with_name(name)), *arguments]


@contextmanager
def serving(folder: Path, ready: str, *command: str) -> Iterator[Server]:
    """A server, ready to answer; it and its children end with the block. ``PORT`` in the command is its port."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    environment = os.environ | ONE_THREAD | {"MLE_HOME": str(folder), "MLE_API_KEY": KEY}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    line = [str(port) if word == "PORT" else word for word in command]
    with (folder / f"{port}.log").open("wb") as log:
        started = subprocess.Popen(line, env=environment, stdout=log, stderr=log)
    server = Server(port, psutil.Process(started.pid))
    try:
        wait_until_ready(f"http://127.0.0.1:{port}{ready}", lambda: started.poll() is None, Path(log.name))
        yield server
    finally:
        end(server.process)
        started.wait()


def end(process: psutil.Process) -> None:
    """End a process and its children, kindly at first."""
    family = [*process.children(recursive=True), process]
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    for one in psutil.wait_procs(family, timeout=15)[1]:
        with suppress(psutil.NoSuchProcess):
            one.kill()


# What is asked


class Questions(NamedTuple):
    """The same flights for both: bodies of single requests, and the body of the batch."""

    path: str
    many_path: str
    one: list[bytes]
    many: bytes


def july() -> tuple[list[bytes], list[dict[str, Any]]]:
    """What became known from 1 to 10 July 2013, in bodies of 1,000 events; and 1,000 flights of the 10th."""
    tables = mended(load_tables(2013))
    told, plans = events(tables), flight_plans(tables)
    known = told[(told["at"] >= "2013-07-01") & (told["at"] < "2013-07-11")]
    stream = list(records(known))
    bodies = [to_json({"events": stream[start : start + 1000]}) for start in range(0, len(stream), 1000)]
    asked = plans[plans.scheduled_departure >= "2013-07-10"].sort_values("scheduled_departure").head(BATCH)
    return bodies, list(records(asked.drop(columns="flight_id")))


def questions_for_ours(flights: Sequence[dict[str, Any]]) -> Questions:
    """Each flight by its plan."""
    bodies = [{"plan": flight} for flight in flights]
    return Questions(ONE, MANY, [to_json(body) for body in bodies], to_json({"requests": bodies}))


def questions_for_peer(matrix: np.ndarray) -> Questions:
    """Each flight by its features, in the fastest of the forms that MLflow takes."""
    rows = matrix.tolist()
    one = [to_json({"inputs": [row]}, inf_nan_mode="null") for row in rows]
    return Questions("/invocations", "/invocations", one, to_json({"inputs": rows}, inf_nan_mode="null"))


def make_alike(ours: Server, flights: Sequence[dict[str, Any]], registry: Registry) -> tuple[np.ndarray, list[float]]:
    """The flights as the trees' matrix, from the features that our service looks up, and its answers."""
    body = to_json({"requests": [{"plan": flight, "with_features": True} for flight in flights]})
    answers = from_json(next(ours.ask(MANY, [body])))["predictions"]
    rows = [{name: np.nan if v is None else v for name, v in answer["features"].items()} for answer in answers]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return registry.champion().model.encoder.matrix(columns), [answer["probability"] for answer in answers]


# Eight clients


class Load(NamedTuple):
    """What eight clients saw in some seconds: answers a second, and the time to one in milliseconds."""

    throughput: float
    p50: float
    p99: float


def load(server: Server, questions: Questions) -> Load:
    """Eight clients ask for single predictions, each as soon as it has its last answer."""
    stop, taken, faults = time.perf_counter() + SECONDS, [], []

    def client(number: int) -> None:
        try:
            before = time.perf_counter()
            for _ in server.ask(questions.path, cycle(questions.one[number::CLIENTS])):
                now = time.perf_counter()
                taken.append(now - before)
                before = now
                if now > stop:
                    return
        except Exception as error:  # a thread's error would be lost
            faults.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    took = seconds(lambda: ([thread.start() for thread in threads], [thread.join() for thread in threads]))
    if faults:
        raise faults[0]
    p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
    return Load(len(taken) / took, p50, p99)


def server_seconds(server: Server) -> float:
    """The seconds that our service has spent on batches, from the first byte to the answer, as it counts them."""
    sum_of = f'mle_request_seconds_sum{{route="{MANY}"}} '
    (line,) = [line for line in server.get("/metrics").decode().splitlines() if line.startswith(sum_of)]
    return float(line.removeprefix(sum_of))


def cpu_seconds(server: Server) -> float:
    """The processor time that the server has used."""
    return sum(server.process.cpu_times()[:2])


def spent(clock: Callable[[Server], float], server: Server, questions: Questions) -> float:
    """What a batch takes by a clock of the server."""
    before = clock(server)
    next(server.ask(questions.many_path, [questions.many]))
    return clock(server) - before


# The benchmark


def service() -> Iterator[Line]:
    """The lines: throughput, p50 and p99 of single predictions; the batch; the memory."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        subprocess.run(
            program("mle", "train"), env=os.environ | {"MLE_HOME": name}, check=True, stdout=subprocess.DEVNULL
        )
        registry = Registry(folder / "registry")
        mlflow.sklearn.save_model(
            registry.champion().model.trees,
            folder / "peer",
            pip_requirements=[],
            pyfunc_predict_fn="predict_proba",
            serialization_format="skops",
            skops_trusted_types=TRUSTED,
        )
        mine = program("mle", "serve", "--port", "PORT")
        other = program("mlflow", "models", "serve", "-m", f"{name}/peer", "--env-manager", "local", "-p", "PORT")
        with serving(folder, "/readyz", *mine) as ours, serving(folder, "/ping", *other) as peer:
            yield from compare(ours, peer, registry)


def compare(ours: Server, peer: Server, registry: Registry) -> Iterator[Line]:
    """Ask both the same, in turn."""
    told, flights = july()
    list(ours.ask(EVENTS, told))
    matrix, probabilities = make_alike(ours, flights, registry)
    to_ours, to_peer = questions_for_ours(flights), questions_for_peer(matrix)
    answered = from_json(next(peer.ask(to_peer.many_path, [to_peer.many])))["predictions"]
    np.testing.assert_allclose([pair[1] for pair in answered], probabilities, atol=1e-9)
    with PeakMemory(lambda **_: [ours.process]) as memory:
        rounds = [(load(ours, to_ours), load(peer, to_peer)) for _ in range(ROUNDS)]
        batches = interleaved(
            3 * ROUNDS,
            lambda: spent(server_seconds, ours, to_ours),
            lambda: spent(cpu_seconds, ours, to_ours),
            lambda: seconds(lambda: list(ours.ask(to_ours.many_path, [to_ours.many]))),
            lambda: seconds(lambda: list(peer.ask(to_peer.many_path, [to_peer.many]))),
        )
    yield from lines_of_single(*(Load(*np.median(loads, axis=0)) for loads in zip(*rounds, strict=True)))
    yield from lines_of_batch(*batches)
    megabytes = memory.bytes / 1e6
    yield Line("peak memory of the service", f"{megabytes:.0f} MB", "", None, f"{MEGABYTES} MB", megabytes > MEGABYTES)


def lines_of_single(ours: Load, peer: Load) -> Iterator[Line]:
    """Throughput, median and 99th percentile."""
    faster, p50, p99 = ours.throughput / peer.throughput, peer.p50 / ours.p50, peer.p99 / ours.p99
    yield Line(
        f"one prediction, {CLIENTS} clients, MLflow",
        f"{ours.throughput:,.0f}/s",
        f"{peer.throughput:,.0f}/s",
        faster,
        f"{FASTER:g} times",
        faster < FASTER,
    )
    yield Line("  half of the answers within", f"{ours.p50:.1f} ms", f"{peer.p50:.1f} ms", p50)
    yield Line(
        "  99 % within", f"{ours.p99:.1f} ms", f"{peer.p99:.1f} ms", p99, f"a {QUICKER:g}rd of it", p99 < QUICKER
    )


def lines_of_batch(server: float, processor: float, ours: float, peer: float) -> Iterator[Line]:
    """Server time, of it the processor's, and the client's time against the peer."""
    rate = BATCH / server
    yield Line(
        f"batch of {BATCH:,}: server time {server * 1000:.0f} ms",
        f"{rate:,.0f}/s",
        goal=f"{BATCH_GOAL:,}/s",
        missed=rate < BATCH_GOAL,
    )
    yield Line("  of it processor time", f"{processor * 1000:.0f} ms")
    yield Line("  as its client sees it, MLflow", f"{ours * 1000:.0f} ms", f"{peer * 1000:.0f} ms", peer / ours)
