"""Features of a flight as they could be known at its decision time, T = scheduled departure - horizon.

Every feature uses only what is known at or before T. The year's schedule is known from the start. The weather
observation of hour h is known at h + 51 minutes. A departure's delay is known when the aircraft departs, an
arrival's when it arrives, and a cancellation (whose own time nobody recorded) at the scheduled departure.
Nothing is taken from ``tailnum``: it is missing only on cancelled flights, so its gaps carry the answer.

============================  ==============================================================================
column                        meaning and unit
============================  ==============================================================================
origin, dest, carrier         codes, as categories
day_of_week                   local day of the scheduled departure, 0 = Monday
departure_minute              scheduled departure on New York's clock, minutes after midnight
arrival_minute                scheduled arrival on the destination's clock, minutes after midnight
block_minutes                 scheduled departure to scheduled arrival, minutes
distance                      great-circle distance, miles
flights_origin_hour           flights that the origin's schedule holds in the hour of departure
flights_origin_day            flights that the origin's schedule holds on the day of departure
flights_carrier_hour          flights that the carrier schedules at the origin in the hour of departure
days_to_holiday               days between the day of departure and the nearest US federal holiday
temp, dewp                    temperature and dew point, degrees Fahrenheit
humid                         relative humidity, per cent
wind_dir                      direction the wind comes from, degrees
wind_speed, wind_gust         miles per hour
precip                        rain of the last observed hour, inches
pressure                      at sea level, millibars
visib                         visibility, miles
pressure_change_3h            pressure now less pressure three hours before, millibars
rain_3h                       rain observed in the last 3 h, inches
departure_delay_origin_3h     mean delay of the departures from the origin in the last 3 h, minutes
departure_delay_carrier_3h    the same for the carrier at the origin, minutes
arrival_delay_dest_6h         mean delay of the arrivals from New York at the destination in the last 6 h, minutes
late_share_origin_24h         share of the origin's departures of the last 24 h that were 15 minutes late or more
cancelled_share_origin_6h     share of the flights scheduled at the origin in the last 6 h that were cancelled
waiting_origin                backlog: flights scheduled at the origin, not cancelled, and not yet departed
============================  ==============================================================================

A mean or share over a window without any event is missing (NaN), and so is the weather when the last observation
is older than six hours.
"""

import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

from helpers.data import Tables
from helpers.disruption.contract import (
    HORIZON,
    OBSERVATION_DELAY,
    WEATHER_RANGES,
    clock_minutes,
    minutes,
    scheduled_arrival,
    scheduled_departure,
)

CATEGORIES = ("origin", "dest", "carrier")
SCHEDULE = (
    *CATEGORIES,
    "day_of_week",
    "departure_minute",
    "arrival_minute",
    "block_minutes",
    "distance",
    "flights_origin_hour",
    "flights_origin_day",
    "flights_carrier_hour",
    "days_to_holiday",
)
OBSERVED = tuple(WEATHER_RANGES)
WEATHER = (*OBSERVED, "pressure_change_3h", "rain_3h")
OPERATIONS = (
    "departure_delay_origin_3h",
    "departure_delay_carrier_3h",
    "arrival_delay_dest_6h",
    "late_share_origin_24h",
    "cancelled_share_origin_6h",
    "waiting_origin",
)

LATE = 15  # minutes, the limit of the US Department of Transportation for "delayed"
OBSERVATION_AGE_LIMIT = pd.Timedelta(hours=6)
EVER = pd.Timedelta(days=4000)  # a window that reaches back beyond the first flight


def build_features(tables: Tables, horizon: pd.Timedelta = HORIZON) -> pd.DataFrame:
    """Features of every flight in ``tables.flights``, same index and order; columns as in the module's docstring.

    The flights are also the history that the features count, so pass all of them and select rows afterwards.
    Raises ValueError for no flights, a negative horizon, and a destination whose time zone is unknown.
    """
    if tables.flights.empty:
        raise ValueError("there are no flights: pass the tables of a whole year")
    if horizon < pd.Timedelta(0):
        raise ValueError(f"horizon is {horizon}: give the time from decision to departure, zero or more")
    flights = tables.flights.reset_index(drop=True)
    decision = scheduled_departure(flights) - horizon
    arrival = scheduled_arrival(flights, tables.airports)
    groups = [
        schedule_features(flights, arrival),
        weather_features(flights.origin, decision, tables.weather),
        operations_features(flights, arrival, decision),
    ]
    features = pd.concat(groups, axis="columns")
    return features.set_index(tables.flights.index)


