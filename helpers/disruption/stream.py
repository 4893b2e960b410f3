"""A year's tables as the messages that would have come: the plan of each flight, and what became known when.

Local time is met only here, where a schedule is read: inside, times are UTC.
"""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from helpers.data import Tables
from helpers.disruption.messages import EVENT, OBSERVATION_DELAY, WEATHER_RANGES, Event, FlightPlan

NEW_YORK = ZoneInfo("America/New_York")  # a day of operations begins and ends on this clock
DIVERSION_DELAY = pd.Timedelta(hours=3)  # from the landing that was expected to the news that there was none
ENDS = ("arrived", "cancelled", "diverted")  # events that tell how a flight ended
ROWS_AT_ONCE = 10_000  # rows of a table that are Python objects at one time

# The airports table leaves these four destinations out.
ZONES_NOT_IN_AIRPORTS = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


def flight_plans(tables: Tables) -> pd.DataFrame:
    """The plan of every flight: ``flight_id`` and the fields of ``FlightPlan``; index and order of the flights.

    Needs ``time_hour`` in true UTC (see ``contract.with_true_utc``). Raises ValueError for a destination without a
    time zone.
    """
    flights = tables.flights
    departure = scheduled_departure(flights)
    plans = flights[["carrier", "flight", "origin", "dest"]].assign(
        scheduled_departure=departure,
        scheduled_arrival=scheduled_arrival(flights, tables.airports),
        distance=flights.distance.astype("float64"),
        tailnum=flights.tailnum,
    )
    number = flights.carrier + flights.flight.astype("str")
    plans.insert(0, "flight_id", number + "-" + flights.origin + "-" + stamp(departure))
    return plans


def events(tables: Tables) -> pd.DataFrame:
    """Everything that became known in the year, one row an event, in order of ``at``; columns as in the models.

    What can happen to a flight: see ``courses``.
    """
    stream = [courses(tables, flight_plans(tables)), observations(tables.weather)]
    return pd.concat(stream).sort_values(["at", "event_id"], ignore_index=True)


def courses(tables: Tables, plans: pd.DataFrame) -> pd.DataFrame:
    """The events of every flight, in no order.

    A flight has one of three courses: cancelled; departed and arrived; departed and diverted. A flight with a
    departure and no arrival delay counts as diverted, whether it landed late elsewhere (717 in 2013, which have a
    clock time of arrival without its day) or left no arrival at all (458). Column that a kind does not have: missing.
    """
    flights = tables.flights
    delayed = plans.scheduled_departure + minutes(flights.dep_delay)
    arrived = plans.scheduled_arrival + minutes(flights.arr_delay)
    landing = plans.scheduled_arrival + minutes(flights.dep_delay.clip(lower=0))
    cancelled = flights.dep_time.isna()
    diverted = ~cancelled & flights.arr_delay.isna()
    found = [
        flight_events("departed", plans, delayed.where(~cancelled), flights.dep_delay),
        flight_events("arrived", plans, arrived, flights.arr_delay),
        flight_events("cancelled", plans, plans.scheduled_departure.where(cancelled)),
        flight_events("diverted", plans, (landing + DIVERSION_DELAY).where(diverted)),
    ]
    return pd.concat(found)


def flight_events(kind: str, plans: pd.DataFrame, at: pd.Series, delay: pd.Series | None = None) -> pd.DataFrame:
    """One event for each flight that has a time in ``at``."""
    happened = at.notna()
    flight_id = plans.flight_id[happened]
    found = pd.DataFrame({"kind": kind, "event_id": flight_id + ":" + kind, "at": at[happened], "flight_id": flight_id})
    return found if delay is None else found.assign(delay_minutes=delay[happened])


def observations(weather: pd.DataFrame) -> pd.DataFrame:
    """One event for each row of the weather, known 51 minutes after its hour began."""
    named = weather[["origin", *WEATHER_RANGES]]
    event_id = weather.origin + "-" + stamp(weather.time_hour) + ":observed"
    at = weather.time_hour + OBSERVATION_DELAY
    return named.assign(kind="observed", event_id=event_id, at=at, hour=weather.time_hour)


def records(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Each row as a dictionary without its missing values: the fields of one message, not checked yet."""
    for start in range(0, len(table), ROWS_AT_ONCE):
        for record in table[start : start + ROWS_AT_ONCE].astype("object").to_dict("records"):
            # Only a missing value is unequal to itself.
            yield {name: value for name, value in record.items() if value == value and value is not None}


def as_events(table: pd.DataFrame) -> Iterator[Event]:
    """Each row of ``events`` as a message. Raises ValidationError at the first row that breaks the contract."""
    return (EVENT.validate_python(record) for record in records(table))


def as_plans(plans: pd.DataFrame) -> Iterator[FlightPlan]:
    """Each row of ``flight_plans`` as a message. Raises ValidationError at the first row that breaks the contract."""
    return (FlightPlan.model_validate(record) for record in records(plans.drop(columns="flight_id")))


def stamp(times: pd.Series) -> pd.Series:
    """Each time as it stands in a key, such as 20130101T1015Z."""
    # Few moments and many rows: each moment is written once.
    place, distinct = pd.factorize(times)
    written = pd.Series(np.datetime_as_string(distinct.tz_convert(None).to_numpy(), unit="m"), dtype="str")
    keys = written.str.replace("[-:]", "", regex=True) + "Z"
    return keys.take(place).set_axis(times.index)


# Times


def scheduled_departure(flights: pd.DataFrame) -> pd.Series:
    """Scheduled departure in UTC. Needs ``time_hour`` in true UTC, as in 2013; in 2023's file it is local time."""
    return flights.time_hour + minutes(flights.minute)


def scheduled_arrival(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    """Scheduled arrival in UTC: the first moment after departure when the destination's clock shows it."""
    departure = scheduled_departure(flights)
    zones = flights.dest.map(time_zones(airports))
    if zones.isna().any():
        unknown = ", ".join(sorted(flights.dest[zones.isna()].unique()))
        raise ValueError(f"no time zone for the destinations {unknown}: add them to the airports table")
    clock = pd.concat([minute_of_day(times.dt.tz_convert(zone)) for zone, times in departure.groupby(zones)])
    # Modulo a day carries a flight past midnight.
    # No flight is scheduled to be in the air when its destination's clock changes.
    return departure + minutes((clock_minutes(flights.sched_arr_time) - clock.reindex(departure.index)) % 1440)


def time_zones(airports: pd.DataFrame) -> dict[str, str]:
    """The name of each airport's time zone, by its code."""
    known = airports.dropna(subset="tzone")
    return known.set_index("faa").tzone.to_dict() | ZONES_NOT_IN_AIRPORTS


def minutes(number: pd.Series) -> pd.Series:
    """A number of minutes as a span of time; missing stays missing."""
    return pd.to_timedelta(number, unit="min")


def minute_of_day(times: pd.Series) -> pd.Series:
    """Minutes after midnight of each time on its own clock."""
    return times.dt.hour * 60 + times.dt.minute


def clock_minutes(clock: pd.Series) -> pd.Series:
    """Minutes after midnight of a clock time written as HHMM: 517 is 5:17, and 2400 is midnight, 0."""
    return (clock // 100 * 60 + clock % 100) % 1440
