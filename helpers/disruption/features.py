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

The features are made in two ways. ``build_features`` makes those of a year at once, for training. ``OperationsState``
makes those of one flight from a stream of events, for the service. Where the two differ the model meets inputs in
service that it never saw in training ("skew"), so a test holds both to the same numbers.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from math import inf, isnan, nan
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

from helpers.data import Tables
from helpers.disruption.messages import (
    HORIZON,
    OBSERVATION_DELAY,
    ORIGINS,
    WEATHER_RANGES,
    Event,
    FlightEvent,
    FlightPlan,
    Observed,
)
from helpers.disruption.stream import (
    NEW_YORK,
    clock_minutes,
    minutes,
    scheduled_arrival,
    scheduled_departure,
    time_zones,
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
WAITING_HOURS = 48  # no flight waits longer: the longest delay of 2013 is 22 hours, of 2023 30
EVER = pd.Timedelta(days=4000)  # a window that reaches back beyond the first flight


def build_features(tables: Tables, horizon: pd.Timedelta = HORIZON) -> pd.DataFrame:
    """Features of every flight in ``tables.flights``, same index and order; columns as in the module's docstring.

    The flights are also the history that the features count, so pass all of them and select rows afterwards. Needs
    ``time_hour`` in true UTC (``contract.with_true_utc``): with 2023's file as it is, the weather comes from hours
    before it is due, and nothing complains. Raises ValueError for no flights, a negative horizon, and a destination
    whose time zone is unknown.
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
    gauged = weather[weather.precip.notna()]
    rain = Past(gauged.origin, gauged.time_hour + OBSERVATION_DELAY, gauged.precip)
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
    origin, dest = number(flights.origin), number(flights.dest)
    carrier = number(flights.origin + flights.carrier)
    late = (flights.dep_delay >= LATE).astype("float64")
    cancelled = flights.dep_time.isna().astype("float64")
    features = {
        "departure_delay_origin_3h": recent_mean(origin, departed, flights.dep_delay, decision, 3),
        "departure_delay_carrier_3h": recent_mean(carrier, departed, flights.dep_delay, decision, 3),
        "arrival_delay_dest_6h": recent_mean(dest, arrived, flights.arr_delay, decision, 6),
        "late_share_origin_24h": recent_mean(origin, departed, late, decision, 24),
        "cancelled_share_origin_6h": recent_mean(origin, scheduled, cancelled, decision, 6),
        "waiting_origin": waiting(origin, scheduled, departed, decision),
    }
    return pd.DataFrame(features)


def number(names: pd.Series) -> pd.Series:
    """A whole number for each name: eight windows look their groups up, and numbers are found much faster."""
    return pd.Series(pd.factorize(names)[0], index=names.index)


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
        minute = when.dt.as_unit("s").astype("int64").to_numpy() // 60
        # Minutes since 1970 stay below 2**32. A group never seen becomes -1, before all others.
        return self.groups.get_indexer(group) * 2**32 + minute

    def window(self, group: pd.Series, until: pd.Series, length: pd.Timedelta) -> tuple[pd.Series, pd.Series]:
        """Number of events and total of their values in (until - length, until], one entry for each ``until``."""
        end = self.pack(group, until)
        first = np.searchsorted(self.keys, end - length // pd.Timedelta(minutes=1), side="right")
        last = np.searchsorted(self.keys, end, side="right")
        count = pd.Series(last - first, index=until.index)
        total = pd.Series(self.totals[last] - self.totals[first], index=until.index)
        return count, total


# From a stream of events


HOUR = 3600.0  # seconds
MINUTE = timedelta(minutes=1)
DELAY, AGE_LIMIT = OBSERVATION_DELAY.total_seconds(), OBSERVATION_AGE_LIMIT.total_seconds()
UNPLANNED = -1  # place of a flight outside the schedule: at the end of each board, where nothing is ever heard of it

Columns = dict[str, np.ndarray | list[str]]  # one entry a flight in each


class UnknownFlight(LookupError):
    """An event names a flight that is not in the schedule."""


class OperationsState:
    """What is known at each moment of flights and weather, told by a stream of events.

    ``plans`` is the schedule, as ``stream.flight_plans`` makes it; ``airports`` gives the time zones. Events may
    come late, twice and in any order: each is placed in time by its ``at``, and the state is the same. Of two
    reports of one thing (one flight's departure, one hour's weather) the one that was known first counts.

    Not safe for threads: hold a lock around ``apply`` and ``features``.
    """

    def __init__(self, plans: pd.DataFrame, airports: pd.DataFrame) -> None:
        """Learn the schedule; takes seconds for a year. Raises ValueError when a flight is planned twice."""
        if plans.flight_id.duplicated().any():
            twice = plans.flight_id[plans.flight_id.duplicated()].iloc[0]
            raise ValueError(f"flight {twice} is planned twice: give each flight one plan")
        self.timetable = Timetable(plans, airports)
        self.weather = WeatherLog()
        self.movements = Movements(plans)

    def apply(self, event: Event) -> bool:
        """Take in an event. False when it adds nothing, because it came before. Raises UnknownFlight."""
        log = self.weather if isinstance(event, Observed) else self.movements
        return log.apply(event)

    def features(self, plan: FlightPlan, at: datetime) -> dict[str, float | str]:
        """The features of a flight from what was known at ``at``, in the order and units of ``build_features``.

        A flight that is not in the schedule is counted among those that are. An airport whose time zone nobody
        knows has no ``arrival_minute``.
        """
        return rows_of(self.columns([plan], [at]))[0]

    def columns(self, plans: Sequence[FlightPlan], at: Sequence[datetime]) -> Columns:
        """The same of many flights, each at its own moment: by the flight ten times quicker than one by one."""
        moments = np.array([moment.timestamp() for moment in at])
        places = self.movements.places_of(plans)
        return {
            **self.timetable.columns(plans, places == UNPLANNED),
            **self.weather.columns([plan.origin for plan in plans], moments),
            **self.movements.columns(plans, places, moments),
        }


def rows_of(columns: Columns) -> list[dict[str, float | str]]:
    """The features flight by flight."""
    plain = [column if isinstance(column, list) else column.tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*plain, strict=True)]


class Timetable:
    """How many flights the schedule holds, and what a flight's own plan says: the twin of ``schedule_features``."""

    def __init__(self, plans: pd.DataFrame, airports: pd.DataFrame) -> None:
        """Count the flights of each origin, hour, day and carrier."""
        self.zones = {code: ZoneInfo(name) for code, name in time_zones(airports).items()}
        # A day of the schedule has an hour and a date; both are written as whole numbers, which are quick to look up.
        hour = (plans.scheduled_departure - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)
        local = plans.scheduled_departure.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
        day = (local - pd.Timestamp(0)) // pd.Timedelta(days=1) + date(1970, 1, 1).toordinal()
        self.of_hour = Counter(zip(plans.origin, hour, strict=True))
        self.of_day = Counter(zip(plans.origin, day, strict=True))
        self.of_carrier = Counter(zip(plans.origin, plans.carrier, hour, strict=True))

    def columns(self, plans: Sequence[FlightPlan], is_new: np.ndarray) -> Columns:
        """The schedule's columns. ``is_new`` says which flights are not among those counted; each is added."""
        origin, dest, carrier = ([getattr(plan, name) for plan in plans] for name in CATEGORIES)
        local = [plan.scheduled_departure.astimezone(NEW_YORK) for plan in plans]
        hour = [int(plan.scheduled_departure.timestamp() // HOUR) for plan in plans]
        day = [moment.toordinal() for moment in local]
        numbers = {
            "day_of_week": [moment.weekday() for moment in local],
            "departure_minute": [minute_of_day(moment) for moment in local],
            "arrival_minute": [self.arrival_minute(plan) for plan in plans],
            "block_minutes": [(plan.scheduled_arrival - plan.scheduled_departure) / MINUTE for plan in plans],
            "distance": [plan.distance for plan in plans],
            "flights_origin_hour": is_new + [self.of_hour[key] for key in zip(origin, hour, strict=True)],
            "flights_origin_day": is_new + [self.of_day[key] for key in zip(origin, day, strict=True)],
            "flights_carrier_hour": is_new + [self.of_carrier[key] for key in zip(origin, carrier, hour, strict=True)],
            "days_to_holiday": [days_from(moment.toordinal(), holidays_around(moment.year)) for moment in local],
        }
        codes = {"origin": origin, "dest": dest, "carrier": carrier}
        return codes | {name: np.array(column, "float64") for name, column in numbers.items()}

    def arrival_minute(self, plan: FlightPlan) -> float:
        """Scheduled arrival in minutes after midnight on the destination's clock; NaN when its zone is unknown."""
        zone = self.zones.get(plan.dest)
        return nan if zone is None else minute_of_day(plan.scheduled_arrival.astimezone(zone))


def minute_of_day(local: datetime) -> int:
    """Minutes after midnight on the clock."""
    return local.hour * 60 + local.minute


@lru_cache
def holidays_around(year: int) -> tuple[int, ...]:
    """The US federal holidays of a year and of its neighbours, in order, as ordinals of the day."""
    holidays = USFederalHolidayCalendar().holidays(f"{year - 1}-01-01", f"{year + 1}-12-31")
    return tuple(day.toordinal() for day in holidays)


def days_from(day: int, holidays: tuple[int, ...]) -> int:
    """Days from a day to the nearest of the holidays, which lie on both sides of it."""
    after = bisect_left(holidays, day)
    return min(holidays[after] - day, day - holidays[after - 1])


class Observation(NamedTuple):
    """The weather of an hour: when it became known, in seconds since 1970, by which event, and what was measured."""

    at: float
    event_id: str
    measured: dict[str, float]


UNSEEN = Observation(inf, "", dict.fromkeys(OBSERVED, nan))
NONE = nan, UNSEEN.measured  # an age and what was measured, where nothing was


class WeatherLog:
    """The observations of each airport by the hour: the twin of ``weather_features``."""

    def __init__(self) -> None:
        """Nothing is observed yet."""
        self.observations: dict[tuple[str, int], Observation] = {}

    def apply(self, event: Observed) -> bool:
        """Keep the observation, unless the same hour's is known from before."""
        key = (event.origin, int(event.hour.timestamp() // HOUR))
        values = ((name, getattr(event, name)) for name in OBSERVED)
        measured = {name: nan if value is None else value for name, value in values}
        new = Observation(event.at.timestamp(), event.event_id, measured)
        if self.observations.get(key, UNSEEN)[:2] <= new[:2]:
            return False
        self.observations[key] = new
        return True

    def columns(self, origins: Sequence[str], moments: np.ndarray) -> Columns:
        """The weather's columns at moments in seconds since 1970."""
        asked = list(zip(origins, moments.tolist(), strict=True))
        known = {pair: self.at(*pair) for pair in set(asked)}  # flights share the sky
        return dict(zip(WEATHER, np.array([known[pair] for pair in asked]).T, strict=True))

    def at(self, origin: str, moment: float) -> list[float]:
        """What is known of an airport's weather at a moment, in the order of the columns."""
        _, now = next(self.made(origin, moment, moment), NONE)
        _, before = next(self.made(origin, moment - 3 * HOUR, moment), NONE)
        recent = takewhile(lambda made: made[0] < 3 * HOUR, self.made(origin, moment, moment))
        rain = [weather["precip"] for _, weather in recent if not isnan(weather["precip"])]
        change = round(now["pressure"] - before["pressure"], 1)
        return [*now.values(), change, round(sum(rain), 2) if rain else nan]

    def made(self, origin: str, until: float, known_by: float) -> Iterator[tuple[float, dict[str, float]]]:
        """What was measured in the six hours before ``until``, newest first, with its age in seconds."""
        newest = (until - DELAY) // HOUR
        age = until - DELAY - newest * HOUR
        for hours in range(1 + int((AGE_LIMIT - age) // HOUR)):
            found = self.observations.get((origin, int(newest) - hours), UNSEEN)
            if found.at <= known_by:
                yield age + hours * HOUR, found.measured


class Movements:
    """Departures, arrivals and cancellations of the scheduled flights: the twin of ``operations_features``."""

    def __init__(self, plans: pd.DataFrame) -> None:
        """Take the schedule; no flight has been heard of."""
        flights = plans[["origin", "dest", "flight_id", "scheduled_departure"]]
        flights = flights.sort_values(["origin", "scheduled_departure"])
        scheduled = seconds(flights.scheduled_departure)
        self.boards = {origin: Board(scheduled[flights.origin == origin]) for origin in ORIGINS}
        place = flights.groupby("origin").cumcount().to_numpy()
        # A year of keys in one array takes a tenth of the memory that a dictionary of them would.
        keys = flights.flight_id.to_numpy("S")
        order = np.argsort(keys)
        # Behind them stands one that no key comes after, for those that are not found.
        self.keys = np.append(keys[order], b"~")
        self.places = np.append(place[order], UNPLANNED)
        dests = flights.dest.astype("category").cat
        self.dests = dests.categories.to_numpy("object")[dests.codes.to_numpy()[order]]  # each name is held once
        self.departures = defaultdict[str, Timeline](Timeline)  # delays by origin, and by origin and carrier
        self.lateness = defaultdict[str, Timeline](Timeline)  # by origin, 1 for a late departure
        self.arrivals = defaultdict[str, Timeline](Timeline)  # delays by destination

    def apply(self, event: FlightEvent) -> bool:
        """Keep the report, unless the same thing is known from before. Raises UnknownFlight."""
        (row,) = self.rows_of([event.flight_id])
        place = self.places[row]
        if place == UNPLANNED:
            raise UnknownFlight(f"flight {event.flight_id} is not in the schedule: check its key, or plan it first")
        flight, origin, _ = event.flight_id.split("-")
        board = self.boards[origin]
        old = board.report(event.kind, place)
        new = Report(event.at.timestamp(), getattr(event, "delay_minutes", 0.0))
        if old <= new:
            return False
        board.keep(event.kind, place, new)
        if event.kind == "departed":
            self.departures[origin].replace(old, new)
            self.departures[origin + flight[:2]].replace(old, new)
            self.lateness[origin].replace(old.lateness, new.lateness)
        elif event.kind == "arrived":
            self.arrivals[self.dests[row]].replace(old, new)
        return True

    def rows_of(self, flight_ids: Sequence[str]) -> np.ndarray:
        """The row of each flight in ``places`` and ``dests``; the last one for a flight outside the schedule."""
        wanted = np.array(flight_ids, "S")
        rows = self.keys.searchsorted(wanted)
        return np.where(self.keys[rows] == wanted, rows, len(self.keys) - 1)

    def places_of(self, plans: Sequence[FlightPlan]) -> np.ndarray:
        """The place of each flight on the board of its origin, or UNPLANNED."""
        return self.places[self.rows_of([plan.flight_id for plan in plans])]

    def columns(self, plans: Sequence[FlightPlan], places: np.ndarray, moments: np.ndarray) -> Columns:
        """The operations' columns at moments in seconds since 1970; each flight's own events are left out."""
        origin, dest = rows_by(plan.origin for plan in plans), rows_by(plan.dest for plan in plans)
        carrier = rows_by(plan.origin + plan.carrier for plan in plans)
        departed, arrived = np.empty((2, 2, len(plans)))  # when each flight's own report was told, and its delay
        cancelled, waiting = np.empty((2, len(plans)))
        for name, rows in origin.items():
            board, own = self.boards[name], places[rows]
            departed[:, rows], arrived[:, rows] = board.reports("departed", own), board.reports("arrived", own)
            cancelled[rows] = board.cancelled_share(moments[rows], 6, own)
            waiting[rows] = board.waiting(moments[rows], own)
        late = np.array([departed[0], departed[1] >= LATE])
        return {
            "departure_delay_origin_3h": recent_means(self.departures, origin, moments, 3, departed),
            "departure_delay_carrier_3h": recent_means(self.departures, carrier, moments, 3, departed),
            "arrival_delay_dest_6h": recent_means(self.arrivals, dest, moments, 6, arrived),
            "late_share_origin_24h": recent_means(self.lateness, origin, moments, 24, late),
            "cancelled_share_origin_6h": cancelled,
            "waiting_origin": waiting,
        }


def rows_by(keys: Iterable[str]) -> dict[str, np.ndarray]:
    """The rows in which each key stands."""
    rows = defaultdict[str, list[int]](list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return {key: np.array(found) for key, found in rows.items()}


class Report(NamedTuple):
    """When something became known, in seconds since 1970, and what was told: a delay in minutes, or 1 for late."""

    at: float
    value: float

    @property
    def lateness(self) -> Self:
        """1 where a delay of 15 minutes or more was told."""
        return Report(self.at, float(self.value >= LATE))


UNHEARD = Report(inf, 0.0)


class Timeline:
    """What was told of one group in order of time, with running totals: the twin of ``Past``.

    News is seldom late, so nearly all of it is added at the end.
    """

    def __init__(self) -> None:
        """Nothing happened yet."""
        self.times, self.values = array("d"), array("d")
        self.totals = array("d", [0.0])  # of the values before each place, and of all

    def replace(self, old: Report, new: Report) -> None:
        """Put a report in its place, and take out the one that it corrects."""
        if old != UNHEARD:
            self.take_out(self.values.index(old.value, bisect_left(self.times, old.at)))
        self.put_in(bisect_right(self.times, new.at), new)

    def put_in(self, place: int, report: Report) -> None:
        """Tell a report before all that stands from this place on."""
        self.times.insert(place, report.at)
        self.values.insert(place, report.value)
        self.totals.insert(place + 1, self.totals[place])
        np.asarray(self.totals)[place + 1 :] += report.value

    def take_out(self, place: int) -> None:
        """Forget the report at this place."""
        np.asarray(self.totals)[place + 1 :] -= self.values[place]
        del self.times[place], self.values[place], self.totals[place + 1]

    def window(self, until: np.ndarray, hours: int) -> tuple[np.ndarray, np.ndarray]:
        """Number of reports in the last hours up to each ``until``, and total of their values."""
        first, last = window(np.asarray(self.times), until, hours)
        totals = np.asarray(self.totals)
        return last - first, totals[last] - totals[first]


class Board:
    """The flights of one origin in order of schedule, and the first report of each kind on each of them.

    Behind them stands one that is never due, and of which nothing is ever heard: see UNPLANNED.
    """

    def __init__(self, scheduled: np.ndarray) -> None:
        """Take the scheduled departures, in order, in seconds since 1970."""
        kinds = ("departed", "arrived", "cancelled", "diverted")
        self.scheduled = np.append(scheduled, inf)
        self.gone = self.scheduled + WAITING_HOURS * HOUR
        self.at = {kind: np.full(len(self.scheduled), inf) for kind in kinds}
        self.delay = {kind: np.zeros(len(self.scheduled)) for kind in kinds}  # minutes

    def report(self, kind: str, place: int) -> Report:
        """The report of this kind on the flight at this place, or UNHEARD."""
        return Report(float(self.at[kind][place]), float(self.delay[kind][place]))

    def reports(self, kind: str, places: np.ndarray) -> np.ndarray:
        """When each flight's report of this kind became known, and the delay that it told, one below the other."""
        return np.array([self.at[kind][places], self.delay[kind][places]])

    def keep(self, kind: str, place: int, report: Report) -> None:
        """Keep a report. Whatever it says, the flight has not been waiting since then."""
        self.at[kind][place], self.delay[kind][place] = report
        # Who leaves early or is cancelled is due and gone in the same minute, and never waits.
        self.gone[place] = max(min(self.gone[place], report.at), self.scheduled[place])

    def waiting(self, moments: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Backlog: other flights that should have left and of which nothing was heard, for 48 hours at most."""
        first, last = window(self.scheduled, moments, WAITING_HOURS)
        start = first.min()
        near = self.gone[start : last.max()]
        to_go = np.sort(near[near > moments.min()])
        gone = len(near) - len(to_go) + to_go.searchsorted(moments, side="right")
        itself = (self.scheduled[own] <= moments) & (moments < self.gone[own])
        return last - start - gone - itself

    def cancelled_share(self, moments: np.ndarray, hours: int, own: np.ndarray) -> np.ndarray:
        """Share of the other flights scheduled in the last hours that are known to be cancelled."""
        first, last = window(self.scheduled, moments, hours)
        near = first.min() + np.flatnonzero(self.at["cancelled"][first.min() : last.max()] < inf)
        due, known = self.scheduled[near], self.at["cancelled"][near]
        # A cancelled flight counts from when it is due and known to be cancelled, and leaves the window hours later.
        came = np.sort(np.maximum(due, known)).searchsorted(moments, side="right")
        left = np.sort(np.maximum(due + hours * HOUR, known)).searchsorted(moments, side="right")
        among_them = (moments - hours * HOUR < self.scheduled[own]) & (self.scheduled[own] <= moments)
        cancelled = came - left - (among_them & (self.at["cancelled"][own] <= moments))
        return share(cancelled, last - first - among_them)


def window(times: np.ndarray, until: np.ndarray, hours: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the last hours up to each ``until`` begin and end among times in order; the begin itself is outside."""
    return times.searchsorted(until - hours * HOUR, "right"), times.searchsorted(until, "right")


def recent_means(
    timelines: Mapping[str, Timeline],
    groups: Mapping[str, np.ndarray],
    moments: np.ndarray,
    hours: int,
    own: np.ndarray,
) -> np.ndarray:
    """For each row the mean of what was told of its group in the last hours: the twin of ``recent_mean``.

    ``groups`` holds the rows of each group; ``own`` when each flight's own report was told, and its value: it is left
    out.
    """
    count, total = np.zeros((2, len(moments)))
    for group, rows in groups.items():
        if group in timelines:
            count[rows], total[rows] = timelines[group].window(moments[rows], hours)
    among_them = (moments - hours * HOUR < own[0]) & (own[0] <= moments)
    return share(total - np.where(among_them, own[1], 0.0), count - among_them)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The quotient; NaN where the whole is nothing."""
    return part / np.where(whole > 0, whole, nan)


def seconds(times: pd.Series) -> np.ndarray:
    """Each time in seconds since 1970, as ``datetime.timestamp`` counts them."""
    return times.dt.as_unit("us").astype("int64").to_numpy() / 1e6
