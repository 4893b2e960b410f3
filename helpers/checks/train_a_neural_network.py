"""What the answers to the exercises of lesson 41 must do."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import ceil, exp, isfinite, log1p, nan, tanh
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import expit

from helpers.checks.core import check, type_name

Net = dict[str, np.ndarray]

# 41.1: a loss that does not overflow


@check("41.1")
def check_forward_and_loss(forward_and_loss, rng: Generator) -> None:
    """Compare with a pass made flight by flight, for a network that is unsure and for one that is sure of itself."""
    for size in (1.0, 3000.0):
        net, X, y = _small_net(rng, size)
        parts = forward_and_loss(_copied(net), X.copy(), y.copy())
        assert isinstance(parts, tuple | list) and len(parts) == 2, (
            f"Return the logits and the loss: this is {type_name(parts)}."
        )
        z, loss = np.asarray(parts[0], float), np.asarray(parts[1], float)
        assert z.shape == y.shape, (
            f"The logits of {len(y)} flights have the shape {z.shape}: give one number a flight. A column of them "
            "and a row of outcomes would be broadcast to a square table."
        )
        assert loss.shape == (), f"The loss is one number: this has the shape {loss.shape}."
        _assert_forward(net, X, z)
        _assert_loss(z, y, float(loss))


def _assert_forward(net: Net, X: np.ndarray, z: np.ndarray) -> None:
    expected = np.array([_slow_logit(net, row, lambda total: max(total, 0.0)) for row in X])
    straight = np.array([_slow_logit(net, row, lambda total: total) for row in X])
    tolerance = 1e-5 * np.abs(expected).max()  # float32 is enough
    gap = np.abs(z - expected).max()
    assert gap <= tolerance or not np.abs(z - straight).max() <= tolerance, (
        "The logits are those of a network without a bend: a hidden unit passes on 0 where its sum is negative."
    )
    assert gap <= tolerance, (
        f"The logits are off by up to {gap:.3g}: sum the columns by W1, add b1, bend, sum the units by w2, add b2."
    )


def _assert_loss(z: np.ndarray, y: np.ndarray, loss: float) -> None:
    expected = sum(_slow_loss(*pair) for pair in zip(z, y, strict=True)) / len(y)
    largest = np.abs(z).max()
    assert isfinite(loss), (
        f"With logits of up to {largest:.0f} the loss is {loss}: the probability has become exactly 0 or 1 there, and "
        "its logarithm is infinite. Compute the loss from the logit without the probability."
    )
    assert abs(loss - expected * len(y)) > 1e-6 * expected, (
        f"The loss is {loss:.4g}: that is the sum over {len(y)} flights, and the mean was asked for."
    )
    assert loss > expected * (1 - 1e-6) or largest < 40, (
        f"With logits of up to {largest:.0f} the loss is {loss:.4g} and should be {expected:.4g}: cutting the "
        "probability off forgives the forecasts that are sure and wrong."
    )
    assert abs(loss - expected) <= 1e-6 * expected, (
        f"The loss is {loss:.6g} and should be {expected:.6g}, with logits of up to {largest:.0f}: the mean of "
        "log(1 + exp(z)) less y times z."
    )


def _slow_logit(net: Net, row: np.ndarray, bend: Callable[[float], float]) -> float:
    total = float(net["b2"])
    for unit in range(len(net["b1"])):
        inside = float(net["b1"][unit])
        for column, value in enumerate(row):
            inside += float(value) * float(net["W1"][column, unit])
        total += bend(inside) * float(net["w2"][unit])
    return total


def _slow_loss(z: float, y: float) -> float:
    # log(1 + exp(z)), with the large one of the two exponents taken out.
    return max(z, 0.0) + log1p(exp(-abs(z))) - y * z


def _small_net(rng: Generator, size: float) -> tuple[Net, np.ndarray, np.ndarray]:
    columns, units, flights = int(rng.integers(3, 6)), int(rng.integers(6, 9)), 40
    net = {
        "W1": rng.normal(size=(columns, units)),
        "b1": rng.normal(size=units),
        "w2": rng.normal(scale=size, size=units),
        "b2": np.array(rng.normal()),
    }
    X = rng.normal(size=(flights, columns))
    # As many logits above 0 as below, so that both exponentials are put to the test.
    net["b2"] = np.array(-np.median([_slow_logit(net, row, lambda total: max(total, 0.0)) for row in X]))
    y = rng.permutation(np.arange(flights) % 2).astype(float)
    return net, X, y


def _copied(net: Net) -> Net:
    return {name: value.copy() for name, value in net.items()}


# 41.2: backpropagation through two hidden layers


@check("41.2")
def check_gradients(gradients, rng: Generator) -> None:
    """Hold the slopes to finite differences of a slow loss, without and with a penalty."""
    for l2 in (0.0, float(rng.uniform(0.2, 0.6))):
        net, X, y = _deep_net(rng)
        given = _copied(net)
        found = gradients(given, X.copy(), y.copy(), l2)
        assert isinstance(found, Mapping), f"Return a dict of slopes: this is {type_name(found)}."
        assert set(found) == set(net), f"The slopes are those of {sorted(net)}; yours are of {sorted(map(str, found))}."
        assert all(np.array_equal(given[name], net[name]) for name in net), (
            "The weights that were passed in have changed: give slopes, and leave the step to the caller."
        )
        for name, value in net.items():
            shape = np.shape(found[name])
            assert shape == value.shape, f"The slopes of {name} have the shape {shape}, the weights have {value.shape}."
        measured = _measured_slopes(lambda moved, X=X, y=y, l2=l2: _deep_loss(moved, X, y, l2), net)
        _assert_slopes({name: np.asarray(value, float) for name, value in found.items()}, measured, net, len(y), l2)


def _assert_slopes(found: Net, measured: Net, net: Net, flights: int, l2: float) -> None:
    def like(times: float) -> bool:
        return all(np.allclose(found[name], times * measured[name], rtol=1e-5, atol=1e-7) for name in net)

    assert l2 or not like(flights), (
        f"Every slope is {flights} times that of the loss, and there are {flights} flights: the loss is their mean."
    )
    wrong = [name for name in net if not np.allclose(found[name], measured[name], rtol=1e-5, atol=1e-7)]
    right = [name for name in net if name not in wrong]
    assert l2 or not wrong, (
        f"Without a penalty, the slopes of {', '.join(wrong)} are not those of the loss; right are: "
        f"{', '.join(right) or 'none'}. Follow the error back from the right ones: which factor does it meet next?"
    )
    biases = [name for name in wrong if name.startswith("b")]
    assert not biases, f"With a penalty of {l2:.2f}, the slopes of {', '.join(biases)} change: it counts no biases."
    assert not wrong, (
        f"Without a penalty all slopes are right; with one of {l2:.2f} those of {', '.join(wrong)} are not. It adds "
        "l2/2 times the sum of the squared weights to the loss, once, whatever the number of flights."
    )


def _deep_net(rng: Generator) -> tuple[Net, np.ndarray, np.ndarray]:
    columns, first, second, flights = 3, 4, 5, int(rng.integers(6, 10))
    shapes = {"W1": (columns, first), "b1": first, "W2": (first, second), "b2": second, "w3": second, "b3": ()}
    net = {name: np.array(rng.normal(scale=0.7, size=shape)) for name, shape in shapes.items()}
    return net, rng.normal(size=(flights, columns)), rng.permutation(np.arange(flights) % 2).astype(float)


def _deep_loss(net: Net, X: np.ndarray, y: np.ndarray, l2: float) -> float:
    total = 0.0
    for row, truth in zip(X, y, strict=True):
        one = [tanh(sum(row * net["W1"][:, unit]) + net["b1"][unit]) for unit in range(len(net["b1"]))]
        two = [tanh(sum(one * net["W2"][:, unit]) + net["b2"][unit]) for unit in range(len(net["b2"]))]
        total += _slow_loss(float(sum(two * net["w3"]) + net["b3"]), float(truth))
    squares = sum(float((net[name] ** 2).sum()) for name in ("W1", "W2", "w3"))
    return total / len(y) + l2 / 2 * squares


def _measured_slopes(loss: Callable[[Net], float], net: Net, step: float = 1e-5) -> Net:
    found = {name: np.empty(value.shape) for name, value in net.items()}
    for name, slopes in found.items():
        for place in np.ndindex(slopes.shape):
            up, down = _copied(net), _copied(net)
            up[name][place] += step
            down[name][place] -= step
            slopes[place] = (loss(up) - loss(down)) / (2 * step)
    return found


# 41.3: a training loop that does not train


@check("41.3")
def check_train(train, rng: Generator) -> None:
    """Play the loop with slopes that remember what they were asked."""
    for flights, batch in ((23, 5), (24, 6)):
        world = _Recorder(rng, flights)
        net, X, y = _copied(world.net), world.X.copy(), world.y.copy()
        epochs, rate = 3, float(rng.uniform(0.1, 0.4))
        found = train(net, world.slopes, X, y, epochs, batch, rate, np.random.default_rng(int(rng.integers(1000))))
        assert isinstance(found, Mapping) and set(found) == set(world.net), (
            f"Return the trained network, a dict with the names {sorted(world.net)}: this is {type_name(found)}."
        )
        assert np.array_equal(X, world.X) and np.array_equal(y, world.y), (
            "The flights that were passed in stand in another order now: draw the order of the rows, and leave the "
            "arrays as they are."
        )
        assert all(np.array_equal(net[name], world.net[name]) for name in net), (
            "The network that was passed in has changed: whoever keeps it as the best so far holds another one now."
        )
        _assert_batches(world, epochs, batch)
        _assert_steps(world, {name: np.asarray(value, float) for name, value in found.items()}, rate)
    _assert_draws_from_the_generator(train, rng)


class _Recorder:
    """Slopes of an invented loss that depend on the network and the rows, and a record of each call."""

    def __init__(self, rng: Generator, flights: int) -> None:
        self.net = {"W": rng.normal(size=(2, 2)), "b": rng.normal(size=2)}
        self.X = np.column_stack([np.arange(flights), rng.normal(size=flights)])
        self.y = rng.random(flights)
        self.calls: list[tuple[Net, np.ndarray, np.ndarray]] = []

    def slopes(self, net: Net, X: np.ndarray, y: np.ndarray) -> Net:
        """Note what was asked, and answer."""
        self.calls.append((_copied(net), np.array(X, float), np.array(y, float)))
        return self.answer(*self.calls[-1])

    @staticmethod
    def answer(net: Net, X: np.ndarray, y: np.ndarray) -> Net:
        """Slopes that differ with the weights, the rows and their outcomes."""
        pull = float(np.mean(y * X[:, 1]))
        return {"W": net["W"] + net["b"] + pull, "b": net["b"] - net["W"].sum(axis=0) * pull}


def _assert_batches(world: _Recorder, epochs: int, batch: int) -> None:
    flights = len(world.y)
    assert world.calls, "No slopes were taken: call the function that is passed in, once for each batch."
    apart = sum((y != world.y[X[:, 0].astype(int)]).sum() for _, X, y in world.calls)
    assert not apart, (
        f"{apart} times a flight came with the outcome of another: one order must serve both, the rows and outcomes."
    )
    steps, calls = epochs * ceil(flights / batch), len(world.calls)
    assert calls != steps * len(world.net), (
        f"The slopes were taken {calls} times for {steps} steps: each block of weights moved before the slopes of the "
        "next were taken. One step moves all of them by the slopes at one place."
    )
    seen = np.concatenate([X[:, 0] for _, X, _ in world.calls]).astype(int)
    counts = np.bincount(seen, minlength=flights)
    assert (counts == epochs).all(), (
        f"In {epochs} epochs a flight was used between {counts.min()} and {counts.max()} times: each epoch uses each "
        "flight once, those of a last, smaller batch too."
    )
    sizes = [len(X) for _, X, _ in world.calls]
    expected = ([batch] * (flights // batch) + [flights % batch] * (flights % batch > 0)) * epochs
    assert sizes == expected, f"The batches have the sizes {sizes[: steps // epochs]}: {batch} were asked for."
    orders = seen.reshape(epochs, flights)
    assert all(sorted(order) == list(range(flights)) for order in orders), "Some epoch uses a flight twice."
    assert (orders[0] != np.arange(flights)).any(), "The first epoch takes the flights in the order of the file."
    assert all((one != other).any() for one, other in pairwise(orders)), (
        "Two epochs take the flights in the same order: draw a new one for each."
    )


def _assert_steps(world: _Recorder, found: Net, rate: float) -> None:
    net = _copied(world.net)
    for number, (asked, X, y) in enumerate(world.calls):
        for name, value in net.items():
            assert np.allclose(asked[name], value, rtol=1e-9, atol=1e-12), (
                f"At step {number + 1} the slopes were taken at another network than the one that the steps before had "
                f"reached ({name} differs): step, then take the next slopes. A step is the rate times the slope."
            )
        slope = world.answer(net, X, y)
        net = {name: value - rate * slope[name] for name, value in net.items()}
    for name, value in net.items():
        assert np.allclose(found[name], value, rtol=1e-9, atol=1e-12), (
            f"The network that is returned is not the one after the last step ({name} differs)."
        )


def _assert_draws_from_the_generator(train, rng: Generator) -> None:
    seed, world = int(rng.integers(1000)), _Recorder(rng, 23)
    orders = []
    for generator in (seed, seed, seed + 1):
        world.calls.clear()
        net, X, y = _copied(world.net), world.X.copy(), world.y.copy()
        train(net, world.slopes, X, y, 2, 5, 0.1, np.random.default_rng(generator))
        orders.append([flight for _, X, _ in world.calls for flight in X[:, 0]])
    assert orders[0] != orders[2], (
        "Two generators with different seeds give the same orders: draw them from the `rng` that is passed in, or a "
        "second training with another seed is the first once more."
    )
    assert orders[0] == orders[1], (
        "Two generators with the same seed give different orders: draw from the `rng` that is passed in and from "
        "nothing else, or nobody can repeat the training."
    )


# 41.4: early stopping


@check("41.4")
def check_fit_patiently(fit_patiently, rng: Generator) -> None:
    """Play losses with plateaus, ties, gaps and late luck; a step changes the network in place."""
    for losses, patience, limit in _stories(rng):
        epochs: list[int] = []
        net = {"w": np.zeros(3), "b": np.zeros(())}

        def step(net: Net, epochs: list[int] = epochs) -> None:
            epochs.append(len(epochs) + 1)
            for value in net.values():
                value += 1.0

        def validate(net: Net, losses: list[float] = losses, epochs: list[int] = epochs) -> float:
            return losses[len(epochs) - 1]

        _assert_patient(fit_patiently(net, step, validate, patience, limit), losses, patience, limit, len(epochs))


def _assert_patient(parts: Any, losses: list[float], patience: int, limit: int, epochs: int) -> None:
    best, last = _slow_patience(losses, patience, limit)
    told = f"patience {patience}, limit {limit}, losses {[round(loss, 2) for loss in losses[: max(epochs, last)]]}"
    assert epochs <= limit, f"{epochs} epochs were trained and {limit} are allowed ({told})."
    assert epochs == last, (
        f"Training ended after epoch {epochs} and should end after epoch {last}: as soon as {patience} epochs in a row "
        f"brought no loss below the least so far; an equal one is not below, and a NaN neither ({told})."
    )
    assert isinstance(parts, tuple | list) and len(parts) == 2, (
        f"Return the best network and the list of losses: this is {type_name(parts)}."
    )
    net, seen = parts
    assert isinstance(net, Mapping) and set(net) == {"w", "b"}, (
        f"The best network is a dict with the names that it was given with: this is {type_name(net)}."
    )
    assert np.array_equal(np.asarray(seen, float), losses[:last], equal_nan=True), (
        f"Return the loss of each epoch that was trained, in order: there are {len(seen)} for {last} epochs ({told})."
    )
    weights = {float(value) for name in net for value in np.ravel(net[name])}
    assert weights != {float(last)} or best == last, (
        f"The weights are those of the last epoch, {last}; the least loss was after epoch {best}. A step changes the "
        f"arrays in place, so what is to be kept must be copied ({told})."
    )
    assert weights == {float(best)}, (
        f"The weights are those after epoch {sorted(weights)}; the least loss came first after epoch {best} ({told})."
    )


def _slow_patience(losses: list[float], patience: int, limit: int) -> tuple[int, int]:
    """The epoch of the least loss, and the last one that is trained; epochs count from 1."""
    best = 1
    for epoch in range(1, limit + 1):
        if losses[epoch - 1] < losses[best - 1]:
            best = epoch
        if epoch - best >= patience:
            return best, epoch
    return best, limit


def _stories(rng: Generator) -> list[tuple[list[float], int, int]]:
    """Losses, patience and limit of several trainings."""
    noisy = list(np.linspace(1.0, 0.6, 30) + rng.normal(scale=0.05, size=30))
    return [
        ([0.9, 0.8, 0.7, 0.75, 0.72, 0.71, 0.3, 0.2, 0.2, 0.2], 3, 10),  # too late to count
        ([0.9, 0.8, 0.85, 0.7, 0.75, 0.6, 0.65, 0.66, 0.1], 2, 9),  # waits between, not in all
        ([0.9, 0.7, 0.7, 0.7, 0.7, 0.1, 0.1], 2, 7),  # ties
        ([0.9, 0.8, nan, 0.7, nan, nan, 0.1, 0.1], 2, 8),  # gaps
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.1], 3, 5),  # the limit
        ([0.5, 0.6, 0.7, 0.8, 0.9], 1, 5),
        (noisy, int(rng.integers(2, 5)), 30),
        ([*rng.random(12)], int(rng.integers(1, 4)), 9),
    ]


# 41.5: what a run says about its cause

CAUSES = ("healthy", "rate too small", "rate too large", "inputs not scaled", "weights all alike", "overfitting")


@check("41.5")
def check_name_the_cause(name_the_cause, rng: Generator) -> None:
    """Train small networks, three for each cause, and have them named."""
    runs = practice_runs(int(rng.integers(2**31)))
    confused: dict[tuple[str, str], int] = {}
    for run in runs:
        shown = {name: list(value) if isinstance(value, list) else value for name, value in run.items()}
        answer = name_the_cause({name: value for name, value in shown.items() if name != "cause"})
        assert answer in CAUSES, f"The answer {answer!r} is none of the causes: {', '.join(CAUSES)}."
        if answer != run["cause"]:
            confused[run["cause"], answer] = confused.get((run["cause"], answer), 0) + 1
    if sum(confused.values()) > 1:
        (cause, answer), often = max(confused.items(), key=lambda item: item[1])
        times = "once" if often == 1 else f"{often} times"
        assert not confused, (
            f"{sum(confused.values())} of {len(runs)} runs are misnamed, and one may be. Most often ({times}) a "
            f"run whose cause was {cause!r} was called {answer!r}. Which number tells these two apart?"
        )


def practice_runs(seed: int, each: int = 3) -> list[dict[str, Any]]:
    """Records of small networks that were trained on invented flights, `each` for each cause, in random order.

    Networks of all causes have 16 to 48 hidden units and 40 epochs of 8 batches, so that neither gives a cause away.
    A record has the losses on training and later flights before the first epoch and after each (`train`, `watched`),
    the loss of always saying the base rate (`base`), the largest standard deviation of an input column (`spread`), the
    share of hidden units that are 0 for all training flights (`silent`), how many hidden units differ from each other
    (`different`), and its `cause`.
    """
    rng = np.random.default_rng(seed)
    runs = [_run(cause, rng) for cause in CAUSES for _ in range(each)]
    return [runs[place] for place in rng.permutation(len(runs))]


def _run(cause: str, rng: Generator) -> dict[str, Any]:
    flights, units = 64 if cause == "overfitting" else 400, int(rng.integers(16, 49))
    rates = {"rate too small": rng.uniform(1e-5, 1e-4), "rate too large": rng.uniform(20, 40)}
    X, y = _invented_flights(rng, flights + 600)
    if cause == "inputs not scaled":
        X = X * 10 ** rng.uniform(2, 3, X.shape[1]) + rng.uniform(0, 1000, X.shape[1])
    train, later = slice(flights), slice(flights, None)
    net = {
        "W1": rng.normal(scale=np.sqrt(2 / X.shape[1]), size=(X.shape[1], units)),
        "b1": np.zeros(units),
        "w2": rng.normal(scale=np.sqrt(1 / units), size=units),
        "b2": np.zeros(()),
    }
    if cause == "weights all alike":
        net = {name: np.full_like(value, 0.1) for name, value in net.items()}
    rate = rates.get(cause, 0.2)
    with np.errstate(all="ignore"):
        losses = [[_fast_loss(net, X[part], y[part]) for part in (train, later)]]
        for _ in range(40):
            for rows in rng.permutation(flights).reshape(8, -1):
                net = _step(net, X[rows], y[rows], rate)
            losses.append([_fast_loss(net, X[part], y[part]) for part in (train, later)])
        hidden = np.maximum(X[train] @ net["W1"] + net["b1"], 0)
    share = y[train].mean()
    return {
        "train": [loss for loss, _ in losses],
        "watched": [loss for _, loss in losses],
        "base": float(-share * np.log(share) - (1 - share) * np.log(1 - share)),
        "spread": float(X[train].std(axis=0).max()),
        "silent": float((hidden == 0).all(axis=0).mean()),
        "different": len(np.unique(net["W1"].round(6), axis=1).T),
        "cause": cause,
    }


def _invented_flights(rng: Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(count, 6))
    z = 1.5 * X[:, 0] + 1.5 * np.abs(X[:, 1]) - X[:, 2] * X[:, 3] - 1.5
    return X, (rng.random(count) < expit(z)).astype(float)


def _fast_loss(net: Net, X: np.ndarray, y: np.ndarray) -> float:
    z = np.maximum(X @ net["W1"] + net["b1"], 0) @ net["w2"] + net["b2"]
    return float(np.mean(np.logaddexp(0, z) - y * z))


def _step(net: Net, X: np.ndarray, y: np.ndarray, rate: float) -> Net:
    hidden = np.maximum(X @ net["W1"] + net["b1"], 0)
    error = (expit(hidden @ net["w2"] + net["b2"]) - y) / len(y)
    blame = np.outer(error, net["w2"]) * (hidden > 0)
    slopes = {"W1": X.T @ blame, "b1": blame.sum(axis=0), "w2": hidden.T @ error, "b2": error.sum()}
    return {name: value - rate * slopes[name] for name, value in net.items()}


# 41.6: an embedding with a place for the unknown


@check("41.6")
def check_embed(embed, rng: Generator) -> None:
    """Look names up that repeat, are new or missing, and hold the slopes to those of a loss."""
    for _ in range(2):
        levels = [f"{letter}{number}" for number, letter in enumerate(rng.permutation(list("QXBMA")))]
        size, rows = int(rng.integers(2, 5)), int(rng.integers(12, 20))
        table = rng.normal(size=(len(levels) + 1, size))
        names = [
            *rng.choice([*levels[:-1], "SBN", "ANC"], rows).tolist(),
            None,
            nan,
            levels[0],
            levels[0],
            "SBN",
            "SBN",
        ]
        upstream = rng.normal(size=(len(names), size))
        given = table.copy()
        parts = embed(list(levels), given, list(names), upstream.copy())
        assert isinstance(parts, tuple | list) and len(parts) == 2, (
            f"Return the vectors and the slopes of the table: this is {type_name(parts)}."
        )
        vectors, slopes = (np.asarray(part, float) for part in parts)
        assert np.array_equal(given, table), "The table that was passed in has changed: give its slopes, take no step."
        _assert_vectors(vectors, levels, table, names)
        _assert_table_slopes(slopes, levels, table, names, upstream)


def _place(name: Any, levels: list[str]) -> int:
    return levels.index(name) + 1 if name in levels else 0


def _assert_vectors(vectors: np.ndarray, levels: list[str], table: np.ndarray, names: list) -> None:
    shape = (len(names), table.shape[1])
    assert vectors.shape == shape, f"The vectors have the shape {vectors.shape}: {shape} is one row for each name."
    expected = [table[_place(name, levels)] for name in names]
    other = [not np.array_equal(*pair) for pair in zip(vectors, expected, strict=True)]
    unknown = [name not in levels for name in names]
    assert not np.any(np.array(other) & ~np.array(unknown)), (
        "A known name does not get its own row: the first level has row 1, since row 0 is for the unknown."
    )
    assert not any(other), (
        "A name that is missing or not among the levels gets another vector than row 0, which is kept for it."
    )


def _assert_table_slopes(
    slopes: np.ndarray, levels: list[str], table: np.ndarray, names: list, upstream: np.ndarray
) -> None:
    assert slopes.shape == table.shape, (
        f"The slopes have the shape {slopes.shape}, the table has {table.shape}: one slope for each of its numbers."
    )
    expected, often = np.zeros(table.shape), np.zeros(len(table))
    last = np.zeros(table.shape)
    for name, row in zip(names, upstream, strict=True):
        expected[_place(name, levels)] += row
        last[_place(name, levels)] = row
        often[_place(name, levels)] += 1
    assert not np.allclose(slopes, last), (
        f"A level that occurs {int(often.max())} times has the slopes of one of its rows only: each row is to blame. "
        "With a list of places that repeat, `+=` and `=` write each place once."
    )
    assert np.allclose(slopes[0], expected[0]) or not np.allclose(slopes[1:], expected[1:]), (
        "The row of the unknown has other slopes than its names give it: a missing or new name teaches it like a known "
        "one."
    )
    mean = expected / np.maximum(often, 1)[:, None]
    assert not np.allclose(slopes, mean), (
        "The slopes are the means over the rows of a level. The loss changes through each of them: add."
    )
    assert np.allclose(slopes, expected, rtol=1e-9, atol=1e-12), (
        "The slopes are not those of the loss: add up the rows of `upstream` for each row of the table; a level that "
        "does not occur gets 0."
    )
