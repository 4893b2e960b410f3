"""Wrong answers to the exercises of lesson 34: the mistakes that learners make, and the words that must meet them."""

import math

import numpy as np
import pandas as pd

from tests.wrong_answers import wrong

# 34.1


def boosting(trial, rate=(0.01, 0.5), leaves=(4, 64), log=True):
    """Draw the parameters of boosting."""
    return {
        "family": "boosting",
        "learning_rate": trial.suggest_float("learning_rate", *rate, log=log),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", *leaves, log=True),
        "max_features": trial.suggest_float("max_features", 0.2, 1),
    }


def logistic(trial, log=True):
    """Draw the parameter of logistic regression."""
    return {"family": "logistic", "strength": trial.suggest_float("strength", 1e-4, 10, log=log)}


def family_of(trial):
    """Draw the family."""
    return trial.suggest_categorical("family", ["boosting", "logistic"])


@wrong("34.1", says="changes nothing in it")
def everything_at_once(trial):
    """Draws all parameters for both families."""
    family = family_of(trial)
    both = boosting(trial) | logistic(trial)
    return both | {"family": family}


@wrong("34.1", says="changes nothing in it")
def drawn_and_dropped(trial):
    """Returns the right keys, but has drawn the others too."""
    family = family_of(trial)
    both = {"boosting": boosting(trial), "logistic": logistic(trial)}
    return both[family]


@wrong("34.1", says="every doubling")
def linear_rate(trial):
    """Draws the learning rate evenly."""
    return boosting(trial, log=False) if family_of(trial) == "boosting" else logistic(trial)


@wrong("34.1", says="every doubling")
def linear_strength(trial):
    """Draws the strength evenly."""
    return boosting(trial) if family_of(trial) == "boosting" else logistic(trial, log=False)


@wrong("34.1", says="not the end of the range")
def exponents_off(trial):
    """Takes another range."""
    return boosting(trial, rate=(0.001, 0.5)) if family_of(trial) == "boosting" else logistic(trial)


@wrong("34.1", says="that family's parameters, and no others")
def family_forgotten(trial):
    """Returns the parameters without the family."""
    found = boosting(trial) if family_of(trial) == "boosting" else logistic(trial)
    return {name: value for name, value in found.items() if name != "family"}


@wrong("34.1", says="equal steps")
def log_share(trial):
    """Draws the share of columns on a log scale."""
    if family_of(trial) == "logistic":
        return logistic(trial)
    return {
        "family": "boosting",
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.5, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 64, log=True),
        "max_features": trial.suggest_float("max_features", 0.2, 1, log=True),
    }


@wrong("34.1", says="without coarse steps")
def powers_of_two(trial):
    """Draws the exponent of the leaves, which leaves most sizes out."""
    if family_of(trial) == "logistic":
        return logistic(trial)
    return {
        "family": "boosting",
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.5, log=True),
        "max_leaf_nodes": 2 ** trial.suggest_int("max_leaf_nodes", 2, 6),
        "max_features": trial.suggest_float("max_features", 0.2, 1),
    }


# 34.2


def widened(space, best, limits, log_place=True, middle="median", log_width=True, limited=True, swapped=False):
    """Widen by the rule, with one step of it done in another way."""
    wider = {}
    for name, (low, high, scale) in space.items():
        bend = np.log if scale == "log" and log_place else np.positive
        place = getattr((bend(best[name]) - bend(low)) / (bend(high) - bend(low)), middle)()
        at_low, at_high = (place > 0.9, place < 0.1) if swapped else (place < 0.1, place > 0.9)
        factor = scale == "log" and log_width
        new_low = (low * low / high if factor else low - (high - low)) if at_low else low
        new_high = (high * high / low if factor else high + (high - low)) if at_high else high
        lowest, highest = limits[name] if limited else (-math.inf, math.inf)
        wider[name] = (max(new_low, lowest), min(new_high, highest), scale)
    return wider


def best_fifth(trials):
    """Return the best fifth of the finished trials."""
    done = trials.dropna()
    return done.nlargest(math.ceil(len(done) / 5), "score")


