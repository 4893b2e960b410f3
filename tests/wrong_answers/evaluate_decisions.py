"""Wrong answers to the exercises of lesson 33: the mistakes that learners make, and the words that must meet them."""

import math

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.disruption.model import choose_threshold
from helpers.metrics import cost_per_1000
from tests.wrong_answers import wrong

# 33.1


def cheapest(late, forecast, thresholds, false_alarm, miss):
    """Return the first of the thresholds that costs least, and its cost."""
    costs = [cost_per_1000(late, forecast >= threshold, false_alarm, miss) for threshold in thresholds]
    return {"threshold": thresholds[int(np.argmin(costs))], "cost": min(costs)}


def falling(forecast):
    """Return all thresholds, the highest first."""
    return np.append(np.inf, np.unique(forecast)[::-1])


@wrong("33.1", says="the limit holds on every day")
def without_capacity(late, forecast, day, false_alarm, miss, capacity):
    """Forgets that hands are few."""
    return cheapest(late, forecast, falling(forecast), false_alarm, miss)


@wrong("33.1", says="the limit holds on every day")
def capacity_on_average(late, forecast, day, false_alarm, miss, capacity):
    """Lets the blizzard borrow hands from the quiet days."""
    days = len(np.unique(day))
    possible = [t for t in falling(forecast) if capacity is None or (forecast >= t).sum() <= capacity * days]
    return cheapest(late, forecast, possible, false_alarm, miss)


@wrong("33.1", says="choose among the forecasts")
def by_the_formula(late, forecast, day, false_alarm, miss, capacity):
    """Believes the forecasts, with a threshold in more digits than they have."""
    threshold = false_alarm / (false_alarm + miss) + 0.001
    return {"threshold": threshold, "cost": cost_per_1000(late, forecast >= threshold, false_alarm, miss)}


@wrong("33.1", says="np.inf, which warns nobody")
def always_warns_somebody(late, forecast, day, false_alarm, miss, capacity):
    """Does not think of warning nobody where it is cheapest."""
    possible = [
        t
        for t in np.unique(forecast)[::-1]
        if capacity is None or pd.Series(forecast >= t).groupby(day).sum().max() <= capacity
    ]
    return cheapest(late, forecast, possible or [np.inf], false_alarm, miss)


@wrong("33.1", says="of several, the highest")
def lowest_of_ties(late, forecast, day, false_alarm, miss, capacity):
    """Takes the lowest of the thresholds that cost the same."""
    possible = [
        t
        for t in falling(forecast)[::-1]
        if capacity is None or pd.Series(forecast >= t).groupby(day).sum().max() <= capacity
    ]
    return cheapest(late, forecast, possible, false_alarm, miss)


@wrong("33.1", says="the misses count as well")
def false_alarms_alone(late, forecast, day, false_alarm, miss, capacity):
    """Bills only what it did, and so does nothing."""
    return {"threshold": np.inf, "cost": 0.0}


@wrong("33.1", says="a flight at the threshold is warned")
def above_the_threshold(late, forecast, day, false_alarm, miss, capacity):
    """Warns above the threshold only."""
    possible = [
        t
        for t in falling(forecast)
        if capacity is None or pd.Series(forecast >= t).groupby(day).sum().max() <= capacity
    ]
    costs = [cost_per_1000(late, forecast > threshold, false_alarm, miss) for threshold in possible]
    return {"threshold": possible[int(np.argmin(costs))], "cost": min(costs)}


@wrong("33.1", says="another one costs less")
def prices_swapped(late, forecast, day, false_alarm, miss, capacity):
    """Chooses as if a false alarm cost what a miss costs."""
    possible = [
        t
        for t in falling(forecast)
        if capacity is None or pd.Series(forecast >= t).groupby(day).sum().max() <= capacity
    ]
    threshold = cheapest(late, forecast, possible, miss, false_alarm)["threshold"]
    return {"threshold": threshold, "cost": cost_per_1000(late, forecast >= threshold, false_alarm, miss)}


# 33.2


def tabled(late, forecast, place):
    """Return the table for flights in given bins."""
    flights = pd.DataFrame({"said": forecast, "came": late, "flights": 1})
    return flights.groupby(place).agg({"said": "mean", "came": "mean", "flights": "sum"})


