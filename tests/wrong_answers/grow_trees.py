"""Wrong answers to the exercises of lesson 32: the mistakes that learners make, and the words that must meet them."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.metrics import log_loss, roc_auc_score

from tests.wrong_answers import wrong

# 32.1


def impurity(flights, late):
    """Return flights times Gini impurity."""
    return 2 * late * (flights - late) / flights


def best_of(x, late, sides=(True, False), between=True, whole=None):
    """Return the best split with the missing on one of the sides."""
    gap = np.isnan(x)
    order = np.argsort(x[~gap])
    values, sums = x[~gap][order], late[~gap][order].cumsum()
    places = np.flatnonzero(values[1:] > values[:-1])
    found = []
    for side in sides:
        flights, left = places + 1 + side * gap.sum(), sums[places] + side * late[gap].sum()
        gain = impurity(len(x), late.sum()) - impurity(flights, left) - impurity(len(x) - flights, late.sum() - left)
        best = gain.argmax()
        middle = (values[places[best]] + values[places[best] + 1]) / 2
        found.append({"threshold": middle if between else values[places[best]], "missing_left": side})
        found[-1]["gain"] = gain[best] if whole is None else gain[best] / whole(x)
    return max(found, key=lambda split: split["gain"])


@wrong("32.1", says="Try each threshold twice")
def always_left(x, late):
    """Sends the missing to the left and never tries the right."""
    return best_of(x, late, sides=(True,))


@wrong("32.1", says="the flights of the gap counted on the side")
def gaps_dropped(x, late):
    """Leaves the missing flights out of the node."""
    known = ~np.isnan(x)
    return best_of(x[known], late[known])


@wrong("32.1", says="halfway between two neighbouring values")
def at_the_value(x, late):
    """Takes the lower of the two values for the threshold."""
    split = best_of(x, late, between=False)
    return split


@wrong("32.1", says="the node's flights times its Gini impurity")
def gain_per_flight(x, late):
    """Gives the fall of the mean impurity."""
    return best_of(x, late, whole=len)


@wrong("32.1", says="Try each threshold twice")
def filled_with_the_median(x, late):
    """Puts the missing where the median goes."""
    middle = np.nanquantile(x, 0.5, method="lower")
    filled = np.where(np.isnan(x), middle, x)
    split = best_of(filled, late)
    left = filled <= split["threshold"]
    sides = [(side.sum(), late[side].sum()) for side in (left, ~left)]
    gain = impurity(len(x), late.sum()) - sum(impurity(*side) for side in sides)
    return {**split, "missing_left": bool(middle <= split["threshold"]), "gain": gain}


@wrong("32.1", says="a later gap goes to the side with more flights")
def smaller_side_without_gaps(x, late):
    """Sends a later gap to the smaller side."""
    split = best_of(x, late)
    if not np.isnan(x).any():
        split["missing_left"] = bool((x <= split["threshold"]).sum() * 2 < len(x))
    return split


@wrong("32.1", says="The threshold is missing")
def sorted_with_the_gaps(x, late):
    """Sorts the missing along, and splits before them."""
    return {"threshold": np.nan, "missing_left": False, "gain": 0.0}


# 32.2


def fit_stump(X, y, log_odds, newton=True):
    """Return column, threshold and steps of the stump that fits the residuals best."""
    chance = expit(log_odds)
    residual, found = y - chance, []
    for column, x in enumerate(X.T):
        values = np.unique(x)
        for threshold in (values[1:] + values[:-1]) / 2:
            right = x > threshold
            fit = sum(residual[side].sum() ** 2 / side.sum() for side in (~right, right))
            found.append((fit, column, threshold))
    _, column, threshold = max(found)
    right = X[:, column] > threshold
    weight = chance * (1 - chance) if newton else np.ones(len(y))
    return column, threshold, [residual[side].sum() / weight[side].sum() for side in (~right, right)]


def boosted(X, y, X_later, y_later, rate, rounds, patience, start=None, newton=True, fixed=False, strict=0):
    """Boost and return losses and forecasts of all rounds made."""
    start = logit(y.mean()) if start is None else start
    log_odds, later = np.full(len(y), start), np.full(len(y_later), start)
    chances = [expit(later)]
    losses = [log_loss(y_later, chances[0])]
    for _ in range(rounds):
        column, threshold, steps = fit_stump(X, y, np.full(len(y), start) if fixed else log_odds, newton)
        log_odds = log_odds + rate * np.where(X[:, column] > threshold, steps[1], steps[0])
        later = later + rate * np.where(X_later[:, column] > threshold, steps[1], steps[0])
        chances.append(expit(later))
        losses.append(log_loss(y_later, chances[-1]))
        if len(losses) - 1 - losses.index(min(losses)) >= patience + strict:
            break
    return losses, chances


def kept_best(losses, chances):
    """Return the answer with the best round kept."""
    kept = losses.index(min(losses))
    return {"kept": kept, "losses": losses, "chance": chances[kept]}


@wrong("32.2", says="the stumps that came after")
def forecasts_of_the_last_round(X, y, X_later, y_later, rate, rounds, patience):
    """Keeps the right number and returns the forecasts of the last round."""
    losses, chances = boosted(X, y, X_later, y_later, rate, rounds, patience)
    return {**kept_best(losses, chances), "chance": chances[-1]}


@wrong("32.2", says="not the number of rounds that were made")
def all_rounds_kept(X, y, X_later, y_later, rate, rounds, patience):
    """Keeps all rounds that were made."""
    losses, chances = boosted(X, y, X_later, y_later, rate, rounds, patience)
    return {"kept": len(losses) - 1, "losses": losses, "chance": chances[-1]}


@wrong("32.2", says="the smaller one if two are equal")
def the_last_of_equal_losses(X, y, X_later, y_later, rate, rounds, patience):
    """Keeps the larger number where two losses are equal."""
    losses, chances = boosted(X, y, X_later, y_later, rate, rounds, patience)
    kept = len(losses) - 1 - losses[::-1].index(min(losses))
    return {"kept": kept, "losses": losses, "chance": chances[kept]}


@wrong("32.2", says="in a row without a new lowest loss")
def equal_counts_as_lower(X, y, X_later, y_later, rate, rounds, patience):
    """Takes a loss that is equal to the lowest for a new lowest one, and waits on."""
    losses, chances = boosted(X, y, X_later, y_later, rate, rounds, rounds)
    best = 0
    for made, loss in enumerate(losses):
        best = made if loss <= losses[best] else best
        if made - best >= patience:
            break
    return {"kept": losses.index(min(losses[: made + 1])), "losses": losses[: made + 1], "chance": chances[best]}


@wrong("32.2", says="before any stump each flight has the log-odds of the training share")
def starts_at_one_half(X, y, X_later, y_later, rate, rounds, patience):
    """Starts from log-odds of nought."""
    return kept_best(*boosted(X, y, X_later, y_later, rate, rounds, patience, start=0.0))


@wrong("32.2", says="The first loss is not that of the start")
def without_the_start(X, y, X_later, y_later, rate, rounds, patience):
    """Forgets the loss before the first round."""
    losses, chances = boosted(X, y, X_later, y_later, rate, rounds, patience)
    return {**kept_best(losses, chances), "losses": losses[1:]}


@wrong("32.2", says="to the residuals of the training flights as they stand")
def always_the_first_residuals(X, y, X_later, y_later, rate, rounds, patience):
    """Fits each stump to the residuals of the start."""
    return kept_best(*boosted(X, y, X_later, y_later, rate, rounds, patience, fixed=True))


@wrong("32.2", says="The loss after round 1")
def rate_forgotten(X, y, X_later, y_later, rate, rounds, patience):
    """Takes whole steps."""
    return kept_best(*boosted(X, y, X_later, y_later, 1.0, rounds, patience))


@wrong("32.2", says="in a row without a new lowest loss")
def one_round_too_patient(X, y, X_later, y_later, rate, rounds, patience):
    """Stops one round late."""
    return kept_best(*boosted(X, y, X_later, y_later, rate, rounds, patience, strict=1))


@wrong("32.2", says="a chance is no log-odds")
def returns_log_odds(X, y, X_later, y_later, rate, rounds, patience):
    """Forgets to turn log-odds into chances."""
    answer = kept_best(*boosted(X, y, X_later, y_later, rate, rounds, patience))
    return {**answer, "chance": logit(answer["chance"])}


# 32.3


@wrong("32.3", says="lines a series up by its index")
def as_given_on_a_copy(predict, X, y, groups, orders):
    """Copies the table, and lets pandas put the rows back."""
    as_it_is, importance = roc_auc_score(y, predict(X)), {}
    for name, columns in groups.items():
        drops = []
        for order in orders:
            shuffled = X.copy()
            shuffled[columns] = X[columns].iloc[order]
            drops.append(as_it_is - roc_auc_score(y, predict(shuffled)))
        importance[name] = np.mean(drops)
    return importance


@wrong("32.3", says="on what the ones before it left behind")
def in_place(predict, X, y, groups, orders):
    """The colleague's repair."""
    as_it_is, importance = roc_auc_score(y, predict(X)), {}
    for name, columns in groups.items():
        drops = []
        for order in orders:
            X[columns] = X[columns].to_numpy()[order]
            drops.append(as_it_is - roc_auc_score(y, predict(X)))
        importance[name] = np.mean(drops)
    return importance


