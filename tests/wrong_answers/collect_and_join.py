"""Wrong answers to the exercises of lesson 21: the mistakes that learners make, and the words that must meet them."""

import json
import math
from contextlib import suppress
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from tests.wrong_answers import wrong

# 21.1


def counted(left, right, key):
    """Return how many partners each row of the left has."""
    partners = right.groupby(key).size().rename("partners").reset_index()
    return left[key].merge(partners, on=key, how="left").partners.fillna(0)


def foreseen(counts, **instead):
    """Put the three numbers together."""
    right_ones = {
        "rows": counts.clip(lower=1).sum(),
        "unmatched": (counts == 0).sum(),
        "multiplied": (counts > 1).sum(),
    }
    return right_ones | instead


@wrong("21.1", says="pairs missing keys with each other")
def just_merges(left, right, key):
    """Merges in pandas and counts, blanks and all."""
    return foreseen(counted(left, right, key), rows=len(left.merge(right, on=key, how="left")))


@wrong("21.1", says="still makes one row")
def inner_join(left, right, key):
    """Counts the pairs only."""
    counts = counted(left, right, key)
    return foreseen(counts, rows=counts.sum())


@wrong("21.1", says="that is not what comes out")
def many_to_one_for_sure(left, right, key):
    """Trusts that the right-hand key is unique."""
    return foreseen(counted(left, right, key), rows=len(left))


@wrong("21.1", says="not the rows that come in addition")
def rows_in_addition(left, right, key):
    """Counts the additional rows as multiplied."""
    counts = counted(left, right, key)
    return foreseen(counts, multiplied=(counts - 1).clip(lower=0).sum())


@wrong("21.1", says="not its keys")
def unmatched_keys(left, right, key):
    """Counts the keys, not the rows, that find no partner."""
    counts = counted(left, right, key)
    alone = left[key].reset_index(drop=True)[counts == 0].drop_duplicates()
    return foreseen(counts, unmatched=len(alone))


@wrong("21.1", says="those with a missing key among them")
def forgets_the_blank_keys(left, right, key):
    """Leaves the rows without a key out of the unmatched."""
    counts = counted(left, right, key)
    blank = left[key].isna().any(axis="columns").to_numpy()
    return foreseen(counts, unmatched=((counts == 0) & ~blank).sum())


@wrong("21.1", says="Return a dict")
def only_the_rows(left, right, key):
    """Returns one number."""
    return counted(left, right, key).clip(lower=1).sum()


# 21.2


