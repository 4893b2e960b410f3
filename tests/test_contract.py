"""The contract refuses what is wrong, in words that name it, and lets through what is right."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from helpers.data import Tables, load_tables
from helpers.disruption.contract import (
    SCHEMAS,
    WholeFileFault,
    check_units,
    mended,
    validate,
    with_local_hours,
    with_true_utc,
)
from helpers.disruption.features import OPERATIONS, SCHEDULE, WEATHER, build_features
from helpers.disruption.messages import EVENT, WEATHER_RANGES, Arrived, FlightPlan, PredictionRequest
from helpers.disruption.stream import as_events, as_plans, events, flight_plans, scheduled_arrival, scheduled_departure

PLAN = {
    "carrier": "UA",
    "flight": 1545,
    "origin": "EWR",
    "dest": "IAH",
    "scheduled_departure": "2013-01-01T05:15:00-05:00",
    "scheduled_arrival": "2013-01-01T14:19:00Z",
    "distance": 1400,
}
FLIGHT_ID = "UA1545-EWR-20130101T1015Z"
DEPARTED = {
    "kind": "departed",
    "event_id": "a",
    "at": "2013-01-01T10:17:00Z",
    "flight_id": FLIGHT_ID,
    "delay_minutes": 2,
}
OBSERVED = {
    "kind": "observed",
    "event_id": "b",
    "origin": "EWR",
    "hour": "2013-01-01T06:00:00Z",
    "at": "2013-01-01T06:51:00Z",
    "temp": 39.02,
}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_tables(2013)


@pytest.fixture(scope="module")
def raw_2023() -> Tables:
    return load_tables(2023)


@pytest.fixture(scope="module")
def mended_2023(raw_2023: Tables) -> Tables:
    return mended(raw_2023)


@pytest.fixture(scope="module")
def july(tables: Tables) -> Tables:
    return tables._replace(flights=tables.flights.query("month == 7"), weather=tables.weather.query("month == 7"))


@pytest.fixture(scope="module")
def plans(tables: Tables) -> pd.DataFrame:
    return flight_plans(tables)


@pytest.fixture(scope="module")
def stream(july: Tables) -> pd.DataFrame:
    return events(july)


@pytest.fixture(scope="module")
def features(july: Tables) -> pd.DataFrame:
    return build_features(july)


def fields(error: ValidationError) -> list[str]:
    """The field that each complaint names."""
    return [".".join(map(str, complaint["loc"])) for complaint in error.errors()]


# One message


def test_a_plan_is_kept_in_utc_and_has_a_key() -> None:
    plan = FlightPlan.model_validate(PLAN)
    assert plan.scheduled_departure == datetime(2013, 1, 1, 10, 15, tzinfo=UTC)
    assert plan.scheduled_departure.tzinfo is UTC
    assert plan.flight_id == FLIGHT_ID
    assert FlightPlan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("carrier", "United", "match pattern"),
        ("flight", 0, "greater than or equal to 1"),
        ("origin", "BOS", "'EWR', 'JFK' or 'LGA'"),
        ("dest", "iah", "match pattern"),
        ("scheduled_departure", "2013-01-01T05:15:00", "timezone info"),
        ("scheduled_departure", 1357035300, "give a moment as text with its offset"),
        ("scheduled_departure", "2013-01-01T10:15:30Z", "whole minutes"),
        ("scheduled_departure", "0001-01-01T00:00:00+14:00", "from 2000 to 2099"),
        ("scheduled_departure", "9999-12-31T23:59:00-12:00", "from 2000 to 2099"),
        ("distance", float("inf"), "finite number"),
        ("distance", 0, "greater than 0"),
        ("tailnum", "N1\x00", "match pattern"),
        ("seats", 150, "not permitted"),
    ],
)
def test_a_bad_field_of_a_plan_is_named(field: str, value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        FlightPlan.model_validate(PLAN | {field: value})
    assert fields(refused.value) == [field]


@pytest.mark.parametrize("arrival", ["2013-01-01T10:15:00Z", "2013-01-02T10:16:00Z"])
def test_a_flight_takes_time_but_not_more_than_a_day(arrival: str) -> None:
    with pytest.raises(ValidationError, match="scheduled_arrival must be after scheduled_departure, by a day at most"):
        FlightPlan.model_validate(PLAN | {"scheduled_arrival": arrival})


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (DEPARTED | {"delay_minutes": 10_000}, "departed.delay_minutes"),
        (DEPARTED | {"delay_minutes": float("nan")}, "departed.delay_minutes"),
        (DEPARTED | {"flight_id": "UA1545"}, "departed.flight_id"),
        (DEPARTED | {"flight_id": "UA1545-EWR-20130230T1015Z"}, "departed.flight_id"),
        (DEPARTED | {"flight_id": "UA1545-EWR-20130101T1065Z"}, "departed.flight_id"),
        (DEPARTED | {"flight_id": "UA1545-EWR-19990101T1015Z"}, "departed.flight_id"),
        (DEPARTED | {"event_id": ""}, "departed.event_id"),
        (DEPARTED | {"event_id": "a\x00"}, "departed.event_id"),
        (DEPARTED | {"at": "yesterday"}, "departed.at"),
        (DEPARTED | {"kind": "cancelled"}, "cancelled.delay_minutes"),
        (OBSERVED | {"wind_speed": 1048.36}, "observed.wind_speed"),
        (OBSERVED | {"temp": "warm"}, "observed.temp"),
        (OBSERVED | {"temperature": 40}, "observed.temperature"),
    ],
)
def test_a_bad_field_of_an_event_is_named(event: dict, field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        EVENT.validate_python(event)
    assert fields(refused.value) == [field]


def test_an_event_of_no_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="'departed', 'arrived', 'cancelled', 'diverted', 'observed'"):
        EVENT.validate_python(DEPARTED | {"kind": "boarded"})


def test_weather_is_not_known_before_it_is_observed() -> None:
    assert EVENT.validate_python(OBSERVED).temp == 39.02
    with pytest.raises(ValidationError, match="the observation is not made yet"):
        EVENT.validate_python(OBSERVED | {"at": "2013-01-01T06:50:59Z"})
    with pytest.raises(ValidationError, match="hour must be a whole hour"):
        EVENT.validate_python(OBSERVED | {"hour": "2013-01-01T05:30:00Z"})


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        EVENT.validate_python(DEPARTED).delay_minutes = 0


def test_a_request_looks_two_hours_ahead_unless_it_says_otherwise() -> None:
    departure = FlightPlan.model_validate(PLAN).scheduled_departure
    assert PredictionRequest(plan=PLAN).decision_time == departure - timedelta(hours=2)
    assert PredictionRequest(plan=PLAN, at=departure).decision_time == departure
    with pytest.raises(ValidationError, match="at must not be after the scheduled departure"):
        PredictionRequest(plan=PLAN, at=departure + timedelta(minutes=1))


# A year as it would have come


@pytest.mark.parametrize("year", [2013, 2023])
def test_every_flight_has_its_own_key(year: int, plans: pd.DataFrame, mended_2023: Tables) -> None:
    plans = plans if year == 2013 else flight_plans(mended_2023)
    assert plans.flight_id.is_unique
    assert plans.flight_id.str.fullmatch(r"[A-Z0-9]{2}[1-9]\d{0,3}-(EWR|JFK|LGA)-\d{8}T\d{4}Z").all()


def test_plans_become_messages_with_the_same_key(plans: pd.DataFrame) -> None:
    sample = pd.concat([plans.sample(2000, random_state=0), plans[plans.tailnum.isna()].head(100)])
    messages = list(as_plans(sample))
    assert [message.flight_id for message in messages] == sample.flight_id.tolist()
    assert [message.scheduled_arrival for message in messages] == sample.scheduled_arrival.tolist()
    assert sum(message.tailnum is None for message in messages) == sample.tailnum.isna().sum()


def test_every_flight_has_one_course_of_events(stream: pd.DataFrame, july: Tables) -> None:
    happened = stream.dropna(subset="flight_id").sort_values(["flight_id", "at"])
    course = happened.groupby("flight_id").kind.agg(" ".join)
    cancelled = july.flights.dep_time.isna()
    lost = july.flights.dep_time.notna() & july.flights.arr_delay.isna()
    assert course.value_counts().to_dict() == {
        "departed arrived": (~cancelled & ~lost).sum(),
        "cancelled": cancelled.sum(),
        "departed diverted": lost.sum(),
    }
    assert (stream.kind == "observed").sum() == len(july.weather)
    assert stream.event_id.is_unique
    assert stream["at"].is_monotonic_increasing


def test_events_come_when_they_are_known(stream: pd.DataFrame, plans: pd.DataFrame) -> None:
    stream = stream.merge(plans, on="flight_id", how="left", suffixes=("", "_of_plan"))
    delay = pd.to_timedelta(stream.delay_minutes, unit="min")
    known_at = {
        "departed": stream.scheduled_departure + delay,
        "arrived": stream.scheduled_arrival + delay,
        "cancelled": stream.scheduled_departure,
        "observed": stream.hour + pd.Timedelta(minutes=51),
    }
    for kind, expected in known_at.items():
        of_kind = stream.kind == kind
        assert of_kind.sum() > 100
        assert (stream["at"] == expected)[of_kind].all()
    diverted = stream.kind == "diverted"
    assert diverted.sum() > 100
    assert (stream["at"] >= stream.scheduled_arrival + pd.Timedelta(hours=3))[diverted].all()


def test_events_become_messages_without_missing_values(stream: pd.DataFrame) -> None:
    stream = stream.tail(3000)
    messages = list(as_events(stream))
    assert [message.event_id for message in messages] == stream.event_id.tolist()
    arrived = [message.delay_minutes for message in messages if isinstance(message, Arrived)]
    assert arrived == stream.delay_minutes[stream.kind == "arrived"].tolist()
    seen = stream[stream.kind == "observed"]
    gusts = [message.wind_gust for message in messages if message.kind == "observed"]
    assert [np.nan if gust is None else gust for gust in gusts] == pytest.approx(seen.wind_gust.tolist(), nan_ok=True)
    assert 0 < seen.wind_gust.isna().mean() < 1


def test_an_impossible_wind_is_refused_in_the_stream_as_in_the_table(tables: Tables) -> None:
    weather = tables.weather.query("wind_speed > 1000")
    with pytest.raises(ValidationError, match="wind_speed"):
        list(as_events(events(tables._replace(flights=tables.flights.head(1), weather=weather))))
    assert validate(weather, "weather").refused.rules.tolist() == ["wind_speed is between 0 and 200"]


# A whole table


def test_2013_keeps_its_contract_but_for_one_wind(tables: Tables) -> None:
    parts = {name: validate(table, name) for name, table in tables._asdict().items()}
    assert {name: len(part.refused) for name, part in parts.items() if len(part.refused)} == {"weather": 1}
    for name, table in tables._asdict().items():
        good = parts[name].good
        pd.testing.assert_frame_equal(good, table.drop(index=parts[name].refused.index))


@pytest.mark.parametrize(("year", "name"), [(2013, "flights"), (2013, "weather"), (2023, "flights"), (2023, "weather")])
def test_no_month_raises_a_false_alarm_about_its_units(
    year: int, name: str, tables: Tables, mended_2023: Tables
) -> None:
    """Alone of all rules, that of the units looks at a table as a whole: what a year keeps, a month might not."""
    table = getattr(tables if year == 2013 else mended_2023, name)
    table = SCHEMAS[name].coerce_dtype(table.copy())  # which changes the frame that it is given
    months = [check_units(part, name) for _, part in table.groupby("month")]
    assert len(months) == 12


def test_the_contract_of_2013_finds_what_changed_in_2023(raw_2023: Tables) -> None:
    """As the file comes; with the gust gone, for the next fault; planes, airports and airlines pass."""
    with pytest.raises(WholeFileFault, match=r"^flights: 435,352 of 435,352 rows break the rule 'time_hour shows"):
        validate(raw_2023.flights, "flights")
    with pytest.raises(WholeFileFault, match=r"^weather: wind_gust not in miles per hour"):
        validate(raw_2023.weather, "weather")
    with pytest.raises(WholeFileFault, match=r"^weather: 26,207 of 26,207 rows break the rule 'time_hour shows"):
        validate(raw_2023.weather.assign(wind_gust=np.nan), "weather")
    for name in ("planes", "airports", "airlines"):
        assert validate(getattr(raw_2023, name), name).refused.empty


def test_types_ranges_and_keys_alone_find_nothing_in_2023(raw_2023: Tables) -> None:
    """What would be silent: without the rules on several columns and on units no row of 2023 is refused."""
    for name in ("flights", "weather"):
        of_columns = type(SCHEMAS[name])(SCHEMAS[name].columns)
        table = getattr(raw_2023, name)
        assert len(of_columns.validate(table, lazy=True)) == len(table)


def test_mended_2023_keeps_the_contract_but_for_one_impossible_schedule(mended_2023: Tables) -> None:
    """Two flights of the nights on which the clock changed are an hour off the clocks, and good."""
    parts = {name: validate(table, name) for name, table in mended_2023._asdict().items()}
    assert {name: len(part.refused) for name, part in parts.items() if len(part.refused)} == {"flights": 1}
    assert parts["flights"].refused.rules.tolist() == ["arr_delay is arr_time less sched_arr_time"]


@pytest.mark.parametrize(
    ("month", "day", "off", "refused"),
    [(3, 9, 60, 0), (3, 9, -60, 20), (3, 9, 59, 20), (3, 10, 60, 20), (11, 2, -60, 0), (11, 2, 60, 20), (7, 1, 60, 20)],
)
def test_a_delay_may_miss_the_clocks_by_the_hour_of_a_clock_change_and_by_no_other(
    tables: Tables, month: int, day: int, off: int, refused: int
) -> None:
    flights = tables.flights.query("month == @month and day == @day and dep_delay.notna()").tail(20)
    found = validate(flights.assign(dep_delay=flights.dep_delay - off), "flights").refused
    assert found.rules.tolist() == ["dep_delay is dep_time less sched_dep_time"] * refused


def in_celsius(fahrenheit: pd.Series) -> pd.Series:
    return (fahrenheit - 32) / 1.8


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("temp", lambda weather: weather.assign(temp=in_celsius(weather.temp), dewp=in_celsius(weather.dewp))),
        ("temp", lambda weather: weather.assign(temp=in_celsius(weather.temp))),
        ("humid", lambda weather: weather.assign(humid=weather.humid / 100)),
        ("wind_speed", lambda weather: weather.assign(wind_speed=weather.wind_speed * 0.44704)),
        ("wind_speed", lambda weather: weather.assign(wind_speed=weather.wind_speed / 1.15078)),
        ("wind_gust", lambda weather: weather.assign(wind_gust=weather.wind_gust * 1.609344)),
        ("wind_dir", lambda weather: weather.assign(wind_dir=np.radians(weather.wind_dir))),
        ("precip", lambda weather: weather.assign(precip=weather.precip * 25.4)),
        ("pressure", lambda weather: weather.assign(pressure=weather.pressure / 33.8639)),
        ("visib", lambda weather: weather.assign(visib=weather.visib * 1.609344)),
    ],
)
@pytest.mark.parametrize("month", [1, 7])
def test_a_changed_unit_of_the_weather_is_named(
    tables: Tables, month: int, column: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    with pytest.raises(WholeFileFault, match=f"^weather: .*{column}.* not in .*: ask the source for the unit$"):
        validate(change(tables.weather.query("month == @month")), "weather")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda flights: flights.assign(distance=(flights.distance * 1.609344).round()), "distance or air_time not in"),
        (lambda flights: flights.assign(air_time=flights.air_time / 60), "distance or air_time not in"),
        (lambda flights: flights.assign(dep_delay=flights.dep_delay * 60), "'dep_delay is dep_time less"),
    ],
)
def test_a_changed_unit_of_the_flights_is_named(july: Tables, changed: Callable, words: str) -> None:
    with pytest.raises(WholeFileFault, match=words):
        validate(changed(july.flights), "flights")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_missing_column_is_named(name: str, july: Tables, features: pd.DataFrame) -> None:
    table = features.head(300) if name == "features" else getattr(july, name)
    lost = list(SCHEMAS[name].columns)[-1]
    with pytest.raises(WholeFileFault, match=f"^{name}: the column {lost} is missing: ask the source"):
        validate(table.drop(columns=lost), name)


def test_a_row_that_breaks_several_rules_is_refused_once_with_all(july: Tables) -> None:
    flights = july.flights.head(300).set_axis([f"row {n}" for n in range(300)])
    flights.loc["row 7", ["carrier", "distance", "arr_time"]] = ["united", -3, 9999]
    flights.loc["row 9", "dep_delay"] += 1
    flights.loc["row 11"] = flights.loc["row 10"]
    good, refused = validate(flights, "flights")
    assert refused.rules.to_dict() == {
        "row 7": "carrier matches [A-Z0-9]{2}; distance is between 1 and 12000; arr_time is between 0 and 2400; "
        "arr_time has minutes below 60; arr_delay is arr_time less sched_arr_time",
        "row 9": "dep_delay is dep_time less sched_dep_time",
        "row 11": "no earlier row has the same carrier, flight, origin, time_hour, minute",
    }
    assert good.index.tolist() == [name for name in flights.index if name not in refused.index]
    pd.testing.assert_frame_equal(refused.drop(columns="rules"), flights.loc[refused.index])


def test_a_value_of_the_wrong_type_costs_its_row_only(july: Tables) -> None:
    flights = july.flights.head(300).astype({"distance": "object", "time_hour": "object", "month": "float64"})
    flights.iloc[3, flights.columns.get_loc("distance")] = "far"
    flights.iloc[4, flights.columns.get_loc("time_hour")] = "noon"
    flights.iloc[5, flights.columns.get_loc("distance")] = 99.5
    flights.iloc[6, flights.columns.get_loc("month")] = np.nan
    good, refused = validate(flights, "flights")
    assert refused.rules.str.split("; ").str[0].tolist() == [
        "distance is a number",
        "time_hour is a moment",
        "distance is a whole number",
        "month is given",
    ]
    pd.testing.assert_frame_equal(good, july.flights.head(300).drop(index=refused.index))


def test_most_rows_with_one_fault_are_a_fault_of_the_file(july: Tables) -> None:
    flights = july.flights.head(300)
    half = flights.assign(carrier=flights.carrier.where(np.arange(300) < 150, "?"))
    assert len(validate(half, "flights").refused) == 150
    more = flights.assign(carrier=flights.carrier.where(np.arange(300) < 149, "?"))
    with pytest.raises(WholeFileFault, match=r"^flights: 151 of 300 rows break the rule 'carrier matches "):
        validate(more, "flights")


def test_a_few_rows_are_judged_one_by_one(july: Tables) -> None:
    few = july.weather.head(40).assign(wind_speed=4.0, wind_gust=np.nan, visib=16.0)
    assert len(validate(few, "weather").refused) == 40


def test_columns_that_the_contract_does_not_name_are_kept(july: Tables) -> None:
    assert validate(july.flights.head(100).assign(gate="A1"), "flights").good.gate.eq("A1").all()


def test_an_empty_table_keeps_its_contract(july: Tables) -> None:
    good, refused = validate(july.flights.head(0), "flights")
    assert len(good) == len(refused) == 0


def test_an_unknown_contract_is_refused(july: Tables) -> None:
    with pytest.raises(ValueError, match=r"^there is no contract for 'gates': choose from flights, weather, "):
        validate(july.flights, "gates")


def test_features_keep_their_contract(features: pd.DataFrame) -> None:
    good, refused = validate(features, "features")
    assert refused.empty
    pd.testing.assert_frame_equal(good, features)
    assert tuple(SCHEMAS["features"].columns) == SCHEDULE + WEATHER + OPERATIONS
    broken = features.assign(waiting_origin=features.waiting_origin.where(features.index != features.index[0]))
    assert validate(broken, "features").refused.rules.tolist() == ["waiting_origin is given"]


def test_a_message_and_a_table_share_their_ranges() -> None:
    low_and_high = {name: SCHEMAS["weather"].columns[name].checks[0].name for name in WEATHER_RANGES}
    assert low_and_high == {name: f"is between {low:g} and {high:g}" for name, (low, high) in WEATHER_RANGES.items()}
    for name, (_, high) in WEATHER_RANGES.items():
        assert getattr(EVENT.validate_python(OBSERVED | {name: high}), name) == high
        with pytest.raises(ValidationError, match=name):
            EVENT.validate_python(OBSERVED | {name: high + 0.1})


# The year 2023


def test_mending_leaves_2013_as_it_is(tables: Tables) -> None:
    for left, right in zip(tables, mended(tables), strict=True):
        pd.testing.assert_frame_equal(left, right)


def test_true_utc_of_2023_shows_the_schedule_and_explains_the_arrivals(mended_2023: Tables) -> None:
    """Scheduled arrival plus delay must be the recorded clock time, as in 2013: a check of zones and midnights."""
    flights = mended_2023.flights
    local = scheduled_departure(flights).dt.tz_convert("America/New_York")
    assert (local.dt.hour * 100 + local.dt.minute == flights.sched_dep_time).all()
    arrival = scheduled_arrival(flights, mended_2023.airports)
    landing = (arrival + pd.to_timedelta(flights.arr_delay, unit="min")).dropna()
    zones = flights.dest.map(mended_2023.airports.set_index("faa").tzone)
    there = pd.concat([times.dt.tz_convert(zone).dt.tz_localize(None) for zone, times in landing.groupby(zones)])
    clock = (there.dt.hour * 100 + there.dt.minute).reindex(landing.index)
    wrong = flights.loc[landing.index][clock != flights.arr_time[landing.index] % 2400]
    # Twelve landed after the clock went forward and were recorded in the old time; one schedule is impossible.
    assert wrong[["month", "day"]].value_counts().to_dict() == {(3, 11): 12, (10, 23): 1}


def test_the_mending_does_not_touch_the_file_as_it_comes(raw_2023: Tables) -> None:
    assert (raw_2023.flights.time_hour.dt.hour == raw_2023.flights.hour).all()
    assert with_true_utc(with_true_utc(raw_2023)).flights.equals(with_true_utc(raw_2023).flights)
    assert not with_local_hours(raw_2023.weather).hour.equals(raw_2023.weather.hour)


def test_the_obvious_join_of_2023_matches_and_is_wrong_by_hours(raw_2023: Tables, mended_2023: Tables) -> None:
    key = ["origin", "time_hour"]
    matched = raw_2023.flights[key].merge(raw_2023.weather[key], how="left", on=key, indicator=True)
    assert (matched._merge == "both").mean() > 0.997
    error = mended_2023.flights.time_hour - raw_2023.flights.time_hour
    assert sorted(error.unique()) == [pd.Timedelta(hours=4), pd.Timedelta(hours=5)]


def test_gusts_of_2023_are_all_derived(mended_2023: Tables) -> None:
    assert mended_2023.weather.wind_gust.isna().all()
