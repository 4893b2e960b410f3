"""The three parts of the year that the lessons on models use."""

import pytest

from helpers.data import load_flights, load_tables
from helpers.disruption.features import build_features, disrupted
from helpers.disruption.parts import load_parts
from helpers.disruption.stream import scheduled_departure


@pytest.fixture(scope="module")
def parts():
    return load_parts()


def test_the_parts_hold_the_year_once_and_follow_each_other(parts):
    assert [len(part.target) for part in parts] == [166_158, 58_752, 111_866]
    assert parts.train.days.max() < parts.choose.days.min() and parts.choose.days.max() < parts.test.days.min()


def test_each_flight_keeps_its_features_and_outcome(parts):
    tables = load_tables()
    features, target = build_features(tables), disrupted(tables.flights)
    for part in parts:
        assert part.target.equals(target[part.target.index])
        assert part.features.distance.equals(features.distance[part.features.index])
        assert part.features.carrier.equals(tables.flights.carrier[part.days.index])


def test_a_part_is_in_order_of_departure_and_then_of_name_not_of_the_file(parts):
    plan = load_flights().assign(departure=scheduled_departure)
    plan = plan[["departure", "origin", "carrier", "flight"]]
    for part in parts:
        found = plan.loc[part.target.index]
        assert found.equals(found.sort_values(list(found)))
