"""What the answers to the exercises of lesson 21 must do."""

import json
import math
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, type_name

HOUR = pd.Timedelta(hours=1)

# 21.1: what a join will do


@check("21.1")
def check_foresee(foresee, rng: Generator) -> None:
    """Compare with a count of pairs, row by row; some keys are missing on both sides."""
    for key in (["tail"], ["tail", "day"]):
        left, right = _keyed(rng, 60), _keyed(rng, 40)
        before = left.copy(), right.copy()
        found = foresee(left, right, list(key))
        assert left.equals(before[0]) and right.equals(before[1]), "A frame that was passed in has changed."
        assert isinstance(found, dict) and set(found) == {"rows", "unmatched", "multiplied"}, (
            f"Return a dict with rows, unmatched and multiplied: this is {found!r}."
        )
        _assert_foreseen(found, left, right, key)


def _assert_foreseen(found: dict[str, Any], left: pd.DataFrame, right: pd.DataFrame, key: list[str]) -> None:
    partners = _partners(left, right, key)
    rows = int(np.maximum(partners, 1).sum())
    with_blanks = len(left.merge(right, on=key, how="left"))
    assert found["rows"] != with_blanks or rows == with_blanks, (
        f"You expect {found['rows']} rows. That pairs missing keys with each other, as pandas does; with SQL's rule a "
        "row with a missing key finds no partner."
    )
    assert found["rows"] != partners.sum(), (
        f"You expect {found['rows']} rows: in a left join a row without a partner still makes one row."
    )
    assert found["rows"] == rows, f"You expect {found['rows']} rows from the key {key}, and that is not what comes out."
    assert found["unmatched"] == (partners == 0).sum(), (
        f"{found['unmatched']} unmatched is not right for the key {key}: count the rows of left, not its keys, that "
        "find no partner, those with a missing key among them."
    )
    assert found["multiplied"] == (partners > 1).sum(), (
        f"{found['multiplied']} multiplied is not right for the key {key}: count the rows of left that find more than "
        "one partner, not the rows that come in addition."
    )


def _partners(left: pd.DataFrame, right: pd.DataFrame, key: list[str]) -> np.ndarray:
    """How many rows of the right each row of the left finds."""
    others = _rows(right[key])
    same = [[all(a == b for a, b in zip(row, other, strict=True)) for other in others] for row in _rows(left[key])]
    return np.sum(same, axis=1)


def _rows(frame: pd.DataFrame) -> list[tuple]:
    """The rows as tuples; a missing value is NaN, which equals nothing."""
    return list(frame.astype(object).where(frame.notna(), math.nan).itertuples(index=False, name=None))


def _keyed(rng: Generator, rows: int) -> pd.DataFrame:
    own = [f"N{number}" for number in rng.integers(100, 900, 4)]
    columns = {
        "tail": pd.Series(rng.choice(np.array([*_SHARED, *own, None], dtype=object), rows), dtype="str"),
        "day": rng.choice([1.0, 2.0, np.nan], rows, p=[0.5, 0.3, 0.2]),
        "note": np.arange(rows),
    }
    return pd.DataFrame(columns).set_index(rng.permutation(rows) + 100)


_SHARED = ("N12", "N34", "N56")

# 21.2: when a wall shows a time


@check("21.2")
def check_first_shown(first_shown, rng: Generator) -> None:
    """Compare with a walk along the minutes, on usual days and on those with a change of the clock."""
    for departure, clock, zone, what in _showings(rng):
        moment = first_shown(pd.Timestamp(departure), clock, zone)
        assert isinstance(moment, datetime), f"Return a Timestamp: this is {type_name(moment)}."
        assert moment.tzinfo is not None, "The moment that you return has no time zone: nobody can say when it is."
        # In UTC: Python lets a time in an hour that comes twice equal nothing in another zone (PEP 495).
        moment = pd.Timestamp(moment).tz_convert("UTC")
        asked = f"From {departure:%Y-%m-%d %H:%M} UTC, {zone} shows {clock}"
        assert moment >= departure, f"{asked} at {moment:%H:%M} on {moment:%d %B}, you say: before the departure."
        expected = _slow_showing(departure, clock, zone)
        assert moment == expected, (
            f"{asked} for the first time not at {moment:%Y-%m-%d %H:%M} UTC, as you say. Here {what}."
        )