def dropped(predict, X, y, groups, orders, shuffle, mean=np.mean):
    """Return the mean drops with a way to shuffle."""
    as_it_is = roc_auc_score(y, predict(X))
    return {
        name: mean([as_it_is - roc_auc_score(y, predict(shuffle(X.copy(), columns, order))) for order in orders])
        for name, columns in groups.items()
    }


@wrong("32.3", says="all columns of this group")
def one_column_of_the_group(predict, X, y, groups, orders):
    """Shuffles only the first column of a group."""

    def shuffle(table, columns, order):
        table[columns[0]] = table[columns[0]].to_numpy()[order]
        return table

    return dropped(predict, X, y, groups, orders, shuffle)


@wrong("32.3", says="should be")
def a_copy_for_each_group_only(predict, X, y, groups, orders):
    """Starts afresh for each group, and not for each order."""
    as_it_is, importance = roc_auc_score(y, predict(X)), {}
    for name, columns in groups.items():
        shuffled, drops = X.copy(), []
        for order in orders:
            shuffled[columns] = shuffled[columns].to_numpy()[order]
            drops.append(as_it_is - roc_auc_score(y, predict(shuffled)))
        importance[name] = np.mean(drops)
    return importance


@wrong("32.3", says="on average over the orders")
def the_last_order(predict, X, y, groups, orders):
    """Measures one order only."""

    def shuffle(table, columns, order):
        table[columns] = table[columns].to_numpy()[order]
        return table

    return dropped(predict, X, y, groups, orders[-1:], shuffle)


