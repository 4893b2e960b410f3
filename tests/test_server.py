"""A home from nothing: a champion is trained, the service answers with it, and it stops when it is told to."""

import threading
from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from helpers.data import Tables, load_tables
from helpers.disruption.retrain import NotEnoughDays, Recipe, history, midnight, train_first
from helpers.disruption.server import Home, running, running_service
from helpers.disruption.stream import flight_plans
from tests.serving import plan_list, request_of

RECIPE = Recipe("boosting", params={"max_iter": 5})


@pytest.fixture(scope="module")
def tables() -> Tables:
    """The flights from Newark of January and February 2013."""
    tables = load_tables()
    rows = "month <= 2 and origin == 'EWR'"
    return tables._replace(
        flights=tables.flights.query(rows).reset_index(drop=True),
        weather=tables.weather.query(rows).reset_index(drop=True),
    )


@pytest.fixture(scope="module")
def home(tables, tmp_path_factory) -> Iterator[Home]:
    """A home with a champion of its own."""
    home = Home(tmp_path_factory.mktemp("home"))
    train_first(home.registry, history(tables), midnight(date(2013, 3, 1)).to_pydatetime(), RECIPE)
    yield home
    home.store.close()


def test_a_home_from_nothing_answers_and_keeps_the_answer(home, tables):
    with running_service(home, tables) as client:
        assert client.get("/readyz").json() == {"status": "ready", "model_version": "1"}
        answer = client.post("/v1/predictions", json=request_of(plan_list()[0])).json()
    (kept,) = home.store.predictions_of_flight(answer["flight_id"])
    assert (kept.prediction_id, kept.probability) == (answer["prediction_id"], answer["probability"])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{client.base_url}/healthz")


def test_the_first_champion_learns_of_nothing_that_comes_later(home, tables):
    card = home.registry.champion().card
    assert (card.trained.first, card.trained.last) == ("2013-01-01", "2013-02-27")  # the 28th still flies at midnight
    departures = flight_plans(tables).scheduled_departure
    assert card.trained.flights == (departures < midnight(date(2013, 2, 28))).sum()
    with pytest.raises(NotEnoughDays, match="wait until there are 56"):
        train_first(home.registry, history(tables), midnight(date(2013, 2, 20)).to_pydatetime(), RECIPE)


def test_it_stops_when_the_block_fails(home, tables):
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError), running_service(home, tables) as client:
        assert client.get("/healthz").status_code == 200
        raise ZeroDivisionError
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{client.base_url}/healthz")
    assert threading.active_count() <= threads


def test_what_cannot_start_says_so():
    async def broken(scope, receive, send):
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="the service did not start"), running(broken):
        pass
