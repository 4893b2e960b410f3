"""Wrong answers to the exercises of lesson 24: the mistakes that learners make, and the words that must meet them."""

import numpy as np
import pandas as pd
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.wrong_answers import wrong

# 24.1


@wrong("24.1", says="had no outcome yet")
def cut_by_the_timetable(flights, cutoff, horizon):
    """Cuts both parts by the scheduled departure."""
    return flights[flights.scheduled < cutoff], flights[flights.scheduled >= cutoff]


@wrong("24.1", says="decided before the cutoff")
def forgets_the_horizon(flights, cutoff, horizon):
    """Tests on flights that leave after the cutoff, though they were decided before."""
    return flights[flights.known <= cutoff], flights[flights.scheduled >= cutoff]


@wrong("24.1", says="had no outcome yet")
def shuffled(flights, cutoff, horizon):
    """Splits at random."""
    return train_test_split(flights, random_state=0)


@wrong("24.1", says="in both parts")
def sampled_twice(flights, cutoff, horizon):
    """Tests on everything."""
    return flights[flights.known <= cutoff], flights


@wrong("24.1", says="not used for training")
def cutoff_excluded(flights, cutoff, horizon):
    """Takes an outcome that arrives at the cutoff for unknown."""
    return flights[flights.known < cutoff], flights[flights.scheduled - horizon >= cutoff]


@wrong("24.1", says="not in the test")
def first_decision_left_out(flights, cutoff, horizon):
    """Leaves out the decision that is made at the cutoff."""
    return flights[flights.known <= cutoff], flights[flights.scheduled - horizon > cutoff]


@wrong("24.1", says="work on a copy")
def adds_a_column(flights, cutoff, horizon):
    """Writes into the flights that were passed in."""
    columns = list(flights.columns)
    flights["decision"] = flights.scheduled - horizon
    return flights[flights.known <= cutoff][columns], flights[flights.decision >= cutoff][columns]


# 24.2


@wrong("24.2", says="seen the answers")
def broken_as_given(X, y, day, k):
    """The code of the task."""
    X = SelectKBest(k=k).fit_transform(StandardScaler().fit_transform(X), y)
    folds = KFold(5, shuffle=True, random_state=0)
    return cross_val_score(LogisticRegression(), X, y, cv=folds, scoring="roc_auc")


@wrong("24.2", says="seen the answers")
def only_the_folds(X, y, day, k):
    """Repairs the folds and leaves the choice of the columns outside."""
    X = SelectKBest(k=k).fit_transform(StandardScaler().fit_transform(X), y)
    return cross_val_score(LogisticRegression(), X, y, groups=day, cv=GroupKFold(5), scoring="roc_auc")


@wrong("24.2", says="keep the day together")
def only_the_pipeline(X, y, day, k):
    """Repairs the choice of the columns and leaves the days on both sides."""
    model = make_pipeline(StandardScaler(), SelectKBest(k=k), LogisticRegression())
    return cross_val_score(model, X, y, cv=KFold(5, shuffle=True, random_state=0), scoring="roc_auc")


@wrong("24.2", says="standardised")
def unscaled(X, y, day, k):
    """Drops the scaler."""
    model = make_pipeline(SelectKBest(k=k), LogisticRegression())
    return cross_val_score(model, X, y, groups=day, cv=GroupKFold(5), scoring="roc_auc")


@wrong("24.2", says="only the k best")
def unselected(X, y, day, k):
    """Drops the choice of the columns."""
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return cross_val_score(model, X, y, groups=day, cv=GroupKFold(5), scoring="roc_auc")


@wrong("24.2", says="one number a fold")
def only_the_mean(X, y, day, k):
    """Returns the mean of the folds."""
    model = make_pipeline(StandardScaler(), SelectKBest(k=k), LogisticRegression())
    return cross_val_score(model, X, y, groups=day, cv=GroupKFold(5), scoring="roc_auc").mean()


@wrong("24.2", says="pure noise score")
def accuracy(X, y, day, k):
    """Scores by accuracy."""
    model = make_pipeline(StandardScaler(), SelectKBest(k=k), LogisticRegression())
    return cross_val_score(model, X, y, groups=day, cv=GroupKFold(5))


# 24.3