def above_the_edges(forecast, bins):
    """Return the bin of each flight as the task asks."""
    return np.searchsorted(np.quantile(forecast, np.arange(1, bins) / bins), forecast, side="right")


@wrong("33.2", says="inner edges at or below")
def equal_widths(late, forecast, bins):
    """Keeps the lesson's bins of equal width."""
    return tabled(late, forecast, np.minimum((forecast * bins).astype(int), bins - 1))


@wrong("33.2", says="same forecast share a bin")
def sorted_rows(late, forecast, bins):
    """Cuts the sorted rows into equal parts, and ties with them."""
    order = np.argsort(forecast, kind="stable")
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order)) * bins // len(order)
    return tabled(late, forecast, place)


@wrong("33.2", says="put a flight on an edge above it")
def edges_below(late, forecast, bins):
    """Puts a flight that lies on an edge below it, as qcut does."""
    return tabled(late, forecast, pd.qcut(forecast, bins, labels=False, duplicates="drop"))


@wrong("33.2", says="A bin without flights")
def empty_bins_kept(late, forecast, bins):
    """Keeps a row for each bin, full or empty."""
    return tabled(late, forecast, above_the_edges(forecast, bins)).reindex(range(bins))


@wrong("33.2", says="not the middle of the bin")
def middle_of_the_bin(late, forecast, bins):
    """Reports the middle between the least and the greatest forecast of a bin."""
    place = above_the_edges(forecast, bins)
    middle = pd.Series(forecast).groupby(place).agg(["min", "max"]).mean(axis=1)
    return tabled(late, forecast, place).assign(said=middle)


@wrong("33.2", says="`came` is not")
def counts_of_late(late, forecast, bins):
    """Reports how many were late, not which share."""
    table = tabled(late, forecast, above_the_edges(forecast, bins))
    return table.assign(came=table.came * table.flights)


# 33.3


def billed(model, X, late, train, test, threshold, false_alarm, miss):
    """Return the bill of a fold at a threshold."""
    forecast = model.fit(X.iloc[train], late.iloc[train]).predict_proba(X.iloc[test])[:, 1]
    return cost_per_1000(late.iloc[test], forecast >= threshold, false_alarm, miss)


def unseen(model, X, late, day, train):
    """Return forecasts of the training rows by models that have not seen their day."""
    rows, answers, groups = X.iloc[train], late.iloc[train], day.iloc[train]
    return cross_val_predict(model, rows, answers, groups=groups, cv=GroupKFold(3), method="predict_proba")[:, 1]


@wrong("33.3", says="have seen flights that are billed")
def broken_as_given(X, late, day, false_alarm, miss):
    """The code of the task."""
    columns, bills = StandardScaler().fit_transform(X), []
    for train, test in KFold(5, shuffle=True, random_state=0).split(columns):
        model = LogisticRegression().fit(columns[train], late.iloc[train])
        forecast = model.predict_proba(columns[test])[:, 1]
        threshold = choose_threshold(late.iloc[test], forecast, false_alarm, miss)
        bills.append(cost_per_1000(late.iloc[test], forecast >= threshold, false_alarm, miss))
    return bills


@wrong("33.3", says="have seen flights that are billed")
def only_the_threshold(X, late, day, false_alarm, miss):
    """Repairs the threshold and leaves the days on both sides."""
    model, bills = make_pipeline(StandardScaler(), LogisticRegression()), []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        chosen = choose_threshold(late.iloc[train], unseen(model, X, late, day, train), false_alarm, miss)
        bills.append(billed(model, X, late, train, test, chosen, false_alarm, miss))
    return bills


@wrong("33.3", says="have seen flights that are billed")
def only_the_folds(X, late, day, false_alarm, miss):
    """Repairs the folds and leaves the threshold."""
    model, bills = make_pipeline(StandardScaler(), LogisticRegression()), []
    for train, test in GroupKFold(5).split(X, late, day):
        forecast = model.fit(X.iloc[train], late.iloc[train]).predict_proba(X.iloc[test])[:, 1]
        threshold = choose_threshold(late.iloc[test], forecast, false_alarm, miss)
        bills.append(cost_per_1000(late.iloc[test], forecast >= threshold, false_alarm, miss))
    return bills


