"""Wrong answers to the exercises of lesson 26: the mistakes that learners make, and the words that must meet them."""

import numpy as np
import pandas as pd

from tests.wrong_answers import wrong

# 26.1


def means(known_at, value, at, minutes, *, start="right", end="right", nothing=np.nan, ordered=True):
    """Return the means with one of the mistakes that the arguments name."""
    happened = ~np.isnan(known_at)
    order = np.argsort(known_at[happened])
    times = known_at[happened][order]
    totals = np.append(0.0, np.cumsum(value[happened][order] if ordered else value[happened]))
    first, last = np.searchsorted(times, at - minutes, side=start), np.searchsorted(times, at, side=end)
    empty = np.full(len(at), nothing, dtype=float)
    return np.divide(totals[last] - totals[first], last - first, out=empty, where=last > first)


@wrong("26.1", says="what is known at the moment itself counts")
def news_of_the_minute_left_out(known_at, value, at, minutes):
    """Closes the window before the moment."""
    return means(known_at, value, at, minutes, end="left")


@wrong("26.1", says="has just left the window")
def window_too_long(known_at, value, at, minutes):
    """Takes the start of the window in."""
    return means(known_at, value, at, minutes, start="left")


@wrong("26.1", says="give NaN")
def zero_for_nothing(known_at, value, at, minutes):
    """Says 0 where nothing happened."""
    return means(known_at, value, at, minutes, nothing=0.0)


@wrong("26.1", says="each value belongs to its own")
def values_not_sorted(known_at, value, at, minutes):
    """Sorts the minutes and forgets the values."""
    return means(known_at, value, at, minutes, ordered=False)


@wrong("26.1", says="each value belongs to its own")
def since_ever(known_at, value, at, minutes):
    """Averages all that was known, without a window; where the window is empty, NaN."""
    found = means(known_at, value, at, np.inf)
    return np.where(np.isnan(means(known_at, value, at, minutes)), np.nan, found)


@wrong("26.1", says="lies before the moment")
def window_ahead(known_at, value, at, minutes):
    """Looks ahead from the moment; where the window behind is empty, NaN."""
    found = means(known_at, value, at + minutes, minutes)
    return np.where(np.isnan(means(known_at, value, at, minutes)), np.nan, np.nan_to_num(found))


@wrong("26.1", says="must not spoil the others")
def spoilt_by_gaps(known_at, value, at, minutes):
    """Lets one event that never happened make every total missing."""
    value = np.where(np.isnan(known_at), np.nan, value)
    return means(np.nan_to_num(known_at), value, at, minutes)


@wrong("26.1", says="moments were asked for")
def one_mean_for_all(known_at, value, at, minutes):
    """Returns the mean of the last moment only."""
    return means(known_at, value, at, minutes)[-1]


# 26.2


def by_matrix(flights, horizon, *, own=False, minute=False, airports=True, clock="left", always=False, nothing=np.nan):
    """Return the means with one of the mistakes that the arguments name."""
    left, due, origin = (flights[name].to_numpy() for name in ("left", "due", "origin"))
    moment, when = (due - horizon)[:, None], flights[clock].to_numpy()
    seen = (when <= moment) & (when > moment - 180) & ~np.isnan(left)
    if airports:
        seen &= origin[:, None] == origin
    if minute:
        seen &= left[:, None] != left
    delay, itself = np.nan_to_num(left - due), np.eye(len(flights), dtype=bool)
    if always:
        count, total = seen.sum(axis=1) - 1, seen @ delay - delay
    else:
        seen = seen if own else seen & ~itself
        count, total = seen.sum(axis=1), seen @ delay
    mean = np.divide(total, count, out=np.full(len(count), nothing), where=count > 0)
    return pd.Series(mean, index=flights.index)


@wrong("26.2", says="find their own departure")
def own_included(flights, horizon):
    """Takes the flight's own departure in."""
    return by_matrix(flights, horizon, own=True)


@wrong("26.2", says="nothing to take out")
def own_always_subtracted(flights, horizon):
    """Takes the own delay out even where it is not in the window."""
    seen = by_matrix(flights, horizon, always=True)
    return seen.where(by_matrix(flights, horizon).notna())


@wrong("26.2", says="are not right")
def whole_minute_left_out(flights, horizon):
    """Leaves out every flight that left in the same minute."""
    found = by_matrix(flights, horizon, minute=True)
    return found.fillna(0).where(by_matrix(flights, horizon).notna())