def disrupted(flights: pd.DataFrame) -> pd.Series:
    """True for a flight that arrived 15 minutes late or more, was cancelled or was diverted.

    A cancelled or diverted flight has no ``arr_delay``.
    """
    return (flights.arr_delay.isna() | (flights.arr_delay >= LATE)).astype(bool).rename("disrupted")


def schedule_features(flights: pd.DataFrame, arrival: pd.Series) -> pd.DataFrame:
    """What the timetable says, known long before T. ``arrival`` is the scheduled arrival in UTC."""
    date = pd.to_datetime(flights[["year", "month", "day"]])
    features = {
        **{name: flights[name].astype("category") for name in CATEGORIES},
        "day_of_week": date.dt.dayofweek,
        "departure_minute": clock_minutes(flights.sched_dep_time),
        "arrival_minute": clock_minutes(flights.sched_arr_time),
        "block_minutes": (arrival - scheduled_departure(flights)) / pd.Timedelta(minutes=1),
        "distance": flights.distance,
        "flights_origin_hour": group_size(flights.origin, flights.time_hour),
        "flights_origin_day": group_size(flights.origin, date),
        "flights_carrier_hour": group_size(flights.origin, flights.carrier, flights.time_hour),
        "days_to_holiday": days_to_holiday(date),
    }
    numbers = dict.fromkeys(SCHEDULE[len(CATEGORIES) :], "float64")
    return pd.DataFrame(features).astype(numbers)


def group_size(*keys: pd.Series) -> pd.Series:
    """For each row, how many rows share its keys."""
    return keys[0].groupby(list(keys)).transform("size")


def days_to_holiday(date: pd.Series) -> pd.Series:
    """Days from each date to the nearest US federal holiday, before or after."""
    year = pd.Timedelta(days=365)
    holidays = USFederalHolidayCalendar().holidays(date.min() - year, date.max() + year)
    after = holidays.searchsorted(date)
    distance = np.minimum(holidays[after] - date, date - holidays[after - 1])
    return distance.dt.days


def weather_features(origin: pd.Series, decision: pd.Series, weather: pd.DataFrame) -> pd.DataFrame:
    """The last observation at the origin known at T, and how it came about in the three hours before."""
    now = last_observation(origin, decision, weather)
    before = last_observation(origin, decision - pd.Timedelta(hours=3), weather)
    rain = Past(weather.origin, weather.time_hour + OBSERVATION_DELAY, weather.precip)
    count, total = rain.window(origin, decision, pd.Timedelta(hours=3))
    # The gauge counts hundredths of an inch: rounding removes what the order of summation leaves behind.
    rain_3h = total.where(count > 0).round(2)
    return now.assign(pressure_change_3h=(now.pressure - before.pressure).round(1), rain_3h=rain_3h)


def last_observation(origin: pd.Series, time: pd.Series, weather: pd.DataFrame) -> pd.DataFrame:
    """The newest row of ``weather`` at each origin that is known at ``time`` and not older than six hours."""
    known_at = weather.time_hour + OBSERVATION_DELAY
    # merge_asof wants both sides in order, and their times in one unit.
    asked = pd.DataFrame({"origin": origin, "known_at": time.dt.as_unit("us")}).sort_values("known_at")
    known = weather.assign(known_at=known_at.dt.as_unit("us")).sort_values("known_at")
    known = known[["origin", "known_at", *OBSERVED]]
    found = pd.merge_asof(asked, known, on="known_at", by="origin", tolerance=OBSERVATION_AGE_LIMIT)
    return found[list(OBSERVED)].astype("float64").set_index(asked.index).sort_index()