@wrong("33.3", says="have seen flights that are billed")
def one_threshold_for_all(X, late, day, false_alarm, miss):
    """Chooses one threshold on forecasts for unseen rows, the billed ones among them."""
    model, rows = make_pipeline(StandardScaler(), LogisticRegression()), np.arange(len(X))
    chosen = choose_threshold(late, unseen(model, X, late, day, rows), false_alarm, miss)
    folds = GroupKFold(5).split(X, late, day)
    return [billed(model, X, late, train, test, chosen, false_alarm, miss) for train, test in folds]


@wrong("33.3", says="standardising")
def unscaled(X, late, day, false_alarm, miss):
    """Drops the scaler."""
    model, bills = LogisticRegression(), []
    for train, test in GroupKFold(5).split(X, late, day):
        chosen = choose_threshold(late.iloc[train], unseen(model, X, late, day, train), false_alarm, miss)
        bills.append(billed(model, X, late, train, test, chosen, false_alarm, miss))
    return bills


@wrong("33.3", says="has not learnt from")
def threshold_on_learnt_rows(X, late, day, false_alarm, miss):
    """Chooses the threshold where the model has seen the answers, and its forecasts are bolder."""
    model, bills = make_pipeline(StandardScaler(), LogisticRegression()), []
    for train, test in GroupKFold(5).split(X, late, day):
        learnt = model.fit(X.iloc[train], late.iloc[train]).predict_proba(X.iloc[train])[:, 1]
        chosen = choose_threshold(late.iloc[train], learnt, false_alarm, miss)
        bills.append(billed(model, X, late, train, test, chosen, false_alarm, miss))
    return bills


@wrong("33.3", says="the scaler has seen flights")
def scaler_outside(X, late, day, false_alarm, miss):
    """Repairs all but the scaler."""
    columns = pd.DataFrame(StandardScaler().fit_transform(X))
    model, bills = LogisticRegression(), []
    for train, test in GroupKFold(5).split(columns, late, day):
        chosen = choose_threshold(late.iloc[train], unseen(model, columns, late, day, train), false_alarm, miss)
        bills.append(billed(model, columns, late, train, test, chosen, false_alarm, miss))
    return bills


@wrong("33.3", says="has not learnt from its day")
def inner_folds_of_rows(X, late, day, false_alarm, miss):
    """Forgets the days in the inner folds."""
    model, bills = make_pipeline(StandardScaler(), LogisticRegression()), []
    for train, test in GroupKFold(5).split(X, late, day):
        rows, answers, inner = X.iloc[train], late.iloc[train], KFold(3, shuffle=True, random_state=0)
        seen = cross_val_predict(model, rows, answers, cv=inner, method="predict_proba")[:, 1]
        chosen = choose_threshold(answers, seen, false_alarm, miss)
        bills.append(billed(model, X, late, train, test, chosen, false_alarm, miss))
    return bills


@wrong("33.3", says="has not learnt from its day")
def inner_folds_as_they_come(X, late, day, false_alarm, miss):
    """Takes scikit-learn's own three folds inside, which know no days."""
    model, bills = make_pipeline(StandardScaler(), LogisticRegression()), []
    for train, test in GroupKFold(5).split(X, late, day):
        seen = cross_val_predict(model, X.iloc[train], late.iloc[train], cv=3, method="predict_proba")[:, 1]
        chosen = choose_threshold(late.iloc[train], seen, false_alarm, miss)
        bills.append(billed(model, X, late, train, test, chosen, false_alarm, miss))
    return bills


@wrong("33.3", says="must follow the prices")
def threshold_of_one_half(X, late, day, false_alarm, miss):
    """Decides at one half, whatever it costs."""
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = GroupKFold(5).split(X, late, day)
    return [billed(model, X, late, train, test, 0.5, false_alarm, miss) for train, test in folds]


@wrong("33.3", says="one number a fold")
def only_the_mean(X, late, day, false_alarm, miss):
    """Returns the mean of the folds."""
    return np.mean(threshold_of_one_half(X, late, day, false_alarm, miss))


