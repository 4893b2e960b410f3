"""What lessons rebuild before the learner's eyes gives the values of what runs in the service."""

import pandas as pd

from helpers.course import ROOT
from helpers.course.manifest import load_curriculum
from helpers.data import load_airports, load_flights, load_weather
from helpers.disruption.features import OBSERVATION_AGE_LIMIT, last_observation
from helpers.disruption.messages import HORIZON, OBSERVATION_DELAY
from helpers.disruption.stream import scheduled_arrival, scheduled_departure, time_zones
from tests.answers import namespace


def lesson_21() -> dict:
    return namespace(load_curriculum(ROOT).lesson("21_collect_and_join"))


def test_lesson_21_joins_the_weather_that_the_service_knows():
    flights, weather = load_flights(), load_weather()
    flights = flights.assign(scheduled=scheduled_departure(flights)).sample(20_000, random_state=0).sort_index()
    spans = (pd.Timedelta(HORIZON), pd.Timedelta(OBSERVATION_DELAY), OBSERVATION_AGE_LIMIT)
    found = lesson_21()["as_known"](flights, weather, *spans)
    expected = last_observation(flights.origin, flights.scheduled - HORIZON, weather)
    pd.testing.assert_series_equal(found, expected.temp)


def test_lesson_21_lands_flights_when_the_service_does():
    odd_nights = load_flights().query("(month == 3 and day in (9, 10)) or (month == 11 and day in (2, 3))")
    flights, airports = odd_nights.sample(200, random_state=0), load_airports()
    zones = flights.dest.map(time_zones(airports))
    asked = zip(scheduled_departure(flights), flights.sched_arr_time, zones, strict=True)
    first_shown = lesson_21()["first_shown"]
    assert [first_shown(*flight) for flight in asked] == scheduled_arrival(flights, airports).tolist()
