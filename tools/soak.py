"""`make soak`: eight clients at a service that is killed every half minute. Is anything that was answered lost?

    python tools/soak.py [--seconds 600] [--every 30] [--days 60]

Plays the first days of 2013 in order of time: what became known in an hour, then the flights that are asked about in
it, one by one and in batches. The service is a process of its own on a free port of this machine, ended by SIGKILL
(on Windows TerminateProcess), which leaves it no moment to tidy up. A client that hears nothing asks again with the
same key. At the end the store is compared with what the clients were told.

Exits 1 when an answered prediction is missing from the store, when one was stored twice or came with another answer
the second time, when an event that was taken in is gone, when a client was refused or left without an answer, or when
the service ended by itself. All that it writes is in a temporary folder.
"""

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pandas as pd
from pydantic_core import to_json

from helpers.course.lab import free_port
from helpers.data import Tables, load_tables
from helpers.disruption.faults import cut, stream_of
from helpers.disruption.loadtest import wait_until_ready
from helpers.disruption.model import train
from helpers.disruption.parts import Sample
from helpers.disruption.registry import make_card
from helpers.disruption.retrain import FEATURES, history, midnight
from helpers.disruption.server import Home, open_service, serve
from helpers.disruption.service import Settings
from helpers.disruption.store import Store
from helpers.disruption.stream import records

ONE, MANY, EVENTS = "/v1/predictions", "/v1/predictions:batch", "/v1/events"
FIRST_DAY = date(2013, 1, 1)
HOUR = timedelta(hours=1)
CLIENTS = 8
LOW_PORT = 20_000
LOG = "service.log"
IMPORTED = ["helpers.disruption.server", "mlflow", "sklearn.ensemble", "skops.io", "uvicorn"]
IN_BATCH = 3  # one flight in so many comes in the hour's batch
AGAIN = 25  # one request in so many is sent a second time, though it was answered
PATIENCE = 180  # seconds in which a client must have its answer
PAUSE = 0.2  # seconds before a client asks again


# The traffic


class Job(NamedTuple):
    """A request, and the keys under which its predictions will stand in the store."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    keys: Sequence[str] = ()


def first_days(days: int) -> Tables:
    """The tables of the first days of 2013."""
    tables, end = load_tables(2013), midnight(FIRST_DAY + timedelta(days=days))
    flights, weather = (table[table.time_hour < end] for table in (tables.flights, tables.weather))
    return tables._replace(flights=flights.reset_index(drop=True), weather=weather.reset_index(drop=True))


def traffic(tables: Tables) -> Iterator[Job]:
    """The requests in order of time, without end: after the last day from the first, each flight asked an hour earlier.

    The events come again, too: the service has them already and must notice.
    """
    stream = stream_of(tables)
    first, last = stream.requests.ask_at.iloc[[0, -1]].dt.floor("h")
    for turn in itertools.count():
        for hour in pd.date_range(first, last, freq=HOUR):
            now = cut(stream, hour, hour + HOUR)
            if told := list(records(now.events)):
                yield Job(EVENTS, {"events": told}, {})
            flights = list(records(now.requests.drop(columns=["ask_at"])))
            yield from questions(flights, timedelta(hours=2 + turn), f"{turn}-{hour:%Y%m%dT%H}")


def questions(flights: Sequence[dict[str, Any]], ahead: timedelta, key: str) -> Iterator[Job]:
    """The requests for the flights of an hour: a batch, and the others one by one; each prediction has its own key."""
    asked = [
        ({"plan": flight, "at": flight["scheduled_departure"] - ahead}, f"{key}-{flight.pop('flight_id')}")
        for flight in flights
    ]
    if batch := [request for request, _ in asked[::IN_BATCH]]:
        yield Job(MANY, {"requests": batch}, with_key(key), [f"{key} {place}" for place in range(len(batch))])
    for place, (request, own_key) in enumerate(asked):
        if place % IN_BATCH:
            yield Job(ONE, request, with_key(own_key), [own_key])


def with_key(key: str) -> dict[str, str]:
    """The header of an idempotency key."""
    return {"Idempotency-Key": key}


class Shared:
    """An iterator from which several threads take."""

    def __init__(self, items: Iterable[Job]) -> None:
        """Nothing taken yet."""
        self.items, self.lock = iter(items), threading.Lock()

    def take(self) -> Job:
        """The next item."""
        with self.lock:
            return next(self.items)


# The clients


@dataclass
class Book:
    """What the clients were told; ``answers`` by the keys of the store. ``gap``: the longest time without an answer."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    taken_in: set[str] = field(default_factory=set)
    requests: int = 0
    retried: int = 0
    asked_again: int = 0
    refused_items: int = 0
    changed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    gap: float = 0.0
    last: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, job: Job, answer: dict[str, Any]) -> None:
        """Write down what a client was told. A prediction that was told before must be told in the same words."""
        now, told = time.monotonic(), predictions_in(job, answer)
        with self.lock:
            self.requests += 1
            self.gap, self.last = max(self.gap, now - self.last), now
            self.changed += [key for key, one in told.items() if self.answers.setdefault(key, one) != one]
            results = answer.get("events", ())
            self.taken_in.update(one["event_id"] for one in results if "result" in one)
            self.refused_items += sum("status" in one for one in [*results, *told.values()])

    def note_retry(self) -> None:
        """Count a request that has to be sent again."""
        with self.lock:
            self.retried += 1