# 33.4


@wrong("33.4", says="A tie counts half")
def ties_lose(late, forecast):
    """Counts a tie as nothing."""
    ordered, asked = np.sort(forecast[~late]), forecast[late]
    return np.searchsorted(ordered, asked, side="left").mean() / len(ordered)


@wrong("33.4", says="A tie counts half")
def ties_by_order(late, forecast):
    """Sweeps row by row, so that ties count as they happen to lie."""
    order = np.argsort(-forecast, kind="stable")
    hits = np.cumsum(late[order])
    return (hits * ~late[order]).sum() / (late.sum() * (~late).sum())


@wrong("33.4", says="holds the pairs")
def all_pairs(late, forecast):
    """Compares every late flight with every other at once."""
    bad, good = forecast[late][:, None], forecast[~late]
    return (bad > good).mean() + (bad == good).mean() / 2


@wrong("33.4", says="looks at every pair")
def pair_by_pair(late, forecast):
    """Loops over the late flights, and looks at all others for each."""
    good = forecast[~late]
    return sum((value > good).mean() + (value == good).mean() / 2 for value in forecast[late]) / late.sum()


@wrong("33.4", says="1 less the right one")
def wrong_way_round(late, forecast):
    """Counts the pairs in which the undisturbed flight is ahead."""
    ordered, asked = np.sort(forecast[late]), forecast[~late]
    sides = [np.searchsorted(ordered, asked, side=side).sum() for side in ("left", "right")]
    return sum(sides) / 2 / (len(ordered) * len(asked))


@wrong("33.4", says="forecasts that differ at all are no tie")
def rounds_first(late, forecast):
    """Takes forecasts that agree to nine digits for ties."""
    ranks = rankdata(np.round(forecast, 9))
    return (ranks[late].sum() - late.sum() * (late.sum() + 1) / 2) / (late.sum() * (~late).sum())


# 33.5


@wrong("33.5", says="ends at")
def by_the_gap_alone(curve):
    """Knows only overfitting and underfitting."""
    last = curve.iloc[-1]
    return "simpler model" if last.training - last.held_out > 0.05 else "richer model"


@wrong("33.5", says="fall behind")
def never_looks_later(curve):
    """Reads training and held out, and not the months after."""
    last, gained = curve.iloc[-1], curve.held_out.iloc[-1] - curve.held_out.iloc[-2]
    if last.training > 0.95:
        return "simpler model"
    return "richer model" if last.training - last.held_out < 0.035 and gained < 0.01 else "more days"


@wrong("33.5", says="still rises with each doubling")
def never_looks_at_the_slope(curve):
    """Takes a gap that has closed for a model that is too simple, though the scores still rise."""
    last = curve.iloc[-1]
    if last.held_out - last.later > 0.045:
        return "check the columns"
    if last.training > 0.95:
        return "simpler model"
    return "richer model" if last.training - last.held_out < 0.035 else "more days"


@wrong("33.5", says="ends at")
def by_the_level(curve):
    """Takes an AUC of .70 for poor, whatever the problem."""
    last = curve.iloc[-1]
    if last.held_out - last.later > 0.045:
        return "check the columns"
    if last.training > 0.95:
        return "simpler model"
    return "richer model" if last.held_out < 0.7 else "more days"


@wrong("33.5", says="ends at")
def at_the_first_row(curve):
    """Reads the gap where the curve begins."""
    first = curve.iloc[0]
    if first.held_out - first.later > 0.045:
        return "check the columns"
    if first.training > 0.95:
        return "simpler model"
    return "richer model" if first.training - first.held_out < 0.06 else "more days"


@wrong("33.5", says="none of the four texts")
def own_words(curve):
    """Answers in words of its own."""
    return "regularise"


# 33.6


def answer(costs, margin, gain, half_width, **other):
    """Return the dict that the task asks for."""
    days, low, high = costs.day.nunique(), gain - half_width, gain + half_width
    words = "better" if low > margin else "worse" if high < margin else "not proved"
    needed = math.ceil(days * (half_width / (gain - margin)) ** 2)
    return {"gain": gain, "low": low, "high": high, "verdict": words, "days": needed} | other