@wrong("32.3", says="in the shuffled order")
def pieces_one_by_one(predict, X, y, groups, orders):
    """Sums the drops of the single columns of a group."""
    singles = {column: [column] for columns in groups.values() for column in columns}

    def shuffle(table, columns, order):
        table[columns] = table[columns].to_numpy()[order]
        return table

    drops = dropped(predict, X, y, singles, orders, shuffle)
    return {name: sum(drops[column] for column in columns) for name, columns in groups.items()}


@wrong("32.3", says="as it is, less the AUC")
def upside_down(predict, X, y, groups, orders):
    """Gives a loss for a gain."""

    def shuffle(table, columns, order):
        table[columns] = table[columns].to_numpy()[order]
        return table

    return {name: -drop for name, drop in dropped(predict, X, y, groups, orders, shuffle).items()}


# 32.4


def cost(node, price):
    """Return losses and prices of the leaves."""
    if "left" not in node:
        return node["loss"] + price
    return cost(node["left"], price) + cost(node["right"], price)


def leaf(node):
    """Return a node as a leaf."""
    return {"value": node["value"], "loss": node["loss"]}


@wrong("32.4", says="prune from below")
def from_the_top(tree, price):
    """Cuts at the first split that does not pay by itself."""
    if "left" not in tree:
        return leaf(tree)
    if tree["loss"] <= tree["left"]["loss"] + tree["right"]["loss"] + price:
        return leaf(tree)
    return {**tree, "left": from_the_top(tree["left"], price), "right": from_the_top(tree["right"], price)}