def predictions_in(job: Job, answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The predictions in an answer, by the keys of the store."""
    found = answer["predictions"] if job.path == MANY else [answer] if job.path == ONE else []
    return dict(zip(job.keys, found, strict=True))


def send(http: httpx.Client, job: Job, book: Book, stop: threading.Event) -> dict[str, Any] | None:
    """Send until there is an answer; None when there is none in time, or a refusal, which are faults."""
    content, end = to_json(job.body), time.monotonic() + PATIENCE
    while True:
        with suppress(httpx.TransportError):
            response = http.post(job.path, content=content, headers=job.headers)
            if response.status_code == 200:
                return response.json()
            if response.status_code != 503:
                book.faults.append(f"{job.path} was answered {response.status_code}: {response.text[:200]}")
                return None
        if stop.is_set() or time.monotonic() > end:  # whoever stops the clients has the service running
            book.faults.append(f"{job.path} was not answered")
            return None
        book.note_retry()
        time.sleep(PAUSE)


def client(address: str, key: str, work: Shared, book: Book, stop: threading.Event) -> None:
    """Send one request after the other; a few of them twice."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    with httpx.Client(base_url=address, headers=headers, timeout=20) as http:
        for number in itertools.count(1):
            job = work.take()
            for _ in range(2 if number % AGAIN == 0 else 1):
                if stop.is_set() or (answer := send(http, job, book, stop)) is None:
                    return
                book.note(job, answer)


# The service


class Victim:
    """The service as a process that is killed and started again."""

    def __init__(self, folder: Path, days: int) -> None:
        """Start it."""
        # Not one that the system picks: it hands out the same to outgoing connections, so that a client who knocks
        # while nobody listens may be given, and hold, the very port at which it knocks.
        port = free_port(LOW_PORT + os.getpid() % 10_000)
        self.address, self.kills, self.log = f"http://127.0.0.1:{port}", 0, folder / LOG
        self.make = partial(context().Process, target=answer, args=(folder, days, port))
        self.start()

    def start(self) -> None:
        """Start it and wait until it is ready. Raises RuntimeError when it does not get so."""
        self.process = self.make(daemon=True)
        self.process.start()
        wait_until_ready(f"{self.address}/readyz", self.process.is_alive, self.log)

    def kill(self) -> None:
        """End it without a warning. Raises RuntimeError when it had ended by itself."""
        if not self.process.is_alive():
            raise RuntimeError(f"the service ended by itself with exit code {self.process.exitcode}")
        self.process.kill()
        self.process.join()
        self.kills += 1


def context() -> BaseContext:
    """How a process is made: where the system can, from one that has imported the packages and done nothing else."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    warm = multiprocessing.get_context("forkserver")
    warm.set_forkserver_preload(IMPORTED)
    return warm


def answer(folder: Path, days: int, port: int) -> None:
    """The service's process: as `mle serve`, with fewer days; its log goes to a file."""
    sys.stderr = (folder / LOG).open("a", encoding="utf-8")
    home = Home(folder)
    settings = Settings(home.api_key, port=port)
    serve(open_service(home, first_days(days), settings), settings)


def train_champion(home: Home, tables: Tables) -> None:
    """A small model: trained on the first half of the days, tested on the second."""
    flights = history(tables)
    early = flights.day < flights.day.iloc[len(flights) // 2]
    halves = [
        Sample(part[FEATURES], part.disrupted.astype(bool), part.day) for part in (flights[early], flights[~early])
    ]
    model = train("boosting", *halves[0][:2], max_iter=20)
    home.registry.promote(home.registry.log(model, make_card(model, *halves, n_boot=10)))


# The soak


def soak(folder: Path, seconds: float, every: float, days: int) -> list[str]:
    """Kill the service every so many seconds under traffic, print the figures, and return what was violated."""
    home, tables, book, stop = Home(folder), first_days(days), Book(), threading.Event()
    train_champion(home, tables)
    work, victim = Shared(traffic(tables)), Victim(folder, days)
    book.last = time.monotonic()
    try:
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(client, victim.address, home.api_key, work, book, stop) for _ in range(CLIENTS)]
            try:
                kill_regularly(victim, seconds, every, book)
            finally:
                stop.set()
        for one in clients:
            one.result()
    finally:
        victim.process.kill()
        victim.process.join()
    return report(book, home.store, victim.kills)


def kill_regularly(victim: Victim, seconds: float, every: float, book: Book) -> None:
    """Kill and restart every so many seconds; a start that takes long still leaves some time to answer."""
    begin = time.monotonic()
    while (next_kill := begin + (victim.kills + 1) * every) <= begin + seconds and time.monotonic() < begin + seconds:
        time.sleep(max(every / 4, next_kill - time.monotonic()))
        victim.kill()
        victim.start()
        print(f"kill {victim.kills}: {len(book.answers):,} predictions answered so far", flush=True)
    time.sleep(every / 4)


def report(book: Book, store: Store, kills: int) -> list[str]:
    """Compare what was told with what is stored; print the figures and return what was violated."""
    first = pd.Timestamp(FIRST_DAY, tz="UTC")
    stored = store.scored(first.to_pydatetime(), (first + pd.Timedelta(days=366)).to_pydatetime())
    by_key = dict(zip(stored.idempotency_key, zip(stored.prediction_id, stored.probability, strict=True), strict=True))
    told = {key: (one["prediction_id"], one["probability"]) for key, one in book.answers.items()}
    violations = {
        "answered and not stored": [key for key, one in told.items() if by_key.get(key) != one],
        "stored twice": stored.flight_id[stored.duplicated(["flight_id", "at"])].tolist(),
        "answered differently the second time": book.changed,
        "taken in and not stored": sorted(book.taken_in - {event.event_id for event in store.events()}),
        "refused or left alone": book.faults,
    }
    figures = {
        "requests answered": book.requests,
        "sent again": book.retried,
        "kills": kills,
        "predictions answered": len(told),
        "predictions stored": len(stored),
        "events taken in": len(book.taken_in),
        "items refused": book.refused_items,
        **{name: len(found) for name, found in violations.items()},
    }
    for name, figure in figures.items():
        print(f"{name:<40}{figure:>10,}")
    print(f"{'longest time without an answer':<40}{book.gap:>9.1f}s")
    return [f"{name}: {', '.join(found[:3])}" for name, found in violations.items() if found]


def main(arguments: Sequence[str]) -> int:
    """Soak; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long")
    parser.add_argument("--every", type=float, default=30, help="seconds from one kill of the service to the next")
    parser.add_argument("--days", type=int, default=60, help="days of 2013 that are played")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        violations = soak(Path(folder), chosen.seconds, chosen.every, chosen.days)
    print("\n".join(violations) or "nothing that was answered was lost")
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
