"""What must not go wrong, tried on the real parts together: clock changes, a full disk, a model tampered with."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from helpers.data import Tables, load_tables
from helpers.disruption.features import OperationsState, build_features
from helpers.disruption.messages import ORIGINS
from helpers.disruption.registry import CHAMPION, MODEL_FILE, NAME, Registry, RegistryError
from helpers.disruption.retrain import midnight
from helpers.disruption.service import create_app
from helpers.disruption.store import Store
from helpers.disruption.stream import as_events, as_plans, events, flight_plans
from tests.serving import (
    BASE,
    KEY,
    SETTINGS,
    MemoryRegistry,
    bundle,
    event_list,
    eventually,
    in_json,
    plan_list,
    request_of,
    serving,
)

ONE, MANY, EVENTS = "/v1/predictions", "/v1/predictions:batch", "/v1/events"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


def batches(items: list) -> Iterator[list]:
    """The items as the service takes them."""
    return (items[first : first + 1000] for first in range(0, len(items), 1000))


# ------------------------------------------------------------------- the clock changes


def days_around(month: int, day: int) -> Tables:
    """The tables of a day and of its neighbours."""
    tables = load_tables(2013)
    near = [
        part[(part.month == month) & part.day.between(day - 1, day + 1)] for part in (tables.flights, tables.weather)
    ]
    return tables._replace(flights=near[0].reset_index(drop=True), weather=near[1].reset_index(drop=True))


@contextmanager
def knowing(tables: Tables, store: Store) -> Iterator[TestClient]:
    """A client of a service that knows the schedule of some tables, and was told everything."""
    plans = flight_plans(tables)
    app = create_app(MemoryRegistry(bundle()), store, OperationsState(plans, tables.airports), SETTINGS, plans)
    with TestClient(app, base_url=BASE, headers={"X-API-Key": KEY}) as client:
        for part in batches([in_json(event) for event in as_events(events(tables))]):
            assert client.post(EVENTS, json={"events": part}).status_code == 200
        yield client


def listed(client: TestClient, day: str) -> dict[str, str]:
    """The key of each flight that the service lists for a day, and when it departs."""
    asked = (client.get("/v1/flights", params={"day": day, "origin": origin}) for origin in ORIGINS)
    return {flight["flight_id"]: flight["departs"] for answer in asked for flight in answer.json()["flights"]}


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 10, 23), (11, 3, 25)])
def test_on_both_days_of_a_clock_change_it_serves_what_the_bulk_features_say(store, month, day, hours):
    date = datetime(2013, month, day)
    assert midnight(date + timedelta(days=1)) - midnight(date) == timedelta(hours=hours)
    tables = days_around(month, day)
    of_day = tables.flights.day == day
    plans, flights = flight_plans(tables)[of_day], tables.flights[of_day]
    with knowing(tables, store) as client:
        asked = [request_of(plan, with_features=True) for plan in as_plans(plans)]
        served = client.post(MANY, json={"requests": asked}).json()["predictions"]
        departs = (f"{hour:02.0f}:{minute:02.0f}" for hour, minute in zip(flights.hour, flights.minute, strict=True))
        assert listed(client, f"{date:%Y-%m-%d}") == dict(zip(plans.flight_id, departs, strict=True))
    expected = build_features(tables)[of_day]
    for name in expected.select_dtypes("number"):
        got = np.array([answer["features"][name] for answer in served], "float64")
        np.testing.assert_allclose(got, expected[name].to_numpy("float64"), atol=1e-9, err_msg=name)


# ------------------------------------------------------------------------ a full disk


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The system refuses to let any file of this process grow beyond so many bytes, as a full disk does."""
    resource = pytest.importorskip("resource", reason="limits of files are a thing of POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_when_the_disk_is_full_it_says_so_writes_nothing_and_recovers(store, tmp_path):
    asked = {"requests": [request_of(plan) for plan in plan_list()[:500]]}
    told = {"events": [in_json(event) for event in event_list()[:1000]]}
    with serving(store) as client:
        applied, state = [], client.app.state.service.state
        apply, state.apply = state.apply, lambda event: applied.append(event) or apply(event)
        assert client.post(MANY, json={"requests": asked["requests"][:1]}).status_code == 200
        with no_file_larger_than((tmp_path / "store.db-wal").stat().st_size + 20_000):
            for path, body in ((MANY, asked), (EVENTS, told), (MANY, asked)):
                response = client.post(path, json=body, headers={"Idempotency-Key": "once"})
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                assert str(tmp_path / "store.db") in response.json()["detail"]
            assert client.get("/healthz").status_code == 200
            assert store.counts() == {"model_versions": 1, "predictions": 1, "events": 0, "outcomes": 0}
            assert applied == []
        with no_file_larger_than(0):  # not even room for a page
            assert client.get("/readyz").status_code == 503
        assert client.get("/readyz").status_code == 200
        for path, body in ((MANY, asked), (EVENTS, told)):
            assert client.post(path, json=body, headers={"Idempotency-Key": "once"}).status_code == 200
        assert len(applied) == 1000
        assert store.counts() | {"outcomes": 0} == {
            "model_versions": 1,
            "predictions": 501,
            "events": 1000,
            "outcomes": 0,
        }
    with store._connection() as connection:
        assert connection.exec_driver_sql("pragma integrity_check").scalar() == "ok"


# ---------------------------------------------------------- a model that was tampered with


@pytest.fixture(scope="module")
def tampered(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with a sound champion, version 1, and a version 2 with one byte that is another."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    for one in (bundle(), bundle("base_rate")):
        version = registry.log(one.model, one.card)
    registry.promote(1)
    path = registry.files_of(registry.find(version).run_id) / MODEL_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return registry


def make_champion(registry: Registry, version: str) -> None:
    """What somebody does who has the files and does not ask the registry."""
    registry.client.set_registered_model_alias(NAME, CHAMPION, version)


def test_a_model_that_was_tampered_with_is_not_promoted(tampered):
    with pytest.raises(RegistryError, match=f"version 2: .*{MODEL_FILE} is not the file that was registered"):
        tampered.promote(2)
    assert tampered.points_to(CHAMPION) == "1"


def test_a_model_that_was_tampered_with_is_not_loaded_and_the_service_goes_on(tampered, store, caplog):
    with serving(store, tampered) as client:
        before = client.post(ONE, json=request_of(plan_list()[0])).json()
        make_champion(tampered, "2")
        failures = client.app.state.service.metrics.load_failures
        assert eventually(lambda: failures._value.get() >= 2)
        after = client.post(ONE, json=request_of(plan_list()[0])).json()
        assert (after["model_version"], after["probability"]) == ("1", before["probability"])
        assert client.get("/readyz").status_code == 200
        assert "mle_model_load_failures_total" in client.get("/metrics").text
        make_champion(tampered, "1")
    (told,) = [record.fields["error"] for record in caplog.records if record.levelname == "ERROR"]
    assert "version 2" in told and "restore it from a backup, or roll back" in told


def test_a_service_that_finds_nothing_but_a_tampered_model_answers_no_question(tampered, store):
    make_champion(tampered, "2")
    with serving(store, tampered) as client:
        for response in (client.post(ONE, json=request_of(plan_list()[0])), client.get("/readyz")):
            assert response.status_code == 503
        make_champion(tampered, "1")
        assert eventually(lambda: client.get("/readyz").status_code == 200)
    assert store.counts()["predictions"] == 0
