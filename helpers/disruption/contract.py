"""What a whole table must keep: types, ranges, rules between columns, and the units that they are in.

``validate`` holds a table against its pandera schema: the rows that keep the rules, the rows that do not with the
rules they broke, and one error when the whole file is wrong. ``mended`` brings the tables of 2023 into the form of
those of 2013, which is the contract.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors

from helpers.data import Tables
from helpers.disruption.messages import WEATHER_RANGES, YEARS
from helpers.disruption.stream import NEW_YORK, clock_minutes

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


# The schemas


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


def clock_change(times: pd.Series) -> pd.Series:
    """By how many minutes New York's clock is put forward in the day after each moment: 60, -60, on most days 0."""
    day = pd.Timedelta(days=1)
    local, later = ((times + span).dt.tz_convert(NEW_YORK).dt.tz_localize(None) for span in (0 * day, day))
    return (later - local - day) / pd.Timedelta(minutes=1)


def delay_fits(actual: str, scheduled: str, delay: str) -> pa.Check:
    """The delay is the difference of two clock times, to whole days; nothing to compare where there is no delay.

    In the night of a clock change the difference may be off by the hour that the clock skips or repeats: some delays
    count real minutes then, others the clock's.
    """

    def holds(flights: pd.DataFrame) -> pd.Series:
        between = clock_minutes(flights[actual]) - clock_minutes(flights[scheduled])
        off = between - flights[delay]
        return flights[delay].isna() | (off % 1440 == 0) | ((off - clock_change(flights.time_hour)) % 1440 == 0)

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