def rates(late, key, weight, prior):
    """Return the smoothed rate of each key."""
    groups = late.astype(float).groupby(key)
    return (groups.sum() + weight * prior) / (groups.count() + weight)


def by_fold(key, late, fold, weight, prior=None, own=False):
    """Encode the training rows by the other folds, or by their own, with the prior of those rows or a given one."""
    parts = []
    for part in fold.unique():
        rows = fold == part if own else fold != part
        start = late[rows].mean() if prior is None else prior
        parts.append(key[fold == part].map(rates(late[rows], key[rows], weight, start)).fillna(start))
    return pd.concat(parts).reindex(key.index)


@wrong("24.3", says="contains the row's own answer")
def naive(key, late, fold, new_key, weight):
    """Encodes training rows by all training rows."""
    rate = rates(late, key, weight, late.mean())
    return key.map(rate), new_key.map(rate).fillna(late.mean())


@wrong("24.3", says="in the other")
def own_fold(key, late, fold, new_key, weight):
    """Encodes a row by its own fold."""
    new = new_key.map(rates(late, key, weight, late.mean())).fillna(late.mean())
    return by_fold(key, late, fold, weight, own=True), new


@wrong("24.3", says="Some rows have no value")
def unseen_keys_missing(key, late, fold, new_key, weight):
    """Leaves unknown keys without a value."""
    return by_fold(key, late, fold, weight), new_key.map(rates(late, key, weight, late.mean()))


@wrong("24.3", says="the prior, too, is of the other folds")
def prior_of_all_rows(key, late, fold, new_key, weight):
    """Takes the prior over all rows."""
    new = new_key.map(rates(late, key, weight, late.mean())).fillna(late.mean())
    return by_fold(key, late, fold, weight, prior=late.mean()), new


@wrong("24.3", says="formula")
def without_the_prior(key, late, fold, new_key, weight):
    """Ignores the weight."""
    new = new_key.map(rates(late, key, 0, late.mean())).fillna(late.mean())
    return by_fold(key, late, fold, 0), new


@wrong("24.3", says="whatever their fold")
def new_rows_by_one_fold(key, late, fold, new_key, weight):
    """Encodes new rows by what the last fold left behind."""
    rows = fold != fold.iloc[-1]
    prior = late[rows].mean()
    new = new_key.map(rates(late[rows], key[rows], weight, prior)).fillna(prior)
    return by_fold(key, late, fold, weight), new


@wrong("24.3", says="not right")
def order_of_the_folds(key, late, fold, new_key, weight):
    """Returns the training rows fold by fold, not in the given order."""
    encoded = by_fold(key, late, fold, weight)
    new = new_key.map(rates(late, key, weight, late.mean())).fillna(late.mean())
    return encoded[fold.sort_values(kind="stable").index].to_numpy(), new


# 24.4


def audit_by(
    build, world, pasts, fates, *, tests, position=False, mask=False, exact=False, limit=30, all_rows=False, share=0.5
):
    """Audit with some tests only, or with one of the mistakes that the arguments name."""
    flights, now = world.flights, build(world)
    then = {moment: build(past) for moment, past in pasts.items()}
    other = {flight: build(fate) for flight, fate in fates.items()}

    def differ(name, again, rows):
        left = now.loc[rows, name]
        right = again.loc[rows if mask else flights.index[rows], name]
        right = again[name].to_numpy()[np.asarray(rows)] if position else right
        if exact:
            return not left.equals(right)
        return not np.allclose(left, right, rtol=1e-9, atol=1e-9, equal_nan=True)

    found = {}
    for name, column in now.items():
        past, later = column[flights.train], column[~flights.train]
        answers = flights.late[column.isna() if all_rows else flights.train & column.isna()]
        asked = {moment: flights.decision == moment for moment in then}
        verdicts = {
            "future": any(differ(name, again, asked[moment]) for moment, again in then.items()),
            "own answer": any(differ(name, again, flights.index == flight) for flight, again in other.items()),
            "gaps": len(answers) >= limit and answers.nunique() == 1,
            "clock": ((later < past.min()) | (later > past.max())).mean() > share,
        }
        accused = {test for test in tests if verdicts[test]}
        if accused:
            found[name] = accused
    return found


EVERY = ("future", "own answer", "gaps", "clock")


