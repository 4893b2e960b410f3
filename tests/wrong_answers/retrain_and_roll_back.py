"""Wrong answers to the exercises of lesson 62: the mistakes that learners make, and the words that must meet them."""

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from tests.wrong_answers import wrong

# 62.1


def best_of(known, weighted=True):
    """Return the window with the lowest mean, or "all"."""
    weight = known["flights"] if weighted else 1.0
    table = known.assign(total=weight * known["brier"], weight=weight).groupby("window")[["total", "weight"]].sum()
    return (table["total"] / table["weight"]).idxmin() if len(table) else "all"


@wrong("62.1", says="what counts is known_at")
def month_is_over(scores):
    """Takes a month for known when it is over."""
    return {start: best_of(scores[scores["start"] < start]) for start in scores["start"].unique()}


@wrong("62.1", says="looks ahead")
def best_in_hindsight(scores):
    """Chooses once, by the whole year."""
    return dict.fromkeys(scores["start"].unique(), best_of(scores))


@wrong("62.1", says="looks ahead")
def own_month_too(scores):
    """Looks at the month that is to be forecast."""
    return {start: best_of(scores[scores["start"] <= start]) for start in scores["start"].unique()}


@wrong("62.1", says="mean over flights")
def months_count_alike(scores):
    """Averages months and not flights."""
    return {start: best_of(scores[scores["known_at"] <= start], False) for start in scores["start"].unique()}


@wrong("62.1", says="lowest mean Brier score is another's")
def highest_is_best(scores):
    """Takes the Brier score for a score where higher is better."""
    turned = scores.assign(brier=-scores["brier"])
    return {start: best_of(turned[turned["known_at"] <= start]) for start in scores["start"].unique()}


@wrong("62.1", says="also where nothing is known yet")
def first_months_left_out(scores):
    """Begins with the first month that has a past."""
    starts = scores["start"].unique()
    return {start: best_of(known) for start in starts if len(known := scores[scores["known_at"] <= start])}


@wrong("62.1", says="lowest mean Brier score is another's")
def last_month_only(scores):
    """Looks at the newest known month alone."""
    chosen = {}
    for start in scores["start"].unique():
        known = scores[scores["known_at"] <= start]
        chosen[start] = best_of(known[known["start"] == known["start"].max()])
    return chosen


@wrong("62.1", says="tried in fewer months has the lower sum")
def lowest_sum(scores):
    """Adds errors up and does not divide by the flights."""
    chosen = {}
    for start in scores["start"].unique():
        known = scores[scores["known_at"] <= start]
        sums = (known["flights"] * known["brier"]).groupby(known["window"]).sum()
        chosen[start] = sums.idxmin() if len(sums) else "all"
    return chosen


@wrong("62.1", says="at or before the start")
def known_before(scores):
    """Leaves out what comes in on the first itself."""
    return {start: best_of(scores[scores["known_at"] < start]) for start in scores["start"].unique()}


# 62.2


def cut(flights, at, champion_until, test_days, share=0.99, known=True, refuse=True, calendar=False, overlap=False):
    """Cut by the rule, with one step of it done in another way."""
    usable = flights["known_at"] <= at
    days = flights.groupby("day")["known_at"].apply(lambda times: (times <= at).mean())
    days = days.index[days >= share]
    if calendar:
        first = days.max() - pd.Timedelta(days=test_days - 1)
        before, last = days[days < first], days[days >= first]
    else:
        before, last = days[:-test_days], days[-test_days:]
    if refuse and (not len(before) or champion_until >= last[0]):
        raise ValueError
    chosen = usable if known else usable | True
    test = list(flights.index[chosen & flights["day"].isin(last)])
    train = list(flights.index[chosen & flights["day"].isin(days if overlap else before)])
    return {"train": train, "test": test, "final": sorted({*train, *test})}


@wrong("62.2", says="learn from the future")
def all_flights_of_the_days(flights, at, champion_until, test_days):
    """Takes the flights of a counting day whose outcome is missing as well."""
    return cut(flights, at, champion_until, test_days, known=False)


@wrong("62.2", says="not like the rest")
def half_known_days(flights, at, champion_until, test_days):
    """Lets a day count of which anything is known."""
    return cut(flights, at, champion_until, test_days, share=0.01)


