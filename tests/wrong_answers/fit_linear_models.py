"""Plausible wrong answers to the exercises of lesson 31, each with the words that must refuse it."""

import numpy as np
import pandas as pd
from scipy.special import expit

from tests.wrong_answers import wrong

# 31.1


def ratio(sums, value):
    """Return the dict for log-odds of the whole change in each draw, and by the fitted coefficients."""
    low, high = np.exp(np.quantile(sums, [0.025, 0.975]))
    return {"value": float(np.exp(value)), "low": float(low), "high": float(high)}


def steps_of(scale, change):
    """Return the change in standard deviations."""
    change = pd.Series(change, dtype=float)
    return change / scale[change.index]


@wrong("31.1", says="times change divided by standard deviation")
def unit_forgotten(fitted, draws, scale, change):
    """Takes the change for a change in standard deviations."""
    change = pd.Series(change, dtype=float)
    return ratio(draws[change.index] @ change, fitted[change.index] @ change)


@wrong("31.1", says="times change divided by standard deviation")
def multiplied_by_scale(fitted, draws, scale, change):
    """Multiplies by the standard deviation."""
    change = pd.Series(change, dtype=float) * scale[list(change)] / 10
    return ratio(draws[change.index] @ change, fitted[change.index] @ change)


@wrong("31.1", says="the exponential of the sum")
def log_odds_only(fitted, draws, scale, change):
    """Forgets the exponential."""
    steps = steps_of(scale, change)
    low, high = np.quantile(draws[steps.index] @ steps, [0.025, 0.975])
    return {"value": fitted[steps.index] @ steps, "low": low, "high": high}


@wrong("31.1", says="the exponential of the sum")
def middle_of_the_draws(fitted, draws, scale, change):
    """Takes the mean of the draws for the value."""
    steps = steps_of(scale, change)
    sums = draws[steps.index] @ steps
    return ratio(sums, sums.mean())


@wrong("31.1", says="turns the ends around")
def ends_first(fitted, draws, scale, change):
    """Takes the quantiles of the coefficients and moves along them."""
    steps = steps_of(scale, change)
    low, high = (np.exp(draws[steps.index].quantile(share) @ steps) for share in (0.025, 0.975))
    return {"value": np.exp(fitted[steps.index] @ steps), "low": low, "high": high}


@wrong("31.1", says="make the whole change in each draw")
def ends_added_up(fitted, draws, scale, change):
    """Adds up the ends of the intervals of the single columns."""
    steps = steps_of(scale, change)
    ends = (draws[steps.index] * steps).quantile([0.025, 0.975]).sum(axis=1)
    low, high = np.exp(ends)
    return {"value": np.exp(fitted[steps.index] @ steps), "low": low, "high": high}


@wrong("31.1", says="make the whole change in each draw")
def normal_interval(fitted, draws, scale, change):
    """Takes 1.96 standard deviations of the draws to both sides."""
    steps = steps_of(scale, change)
    value, error = fitted[steps.index] @ steps, (draws[steps.index] @ steps).std()
    return {"value": np.exp(value), "low": np.exp(value - 1.96 * error), "high": np.exp(value + 1.96 * error)}


# 31.2


def weighted_loss(w, A, y, weight):
    """Return the weighted log loss without a penalty."""
    z = A @ w
    return weight @ np.logaddexp(0, np.where(y == 1, -z, z))


@wrong("31.2", says="all coefficients but the intercept")
def intercept_pays(w, A, y, weight, C):
    """Charges the intercept too."""
    return weighted_loss(w, A, y, weight) + w @ w / (2 * C), A.T @ (weight * (expit(A @ w) - y)) + w / C


@wrong("31.2", says="the loss changes by")
def intercept_pays_in_the_gradient(w, A, y, weight, C):
    """Spares the intercept in the loss only."""
    loss = weighted_loss(w, A, y, weight) + w[1:] @ w[1:] / (2 * C)
    return loss, A.T @ (weight * (expit(A @ w) - y)) + w / C


@wrong("31.2", says="the loss changes by")
def half_in_the_gradient(w, A, y, weight, C):
    """Keeps the half of the penalty in its derivative."""
    paying = np.r_[0.0, w[1:]]
    loss = weighted_loss(w, A, y, weight) + paying @ paying / (2 * C)
    return loss, A.T @ (weight * (expit(A @ w) - y)) + paying / (2 * C)


