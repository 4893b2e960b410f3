"""Plausible wrong answers to the exercises of lesson 22, with words of the message that each must get."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.plots import BLUE, GREY, ORANGE
from tests.wrong_answers import wrong


def profile_of(table, outcome, *, present="present", order="absolute", gaps=None):
    """Return a profile with one thing done in a wrong way."""
    gaps = table.isna() if gaps is None else gaps
    gaps = gaps.loc[:, gaps.any()]
    complete = ~table.isna().any(axis=1)
    rows = {"present": lambda gap: outcome[~gap], "all": lambda gap: outcome, "complete": lambda gap: outcome[complete]}
    profile = pd.DataFrame(
        {
            "gaps": gaps.sum(),
            "missing": [outcome[gaps[name]].mean() for name in gaps],
            "present": [rows[present](gaps[name]).mean() for name in gaps],
        }
    )
    difference = profile["missing"] - profile["present"]
    key = {"absolute": difference.abs(), "signed": difference, "number": profile.gaps}[order]
    return profile.loc[key.sort_values(ascending=False).index]


@wrong("22.1", says="not with all rows")
def compared_with_all_rows(table, outcome):
    """Holds the rows with the gap against the whole table."""
    return profile_of(table, outcome, present="all")


@wrong("22.1", says="complete rows alone")
def compared_with_complete_rows(table, outcome):
    """Drops every row that has any gap before it looks."""
    return profile_of(table, outcome, present="complete")


@wrong("22.1", says="absolute difference")
def sorted_by_signed_difference(table, outcome):
    """Puts a gap that marks the safe rows at the end."""
    return profile_of(table, outcome, order="signed")


@wrong("22.1", says="belongs last")
def sorted_by_number_of_gaps(table, outcome):
    """Takes the emptiest column for the most telling one."""
    return profile_of(table, outcome, order="number")


@wrong("22.1", says="has no gap")
def every_column(table, outcome):
    """Reports the complete columns as well."""
    profile = profile_of(table, outcome)
    return profile.reindex([*profile.index, *table.columns.difference(profile.index)])


@wrong("22.1", says="count rows, not shares")
def shares_of_gaps(table, outcome):
    """Gives the share of gaps for their number."""
    profile = profile_of(table, outcome)
    return profile.assign(gaps=profile.gaps / len(table))


@wrong("22.1", says="gaps, and the profile says")
def empty_text_is_a_gap(table, outcome):
    """Takes an empty text for a missing one."""
    return profile_of(table, outcome, gaps=table.isna() | (table == ""))


def conventions(flights, least, *, of_all=False, strict=False, most=1.0):
    """Return the words for the carriers that cancelled something, with one thing done in a wrong way."""
    rows = flights if of_all else flights[flights.dep_time.isna()]
    gap = rows.tailnum.isna().groupby(rows.carrier).agg(["size", "mean"])
    few = gap["size"] <= least if strict else gap["size"] < least
    words = np.select([few, gap["mean"] >= most, gap["mean"] <= 1 - most], ["too few", "always", "never"], "mixed")
    return pd.Series(words, gap.index).reindex(flights.carrier.unique(), fill_value="too few")


@wrong("22.2", says="'always' and is 'mixed'")
def gaps_of_all_flights(flights, least=30):
    """Looks at the flights that flew, too."""
    return conventions(flights, least, of_all=True)


@wrong("22.2", says="is 'too few'")
def more_than_least(flights, least=30):
    """Wants more cancellations than `least`."""
    return conventions(flights, least, strict=True)


@wrong("22.2", says="should be 'mixed'")
def nearly_always_is_always(flights, least=30):
    """Calls nine in ten a convention."""
    return conventions(flights, least, most=0.9)


@wrong("22.2", says="should be 'too few'")
def ignores_least(flights, least=30):
    """Takes one out of one for a convention."""
    return conventions(flights, 1)


@wrong("22.2", says="a carrier that cancelled nothing")
def forgets_carriers_without_cancellations(flights, least=30):
    """Leaves out the carriers that have no cancelled row."""
    return conventions(flights, least)[flights[flights.dep_time.isna()].carrier.unique()]


@wrong("22.2", says="; least is 1")
def least_is_fixed(flights, least=30):
    """Has the thirty in its body, so another `least` does nothing."""
    return conventions(flights, 30)


def chart(rates, highlight, *, labels=None, colours=(ORANGE, GREY), title=True):
    """Draw a chart that is right but for what is asked."""
    _, ax = plt.subplots()
    chosen, other = colours
    ax.bar(range(len(rates)), rates, color=[chosen if name == highlight else other for name in rates.index])
    ax.set_xticks(range(len(rates)), rates.index if labels is None else labels)
    ax.set(xlabel="carrier", ylabel="share disrupted")
    ax.set_title(f"{highlight}: {rates[highlight]:.0%} of flights disrupted" if title else "Carriers 2013")
    return ax


@wrong("22.3", says="labels and bars must move together")
def labels_sorted_apart(rates, highlight):
    """Keeps the bug: names in alphabetical order over bars in the order of the rates."""
    rates = rates.sort_values()
    return chart(rates, highlight, labels=sorted(rates.index, reverse=rates.index[0] == min(rates.index)))


@wrong("22.3", says="starts at zero")
def axis_cut(rates, highlight):
    """Keeps the cut axis."""
    ax = chart(rates.sort_values(), highlight)
    ax.set_ylim(rates.min() - 0.01, rates.max() + 0.01)
    return ax


@wrong("22.3", says="not in the order of their rates")
def alphabetical(rates, highlight):
    """Sorts the bars by name."""
    rates = rates.sort_index()
    if rates.is_monotonic_increasing or rates.is_monotonic_decreasing:
        rates = rates.iloc[[1, 0, *range(2, len(rates))]]
    return chart(rates, highlight)


@wrong("22.3", says="does not name")
def title_without_finding(rates, highlight):
    """Names the subject and not the finding."""
    return chart(rates.sort_values(), highlight, title=False)


@wrong("22.3", says="colour-blind")
def red_against_green(rates, highlight):
    """Keeps the traffic light."""
    return chart(rates.sort_values(), highlight, colours=("red", "green"))


@wrong("22.3", says="in lightness by 0.00")
def nothing_stands_out(rates, highlight):
    """Draws all bars in one colour."""
    return chart(rates.sort_values(), highlight, colours=(BLUE, BLUE))


@wrong("22.3", says="more colourful than")
def the_others_shout(rates, highlight):
    """Gives the loud colour to the wrong bars."""
    return chart(rates.sort_values(), highlight, colours=(GREY, ORANGE))


@wrong("22.3", says="one should say 'disrupted'")
def axis_without_meaning(rates, highlight):
    """Calls the axis a rate, and leaves open of what."""
    ax = chart(rates.sort_values(), highlight)
    ax.set_ylabel("rate")
    return ax


@wrong("22.3", says="cut off")
def long_bars_cut_off(rates, highlight):
    """Ends the axis below the longest bar."""
    ax = chart(rates.sort_values(), highlight)
    ax.set_ylim(0, rates.mean())
    return ax


def interval(middle, error, z):
    """Return the two ends of an interval."""
    return middle - z * error, middle + z * error


@wrong("22.4", says="copies teach nothing")
def counts_rows(outcome, day, z=1.96):
    """Uses the formula for independent rows."""
    share = outcome.mean()
    return interval(share, np.sqrt(share * (1 - share) / len(outcome)), z)


@wrong("22.4", says="mean of the daily shares is another number")
def mean_of_daily_shares(outcome, day, z=1.96):
    """Gives each day the same weight."""
    daily = outcome.groupby(day).mean()
    return interval(daily.mean(), daily.std() / np.sqrt(len(daily)), z)


@wrong("22.4", says="as wide as the formula's")
def spread_of_daily_shares(outcome, day, z=1.96):
    """Centres on the right share, with the spread of days that count alike."""
    daily = outcome.groupby(day).mean()
    return interval(outcome.mean(), daily.std() / np.sqrt(len(daily)), z)


@wrong("22.4", says="as wide as the formula's")
def forgets_the_days_correction(outcome, day, z=1.96):
    """Leaves out the factor days / (days - 1)."""
    daily = outcome.groupby(day).agg(["sum", "size"])
    surprise = daily["sum"] - outcome.mean() * daily["size"]
    return interval(outcome.mean(), np.sqrt((surprise**2).sum()) / len(outcome), z)


@wrong("22.4", says="does not follow `z`")
def fixed_z(outcome, day, z=1.96):
    """Has 1.96 in its body."""
    daily = outcome.groupby(day).agg(["sum", "size"])
    surprise = daily["sum"] - outcome.mean() * daily["size"]
    days = len(daily)
    return interval(outcome.mean(), np.sqrt(days / (days - 1) * (surprise**2).sum()) / len(outcome), 1.96)


@wrong("22.4", says="two numbers, low and high")
def error_alone(outcome, day, z=1.96):
    """Returns the half-width instead of the ends."""
    daily = outcome.groupby(day).agg(["sum", "size"])
    return float(np.sqrt(((daily["sum"] - outcome.mean() * daily["size"]) ** 2).sum()) / len(outcome))


def desks(
    flights, hours, capacity, saved, cost, *, cap="day", days="all", rows="disrupted", ends=1, late=0, best_first=True
):
    """Rank the desks with one thing done in a wrong way."""
    found = []
    total = flights.date.nunique()
    for origin in flights.origin.unique():
        for start in range(24 - hours + ends):
            seen = flights[(flights.origin == origin) & flights.hour.between(start, start + hours - 1 + late)]
            counts = (seen[seen.disrupted] if rows == "disrupted" else seen).groupby("date").size()
            divisor = total if days == "all" else max(len(counts), 1)
            capped = counts.clip(upper=capacity).sum() / divisor
            helped = min(counts.sum() / divisor, capacity) if cap == "mean" else capped
            found.append((origin, start, saved * helped - cost))
    table = pd.DataFrame(found, columns=["origin", "start", "euros_per_day"])
    return table.sort_values("euros_per_day", ascending=not best_first)


@wrong("22.5", says="No day is average")
def caps_the_average_day(flights, hours, capacity, saved, cost):
    """Holds the capacity against the mean number of disrupted flights."""
    return desks(flights, hours, capacity, saved, cost, cap="mean")


@wrong("22.5", says="the desk costs money on them, too")
def forgets_calm_days(flights, hours, capacity, saved, cost):
    """Takes the mean over the days on which there was something to do."""
    return desks(flights, hours, capacity, saved, cost, days="busy")


@wrong("22.5", says="is not right")
def helps_every_flight(flights, hours, capacity, saved, cost):
    """Counts all flights, not the disrupted ones."""
    return desks(flights, hours, capacity, saved, cost, rows="all")


@wrong("22.5", says="is missing: every airport")
def forgets_the_last_start(flights, hours, capacity, saved, cost):
    """Ends the loop one hour early."""
    return desks(flights, hours, capacity, saved, cost, ends=0)


@wrong("22.5", says="best desk should come first")
def worst_first(flights, hours, capacity, saved, cost):
    """Sorts upwards."""
    return desks(flights, hours, capacity, saved, cost, best_first=False)


@wrong("22.5", says="is not right")
def one_hour_too_long(flights, hours, capacity, saved, cost):
    """Lets the desk close an hour late."""
    return desks(flights, hours, capacity, saved, cost, late=1)


def comparison(flights, strata, weight, covered=None):
    """Compare Endeavor and Southwest with the weights that `weight` makes of their numbers of flights."""
    both = flights[flights.carrier.isin(["9E", "WN"])]
    share = both.groupby("carrier").disrupted.mean()
    cells = both.groupby([*strata, "carrier"]).disrupted.agg(["mean", "size"]).unstack().dropna()
    n1, n2 = cells["size", "9E"], cells["size", "WN"]
    adjusted = np.average(cells["mean", "9E"] - cells["mean", "WN"], weights=weight(n1, n2))
    covered = (n1 + n2).sum() / len(both if covered is None else covered)
    return {"raw": share["9E"] - share["WN"], "adjusted": adjusted, "covered": covered}


@wrong("22.6", says="with the weights n1 * n2")
def every_stratum_alike(flights, first, second, strata):
    """Averages the differences without weights."""
    return comparison(flights, strata, lambda n1, n2: n1 * 0 + 1)


@wrong("22.6", says="with the weights n1 * n2")
def weights_by_all_flights(flights, first, second, strata):
    """Weights a stratum by all flights in it."""
    return comparison(flights, strata, lambda n1, n2: n1 + n2)


@wrong("22.6", says="raw difference again")
def never_looks_within(flights, first, second, strata):
    """Returns the raw difference twice."""
    answer = comparison(flights, strata, lambda n1, n2: n1 * n2 / (n1 + n2))
    return answer | {"adjusted": answer["raw"]}


@wrong("22.6", says="covered is not right")
def covered_of_all_carriers(flights, first, second, strata):
    """Divides by the flights of every carrier."""
    return comparison(flights, strata, lambda n1, n2: n1 * n2 / (n1 + n2), covered=flights)


@wrong("22.6", says="raw is not right")
def second_less_first(flights, first, second, strata):
    """Subtracts the wrong way round."""
    answer = comparison(flights, strata, lambda n1, n2: n1 * n2 / (n1 + n2))
    return answer | {"raw": -answer["raw"], "adjusted": -answer["adjusted"]}