def operations_features(flights: pd.DataFrame, arrival: pd.Series, decision: pd.Series) -> pd.DataFrame:
    """How the airport, the carrier and the destination ran in the hours before T."""
    scheduled = scheduled_departure(flights)
    departed = scheduled + minutes(flights.dep_delay)
    arrived = arrival + minutes(flights.arr_delay)
    carrier = flights.origin + flights.carrier
    late = (flights.dep_delay >= LATE).astype("float64")
    cancelled = flights.dep_time.isna().astype("float64")
    features = {
        "departure_delay_origin_3h": recent_mean(flights.origin, departed, flights.dep_delay, decision, 3),
        "departure_delay_carrier_3h": recent_mean(carrier, departed, flights.dep_delay, decision, 3),
        "arrival_delay_dest_6h": recent_mean(flights.dest, arrived, flights.arr_delay, decision, 6),
        "late_share_origin_24h": recent_mean(flights.origin, departed, late, decision, 24),
        "cancelled_share_origin_6h": recent_mean(flights.origin, scheduled, cancelled, decision, 6),
        "waiting_origin": waiting(flights.origin, scheduled, departed, decision),
    }
    return pd.DataFrame(features)


def recent_mean(group: pd.Series, when: pd.Series, value: pd.Series, decision: pd.Series, hours: int) -> pd.Series:
    """Mean value of the other flights' events in the group in the last hours before T; NaN if there was none."""
    count, total = others(group, when, value, decision, pd.Timedelta(hours=hours))
    return total / count.where(count > 0)


def waiting(group: pd.Series, scheduled: pd.Series, departed: pd.Series, decision: pd.Series) -> pd.Series:
    """Other flights of the group that should have left by T and had not: those due less those gone."""
    # Who leaves early or is cancelled is due and gone in the same minute, and never waits.
    gone = departed.where(departed > scheduled, scheduled)
    one = pd.Series(1.0, index=group.index)
    due_count, _ = others(group, scheduled, one, decision, EVER)
    gone_count, _ = others(group, gone, one, decision, EVER)
    return (due_count - gone_count).astype("float64")


def others(
    group: pd.Series, when: pd.Series, value: pd.Series, decision: pd.Series, length: pd.Timedelta
) -> tuple[pd.Series, pd.Series]:
    """Number of events in (T - length, T] and total of their values, each flight's own event left out.

    At a horizon of zero most flights have left, a little early, by T: with their own departure among the features
    they would be graded on what they are to predict.
    """
    count, total = Past(group, when, value).window(group, decision, length)
    own = (decision - length < when) & (when <= decision)
    return count - own, total - value.where(own, 0.0)


class Past:
    """What happened in each group, in order of time; answers for many moments at once.

    ``group``, ``when`` and ``value`` have one entry an event; an event without a time never happened.
    Group and time are packed into one whole number and sorted once, so that two binary searches find the ends of
    any window and the difference of two running sums is its total.
    """

    def __init__(self, group: pd.Series, when: pd.Series, value: pd.Series) -> None:
        """Sort the events; ``when`` in UTC."""
        happened = when.notna()
        self.groups = pd.Index(group.unique())
        keys = self.pack(group[happened], when[happened])
        order = np.argsort(keys, kind="stable")
        self.keys = keys[order]
        values = value[happened].to_numpy("float64")[order]
        self.totals = np.concatenate([[0.0], np.cumsum(values)])

    def pack(self, group: pd.Series, when: pd.Series) -> np.ndarray:
        """One whole number for each group and minute, in order of group, then time."""
        minute = (when - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(minutes=1)
        # Minutes since 1970 stay below 2**32. A group never seen becomes -1, before all others.
        return self.groups.get_indexer(group) * 2**32 + minute.to_numpy("int64")

    def window(self, group: pd.Series, until: pd.Series, length: pd.Timedelta) -> tuple[pd.Series, pd.Series]:
        """Number of events and total of their values in (until - length, until], one entry for each ``until``."""
        first = np.searchsorted(self.keys, self.pack(group, until - length), side="right")
        last = np.searchsorted(self.keys, self.pack(group, until), side="right")
        count = pd.Series(last - first, index=until.index)
        total = pd.Series(self.totals[last] - self.totals[first], index=until.index)
        return count, total