@wrong("62.2", says="learnt by heart")
def judged_on_training(flights, at, champion_until, test_days):
    """Trains on the days of the test, too."""
    return cut(flights, at, champion_until, test_days, overlap=True)


@wrong("62.2", says="that is no exam")
def champion_unasked(flights, at, champion_until, test_days):
    """Judges whatever the champion was trained on."""
    return cut(flights, at, champion_until, test_days, refuse=False)


@wrong("62.2", says="learns from train and from test")
def newest_days_wasted(flights, at, champion_until, test_days):
    """Serves the model without the days of the test."""
    parts = cut(flights, at, champion_until, test_days)
    return parts | {"final": parts["train"]}


@wrong("62.2", says="the last")
def days_of_the_calendar(flights, at, champion_until, test_days):
    """Counts back on the calendar, also over days that do not count."""
    return cut(flights, at, champion_until, test_days, calendar=True)


@wrong("62.2", says="the last")
def one_day_more(flights, at, champion_until, test_days):
    """Judges on a day too many."""
    return cut(flights, at, champion_until - pd.Timedelta(days=60), test_days + 1)


@wrong("62.2", says="Train takes every day")
def sliding_window(flights, at, champion_until, test_days):
    """Trains on the last two weeks only."""
    parts = cut(flights, at, champion_until, test_days)
    days = flights.loc[parts["train"], "day"]
    train = list(days.index[days > days.max() - pd.Timedelta(days=14)])
    return parts | {"train": train}


@wrong("62.2", says="99 % or more are enough")
def more_than_the_share(flights, at, champion_until, test_days):
    """Asks for more than 99 %."""
    return cut(flights, at, champion_until, test_days, share=0.9901)


# 62.3


def planned(bill, price, dates=None, best=None, calendar_pays=0, break_even=None):
    """Return a plan with one of its numbers done in another way."""
    first, *later = bill.index
    never, alone = bill.loc[first].sum(), np.diag(bill).sum()
    right = cheapest(bill, price)
    return {
        "never": never,
        "calendar": alone + price * (len(later) + calendar_pays),
        "break_even": (never - alone) / len(later) if break_even is None else break_even,
        "dates": right[1] if dates is None else dates,
        "best": right[0] if best is None else best,
    }


def cost_of(bill, dates, price):
    """Return what months and trainings cost."""
    server = {month: max([bill.index[0], *(date for date in dates if date <= month)]) for month in bill.columns}
    return sum(bill.loc[origin, month] for month, origin in server.items()) + price * len(dates)


def cheapest(bill, price):
    """Return the lowest cost of all sets of dates, and the dates."""
    later = list(bill.index[1:])
    sets = [[d for place, d in enumerate(later) if number >> place & 1] for number in range(2 ** len(later))]
    return min((cost_of(bill, dates, price), dates) for dates in sets)


@wrong("62.3", says="not in its first month alone")
def greedy(bill, price):
    """Trains when the first month alone pays for it."""
    dates, serving = [], bill.index[0]
    for month in bill.index[1:]:
        if bill.loc[serving, month] - bill.loc[month, month] > price:
            dates, serving = [*dates, int(month)], month
    return planned(bill, price, dates, cost_of(bill, dates, price))


@wrong("62.3", says="there are dates that cost")
def price_forgotten(bill, price):
    """Looks for the dates as if a training were free."""
    dates = cheapest(bill, 0)[1]
    return planned(bill, price, dates, cost_of(bill, dates, price))


@wrong("62.3", says="(the first model exists already)")
def pays_for_the_first(bill, price):
    """Pays for the model that exists."""
    return planned(bill, price, calendar_pays=1)


@wrong("62.3", says="never and calendar do not cost the same")
def break_even_a_month(bill, price):
    """Divides by the number of months and not of trainings."""
    return planned(bill, price, break_even=(bill.iloc[0].sum() - np.diag(bill).sum()) / len(bill))


@wrong("62.3", says="an old model does not come back")
def best_of_each_month(bill, price):
    """Takes the cheapest model of each month, as if an old one came back by itself."""
    dates = sorted({int(origin) for origin in bill.idxmin()} - {int(bill.index[0])})
    return planned(bill, price, dates, bill.min().sum() + price * len(dates))