@wrong("26.2", says="each origin has its own")
def all_airports_together(flights, horizon):
    """Counts departures of all origins."""
    return by_matrix(flights, horizon, airports=False).where(by_matrix(flights, horizon).notna())


@wrong("26.2", says="by the minute of leaving")
def by_the_timetable(flights, horizon):
    """Sorts by the timetable, as most code in the wild does."""
    found = by_matrix(flights, horizon, clock="due")
    return found.fillna(0).where(by_matrix(flights, horizon).notna())


@wrong("26.2", says="give NaN")
def zero_where_nobody_left(flights, horizon):
    """Says 0 where nobody left."""
    return by_matrix(flights, horizon, nothing=0.0)


@wrong("26.2", says="put each airport's values back by label")
def airport_by_airport(flights, horizon):
    """Returns the airports one after the other."""
    found = by_matrix(flights, horizon)
    return pd.concat([found[airport.index] for _, airport in flights.groupby("origin")])


# 26.3


@wrong("26.3", says="leave before they are due")
def broken_as_given(stream):
    """The code of the task."""
    waiting, answers = 0, []
    for kind, _, _ in stream:
        if kind == "ask":
            answers.append(waiting)
        else:
            waiting += 1 if kind == "planned" else -1
    return answers


def in_dictionaries(stream, *, latest=False, due_at=False, still_at=False, plan_needed=False, minus=False, late=True):
    """Count from two dictionaries, with one of the mistakes that the arguments name."""
    due, gone, answers, newest = {}, {}, [], 0.0
    for kind, flight, minute in stream:
        if kind == "planned":
            due[flight] = minute
        elif kind == "ask":
            newest = max(newest, minute)
            here = {name for name, at in due.items() if (at < minute if due_at else at <= minute)}
            away = {name for name, at in gone.items() if (at < minute if still_at else at <= minute)}
            answers.append(len(here) - len(away) if minus else len(here - away))
        elif (not plan_needed or flight in due) and (late or minute >= newest):
            gone[flight] = minute if latest else min(minute, gone.get(flight, np.inf))
    return answers


@wrong("26.3", says="When each message is told twice")
def counts_repeats(stream):
    """Keeps lists of minutes, in which a message told twice stands twice."""
    due, gone, answers = [], [], []
    planned = {flight: minute for kind, flight, minute in stream if kind == "planned"}
    for kind, flight, minute in stream:
        if kind == "planned":
            due.append(minute)
        elif kind == "ask":
            answers.append(sum(at <= minute for at in due) - sum(at <= minute for at in gone))
        else:
            gone.append(max(minute, planned.get(flight, minute)))
    return answers


@wrong("26.3", says="At the very minutes")
def due_a_minute_later(stream):
    """Lets a flight wait only after the minute in which it is due."""
    return in_dictionaries(stream, due_at=True)


@wrong("26.3", says="At the very minutes")
def waits_while_it_leaves(stream):
    """Lets a flight wait in the minute in which it leaves."""
    return in_dictionaries(stream, still_at=True)


@wrong("26.3", says="leave before they are due")
def plan_needed_first(stream):
    """Drops a departure whose plan has not come yet."""
    return in_dictionaries(stream, plan_needed=True)


@wrong("26.3", says="at two different minutes")
def last_report_counts(stream):
    """Lets the last report overwrite the earlier minute."""
    return in_dictionaries(stream, latest=True)


@wrong("26.3", says="leave before they are due")
def early_departures_below_zero(stream):
    """Subtracts who left before being due."""
    return in_dictionaries(stream, minus=True)


@wrong("26.3", says="When news is late")
def late_news_ignored(stream):
    """Drops news that is dated before the last ask."""
    return in_dictionaries(stream, late=False)


@wrong("26.3", says="answers.")
def one_answer(stream):
    """Returns the last answer only."""
    return in_dictionaries(stream)[-1:]


# 26.4


