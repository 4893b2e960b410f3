"""What the system accepts: the plan of a flight, the events of a day, a request for a prediction, and whole tables.

Three doors, one rule: what comes in is checked once, at the door, and trusted afterwards.

- ``FlightPlan``, ``Event`` and ``PredictionRequest`` are pydantic models: one message, refused with the name of the
  field that is wrong.
- ``flight_plans`` and ``events`` turn a year's tables into such messages: the year as it would have come.
- ``validate`` holds a table against its pandera schema: the rows that keep the rules, the rows that do not with the
  rules they broke, and one error when the whole file is wrong.

When is a thing known? An observation of hour h at h + 51 minutes, when the airport makes its report. A departure when
the aircraft departs, an arrival when it arrives. A cancellation at the scheduled departure, since nobody recorded when
it was decided. A diversion three hours after the flight should have landed.

Times are UTC inside. Local time is met only here, where a schedule is read.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from helpers.data import Tables

ORIGINS = ("EWR", "JFK", "LGA")
HORIZON = pd.Timedelta(hours=2)  # from the decision to the scheduled departure
OBSERVATION_DELAY = pd.Timedelta(minutes=51)  # the observation of hour h is made at h:51
DIVERSION_DELAY = pd.Timedelta(hours=3)  # from the landing that was expected to the news that there was none
YEARS = (2000, 2100)  # moments outside these years are mistakes of a clock or of a unit

# Lowest and highest value that can be true, in the units of the weather table.
WEATHER_RANGES = {
    "temp": (-60.0, 130.0),
    "dewp": (-80.0, 100.0),
    "humid": (0.0, 100.0),
    "wind_dir": (0.0, 360.0),
    "wind_speed": (0.0, 200.0),
    "wind_gust": (0.0, 250.0),
    "precip": (0.0, 5.0),
    "pressure": (900.0, 1080.0),
    "visib": (0.0, 10.0),
}

# The airports table leaves these four destinations out.
ZONES_NOT_IN_AIRPORTS = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


# One message


def no_number(value: Any) -> Any:
    """Refuse a number where a moment is wanted: nobody can tell whether it counts seconds or milliseconds."""
    if isinstance(value, int | float):
        raise ValueError("give a moment as text with its offset from UTC, such as 2013-07-01T18:30:00Z")
    return value


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC. Raises ValueError outside 2000-2099."""
    if not YEARS[0] <= moment.year < YEARS[1]:
        raise ValueError(f"the year must be from {YEARS[0]} to {YEARS[1] - 1}")
    if isinstance(moment, pd.Timestamp):
        moment = moment.to_pydatetime(warn=False)
    return moment.astimezone(UTC)


def whole_minute(moment: datetime) -> datetime:
    """The moment itself. Raises ValueError when it has seconds: two plans of one minute would share one key."""
    if moment.second or moment.microsecond:
        raise ValueError("a schedule counts in whole minutes")
    return moment


def matching(pattern: str) -> Any:
    """Text that matches the pattern as a whole."""
    return Annotated[str, StringConstraints(pattern=f"^(?:{pattern})$")]


Moment = Annotated[AwareDatetime, BeforeValidator(no_number), AfterValidator(in_utc)]
ScheduledMoment = Annotated[Moment, AfterValidator(whole_minute)]
Origin = Literal["EWR", "JFK", "LGA"]
Destination = matching("[A-Z]{3}")
Carrier = matching("[A-Z0-9]{2}")
TailNumber = matching("[A-Z0-9]{1,8}")
FlightKey = matching("[A-Z0-9]{2}[1-9][0-9]{0,3}-(?:EWR|JFK|LGA)-[0-9]{8}T[0-9]{4}Z")
EventKey = matching("[!-~]{1,200}")  # visible ASCII: a key must survive any database
DelayMinutes = Annotated[float, Field(ge=-1440, le=4320, allow_inf_nan=False)]