@wrong("62.3", says="the months and trainings of these dates cost")
def best_without_the_price(bill, price):
    """Leaves the trainings out of the best cost."""
    cost, dates = cheapest(bill, price + 1e-9)
    return planned(bill, price, dates, cost - (price + 1) * len(dates))


@wrong("62.3", says="an old model does not come back")
def cheapest_that_exists(bill, price):
    """Lets the cheapest of the models that exist answer in each month."""
    first, *later = bill.index
    found = []
    for number in range(2 ** len(later)):
        dates = [date for place, date in enumerate(later) if number >> place & 1]
        found.append((bill.loc[[first, *dates]].min().sum() + price * len(dates), dates))
    cost, dates = min(found)
    return planned(bill, price, dates, cost)


# 62.4


def changes(flights):
    """Return the change of each flight's squared error."""
    return (flights["challenger"] - flights["disrupted"]) ** 2 - (flights["champion"] - flights["disrupted"]) ** 2


def bound(flights, tried, size):
    """Return the upper bound of the mean from blocks of some days, or from flights (size 0)."""
    change = changes(flights)
    values = change if not size else change.groupby(flights["day"]).mean().to_numpy().reshape(-1, size).mean(axis=1)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return np.mean(values) + t.ppf(1 - 0.05 / tried, len(values) - 1) * error


def nobody_pays(flights, margin=0.02, least=300):
    """Return whether no carrier with so many flights is worse by more than the margin."""
    carriers = changes(flights).groupby(flights["carrier"]).agg(["mean", "size"])
    return not ((carriers["mean"] > margin) & (carriers["size"] >= least)).any()


@wrong("62.4", says="Luck comes in runs of days")
def lower_score_wins(flights, tried):
    """Asks for a lower score, and no more."""
    return bool(changes(flights).mean() < 0 and nobody_pays(flights))


@wrong("62.4", says="Luck comes in runs of days")
def flights_counted(flights, tried):
    """Takes the flights for independent."""
    return bool(bound(flights, tried, 0) < 0 and nobody_pays(flights))


@wrong("62.4", says="Luck comes in runs of days")
def days_counted(flights, tried):
    """Takes the days for independent."""
    return bool(bound(flights, tried, 1) < 0 and nobody_pays(flights))


@wrong("62.4", says="`tried`")
def choice_is_free(flights, tried):
    """Forgets how many competed."""
    return bool(bound(flights, 1, 4) < 0 and nobody_pays(flights))


@wrong("62.4", says="paid for by one")
def mean_alone(flights, tried):
    """Never looks at the carriers."""
    return bool(bound(flights, tried, 4) < 0)


@wrong("62.4", says="only a carrier with 300 flights or more")
def every_carrier(flights, tried):
    """Lets the smallest carrier stand in the way."""
    return bool(bound(flights, tried, 4) < 0 and nobody_pays(flights, least=1))


@wrong("62.4", says="only a carrier with 300 flights or more")
def no_margin(flights, tried):
    """Refuses when any carrier is worse at all."""
    return bool(bound(flights, tried, 4) < 0 and nobody_pays(flights, margin=0.0))


@wrong("62.4", says="Which sign has a gain")
def higher_is_better(flights, tried):
    """Takes a higher Brier score for a gain."""
    turned = flights.rename(columns={"champion": "challenger", "challenger": "champion"})
    return bool(bound(turned, tried, 4) < 0)


def verdict(flights, tried, quantile=lambda level: t.ppf(level, 6), share=lambda tried: 0.05 / tried, ddof=1):
    """Return the verdict by blocks of four days, with one part of the formula done in another way."""
    blocks = changes(flights).groupby(flights["day"]).mean().to_numpy().reshape(-1, 4).mean(axis=1)
    upper = blocks.mean() + quantile(1 - share(tried)) * blocks.std(ddof=ddof) / np.sqrt(7)
    return bool(upper < 0 and nobody_pays(flights))


@wrong("62.4", says="not for the normal quantile")
def normal_for_t(flights, tried):
    """Takes the normal quantile with seven blocks."""
    return verdict(flights, tried, quantile=norm.ppf)


@wrong("62.4", says="divides by n - 1")
def spread_without_correction(flights, tried):
    """Takes numpy's standard deviation as it comes."""
    return verdict(flights, tried, ddof=0)