@wrong("31.2", says="weight times log loss")
def mean_loss(w, A, y, weight, C):
    """Takes the mean over the flights."""
    paying = np.r_[0.0, w[1:]]
    loss = weighted_loss(w, A, y, weight) / len(y) + paying @ paying / (2 * C)
    return loss, A.T @ (weight * (expit(A @ w) - y)) / len(y) + paying / C


@wrong("31.2", says="the loss changes by")
def weight_only_in_the_loss(w, A, y, weight, C):
    """Forgets the weights in the gradient."""
    paying = np.r_[0.0, w[1:]]
    return weighted_loss(w, A, y, weight) + paying @ paying / (2 * C), A.T @ (expit(A @ w) - y) + paying / C


@wrong("31.2", says="the logarithm of a chance that is rounded to 0")
def log_of_zero(w, A, y, weight, C):
    """Takes the logarithm of the chance."""
    p, paying = expit(A @ w), np.r_[0.0, w[1:]]
    with np.errstate(divide="ignore"):
        loss = -weight @ np.log(np.where(y == 1, p, 1 - p))
    return loss + paying @ paying / (2 * C), A.T @ (weight * (p - y)) + paying / C


@wrong("31.2", says="hides how wrong the model is")
def cut_off(w, A, y, weight, C):
    """Keeps the chances away from 0 and 1."""
    p, paying = np.clip(expit(A @ w), 1e-12, 1 - 1e-12), np.r_[0.0, w[1:]]
    loss = -weight @ np.log(np.where(y == 1, p, 1 - p))
    return loss + paying @ paying / (2 * C), A.T @ (weight * (p - y)) + paying / C


@wrong("31.2", says="weight times log loss")
def strength_upside_down(w, A, y, weight, C):
    """Takes C for the strength of the penalty."""
    strength, paying = (0.0 if np.isinf(C) else C), np.r_[0.0, w[1:]]
    loss = weighted_loss(w, A, y, weight) + strength * paying @ paying / 2
    return loss, A.T @ (weight * (expit(A @ w) - y)) + strength * paying


@wrong("31.2", says="The w that was passed in has changed")
def intercept_zeroed_in_place(w, A, y, weight, C):
    """Takes the intercept out of the optimiser's own array."""
    z = A @ w
    loss = weighted_loss(w, A, y, weight)
    w[0] = 0
    return loss + w @ w / (2 * C), A.T @ (weight * (expit(z) - y)) + w / C


@wrong("31.2", says="not infinity over infinity")
def gap_for_certainty(w, A, y, weight, C):
    """Divides infinity by infinity in the gradient, and takes the gap for nothing."""
    paying = np.r_[0.0, w[1:]]
    with np.errstate(over="ignore", invalid="ignore"):
        p = np.exp(A @ w) / (1 + np.exp(A @ w))
    pull = np.nan_to_num(weight * (p - y))
    return weighted_loss(w, A, y, weight) + paying @ paying / (2 * C), A.T @ pull + paying / C


@wrong("31.2", says="how wrong the model is")
def limited_log_odds(w, A, y, weight, C):
    """Limits the log-odds before anything else."""
    z, paying = np.clip(A @ w, -30, 30), np.r_[0.0, w[1:]]
    loss = weight @ np.logaddexp(0, np.where(y == 1, -z, z)) + paying @ paying / (2 * C)
    return loss, A.T @ (weight * (expit(z) - y)) + paying / C


# 31.3


def inverse_and_pulls(A, y, w):
    """Return the inverse of the Hessian, and each row's pull on each coefficient."""
    p = expit(A @ w)
    return np.linalg.inv((A * (p * (1 - p))[:, None]).T @ A), A * (y - p)[:, None]


@wrong("31.3", says="errors of independent rows")
def broken_as_given(A, y, w, day):
    """The code of the task, with the products of the columns."""
    inverse, pull = inverse_and_pulls(A, y, w)
    return np.sqrt(np.diag(inverse @ (pull.T @ pull) @ inverse))


@wrong("31.3", says="errors of independent rows")
def from_the_hessian(A, y, w, day):
    """The errors that packages print."""
    return np.sqrt(np.diag(inverse_and_pulls(A, y, w)[0]))


@wrong("31.3", says="The factor D / (D - 1) is missing")
def without_the_factor(A, y, w, day):
    """Leaves out the factor."""
    inverse, pull = inverse_and_pulls(A, y, w)
    sums = pd.DataFrame(pull).groupby(day).sum().to_numpy()
    return np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse))