def localized(departure, clock, zone, days, ambiguous=True):
    """Return the wall's time some days after the departure's date as a moment, by pandas."""
    date = departure.tz_convert(zone).tz_localize(None).normalize() + pd.Timedelta(days=days)
    clock = clock % 2400
    wall = date + pd.Timedelta(hours=clock // 100, minutes=clock % 100)
    return wall.tz_localize(zone, ambiguous=ambiguous, nonexistent="shift_forward")


@wrong("21.2", says="before the departure")
def always_the_same_day(departure, clock, zone):
    """Takes the date of the departure, also past midnight."""
    return localized(departure, clock, zone, 0)


@wrong("21.2", says="is over")
def first_fold_only(departure, clock, zone):
    """Rolls over to the next day when the first showing is over, though the hour comes again."""
    today = localized(departure, clock, zone, 0)
    if clock in range(200, 300) and "New_York" in zone:
        return next_minute(departure, clock, zone)
    return today if today >= departure else localized(departure, clock, zone, 1)


@wrong("21.2", says="comes twice and the first one counts")
def second_fold_only(departure, clock, zone):
    """Reads the hour that comes twice as DuckDB does."""
    if zone == "America/New_York" and 100 <= clock < 200:
        return localized(departure, clock, zone, 0, ambiguous=False)
    return next_minute(departure, clock, zone)


@wrong("21.2", says="mind the day and the zone")
def new_york_everywhere(departure, clock, zone):
    """Reads every clock as New York's."""
    return next_minute(departure, clock, "America/New_York")


@wrong("21.2", says="goes back on the way")
def by_the_clock_at_departure(departure, clock, zone):
    """Adds the difference of the clocks: the clock must not change on the way."""
    wall = departure.tz_convert(zone)
    return departure + pd.Timedelta(minutes=(clock // 100 * 60 + clock % 100 - wall.hour * 60 - wall.minute) % 1440)


@wrong("21.2", says="skipped")
def moved_forward(departure, clock, zone):
    """Moves a time that is skipped to the end of the gap."""
    today = localized(departure, clock, zone, 0)
    if clock in range(200, 300) and "New_York" in zone and departure.month == 3:
        return today if today >= departure else localized(departure, clock, zone, 1)
    return next_minute(departure, clock, zone)


@wrong("21.2", says="at the departure itself")
def strictly_after(departure, clock, zone):
    """Begins a minute late."""
    return next_minute(departure + pd.Timedelta(minutes=1), clock, zone)


@wrong("21.2", says="no time zone")
def naive(departure, clock, zone):
    """Returns what the wall shows, without a zone."""
    return next_minute(departure, clock, zone).tz_convert(zone).tz_localize(None)


@wrong("21.2", says="Return a Timestamp")
def as_text(departure, clock, zone):
    """Returns a text."""
    return str(next_minute(departure, clock, zone))


def next_minute(departure, clock, zone):
    """Return the right answer."""
    moments = pd.date_range(departure, periods=3 * 1440, freq="min")
    wall = moments.tz_convert(ZoneInfo(zone))
    return moments[(wall.hour * 60 + wall.minute) == clock // 100 % 24 * 60 + clock % 100][0]


# 21.3


def table_of(flights, sky, planes, how="left", on=("origin", "time_hour"), blank=False):
    """Join as the arguments say."""
    fleet = planes.rename(columns={"year": "built"})[["tailnum", "built"]]
    fleet = fleet if blank else fleet.dropna(subset="tailnum")
    table = flights.merge(sky[[*on, "temp"]], on=list(on), how=how)
    return table.merge(fleet, on="tailnum", how=how)


def repeated_once(weather):
    """Drop the rows that are equal in every column."""
    return weather.drop_duplicates()


@wrong("21.3", says="are in the table in addition")
def repeated_rows_stay(flights, weather, planes):
    """Leaves the rows in that the pages gave twice."""
    return table_of(flights, weather, planes)


@wrong("21.3", says="are in the table in addition")
def local_hour(flights, weather, planes):
    """Joins on the local hour."""
    return table_of(flights, repeated_once(weather), planes, on=("origin", "year", "month", "day", "hour"))


@wrong("21.3", says="flights are lost")
def inner(flights, weather, planes):
    """Joins with inner joins."""
    return table_of(flights, repeated_once(weather), planes, how="inner")


@wrong("21.3", says="leave from two airports")
def dropped_at_the_end(flights, weather, planes):
    """Drops duplicates by a key that is none."""
    table = table_of(flights, repeated_once(weather), planes)
    return table.drop_duplicates(["year", "month", "day", "carrier", "flight"])


@wrong("21.3", says="a flight without a tailnum has no plane")
def blanks_find_each_other(flights, weather, planes):
    """Gives a flight without a tailnum the plane without a tailnum."""
    return table_of(flights, repeated_once(weather), planes, blank=True).set_index(flights.index)


@wrong("21.3", says="the weather is that of")
def one_of_the_two_hours(flights, weather, planes):
    """Keeps one row for each local hour, whichever."""
    key = ["origin", "year", "month", "day", "hour"]
    sky = weather.sort_values("time_hour").drop_duplicates(key)
    return table_of(flights, sky, planes, on=key).set_index(flights.index)


@wrong("21.3", says="one (origin, time_hour) went through")
def any_report_will_do(flights, weather, planes):
    """Keeps the first report of each hour, contradictions or not."""
    sky = weather.drop_duplicates(["origin", "time_hour"])
    return table_of(flights, sky, planes).set_index(flights.index)


@wrong("21.3", says="one tailnum went through")
def any_plane_will_do(flights, weather, planes):
    """Checks the weather, and takes the first plane of each tailnum."""
    sky = repeated_once(weather)
    if sky.duplicated(["origin", "time_hour"]).any():
        raise ValueError("two reports for one hour")
    return table_of(flights, sky, planes.drop_duplicates("tailnum")).set_index(flights.index)


@wrong("21.3", says="the index of flights")
def new_index(flights, weather, planes):
    """Forgets the index."""
    return table_of(flights, repeated_once(weather), planes)


# 21.4


KNOWN = """
    WITH asked AS (SELECT flight_id, origin, scheduled - INTERVAL {horizon} MINUTE AS at FROM '{flights}'),
    known AS (SELECT origin, temp, time_hour + INTERVAL {delay} MINUTE AS at FROM '{weather}')
"""


def latest(flights, weather, horizon, delay, oldest, sql=None):
    """Ask the two files for what was known, by default in the right way."""
    right = """
        SELECT flight_id, CASE WHEN asked.at - known.at <= INTERVAL {oldest} MINUTE THEN temp END AS temp
        FROM asked ASOF LEFT JOIN known ON asked.origin = known.origin AND known.at <= asked.at
    """
    asked = (KNOWN + (sql or right)).format(
        flights=flights, weather=weather, horizon=horizon, delay=delay, oldest=oldest
    )
    return duckdb.sql(asked).df()


@wrong("21.4", says="that is the future")
def label_of_the_hour(flights, weather, horizon, delay, oldest):
    """Takes the label of the hour for the time at which it was known."""
    return latest(flights, weather, horizon, 0, oldest)


@wrong("21.4", says="that is the future")
def as_of_the_departure(flights, weather, horizon, delay, oldest):
    """Forgets the horizon."""
    return latest(flights, weather, 0, delay, oldest)


@wrong("21.4", says="that is the future")
def the_same_hour(flights, weather, horizon, delay, oldest):
    """Joins on the hour of the departure."""
    return latest(flights, weather, 0, 0, 60)


@wrong("21.4", says="that is the future")
def whole_hours(flights, weather, horizon, delay, oldest):
    """Takes the horizon in whole hours."""
    return latest(flights, weather, horizon // 60 * 60, delay, oldest)


@wrong("21.4", says="too old")
def however_old(flights, weather, horizon, delay, oldest):
    """Sets no limit to the age."""
    return latest(flights, weather, horizon, delay, 10**6)


@wrong("21.4", says="are lost")
def without_the_left(flights, weather, horizon, delay, oldest):
    """Writes ASOF JOIN, which drops the flights without a partner."""
    sql = "SELECT flight_id, temp FROM asked ASOF JOIN known ON asked.origin = known.origin AND known.at <= asked.at"
    return latest(flights, weather, horizon, delay, oldest, sql)


@wrong("21.4", says="one row each")
def every_row_of_the_window(flights, weather, horizon, delay, oldest):
    """Joins all rows of the window instead of the latest."""
    sql = """
        SELECT flight_id, temp FROM asked LEFT JOIN known ON asked.origin = known.origin
        AND known.at BETWEEN asked.at - INTERVAL {oldest} MINUTE AND asked.at
    """
    return latest(flights, weather, horizon, delay, oldest, sql)


@wrong("21.4", says="no stand-in")
def last_reading(flights, weather, horizon, delay, oldest):
    """Looks for the last row that has a temperature."""
    sql = """
        SELECT flight_id, CASE WHEN asked.at - read.at <= INTERVAL {oldest} MINUTE THEN temp END AS temp
        FROM asked ASOF LEFT JOIN (FROM known WHERE temp IS NOT NULL) AS read
        ON asked.origin = read.origin AND read.at <= asked.at
    """
    return latest(flights, weather, horizon, delay, oldest, sql)


@wrong("21.4", says="known for")
def strictly_before(flights, weather, horizon, delay, oldest):
    """Leaves out the row that becomes known at the decision."""
    sql = """
        SELECT flight_id, CASE WHEN asked.at - known.at <= INTERVAL {oldest} MINUTE THEN temp END AS temp
        FROM asked ASOF LEFT JOIN known ON asked.origin = known.origin AND known.at < asked.at
    """
    return latest(flights, weather, horizon, delay, oldest, sql)


@wrong("21.4", says="it should have the row")
def the_limit_left_out(flights, weather, horizon, delay, oldest):
    """Takes a row that is exactly as old as allowed for too old."""
    return latest(flights, weather, horizon, delay, oldest - 1)


# 21.5


def collected(get, sleep, *, tries=5, waits=(1, 2, 4, 8, 16), obeys=True, refuses=True, cuts=True, until=None):
    """Collect with one of the mistakes that the arguments name."""
    rows, cursor, first = [], None, True
    while first or cursor is not None:
        failures, first = 0, False
        while True:
            try:
                status, headers, text = get(cursor)
                page = json.loads(text)
            except ConnectionError:
                status = 599
            except json.JSONDecodeError:
                if not cuts:
                    return rows
                status = 599
            if status == 200:
                break
            if status == 429 and obeys:
                sleep(int(headers["Retry-After"]))
                continue
            if status < 500 and status != 429 and refuses:
                raise ValueError(status)
            failures += 1
            if failures == tries:
                raise RuntimeError(status)
            sleep(waits[failures - 1])
        rows += page["rows"]
        cursor = page["next"]
        if until is not None and until(page):
            break
    return rows


def once_each(rows, later=True):
    """Keep one row for each key."""
    rows = rows if later else rows[::-1]
    return list({(row["origin"], row["time_hour"]): row for row in rows}.values())


@wrong("21.5", says="rows are missing")
def one_airport_an_hour(get, sleep):
    """Keeps one row an hour, as if there were one airport."""
    return list({row["time_hour"]: row for row in collected(get, sleep)}.values())


@wrong("21.5", says="rows are missing")
def trusts_every_answer(get, sleep):
    """Never looks at the status, and takes an answer without rows for the end."""
    page = json.loads(get(None)[2])
    rows = page.get("rows", [])
    while page.get("next"):
        page = json.loads(get(page["next"])[2])
        rows += page.get("rows", [])
    return once_each(rows)


@wrong("21.5", says="rows are missing")
def stops_at_an_empty_page(get, sleep):
    """Takes an empty page for the end."""
    return once_each(collected(get, sleep, until=lambda page: not page["rows"]))


@wrong("21.5", says="It could go on")
def counts_waiting_as_failing(get, sleep):
    """Treats 429 like any failure."""
    return once_each(collected(get, sleep, obeys=False, waits=(70,) * 5))


@wrong("21.5", says="you slept 1 s where at least 2 s are due")
def never_slower(get, sleep):
    """Waits a second each time."""
    return once_each(collected(get, sleep, waits=(1,) * 5))


@wrong("21.5", says="It could go on")
def gives_up_early(get, sleep):
    """Gives up at the fourth failure."""
    return once_each(collected(get, sleep, tries=4))


@wrong("21.5", says="a status that asking again cannot mend")
def asks_again_whatever_comes(get, sleep):
    """Asks again after 401 as well."""
    return once_each(collected(get, sleep, refuses=False))


@wrong("21.5", says="cannot mend (404) you returned rows")
def not_found_is_the_end(get, sleep):
    """Returns what it has at a 404."""

    def answered(cursor):
        answer = get(cursor)
        return (200, {}, '{"rows": [], "next": null}') if answer[0] == 404 else answer

    return once_each(collected(answered, sleep))


@wrong("21.5", says="cannot mend (302) you returned rows")
def asks_again_after_a_redirect(get, sleep):
    """Takes a status that is neither success nor error for a failure."""

    def answered(cursor):
        status, headers, text = get(cursor)
        return 503 if status == 302 else status, headers, text

    return once_each(collected(answered, sleep))


@wrong("21.5", says="rows are missing")
def a_cut_page_is_the_end(get, sleep):
    """Returns what it has when a page breaks off."""
    return once_each(collected(get, sleep, cuts=False))


@wrong("21.5", says="in the list twice")
def keeps_what_comes_twice(get, sleep):
    """Keeps every row."""
    return collected(get, sleep)


@wrong("21.5", says="not the last that the archive gave")
def keeps_the_first_version(get, sleep):
    """Keeps the version that came first."""
    return once_each(collected(get, sleep), later=False)


@wrong("21.5", says="you returned rows, and nobody will know")
def returns_what_it_has(get, sleep):
    """Returns the rows so far instead of raising."""
    seen = []

    def watched(cursor):
        answer = get(cursor)
        if answer[0] == 200:
            with suppress(ValueError):
                seen.extend(json.loads(answer[2])["rows"])
        return answer

    try:
        return once_each(collected(watched, sleep))
    except (RuntimeError, ValueError):
        return once_each(seen)


# 21.6


def played(observed, arrived, runs, overlap, page, *, edge=False, first=True, least=1, upper=math.ceil, late=True):
    """Play the runs with one of the mistakes that the arguments name; returns lost rows and requests."""
    seen, requests = pd.Series(False, index=observed.index), 0
    for number, run in enumerate(runs):
        read = arrived <= run if late else observed <= run
        if number > 0:
            since = runs[number - 1] - pd.Timedelta(hours=overlap)
            read &= (observed >= since) if edge else (observed > since)
        elif not first:
            read &= observed > run - pd.Timedelta(hours=overlap)
        seen |= read
        requests += max(least, upper(read.sum() / page))
    return int(((arrived <= runs[-1]) & ~seen).sum()), requests


def choice(observed, arrived, runs, overlaps, limit, page, **mistake):
    """Choose the least overlap that loses no more than the limit."""
    for overlap in sorted(overlaps):
        lost, requests = played(observed, arrived, runs, overlap, page, **mistake)
        if lost <= limit:
            return {"overlap": overlap, "lost": lost, "requests": requests}
    return None


@wrong("21.6", says="and a shorter one does too")
def the_longest(observed, arrived, runs, overlaps, limit, page):
    """Takes the longest, to be safe."""
    lost, requests = played(observed, arrived, runs, max(overlaps), page)
    return {"overlap": max(overlaps), "lost": lost, "requests": requests}


@wrong("21.6", says="a shorter one does too")
def in_the_given_order(observed, arrived, runs, overlaps, limit, page):
    """Takes the first overlap of the list that is long enough."""
    for overlap in overlaps:
        lost, requests = played(observed, arrived, runs, overlap, page)
        if lost <= limit and overlap >= 8:
            return {"overlap": overlap, "lost": lost, "requests": requests}
    return {"overlap": max(overlaps), "lost": 0, "requests": played(observed, arrived, runs, max(overlaps), page)[1]}


@wrong("21.6", says="lost rows, which is not right")
def edge_counts(observed, arrived, runs, overlaps, limit, page):
    """Reads the row observed exactly at the edge."""
    return choice(observed, arrived, runs, overlaps, limit, page, edge=True)


@wrong("21.6", says="although some overlap")
def first_run_reaches_back_only(observed, arrived, runs, overlaps, limit, page):
    """Lets the first run reach back by the overlap only."""
    return choice(observed, arrived, runs, overlaps, limit, page, first=False)


@wrong("21.6", says="lost rows, which is not right")
def all_arrive_at_once(observed, arrived, runs, overlaps, limit, page):
    """Takes a row for readable as soon as it was observed."""
    return choice(observed, arrived, runs, overlaps, limit, page, late=False)


@wrong("21.6", says="requests, which is not right")
def parts_of_a_page_are_free(observed, arrived, runs, overlaps, limit, page):
    """Rounds the pages down."""
    return choice(observed, arrived, runs, overlaps, limit, page, upper=math.floor, least=0)


@wrong("21.6", says="requests, which is not right")
def an_empty_run_is_free(observed, arrived, runs, overlaps, limit, page):
    """Counts no request for a run that finds nothing."""
    return choice(observed, arrived, runs, overlaps, limit, page, least=0)


@wrong("21.6", says="so return None")
def best_effort(observed, arrived, runs, overlaps, limit, page):
    """Returns the longest when none is long enough."""
    found = choice(observed, arrived, runs, overlaps, limit, page)
    return found or {"overlap": max(overlaps), "lost": 0, "requests": 1}


@wrong("21.6", says="rows, and")
def quantile_of_lateness(observed, arrived, runs, overlaps, limit, page):
    """Takes the overlap that covers the median lateness."""
    late = (arrived - observed).median() / pd.Timedelta(hours=1)
    overlap = min((hours for hours in overlaps if hours >= late), default=max(overlaps))
    lost, requests = played(observed, arrived, runs, overlap, page)
    return {"overlap": overlap, "lost": lost, "requests": requests}
