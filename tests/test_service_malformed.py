"""Malformed requests, made from the service's own OpenAPI document: none is a fault of the service, none writes."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from helpers.disruption.store import Store
from tests.serving import BASE, KEY, serving

SEARCH = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
# Making a request takes longer than answering it, a body with a list in it longest.
EXAMPLES = {
    "POST /v1/predictions": 270,
    "POST /v1/predictions:batch": 40,
    "POST /v1/events": 40,
    "GET /v1/flights": 420,
    "GET /v1/flights/{flight_id}/explanation": 80,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


def malformed(operation: APIOperation, each: Callable[[requests.PreparedRequest], None]) -> None:
    """Make requests that the schema of one operation forbids, and hand over each."""

    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    @settings(SEARCH, max_examples=EXAMPLES[operation.label])
    def make(case: Case) -> None:
        each(requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare())

    make()


def is_refused(response: httpx.Response) -> bool:
    """Whether nothing in a request was accepted: it was refused, or each item of its batch was."""
    if response.status_code >= 400:
        assert response.json()["status"] == response.status_code
        return True
    items = next((part for part in response.json().values() if isinstance(part, list)), [])
    return bool(items) and all("status" in item for item in items)


def as_item(request: requests.PreparedRequest) -> bytes | None:
    """The body of a single request as the only item of a batch; None for what is no JSON."""
    with suppress(ValueError):
        return json.dumps({"requests": [json.loads(request.body)]}).encode()


def test_a_thousand_malformed_requests_bring_no_500_and_change_nothing(store):
    refused, applied = 0, []

    def send(method: str, url: str, headers: Any, body: bytes | None) -> None:
        """A part of what schemathesis makes is in order all the same (a header that nobody reads): it is answered."""
        nonlocal refused
        before = store.counts(), len(applied)
        response = client.request(method, url, content=body, headers={**headers, "X-API-Key": KEY})
        assert response.status_code < 500
        if is_refused(response):
            refused += 1
            assert (store.counts(), len(applied)) == before

    def attack(request: requests.PreparedRequest) -> None:
        send(request.method, request.url, request.headers, request.body)
        if request.path_url == "/v1/predictions" and (body := as_item(request)):
            send("POST", f"{BASE}/v1/predictions:batch", {"Content-Type": "application/json"}, body)

    with serving(store) as client:
        state = client.app.state.service.state
        apply, state.apply = state.apply, lambda event: applied.append(event) or apply(event)
        document = schemathesis.openapi.from_dict(client.get("/v1/openapi.json").json())
        operations = [found.ok() for found in document.get_all_operations()]
        assert {operation.label for operation in operations if has_input(operation)} == set(EXAMPLES)
        for operation in filter(has_input, operations):
            malformed(operation, attack)
    assert refused >= 1000


def has_input(operation: APIOperation) -> bool:
    """Whether there is anything to malform."""
    return bool(list(operation.iter_parameters()) or operation.body)
