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

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors
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
NEW_YORK = "America/New_York"
DIVERSION_DELAY = pd.Timedelta(hours=3)  # from the landing that was expected to the news that there was none
ROWS_AT_ONCE = 10_000  # rows of a table that are Python objects at one time
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
    # Few moments and many rows: writing each moment once is ten times faster.
    distinct = pd.Series(times.unique())
    return times.map(dict(zip(distinct, distinct.dt.strftime("%Y%m%dT%H%MZ"), strict=True))).astype("str")


# A whole table


WHOLE_FILE = 0.5  # a rule that more than this share of the rows break is broken by the file, not by its rows
FEWEST = 50  # values below which nothing is said of a table as a whole
KNOT = 1.15078  # miles per hour: airports report whole knots
OFF_KNOTS = "the part of a knot left over"
WHOLE = "is a whole number"
TYPES = {"float64": "a number", "str": "text", "category": "a category", "datetime64[us, UTC]": "a moment"}


class WholeFileFault(Exception):
    """A table is wrong as a whole, so that no row of it can be trusted; one line names the fault."""


class Validated(NamedTuple):
    """``good``: the rows that keep all rules. ``refused``: the others; ``rules`` names those that each one broke."""

    good: pd.DataFrame
    refused: pd.DataFrame


def validate(table: pd.DataFrame, name: str) -> Validated:
    """Hold a table against the contract of its name: flights, weather, planes, airports, airlines or features.

    Both parts keep the index and the order of the table, and its columns, also those that the contract does not
    name. A row that breaks several rules is refused once, with all of them, "; " between. A value of the wrong type
    has no other rules to break: such a row is judged by its types alone.

    Raises:
        WholeFileFault: a column is missing or in another unit, or more than half of the rows break one rule.
        ValueError: there is no contract of that name.
    """
    if name not in SCHEMAS:
        raise ValueError(f"there is no contract for {name!r}: choose from {', '.join(SCHEMAS)}")
    schema = SCHEMAS[name]
    missing = [column for column in schema.columns if column not in table]
    if missing:
        raise WholeFileFault(f"{name}: the column {', '.join(missing)} is missing: ask the source what became of it")
    rows = table.reset_index(drop=True)
    broken = broken_types(rows, schema)
    readable = rows.drop(index=broken.row.unique())
    check_units(schema.coerce_dtype(readable), name)
    broken = pd.concat([broken, violations(readable, schema)])
    check_rows(broken, len(table), name)
    rules = broken.groupby("row").rule.agg("; ".join)
    good = in_types(rows.drop(index=rules.index), schema)
    refused = rows.loc[rules.index].assign(rules=rules)
    return Validated(good.set_axis(table.index[good.index]), refused.set_axis(table.index[refused.index]))


