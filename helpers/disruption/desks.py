"""Where a replay hands in its hours: at the running service, or at a short cut that gives the same answers.

``HttpDesk`` talks to the running service and reads its store. ``BulkDesk`` needs neither: it takes the features of the
year in bulk, so that nine months pass in seconds, but it hears nothing of the stream and so of no fault in it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import httpx
import numpy as np
import pandas as pd
from pydantic_core import to_json

from helpers.disruption.faults import Stream
from helpers.disruption.oversight import served_between
from helpers.disruption.registry import Registry
from helpers.disruption.store import Store
from helpers.disruption.stream import records

MOST_ITEMS = 1_000  # of a request to the service


class ReplayError(Exception):
    """The replay cannot go on; one line says what to do."""


class Desk(Protocol):
    """The service, as the replay sees it. ``hears`` says whether it takes in what is sent, and so its faults."""

    hears: bool

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        """Hand in what came in an hour; the numbers of events and predictions taken, and of items refused."""

    def serve(self, version: str, at: datetime) -> None:
        """Return when the service answers with that version."""

    def served(self, start: datetime, end: datetime, at: datetime) -> pd.DataFrame:
        """Predictions of flights scheduled in [start, end), with the outcomes that are known at ``at``.

        Columns: those that ``monitor`` wants, and day and known_at as ``retrain`` wants them.
        """


class HttpDesk:
    """The running service behind its HTTP interface, and its store."""

    hears = True

    def __init__(self, client: httpx.Client, store: Store, patience: float = 60.0) -> None:
        """``client`` has the service's address and the API key; ``patience`` in seconds while the service is away."""
        self.client, self.store, self.patience = client, store, patience

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        """Send the events, then the requests, a thousand at a time."""
        told, asked = [], []
        for part in parts(list(records(hour.events))):
            told += self.post("/v1/events", {"events": part})["events"]
        plans = records(hour.requests.drop(columns=["ask_at", "flight_id"]))
        for number, part in enumerate(parts([{"plan": plan} for plan in plans])):
            headers = {"Idempotency-Key": f"{key}-{number}"}
            asked += self.post("/v1/predictions:batch", {"requests": part}, headers)["predictions"]
        refused = sum("status" in answer for answer in [*told, *asked])
        return {
            "events": sum("result" in answer for answer in told),
            "predictions": sum("probability" in answer for answer in asked),
            "refused": refused,
        }

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Send until there is an answer. Sending again is safe, since everything has its key."""
        content, deadline = to_json(body), time.monotonic() + self.patience
        sent_as = {"Content-Type": "application/json", **(headers or {})}
        while True:
            try:
                response = self.client.post(path, content=content, headers=sent_as)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code == 200:
                return response.json()
            if response is not None and response.status_code != 503:
                raise ReplayError(f"the service refused {path}: {response.json()['detail']}")
            if time.monotonic() > deadline:
                raise ReplayError(f"the service at {self.client.base_url} does not answer: start it with 'mle serve'")
            time.sleep(0.2)

    def serve(self, version: str, at: datetime) -> None:
        """Wait until the service has noticed."""
        deadline = time.monotonic() + self.patience
        while self.version() != version:
            if time.monotonic() > deadline:
                raise ReplayError(f"the service does not take up version {version}: look at its log")
            time.sleep(0.05)

    def version(self) -> str | None:
        """The version that answers; None while none does."""
        try:
            response = self.client.get("/readyz")
        except httpx.TransportError:
            return None
        return response.json()["model_version"] if response.status_code == 200 else None

    def served(self, start: datetime, end: datetime, at: datetime) -> pd.DataFrame:
        """From the store."""
        served = served_between(self.store, start, end)
        if served.empty:
            raise ReplayError(f"the store holds no prediction from {start:%Y-%m-%d} on: has it been emptied meanwhile?")
        return as_known(served, at)


def as_known(flights: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """What was known at a moment: a replay that was cut off may have stored more than that."""
    known = flights.known_at <= at
    flights = flights.assign(disrupted=flights.disrupted.where(known), known_at=flights.known_at.where(known))
    return flights[flights["at"] <= at].sort_values(["at", "flight_id"], ignore_index=True)


def parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items in pieces that the service takes."""
    return (items[first : first + MOST_ITEMS] for first in range(0, len(items), MOST_ITEMS))


class BulkDesk:
    """The service without the service: features in bulk, the models called directly.

    It forgets when it ends: play in a folder in which no replay was begun.
    """

    hears = False

    def __init__(self, flights: pd.DataFrame, registry: Registry) -> None:
        """``flights`` as ``history`` makes it."""
        self.registry = registry
        self.flights = flights.assign(probability=np.nan, flagged=False, model_version="", milliseconds=1.0)

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        """Nothing to do: the answers stand since the version began to serve."""
        return {}

    def serve(self, version: str, at: datetime) -> None:
        """Answer all that is asked from then on."""
        bundle = self.registry.load(version)
        rows = self.flights["at"] > at
        probability = bundle.model.predict_proba(self.flights[rows])
        answer = {"probability": probability, "flagged": probability >= bundle.card.threshold, "model_version": version}
        for name, values in answer.items():
            self.flights.loc[rows, name] = values

    def served(self, start: datetime, end: datetime, at: datetime) -> pd.DataFrame:
        """The rows that were answered, in order."""
        scheduled, answered = self.flights.scheduled_departure, self.flights.model_version != ""
        rows = self.flights[answered & (scheduled >= start) & (scheduled < end)]
        return as_known(rows.drop(columns="scheduled_departure"), at)
