"""Wrong answers to the exercises of lesson 61: the mistakes that learners make, and the words that must meet them."""

import re

import numpy as np
import pandas as pd

from tests.wrong_answers import wrong

# 61.1

NAMES = ("days", "group", "subject", "statistic")


def series(page, read=None):
    """The values, lows and highs of a page by their labels."""
    numbers = {"value": {}, "low": {}, "high": {}}
    for line in page.splitlines():
        found = re.fullmatch(r"mle_monitor_(value|low|high)\{(.*)\} (\S+)", line)
        if found:
            labels = (read or quoted)(found[2])
            numbers[found[1]][tuple(labels.get(name, "") for name in NAMES)] = float(found[3])
    return numbers


def quoted(labels):
    """The labels, whatever stands between the quotation marks."""
    return dict(re.findall(r'(\w+)="([^"]*)"', labels))


def by_commas(labels):
    """The labels, cut at the commas."""
    return {name: value.strip('"') for name, _, value in (pair.partition("=") for pair in labels.split(","))}


def out(page, read=None):
    """The series out of their limits."""
    numbers = series(page, read)
    low, high = numbers["low"], numbers["high"]
    return {key for key, x in numbers["value"].items() if x < low.get(key, x) or x > high.get(key, x)}


def held(scrapes, hold, out=out):
    """What was out in every scrape back to one of `hold` seconds ago."""
    still, fires = out(scrapes[-1][1]), set()
    for second, page in reversed(scrapes):
        still = still & out(page)
        if scrapes[-1][0] - second >= hold:
            fires |= still
    return fires


@wrong("61.1", says="240 of the 300 seconds")
def fires_at_once(scrapes, hold):
    """Looks at the last scrape only."""
    return out(scrapes[-1][1])


@wrong("61.1", says="came back within its limits for one scrape")
def first_and_last(scrapes, hold):
    """Compares the two ends and not what lies between."""
    start = [page for second, page in scrapes if second <= scrapes[-1][0] - hold]
    return out(start[-1]) & out(scrapes[-1][1]) if start else set()


@wrong("61.1", says="below its lower limit")
def high_only(scrapes, hold):
    """Forgets the lower limit."""

    def above(page):
        numbers = series(page)
        return {key for key, x in numbers["value"].items() if x > numbers["high"].get(key, x)}

    return held(scrapes, hold, above)


@wrong("61.1", says="A series without limits fires")
def missing_limit_is_zero(scrapes, hold):
    """Takes a limit that is not there for 0."""

    def beyond(page):
        numbers = series(page)
        low, high = numbers["low"], numbers["high"]
        return {key for key, x in numbers["value"].items() if x < low.get(key, 0) or x > high.get(key, 0)}

    return held(scrapes, hold, beyond)


@wrong("61.1", says="only beyond them rings")
def at_the_limit(scrapes, hold):
    """Rings at the limit."""

    def reached(page):
        numbers = series(page)
        low, high = numbers["low"], numbers["high"]
        return {key for key, x in numbers["value"].items() if x <= low.get(key, -np.inf) or x >= high.get(key, np.inf)}

    return held(scrapes, hold, reached)


@wrong("61.1", says="The labels of a line may come in any order")
def cut_at_commas(scrapes, hold):
    """Cuts the labels at commas, which may stand in a label."""
    return held(scrapes, hold, lambda page: out(page, by_commas))


@wrong("61.1", says="the whole time does not fire")
def longer_than_hold(scrapes, hold):
    """Wants more than `hold` seconds."""
    return held(scrapes, hold + 1)


@wrong("61.1", says="was missing from one scrape")
def counts_scrapes(scrapes, hold):
    """Skips the scrapes in which the series is missing."""
    fires = set()
    for key in out(scrapes[-1][1]):
        seen = [(second, key in out(page)) for second, page in scrapes if key in series(page)["value"]]
        since = max((second for second, is_out in seen if not is_out), default=-np.inf)
        first = min(second for second, _ in seen if second > since)
        if scrapes[-1][0] - first >= hold:
            fires.add(key)
    return fires


@wrong("61.1", says="for 45 s, in four scrapes")
def a_minute_each(scrapes, hold):
    """Counts scrapes, as if they were a minute apart."""
    pages = [page for _, page in scrapes]
    needed = int(np.ceil(hold / 60)) + 1
    return set.intersection(*map(out, pages[-needed:])) if len(pages) >= needed else set()