class Message(BaseModel):
    """A message cannot be changed, and a field that is not named here is a mistake of the sender."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FlightPlan(Message):
    """What is known of a flight long before it departs.

    ``flight`` is the flight number, ``distance`` in miles. ``tailnum`` may be given but is never a feature: in the
    past it is missing only on flights that were cancelled.
    """

    carrier: Carrier
    flight: Annotated[int, Field(ge=1, le=9999)]
    origin: Origin
    dest: Destination
    scheduled_departure: ScheduledMoment
    scheduled_arrival: ScheduledMoment
    distance: Annotated[float, Field(gt=0, le=12_000, allow_inf_nan=False)]
    tailnum: TailNumber | None = None

    @model_validator(mode="after")
    def lands_after_it_departs(self) -> Self:
        """A flight takes more than no time and at most a day."""
        if not pd.Timedelta(0) < self.scheduled_arrival - self.scheduled_departure <= pd.Timedelta(days=1):
            raise ValueError("scheduled_arrival must be after scheduled_departure, by a day at most")
        return self

    @property
    def flight_id(self) -> str:
        """Key of the flight: carrier, number, origin, scheduled departure in UTC. Unique in 2013 and in 2023."""
        return f"{self.carrier}{self.flight}-{self.origin}-{self.scheduled_departure:%Y%m%dT%H%MZ}"


class FlightEvent(Message):
    """Something that happened to a flight. ``event_id`` is the idempotency key, ``at`` when it became known."""

    event_id: EventKey
    at: Moment
    flight_id: FlightKey


class Departed(FlightEvent):
    """The flight left the gate, ``delay_minutes`` after its schedule; negative is early."""

    kind: Literal["departed"] = "departed"
    delay_minutes: DelayMinutes


class Arrived(FlightEvent):
    """The flight arrived at the gate, ``delay_minutes`` after its schedule; negative is early."""

    kind: Literal["arrived"] = "arrived"
    delay_minutes: DelayMinutes


class Cancelled(FlightEvent):
    """The flight will not depart."""

    kind: Literal["cancelled"] = "cancelled"


class Diverted(FlightEvent):
    """The flight departed and did not arrive where and when it should have: it was diverted, or its arrival lost."""

    kind: Literal["diverted"] = "diverted"


def measure(name: str) -> Any:
    """A measured value within its range, or None when the instrument reported nothing."""
    low, high = WEATHER_RANGES[name]
    return Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)] | None


class Observed(Message):
    """The weather of one hour at one airport, in the units of the weather table. ``hour`` is when the hour began."""

    kind: Literal["observed"] = "observed"
    event_id: EventKey
    at: Moment
    origin: Origin
    hour: Moment
    temp: measure("temp") = None
    dewp: measure("dewp") = None
    humid: measure("humid") = None
    wind_dir: measure("wind_dir") = None
    wind_speed: measure("wind_speed") = None
    wind_gust: measure("wind_gust") = None
    precip: measure("precip") = None
    pressure: measure("pressure") = None
    visib: measure("visib") = None

    @model_validator(mode="after")
    def is_made_before_it_is_known(self) -> Self:
        """The hour begins on the hour, and nobody knows its weather before the report at minute 51."""
        if self.hour.minute or self.hour.second or self.hour.microsecond:
            raise ValueError("hour must be a whole hour")
        if self.at < self.hour + OBSERVATION_DELAY:
            raise ValueError("at must not be before hour + 51 minutes: the observation is not made yet")
        return self


Event = Annotated[Departed | Arrived | Cancelled | Diverted | Observed, Field(discriminator="kind")]
EVENT = TypeAdapter(Event)


class PredictionRequest(Message):
    """Will this flight be disrupted, seen from ``at``? Without ``at``: from two hours before departure.

    ``with_features`` asks for the features that the answer was made from.
    """

    plan: FlightPlan
    at: Moment | None = None
    with_features: bool = False

    @model_validator(mode="after")
    def looks_ahead(self) -> Self:
        """A prediction is made before the scheduled departure."""
        if self.decision_time > self.plan.scheduled_departure:
            raise ValueError("at must not be after the scheduled departure")
        return self

    @property
    def decision_time(self) -> datetime:
        """T, the moment whose knowledge the prediction may use."""
        return self.at or self.plan.scheduled_departure - HORIZON.to_pytimedelta()


# A year as it would have come


def flight_plans(tables: Tables) -> pd.DataFrame:
    """The plan of every flight: ``flight_id`` and the fields of ``FlightPlan``; index and order of the flights.

    Needs ``time_hour`` in true UTC (see ``with_true_utc``). Raises ValueError for a destination without a time zone.
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

    A flight has one of three courses: cancelled; departed and arrived; departed and diverted. A flight with a
    departure and no arrival delay counts as diverted, whether it landed late elsewhere (717 in 2013, which have a
    clock time of arrival without its day) or left no arrival at all (458). Column that a kind does not have: missing.
    """
    plans, flights = flight_plans(tables), tables.flights
    delayed = plans.scheduled_departure + minutes(flights.dep_delay)
    arrived = plans.scheduled_arrival + minutes(flights.arr_delay)
    landing = plans.scheduled_arrival + minutes(flights.dep_delay.clip(lower=0))
    cancelled = flights.dep_time.isna()
    diverted = ~cancelled & flights.arr_delay.isna()
    stream = [
        flight_events("departed", plans, delayed.where(~cancelled), flights.dep_delay),
        flight_events("arrived", plans, arrived, flights.arr_delay),
        flight_events("cancelled", plans, plans.scheduled_departure.where(cancelled)),
        flight_events("diverted", plans, (landing + DIVERSION_DELAY).where(diverted)),
        observations(tables.weather),
    ]
    return pd.concat(stream).sort_values(["at", "event_id"], ignore_index=True)


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
    names = list(table.columns)
    for row in zip(*(table[name].astype("object") for name in names), strict=True):
        # Only a missing value is unequal to itself.
        yield {name: value for name, value in zip(names, row, strict=True) if value == value and value is not None}


def as_events(table: pd.DataFrame) -> Iterator[Event]:
    """Each row of ``events`` as a message. Raises ValidationError at the first row that breaks the contract."""
    return (EVENT.validate_python(record) for record in records(table))


def as_plans(plans: pd.DataFrame) -> Iterator[FlightPlan]:
    """Each row of ``flight_plans`` as a message. Raises ValidationError at the first row that breaks the contract."""
    return (FlightPlan.model_validate(record) for record in records(plans.drop(columns="flight_id")))


def stamp(times: pd.Series) -> pd.Series:
    """Each time as it stands in a key, such as 20130101T1015Z."""
    # Few moments and many rows: writing each moment once is ten times faster.
    distinct = pd.Series(times.unique())
    return times.map(dict(zip(distinct, distinct.dt.strftime("%Y%m%dT%H%MZ"), strict=True))).astype("str")


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
