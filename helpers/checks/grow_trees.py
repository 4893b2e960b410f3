"""What the answers to the exercises of lesson 32 must do."""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from helpers.checks.core import check, one_number_a_row, type_name

# 32.1: a split that gives the missing a side


@check("32.1")
def check_split_with_gaps(split_with_gaps, rng: Generator) -> None:
    """Split columns whose gaps are late, punctual, or like the others; with ties, unsorted, and without any gap."""
    columns = [_gappy_column(rng, gap_rate) for gap_rate in (0.95, 0.03, 0.95, 0.03, 0.4)]
    columns += [_whole_column(rng, left, right) for left, right in ((25, 11), (9, 22), (14, 14))]
    for x, late in columns:
        _assert_split(split_with_gaps(x.copy(), late.copy()), x, late)


def _assert_split(answer: Any, x: np.ndarray, late: np.ndarray) -> None:
    assert isinstance(answer, dict), (
        f"Return a dict with threshold, missing_left and gain: this is {type_name(answer)}."
    )
    for name in ("threshold", "missing_left", "gain"):
        assert name in answer, f"The dict has no {name!r}; it has {sorted(map(str, answer))}."
    threshold, side, gain = float(answer["threshold"]), bool(answer["missing_left"]), float(answer["gain"])
    gap = np.isnan(x)
    values = sorted(set(x[~gap]))
    middles = [(low + high) / 2 for low, high in pairwise(values)]
    assert not np.isnan(threshold), "The threshold is missing: leave the gaps out before you sort the column."
    assert min(abs(threshold - middle) for middle in middles) < 1e-6, (
        f"{threshold:.3f} does not lie halfway between two neighbouring values of the column: equal values cannot be "
        "parted, and the threshold is the mean of the two values that it parts."
    )
    found = _slow_gain(x, late, threshold, side)
    best = max(_slow_gain(x, late, middle, left) for middle in middles for left in (True, False))
    assert abs(gain - found) < 1e-6, (
        f"`gain` is {gain:.4f}, and your split brings {found:.4f}: the node's flights times its Gini impurity, less "
        "the same of both sides, with the flights of the gap counted on the side to which they go."
    )
    assert found > best - 1e-6, (
        f"Your split brings {found:.4f}, and another {best:.4f}. Try each threshold twice: with the flights of the gap "
        "on the left, and with the same flights on the right."
    )
    if not gap.any():
        bigger = (x <= threshold).sum() >= (x > threshold).sum()
        assert side == bigger, (
            "In this column nothing is missing, so the gain cannot choose: then a later gap goes to the side with more "
            "flights, and to the left where both have as many."
        )


def _slow_gain(x: np.ndarray, late: np.ndarray, threshold: float, missing_left: bool) -> float:
    left = [missing_left if value != value else value <= threshold for value in x]
    sides = [[y for y, is_left in zip(late, left, strict=True) if is_left == side] for side in (True, False)]
    return _gini_total(list(late)) - sum(map(_gini_total, sides))


def _gini_total(late: list[float]) -> float:
    share = sum(late) / len(late)
    return len(late) * 2 * share * (1 - share)


