"""The service answers what it promises, refuses what it must, and loses nothing."""

import asyncio
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from helpers.disruption.messages import Cancelled
from helpers.disruption.registry import RegistryError
from helpers.disruption.server import JsonLines, api_key
from helpers.disruption.service import Settings
from helpers.disruption.store import Store, StoreError, StoreFull
from helpers.disruption.worker import Together, Worker
from tests.serving import (
    KEY,
    MemoryRegistry,
    bundle,
    event_list,
    eventually,
    features,
    in_json,
    plan_list,
    plans,
    request_of,
    serving,
)

ONE, MANY, EVENTS = "/v1/predictions", "/v1/predictions:batch", "/v1/events"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with serving(store) as client:
        yield client


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry(bundle())


def send_all_events(client: TestClient) -> None:
    """Send the four days in batches."""
    sent = [in_json(event) for event in event_list()]
    for start in range(0, len(sent), 1000):
        assert client.post(EVENTS, json={"events": sent[start : start + 1000]}).status_code == 200


def refused(response: httpx.Response, status: int, field: str | None = None) -> dict:
    """The problem document of a refusal, checked."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["instance"] == f"urn:request:{response.headers['x-request-id']}"
    if field:
        assert field in [error["field"] for error in document["errors"]]
    return document


# ------------------------------------------------------------------------------ predicting


def test_an_answer_holds_what_a_decision_needs(client, store):
    plan = plan_list()[1000]
    answer = client.post(ONE, json=request_of(plan, with_features=True)).json()
    (stored,) = store.predictions_of_flight(plan.flight_id)
    assert answer["prediction_id"] == stored.prediction_id
    assert answer["probability"] == stored.probability
    assert answer["features"] == stored.features
    assert answer["at"] == (plan.scheduled_departure - timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    flagged = answer["probability"] >= answer["threshold"]
    assert answer["decision"] == ("warn" if flagged else "do_nothing")
    expected = 1 - answer["probability"] if flagged else 5 * answer["probability"]
    assert answer["expected_cost"] == pytest.approx(expected)
    assert answer["model_version"] == "1"


def test_features_come_only_when_asked_for(client):
    assert "features" not in client.post(ONE, json=request_of(plan_list()[0])).json()


def test_what_is_served_is_what_the_bulk_features_say(client):
    """No skew: the events of the days through HTTP, and flights of the last of them compared with the bulk side."""
    send_all_events(client)
    places = range(len(plan_list()) - 400, len(plan_list()), 10)
    body = {"requests": [request_of(plan_list()[place]) for place in places]}
    served = [answer["probability"] for answer in client.post(MANY, json=body).json()["predictions"]]
    expected = bundle().model.predict_proba(features().iloc[list(places)])
    np.testing.assert_allclose(served, expected, atol=1e-9)
    assert np.std(served) > 0.02


def test_one_and_many_agree(client):
    requests = [request_of(plan) for plan in plan_list()[:30]]
    many = client.post(MANY, json={"requests": requests}).json()["predictions"]
    one = [client.post(ONE, json=request).json() for request in requests]
    assert [answer["probability"] for answer in many] == [answer["probability"] for answer in one]


def test_a_bad_request_in_a_batch_is_refused_alone(client, store):
    good, bad = request_of(plan_list()[0]), request_of(plan_list()[1])
    bad["plan"]["origin"] = "LAX"
    first, second, third = client.post(MANY, json={"requests": [good, bad, good]}).json()["predictions"]
    assert (first["flight_id"], third["flight_id"]) == (plan_list()[0].flight_id,) * 2
    assert second["status"] == 422
    assert second["errors"][0]["field"] == "requests.1.plan.origin"
    assert second["errors"][0]["pointer"] == "#/requests/1/plan/origin"
    assert store.counts()["predictions"] == 2


def test_a_thousand_are_answered_and_one_more_is_not(client, store):
    requests = [request_of(plan) for plan in plan_list()[:1000]]
    assert len(client.post(MANY, json={"requests": requests}).json()["predictions"]) == 1000
    refused(client.post(MANY, json={"requests": [*requests, requests[0]]}), 422, "requests")
    assert store.counts()["predictions"] == 1000


def test_unknown_codes_are_answered_and_counted(client):
    plan = in_json(plan_list()[0]) | {"carrier": "ZZ", "dest": "QQQ", "tailnum": "N0NE"}
    answer = client.post(ONE, json={"plan": plan, "with_features": True})
    assert answer.status_code == 200
    assert 0 < answer.json()["probability"] < 1
    counted = client.get("/metrics").text
    for field in ("carrier", "dest", "tailnum"):
        assert f'mle_unknown_values_total{{field="{field}"}} 1.0' in counted


def test_a_flight_after_midnight_utc_belongs_to_the_evening_before(client):
    late = next(plan for plan in plan_list() if plan.scheduled_departure.hour == 1)
    answer = client.post(ONE, json=request_of(late, with_features=True)).json()
    assert answer["features"]["departure_minute"] >= 21 * 60
    assert answer["features"]["day_of_week"] == (late.scheduled_departure.weekday() - 1) % 7


# ----------------------------------------------------------------------- idempotency


def test_the_same_key_gives_the_same_answer_and_stores_once(client, store):
    headers = {"Idempotency-Key": "once"}
    first = client.post(ONE, json=request_of(plan_list()[0], with_features=True), headers=headers)
    send_all_events(client)  # the world has changed: a new prediction would be another
    again = client.post(ONE, json=request_of(plan_list()[0], with_features=True), headers=headers)
    assert again.json() == first.json()
    assert store.counts()["predictions"] == 1


def test_a_key_is_not_for_another_request(client, store):
    headers = {"Idempotency-Key": "once"}
    client.post(ONE, json=request_of(plan_list()[0]), headers=headers)
    document = refused(client.post(ONE, json=request_of(plan_list()[1]), headers=headers), 422)
    assert plan_list()[0].flight_id in document["detail"]
    assert store.counts()["predictions"] == 1


def test_a_batch_has_one_key(client, store):
    headers, batch = {"Idempotency-Key": "once"}, [request_of(plan) for plan in plan_list()[:3]]
    first = client.post(MANY, json={"requests": batch}, headers=headers).json()
    assert client.post(MANY, json={"requests": batch}, headers=headers).json() == first
    # A longer batch under the same key: the items that are new are answered, those that were are repeated.
    longer = client.post(MANY, json={"requests": [*batch, request_of(plan_list()[3])]}, headers=headers).json()
    assert longer["predictions"][:3] == first["predictions"]
    other = [request_of(plan_list()[3]), request_of(plan_list()[9]), *batch]
    refused(client.post(MANY, json={"requests": other}, headers=headers), 422)
    assert store.counts()["predictions"] == 4


@pytest.mark.parametrize("key", ["", "two words", "x" * 201])
def test_a_key_must_be_a_key(client, store, key):
    response = client.post(ONE, json=request_of(plan_list()[0]), headers={"Idempotency-Key": key})
    refused(response, 422, "header.Idempotency-Key")
    assert store.counts()["predictions"] == 0


# ------------------------------------------------------------------------------ events


def test_events_are_accepted_once_and_bad_ones_refused_alone(client, store):
    good = [in_json(event) for event in event_list()[:3]]
    bad = good[0] | {"at": "yesterday"}
    results = client.post(EVENTS, json={"events": [good[0], bad, good[1], good[0], good[2]]}).json()["events"]
    assert [result.get("result") for result in results] == ["accepted", None, "accepted", "duplicate", "accepted"]
    assert results[1]["status"] == 422
    assert results[1]["errors"][0]["pointer"].startswith("#/events/1/")
    assert store.counts()["events"] == 3


def test_an_event_of_an_unscheduled_flight_is_kept_as_an_outcome(client, store):
    plan = plan_list()[0].model_copy(update={"carrier": "ZZ"})
    event = Cancelled(event_id="z", at=plan.scheduled_departure, flight_id=plan.flight_id)
    results = client.post(EVENTS, json={"events": [in_json(event)]}).json()["events"]
    assert results == [{"event_id": "z", "result": "unscheduled"}]
    assert store.outcome_of_flight(plan.flight_id).disrupted


def test_late_doubled_and_shuffled_events_give_the_same_features(tmp_path):
    asked = {"requests": [request_of(plan, with_features=True) for plan in plan_list()[-200::20]]}
    shuffled = [in_json(event) for event in event_list()]
    shuffled += shuffled[::7]
    np.random.default_rng(0).shuffle(shuffled)
    answers = []
    for number, sent in enumerate(([in_json(event) for event in event_list()], shuffled)):
        store = Store(tmp_path / f"{number}.db")
        with serving(store) as client:
            for start in range(0, len(sent), 1000):
                client.post(EVENTS, json={"events": sent[start : start + 1000]})
            answers.append([answer["features"] for answer in client.post(MANY, json=asked).json()["predictions"]])
        store.close()
    assert len(answers[0]) == 10
    for in_order, out_of_order in zip(*answers, strict=True):
        assert in_order == pytest.approx(out_of_order, abs=1e-9)


def test_a_restart_brings_the_same_state(store):
    asked = {"requests": [request_of(plan) for plan in plan_list()[-300::10]]}
    with serving(store) as client:
        send_all_events(client)
        before = client.post(MANY, json=asked).json()["predictions"]
    with serving(store) as client:
        after = client.post(MANY, json=asked).json()["predictions"]
    assert [answer["probability"] for answer in after] == [answer["probability"] for answer in before]


# ------------------------------------------------------------------- promote and roll back


def test_promotion_and_rollback_take_effect_while_it_runs(store, registry):
    other = bundle("base_rate", version="2")
    with serving(store, registry) as client:
        one = client.post(ONE, json=request_of(plan_list()[0])).json()
        registry.answers = other
        assert eventually(lambda: client.get("/v1/model").json()["version"] == "2")
        two = client.post(ONE, json=request_of(plan_list()[0])).json()
        registry.answers = bundle()
        assert eventually(lambda: client.get("/v1/model").json()["version"] == "1")
        back = client.post(ONE, json=request_of(plan_list()[0])).json()
    assert two["probability"] == pytest.approx(other.model.rate)
    assert (one["model_version"], two["model_version"], back["model_version"]) == ("1", "2", "1")
    assert back["probability"] == one["probability"]
    assert store.counts()["model_versions"] == 2


def test_a_version_that_cannot_be_loaded_changes_nothing_and_is_told_once(store, registry, caplog):
    with serving(store, registry) as client:
        registry.answers = ValueError("the model file was tampered with")
        failures = client.app.state.service.metrics.load_failures
        assert eventually(lambda: failures._value.get() >= 3)
        assert client.post(ONE, json=request_of(plan_list()[0])).json()["model_version"] == "1"
        assert client.get("/readyz").status_code == 200
    assert [record.fields["error"] for record in caplog.records if record.levelname == "ERROR"] == [
        str(registry.answers)
    ]


def test_without_a_champion_it_says_so_until_there_is_one(store):
    registry = MemoryRegistry(RegistryError("there is none"))
    with serving(store, registry) as client:
        assert client.get("/healthz").status_code == 200
        for response in (client.get("/readyz"), client.post(ONE, json=request_of(plan_list()[0]))):
            assert "promote" in refused(response, 503)["detail"]
            assert response.headers["retry-after"] == "1"
        registry.answers = bundle()
        assert eventually(lambda: client.get("/readyz").status_code == 200)


def test_the_model_card_is_there(client):
    card = client.get("/v1/model").json()
    assert card == {
        "version": "1",
        "name": "boosting",
        "threshold": 1 / 6,
        "cost_of_false_alarm": 1.0,
        "cost_of_miss": 5.0,
        "card": bundle().card.to_markdown(),
    }


# --------------------------------------------------------------------------- safe by default


@pytest.mark.parametrize("path", [ONE, MANY, EVENTS])
@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1]])
def test_writing_wants_the_key(client, store, path, key):
    del client.headers["X-API-Key"]
    before = store.counts()
    headers = {} if key is None else {"X-API-Key": key}
    body = {"requests": [request_of(plan_list()[0])], "events": [in_json(event_list()[0])]}
    response = client.post(path, json=body, headers=headers)
    refused(response, 401)
    assert response.headers["www-authenticate"] == "ApiKey"
    assert store.counts() == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"origin": "LAX"}, "plan.origin"),
        ({"dest": "lax"}, "plan.dest"),
        ({"flight": 0}, "plan.flight"),
        ({"flight": "many"}, "plan.flight"),
        ({"flight": True}, "plan.flight"),
        ({"distance": -1}, "plan.distance"),
        ({"scheduled_departure": "2013-07-01T12:00:00"}, "plan.scheduled_departure"),
        ({"scheduled_departure": 1372680000}, "plan.scheduled_departure"),
        ({"scheduled_departure": "1372680000"}, "plan.scheduled_departure"),
        ({"scheduled_arrival": "2013-06-01T12:00:00Z"}, "plan"),
        ({"colour": "red"}, "plan.colour"),
        ({"\ud800": "half a character"}, "plan"),
        ({"a/b~c": 1}, "plan.a/b~c"),
    ],
)
def test_a_refusal_names_the_field(client, store, change, field):
    body = request_of(plan_list()[0])
    body["plan"] |= change
    response = client.post(ONE, content=json.dumps(body), headers={"Content-Type": "application/json"})
    document = refused(response, 422, field)
    assert field in document["detail"]
    assert store.counts()["predictions"] == 0


def test_when_something_was_refused_is_kept_for_the_monitor(client, store):
    plan, event = in_json(plan_list()[0]), in_json(event_list()[0])
    departure, at = (datetime.fromisoformat(moment) for moment in (plan["scheduled_departure"], event["at"]))
    client.post(EVENTS, json={"events": [event, event | {"colour": "red"}, event | {"kind": "boarded"}]})
    client.post(ONE, json={"plan": plan | {"origin": "LAX"}})
    client.post(MANY, json={"requests": [{"plan": plan, "at": "yesterday"}, {"plan": plan}]})
    before = datetime.now(UTC) - timedelta(hours=1)
    client.post(MANY, json={"requests": ["nonsense", {"plan": 1}]})
    hours = [moment.replace(minute=0) for moment in (at, at, departure, departure)]
    assert list(store.refused(datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))) == sorted(hours)
    assert len(store.refused(before, datetime.now(UTC) + timedelta(hours=1))) == 2
    assert store.counts()["predictions"] == 1


@pytest.mark.parametrize("body", [b"{", json.dumps({"plan": {}}).encode()])
def test_who_has_no_key_leaves_no_trace(client, store, body):
    del client.headers["X-API-Key"]
    assert client.post(ONE, content=body, headers={"Content-Type": "application/json"}).status_code in (401, 422)
    assert len(store.refused(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))) == 0


def test_a_refusal_that_cannot_be_noted_is_a_refusal_all_the_same(client, store, monkeypatch):
    monkeypatch.setattr(store, "add_refused", Mock(side_effect=StoreFull("no room left")))
    refused(client.post(ONE, json={"plan": {}}), 422, "plan.carrier")


def test_a_broken_text_names_no_field(client):
    refused(client.post(ONE, content=b"{", headers={"Content-Type": "application/json"}), 422, "body")


def test_a_pointer_is_escaped(client):
    body = {"plan": in_json(plan_list()[0]) | {"a/b~c": 1}}
    assert client.post(ONE, json=body).json()["errors"][0]["pointer"] == "#/plan/a~1b~0c"


def test_what_was_sent_is_not_sent_back(client):
    response = client.post(ONE, json=request_of(plan_list()[0], at="a secret"))
    assert "a secret" not in response.text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 5_000, b"null", b"[]", b'{"plan": NaN}', b'{"plan": 1e999}'],
    ids=lambda body: repr(body[:12]),
)
def test_nonsense_is_refused(client, store, body):
    response = client.post(ONE, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    refused(response, response.status_code)
    assert store.counts()["predictions"] == 0


def test_a_large_body_is_refused_before_it_is_read(client):
    refused(client.post(ONE, content=b" " * 1_000_001), 413)


def test_a_large_body_without_a_length_is_refused_while_it_is_read(client):
    refused(client.post(ONE, content=(b" " * 100_000 for _ in range(11))), 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 5000])
def test_a_length_that_is_none_is_refused(client, length):
    refused(client.post(ONE, content=b"{}", headers={"Content-Length": length}), 413)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", ""])
def test_a_foreign_name_for_this_machine_is_refused(client, host):
    refused(client.get("/healthz", headers={"Host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000"])
def test_its_own_names_are_accepted(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", ONE, 405)])
def test_what_is_not_there_is_a_problem_too(client, method, path, status):
    refused(client.request(method, path), status)


def test_a_body_that_does_not_arrive_is_given_up(store):
    """Straight ASGI: the test client cannot be slow."""
    with serving(store, settings=Settings(api_key=KEY, body_seconds=0.05)) as client:
        sent = []

        async def receive():
            await asyncio.sleep(5)

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"x-api-key", KEY.encode()), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": ONE,
            "raw_path": ONE.encode(),
            "query_string": b"",
            "headers": headers,
            "http_version": "1.1",
            "scheme": "http",
            "server": ("localhost", 8000),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        start = time.monotonic()
        asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert time.monotonic() - start < 3


def test_who_would_wait_too_long_is_sent_away_and_health_answers_meanwhile(store, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    with serving(store, settings=Settings(api_key=KEY, max_waiting=1)) as client:

        def slow(*_):
            begun.set()
            go_on.wait(20)
            raise StoreError("never mind")

        monkeypatch.setattr(store, "add_predictions", slow)
        first = threading.Thread(target=client.post, args=(ONE,), kwargs={"json": request_of(plan_list()[0])})
        first.start()
        try:
            assert begun.wait(10)
            assert "too many" in refused(client.post(ONE, json=request_of(plan_list()[1])), 503)["detail"]
            assert client.get("/healthz").status_code == 200
        finally:
            go_on.set()
            first.join()


@pytest.mark.parametrize(("at_fault", "batches"), [(None, [1, 7]), (5, [1] * 7)])
def test_what_waits_is_scored_together_and_refused_alone(client, store, monkeypatch, at_fault, batches):
    """While the worker is busy seven more clients ask; in the second case one with the key of another flight."""
    client.post(ONE, json=request_of(plan_list()[0]), headers={"Idempotency-Key": "taken"})
    begun, go_on, write, sizes = threading.Event(), threading.Event(), store.add_predictions, []

    def slow(predictions):
        sizes.append(len(predictions))
        begun.set()
        go_on.wait(20)
        return write(predictions)

    def ask(place: int) -> httpx.Response:
        key = {"Idempotency-Key": "taken" if place == at_fault else f"key-{place}"}
        return client.post(ONE, json=request_of(plan_list()[place]), headers=key)

    monkeypatch.setattr(store, "add_predictions", slow)
    with ThreadPoolExecutor(8) as clients:
        first = clients.submit(ask, 1)
        assert begun.wait(10)
        others = [clients.submit(ask, place) for place in range(2, 9)]
        assert eventually(lambda: client.app.state.worker.waiting == 8)
        go_on.set()
        answers = [first.result(), *(other.result() for other in others)]
    assert sizes == batches
    assert [answer.status_code for answer in answers] == [422 if place == at_fault else 200 for place in range(1, 9)]
    for place, answer in enumerate(answers, start=1):
        assert place == at_fault or answer.json()["flight_id"] == plan_list()[place].flight_id
    assert store.counts()["predictions"] == 1 + sum(batches)


def test_a_batch_takes_a_tenth_of_what_its_flights_take_one_by_one(client):
    """In processor time, which a busy machine changes little; a thirtieth, when this was written."""
    batch = {"requests": [request_of(plan) for plan in plan_list()[:1000]]}
    many = min(processor_time(client, MANY, batch) for _ in range(3))
    one = min(sum(processor_time(client, ONE, request) for request in batch["requests"][:50]) for _ in range(3))
    assert many < 1000 / 50 * one / 10


def processor_time(client: TestClient, path: str, body: dict) -> float:
    """Seconds of this process for one request, client included."""
    start = time.process_time()
    assert client.post(path, json=body).status_code == 200
    return time.process_time() - start


# ---------------------------------------------------------------------- when the store fails


def test_a_full_disk_is_a_clear_503_and_nothing_is_half_written(tmp_path):
    store = Store(tmp_path / "store.db", max_bytes=500_000)
    batch = {"requests": [request_of(plan) for plan in plan_list()[:100]]}
    with serving(store) as client:
        answered = 0
        while (response := client.post(MANY, json=batch)).status_code == 200:
            answered += 100
        assert "no room left" in refused(response, 503)["detail"]
        assert response.headers["retry-after"] == "1"
        assert store.counts()["predictions"] == answered > 0
        sent = [in_json(event) for event in event_list()[:1000]]
        before = client.app.state.service.state.movements.departures["EWR"].times[:]
        refused(client.post(EVENTS, json={"events": sent}), 503)
        assert (store.counts()["events"], store.counts()["outcomes"]) == (0, 0)
        assert client.app.state.service.state.movements.departures["EWR"].times == before
        assert client.get("/healthz").status_code == 200
    store.close()


def test_a_commit_that_was_done_and_reported_as_failed_is_not_done_twice(client, store, monkeypatch):
    """Three without a key wait together; their commit is done, and fails all the same: each is tried again."""
    begun, go_on, write, sizes = threading.Event(), threading.Event(), store.add_predictions, []

    def lie(predictions):
        sizes.append(len(predictions))
        begun.set()
        go_on.wait(20)
        stored = write(predictions)
        if len(predictions) > 1:
            raise StoreError("the connection was lost")
        return stored

    monkeypatch.setattr(store, "add_predictions", lie)
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(client.post, ONE, json=request_of(plan_list()[0]))]
        assert begun.wait(10)
        asked += [clients.submit(client.post, ONE, json=request_of(plan)) for plan in plan_list()[1:4]]
        assert eventually(lambda: client.app.state.worker.waiting == 4)
        go_on.set()
        answers = [answer.result() for answer in asked]
    assert sizes == [1, 3, 1, 1, 1]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert store.counts()["predictions"] == len({answer.json()["prediction_id"] for answer in answers}) == 4


def test_who_waits_for_work_that_is_cancelled_hears_it_and_the_next_is_served():
    async def scenario() -> list:
        together = Together(Worker(10), lambda batch: [2 * asked for asked in batch])
        results, together.results = together.results, Mock(side_effect=asyncio.CancelledError)
        lost = asyncio.create_task(together(1))
        await asyncio.wait([lost])
        together.results = results
        return [lost.cancelled(), await asyncio.wait_for(together(21), 10)]

    assert asyncio.run(scenario()) == [True, 42]


@pytest.mark.parametrize("error", [StoreFull("no room left"), StoreError("locked")])
def test_what_is_not_stored_is_not_answered(client, store, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(store, "add_predictions", fail)
    document = refused(client.post(ONE, json=request_of(plan_list()[0])), 503)
    assert document["detail"] == str(error)
    monkeypatch.setattr(store, "check", fail)
    refused(client.get("/readyz"), 503)


def test_a_fault_of_ours_is_a_500_that_tells_nothing(client, store, monkeypatch):
    def fail(*_):
        raise RuntimeError("a secret")

    monkeypatch.setattr(store, "add_predictions", fail)
    document = refused(client.post(ONE, json=request_of(plan_list()[0])), 500)
    assert "secret" not in json.dumps(document)


# -------------------------------------------------------------------------------- watching


def test_requests_are_logged_in_one_line_of_json_with_their_id(client, caplog):
    with caplog.at_level(logging.INFO, "mle.service"):
        response = client.post(ONE, json=request_of(plan_list()[0]), headers={"X-Request-ID": "mine-1"})
        other = client.get("/healthz", headers={"X-Request-ID": "two\twords"})
    assert response.headers["x-request-id"] == "mine-1"
    assert other.headers["x-request-id"] != "two\twords"
    first = next(record for record in caplog.records if record.getMessage() == "request")
    line = JsonLines().format(first)
    assert "\n" not in line
    fields = json.loads(line)
    assert fields | {"time": 0, "milliseconds": 0} == {
        "time": 0,
        "level": "info",
        "message": "request",
        "request_id": "mine-1",
        "method": "POST",
        "path": ONE,
        "status": 200,
        "milliseconds": 0,
    }
    assert 0 < fields["milliseconds"] < 10_000


def test_metrics_count_what_happened(client):
    client.post(ONE, json=request_of(plan_list()[0]))
    client.post(ONE, json={})
    client.post(EVENTS, json={"events": [in_json(event_list()[0])] * 2})
    client.get("/nothing/1")
    client.get("/nothing/2")
    text = client.get("/metrics").text
    for line in (
        'mle_requests_total{method="POST",route="/v1/predictions",status="200"} 1.0',
        'mle_requests_total{method="POST",route="/v1/predictions",status="422"} 1.0',
        'mle_requests_total{method="any",route="none",status="404"} 2.0',
        'mle_refused_items_total{route="/v1/predictions"} 1.0',
        'mle_events_total{kind="observed",result="accepted"} 1.0',
        'mle_events_total{kind="observed",result="duplicate"} 1.0',
        'mle_model{version="1"} 1.0',
    ):
        assert line in text
    assert 'mle_predictions_total{decision="' in text


# ------------------------------------------------------------------------------ the page


def test_the_page_asks_nobody_but_its_own_server(client):
    response = client.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "http" not in response.text.replace("http-equiv", "")


def test_the_flights_of_a_day_are_listed_by_the_clock_of_new_york(client):
    flights = client.get("/v1/flights", params={"day": "2013-07-02", "origin": "JFK"}).json()["flights"]
    expected = plans().loc[lambda table: (table.origin == "JFK") & table.flight_id.str.contains("20130702")]
    assert 250 < len(flights) < 350
    assert flights == sorted(flights, key=lambda flight: flight["departs"])
    assert len({flight["flight_id"] for flight in flights} & set(expected.flight_id)) > 200
    assert client.get("/v1/flights", params={"day": "2014-07-02"}).json() == {"flights": []}


def test_an_explanation_says_what_moves_it_and_what_happened(client, store):
    place = len(plan_list()) - 100
    plan = plan_list()[place]
    path = f"/v1/flights/{plan.flight_id}/explanation"
    assert client.get(path).json()["outcome"] is None
    send_all_events(client)
    told = client.get(path, params={"hours_before": 2}).json()
    model = bundle().model
    assert told["probability"] == pytest.approx(model.predict_proba(features().iloc[[place]])[0], abs=1e-9)
    assert {part["feature"] for part in told["contributions"]} == set(model.columns)
    sizes = [abs(part["contribution"]) for part in told["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    assert told["outcome"].startswith("arrived") or told["outcome"] in ("cancelled", "diverted")
    assert store.counts()["predictions"] == 0


@pytest.mark.parametrize(("flight_id", "status"), [("ZZ1-EWR-20130701T1200Z", 404), ("nonsense", 422)])
def test_no_explanation_of_no_flight(client, flight_id, status):
    refused(client.get(f"/v1/flights/{flight_id}/explanation"), status)


# -------------------------------------------------------------------------- the API key


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLE_API_KEY", raising=False)
    first = api_key(tmp_path / "home")
    path = tmp_path / "home/api_key"
    assert str(path) in capsys.readouterr().err
    assert (api_key(tmp_path / "home"), capsys.readouterr().err) == (first, "")
    assert len(first) >= 40
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setenv("MLE_API_KEY", "from the environment")
    assert api_key(tmp_path / "home") == "from the environment"


def test_many_who_start_at_once_hold_one_key(tmp_path, monkeypatch):
    monkeypatch.delenv("MLE_API_KEY", raising=False)
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: api_key(tmp_path), range(32)))
    assert len(set(keys)) == 1 and len(keys[0]) >= 40


def test_half_a_key_is_never_written(tmp_path, monkeypatch):
    """Who is killed between making the file and filling it must leave no empty key behind."""
    monkeypatch.delenv("MLE_API_KEY", raising=False)
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr("secrets.token_urlsafe", Mock(side_effect=KeyboardInterrupt))
        api_key(tmp_path)
    assert len(api_key(tmp_path)) >= 40


def test_an_empty_key_is_refused():
    with pytest.raises(ValueError, match="the API key is empty"):
        Settings(api_key="")
