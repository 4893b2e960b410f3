"""One flight at a time, from a stream of events: the same features as in bulk, and nothing from the future."""

import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data import Tables, load_tables
from helpers.disruption import features as module
from helpers.disruption.contract import mended, validate
from helpers.disruption.features import (
    CATEGORIES,
    HORIZON,
    SCHEDULE,
    OperationsState,
    UnknownFlight,
    build_features,
)
from helpers.disruption.messages import Arrived, Cancelled, Departed, Diverted, Event, FlightPlan, Observed
from helpers.disruption.stream import as_events, as_plans, events, flight_plans


def month_with_margin(tables: Tables, month: int, days: int = 1) -> Tables:
    """The valid rows of a month and of the days around it."""
    year = tables.flights.year.iloc[0]
    first = pd.Timestamp(year, month, 1) - pd.Timedelta(days=days)
    last = pd.Timestamp(year, month, 1) + pd.offsets.MonthEnd() + pd.Timedelta(days=days)
    flights, weather = (
        table[pd.to_datetime(table[["year", "month", "day"]]).between(first, last)]
        for table in (tables.flights, tables.weather)
    )
    return tables._replace(flights=flights, weather=validate(weather, "weather").good)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_tables(2013)


class World(NamedTuple):
    """A schedule and what happened."""

    plans: pd.DataFrame
    airports: pd.DataFrame
    stream: list[Event]


@pytest.fixture(scope="module")
def november(tables: Tables) -> World:
    near = month_with_margin(tables, 11, days=4)
    return World(flight_plans(near), near.airports, list(as_events(events(near))))


def told(world: World, stream: Iterable[Event]) -> OperationsState:
    """A state that knows the schedule of a world and has been told the events."""
    state = OperationsState(world.plans, world.airports)
    for event in stream:
        state.apply(event)
    return state


def one_by_one(state: OperationsState, plans: Iterable[FlightPlan], horizon: timedelta) -> pd.DataFrame:
    return pd.DataFrame([state.features(plan, plan.scheduled_departure - horizon) for plan in plans])


def by_hundreds(state: OperationsState, plans: Sequence[FlightPlan], horizon: timedelta) -> pd.DataFrame:
    """The flights in batches, shuffled, so that each batch holds moments of the whole time."""
    order = np.random.default_rng(0).permutation(len(plans))
    batches = [[plans[place] for place in order[start : start + 500]] for start in range(0, len(plans), 500)]
    made = [
        pd.DataFrame(state.columns(batch, [plan.scheduled_departure - horizon for plan in batch])) for batch in batches
    ]
    return pd.concat(made).set_index(order).sort_index()


def assert_no_skew(online: pd.DataFrame, bulk: pd.DataFrame) -> None:
    """The same columns in the same order, the same numbers to 1e-9, the same gaps."""
    bulk = bulk.astype(dict.fromkeys(CATEGORIES, "str"))
    pd.testing.assert_frame_equal(online, bulk, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("year", "month"), [(2013, 3), (2023, 11)])
def test_one_at_a_time_and_in_bulk_agree_on_every_flight_of_a_month(year: int, month: int, tables: Tables) -> None:
    """Months with a clock change, in spring and in autumn, ten years apart; at two horizons, one of them 0."""
    near = month_with_margin(tables if year == 2013 else mended(load_tables(year)), month)
    asked = near.flights.index[near.flights.month == month]
    world = World(flight_plans(near), near.airports, [])
    state = told(world, as_events(events(near)))
    plans = list(as_plans(world.plans.loc[asked]))
    for horizon in (HORIZON, timedelta(0)):
        bulk = build_features(near, horizon).loc[asked]
        assert_no_skew(by_hundreds(state, plans, horizon).set_index(asked), bulk)
        assert_no_skew(one_by_one(state, plans[::10], horizon).set_index(asked[::10]), bulk[::10])
    assert len(asked) > 27_000


def other_future(world: World, moment: datetime) -> list[Event]:
    """Events that did not happen, all after the moment: each flight cancelled, and a weather of its own."""
    at = moment + timedelta(seconds=1)
    due = world.plans.scheduled_departure.between(moment - timedelta(hours=12), moment)
    cancelled = [Cancelled(event_id="x" + key, at=at, flight_id=key) for key in world.plans.flight_id[due]]
    later = world.stream[bisect_right(world.stream, moment, key=lambda event: event.at) :][:300]
    seen = [event for event in later if isinstance(event, Observed)]
    assert len(seen) > 5
    return [*cancelled, *(event.model_copy(update={"temp": 0.0, "precip": 1.0, "pressure": 950.0}) for event in seen)]