def _gappy_column(rng: Generator, gap_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A column with ties and a step in the share of late flights, and gaps that are late at ``gap_rate``."""
    rows = int(rng.integers(60, 90))
    x = rng.integers(0, 12, rows).astype(float)
    step = rng.uniform(3, 8)
    late = rng.random(rows) < np.where(x > step, 0.75, 0.2)
    gap = rng.random(rows) < 0.25
    late[gap] = rng.random(gap.sum()) < gap_rate
    x[gap] = np.nan
    return x, late.astype(float)


def _whole_column(rng: Generator, left: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """A column without gaps or ties, whose ``left`` lowest flights are punctual and whose others are late."""
    order = rng.permutation(left + right)
    return np.sort(rng.normal(size=left + right))[order], (order >= left).astype(float)


# 32.2: boosting that stops by a later month

ROUNDS = 12


@check("32.2")
def check_boost_until(boost_until, rng: Generator) -> None:
    """Boost on data whose later part agrees, agrees for a while, contradicts at once, or brings nothing."""
    for noise, reversed_later in ((0.1, False), (0.45, False), (0.3, True)):
        for patience in (1, 3):
            rate = float(rng.choice([0.3, 0.6]))
            _assert_boosting(boost_until, _clear_months(rng, noise, reversed_later, rate), rate, patience)
    _assert_boosting(boost_until, _clear_months(rng, 0.1, False, 0.0), 0.0, 3)


def _assert_boosting(boost_until: Callable, months: tuple[np.ndarray, ...], rate: float, patience: int) -> None:
    expected = _slow_boosting(*months, rate, ROUNDS, patience)
    answer = boost_until(*(part.copy() for part in months), rate, ROUNDS, patience)
    assert isinstance(answer, dict), f"Return a dict with kept, losses and chance: this is {type_name(answer)}."
    for name in ("kept", "losses", "chance"):
        assert name in answer, f"The dict has no {name!r}; it has {sorted(map(str, answer))}."
    losses = one_number_a_row(answer["losses"], "`losses`")
    right = np.array(expected["losses"])
    assert len(losses) and abs(losses[0] - right[0]) < 1e-6, (
        "The first loss is not that of the start: before any stump each flight has the log-odds of the training share, "
        f"and the later flights a mean log loss of {right[0]:.4f}; `losses` begins with {losses[:1]}."
    )
    shared = min(len(losses), len(right))
    wrong = np.flatnonzero(np.abs(losses[:shared] - right[:shared]) > 1e-6)
    assert not len(wrong), (
        f"The loss after round {wrong[0]} is {losses[wrong[0]]:.4f} and should be {right[wrong[0]]:.4f}: fit the stump "
        "to the residuals of the training flights as they stand, add `rate` times its steps to the log-odds of both "
        "sets, and take the mean log loss of the later one."
    )
    assert len(losses) == len(right), (
        f"{len(losses) - 1} rounds were made and there should be {len(right) - 1}: stop after the round that is number "
        f"{patience} in a row without a new lowest loss, or when all rounds are made."
    )
    assert int(answer["kept"]) == expected["kept"], (
        f"`kept` is {answer['kept']} and should be {expected['kept']}: the number of rounds with the lowest loss, the "
        "smaller one if two are equal, 0 if no stump helped, and not the number of rounds that were made."
    )
    chance = one_number_a_row(answer["chance"], "`chance`")
    assert chance.shape == expected["chance"].shape and np.allclose(chance, expected["chance"], rtol=0, atol=1e-6), (
        "`chance` is not the forecast for the later flights after the rounds that are kept: the stumps that came after "
        "the best round do not count any more, and a chance is no log-odds."
    )


def _slow_boosting(
    X: np.ndarray, y: np.ndarray, X_later: np.ndarray, y_later: np.ndarray, rate: float, rounds: int, patience: int
) -> dict[str, Any]:
    start = float(np.log(y.mean() / (1 - y.mean())))
    odds, later = np.full(len(y), start), np.full(len(y_later), start)
    losses, chances = [], []
    for made in range(rounds + 1):
        chances.append(1 / (1 + np.exp(-later)))
        losses.append(float(-np.mean(np.where(y_later == 1, np.log(chances[-1]), np.log(1 - chances[-1])))))
        best = min(range(made + 1), key=losses.__getitem__)
        if made - best >= patience:
            break
        column, threshold, steps, _ = _slow_stump(X, y, odds)
        odds = odds + rate * np.where(X[:, column] > threshold, steps[1], steps[0])
        later = later + rate * np.where(X_later[:, column] > threshold, steps[1], steps[0])
    return {"kept": best, "losses": losses, "chance": chances[best]}


def _slow_stump(X: np.ndarray, y: np.ndarray, odds: np.ndarray) -> tuple[int, float, list[float], float]:
    """Column, threshold and steps of the best stump, and by how much it is better than the next."""
    chance = 1 / (1 + np.exp(-odds))
    residual, found = y - chance, []
    for column in range(X.shape[1]):
        values = np.unique(X[:, column])
        for threshold in (values[:-1] + values[1:]) / 2:
            right = X[:, column] > threshold
            found.append((sum(residual[side].sum() ** 2 / side.sum() for side in (~right, right)), column, threshold))
    (second, *_), (best, column, threshold) = sorted(found)[-2:]
    right = X[:, column] > threshold
    steps = [residual[s].sum() / (chance * (1 - chance))[s].sum() for s in (~right, right)]
    return column, threshold, steps, best - second


def _clear_months(rng: Generator, noise: float, reversed_later: bool, rate: float) -> tuple[np.ndarray, ...]:
    """Draw months until each round has one best stump: where two are equally good, either would be right."""
    while True:
        months = X, y, *_ = _months(rng, noise, reversed_later)
        odds, leads = np.full(len(y), np.log(y.mean() / (1 - y.mean()))), []
        for _ in range(ROUNDS):
            column, threshold, steps, lead = _slow_stump(X, y, odds)
            odds = odds + rate * np.where(X[:, column] > threshold, steps[1], steps[0])
            leads.append(lead)
        if min(leads) > 1e-9:
            return months


def _months(rng: Generator, noise: float, reversed_later: bool) -> tuple[np.ndarray, ...]:
    """Three columns of few values, of which two matter; the later flights hit the thresholds too."""

    def month(rows: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.integers(0, 16 // step, (rows, 3)) * float(step)
        y = (X[:, 0] + X[:, 1] > 14) != (rng.random(rows) < noise)
        return X, y.astype(float)

    X, y = month(80, 2)
    X_later, y_later = month(50, 1)
    return X, y, X_later, 1 - y_later if reversed_later else y_later


# 32.3: an importance that is nought, or depends on the order


@check("32.3")
def check_grouped_importance(grouped_importance, rng: Generator) -> None:
    """Measure columns that matter much, little, not at all, and only together; with an index that is not 0, 1, 2."""
    for _ in range(2):
        X, y, predict = _scored(rng)
        groups = {"delay": ["delay"], "carrier": ["is_AA", "is_UA"], "noise": ["noise"], "rain": ["rain"]}
        groups = {name: groups[name] for name in rng.permutation(list(groups))}
        orders = [rng.permutation(len(X)) for _ in range(3)]
        expected = {name: _slow_drop(predict, X, y, columns, orders) for name, columns in groups.items()}
        given = X.copy()
        answer = grouped_importance(predict, given, y.copy(), groups, orders)
        assert given.equals(X), (
            "The table that was passed in has changed, so each group is measured on what the ones before it left "
            "behind: shuffle a copy, and start from the original for each order."
        )
        _assert_drops(answer, expected)


def _assert_drops(answer: Any, expected: dict[str, float]) -> None:
    assert isinstance(answer, dict), f"Return a dict from group to mean drop: this is {type_name(answer)}."
    assert set(answer) == set(expected), f"The dict has {sorted(map(str, answer))}: give each group its number."
    drops = {name: float(answer[name]) for name in expected}
    assert any(drops.values()), (
        "Nothing has any importance. pandas lines a series up by its index: the rows that you shuffled went back to "
        "their places when you assigned them."
    )
    for name, right in expected.items():
        assert abs(drops[name] - right) < 1e-9, (
            f"The importance of {name!r} is {drops[name]:+.4f} and should be {right:+.4f}: the AUC of the table as it "
            "is, less the AUC with all columns of this group, and of no other, in the shuffled order, on average over "
            "the orders."
        )


def _slow_drop(predict: Callable, X: pd.DataFrame, y: pd.Series, columns: list[str], orders: list[np.ndarray]) -> float:
    drops = []
    for order in orders:
        shuffled = X.copy()
        for column in columns:
            column_as_it_is = X[column].tolist()
            shuffled[column] = [column_as_it_is[place] for place in order]
        drops.append(_slow_auc(y, predict(X)) - _slow_auc(y, predict(shuffled)))
    return sum(drops) / len(drops)


def _slow_auc(y: pd.Series, chance: np.ndarray) -> float:
    late, punctual = chance[y.to_numpy() == 1], chance[y.to_numpy() == 0]
    return float(((late[:, None] > punctual) + 0.5 * (late[:, None] == punctual)).mean())


def _scored(rng: Generator) -> tuple[pd.DataFrame, pd.Series, Callable]:
    rows = 80
    carrier = rng.choice(["AA", "UA"], rows)
    X = pd.DataFrame(
        {
            "noise": rng.normal(size=rows),
            "is_AA": (carrier == "AA").astype(float),
            "rain": rng.gamma(1.0, 1.0, rows),
            "is_UA": (carrier == "UA").astype(float),
            "delay": rng.normal(size=rows),
        },
        index=rng.permutation(rows) + 1000,
    )
    score = 1.5 * X.delay + 0.3 * X.rain + 1.2 * X.is_AA - 1.2 * X.is_UA
    y = (score + rng.normal(size=rows) > score.median()).astype(int)

    def predict(table: pd.DataFrame) -> np.ndarray:
        odds = 1.5 * table.delay + 0.3 * table.rain + 1.2 * table.is_AA - 1.2 * table.is_UA
        return (1 / (1 + np.exp(-odds))).to_numpy()

    return X, y, predict


# 32.4: cut the branches that are not worth a leaf


@check("32.4")
def check_prune(prune, rng: Generator) -> None:
    """Prune small trees at prices from nothing to more than the whole tree is worth, against all cuts there are."""
    random_trees = [_tree(rng, depth, int(rng.integers(20, 60)) * 4) for depth in (0, 1, 2, 3, 3)]
    for tree in (*random_trees, _useless_above_good(rng), _good_above_useless(rng)):
        for price in (0, 25, *map(int, rng.integers(1, 30, 4)), 10_000):
            given = copy.deepcopy(tree)
            answer = prune(given, price)
            assert given == tree, "The tree that was passed in has changed: build a new one, others may still use it."
            _assert_pruned(answer, tree, price)


def _assert_pruned(answer: Any, tree: dict, price: int) -> None:
    assert isinstance(answer, dict), f"Return a tree, a dict with value and loss: this is {type_name(answer)}."
    _assert_cut_of(answer, tree)
    cost, leaves = _bill(answer, price)
    best_cost, best_leaves = min(_bill(cut, price) for cut in _cuts(tree))
    assert cost <= best_cost, (
        f"At {price} a leaf your tree costs {cost} with {leaves} leaves, and another cut of it {best_cost} with "
        f"{best_leaves}: a node becomes a leaf when that is no dearer than the best of what hangs below it, so prune "
        "from below."
    )
    assert leaves == best_leaves, (
        f"At {price} a leaf your tree costs as little as possible, with {leaves} leaves; one with {best_leaves} costs "
        "the same: where both are equal, the smaller tree."
    )


def _assert_cut_of(answer: dict, tree: dict) -> None:
    """Whether ``answer`` is ``tree`` with some of its nodes turned into leaves."""
    inner = "left" in answer or "right" in answer
    kept = ("value", "loss", "split") if inner else ("value", "loss")
    for name in kept:
        assert answer.get(name) == tree.get(name), (
            f"A node has lost its {name!r}, or changed it: {answer.get(name)!r} for {tree.get(name)!r}. What is kept, "
            "is kept as it was."
        )
    if not inner:
        assert "split" not in answer, "A node that has become a leaf still has its 'split': a leaf has value and loss."
        return
    for side in ("left", "right"):
        assert side in tree and isinstance(answer.get(side), dict), f"A node that splits has no branch {side!r}."
        _assert_cut_of(answer[side], tree[side])


def _cuts(tree: dict) -> Iterator[dict]:
    """Yield every tree that comes of turning some nodes into leaves, the tree itself among them."""
    yield {"value": tree["value"], "loss": tree["loss"]}
    if "left" in tree:
        rights = list(_cuts(tree["right"]))
        yield from ({**tree, "left": left, "right": right} for left in _cuts(tree["left"]) for right in rights)


def _bill(tree: dict, price: int) -> tuple[int, int]:
    """Loss of the leaves and their price, and how many there are."""
    if "left" not in tree:
        return tree["loss"] + price, 1
    (cost, leaves), (more, others) = (_bill(tree[side], price) for side in ("left", "right"))
    return cost + more, leaves + others


def _tree(rng: Generator, depth: int, loss: int) -> dict:
    """A tree whose losses are whole numbers; some splits win nothing, and some pay only by what comes below them."""
    node = {"value": round(float(rng.random()), 2), "loss": loss}
    if depth == 0 or (depth < 3 and rng.random() < 0.15):
        return node
    left = int(rng.integers(0, loss + 1))
    won = int(rng.choice([0, min(3, loss - left), (loss - left) // 2]))
    branches = {"left": _tree(rng, depth - 1, left), "right": _tree(rng, depth - 1, loss - left - won)}
    return {**node, "split": f"waiting <= {rng.integers(40)}", **branches}


def _useless_above_good(rng: Generator) -> dict:
    """A root whose split wins nothing, and two below it that win much more than a leaf's price."""
    half = int(rng.integers(60, 90))
    good = [_node(half, _node(int(rng.integers(5)), None), _node(int(rng.integers(5)), None)) for _ in range(2)]
    return _node(2 * half, *good)


def _good_above_useless(rng: Generator) -> dict:
    """A root whose split wins much, above a branch of many leaves that win nothing."""
    useless = _node(int(rng.integers(2, 6)), None)
    for _ in range(3):
        useless = _node(useless["loss"], useless, _node(0, None))
    return _node(int(rng.integers(60, 90)), _node(int(rng.integers(5)), None), useless)


def _node(loss: int, left: dict | None, right: dict | None = None) -> dict:
    node = {"value": loss / 100, "loss": loss}
    return {**node, "split": "distance <= 700", "left": left, "right": right} if left else node


# 32.5: a promise that is tested


@check("32.5")
def check_worst_fall(worst_fall, rng: Generator) -> None:
    """Test models that rise, fall in one step, fall slowly over many steps, and have gaps in the other columns."""
    for kind in ("rises", "falls once", "falls slowly", "flat"):
        table, predict = _risks(rng, kind)
        values = rng.permutation(np.linspace(0, 60, 13))
        before = table.copy()
        answer = worst_fall(predict, table, "delay", values.copy())
        assert table.equals(before), "The table that was passed in has changed: ask the model about a copy."
        _assert_fall(answer, predict, table, values, kind)


def _assert_fall(answer: Any, predict: Callable, table: pd.DataFrame, values: np.ndarray, kind: str) -> None:
    asked = sorted(values)
    chances = [np.asarray(predict(table.assign(delay=value))) for value in asked]
    worst = max(
        (float((chances[i] - chances[j]).max()) for i in range(len(asked)) for j in range(i, len(asked))), default=0.0
    )
    assert isinstance(answer, dict), f"Return a dict with fall, row, low and high: this is {type_name(answer)}."
    for name in ("fall", "row", "low", "high"):
        assert name in answer, f"The dict has no {name!r}; it has {sorted(map(str, answer))}."
    assert abs(float(answer["fall"]) - worst) < 1e-9, (
        f"The largest fall is {float(answer['fall']):.4f} and should be {worst:.4f}: for one flight, from any value to "
        "any higher one, not only to the next, with the values in rising order and all other columns as they are."
    )
    named = [answer[name] for name in ("row", "low", "high")]
    if kind in ("rises", "flat"):
        assert all(part is None for part in named), (
            f"The forecast never falls, so row, low and high are None: they are {named}."
        )
        return
    row, low, high = named
    assert row in table.index, f"{row!r} is no label of the table: name the flight by its index."
    assert low in asked and high in asked and low < high, (
        f"low {low} and high {high} are not two of the values that were asked, the lower one first."
    )
    one = table.loc[[row]]
    fell = float(np.asarray(predict(one.assign(delay=low)))[0] - np.asarray(predict(one.assign(delay=high)))[0])
    assert abs(fell - worst) < 1e-9, (
        f"Flight {row} falls by {fell:.4f} from {low:g} to {high:g}, and `fall` says {worst:.4f}: the four must tell "
        "of one and the same fall."
    )


def _risks(rng: Generator, kind: str) -> tuple[pd.DataFrame, Callable]:
    rows = 25
    table = pd.DataFrame(
        {"delay": rng.gamma(2.0, 15.0, rows), "rain": rng.gamma(1.0, 1.0, rows)}, index=rng.permutation(rows) + 300
    )
    table.loc[table.index[:4], "delay"] = np.nan
    bend, steep = float(rng.uniform(20, 40)), float(rng.uniform(0.01, 0.02))

    def predict(asked: pd.DataFrame) -> np.ndarray:
        delay, rain = asked.delay.to_numpy(), asked.rain.to_numpy()
        rise = np.minimum(delay, bend) * steep
        fall = {
            "rises": 0 * delay,
            "flat": -rise,
            "falls once": -0.15 * (delay > bend) * rain,
            "falls slowly": -0.008 * np.clip(delay - bend, 0, None) * rain,
        }[kind]
        return 1 / (1 + np.exp(-(rise + fall + 0.3 * rain - 1)))

    return table, predict


# 32.6: which rules may go on the card


@check("32.6")
def check_rules_for_the_desk(rules_for_the_desk, rng: Generator) -> None:
    """Judge leaves of many days, of one day, of one great day among small ones, and near the threshold."""
    for threshold, days in ((1 / 6, 8.0), (0.25, 12.0)):
        flights = _leaves(rng)
        before = flights.copy()
        answer = rules_for_the_desk(flights, threshold, days)
        assert flights.equals(before), "The table that was passed in has changed: work on a copy."
        assert isinstance(answer, pd.DataFrame), f"Return a data frame: this is {type_name(answer)}."
        assert set(answer.index) == set(flights.leaf) and len(answer) == flights.leaf.nunique(), (
            "The table has one row for each leaf, with the leaf as its index."
        )
        _assert_rules(answer, flights, threshold, days)


def _assert_rules(answer: pd.DataFrame, flights: pd.DataFrame, threshold: float, days: float) -> None:
    words = {
        "rate": "the share of late flights among the leaf's flights",
        "days": "the square of the number of flights, divided by the sum of the squares of each day's number",
        "low": "the rate less 1.96 standard errors by days; with a single day, 0",
    }
    expected = {leaf: _slow_rule(part) for leaf, part in flights.groupby("leaf")}
    for name, meaning in words.items():
        assert name in answer, f"The table has no column {name!r}; it has {list(map(str, answer.columns))}."
        for leaf, right in expected.items():
            got = float(answer.loc[leaf, name])
            assert abs(got - right[name]) < 1e-9, (
                f"`{name}` of leaf {leaf} is {got:.4f} and should be {right[name]:.4f}: {meaning}."
            )
    assert "warn" in answer, f"The table has no column 'warn'; it has {list(map(str, answer.columns))}."
    for leaf, right in expected.items():
        got = bool(answer.loc[leaf, "warn"])
        sure, enough = right["low"] > threshold, right["days"] >= days
        assert not got or sure, f"Leaf {leaf} is on the card, and its low end is not above the threshold."
        assert not got or enough, (
            f"Leaf {leaf} is on the card with {right['days']:.1f} effective days, and {days:g} are asked for."
        )
        assert got or not (sure and enough), f"Leaf {leaf} has enough days and a low end above the threshold: warn."


def _slow_rule(part: pd.DataFrame) -> dict[str, float]:
    counts = [(float(len(one)), float(one.late.sum())) for _, one in part.groupby("day")]
    flights, late, days = sum(n for n, _ in counts), sum(k for _, k in counts), len(counts)
    rate = late / flights
    effective = flights**2 / sum(n**2 for n, _ in counts)
    if days == 1:
        return {"rate": rate, "days": effective, "low": 0.0}
    spread = sum((k - rate * n) ** 2 for n, k in counts)
    return {"rate": rate, "days": effective, "low": rate - 1.96 * (days / (days - 1) * spread) ** 0.5 / flights}


def _leaves(rng: Generator) -> pd.DataFrame:
    """Flights of leaves that differ in their days: many, few, one alone, one great day, and 8 and 12 equal ones."""
    calendar = pd.date_range("2013-01-01", periods=120)

    def leaf(name: int, days: int, flights: tuple[int, int], rate: float, first: int = 0) -> pd.DataFrame:
        chosen = rng.choice(calendar, days, replace=False)
        sizes = rng.integers(*flights, days)
        sizes[0] += first
        risk = np.clip(rate + rng.normal(0, 0.1, days), 0.02, 1).repeat(sizes)
        return pd.DataFrame({"leaf": name, "day": chosen.repeat(sizes), "late": rng.random(sizes.sum()) < risk})

    parts = [
        leaf(3, 40, (3, 9), 0.45),
        leaf(4, 40, (3, 9), 0.05),
        leaf(7, 1, (40, 60), 0.95),
        leaf(9, 5, (20, 40), 0.9),
        leaf(12, 25, (1, 3), 0.8, first=200),
        *(leaf(name, 30, (2, 6), rate) for name, rate in ((13, 0.2), (14, 0.24), (15, 0.28), (16, 0.31))),
        leaf(20, 15, (3, 5), 0.6),
        leaf(21, 2, (5, 9), 0.5),
        leaf(22, 8, (4, 5), 0.9),
        leaf(23, 12, (4, 5), 0.9),
    ]
    flights = pd.concat(parts, ignore_index=True)
    return flights.loc[rng.permutation(len(flights))]