@wrong("32.4", says="the smaller tree")
def keeps_equal_splits(tree, price):
    """Keeps a split that costs as much as the leaf."""
    if "left" not in tree:
        return leaf(tree)
    whole = {**tree, **{side: keeps_equal_splits(tree[side], price) for side in ("left", "right")}}
    return leaf(tree) if cost(leaf(tree), price) < cost(whole, price) else whole


@wrong("32.4", says="prune from below")
def price_for_the_split_only(tree, price):
    """Compares with the unpruned branches."""
    if "left" not in tree:
        return leaf(tree)
    if cost(leaf(tree), price) <= cost(tree, price):
        return leaf(tree)
    return {**tree, **{side: price_for_the_split_only(tree[side], price) for side in ("left", "right")}}


@wrong("32.4", says="a leaf your tree costs")
def no_price(tree, price):
    """Forgets the price."""
    if "left" not in tree:
        return leaf(tree)
    whole = {**tree, **{side: no_price(tree[side], price) for side in ("left", "right")}}
    return leaf(tree) if cost(leaf(tree), 0) <= cost(whole, 0) else whole


@wrong("32.4", says="has changed")
def on_the_spot(tree, price):
    """Cuts the tree that it was given."""
    if "left" in tree:
        for side in ("left", "right"):
            on_the_spot(tree[side], price)
        if cost(leaf(tree), price) <= cost(tree, price):
            for name in ("split", "left", "right"):
                del tree[name]
    return tree


@wrong("32.4", says="still has its 'split'")
def split_left_behind(tree, price):
    """Takes the branches away and leaves the question."""
    if "left" not in tree:
        return dict(tree)
    whole = {**tree, **{side: split_left_behind(tree[side], price) for side in ("left", "right")}}
    cut = {name: value for name, value in tree.items() if name not in ("left", "right")}
    return cut if cost(cut, price) <= cost(whole, price) else whole


@wrong("32.4", says="What is kept, is kept as it was")
def price_left_in_the_loss(tree, price):
    """Writes the price into the loss of a leaf."""

    def priced(node):
        if "left" not in node:
            return {**leaf(node), "loss": node["loss"] + price + 1}
        return {**node, "left": priced(node["left"]), "right": priced(node["right"])}

    return priced(tree)


# 32.5


def asked(predict, table, column, values):
    """Return the values in rising order and the chances, one line a value."""
    rising = np.sort(values)
    return rising, np.array([predict(table.assign(**{column: value})) for value in rising])


def told(falls, table, rising, start):
    """Return the answer for a matrix of falls; `start` says where the fall to a place began."""
    end, row = np.unravel_index(falls.argmax(), falls.shape)
    if falls[end, row] <= 0:
        return {"fall": 0.0, "row": None, "low": None, "high": None}
    begin = start(end, row)
    return {"fall": falls[end, row], "row": table.index[row], "low": rising[begin], "high": rising[end]}


@wrong("32.5", says="not only to the next")
def neighbours_only(predict, table, column, values):
    """Looks at the step from one value to the next."""
    rising, chances = asked(predict, table, column, values)
    falls = np.vstack([np.zeros(len(table)), -np.diff(chances, axis=0)])
    return told(falls, table, rising, lambda end, row: end - 1)


@wrong("32.5", says="should be")
def values_as_given(predict, table, column, values):
    """Does not sort the values."""
    chances = np.array([predict(table.assign(**{column: value})) for value in values])
    falls = np.maximum.accumulate(chances) - chances
    return told(falls, table, values, lambda end, row: chances[: end + 1, row].argmax())


@wrong("32.5", says="for one flight")
def mean_of_all_flights(predict, table, column, values):
    """Looks at the mean over the flights."""
    rising, chances = asked(predict, table, column, values)
    mean = chances.mean(axis=1, keepdims=True)
    return told(np.maximum.accumulate(mean) - mean, table, rising, lambda end, row: mean[: end + 1, 0].argmax())