# 61.2


def counts(values, edges):
    """Number of values in each bin, the missing ones last."""
    place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values))
    return np.bincount(place, minlength=len(edges) + 2)


def edges_of(values, bins, method="lower"):
    """The edges between the bins."""
    return np.unique(np.quantile(values[~np.isnan(values)], np.arange(1, bins) / bins, method=method))


def index(p, q):
    """The PSI of two rows of shares."""
    return float(((q - p) * np.log(q / p)).sum())


def lent(number, loan=0.5):
    """Shares after a loan to each bin."""
    return (number + loan) / (number + loan).sum()


@wrong("61.2", says="An empty bin has no logarithm")
def nothing_lent(reference, current, bins=10):
    """The textbook's formula."""
    edges = edges_of(reference, bins)
    p, q = (counts(values, edges) / len(values) for values in (reference, current))
    return index(p, q)


@wrong("61.2", says="whatever the number of rows")
def fixed_floor(reference, current, bins=10):
    """Gives an empty bin a fixed share."""
    edges = edges_of(reference, bins)
    p, q = (np.maximum(counts(values, edges) / len(values), 1e-4) for values in (reference, current))
    return index(p, q)


@wrong("61.2", says="another ruler")
def bins_of_the_window(reference, current, bins=10):
    """Makes the bins from the window."""
    edges = edges_of(current, bins)
    return index(lent(counts(reference, edges)), lent(counts(current, edges)))


@wrong("61.2", says="Missing values are left out")
def gaps_dropped(reference, current, bins=10):
    """Drops the missing values."""
    edges = edges_of(reference, bins)
    return index(lent(counts(reference, edges)[:-1]), lent(counts(current, edges)[:-1]))


@wrong("61.2", says="also when none is missing")
def gaps_only_where_some(reference, current, bins=10):
    """Makes the bin for missing values only where some are missing."""
    edges = edges_of(reference, bins)
    mine, theirs = counts(reference, edges), counts(current, edges)
    kept = slice(None) if mine[-1] + theirs[-1] else slice(-1)
    return index(lent(mine[kept]), lent(theirs[kept]))


@wrong("61.2", says="The logarithm is the natural one")
def base_two(reference, current, bins=10):
    """Measures in bits."""
    edges = edges_of(reference, bins)
    p, q = lent(counts(reference, edges)), lent(counts(current, edges))
    return float(((q - p) * np.log2(q / p)).sum())


@wrong("61.2", says="half row that each bin is lent in both samples")
def lends_one_sample(reference, current, bins=10):
    """Lends to the window only where a bin is empty."""
    edges = edges_of(reference, bins)
    p, q = (counts(values, edges).astype(float) for values in (reference, current))
    p[p == 0], q[q == 0] = 0.5, 0.5
    return index(p / p.sum(), q / q.sum())


@wrong("61.2", says="Check the edges")
def equal_widths(reference, current, bins=10):
    """Cuts the range of the reference into equal parts."""
    known = reference[~np.isnan(reference)]
    edges = np.linspace(known.min(), known.max(), bins + 1)[1:-1]
    return index(lent(counts(reference, edges)), lent(counts(current, edges)))


@wrong("61.2", says="Check the edges")
def whole_row(reference, current, bins=10):
    """Lends a whole row."""
    edges = edges_of(reference, bins)
    return index(lent(counts(reference, edges), 1), lent(counts(current, edges), 1))


# 61.3


def ringing(flights, reference, rows, rate):
    """The days among the flights `rows` whose gap strays further than the reference's days."""
    known = flights[rows]
    gap = (known.probability - known.disrupted).groupby(known.day).mean()
    strayed = np.sort((reference - reference.median()).abs())
    limit = strayed[min(int(np.ceil((len(strayed) + 1) * (1 - rate))), len(strayed)) - 1]
    return list(gap.index[(gap - reference.median()).abs() > limit])


@wrong("61.3", says="not all of its outcomes are known")
def broken_as_given(flights, reference, tonight, rate):
    """The code of the task."""
    known = flights[flights.known_at <= tonight]
    gap = (known.probability - known.disrupted).groupby(known.day).mean()
    usual = gap.shift(1).rolling(7, min_periods=1).mean()
    error = np.sqrt(known.probability.var() / known.groupby("day").size())
    return list(gap.index[(gap - usual).abs() > 3 * error])