def broken_types(table: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Each row and each column of it whose value cannot be read: columns row and rule."""
    columns = {name: pa.Column(column.dtype, nullable=True, coerce=True) for name, column in schema.columns.items()}
    # Pandera tells twice what it cannot read: when it tries to, and when the type is still another.
    return violations(table, pa.DataFrameSchema(columns)).drop_duplicates()


def violations(table: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Each row and each rule of the schema that it breaks: columns row and rule."""
    none = pd.DataFrame({"row": np.array([], dtype="int64"), "rule": np.array([], dtype="str")})
    try:
        schema.validate(table, lazy=True)
    except SchemaErrors as found:
        return pd.concat([none, *map(violation, found.schema_errors)])
    return none


def violation(error: SchemaError) -> pd.DataFrame:
    """The rows that break one rule: columns row and rule."""
    if error.check_output is not None:
        rows, rule = error.check_output.index[~error.check_output], error.check.name
    else:
        null = error.reason_code is SchemaErrorReason.SERIES_CONTAINS_NULLS
        rows, rule = error.failure_cases["index"], "is given" if null else f"is {TYPES[str(error.schema.dtype)]}"
    subject = f"{error.schema.name} " if error.schema.name else ""
    return pd.DataFrame({"row": rows, "rule": subject + rule})


def in_types(table: pd.DataFrame, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """The table in the types of the contract; whole numbers that are never missing become int64."""
    never_missing = [column for column in schema.columns.values() if not column.nullable]
    whole = [column.name for column in never_missing if WHOLE in [check.name for check in column.checks]]
    return schema.coerce_dtype(table).astype(dict.fromkeys(whole, "int64"))


def check_rows(broken: pd.DataFrame, rows: int, name: str) -> None:
    """Raise WholeFileFault when most rows of a table break one and the same rule."""
    counts = broken.rule.value_counts()
    if rows >= FEWEST and len(counts) and counts.iloc[0] > WHOLE_FILE * rows:
        rule, found = counts.index[0], counts.iloc[0]
        raise WholeFileFault(f"{name}: {found:,} of {rows:,} rows break the rule '{rule}': ask the source what changed")


class Unit(NamedTuple):
    """How the unit of a column shows: the median of ``values``, over a table, lies between ``low`` and ``high``."""

    column: str
    unit: str
    measure: str
    values: Callable[[pd.DataFrame], pd.Series]
    low: float
    high: float


def check_units(table: pd.DataFrame, name: str) -> None:
    """Raise WholeFileFault when a column is in another unit than the contract says.

    A range cannot tell: 20 is a good temperature in both scales. What can tell is a relation to another column
    (temperature and dew point give the humidity, distance and time give the speed), or the steps of the instrument.
    The median tells of most rows, whatever a few of them say.
    """
    for unit in UNITS.get(name, ()):
        values = unit.values(table).dropna()
        if len(values) >= FEWEST and not unit.low <= values.median() <= unit.high:
            raise WholeFileFault(
                f"{name}: {unit.column} not in {unit.unit}: the median of {unit.measure} is {values.median():.3g}, "
                f"expected {unit.low:g} to {unit.high:g}: ask the source for the unit"
            )


def humidity_gap(weather: pd.DataFrame) -> pd.Series:
    """How far the humidity is from what temperature and dew point give, in points of per cent.

    Saturation pressure by Magnus' formula, with the coefficients of Alduchov and Eskridge (1996).
    """
    temp, dewp = ((weather[name] - 32) / 1.8 for name in ("temp", "dewp"))
    humid = 100 * np.exp(17.625 * dewp / (243.04 + dewp) - 17.625 * temp / (243.04 + temp))
    return (humid - weather.humid).abs()


def off_steps(values: pd.Series, step: float) -> pd.Series:
    """How far each value is from a whole number of steps, in steps: 0 to 0.5. Zeros say nothing and are left out."""
    steps = values[values > 0] / step
    return (steps - steps.round()).abs()


UNITS = {
    "weather": (
        Unit(
            "temp, dewp or humid",
            "degrees Fahrenheit and per cent",
            "the gap between humid and what temp and dewp give",
            humidity_gap,
            0,
            1,
        ),
        Unit("wind_speed", "miles per hour", OFF_KNOTS, lambda weather: off_steps(weather.wind_speed, KNOT), 0, 0.01),
        Unit("wind_gust", "miles per hour", OFF_KNOTS, lambda weather: off_steps(weather.wind_gust, KNOT), 0, 0.01),
        Unit(
            "wind_dir",
            "degrees",
            "the part of ten degrees left over",
            lambda weather: off_steps(weather.wind_dir, 10),
            0,
            0.01,
        ),
        Unit("precip", "inches", "its wet hours", lambda weather: weather.precip[weather.precip > 0], 0, 0.2),
        Unit("pressure", "millibars", "its values", lambda weather: weather.pressure, 970, 1060),
        Unit("visib", "miles", "its values", lambda weather: weather.visib, 0, 10),
    ),
    "flights": (
        Unit(
            "distance or air_time",
            "miles and minutes",
            "the speed in miles per hour",
            lambda flights: flights.distance / flights.air_time * 60,
            340,
            500,
        ),
    ),
}


def rule(name: str, holds: Callable[[Any], pd.Series], **options: Any) -> pa.Check:
    """A rule and its name. ``check_output`` holds the answer for all rows: one failure case is enough."""
    return pa.Check(holds, name=name, n_failure_cases=1, **options)


def number(low: float, high: float, *rules: pa.Check, nullable: bool = False) -> pa.Column:
    """A column of numbers within a range."""
    within = rule(f"is between {low:g} and {high:g}", lambda values: values.between(low, high))
    return pa.Column("float64", [within, *rules], nullable=nullable, coerce=True)


def count(low: float, high: float) -> pa.Column:
    """A column of whole numbers within a range."""
    return number(low, high, rule(WHOLE, lambda values: values % 1 == 0))


def clock_time(nullable: bool = False) -> pa.Column:
    """A column of clock times written as HHMM."""
    whole = rule(WHOLE, lambda values: values % 1 == 0)
    return number(0, 2400, whole, rule("has minutes below 60", lambda values: values % 100 < 60), nullable=nullable)


def text(pattern: str = ".+", *rules: pa.Check, nullable: bool = False) -> pa.Column:
    """A column of text that matches a pattern as a whole."""
    matches = rule(f"matches {pattern}", lambda values: values.str.fullmatch(pattern))
    return pa.Column("str", [matches, *rules], nullable=nullable, coerce=True)


def moment() -> pa.Column:
    """A column of moments in UTC."""
    return pa.Column(pd.DatetimeTZDtype("us", "UTC"), coerce=True)


def row_rule(name: str, holds: Callable[[pd.DataFrame], pd.Series]) -> pa.Check:
    """A rule on several columns; where one of them is missing the rule itself must say what holds."""
    return rule(name, holds, ignore_na=False)


def only_row(*key: str) -> pa.Check:
    """No earlier row has the same key."""
    return row_rule(f"no earlier row has the same {', '.join(key)}", lambda table: ~table.duplicated(list(key)))


def shows_local_hour(table: pd.DataFrame) -> pd.Series:
    """Whether ``time_hour``, on New York's clock, is the hour that the row's year, month, day and hour say."""
    local = table.time_hour.dt.tz_convert(NEW_YORK)
    parts = {"year": local.dt.year, "month": local.dt.month, "day": local.dt.day, "hour": local.dt.hour}
    return pd.concat([table[name] == part for name, part in parts.items()], axis="columns").all(axis="columns")


def delay_fits(actual: str, scheduled: str, delay: str) -> pa.Check:
    """The delay is the difference of two clock times, to whole days; nothing to compare where there is no delay."""

    def holds(flights: pd.DataFrame) -> pd.Series:
        between = clock_minutes(flights[actual]) - clock_minutes(flights[scheduled])
        return flights[delay].isna() | ((between - flights[delay]) % 1440 == 0)

    return row_rule(f"{delay} is {actual} less {scheduled}", holds)


LOCAL_HOUR = row_rule("time_hour shows the row's date and hour on New York's clock", shows_local_hour)
DATE = {"year": count(YEARS[0], YEARS[1] - 1), "month": count(1, 12), "day": count(1, 31), "hour": count(0, 23)}
NOT_TWICE = rule("is not given twice", lambda values: ~values.duplicated())
ORIGIN = text("EWR|JFK|LGA")

FLIGHTS = pa.DataFrameSchema(
    {
        **DATE,
        "minute": count(0, 59),
        "time_hour": moment(),
        "carrier": text("[A-Z0-9]{2}"),
        "flight": count(1, 9999),
        "tailnum": text("[A-Z0-9]{1,8}", nullable=True),
        "origin": ORIGIN,
        "dest": text("[A-Z]{3}"),
        "distance": count(1, 12_000),
        "sched_dep_time": clock_time(),
        "sched_arr_time": clock_time(),
        "dep_time": clock_time(nullable=True),
        "arr_time": clock_time(nullable=True),
        "dep_delay": number(-1440, 4320, nullable=True),
        "arr_delay": number(-1440, 4320, nullable=True),
        "air_time": number(5, 1440, nullable=True),
    },
    [
        only_row("carrier", "flight", "origin", "time_hour", "minute"),
        LOCAL_HOUR,
        row_rule("sched_dep_time is hour and minute", lambda it: it.sched_dep_time == it.hour * 100 + it.minute),
        delay_fits("dep_time", "sched_dep_time", "dep_delay"),
        delay_fits("arr_time", "sched_arr_time", "arr_delay"),
        row_rule("dep_delay is given with dep_time", lambda it: it.dep_delay.isna() == it.dep_time.isna()),
        row_rule("what arrived has departed", lambda it: it.arr_time.isna() | it.dep_time.notna()),
    ],
)
WEATHER = pa.DataFrameSchema(
    {
        **DATE,
        "origin": ORIGIN,
        "time_hour": moment(),
        **{name: number(low, high, nullable=True) for name, (low, high) in WEATHER_RANGES.items()},
    },
    [
        only_row("origin", "time_hour"),
        LOCAL_HOUR,
        row_rule("dewp is not above temp", lambda it: ~(it.dewp > it.temp)),
        row_rule("wind_gust is not below wind_speed", lambda it: ~(it.wind_gust < it.wind_speed)),
    ],
)
PLANES = pa.DataFrameSchema(
    {
        "tailnum": text("[A-Z0-9]{1,8}", NOT_TWICE),
        "year": number(1930, YEARS[1], nullable=True),
        "manufacturer": text(),
        "model": text(),
        "engines": count(1, 8),
        "seats": count(1, 900),
    }
)
AIRPORTS = pa.DataFrameSchema(
    {
        "faa": text("[A-Z0-9]{3}", NOT_TWICE),
        "lat": number(-90, 90),
        "lon": number(-180, 180),
        "tzone": text("[A-Za-z_]+/[A-Za-z_/]+", nullable=True),
    }
)
AIRLINES = pa.DataFrameSchema({"carrier": text("[A-Z0-9]{2}", NOT_TWICE), "name": text()})
FEATURES = pa.DataFrameSchema(
    {
        **{name: pa.Column("category", coerce=True) for name in ("origin", "dest", "carrier")},
        "day_of_week": number(0, 6),
        "departure_minute": number(0, 1439),
        "arrival_minute": number(0, 1439, nullable=True),
        "block_minutes": number(1, 1440),
        "distance": number(1, 12_000),
        "flights_origin_hour": number(1, 200),
        "flights_origin_day": number(1, 2000),
        "flights_carrier_hour": number(1, 200),
        "days_to_holiday": number(0, 60),
        **{name: number(low, high, nullable=True) for name, (low, high) in WEATHER_RANGES.items()},
        "pressure_change_3h": number(-60, 60, nullable=True),
        "rain_3h": number(0, 15, nullable=True),
        "departure_delay_origin_3h": number(-1440, 4320, nullable=True),
        "departure_delay_carrier_3h": number(-1440, 4320, nullable=True),
        "arrival_delay_dest_6h": number(-1440, 4320, nullable=True),
        "late_share_origin_24h": number(0, 1, nullable=True),
        "cancelled_share_origin_6h": number(0, 1, nullable=True),
        "waiting_origin": number(0, 2000),
    }
)
SCHEMAS = {
    "flights": FLIGHTS,
    "weather": WEATHER,
    "planes": PLANES,
    "airports": AIRPORTS,
    "airlines": AIRLINES,
    "features": FEATURES,
}


# The year 2023


def mended(tables: Tables) -> Tables:
    """The tables of 2023 as the contract wants them; those of 2013 stay as they are.

    Three things changed between the two files, and a program that reads them finds nothing amiss: see the three
    functions. The tables as they come are what ``load_tables`` gives.
    """
    tables = with_true_utc(tables)
    weather = without_derived_gusts(with_local_hours(tables.weather))
    return tables._replace(weather=weather)


def with_true_utc(tables: Tables) -> Tables:
    """The tables with the flights' ``time_hour`` in true UTC.

    In 2023's file it is the hour on New York's clock with the label UTC: 5 in the morning says 05:00 UTC and not
    09:00 or 10:00. Joined with the weather, which is in true UTC, it matches 99.8 % of the rows and takes the
    weather of four or five hours before. A file in true UTC is recognised by its ``hour`` and stays as it is.
    """
    flights = tables.flights
    labelled = flights.time_hour.dt.tz_localize(None)
    if not (labelled.dt.hour == flights.hour).all():
        return tables
    # No flight of 2023 departs in the hours that a clock change skips or repeats: an error here would be news.
    true = labelled.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")
    return tables._replace(flights=flights.assign(time_hour=true))


def with_local_hours(weather: pd.DataFrame) -> pd.DataFrame:
    """The weather with year, month, day and hour on New York's clock, as in 2013; in 2023 they are UTC."""
    local = weather.time_hour.dt.tz_convert(NEW_YORK)
    parts = {name: getattr(local.dt, name).astype("int64") for name in ("year", "month", "day", "hour")}
    return weather.assign(**parts)


def without_derived_gusts(weather: pd.DataFrame) -> pd.DataFrame:
    """The weather without gusts that nobody measured.

    Every ``wind_gust`` of 2023 is ``wind_speed`` times 1.15078, the factor from knots to miles applied once more. A
    measured gust bears no fixed ratio to the wind.
    """
    derived = np.isclose(weather.wind_gust, weather.wind_speed * KNOT, rtol=1e-6)
    return weather.assign(wind_gust=weather.wind_gust.mask(derived))


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
