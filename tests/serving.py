"""What the tests of the service share: four days of July 2013, a small model of them, and a registry in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pandas as pd
from fastapi.testclient import TestClient

from helpers.data import Tables, load_tables
from helpers.disruption.contract import Event, FlightPlan, as_events, as_plans, events, flight_plans
from helpers.disruption.features import OperationsState, build_features, disrupted
from helpers.disruption.model import Costs, Model, reference_statistics, train
from helpers.disruption.service import Settings, create_app
from helpers.disruption.store import Store

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


@dataclass(frozen=True)
class MemoryBundle:
    """A version of the model."""

    version: int
    model: Model
    threshold: float = 1 / 6
    costs: Costs = field(default_factory=Costs)
    card: str = "# A small model"
    reference: dict[str, dict[str, Any]] = field(default_factory=dict)


@cache
def bundle(version: int = 1, name: str = "boosting") -> MemoryBundle:
    """A model that was trained on those days."""
    params = {"max_iter": 20} if name == "boosting" else {}
    model = train(name, features(), disrupted(july().flights), **params)
    return MemoryBundle(version, model, reference=reference_statistics(features()))


class MemoryRegistry:
    """A registry that holds its versions in memory; a version that is an exception is raised at load."""

    def __init__(self, *bundles: MemoryBundle) -> None:
        """The last version is champion."""
        self.versions: dict[int, Any] = {one.version: one for one in bundles}
        self.alias = bundles[-1].version if bundles else None

    def champion(self) -> int | None:
        """The version that is to answer."""
        return self.alias

    def load(self, version: int) -> MemoryBundle:
        """A version; raises what was put in its place."""
        found = self.versions[version]
        if isinstance(found, Exception):
            raise found
        return found

    def promote(self, one: MemoryBundle | Exception, version: int) -> None:
        """Make a version champion."""
        self.versions[version] = replace(one, version=version) if isinstance(one, MemoryBundle) else one
        self.alias = version


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