@wrong("62.4", says="Go through the formula")
def one_in_ten(flights, tried):
    """Takes the quantile of a two-sided interval of 80 %."""
    return verdict(flights, tried, share=lambda tried: 0.1 / tried)


@wrong("62.4", says="Go through the formula")
def square_root_of_tried(flights, tried):
    """Pays too little for the choice."""
    return verdict(flights, tried, share=lambda tried: 0.05 / tried**0.5)


@wrong("62.4", says="Go through the formula")
def tried_has_an_end(flights, tried):
    """Stops to pay for the choice at twenty."""
    return verdict(flights, min(tried, 20))


@wrong("62.4", says="take the change flight by flight")
def unpaired(flights, tried):
    """Adds the variances of both models up, as if each had met days of its own."""
    loss = {name: (flights[name] - flights["disrupted"]) ** 2 for name in ("champion", "challenger")}
    days = [values.groupby(flights["day"]).mean().to_numpy() for values in loss.values()]
    old, new = (values.reshape(-1, 4).mean(axis=1) for values in days)
    error = np.sqrt((old.var(ddof=1) + new.var(ddof=1)) / 7)
    return bool(new.mean() - old.mean() + t.ppf(1 - 0.05 / tried, 12) * error < 0 and nobody_pays(flights))


# 62.5


def first(crossed):
    """Return the number of the first True, or None."""
    return int(np.argmax(crossed)) + 1 if np.any(crossed) else None


def z_of(values, spread):
    """Return the standardised mean after each day."""
    return np.cumsum(np.divide(values, spread)) / np.sqrt(np.arange(1, len(values) + 1))


@wrong("62.5", says="chance has 14 tries")
def peeks(values, spread, rate):
    """Uses the bound of one look on each day."""
    return first(z_of(values, spread) > norm.ppf(1 - rate))


@wrong("62.5", says="chance has 14 tries")
def two_sided(values, spread, rate):
    """Peeks at the bound of a two-sided test."""
    return first(z_of(values, spread) > norm.ppf(1 - rate / 2))


@wrong("62.5", says="Where does `rate` stand")
def rate_fixed(values, spread, rate):
    """Writes .05 where the rate belongs."""
    return first(z_of(values, spread) > norm.ppf(1 - 0.05 / 14))


@wrong("62.5", says="Where does `rate` stand")
def evidence_of_20(values, spread, rate):
    """Copies the lesson's proof, whatever the rate."""
    total, days = np.cumsum(np.divide(values, spread)), np.arange(1, len(values) + 1)
    shrink = 0.25 / (1 + 0.25 * days)
    ratio = 2 * norm.cdf(total * np.sqrt(shrink)) * np.exp(total**2 * shrink / 2) / np.sqrt(1 + 0.25 * days)
    return first(ratio >= 20)


@wrong("62.5", says="chance has 14 tries")
def pays_for_the_days_so_far(values, spread, rate):
    """Divides the rate by the number of the day."""
    return first(z_of(values, spread) > norm.ppf(1 - rate / np.arange(1, len(values) + 1)))


@wrong("62.5", says="asks for a stop on day 1")
def waits_for_the_end(values, spread, rate):
    """Looks once, on the last day."""
    return 14 if len(values) == 14 and z_of(values, spread)[-1] > norm.ppf(1 - rate) else None


@wrong("62.5", says="strict at first and mild later")
def strict_at_first(values, spread, rate):
    """Bounds of O'Brien and Fleming: strict on the first days."""
    return first(np.cumsum(np.divide(values, spread)) / np.sqrt(14) > norm.ppf(1 - rate / 2))


@wrong("62.5", says="days count from 1")
def counts_from_zero(values, spread, rate):
    """Returns a place and not the number of a day."""
    day = first(z_of(values, spread) > norm.ppf(1 - rate / 14))
    return day and day - 1


@wrong("62.5", says="do good were stopped")
def any_difference(values, spread, rate):
    """Stops a version that does good."""
    return first(np.abs(z_of(values, spread)) > norm.ppf(1 - rate / 28))


@wrong("62.5", says="must not depend on later days")
def looks_as_often_as_it_has_days(values, spread, rate):
    """Divides the rate by the days so far, so that an early day is judged anew."""
    return first(z_of(values, spread) > norm.ppf(1 - rate / len(values) ** 2))


# 62.6