@wrong("34.2", says="on the parameter's own scale")
def places_on_a_linear_scale(space, trials, limits):
    """Measures every place on the linear scale."""
    return widened(space, best_fifth(trials), limits, log_place=False)


@wrong("34.2", says="best fifth of the finished trials")
def worst_fifth(space, trials, limits):
    """Takes the lowest scores."""
    done = trials.dropna()
    return widened(space, done.nsmallest(math.ceil(len(done) / 5), "score"), limits)


@wrong("34.2", says="crowds there")
def mean_place(space, trials, limits):
    """Takes the mean, which one outlier moves."""
    return widened(space, best_fifth(trials), limits, middle="mean")


@wrong("34.2", says="crowds there")
def all_finished_trials(space, trials, limits):
    """Looks at all trials and not at the best."""
    return widened(space, trials.dropna(), limits)


@wrong("34.2", says="the limits of what it can be")
def limits_ignored(space, trials, limits):
    """Walks past the limits."""
    return widened(space, best_fifth(trials), limits, limited=False)


@wrong("34.2", says="as its own scale counts width")
def linear_width(space, trials, limits):
    """Moves the end of a log range by a difference."""
    return widened(space, best_fifth(trials), limits, log_width=False)


@wrong("34.2", says="was moved")
def other_end(space, trials, limits):
    """Moves the end that the best are not at."""
    return widened(space, best_fifth(trials), limits, swapped=True)


@wrong("34.2", says="build a new space")
def in_place(space, trials, limits):
    """Changes the space that was passed in."""
    space.update(widened(space, best_fifth(trials), limits))
    return space


# 34.3


def chosen_before(scores, seen):
    """Return the leads over the default, of the choice on the exams that `seen` gives for each exam."""
    lead = scores - scores.loc["default"]
    count = scores.shape[1]
    leads = []
    for k in range(count):
        columns = seen(k, count)
        if columns:
            leads.append(lead.loc[scores.iloc[:, columns].mean(axis="columns").idxmax()].iloc[k])
    return leads


def report(scores, leads):
    """Return the report with the mean of these leads as delivered."""
    best = scores.mean(axis="columns").idxmax()
    claimed = (scores.loc[best] - scores.loc["default"]).mean()
    return {"chosen": best, "claimed": claimed, "delivered": float(np.mean(leads))}


@wrong("34.3", says="equals the claimed one")
def broken_as_given(scores):
    """The code of the task."""
    best = scores.mean(axis="columns").idxmax()
    gain = (scores.loc[best] - scores.loc["default"]).mean()
    return {"chosen": best, "claimed": gain, "delivered": gain}


@wrong("34.3", says="deliver")
def all_other_exams(scores):
    """Chooses on all other exams, later ones too."""
    in_time = scores.sort_index(axis="columns")
    return report(scores, chosen_before(in_time, lambda k, count: [j for j in range(count) if j != k]))


@wrong("34.3", says="not the order of time")
def as_the_columns_stand(scores):
    """Takes the columns in their given order."""
    return report(scores, chosen_before(scores, lambda k, count: list(range(k))))


@wrong("34.3", says="should be")
def own_exam_included(scores):
    """Lets an exam take part in the choice that it examines."""
    in_time = scores.sort_index(axis="columns")
    return report(scores, chosen_before(in_time, lambda k, count: list(range(k + 1)) if k else []))


@wrong("34.3", says="should be")
def only_the_exam_before(scores):
    """Chooses on the last exam alone."""
    in_time = scores.sort_index(axis="columns")
    return report(scores, chosen_before(in_time, lambda k, count: [k - 1] if k else []))


@wrong("34.3", says="claimed gain")
def no_default(scores):
    """Reports scores and not gains."""
    found = broken_as_given(scores)
    level = scores.loc[found["chosen"]].mean()
    return found | {"claimed": level, "delivered": level}


@wrong("34.3", says="setting to ship")
def best_single_exam(scores):
    """Ships the setting with the highest single score."""
    found = report(scores, chosen_before(scores.sort_index(axis="columns"), lambda k, count: list(range(k))))
    return found | {"chosen": scores.max(axis="columns").idxmin()}