def board(
    flights, weather, *, left=None, cancelled=None, arrived=None, known="known", zero=False, own_origin=True, start=360
):
    """Build the features with one of the mistakes that the arguments name."""
    column = {name: flights[name].to_numpy() for name in flights}
    moment = column["at"][:, None]
    here = column["origin"][:, None] == column["origin"] if own_origin else True
    left = column["left"] <= moment if left is None else left(column)
    cancelled = column["cancelled"] <= moment if cancelled is None else cancelled(column)
    waiting = (here & (column["due"] <= moment) & ~(left | cancelled)).sum(axis=1)
    when = column["arrived"] if arrived is None else arrived(column)
    landed = (column["dest"][:, None] == column["dest"]) & (when <= moment) & (when > moment - start)
    landed &= ~np.isnan(column["arrived"])
    count, delay = landed.sum(axis=1), np.nan_to_num(column["arrived"] - column["planned"])
    mean = np.divide(landed @ delay, count, out=np.full(len(count), 0.0 if zero else np.nan), where=count > 0)
    asked = flights[["origin", "at"]].assign(place=range(len(flights))).sort_values("at")
    seen = weather.assign(when=weather[known].astype(float))[["origin", "when", "wind"]].sort_values("when")
    wind = pd.merge_asof(asked, seen, left_on="at", right_on="when", by="origin").sort_values("place").wind
    columns = {"waiting": waiting, "arrival_delay": mean, "wind": wind.to_numpy()}
    return pd.DataFrame(columns, index=flights.index, dtype=float)


@wrong("26.4", says="waiting changes when departures after T are taken away")
def who_ever_left(flights, weather):
    """Takes everybody who ever left for gone."""
    return board(flights, weather, left=lambda column: ~np.isnan(column["left"]))


@wrong("26.4", says="waiting changes when cancellations after T are taken away")
def who_was_ever_cancelled(flights, weather):
    """Takes everybody who was ever cancelled for gone."""
    return board(flights, weather, cancelled=lambda column: ~np.isnan(column["cancelled"]))


@wrong("26.4", says="arrival_delay changes when arrivals after T are taken away")
def arrivals_by_the_timetable(flights, weather):
    """Takes the flights that were planned to arrive before T."""
    return board(flights, weather, arrived=lambda column: column["planned"])


@wrong("26.4", says="wind changes when observations after T are taken away")
def weather_of_the_hour_begun(flights, weather):
    """Takes the observation of the hour that has begun at T."""
    return board(flights, weather, known="hour")


@wrong("26.4", says="wind changes when observations after T are taken away")
def weather_51_minutes_later(flights, weather):
    """Takes every observation for known 51 minutes after its hour, the late ones too."""
    return board(flights, weather.assign(known=weather.hour + 51))


@wrong("26.4", says="wind knows nothing early, but")
def weather_56_minutes_later(flights, weather):
    """Takes every observation for known 56 minutes after its hour, as if all were late."""
    return board(flights, weather.assign(known=weather.hour + 56))


@wrong("26.4", says="departures that nobody knows at T yet")
def one_leak_of_its_own(flights, weather):
    """Adds a column of its own, the mean delay of the flights due before T, by the timetable."""
    flights = flights.assign(delay=flights.left - flights.due)
    day = flights.sort_values(["due", "at", "planned"]).groupby("origin").delay
    return board(flights, weather).assign(my_delay=day.transform("mean"))


@wrong("26.4", says="the order of a file may tell the future too")
def row_number(flights, weather):
    """Adds the place of the row."""
    return board(flights, weather).assign(row=np.arange(len(flights)))


@wrong("26.4", says="a sort or a join has moved them")
def in_order_of_time(flights, weather):
    """Returns the rows in order of T."""
    return board(flights, weather).loc[flights.sort_values("at").index]


@wrong("26.4", says="waiting knows nothing early, but")
def queue_of_all_airports(flights, weather):
    """Counts the flights that wait anywhere."""
    return board(flights, weather, own_origin=False)


@wrong("26.4", says="NaN if none")
def zero_without_arrivals(flights, weather):
    """Says 0 where nobody arrived."""
    return board(flights, weather, zero=True)


@wrong("26.4", says="arrival_delay knows nothing early, but")
def window_closed_at_its_start(flights, weather):
    """Takes what arrived exactly six hours before T into the window; all minutes are whole."""
    return board(flights, weather, start=360.5)


@wrong("26.4", says="waiting knows nothing early, but")
def cancelled_wait_for_ever(flights, weather):
    """Lets cancelled flights wait."""
    return board(flights, weather, cancelled=lambda column: np.zeros((len(column["at"]),) * 2, bool))


# 26.5