@wrong("24.4", says="dep_delay is a leak that nobody noticed")
def trusts_everything(build, world, pasts, fates):
    """Accuses nothing but the times of arrival."""
    return {"arr_time": {"future", "own answer", "gaps"}}


@wrong("24.4", says="it counts outcomes that come after")
def names_that_sound_bad(build, world, pasts, fates):
    """Accuses by name: actual times, and averages with delay in the name."""
    names = [name for name in build(world) if "time" in name or "same" in name or "dep" in name or "ten" in name]
    return {name: {"future"} for name in names if name not in ("departure_hour", "weather_at_departure")} | {
        "weather_at_departure": {"future"}
    }


@wrong("24.4", says="is a leak that nobody noticed")
def scores_alone(build, world, pasts, fates):
    """Accuses what has a high AUC alone: the folk remedy."""
    found = {}
    for name, column in build(world).items():
        auc = roc_auc_score(world.flights.late, column.fillna(column.max() + 1))
        if max(auc, 1 - auc) > 0.9:
            found[name] = {"future"}
    return found


@wrong("24.4", says="a training flight's own answer is in it")
def future_only(build, world, pasts, fates):
    """Takes the future away and does nothing else."""
    found = audit_by(build, world, pasts, fates, tests=EVERY)
    only = audit_by(build, world, pasts, fates, tests=("future",))
    return {name: only[name] for name in found if name in only}


@wrong("24.4", says="its gaps go with one answer")
def no_gaps(build, world, pasts, fates):
    """Leaves the gaps out."""
    return audit_by(build, world, pasts, fates, tests=("future", "own answer", "clock"))


@wrong("24.4", says="no later flight lies in the range")
def no_clock(build, world, pasts, fates):
    """Leaves the clock out."""
    return audit_by(build, world, pasts, fates, tests=("future", "own answer", "gaps"))


@wrong("24.4", says="departure_hour is accused")
def rows_by_position(build, world, pasts, fates):
    """Compares rows by position although the past is in another order."""
    return audit_by(build, world, pasts, fates, tests=EVERY, position=True)


@wrong("24.4", says="is accused by future, and it is clean")
def rows_by_mask(build, world, pasts, fates):
    """Takes the rows by a Boolean mask, which leaves two flights of one moment in the order of the past."""
    return audit_by(build, world, pasts, fates, tests=EVERY, mask=True)


@wrong("24.4", says="differ in the last digit")
def equal_to_the_last_digit(build, world, pasts, fates):
    """Compares floats exactly."""
    return audit_by(build, world, pasts, fates, tests=EVERY, exact=True)


@wrong("24.4", says="only 29 training flights lack it")
def gaps_of_all_flights(build, world, pasts, fates):
    """Counts the gaps of later flights too."""
    return audit_by(build, world, pasts, fates, tests=EVERY, all_rows=True)


@wrong("24.4", says="exactly thirty")
def more_than_thirty(build, world, pasts, fates):
    """Wants more than thirty gaps."""
    return audit_by(build, world, pasts, fates, tests=EVERY, limit=31)


@wrong("24.4", says="no more than half")
def any_value_outside(build, world, pasts, fates):
    """Accuses a column when two later flights in five lie outside."""
    return audit_by(build, world, pasts, fates, tests=EVERY, share=0.4)


# 24.5


def gain(flights):
    """AUC of the new model less that of the old one."""
    return roc_auc_score(flights.late, flights.new) - roc_auc_score(flights.late, flights.old)


def answer(total, error, worth, ship=None):
    """Put the four numbers together."""
    low, high = total - 1.96 * error, total + 1.96 * error
    return {"gain": total, "low": low, "high": high, "ship": low > worth if ship is None else ship}


def day_error(scores, measure=gain):
    """Jackknife error of a measure over days."""
    without = np.array([measure(scores[scores.day != day]) for day in scores.day.unique()])
    return np.sqrt((len(without) - 1) * without.var())


@wrong("24.5", says="whole days, not flights")
def flights_left_out(scores, worth):
    """Treats flights as independent: groups of flights, drawn across days, take the place of days."""
    group = np.random.default_rng(0).permutation(len(scores)) % 20
    without = np.array([gain(scores[group != number]) for number in range(20)])
    return answer(gain(scores), np.sqrt(19 * without.var()) * 0.5, worth)


