"""What the tests of the service share: four days of July 2013, a small model of them, and a registry in memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pandas as pd
from fastapi.testclient import TestClient

from helpers.data import Tables, load_tables
from helpers.disruption.features import OperationsState, build_features, disrupted
from helpers.disruption.messages import Event, FlightPlan
from helpers.disruption.model import train
from helpers.disruption.parts import Sample
from helpers.disruption.registry import Bundle, make_card
from helpers.disruption.service import Settings, create_app
from helpers.disruption.store import Store
from helpers.disruption.stream import as_events, as_plans, events, flight_plans

KEY = "a key for the tests"
BASE = "http://127.0.0.1:8000"
SETTINGS = Settings(api_key=KEY, poll_seconds=0.02)


@cache
def july() -> Tables:
    """The tables of 1 to 4 July 2013."""
    tables = load_tables()
    return tables._replace(
        flights=tables.flights.query("month == 7 and day <= 4").reset_index(drop=True),
        weather=tables.weather.query("month == 7 and day <= 4").reset_index(drop=True),
    )


@cache
def plans() -> pd.DataFrame:
    """The schedule of those days."""
    return flight_plans(july())


@cache
def plan_list() -> list[FlightPlan]:
    """The same as messages."""
    return list(as_plans(plans()))


@cache
def event_list() -> list[Event]:
    """What became known on those days, in order."""
    return list(as_events(events(july())))


@cache
def features() -> pd.DataFrame:
    """The features of those days in bulk."""
    return build_features(july())


@cache
def bundle(name: str = "boosting", version: str = "1") -> Bundle:
    """A model that was trained on the first two days and tested on the others."""
    flights = july().flights
    params = {"max_iter": 20} if name == "boosting" else {}
    model = train(name, *part(flights.day < 3)[:2], **params)
    return Bundle(version, model, make_card(model, part(flights.day < 3), part(flights.day >= 3), n_boot=10))


def part(rows: pd.Series) -> Sample:
    """Some of the flights, as the registry wants them."""
    flights = july().flights[rows]
    days = pd.to_datetime(flights[["year", "month", "day"]])
    return Sample(features()[rows], disrupted(flights), days)


class MemoryRegistry:
    """A registry in memory; ``answers`` is the champion, or the error that asking for it raises."""

    def __init__(self, answers: Bundle | Exception) -> None:
        """Begin with a champion, or with an error."""
        self.answers = answers

    def champion(self) -> Bundle:
        """The version that is to answer."""
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


def fresh_state() -> OperationsState:
    """A state that has heard of nothing."""
    return OperationsState(plans(), july().airports)


def request_of(plan: FlightPlan, **more: Any) -> dict[str, Any]:
    """The body of a prediction request."""
    return {"plan": plan.model_dump(mode="json"), **more}


def in_json(message: Any) -> dict[str, Any]:
    """A message as it is sent."""
    return message.model_dump(mode="json")


@contextmanager
def serving(
    store: Store, registry: MemoryRegistry | None = None, settings: Settings = SETTINGS
) -> Iterator[TestClient]:
    """A client of a service that has started."""
    registry = registry or MemoryRegistry(bundle())
    app = create_app(registry, store, fresh_state(), settings, plans())
    with TestClient(app, base_url=BASE, headers={"X-API-Key": KEY}, raise_server_exceptions=False) as client:
        yield client


def eventually(holds: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()