@wrong("31.3", says="need their product too")
def column_by_column(A, y, w, day):
    """Squares the sums of the days, without the products of two columns."""
    inverse, pull = inverse_and_pulls(A, y, w)
    sums = pd.DataFrame(pull).groupby(day).sum()
    middle = np.diag((sums**2).sum()) * len(sums) / (len(sums) - 1)
    return np.sqrt(np.diag(inverse @ middle @ inverse))


@wrong("31.3", says="wherever they stand in the table")
def neighbours_only(A, y, w, day):
    """Takes each run of equal days for a day, as if the rows were sorted."""
    inverse, pull = inverse_and_pulls(A, y, w)
    run = np.r_[0, np.cumsum(day[1:] != day[:-1])]
    sums = pd.DataFrame(pull).groupby(run).sum().to_numpy()
    days = len(np.unique(day))
    return np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse) * days / (days - 1))


@wrong("31.3", says="The first error is")
def variances(A, y, w, day):
    """Forgets the root."""
    inverse, pull = inverse_and_pulls(A, y, w)
    sums = pd.DataFrame(pull).groupby(day).sum().to_numpy()
    return np.diag(inverse @ (sums.T @ sums) @ inverse) * len(sums) / (len(sums) - 1)


@wrong("31.3", says="The first error is")
def means_of_days(A, y, w, day):
    """Takes the mean pull of each day."""
    inverse, pull = inverse_and_pulls(A, y, w)
    means = pd.DataFrame(pull).groupby(day).mean().to_numpy()
    return np.sqrt(np.diag(inverse @ (means.T @ means) @ inverse) * len(means) / (len(means) - 1))


@wrong("31.3", says="The first error is")
def rows_in_the_factor(A, y, w, day):
    """Corrects for the number of rows, and not of days."""
    inverse, pull = inverse_and_pulls(A, y, w)
    sums = pd.DataFrame(pull).groupby(day).sum().to_numpy()
    return np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse) * len(y) / (len(y) - 1))


# 31.4


def above(limited, knots):
    """Return how far values lie above the first and each inner knot."""
    return np.maximum(limited[:, None] - np.array(knots[:-1]), 0)


@wrong("31.4", says="beyond the ends nothing changes any more")
def goes_on_above(values, knots):
    """Does not limit at the last knot."""
    values = np.asarray(values, float)
    return np.column_stack([np.nan_to_num(above(values, knots)), np.isnan(values)])


@wrong("31.4", says="beyond the ends nothing changes any more")
def goes_on_below(values, knots):
    """Does not limit at the first knot."""
    values = np.asarray(values, float)
    limited = np.minimum(values, knots[-1])
    columns = np.column_stack([limited - knots[0], above(limited, knots)[:, 1:]])
    return np.column_stack([np.nan_to_num(columns), np.isnan(values)])


@wrong("31.4", says="A gap has 0 in all columns but the flag")
def gap_as_zero(values, knots):
    """Sets the gaps to zero before the hinges are made."""
    values = np.asarray(values, float)
    limited = np.clip(np.nan_to_num(values), knots[0], knots[-1])
    columns = above(limited, knots)
    columns[np.isnan(values), 0] = np.maximum(columns[np.isnan(values), 0], 1.0)
    return np.column_stack([columns, np.isnan(values)])


@wrong("31.4", says="how far it lies above")
def zero_or_one(values, knots):
    """Makes steps in place of hinges."""
    values = np.asarray(values, float)
    limited = np.clip(values, knots[0], knots[-1])
    steps = (limited[:, None] > np.array(knots[:-1])).astype(float)
    return np.column_stack([steps, np.isnan(values)])


@wrong("31.4", says="as there are knots")
def hinge_at_the_last_knot(values, knots):
    """Makes a hinge for the last knot too."""
    values = np.asarray(values, float)
    limited = np.clip(values, knots[0], knots[-1])
    return np.column_stack([np.nan_to_num(above(limited, [*knots, None])), np.isnan(values)])


@wrong("31.4", says="less the first knot")
def value_itself(values, knots):
    """Leaves the first knot in the first column."""
    values = np.asarray(values, float)
    limited = np.clip(values, knots[0], knots[-1])
    columns = np.column_stack([limited, above(limited, knots)[:, 1:]])
    return np.column_stack([np.nan_to_num(columns), np.isnan(values)])