@wrong("61.3", says="not all of its outcomes are known")
def early_outcomes(flights, reference, tonight, rate):
    """Judges a day by the outcomes that are in."""
    return ringing(flights, reference, flights.known_at <= tonight, rate)


@wrong("61.3", says="not all of its outcomes are known")
def knows_the_future(flights, reference, tonight, rate):
    """Judges every day in the table."""
    return ringing(flights, reference, flights.day.notna(), rate)


def complete(flights, tonight):
    """The rows of days whose outcomes are all known."""
    return flights.groupby("day").known_at.transform("max") <= tonight


@wrong("61.3", says="not all of its outcomes are known")
def nearly_complete(flights, reference, tonight, rate):
    """Judges a day when 95 % of its outcomes are in."""
    known = flights.known_at <= tonight
    return ringing(flights, reference, known & (known.groupby(flights.day).transform("mean") >= 0.95), rate)


@wrong("61.3", says="at that very moment counts")
def not_at_the_moment(flights, reference, tonight, rate):
    """Leaves out what is known at the very moment."""
    return ringing(flights, reference, flights.groupby("day").known_at.transform("max") < tonight, rate)


@wrong("61.3", says="further from the reference's median")
def from_the_mean(flights, reference, tonight, rate):
    """Measures from the mean of the reference."""
    known = flights[complete(flights, tonight)]
    gap = (known.probability - known.disrupted).groupby(known.day).mean()
    strayed = np.sort((reference - reference.mean()).abs())
    limit = strayed[min(int(np.ceil((len(strayed) + 1) * (1 - rate))), len(strayed)) - 1]
    return list(gap.index[(gap - reference.mean()).abs() > limit])


@wrong("61.3", says="must not drift along")
def rolling_reference(flights, reference, tonight, rate):
    """Compares with the seven days before."""
    known = flights[complete(flights, tonight)]
    gap = (known.probability - known.disrupted).groupby(known.day).mean()
    usual = gap.shift(1).rolling(7, min_periods=1).mean().fillna(reference.median())
    limit = (reference - reference.median()).abs().quantile(1 - rate)
    return list(gap.index[(gap - usual).abs() > 2 * limit])


@wrong("61.3", says="take the limit from the reference's days, not from rows")
def error_of_rows(flights, reference, tonight, rate):
    """Takes the flights of a day for independent."""
    known = flights[complete(flights, tonight)]
    gap = (known.probability - known.disrupted).groupby(known.day).mean()
    error = (known.probability - known.disrupted).std() / np.sqrt(known.groupby("day").size())
    return list(gap.index[(gap - reference.median()).abs() > 0.5 * error])


@wrong("61.3", says="silent with a gap")
def one_side(flights, reference, tonight, rate):
    """Rings for forecasts that are too high only."""
    days = set(ringing(flights, reference, complete(flights, tonight), rate))
    gap = (flights.probability - flights.disrupted).groupby(flights.day).mean()
    return [day for day in days if gap[day] > reference.median()]


# 61.4


@wrong("61.4", says="Draw days, not rows")
def by_rows(days, length, rate):
    """Takes the flights for independent."""
    values = np.concatenate(days)
    rows = length * len(values) / len(days)
    return 1.645 * values.std() / np.sqrt(rows)


@wrong("61.4", says="Draw days, not rows")
def shuffled_rows(days, length, rate):
    """Draws rows for its quiet windows."""
    values, rng = np.concatenate(days), np.random.default_rng(0)
    rows = int(length * len(values) / len(days))
    drawn = rng.choice(values, (500, rows)).mean(axis=1)
    return np.quantile(np.abs(drawn - values.mean()), 1 - rate)


@wrong("61.4", says="Days that follow each other are alike")
def single_days(days, length, rate):
    """Draws the days of a window one by one."""
    rng, means = np.random.default_rng(0), np.array([day.mean() for day in days])
    drawn = rng.choice(means, (2000, length)).mean(axis=1)
    return np.quantile(np.abs(drawn - means.mean()), 1 - rate)


@wrong("61.4", says="count both sides")
def one_tail(days, length, rate):
    """Forgets that a window may stray downwards, too."""
    means = pd.Series([day.mean() for day in days]).rolling(length).mean().dropna()
    return (means - np.concatenate(days).mean()).quantile(1 - rate) * 0.75


@wrong("61.4", says="the limit is too wide")
def the_largest(days, length, rate):
    """Takes the largest distance that ever was."""
    means = pd.Series([day.mean() for day in days]).rolling(length).mean().dropna()
    return (means - np.concatenate(days).mean()).abs().max()