def finish(registry, service, calls=100):
    """Ask until the service answers with the champion."""
    for _ in range(calls):
        if service.version() == registry.champions()[-1]:
            return registry.champions()[-1]
    raise TimeoutError


def target(bad, registry):
    """Return the latest earlier champion that is intact and is not the bad one."""
    found = [version for version in registry.champions()[:-1] if version != bad and registry.intact(version)]
    if not found:
        raise LookupError
    return found[-1]


def note(bad, to, record):
    """Write the line if it is not the last one."""
    line = {"what": "roll back", "from": bad, "to": to}
    if record[-1:] != [line]:
        record.append(line)


@wrong("62.6", says="went back one more step")
def one_step_back(bad, registry, service, record):
    """Goes one step back, however often it is called."""
    to = target(registry.champions()[-1], registry)
    note(bad, to, record)
    registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="not intact")
def damaged_version(bad, registry, service, record):
    """Goes to the version before without a look at its files."""
    if registry.champions()[-1] == bad:
        to = registry.champions()[-2]
        note(bad, to, record)
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="First the line, then the move")
def moves_first(bad, registry, service, record):
    """Writes the line after the move."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        registry.point(to)
        note(bad, to, record)
    return finish(registry, service)


@wrong("62.6", says="lines for one rollback")
def writes_twice(bad, registry, service, record):
    """Writes the line again when it is started again."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        record.append({"what": "roll back", "from": bad, "to": to})
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="this one has left none")
def line_anywhere(bad, registry, service, record):
    """Takes a line of an earlier rollback for its own."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        line = {"what": "roll back", "from": bad, "to": to}
        if line not in record:
            record.append(line)
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="the rollback is done when it does not")
def does_not_wait(bad, registry, service, record):
    """Believes the registry."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        note(bad, to, record)
        registry.point(to)
    return registry.champions()[-1]


@wrong("62.6", says="wait until it answers")
def nothing_to_do(bad, registry, service, record):
    """Returns at once when the bad version is not champion any more."""
    if registry.champions()[-1] != bad:
        return registry.champions()[-1]
    to = target(bad, registry)
    note(bad, to, record)
    registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="give up after a hundred")
def never_gives_up(bad, registry, service, record):
    """Waits for ever."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        note(bad, to, record)
        registry.point(to)
    return finish(registry, service, calls=1_000_000)


@wrong("62.6", says="look before you act")
def acts_before_it_looks(bad, registry, service, record):
    """Writes the line before it knows a target."""
    if registry.champions()[-1] == bad:
        record.append({"what": "roll back", "from": bad, "to": None})
        to = target(bad, registry)
        record[-1]["to"] = to
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="the latest earlier one")
def to_the_first(bad, registry, service, record):
    """Goes back to the first champion of all."""
    if registry.champions()[-1] == bad:
        to = next(version for version in registry.champions() if registry.intact(version))
        note(bad, to, record)
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="these are two rollbacks")
def any_rollback_is_mine(bad, registry, service, record):
    """Takes any rollback at the end of the record for its own."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        if record[-1:] and record[-1]["what"] != "roll back":
            record.append({"what": "roll back", "from": bad, "to": to})
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="The record of a new system is empty")
def looks_at_a_last_line(bad, registry, service, record):
    """Reads the last line of a record that may have none."""
    if registry.champions()[-1] == bad:
        to = target(bad, registry)
        line = {"what": "roll back", "from": bad, "to": to}
        if record[-1] != line:
            record.append(line)
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="choose by what is intact now")
def goes_where_it_was_going(bad, registry, service, record):
    """Goes on to the version of the record's last line, whatever has become of it."""
    if registry.champions()[-1] == bad:
        last = record[-1] if record else {}
        to = last["to"] if (last.get("what"), last.get("from")) == ("roll back", bad) else target(bad, registry)
        note(bad, to, record)
        registry.point(to)
    return finish(registry, service)


@wrong("62.6", says="not for the version of your own move")
def waits_for_its_own(bad, registry, service, record):
    """Waits for the version that it has pointed to, whoever has moved the registry since."""
    expected = registry.champions()[-1]
    if expected == bad:
        expected = target(bad, registry)
        note(bad, expected, record)
        registry.point(expected)
    for _ in range(100):
        if service.version() == expected:
            return expected
    raise TimeoutError