@wrong("31.4", says="1 for a gap")
def flag_upside_down(values, knots):
    """Flags the values that are there."""
    values = np.asarray(values, float)
    limited = np.clip(values, knots[0], knots[-1])
    return np.column_stack([np.nan_to_num(above(limited, knots)), ~np.isnan(values)])


# 31.5


def part(weight, value):
    """Return the log-odds of one column for one value."""
    return weight.get(value, 0.0) if isinstance(weight, dict) else weight * value


def told(intercept, weights, row, usual, reasons=None, forecast=None):
    """Return the answer, right where nothing else is given."""
    row = {name: usual[name] if row[name] != row[name] else row[name] for name in weights}
    own = {name: part(weights[name], row[name]) - part(weights[name], usual[name]) for name in weights}
    start = intercept + sum(part(weights[name], usual[name]) for name in weights)
    reasons = own if reasons is None else reasons
    return {
        "forecast": expit(start + sum(own.values())) if forecast is None else forecast,
        "usual": expit(start),
        "reasons": dict(sorted(reasons.items(), key=lambda item: -abs(item[1]))),
    }


@wrong("31.5", says="less that of the usual value")
def without_the_usual(intercept, weights, row, usual):
    """Takes the part of the value itself, as if the usual flight were all zeros."""
    return told(intercept, weights, row, usual, {name: part(weights[name], row[name]) for name in weights})


@wrong("31.5", says="the largest first, whatever its sign")
def largest_is_the_most_positive(intercept, weights, row, usual):
    """Sorts by the reason and not by its size."""
    answer = told(intercept, weights, row, usual)
    return answer | {"reasons": dict(sorted(answer["reasons"].items(), key=lambda item: -item[1]))}


@wrong("31.5", says="also when it is 0")
def zeros_left_out(intercept, weights, row, usual):
    """Leaves out the reasons that are none."""
    answer = told(intercept, weights, row, usual)
    return answer | {"reasons": {name: reason for name, reason in answer["reasons"].items() if reason}}


@wrong("31.5", says="not of the two chances")
def chances_added(intercept, weights, row, usual):
    """Adds the reasons to the chance."""
    answer = told(intercept, weights, row, usual)
    return answer | {"forecast": answer["usual"] + 0.2 * sum(answer["reasons"].values())}


@wrong("31.5", says="less that of the usual value")
def in_chances(intercept, weights, row, usual):
    """Gives each reason as a difference of chances, one column at a time."""
    answer = told(intercept, weights, row, usual)
    z = np.log(answer["forecast"] / (1 - answer["forecast"]))
    moved = {name: answer["forecast"] - expit(z - reason) for name, reason in answer["reasons"].items()}
    return answer | {"reasons": dict(sorted(moved.items(), key=lambda item: -abs(item[1])))}


@wrong("31.5", says="A missing number counts as usual")
def gap_as_zero_value(intercept, weights, row, usual):
    """Takes a missing number for zero."""
    return told(intercept, weights, {name: 0.0 if value != value else value for name, value in row.items()}, usual)


@wrong("31.5", says="its log-odds are the intercept and the parts")
def usual_is_the_intercept(intercept, weights, row, usual):
    """Takes the intercept for the usual flight."""
    return told(intercept, weights, row, usual) | {"usual": expit(intercept)}


@wrong("31.5", says="A missing number counts as usual")
def zero_is_missing(intercept, weights, row, usual):
    """Takes every value that is false for missing, zero among them."""
    row = {name: value or usual[name] for name, value in row.items()}
    return told(intercept, weights, row, usual)


@wrong("31.5", says="has changed: work on a copy")
def filled_in_place(intercept, weights, row, usual):
    """Fills the gaps of the dict that it was given."""
    row.update({name: usual[name] for name in weights if row[name] != row[name]})
    return told(intercept, weights, row, usual)


# 31.6


def mean_and_error(sums, flights):
    """Return mean over flights and its standard error by days."""
    mean = sums.sum() / flights.sum()
    apart = sums - mean * flights
    return mean, (len(sums) / (len(sums) - 1) * apart @ apart) ** 0.5 / flights.sum()


def smallest(losses, flights, best, error=1.0):
    """Return the smallest C by the paired rule."""
    behind = {C: mean_and_error(losses[C] - losses[best], flights) for C in losses}
    return min(C for C, (mean, own) in behind.items() if mean <= error * own)