def _slow_showing(departure: datetime, clock: int, zone: str) -> datetime:
    moment = departure
    while True:
        wall = moment.astimezone(ZoneInfo(zone))
        if (wall.hour, wall.minute) == (clock // 100 % 24, clock % 100):
            return moment
        moment += timedelta(minutes=1)


def _showings(rng: Generator) -> list[tuple[datetime, int, str, str]]:
    utc, new_york = ZoneInfo("UTC"), "America/New_York"
    day = datetime(2013, 5, 1, tzinfo=utc) + timedelta(days=int(rng.integers(90)), minutes=int(rng.integers(1440)))
    hhmm = [int(100 * rng.integers(24) + rng.integers(60)) for _ in range(8)]
    march, november = datetime(2013, 3, 10, tzinfo=utc), datetime(2013, 11, 3, tzinfo=utc)
    minute = int(rng.integers(1, 59))
    early = int(300 + rng.integers(60))
    usual = [
        (day, clock, zone, "nothing is odd: mind the day and the zone")
        for clock, zone in zip(hhmm, _ZONES, strict=True)
    ]
    return [
        *usual,
        (day, 2400, "America/Chicago", "2400 is midnight"),
        (day, 0, "America/Denver", "midnight is a time of the day too"),
        (day, int(f"{day:%H%M}"), "UTC", "the wall shows it at the departure itself"),
        (day + timedelta(minutes=1), int(f"{day:%H%M}"), "UTC", "it was shown a minute ago, so it is the next day"),
        (november + timedelta(hours=3, minutes=59), early, new_york, "the clock goes back on the way"),
        (november + timedelta(hours=4), 100 + minute, new_york, "the hour comes twice and the first one counts"),
        (november + timedelta(hours=5, minutes=minute + 1), 100 + minute, new_york, "the first showing is over"),
        (
            november + timedelta(hours=3, minutes=59),
            early,
            "America/Puerto_Rico",
            "the clock of that zone never changes",
        ),
        (march + timedelta(hours=4, minutes=59), early, new_york, "the clock goes forward on the way"),
        (march + timedelta(hours=6), 200 + minute, new_york, "that time is skipped, and shown on the next day"),
        (march - timedelta(hours=16), 200 + minute, new_york, "that time is skipped in the night to come"),
    ]


_ZONES = (
    "America/Los_Angeles",
    "America/Phoenix",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "Asia/Kolkata",
    "America/St_Johns",
    "Australia/Sydney",
    "UTC",
)

# 21.3: a table that lost and invented rows


@check("21.3")
def check_repaired_table(repaired_table, rng: Generator) -> None:
    """Look up each flight's hour and aircraft by hand, around the night in which an hour comes twice."""
    world = flights, weather, planes = _night_of_november(rng)
    before = [table.copy() for table in world]
    table = repaired_table(*world)
    assert isinstance(table, pd.DataFrame), f"Return a data frame: this is {type_name(table)}."
    assert all(old.equals(new) for old, new in zip(before, world, strict=True)), (
        "A table that was passed in has changed."
    )
    wanted = [*flights.columns, "temp", "built"]
    assert sorted(table.columns) == sorted(wanted), f"The table has the columns {list(table)}; it should have {wanted}."
    _assert_same_flights(table, flights)
    hours = {(row.origin, row.time_hour): row.temp for row in weather.itertuples()}
    years = {row.tailnum: row.year for row in planes.itertuples() if isinstance(row.tailnum, str)}
    temp = [hours.get(key, math.nan) for key in zip(flights.origin, flights.time_hour, strict=True)]
    built = [years.get(tailnum, math.nan) for tailnum in flights.tailnum]
    _assert_column(table.temp, temp, "temp", "the weather is that of the flight's origin and `time_hour`")
    _assert_column(table.built, built, "built", "a flight without a tailnum has no plane, and others keep theirs")
    # Contradictions that no flight of today meets: the key is no key all the same.
    asked_for = set(zip(flights.origin, flights.time_hour, strict=True))
    idle = weather[[key not in asked_for for key in zip(weather.origin, weather.time_hour, strict=True)]].iloc[[0]]
    two_reports = pd.concat([weather, idle.assign(temp=-40.0)], ignore_index=True)
    two_years = pd.concat([planes, planes.iloc[[0]].assign(year=math.nan)], ignore_index=True)
    _assert_refuses(repaired_table, flights, two_reports, planes, "(origin, time_hour)")
    _assert_refuses(repaired_table, flights, weather, two_years, "tailnum")


def _assert_same_flights(table: pd.DataFrame, flights: pd.DataFrame) -> None:
    keys = ["year", "month", "day", "carrier", "flight", "origin", "time_hour"]
    twice = table.duplicated(keys).sum()
    assert not twice, f"{twice} rows are in the table in addition: some flight found two partners."
    lost = len(flights) - len(table)
    assert lost <= 0, (
        f"{lost} of {len(flights)} flights are lost: keep those without a partner, and two flights with one number "
        "that leave from two airports."
    )
    assert list(table.index) == list(flights.index), "The table should have the index of flights, in their order."
    for name in flights:
        same = (table[name] == flights[name]) | (table[name].isna() & flights[name].isna())
        assert same.all(), f"The column {name} is not that of flights any more."


def _assert_column(found: pd.Series, expected: list[float], name: str, rule: str) -> None:
    wrong = ~np.isclose(found.to_numpy("float64"), expected, equal_nan=True)
    assert not wrong.any(), f"{wrong.sum()} flights have a wrong value of {name}: {rule}."


def _assert_refuses(
    repaired_table: Callable, flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame, key: str
) -> None:
    try:
        repaired_table(flights, weather, planes)
    except ValueError:
        return
    raise AssertionError(
        f"Two different rows for one {key} went through: nobody can say which is right, so refuse them."
    )


def _night_of_november(rng: Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    hours = pd.date_range("2013-11-02 20:00", periods=24, freq="h", tz="UTC")
    grid = pd.MultiIndex.from_product([["EWR", "JFK"], hours], names=["origin", "time_hour"]).to_frame(index=False)
    weather = grid.assign(**_local(grid.time_hour), temp=np.round(rng.normal(50, 9, len(grid)), 2))
    weather = weather.drop(index=rng.choice(np.arange(30, len(grid)), 4, replace=False))
    repeated = weather.sample(6, random_state=rng)
    weather = pd.concat([weather, repeated]).sample(frac=1, random_state=rng, ignore_index=True)

    tails = np.array([f"N{number}" for number in rng.permutation(900)[:9]], dtype=object)
    years = rng.integers(1980, 2013, 7).astype(float)
    planes = pd.DataFrame({"tailnum": ["N1IDLE", *tails[:6], None], "year": [*years, 1976.0]})
    count = 30
    flights = grid.sample(count, random_state=rng, ignore_index=True)
    flights = flights.assign(
        **_local(flights.time_hour),
        carrier="WN",
        flight=rng.permutation(count) + 100,
        tailnum=rng.choice([*tails, None, None], count),
    )
    twins = pd.DataFrame({"origin": ["EWR", "JFK"] * 2, "time_hour": [hours[9], hours[9], hours[10], hours[10]]})
    twins = twins.assign(**_local(twins.time_hour), carrier="UA", flight=[7, 7, 8, 8], tailnum=tails[0])
    flights = pd.concat([flights, twins]).sample(frac=1, random_state=rng)
    return flights.set_index(rng.permutation(len(flights)) + 1000), weather, planes


def _local(moments: pd.Series) -> dict[str, pd.Series]:
    wall = moments.dt.tz_convert("America/New_York").dt
    return {name: getattr(wall, name).astype("int64") for name in ("year", "month", "day", "hour")}


# 21.4: the latest that is known


@check("21.4")
def check_as_known(as_known, rng: Generator) -> None:
    """Compare with a search through all rows for each flight; some lie exactly on a limit."""
    for horizon, delay, oldest in ((120, 51, 360), (60 * int(rng.integers(3, 9)) + 35, int(rng.integers(5, 50)), 180)):
        spans = tuple(pd.Timedelta(minutes=span) for span in (horizon, delay, oldest))
        flights, weather = _flights_and_sky(rng, *spans)
        with tempfile.TemporaryDirectory() as folder:
            files = [
                _written(table, Path(folder, name)) for table, name in ((flights, "flights"), (weather, "weather"))
            ]
            before = [Path(file).read_bytes() for file in files]
            found = as_known(*files, horizon, delay, oldest)
            assert [Path(file).read_bytes() for file in files] == before, "A file that was passed in has changed."
        _assert_known(_temperatures(found, flights), flights, weather, spans)


def _written(table: pd.DataFrame, path: Path) -> str:
    table.to_parquet(path.with_suffix(".parquet"), index=False)
    return str(path.with_suffix(".parquet"))


def _temperatures(found: Any, flights: pd.DataFrame) -> np.ndarray:
    """The answer's temperatures in the order of the flights, each flight once."""
    assert isinstance(found, pd.DataFrame), f"Return a data frame: this is {type_name(found)}."
    assert {"flight_id", "temp"} <= set(found.columns), (
        f"The columns are flight_id and temp: these are {list(map(str, found.columns))}."
    )
    lost = set(flights.flight_id) - set(found.flight_id)
    assert not lost, (
        f"{len(lost)} of {len(flights)} flights are lost, such as one without any row at its origin: a flight "
        "without weather stays, with temp missing."
    )
    assert len(found) == len(flights), f"{len(flights)} flights went in and {len(found)} rows came out: one row each."
    return found.set_index("flight_id").temp.reindex(flights.flight_id).to_numpy("float64", na_value=np.nan)


class Known(NamedTuple):
    """The latest row that a flight could know: how long it has been known, and its temperature."""

    age: pd.Timedelta
    temp: float


def _slow_search(flight: Any, weather: pd.DataFrame, spans: tuple) -> Known | None:
    horizon, delay, _ = spans
    decided = flight.scheduled - horizon
    ages = [
        Known(decided - row.time_hour - delay, row.temp)
        for row in weather.itertuples()
        if row.origin == flight.origin and row.time_hour + delay <= decided
    ]
    return min(ages, key=lambda known: known.age, default=None)


def _assert_known(found: np.ndarray, flights: pd.DataFrame, weather: pd.DataFrame, spans: tuple) -> None:
    horizon, delay, oldest = spans
    future = dict(zip(weather.temp, weather.time_hour + delay, strict=True))
    for value, decided in zip(found, flights.scheduled - horizon, strict=True):
        assert not future.get(value, decided) > decided, (
            f"A flight decided at {decided:%H:%M} has a temperature that became known at {future[value]:%H:%M}: "
            "that is the future."
        )
    for value, flight in zip(found, flights.itertuples(), strict=True):
        asked = f"A flight from {flight.origin}, decided at {flight.scheduled - horizon:%H:%M},"
        known = _slow_search(flight, weather, spans)
        if known is None or known.age > oldest:
            assert np.isnan(value), (
                f"{asked} has a temperature, but its airport's latest row is too old, or there is none."
            )
        elif np.isnan(known.temp):
            assert np.isnan(value), (
                f"{asked} has a temperature, but the latest row has none: an older one is no stand-in."
            )
        else:
            assert value == known.temp, (
                f"{asked} has {value}: it should have the row known for {known.age.seconds // 60} minutes."
            )


def _flights_and_sky(
    rng: Generator, horizon: pd.Timedelta, delay: pd.Timedelta, oldest: pd.Timedelta
) -> tuple[pd.DataFrame, pd.DataFrame]:
    start = pd.Timestamp("2013-07-01", tz="UTC") + int(rng.integers(90)) * 24 * HOUR
    hours = start + pd.to_timedelta(np.arange(48), unit="h")
    grid = pd.MultiIndex.from_product([["EWR", "JFK"], hours], names=["origin", "time_hour"]).to_frame(index=False)
    grid["temp"] = rng.permutation(len(grid)) + 0.25  # each one once, so that a value names its row
    grid.loc[rng.choice(len(grid), 6, replace=False), "temp"] = np.nan
    silent = grid.time_hour.between(hours[20], hours[29]) & (grid.origin == "JFK")
    weather = grid[~silent & (rng.random(len(grid)) > 0.15)]
    minutes = pd.to_timedelta(rng.integers(0, 60 * 60, 50), unit="min")
    scheduled = [*(start + minutes), *(weather.time_hour.sample(10, random_state=rng) + delay + horizon)]
    last = weather.time_hour[(weather.origin == "JFK") & (weather.time_hour < hours[20])].max()
    scheduled += [last + delay + horizon + oldest, last + delay + horizon + oldest + pd.Timedelta(minutes=1)]
    origin = [*rng.choice(["EWR", "JFK", "LGA"], 60, p=[0.45, 0.45, 0.1]), "JFK", "JFK"]
    flights = pd.DataFrame({"origin": origin, "scheduled": pd.DatetimeIndex(scheduled).as_unit("us")})
    flights = flights.assign(flight_id=rng.permutation(len(flights)) + 500).sample(frac=1, random_state=rng)
    weather = weather.assign(time_hour=weather.time_hour.dt.as_unit("us"))
    return flights, weather.sample(frac=1, random_state=rng)


# 21.5: a client


class _Enough(SystemExit):
    """The archive was asked so often that the client will never end; not to be swallowed by `except Exception`."""


class Archive:
    """An archive of pages, with a list of what goes wrong first at each; notes what a client does."""

    def __init__(self, rng: Generator, pages: list[list[dict]], troubles: dict[int, list[Any]]) -> None:
        """Give each page a cursor that cannot be guessed."""
        self.pages, self.troubles = pages, {place: list(trouble) for place, trouble in troubles.items()}
        self.cursors = [None, *(f"c{number}" for number in rng.permutation(9000)[: len(pages) - 1])]
        self.calls: list[int | None] = []
        self.pauses: list[float] = []
        self.demands: list[float] = [0.0]
        self.waits: list[float] = [0.0]
        self.failures = 0

    def sleep(self, seconds: float) -> None:
        """Note how long."""
        self.waits[-1] += seconds

    def get(self, cursor: str | None) -> tuple[int, dict[str, str], str]:
        """Answer, or raise ConnectionError."""
        place = self.cursors.index(cursor) if cursor in self.cursors else None
        self.failures = self.failures if self.calls and place == self.calls[-1] else 0
        self.calls.append(place)
        if len(self.calls) > 150:
            raise _Enough
        self.waits.append(0.0)
        self.demands.append(0.0)
        if place is None:
            return 400, {}, "unknown cursor"
        trouble = self.troubles.get(place)
        return self.go_wrong(place, trouble.pop(0)) if trouble else self.give(place)

    def go_wrong(self, place: int, trouble: Any) -> tuple[int, dict[str, str], str]:
        """Answer a trouble: a number of seconds after 429, another status, a page cut off, no connection."""
        if isinstance(trouble, tuple):
            self.demands[-1] = trouble[1]
            return 429, {"Retry-After": str(trouble[1])}, json.dumps({"detail": "too many requests"})
        if trouble in ("cut", "gone") or trouble >= 500:
            self.demands[-1] = 2**self.failures
            self.failures += 1
        if trouble == "gone":
            raise ConnectionError("no route to the archive")
        if trouble == "cut":
            status, headers, text = self.give(place)
            return status, headers, text[: len(text) * 2 // 3]
        return trouble, {}, json.dumps({"detail": "no"})

    def give(self, place: int) -> tuple[int, dict[str, str], str]:
        """The page."""
        following = self.cursors[place + 1] if place + 1 < len(self.pages) else None
        return 200, {}, json.dumps({"rows": self.pages[place], "next": following})


@check("21.5")
def check_collect(collect, rng: Generator) -> None:
    """Put the client before archives with every mood, and see what it takes, how it waits and when it gives up."""
    _assert_collects(collect, rng, [3, 2, 4], {}, "a calm archive")
    _assert_collects(collect, rng, [0], {}, "an empty archive")
    _assert_collects(collect, rng, [2, 0, 3], {}, "a page that is empty and has a next one")
    _assert_collects(collect, rng, [0, 3], {}, "a first page that is empty and has a next one")
    limits = [(429, int(seconds)) for seconds in rng.integers(2, 70, 6)]
    _assert_collects(collect, rng, [3, 2], {0: limits}, "six answers of 429 in a row, which are no failures")
    moods = {0: [503, "cut", "gone", 500], 1: ["gone", (429, 3), "cut"], 2: [502, 503, "cut", 500]}
    _assert_collects(collect, rng, [2, 3, 2], moods, "up to four failures at each page")
    _assert_gives_up(collect, rng, {1: [503, "gone", (429, 2), "cut", 500, 503, 500, 500]}, RuntimeError, 6)
    for status in (401, 403, 404, 422, 499, 204, 302):
        _assert_gives_up(collect, rng, {1: [500, status, 500]}, ValueError, 2)
    _assert_takes_corrections(collect, rng)


def _assert_collects(collect: Callable, rng: Generator, sizes: list[int], troubles: dict, case: str) -> None:
    archive = Archive(rng, _pages(rng, sizes), troubles)
    found = _run(collect, archive, case)
    expected = [row for page in archive.pages for row in page]
    _assert_rows(found, expected, case)
    assert None not in archive.calls, f"With {case}: you asked for a page with a cursor that the archive never gave."
    _assert_patience(archive, case)
    needed = len(sizes) + sum(len(trouble) for trouble in troubles.values())
    assert len(archive.calls) == needed, (
        f"With {case}: {len(archive.calls)} requests, where {needed} are needed: do not ask again for a page that came."
    )


def _run(collect: Callable, archive: Archive, case: str) -> Any:
    try:
        return collect(archive.get, archive.sleep)
    except NotImplementedError:  # a RuntimeError too: the task is not attempted yet
        raise
    except _Enough:
        raise AssertionError(
            f"With {case}: after 150 requests you still ask. The collection ends when `next` is null."
        ) from None
    except (RuntimeError, ValueError, ConnectionError) as error:
        raise AssertionError(
            f"With {case}: the collection ended in {type(error).__name__} ({error}). It could go on."
        ) from None


def _assert_rows(found: Any, expected: list[dict], case: str) -> None:
    assert isinstance(found, list | tuple), f"Return a list of rows: this is {type_name(found)}."
    assert all(isinstance(row, dict) for row in found), "Each row is a dict, as the archive gave it."
    keys = [_key(row) for row in found]
    assert len(keys) == len(set(keys)), f"With {case}: {len(keys) - len(set(keys))} rows are in the list twice."
    missing = {_key(row) for row in expected} - set(keys)
    assert not missing, f"With {case}: {len(missing)} of {len(expected)} rows are missing."
    latest = {_key(row): row for row in expected}
    assert all(row == latest.get(_key(row)) for row in found), (
        f"With {case}: some rows are not the last that the archive gave for their key."
    )


def _assert_patience(archive: Archive, case: str) -> None:
    for demanded, waited in zip(archive.demands, archive.waits, strict=True):
        assert waited >= demanded, (
            f"With {case}: you slept {waited:g} s where at least {demanded:g} s are due: as `Retry-After` says after a "
            "429, else twice as long after each failure of the page."
        )
        assert waited <= max(2 * demanded, 60), f"With {case}: you slept {waited:g} s; a failure is worth 60 at most."


def _assert_gives_up(collect: Callable, rng: Generator, troubles: dict, error: type[Exception], tries: int) -> None:
    archive = Archive(rng, _pages(rng, [2, 3, 1]), troubles)
    mistaken = f"a status that asking again cannot mend ({troubles[1][tries - 1]})"
    what = mistaken if error is ValueError else "five failures of one page"
    try:
        collect(archive.get, archive.sleep)
    except _Enough:
        raise AssertionError(f"After {what} you ask for ever: raise {error.__name__}.") from None
    except (RuntimeError, ValueError, ConnectionError, KeyError, TypeError) as raised:
        assert isinstance(raised, error) and not isinstance(raised, json.JSONDecodeError), (
            f"After {what} the collection ended in {type_name(raised)}: raise {error.__name__}."
        )
    else:
        raise AssertionError(f"After {what} you returned rows, and nobody will know that some are missing.")
    asked = archive.calls.count(1)
    assert asked == tries, f"Before {what} you asked for the page {asked} times; {tries} are right."


def _assert_takes_corrections(collect: Callable, rng: Generator) -> None:
    pages = _pages(rng, [3, 3, 2])
    pages[1].append({**pages[0][1], "temp": -1.5})
    pages[2].append(dict(pages[1][0]))
    archive = Archive(rng, pages, {})
    found = _run(collect, archive, "rows that come twice")
    _assert_rows(found, [row for page in pages for row in page], "rows that come twice")


def _pages(rng: Generator, sizes: list[int]) -> list[list[dict]]:
    """Return pages of rows; each hour comes for two airports, so that it is half of the key."""
    hours = pd.date_range("2013-11-03", periods=sum(sizes), freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = ({"origin": origin, "time_hour": hour} for hour in hours for origin in ("EWR", "JFK"))
    return [[next(keys) | {"temp": float(rng.integers(90))} for _ in range(size)] for size in sizes]


def _key(row: dict) -> tuple:
    return row.get("origin"), row.get("time_hour")


# 21.6: how far back


@check("21.6")
def check_choose_overlap(choose_overlap, rng: Generator) -> None:
    """Play the runs row by row for each overlap; some rows lie exactly on an edge."""
    for page in (1, int(rng.integers(7, 15))):
        observed, arrived, runs = _late_rows(rng)
        overlaps = [int(hours) for hours in rng.permutation([0, 2, 3, 5, 8, 13, 30])]
        outcomes = {hours: _slow_runs(observed, arrived, runs, hours, page) for hours in overlaps}
        for limit in sorted({lost for lost, _ in outcomes.values()}):
            found = choose_overlap(observed.copy(), arrived.copy(), list(runs), list(overlaps), limit, page)
            _assert_choice(found, outcomes, limit)
    nothing = choose_overlap(observed.copy(), arrived.copy(), list(runs), [0, 1], 0, page)
    assert nothing is None, f"No overlap is long enough for the limit 0, so return None: this is {nothing!r}."


def _assert_choice(found: Any, outcomes: dict[int, tuple[int, int]], limit: int) -> None:
    good = [hours for hours, (lost, _) in outcomes.items() if lost <= limit]
    assert found is not None, f"You return None, although some overlap keeps the limit {limit}."
    assert isinstance(found, dict) and set(found) == {"overlap", "lost", "requests"}, (
        f"Return a dict with overlap, lost and requests: this is {found!r}."
    )
    hours = found["overlap"]
    assert hours in outcomes, f"{hours!r} is none of the overlaps that were offered."
    lost, requests = outcomes[hours]
    assert found["lost"] == lost, (
        f"With an overlap of {hours} h you count {found['lost']} lost rows, which is not right: a row is lost if it "
        "has arrived by the last run and no run has read it; mind arrivals at the moment of a run, and observations "
        "exactly at the previous run less the overlap."
    )
    assert lost <= limit, f"An overlap of {hours} h loses {lost} rows, and {limit} are the limit."
    assert hours == min(good), f"An overlap of {hours} h keeps the limit {limit}, and a shorter one does too."
    assert found["requests"] == requests, (
        f"With an overlap of {hours} h you count {found['requests']} requests, which is not right: every run counts, "
        "the first reads all that has arrived, each asks for whole pages, and at least for one."
    )


def _slow_runs(observed: pd.Series, arrived: pd.Series, runs: list, hours: int, page: int) -> tuple[int, int]:
    rows = list(zip(observed, arrived, strict=True))
    read, requests = set(), 0
    for number, run in enumerate(runs):
        since = runs[number - 1] - hours * HOUR if number else None
        now = {place for place, (seen, came) in enumerate(rows) if came <= run and (since is None or seen > since)}
        read |= now
        requests += max(1, -(-len(now) // page))
    return sum(came <= runs[-1] and place not in read for place, (_, came) in enumerate(rows)), requests


def _late_rows(rng: Generator) -> tuple[pd.Series, pd.Series, list[pd.Timestamp]]:
    start = pd.Timestamp("2013-12-01 06:00", tz="UTC") + int(rng.integers(20)) * 24 * HOUR
    runs = [start, start + 24 * HOUR, start + 36 * HOUR, start + 60 * HOUR, start + 200 * HOUR]
    minutes = rng.integers(-24 * 60, 60 * 60, 90)
    late = np.round(rng.exponential(200, 90)).astype(int)
    observed = [start + pd.Timedelta(minutes=int(minute)) for minute in minutes]
    arrived = [moment + pd.Timedelta(minutes=int(span)) for moment, span in zip(observed, late, strict=True)]
    for hours in (0, 2, 3, 5, 8):  # observed exactly at the edge of what the second run reads, and a minute after it
        observed += [start - hours * HOUR, start - hours * HOUR + pd.Timedelta(minutes=1)]
        arrived += [start + 3 * HOUR] * 2
    observed += [start - HOUR, start + 59 * HOUR, start + 199 * HOUR]
    arrived += [start, start + 60 * HOUR, start + 400 * HOUR]  # at the moment of a run, and after the last
    observed += [start - 29 * HOUR, start - 29 * HOUR, start - 40 * HOUR, start + HOUR]
    arrived += [start + HOUR, start + 2 * HOUR, start - 39 * HOUR, runs[-1]]
    order = rng.permutation(len(observed))
    index = order + 300
    return pd.Series([observed[n] for n in order], index), pd.Series([arrived[n] for n in order], index), runs
