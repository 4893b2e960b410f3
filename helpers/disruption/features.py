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
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import lru_cache
from math import inf, nan
from sys import intern
from typing import NamedTuple
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
WAITING_LIMIT = pd.Timedelta(hours=48)  # no flight waits longer: the longest delay of 2013 is 22 hours, of 2023 30
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


# One flight at a time


HOUR = 3600.0  # seconds


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
        moment = at.timestamp()
        planned = self.movements.knows(plan)
        return {
            **self.timetable.features(plan, planned),
            **self.weather.features(plan.origin, moment),
            **self.movements.features(plan, moment),
        }


class Timetable:
    """How many flights the schedule holds, and what a flight's own plan says: the twin of ``schedule_features``."""

    def __init__(self, plans: pd.DataFrame, airports: pd.DataFrame) -> None:
        """Count the flights of each origin, hour, day and carrier."""
        self.zones = {code: ZoneInfo(name) for code, name in time_zones(airports).items()}
        # A day of the schedule has an hour and a date; both are written as whole numbers, which are quick to look up.
        hour = (plans.scheduled_departure - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)
        day = plans.scheduled_departure.dt.tz_convert(NEW_YORK).dt.date.map(date.toordinal)
        self.of_hour = plans.groupby([plans.origin, hour]).size().to_dict()
        self.of_day = plans.groupby([plans.origin, day]).size().to_dict()
        self.of_carrier = plans.groupby([plans.origin, plans.carrier, hour]).size().to_dict()

    def features(self, plan: FlightPlan, planned: bool) -> dict[str, float | str]:
        """The schedule's columns. ``planned`` says whether the flight is among those counted; else it is added."""
        local = plan.scheduled_departure.astimezone(NEW_YORK)
        hour = int(plan.scheduled_departure.timestamp() // HOUR)
        itself = 0 if planned else 1
        return {
            "origin": plan.origin,
            "dest": plan.dest,
            "carrier": plan.carrier,
            "day_of_week": float(local.weekday()),
            "departure_minute": float(local.hour * 60 + local.minute),
            "arrival_minute": self.arrival_minute(plan),
            "block_minutes": (plan.scheduled_arrival - plan.scheduled_departure).total_seconds() / 60,
            "distance": float(plan.distance),
            "flights_origin_hour": float(self.of_hour.get((plan.origin, hour), 0) + itself),
            "flights_origin_day": float(self.of_day.get((plan.origin, local.toordinal()), 0) + itself),
            "flights_carrier_hour": float(self.of_carrier.get((plan.origin, plan.carrier, hour), 0) + itself),
            "days_to_holiday": float(days_from(local.toordinal(), holidays_around(local.year))),
        }

    def arrival_minute(self, plan: FlightPlan) -> float:
        """Scheduled arrival in minutes after midnight on the destination's clock; NaN when its zone is unknown."""
        zone = self.zones.get(plan.dest)
        if zone is None:
            return nan
        local = plan.scheduled_arrival.astimezone(zone)
        return float(local.hour * 60 + local.minute)


@lru_cache
def holidays_around(year: int) -> tuple[int, ...]:
    """The US federal holidays of a year and of its neighbours, in order, as ordinals of the day."""
    holidays = USFederalHolidayCalendar().holidays(f"{year - 1}-01-01", f"{year + 1}-12-31")
    return tuple(day.toordinal() for day in holidays)


def days_from(day: int, holidays: tuple[int, ...]) -> int:
    """Days from a day to the nearest of the holidays, which lie on both sides of it."""
    after = bisect_left(holidays, day)
    return min(holidays[after] - day, day - holidays[after - 1])


class WeatherLog:
    """The observations of each airport by the hour: the twin of ``weather_features``."""

    def __init__(self) -> None:
        """Nothing is observed yet."""
        self.observations: dict[tuple[str, int], Observed] = {}

    def apply(self, event: Observed) -> bool:
        """Keep the observation, unless the same hour's is known from before."""
        key = (event.origin, int(event.hour.timestamp() // HOUR))
        old = self.observations.get(key)
        if old is not None and (old.at, old.event_id) <= (event.at, event.event_id):
            return False
        self.observations[key] = event
        return True

    def features(self, origin: str, moment: float) -> dict[str, float]:
        """The weather's columns at a moment, in seconds since 1970."""
        _, now = next(self.made(origin, moment, moment), (nan, None))
        _, before = next(self.made(origin, moment - 3 * HOUR, moment), (nan, None))
        recent = [event for age, event in self.made(origin, moment, moment) if age < 3 * HOUR]
        rain = [event.precip for event in recent if event.precip is not None]
        return {
            **{name: measured(now, name) for name in OBSERVED},
            "pressure_change_3h": round(measured(now, "pressure") - measured(before, "pressure"), 1),
            "rain_3h": round(sum(rain), 2) if rain else nan,
        }

    def made(self, origin: str, until: float, known_by: float) -> Iterator[tuple[float, Observed]]:
        """The observations of the six hours before ``until``, newest first, with their age in seconds."""
        first = (until - OBSERVATION_DELAY.total_seconds()) // HOUR
        age = until - OBSERVATION_DELAY.total_seconds() - first * HOUR
        for hours in range(1 + int((OBSERVATION_AGE_LIMIT.total_seconds() - age) // HOUR)):
            event = self.observations.get((origin, int(first) - hours))
            if event is not None and event.at.timestamp() <= known_by:
                yield age + hours * HOUR, event


def measured(event: Observed | None, name: str) -> float:
    """What the observation says of one quantity; NaN without an observation or a value."""
    value = None if event is None else getattr(event, name)
    return nan if value is None else value


class Movements:
    """Departures, arrivals and cancellations of the scheduled flights: the twin of ``operations_features``."""

    def __init__(self, plans: pd.DataFrame) -> None:
        """Take the schedule; no flight has been heard of."""
        self.places: dict[str, tuple[int, str]] = {}  # place on the origin's board, and destination, of each flight
        self.boards: dict[str, Board] = {}
        for origin in ORIGINS:
            flights = plans[plans.origin == origin].sort_values("scheduled_departure")
            self.boards[origin] = Board(seconds(flights.scheduled_departure))
            # Interned, the name of a destination is held once, not once a flight.
            self.places.update(zip(flights.flight_id, enumerate(map(intern, flights.dest)), strict=True))
        self.departures = defaultdict[str, Timeline](Timeline)  # by origin, and by origin and carrier
        self.arrivals = defaultdict[str, Timeline](Timeline)  # by destination

    def apply(self, event: FlightEvent) -> bool:
        """Keep the report, unless the same thing is known from before. Raises UnknownFlight."""
        if event.flight_id not in self.places:
            raise UnknownFlight(f"flight {event.flight_id} is not in the schedule: check its key, or plan it first")
        place, dest = self.places[event.flight_id]
        flight, origin, _ = event.flight_id.split("-")
        board = self.boards[origin]
        old = board.report(event.kind, place)
        new = Report(event.at.timestamp(), getattr(event, "delay_minutes", 0.0))
        if old <= new:
            return False
        board.keep(event.kind, place, new)
        for timeline in self.timelines(event.kind, origin, flight[:2], dest):
            timeline.replace(old, new)
        return True

    def timelines(self, kind: str, origin: str, carrier: str, dest: str) -> list["Timeline"]:
        """The timelines on which an event of this kind has a place."""
        if kind == "departed":
            return [self.departures[origin], self.departures[origin + carrier]]
        return [self.arrivals[dest]] if kind == "arrived" else []

    def knows(self, plan: FlightPlan) -> bool:
        """Whether the flight is in the schedule."""
        return plan.flight_id in self.places

    def features(self, plan: FlightPlan, moment: float) -> dict[str, float]:
        """The operations' columns at a moment, in seconds since 1970; the flight's own events are left out."""
        board = self.boards[plan.origin]
        own, _ = self.places.get(plan.flight_id, (None, plan.dest))
        departed, arrived = board.report("departed", own), board.report("arrived", own)
        at_origin, at_dest = self.departures[plan.origin], self.arrivals[plan.dest]
        of_carrier = self.departures[plan.origin + plan.carrier]
        return {
            "departure_delay_origin_3h": mean(at_origin.others(moment, 3, departed)),
            "departure_delay_carrier_3h": mean(of_carrier.others(moment, 3, departed)),
            "arrival_delay_dest_6h": mean(at_dest.others(moment, 6, arrived)),
            "late_share_origin_24h": mean([delay >= LATE for delay in at_origin.others(moment, 24, departed)]),
            "cancelled_share_origin_6h": board.cancelled_share(moment, 6, own),
            "waiting_origin": board.waiting(moment, own),
        }


class Report(NamedTuple):
    """When something became known, in seconds since 1970, and the delay that was told, in minutes."""

    at: float
    delay: float


UNHEARD = Report(inf, 0.0)


class Timeline:
    """Delays in order of time, kept in order as they come: the twin of ``Past``, for one group.

    News is seldom late, so nearly all of it is added at the end.
    """

    def __init__(self) -> None:
        """Nothing happened yet."""
        self.times = array("d")
        self.delays = array("d")

    def replace(self, old: Report, new: Report) -> None:
        """Put a report in its place, and take out the one that it corrects."""
        if old != UNHEARD:
            place = self.delays.index(old.delay, bisect_left(self.times, old.at))
            del self.times[place], self.delays[place]
        place = bisect_right(self.times, new.at)
        self.times.insert(place, new.at)
        self.delays.insert(place, new.delay)

    def others(self, until: float, hours: int, own: Report) -> array:
        """The delays told in the last hours up to ``until``, without the flight's own."""
        first, last = bisect_right(self.times, until - hours * HOUR), bisect_right(self.times, until)
        delays = self.delays[first:last]
        if until - hours * HOUR < own.at <= until:
            delays.remove(own.delay)
        return delays


class Board:
    """The flights of one origin in order of schedule, and the first report of each kind on each of them."""

    def __init__(self, scheduled: np.ndarray) -> None:
        """Take the scheduled departures, in order, in seconds since 1970."""
        kinds = ("departed", "arrived", "cancelled", "diverted")
        self.scheduled = scheduled
        self.gone = scheduled + WAITING_LIMIT.total_seconds()
        self.at = {kind: np.full(len(scheduled), inf) for kind in kinds}
        self.delay = {kind: np.zeros(len(scheduled)) for kind in kinds}

    def report(self, kind: str, place: int | None) -> Report:
        """The report of this kind on the flight at this place, or UNHEARD."""
        return UNHEARD if place is None else Report(float(self.at[kind][place]), float(self.delay[kind][place]))

    def keep(self, kind: str, place: int, report: Report) -> None:
        """Keep a report. Whatever it says, the flight has not been waiting since then."""
        self.at[kind][place], self.delay[kind][place] = report
        # Who leaves early or is cancelled is due and gone in the same minute, and never waits.
        self.gone[place] = max(min(self.gone[place], report.at), self.scheduled[place])

    def waiting(self, moment: float, own: int | None) -> float:
        """Backlog: other flights that should have left and of which nothing was heard, for 48 hours at most."""
        gone = self.others(self.gone, moment, WAITING_LIMIT.total_seconds(), own)
        return float(np.count_nonzero(gone > moment))

    def cancelled_share(self, moment: float, hours: int, own: int | None) -> float:
        """Share of the other flights scheduled in the last hours that are known to be cancelled."""
        cancelled = self.others(self.at["cancelled"], moment, hours * HOUR, own)
        return np.count_nonzero(cancelled <= moment) / len(cancelled) if len(cancelled) else nan

    def others(self, known: np.ndarray, moment: float, length: float, own: int | None) -> np.ndarray:
        """What is ``known`` of the other flights scheduled in (moment - length, moment]."""
        first, last = self.scheduled.searchsorted([moment - length, moment], side="right")
        among_them = own is not None and first <= own < last
        return np.delete(known[first:last], own - first) if among_them else known[first:last]


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return sum(values) / len(values) if len(values) else nan


def seconds(times: pd.Series) -> np.ndarray:
    """Each time in seconds since 1970, as ``datetime.timestamp`` counts them."""
    return times.dt.as_unit("us").astype("int64").to_numpy() / 1e6
