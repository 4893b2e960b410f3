"""The archive of lesson 21: its two doors, what goes wrong at them, and that it goes wrong the same way every time."""

import time
from collections.abc import Iterator

import httpx
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from helpers.data import load_weather, weather_api
from helpers.data.weather_api import TOKEN
from helpers.disruption.server import running

KEY = ["origin", "time_hour"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def client(**behaviour) -> TestClient:
    return TestClient(weather_api.weather_api(**behaviour), headers=HEADERS)


def by_cursor(api: TestClient, limit: int = 1000) -> Iterator[dict]:
    page = {"next": None}
    while page.get("rows") is None or page["next"]:
        page = api.get(
            "/v2/observations", params={"limit": limit, **({"cursor": page["next"]} if page["next"] else {})}
        )
        page = page.json()
        yield from page["rows"]


def test_the_cursor_gives_the_table_as_it_is():
    got = pd.DataFrame(by_cursor(client())).astype(load_weather().dtypes)
    expected = load_weather().sort_values(KEY[::-1], ignore_index=True)
    pd.testing.assert_frame_equal(got, expected, check_exact=True)


def test_the_cursor_loses_and_repeats_nothing_while_rows_come_in():
    got = pd.DataFrame(by_cursor(client(arriving=26)))
    assert len(got) == len(load_weather()) and not got.duplicated(KEY).any()


def test_offsets_repeat_a_row_for_each_that_comes_in_and_the_count_agrees():
    api, rows = client(arriving=26), []
    while True:
        page = api.get("/v1/observations", params={"offset": len(rows)}).json()
        rows += page["rows"]
        if len(rows) >= page["total"]:
            break
    got = pd.DataFrame(rows)
    assert len(got) == page["total"] == len(load_weather())
    assert got.duplicated(KEY).sum() == 78


def test_a_page_is_newest_first_at_one_door_and_oldest_first_at_the_other():
    api = client()
    newest = api.get("/v1/observations", params={"limit": 4}).json()["rows"]
    oldest = api.get("/v2/observations", params={"limit": 4}).json()["rows"]
    assert [(row["time_hour"][:13], row["origin"]) for row in (newest[0], newest[3])] == [
        ("2013-12-30T23", "LGA"),
        ("2013-12-30T22", "LGA"),
    ]
    assert oldest[0]["time_hour"] == "2013-01-01T06:00:00Z"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}], ids=["none", "wrong"])
def test_without_the_token_nothing_is_given(headers):
    answer = TestClient(weather_api.weather_api()).get("/v2/observations", headers=headers)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("params", [{"limit": 1001}, {"limit": 0}, {"cursor": "?"}], ids=str)
def test_a_request_that_makes_no_sense_is_refused(params):
    assert client().get("/v2/observations", params=params).status_code == 422


def test_who_spends_the_budget_waits_and_may_go_on(monkeypatch):
    monkeypatch.setattr(weather_api, "PAUSE", 0.2)
    api = client(budget=2)
    codes = [api.get("/v2/observations").status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]
    time.sleep(0.25)
    assert [api.get("/v2/observations").status_code for _ in range(3)] == [200, 200, 429]


def test_a_fault_comes_once_at_its_number():
    api = client(faults={2: "busy", 3: "cut"})
    answers = [api.get("/v2/observations", params={"limit": 2}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 503, 200, 200]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answers[2].json()
    assert answers[0].json() == answers[3].json()


def test_it_answers_over_a_real_connection_and_is_gone_after_a_failure():
    with pytest.raises(ZeroDivisionError), running(weather_api.weather_api()) as address:
        answer = httpx.get(f"{address}/v2/observations", headers=HEADERS, trust_env=False)
        assert len(answer.json()["rows"]) == 1000
        raise ZeroDivisionError
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