def foresight(world: World, times: Iterable[datetime]) -> list[str]:
    """Columns that differ between a state that was told all, or another future, and one that was told the past."""
    everything, changed = told(world, world.stream), set()
    for moment in times:
        first, last = (
            bisect_right(world.stream, at, key=lambda event: event.at) for at in (moment - timedelta(days=3), moment)
        )
        days = world.plans.scheduled_departure.between(moment - timedelta(days=5), moment + timedelta(days=2))
        near = world._replace(plans=world.plans[days])
        past, other = told(near, world.stream[first:last]), told(near, world.stream[first:last])
        for event in other_future(near, moment):
            other.apply(event)
        for plan in as_plans(near.plans[near.plans.scheduled_departure == moment + HORIZON]):
            known, *others = (state.features(plan, moment) for state in (past, everything, other))
            changed |= {name for them in others for name in known if repr(known[name]) != repr(them[name])}
    return sorted(changed)


def test_features_do_not_change_when_the_future_does(november: World) -> None:
    departure = november.plans.scheduled_departure[november.plans.scheduled_departure >= "2013-11-01T06:00Z"]
    local = departure.dt.tz_convert("America/New_York")
    change = departure[local.dt.day.eq(3) & local.dt.month.eq(11)]
    special = [change.quantile(q, interpolation="nearest") for q in (0, 0.9)]
    times = [(at - HORIZON).to_pydatetime() for at in [*special, *departure.sample(18, random_state=2)]]
    assert foresight(november, times) == []