@wrong("61.4", says="the limit is too wide")
def of_single_days(days, length, rate):
    """Takes the limit of a day for that of a window."""
    means = np.array([day.mean() for day in days])
    return 1.2 * np.quantile(np.abs(means - np.concatenate(days).mean()), 1 - rate / 2)


@wrong("61.4", says="The distance has no sign")
def half_of_the_rate(days, length, rate):
    """Halves the rate for two sides, though the distance has no sign."""
    means = pd.Series([day.mean() for day in days]).rolling(length).mean().dropna()
    return (means - np.concatenate(days).mean()).abs().quantile(1 - rate / 2)


# 61.5


def limit_of(faults, signal, days, within, of=min):
    """The highest limit at which faults are caught; `of` says which of them."""
    return of(fault[signal][:within].rolling(days).min().max() for fault in faults)


def quietest(quiet, faults, within, runs=(1, 2, 3), of=min):
    """The rule with the fewest false alarms among some."""
    rules = [(name, days, limit_of(faults, name, days, within, of)) for name in quiet for days in runs]
    rung = [(quiet[name].rolling(days).min() >= limit).sum() for name, days, limit in rules]
    name, days, limit = rules[int(np.argmin(rung))]
    return {"signal": name, "limit": limit, "days": days}


@wrong("61.5", says="misses")
def mean_fault(quiet, faults, within):
    """Sets the limit at the average fault."""
    return quietest(quiet, faults, within, of=lambda values: np.mean(list(values)))


@wrong("61.5", says="misses")
def without_deadline(quiet, faults, within):
    """Lets a fault be caught at any time."""
    return quietest(quiet, faults, len(faults[0]))


@wrong("61.5", says="there is one that rings on fewer")
def single_days_only(quiet, faults, within):
    """Never waits for a second day."""
    return quietest(quiet, faults, within, runs=(1,))


@wrong("61.5", says="misses")
def never_false(quiet, faults, within):
    """Sets the limit above every quiet day."""
    name = max(quiet, key=lambda name: np.mean([(fault[name] > quiet[name].max()).mean() for fault in faults]))
    return {"signal": name, "limit": quiet[name].max() + 1e-9, "days": 1}


@wrong("61.5", says="there is one that rings on fewer")
def fixed_quantile(quiet, faults, within):
    """Takes the limit from the quiet days alone, low enough to catch everything."""
    for q in np.arange(0.99, 0, -0.05):
        limits = quiet.quantile(q)
        for name in quiet:
            if all((fault[name][:within] >= limits[name]).any() for fault in faults):
                return {"signal": name, "limit": limits[name], "days": 1}
    return {"signal": quiet.columns[0], "limit": -np.inf, "days": 1}


# 61.6


def added(values, usual, slack, limit, floor=0.0, start_again=True, gap=None, at=np.greater):
    """The days on which the sum rings."""
    total, rang = 0.0, []
    for day, value in enumerate(values):
        if np.isnan(value):
            if gap is None:
                continue
            value = gap(usual)
        total = max(floor, total + value - usual - slack)
        if at(total, limit):
            rang.append(day)
            total = 0.0 if start_again else total
    return rang


@wrong("61.6", says="A very good day before a fault")
def has_credit(values, usual, slack, limit):
    """Lets the sum fall below zero."""
    return added(values, usual, slack, limit, floor=-np.inf)


@wrong("61.6", says="A steady excess")
def rings_on(values, usual, slack, limit):
    """Never begins again."""
    return added(values, usual, slack, limit, start_again=False)


@wrong("61.6", says="comes too early")
def at_the_limit_of_the_sum(values, usual, slack, limit):
    """Rings at the limit."""
    return added(values, usual, slack, limit, at=np.greater_equal)


@wrong("61.6", says="A steady excess")
def forgives_nothing(values, usual, slack, limit):
    """Forgets the slack."""
    return added(values, usual, 0.0, limit)


@wrong("61.6", says="Days without a value")
def gap_is_a_quiet_day(values, usual, slack, limit):
    """Takes a day without a value for a usual one."""
    return added(values, usual, slack, limit, gap=lambda usual: usual)


@wrong("61.6", says="Values below the usual")
def both_sides(values, usual, slack, limit):
    """Adds up the distance, whichever way it goes."""
    return added(np.abs(values - usual), 0.0, slack, limit)