def chosen(losses, flights, **other):
    """Return the right answer but for what is given."""
    means = losses.sum() / flights.sum()
    best = means.idxmin()
    limit = means[best] + mean_and_error(losses[best], flights)[1]
    right = {"best": best, "one_se": min(C for C in losses if means[C] <= limit)}
    return right | {"paired": smallest(losses, flights, best)} | other


@wrong("31.6", says="day by day")
def same_rule_twice(losses, flights):
    """Takes the classical rule for both."""
    answer = chosen(losses, flights)
    return answer | {"paired": answer["one_se"]}


@wrong("31.6", says="the error is that of the best one's loss")
def paired_twice(losses, flights):
    """Takes the paired rule for both."""
    answer = chosen(losses, flights)
    return answer | {"one_se": answer["paired"]}


@wrong("31.6", says="Days with more flights count for more")
def days_alike(losses, flights):
    """Takes the mean of the days' means."""
    return chosen(losses, flights, best=losses.div(flights, axis=0).mean().idxmin())


@wrong("31.6", says="the smallest C within")
def largest_allowed(losses, flights):
    """Takes the largest C that is allowed."""
    means = losses.sum() / flights.sum()
    best = means.idxmin()
    limit = means[best] + mean_and_error(losses[best], flights)[1]
    return chosen(losses, flights, one_se=max(C for C in losses if means[C] <= limit))


@wrong("31.6", says="with its own standard error")
def two_errors(losses, flights):
    """Allows two standard errors of the difference."""
    return chosen(losses, flights, paired=smallest(losses, flights, chosen(losses, flights)["best"], 1.96))


@wrong("31.6", says="as the formula has it")
def spread_for_error(losses, flights):
    """Takes the standard deviation of the days for the error of the mean."""
    means = losses.sum() / flights.sum()
    limit = means.min() + losses.div(flights, axis=0)[means.idxmin()].std()
    return chosen(losses, flights, one_se=min(C for C in losses if means[C] <= limit))


@wrong("31.6", says="as the formula has it")
def rows_for_days(losses, flights):
    """Divides by the root of the flights, as if each were a day."""
    means = losses.sum() / flights.sum()
    limit = means.min() + (losses / flights.mean())[means.idxmin()].std() / flights.sum() ** 0.5
    return chosen(losses, flights, one_se=min(C for C in losses if means[C] <= limit))


@wrong("31.6", says="the error is that of the best one's loss")
def error_of_each(losses, flights):
    """Gives each strength its own standard error."""
    best = chosen(losses, flights)["best"]
    found = {C: mean_and_error(losses[C], flights) for C in losses}
    return chosen(losses, flights, one_se=min(C for C, (mean, own) in found.items() if mean <= found[best][0] + own))


@wrong("31.6", says="with its own standard error")
def days_alike_in_the_difference(losses, flights):
    """Takes the differences of the days' means, all days alike."""
    apart = losses.sub(losses[chosen(losses, flights)["best"]], axis=0).div(flights, axis=0)
    limit = apart.std() / len(apart) ** 0.5
    return chosen(losses, flights, paired=min(C for C in losses if apart[C].mean() <= limit[C]))


def walked_down(losses, allowed, best):
    """Return the last of the allowed strengths on the way down from the best one."""
    lower = sorted(losses.columns[losses.columns <= best], reverse=True)
    first = next((place for place, C in enumerate(lower) if not allowed[C]), len(lower))
    return lower[first - 1]


@wrong("31.6", says="the smallest C within")
def stops_at_the_first_beyond(losses, flights):
    """Walks down from the best and stops at the first mean that is too high."""
    answer, means = chosen(losses, flights), losses.sum() / flights.sum()
    limit = means.min() + mean_and_error(losses[answer["best"]], flights)[1]
    return answer | {"one_se": walked_down(losses, means <= limit, answer["best"])}


@wrong("31.6", says="with its own standard error")
def stops_at_the_first_difference(losses, flights):
    """Walks down from the best and stops at the first difference that is too large."""
    answer = chosen(losses, flights)
    behind = {C: mean_and_error(losses[C] - losses[answer["best"]], flights) for C in losses}
    allowed = {C: mean <= own for C, (mean, own) in behind.items()}
    return answer | {"paired": walked_down(losses, allowed, answer["best"])}