@wrong("32.5", says="row, low and high are None")
def always_names_a_row(predict, table, column, values):
    """Names a row where nothing falls."""
    rising, chances = asked(predict, table, column, values)
    falls = np.maximum.accumulate(chances) - chances
    end, row = np.unravel_index(falls.argmax(), falls.shape)
    begin = chances[: end + 1, row].argmax()
    return {"fall": falls[end, row], "row": table.index[row], "low": rising[begin], "high": rising[end]}


@wrong("32.5", says="name the flight by its index")
def place_for_label(predict, table, column, values):
    """Gives the place of the row."""
    rising, chances = asked(predict, table, column, values)
    falls = np.maximum.accumulate(chances) - chances
    answer = told(falls, table, rising, lambda end, row: chances[: end + 1, row].argmax())
    return answer if answer["row"] is None else {**answer, "row": list(table.index).index(answer["row"])}


@wrong("32.5", says="one and the same fall")
def from_the_lowest_value(predict, table, column, values):
    """Takes the first value for the start of the fall."""
    rising, chances = asked(predict, table, column, values)
    falls = np.maximum.accumulate(chances) - chances
    return told(falls, table, rising, lambda end, row: 0)


@wrong("32.5", says="ask the model about a copy")
def asks_in_place(predict, table, column, values):
    """Writes the values into the table."""
    rising, chances = np.sort(values), []
    for value in rising:
        table[column] = value
        chances.append(predict(table))
    chances = np.array(chances)
    falls = np.maximum.accumulate(chances) - chances
    return told(falls, table, rising, lambda end, row: chances[: end + 1, row].argmax())


# 32.6


def judged(flights, threshold, days, error=None, effective=None, single=0.0, need_both=True):
    """Return the rules with another error, another count of days, or another decision."""
    daily = flights.groupby(["leaf", "day"]).late.agg(n="size", k="sum")
    whole, count = daily.groupby("leaf").sum(), daily.groupby("leaf").size()
    rules = pd.DataFrame({"rate": whole.k / whole.n, "days": whole.n**2 / (daily.n**2).groupby("leaf").sum()})
    if effective:
        rules["days"] = effective(daily, count)
    surprise = daily.k - daily.n * rules.rate.reindex(daily.index, level="leaf")
    spread = (surprise**2).groupby("leaf").sum()
    by_days = np.sqrt(count / (count - 1) * spread) / whole.n
    rules["low"] = (rules.rate - 1.96 * (error(rules, whole, spread) if error else by_days)).where(count > 1, single)
    rules["warn"] = rules.low > threshold
    if need_both:
        rules["warn"] &= rules.days >= days
    return rules


@wrong("32.6", says="1.96 standard errors by days")
def error_by_flights(flights, threshold, days):
    """Counts flights for the error."""
    return judged(flights, threshold, days, lambda rules, whole, _: np.sqrt(rules.rate * (1 - rules.rate) / whole.n))


@wrong("32.6", says="the sum of the squares of each day's number")
def days_counted(flights, threshold, days):
    """Counts the days as they are."""
    return judged(flights, threshold, days, effective=lambda daily, count: count)


@wrong("32.6", says="effective days, and")
def interval_alone(flights, threshold, days):
    """Decides by the interval alone."""
    return judged(flights, threshold, days, need_both=False)


@wrong("32.6", says="1.96 standard errors by days")
def no_correction(flights, threshold, days):
    """Divides by D and not by D - 1."""
    return judged(flights, threshold, days, lambda rules, whole, spread: np.sqrt(spread) / whole.n)


@wrong("32.6", says="`rate` of leaf")
def mean_of_daily_rates(flights, threshold, days):
    """Takes the mean of the daily rates."""
    rules = judged(flights, threshold, days)
    rules["rate"] = flights.groupby(["leaf", "day"]).late.mean().groupby("leaf").mean()
    return rules


@wrong("32.6", says="is on the card, and its low end is not above")
def by_the_rate(flights, threshold, days):
    """Puts every leaf on the card whose rate is above the threshold."""
    rules = judged(flights, threshold, days)
    return rules.assign(warn=(rules.rate > threshold) & (rules.days >= days))


@wrong("32.6", says="with a single day, 0")
def one_day_is_sure(flights, threshold, days):
    """Takes a single day for certain."""
    rules = judged(flights, threshold, days)
    return rules.assign(low=rules.low.where(rules.days > 1, rules.rate))
