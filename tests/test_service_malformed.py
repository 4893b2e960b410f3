"""Malformed requests, made from the service's own OpenAPI document: none is a fault of the service, none writes."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation

from helpers.disruption.store import Store
from tests.serving import BASE, KEY, serving

SEARCH = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


def attack(operation: APIOperation, client: TestClient, store: Store) -> list[int]:
    """Send one operation what its schema forbids; the statuses that came back.

    A part of what schemathesis makes is in order all the same (a mutated header that nobody reads): it is answered.
    """
    statuses = []

    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    @settings(SEARCH)
    def send(case: Case) -> None:
        before = store.counts()
        wanted = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
        headers = {**wanted.headers, "X-API-Key": KEY}
        response = client.request(wanted.method, wanted.url, content=wanted.body, headers=headers)
        statuses.append(response.status_code)
        assert response.status_code < 500
        if response.status_code >= 400:
            assert response.json()["status"] == response.status_code
            assert store.counts() == before

    send()
    return statuses


def test_a_thousand_malformed_requests_bring_no_500_and_change_nothing(store):
    with serving(store) as client:
        document = schemathesis.openapi.from_dict(client.get("/v1/openapi.json").json())
        operations = [found.ok() for found in document.get_all_operations()]
        statuses = chain(*(attack(operation, client, store) for operation in operations if has_input(operation)))
        assert sum(status >= 400 for status in statuses) >= 1000


def has_input(operation: APIOperation) -> bool:
    """Whether there is anything to malform."""
    return bool(list(operation.iter_parameters()) or operation.body)