def shares(table, served, *, position=False, rtol=0.0, atol=1e-9, gaps=None, codes=True, missing=True, of="served"):
    """Compare with one of the mistakes that the arguments name."""
    expected = table.iloc[: len(served)] if position else table.loc[served.index]
    found = {}
    for name, column in expected.items():
        if name not in served:
            found |= {name: 1.0} if missing else {}
        elif pd.api.types.is_numeric_dtype(column):
            left, right = column.to_numpy("float64"), served[name].to_numpy("float64")
            same = np.isclose(left, right, rtol=rtol, atol=atol, equal_nan=gaps != "differ")
            if gaps == "skipped":
                same |= np.isnan(left) | np.isnan(right)
            found[name] = (~same).sum() / len(table if of == "table" else served)
        elif codes:
            found[name] = (column.to_numpy("object") != served[name].to_numpy("object")).mean()
    return {name: share for name, share in found.items() if share > 0}


@wrong("26.5", says="in another order and another type")
def rows_by_position(table, served):
    """Compares the first row with the first row."""
    return shares(table, served, position=True)


@wrong("26.5", says="let missing agree with missing")
def missing_is_never_equal(table, served):
    """Takes two missing values for different."""
    return shares(table, served, gaps="differ")


@wrong("26.5", says="was served with zero for a missing value, and nobody noticed")
def gaps_skipped(table, served):
    """Compares only where both have a value."""
    return shares(table, served, gaps="skipped")


@wrong("26.5", says="was served with a shift of a few billionths, and nobody noticed")
def relative_tolerance(table, served):
    """Leaves numpy's relative tolerance on."""
    return shares(table, served, rtol=1e-5)


@wrong("26.5", says="in another order and another type")
def equal_to_the_last_digit(table, served):
    """Compares floats exactly."""
    return shares(table, served, atol=0.0)


@wrong("26.5", says="was served with another code, and nobody noticed")
def numbers_only(table, served):
    """Compares only numbers."""
    return shares(table, served, codes=False)


@wrong("26.5", says="was served with a column that is not served, and nobody noticed")
def common_columns_only(table, served):
    """Compares only columns that both have."""
    return shares(table, served, missing=False)


@wrong("26.5", says="of the served flights, and the result says")
def share_of_the_table(table, served):
    """Divides by the flights of the table."""
    return shares(table, served, of="table")


@wrong("26.5", says="the result says")
def compares_means(table, served):
    """Compares the means of the columns, as a dashboard would, and accuses all flights or none."""
    numbers = table.loc[served.index].select_dtypes("number")
    return {name: 1.0 for name in numbers if name in served and abs(numbers[name].mean() - served[name].mean()) > 0.1}


# 26.6


def weighed(days, upkeep, outage, *, pay=True, ddof=1, paired=True, keep="low"):
    """Decide with one of the mistakes that the arguments name."""
    found = {}
    for group, cost in upkeep.items():
        with_group = (1 - outage) * days["all"] + outage * days[f"silent_{group}"]
        saved = days[f"without_{group}"] - with_group - (cost if pay else 0)
        spread = saved.std(ddof=ddof) if paired else np.hypot(days[f"without_{group}"].std(), with_group.std())
        low = saved.mean() - 1.96 * spread / np.sqrt(len(days))
        found[group] = {"net": saved.mean(), "low": low, "keep": (low if keep == "low" else saved.mean()) > 0}
    return found


@wrong("26.6", says="leaves its upkeep")
def upkeep_forgotten(days, upkeep, outage):
    """Counts what the group saves and not what it costs."""
    return weighed(days, upkeep, outage, pay=False)


@wrong("26.6", says="takes its feed for always alive")
def never_silent(days, upkeep, outage):
    """Forgets the hours in which the feed is silent."""
    return weighed(days, upkeep, 0.0)


@wrong("26.6", says="standard errors of the daily saving")
def unpaired(days, upkeep, outage):
    """Adds the spreads of the two costs, as if they were measured on different days."""
    return weighed(days, upkeep, outage, paired=False)


@wrong("26.6", says="its standard deviation with n - 1")
def divided_by_n(days, upkeep, outage):
    """Divides the squares by n."""
    return weighed(days, upkeep, outage, ddof=0)


@wrong("26.6", says="even the lower end")
def keeps_what_is_positive(days, upkeep, outage):
    """Keeps whatever saves something on average."""
    return weighed(days, upkeep, outage, keep="net")


@wrong("26.6", says="the decisions are about")
def only_the_kept(days, upkeep, outage):
    """Returns only the groups that stay."""
    return {group: one for group, one in weighed(days, upkeep, outage).items() if one["keep"]}