def test_that_test_sees_what_is_known_too_early(november: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreseeing(module.Timeline):
        def window(self, until: np.ndarray, hours: int) -> tuple[np.ndarray, np.ndarray]:
            return super().window(until + 3600, hours)

    monkeypatch.setattr(module, "Timeline", Foreseeing)
    monkeypatch.setattr(module, "DELAY", 0.0)
    made = module.WeatherLog.made
    monkeypatch.setattr(module.WeatherLog, "made", lambda self, origin, until, _: made(self, origin, until, np.inf))
    changed = foresight(november, [datetime(2013, 11, 13, 18, tzinfo=UTC)])
    assert {"temp", "rain_3h", "departure_delay_origin_3h", "late_share_origin_24h"} <= set(changed)


# A small world, in which hypothesis looks for a counterexample

NOON = datetime(2013, 11, 3, 12, tzinfo=UTC)  # the day on which the clock goes back


def small_plan(number: int) -> FlightPlan:
    """One of 12 flights, 20 minutes apart, from two origins with two carriers to two destinations."""
    departure = NOON + timedelta(minutes=20 * number)
    return FlightPlan(
        carrier=("UA", "B6")[number % 2],
        flight=number + 1,
        origin=("EWR", "JFK")[number // 2 % 2],
        dest=("LAX", "SJU")[number // 4 % 2],
        scheduled_departure=departure,
        scheduled_arrival=departure + timedelta(hours=5),
        distance=2000,
    )


SMALL = [small_plan(number) for number in range(12)]
AIRPORTS = pd.DataFrame({"faa": ["LAX"], "tzone": ["America/Los_Angeles"]})


def small_state() -> OperationsState:
    plans = pd.DataFrame([plan.model_dump() | {"flight_id": plan.flight_id} for plan in SMALL])
    return OperationsState(plans, AIRPORTS)


seconds_after_noon = st.integers(-4 * 3600, 12 * 3600)
times = seconds_after_noon.map(lambda seconds: NOON + timedelta(seconds=seconds))
keys = st.text("abcdef", min_size=3, max_size=9)
flight_ids = st.sampled_from([plan.flight_id for plan in SMALL])
delays = st.integers(-30, 300)
values = st.one_of(st.none(), st.integers(0, 5).map(float))
pressures = st.one_of(st.none(), st.integers(9900, 10100).map(lambda tenths: tenths / 10))
flight_events = st.one_of(
    st.builds(Departed, event_id=keys, at=times, flight_id=flight_ids, delay_minutes=delays),
    st.builds(Arrived, event_id=keys, at=times, flight_id=flight_ids, delay_minutes=delays),
    st.builds(Cancelled, event_id=keys, at=times, flight_id=flight_ids),
    st.builds(Diverted, event_id=keys, at=times, flight_id=flight_ids),
)


@st.composite
def observed(draw: st.DrawFn) -> Observed:
    hour = NOON + timedelta(hours=draw(st.integers(-8, 8)))
    at = hour + timedelta(minutes=51, seconds=draw(st.integers(0, 4 * 3600)))
    wet = {"precip": draw(values), "temp": draw(values), "pressure": draw(pressures)}
    return Observed(event_id=draw(keys), at=at, origin=draw(st.sampled_from(["EWR", "JFK"])), hour=hour, **wet)


# An id names one event: a second one under it never passes the store.
streams = st.lists(st.one_of(flight_events, observed()), max_size=40, unique_by=lambda event: event.event_id)


def all_features(stream: Iterable[Event], at: datetime) -> list[dict]:
    """The features of all flights; NaN as text, since it is unequal to itself."""
    state = small_state()
    for event in stream:
        state.apply(event)
    return [{name: repr(value) for name, value in state.features(plan, at).items()} for plan in SMALL]


@settings(max_examples=100, deadline=None)
@given(streams, times)
def test_no_event_after_a_moment_changes_a_feature_at_that_moment(stream: list[Event], at: datetime) -> None:
    assert all_features(stream, at) == all_features([event for event in stream if event.at <= at], at)


@settings(max_examples=100, deadline=None)
@given(streams, times, st.data())
def test_order_of_arrival_and_duplicates_change_nothing(stream: list[Event], at: datetime, data: st.DataObject) -> None:
    """Not even when two reports of one thing contradict each other."""
    twice = stream + data.draw(st.lists(st.sampled_from(stream), max_size=10) if stream else st.just([]))
    assert all_features(data.draw(st.permutations(twice)), at) == all_features(stream, at)


@settings(max_examples=100, deadline=None)
@given(streams, st.lists(times, min_size=len(SMALL), max_size=len(SMALL)))
def test_flights_together_have_the_features_of_each_alone(stream: list[Event], moments: list[datetime]) -> None:
    """Each at its own moment, also after its own departure; the last of them is not in the schedule."""
    plans = [*SMALL[:-1], SMALL[-1].model_copy(update={"flight": 99})]
    state = small_state()
    for event in stream:
        state.apply(event)
    together = module.rows_of(state.columns(plans, moments))
    alone = [state.features(plan, at) for plan, at in zip(plans, moments, strict=True)]
    assert repr(together) == repr(alone)


@settings(max_examples=60, deadline=None)
@given(streams)
def test_an_event_that_comes_again_adds_nothing(stream: list[Event]) -> None:
    state = small_state()
    for event in stream:
        state.apply(event)
    assert not any([state.apply(event) for event in stream])


# What the stream may bring


def departed(plan: FlightPlan, delay: float, minutes: float | None = None, event_id: str = "d") -> Departed:
    """The departure of a flight, known some minutes after its schedule; by itself when it leaves."""
    at = plan.scheduled_departure + timedelta(minutes=delay if minutes is None else minutes)
    return Departed(event_id=event_id, at=at, flight_id=plan.flight_id, delay_minutes=delay)


def test_of_two_reports_of_one_departure_the_one_known_first_counts() -> None:
    late, early = departed(SMALL[0], 30, minutes=40, event_id="late"), departed(SMALL[0], 10, event_id="early")
    state, plan = small_state(), SMALL[4]
    assert state.apply(late)
    assert state.features(plan, plan.scheduled_departure)["departure_delay_origin_3h"] == 30
    assert state.apply(early)
    assert state.features(plan, plan.scheduled_departure)["departure_delay_origin_3h"] == 10
    assert not state.apply(late)


def test_a_departure_of_which_nobody_tells_is_waited_for_two_days() -> None:
    state = small_state()
    assert state.apply(departed(SMALL[0], 5))
    due = [flight for flight in SMALL if flight.origin == "EWR"]
    at = due[-1].scheduled_departure
    unplanned = SMALL[0].model_copy(update={"flight": 99})
    assert state.features(unplanned, at)["waiting_origin"] == len(due) - 1
    assert state.features(unplanned, due[1].scheduled_departure + timedelta(hours=48))["waiting_origin"] == len(due) - 2
    assert state.features(unplanned, at + timedelta(hours=48))["waiting_origin"] == 0


def test_any_news_of_a_flight_ends_its_waiting() -> None:
    flight, at = SMALL[0], SMALL[5].scheduled_departure
    for kind, more in [(Arrived, {"delay_minutes": 3}), (Cancelled, {}), (Diverted, {})]:
        state = small_state()
        before = state.features(SMALL[5], at)["waiting_origin"]
        state.apply(kind(event_id="a", at=at, flight_id=flight.flight_id, **more))
        assert state.features(SMALL[5], at)["waiting_origin"] == before - 1


def test_a_cancellation_counts_from_when_it_is_known() -> None:
    state, flight, asked = small_state(), SMALL[0], SMALL[5]
    at = flight.scheduled_departure + timedelta(minutes=30)
    state.apply(Cancelled(event_id="c", at=at, flight_id=flight.flight_id))
    shares = [state.features(asked, at + timedelta(seconds=step))["cancelled_share_origin_6h"] for step in (-1, 0)]
    assert shares == [0, 1 / 2]


def test_an_observation_that_comes_late_counts_from_when_it_is_known() -> None:
    state = small_state()
    for hours, temp, late in [(0, 50.0, 0), (1, 40.0, 120)]:
        hour = NOON + timedelta(hours=hours)
        at = hour + timedelta(minutes=51 + late)
        state.apply(Observed(event_id=f"o{hours}", at=at, origin="EWR", hour=hour, temp=temp))
    asked = [NOON + timedelta(hours=hours) for hours in (0, 2, 4, 7.85, 7.86)]
    temps = [state.features(SMALL[0], at)["temp"] for at in asked]
    np.testing.assert_array_equal(temps, [np.nan, 50, 40, 40, np.nan])


def test_a_flight_that_nobody_planned_is_counted_among_the_planned() -> None:
    state, plan = small_state(), SMALL[0]
    counts = ["flights_origin_hour", "flights_origin_day", "flights_carrier_hour"]
    known = state.features(plan, NOON)
    new = state.features(plan.model_copy(update={"flight": 99}), NOON)
    assert [new[name] - known[name] for name in counts] == [1, 1, 1]


def test_an_airport_that_nobody_knows_has_no_arrival_minute() -> None:
    state = small_state()
    features = state.features(SMALL[0].model_copy(update={"dest": "ZZZ", "carrier": "ZZ"}), NOON)
    assert [name for name in SCHEDULE if features[name] != features[name]] == ["arrival_minute"]
    assert state.features(SMALL[4], NOON)["arrival_minute"] == (13 + 5 - 4) * 60 + 20  # San Juan, UTC-4


def test_an_event_of_an_unknown_flight_is_named() -> None:
    with pytest.raises(UnknownFlight, match=r"^flight UA99-EWR-20131103T1200Z is not in the schedule"):
        small_state().apply(departed(SMALL[0].model_copy(update={"flight": 99}), 1))


def test_a_flight_planned_twice_is_named() -> None:
    plans = pd.DataFrame([SMALL[0].model_dump() | {"flight_id": SMALL[0].flight_id}] * 2)
    with pytest.raises(
        ValueError, match=r"^flight UA1-EWR-20131103T1200Z is planned twice: give each flight one plan$"
    ):
        OperationsState(plans, AIRPORTS)


def test_holidays_are_as_far_from_each_day_as_in_bulk() -> None:
    dates = pd.Series(pd.date_range("2012-12-01", "2024-01-31"))
    online = [module.days_from(day.toordinal(), module.holidays_around(day.year)) for day in dates]
    assert online == module.days_to_holiday(dates).tolist()


def test_the_features_of_a_flight_take_less_than_a_millisecond(november: World) -> None:
    """About 200 microseconds at the median on one core."""
    state, durations = told(november, november.stream), []
    for plan in as_plans(november.plans.sample(500, random_state=4)):
        start = time.perf_counter()
        state.features(plan, plan.scheduled_departure - timedelta(hours=2))
        durations.append(time.perf_counter() - start)
    assert np.median(durations) < 1e-3