@wrong("34.3", says="the upper row")
def lower_row_of_equals(scores):
    """Takes the lowest row among equal means."""
    upside_down = scores.iloc[::-1].sort_index(axis="columns")
    return report(upside_down, chosen_before(upside_down, lambda k, count: list(range(k))))


@wrong("34.3", says="the upper row")
def lower_row_while_choosing(scores):
    """Ships the right row, and takes the lower one of equals in the choices before it."""
    upside_down = scores.iloc[::-1].sort_index(axis="columns")
    return report(scores, chosen_before(upside_down, lambda k, count: list(range(k))))


# 34.4


def halving(score, settings, budgets, keep=lambda count: math.ceil(count / 2), value=None, better=True):
    """Halve, with one step of it done in another way."""
    alive, spent = list(settings), 0
    value = value or (lambda found: -math.inf if math.isnan(found) else found)
    for budget in budgets:
        found = [value(score(setting, budget)) for setting in alive]
        spent += budget * len(alive)
        places = sorted(range(len(alive)), key=lambda place: -found[place] if better else found[place])
        winner = alive[places[0]]
        alive = [alive[place] for place in sorted(places[: keep(len(alive))])]
    return winner, spent


@wrong("34.4", says="rounded up")
def rounded_down(score, settings, budgets):
    """Keeps the half rounded down."""
    return halving(score, settings, budgets, keep=lambda count: max(1, count // 2))


@wrong("34.4", says="rounded up")
def nobody_is_out(score, settings, budgets):
    """Scores all settings in every round."""
    return halving(score, settings, budgets, keep=lambda count: count)


@wrong("34.4", says="Not the right settings")
def worse_half(score, settings, budgets):
    """Keeps the lower scores."""
    return halving(score, settings, budgets, better=False)


@wrong("34.4", says="NaN is worse than any score")
def nan_is_zero(score, settings, budgets):
    """Takes a failure for zero, which is above all scores here."""
    return halving(score, settings, budgets, value=np.nan_to_num)


@wrong("34.4", says="asked for twice")
def measured_again(score, settings, budgets):
    """Asks for the winner's score once more."""
    winner, spent = halving(score, settings, budgets)
    score(winner, budgets[-1])
    return winner, spent + budgets[-1]


@wrong("34.4", says="have cost")
def last_round_only(score, settings, budgets):
    """Counts the rounds and not the calls."""
    winner, _ = halving(score, settings, budgets)
    return winner, sum(budgets) + len(settings) * 1000


@wrong("34.4", says="work on a copy")
def eats_the_list(score, settings, budgets):
    """Throws settings out of the list that was passed in."""
    found = halving(score, settings, budgets)
    settings.clear()
    return found


# 34.5


def lookup(runs, metric, keep, finished=True, ordered=True, inherit=True, parents_first=False):
    """Find runs, with one step of it done in another way."""
    found = runs[runs[f"metrics.{metric}"].map(keep)]
    found = found[found["status"] == "FINISHED"] if finished else found
    found = found.sort_values("start_time") if ordered else found
    tags = runs.set_index("run_id")["tags.data_digest"]
    result = []
    for row in found.to_dict("records"):
        own, parent = row["tags.data_digest"], tags.get(row["tags.mlflow.parentRunId"])
        pair = [parent, own] if parents_first else [own, parent] if inherit else [own]
        digest = next((digest for digest in pair if isinstance(digest, str)), None)
        result.append({"run_id": row["run_id"], "data_digest": digest})
    return result


def prints_as(printed):
    """Return whether a value prints like this."""
    decimals = len(printed.split(".")[1])
    return lambda value: f"{value:.{decimals}f}" == printed


@wrong("34.5", says="did not finish")
def failed_runs_too(runs, metric, printed):
    """Takes every run."""
    return lookup(runs, metric, prints_as(printed), finished=False)


@wrong("34.5", says="does not print as that number")
def starts_like_it(runs, metric, printed):
    """Compares the first digits, which cuts and does not round."""
    return lookup(runs, metric, lambda value: str(value).startswith(printed))


@wrong("34.5", says="was not found")
def exactly_equal(runs, metric, printed):
    """Compares the numbers."""
    return lookup(runs, metric, lambda value: value == float(printed))


@wrong("34.5", says="was not found")
def always_three_decimals(runs, metric, printed):
    """Prints three decimals whatever was asked."""
    return lookup(runs, metric, lambda value: f"{value:.3f}" == printed)


@wrong("34.5", says="in the wrong order")
def as_the_table_stands(runs, metric, printed):
    """Leaves the order of the table."""
    return lookup(runs, metric, prints_as(printed), ordered=False)


@wrong("34.5", says="its parent's")
def own_digest_only(runs, metric, printed):
    """Does not look at the parent."""
    return lookup(runs, metric, prints_as(printed), inherit=False)


@wrong("34.5", says="its own tag")
def parent_wins(runs, metric, printed):
    """Takes the parent's digest where the run has its own."""
    return lookup(runs, metric, prints_as(printed), parents_first=True)


@wrong("34.5", says="was not found")
def first_hit_only(runs, metric, printed):
    """Returns the first run and no other."""
    return lookup(runs, metric, prints_as(printed))[:1]


@wrong("34.5", says="was not found")
def always_the_auc(runs, metric, printed):
    """Looks at the AUC whatever was asked."""
    return lookup(runs, "auc", prints_as(printed))


# 34.6


def best_of(equal, count):
    """Return the expected best of `count` draws."""
    values, n = np.sort(equal), len(equal)
    return values @ np.diff((np.arange(n + 1) / n) ** count)


def decision(scores, equal, k, price, worth, **other):
    """Return the right dict, with some of it put in another way."""
    scores = np.asarray(scores, float)
    finished, before = np.isfinite(scores).sum(), np.isfinite(scores[:-k]).sum()
    gain = np.nanmax(scores) - np.nanmax(scores[:-k])
    luck = best_of(equal, finished) - best_of(equal, before)
    found = {"gain": gain, "luck": luck} | other
    return {"stop": not (found["gain"] > found["luck"] and found["gain"] * worth > k * price)} | found


@wrong("34.6", says="over their mean")
def luck_from_scratch(scores, equal, k, price, worth):
    """Takes the luck of k draws alone."""
    return decision(scores, equal, k, price, worth, luck=best_of(equal, k) - np.mean(equal))


@wrong("34.6", says="they have no score")
def pruned_trials_drawn(scores, equal, k, price, worth):
    """Counts pruned trials as draws."""
    return decision(scores, equal, k, price, worth, luck=best_of(equal, len(scores)) - best_of(equal, len(scores) - k))


@wrong("34.6", says="less the best before")
def gain_over_the_mean(scores, equal, k, price, worth):
    """Compares the best with the mean before."""
    return decision(scores, equal, k, price, worth, gain=np.nanmax(scores) - np.nanmean(scores[:-k]))


@wrong("34.6", says="A number is NaN")
def nan_wins(scores, equal, k, price, worth):
    """Lets a pruned trial into the maximum."""
    return decision(scores, equal, k, price, worth, gain=np.max(scores) - np.max(scores[:-k]))


@wrong("34.6", says="Go on only if")
def price_only(scores, equal, k, price, worth):
    """Does not ask whether the gain is luck."""
    found = decision(scores, equal, k, price, worth)
    return found | {"stop": found["gain"] * worth <= k * price}


@wrong("34.6", says="Go on only if")
def luck_only(scores, equal, k, price, worth):
    """Does not ask what the trials cost."""
    found = decision(scores, equal, k, price, worth)
    return found | {"stop": found["gain"] <= found["luck"]}


@wrong("34.6", says="Go on only if")
def one_trials_price(scores, equal, k, price, worth):
    """Pays for one trial and not for k."""
    found = decision(scores, equal, k, price, worth)
    return found | {"stop": not (found["gain"] > found["luck"] and found["gain"] * worth > price)}


@wrong("34.6", says="by the formula")
def unsorted(scores, equal, k, price, worth):
    """Forgets to sort."""
    n = len(equal)
    steps = (np.arange(n + 1) / n) ** np.isfinite(scores).sum() - (np.arange(n + 1) / n) ** np.isfinite(
        scores[:-k]
    ).sum()
    return decision(scores, equal, k, price, worth, luck=float(pd.Series(equal) @ np.diff(steps)))