def by_days(saving, day):
    """Return the mean saving of 1,000 flights and the half-width by days."""
    sums = saving.groupby(day).agg(["sum", "count"])
    gain = sums["sum"].sum() / len(saving)
    beyond = sums["sum"] - gain * sums["count"]
    error = math.sqrt(len(sums) / (len(sums) - 1) * (beyond**2).sum()) / len(saving)
    return 1000 * gain, 1000 * 1.96 * error


@wrong("33.6", says="too narrow")
def by_flights(costs, margin):
    """Takes the flights for independent."""
    saving = 1000 * (costs.champion - costs.challenger)
    return answer(costs, margin, saving.mean(), 1.96 * saving.sem())


@wrong("33.6", says="too wide")
def unpaired(costs, margin):
    """Adds the errors of the two models as if they had flown on other days."""
    halves = [by_days(costs[name], costs.day)[1] for name in ("champion", "challenger")]
    return answer(costs, margin, by_days(costs.champion - costs.challenger, costs.day)[0], 1.5 * math.hypot(*halves))


@wrong("33.6", says="different numbers of flights")
def mean_of_days(costs, margin):
    """Gives each day the same weight."""
    days = 1000 * (costs.champion - costs.challenger).groupby(costs.day).mean()
    return answer(costs, margin, days.mean(), 1.96 * days.sem())


@wrong("33.6", says="the other sign")
def costs_not_saves(costs, margin):
    """Subtracts the wrong way round."""
    gain, half_width = by_days(costs.challenger - costs.champion, costs.day)
    return answer(costs, margin, gain, half_width)


@wrong("33.6", says="not with zero")
def against_zero(costs, margin):
    """Calls a gain that is surely above zero better."""
    gain, half_width = by_days(costs.champion - costs.challenger, costs.day)
    words = "better" if gain > half_width else "worse" if gain < -half_width else "not proved"
    return answer(costs, margin, gain, half_width, verdict=words)


@wrong("33.6", says="not with zero")
def any_gain_is_better(costs, margin):
    """Compares the gain itself with the margin."""
    gain, half_width = by_days(costs.champion - costs.challenger, costs.day)
    return answer(costs, margin, gain, half_width, verdict="better" if gain > margin else "worse")


@wrong("33.6", says="the root of the days")
def falls_with_the_days(costs, margin):
    """Lets the half-width fall with the number of days."""
    gain, half_width = by_days(costs.champion - costs.challenger, costs.day)
    needed = math.ceil(costs.day.nunique() * half_width / abs(gain - margin))
    return answer(costs, margin, gain, half_width, days=needed)


# 33.7


@wrong("33.7", says="as if every flight counted once")
def ignores_the_weights(late, forecast, weight):
    """Leaves the weights out."""
    ranks = rankdata(forecast)
    return (ranks[late].sum() - late.sum() * (late.sum() + 1) / 2) / (late.sum() * (~late).sum())


@wrong("33.7", says="the product of its two weights")
def weighs_the_late_alone(late, forecast, weight):
    """Weighs the late flights, and counts the others."""
    ordered, asked, own = np.sort(forecast[~late]), forecast[late], weight[late]
    sides = sum(np.searchsorted(ordered, asked, side=side) for side in ("left", "right"))
    return own @ sides / 2 / (own.sum() * len(ordered))


@wrong("33.7", says="a tie half of that")
def ties_lose_their_weight(late, forecast, weight):
    """Counts a tie as nothing."""
    order = np.argsort(forecast[~late])
    below = np.append(0, np.cumsum(weight[~late][order]))
    won = weight[late] @ below[np.searchsorted(forecast[~late][order], forecast[late])]
    return won / (weight[late].sum() * below[-1])


@wrong("33.7", says="in the number of pairs")
def divides_by_counts(late, forecast, weight):
    """Weighs the pairs won, and divides by the number of pairs."""
    order = np.argsort(forecast[~late])
    below = np.append(0, np.cumsum(weight[~late][order]))
    sides = sum(below[np.searchsorted(forecast[~late][order], forecast[late], side=side)] for side in ("left", "right"))
    return weight[late] @ sides / 2 / (late.sum() * (~late).sum())