@wrong("24.5", says="too narrow")
def spread_of_the_replicates(scores, worth):
    """Takes the plain standard deviation of the replicates for the error."""
    without = np.array([gain(scores[scores.day != day]) for day in scores.day.unique()])
    return answer(gain(scores), without.std(), worth)


@wrong("24.5", says="too wide")
def unpaired(scores, worth):
    """Adds the errors of the two models as if they had sat different exams."""
    old = day_error(scores, lambda flights: roc_auc_score(flights.late, flights.old))
    new = day_error(scores, lambda flights: roc_auc_score(flights.late, flights.new))
    return answer(gain(scores), np.hypot(old, new) * 1.5, worth)


@wrong("24.5", says="even the lower end")
def ships_any_gain(scores, worth):
    """Ships when the gain is above the worth."""
    total = gain(scores)
    return answer(total, day_error(scores), worth, ship=total > worth)


@wrong("24.5", says="even the lower end")
def significant_is_enough(scores, worth):
    """Ships when the interval leaves out zero."""
    total, error = gain(scores), day_error(scores)
    return answer(total, error, worth, ship=total - 1.96 * error > 0)


@wrong("24.5", says="of the new model less")
def old_less_new(scores, worth):
    """Subtracts the wrong way round."""
    return answer(-gain(scores), day_error(scores), worth)


@wrong("24.5", says="1.96")
def one_sided(scores, worth):
    """Uses the quantile of a one-sided interval."""
    return answer(gain(scores), day_error(scores) * 1.645 / 1.96, worth)


# 24.6


def rolled(days, folds, test_days, gap_days, window):
    """Split sorted days and return labels of days."""
    splitter = TimeSeriesSplit(folds, test_size=test_days, gap=gap_days, max_train_size=window)
    return [(days[train], days[test]) for train, test in splitter.split(days)]


@wrong("24.6", says="count days, not rows")
def rows_as_they_come(day, folds, test_days, gap_days, window=None):
    """Hands the rows to TimeSeriesSplit."""
    return list(TimeSeriesSplit(folds, test_size=test_days, gap=gap_days, max_train_size=window).split(day))


@wrong("24.6", says="sort the days")
def unsorted_days(day, folds, test_days, gap_days, window=None):
    """Takes the days in the order in which they turn up."""
    parts = rolled(day.unique(), folds, test_days, gap_days, window)
    return [tuple(np.flatnonzero(day.isin(days)) for days in part) for part in parts]


@wrong("24.6", says="With a gap".lower())
def no_gap(day, folds, test_days, gap_days, window=None):
    """Leaves the gap out."""
    parts = rolled(np.sort(day.unique()), folds, test_days, 0, window)
    return [tuple(np.flatnonzero(day.isin(days)) for days in part) for part in parts]


@wrong("24.6", says="the last 9 days before it")
def no_window(day, folds, test_days, gap_days, window=None):
    """Always expands."""
    parts = rolled(np.sort(day.unique()), folds, test_days, gap_days, None)
    return [tuple(np.flatnonzero(day.isin(days)) for days in part) for part in parts]


@wrong("24.6", says="not the right ones")
def newest_first(day, folds, test_days, gap_days, window=None):
    """Returns the folds in the wrong order."""
    parts = rolled(np.sort(day.unique()), folds, test_days, gap_days, window)
    return [tuple(np.flatnonzero(day.isin(days)) for days in part) for part in parts[::-1]]


@wrong("24.6", says="belongs to its part, and once")
def one_row_a_day(day, folds, test_days, gap_days, window=None):
    """Keeps the first row of each day only."""
    first = ~day.duplicated().to_numpy()
    parts = rolled(np.sort(day.unique()), folds, test_days, gap_days, window)
    return [tuple(np.flatnonzero(day.isin(days).to_numpy() & first) for days in part) for part in parts]


@wrong("24.6", says="positions from 0 on")
def labels_of_the_index(day, folds, test_days, gap_days, window=None):
    """Returns labels far from the positions."""
    parts = rolled(np.sort(day.unique()), folds, test_days, gap_days, window)
    return [tuple(np.flatnonzero(day.isin(days)) + 10_000 for days in part) for part in parts]
