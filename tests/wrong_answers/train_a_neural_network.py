"""Wrong answers to the exercises of lesson 41: the mistakes that learners make, and the words that must meet them."""

import numpy as np
from scipy.special import expit

from tests.wrong_answers import wrong

# 41.1


def logits(net, X):
    """Return the logits as the task wants them."""
    return np.maximum(X @ net["W1"] + net["b1"], 0) @ net["w2"] + net["b2"]


def loss_from(z, y):
    """Return the mean log loss, computed from the logits."""
    return np.mean(np.logaddexp(0, z) - y * z)


@wrong("41.1", says="exactly 0 or 1")
def by_the_textbook(net, X, y):
    """Takes the logarithm of the probability."""
    z = logits(net, X)
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return z, -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


@wrong("41.1", says="exactly 0 or 1")
def exponential_overflows(net, X, y):
    """Uses the logit, and lets its exponential overflow."""
    z = logits(net, X)
    with np.errstate(all="ignore"):
        return z, np.mean(np.log(1 + np.exp(z)) - y * z)


@wrong("41.1", says="sure and wrong")
def cut_off(net, X, y):
    """Keeps the probability away from 0 and 1."""
    z = logits(net, X)
    p = np.clip(expit(z), 1e-12, 1 - 1e-12)
    return z, -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


@wrong("41.1", says="that is the sum")
def summed(net, X, y):
    """Adds the losses up."""
    z = logits(net, X)
    return z, np.sum(np.logaddexp(0, z) - y * z)


@wrong("41.1", says="without a bend")
def straight(net, X, y):
    """Forgets the ReLU."""
    z = (X @ net["W1"] + net["b1"]) @ net["w2"] + net["b2"]
    return z, loss_from(z, y)


@wrong("41.1", says="broadcast to a square")
def column_of_logits(net, X, y):
    """Keeps the logits as a column, so that the loss is taken over all pairs of flights."""
    z = logits(net, X)[:, None]
    return z, loss_from(z, y)


@wrong("41.1", says="add b1")
def without_bias(net, X, y):
    """Forgets the biases of the hidden units."""
    z = np.maximum(X @ net["W1"], 0) @ net["w2"] + net["b2"]
    return z, loss_from(z, y)


@wrong("41.1", says="less y times z")
def other_sign(net, X, y):
    """Turns the outcomes round."""
    z = logits(net, X)
    return z, loss_from(z, 1 - y) + 1


# 41.2


def slopes_with(
    net, X, y, l2, bend1=lambda h, a: 1 - h**2, bend2=lambda h, a: 1 - h**2, back=None, mean=True, penalised="W1 W2 w3"
):
    """Return the slopes, with one of the steps replaced."""
    a1 = X @ net["W1"] + net["b1"]
    h1 = np.tanh(a1)
    a2 = h1 @ net["W2"] + net["b2"]
    h2 = np.tanh(a2)
    error = (expit(h2 @ net["w3"] + net["b3"]) - y) / (len(y) if mean else 1)
    blame2 = np.outer(error, net["w3"]) * bend2(h2, a2)
    blame1 = blame2 @ (net["W2"].T if back is None else back(net)) * bend1(h1, a1)
    slopes = {
        "W1": X.T @ blame1,
        "b1": blame1.sum(axis=0),
        "W2": h1.T @ blame2,
        "b2": blame2.sum(axis=0),
        "w3": h2.T @ error,
        "b3": error.sum(),
    }
    return {name: slope + l2 * net[name] * (name in penalised.split()) for name, slope in slopes.items()}


@wrong("41.2", says="the slopes of W1, b1 are not")
def first_bend_forgotten(net, X, y, l2):
    """Carries the blame past the first layer's tanh."""
    return slopes_with(net, X, y, l2, bend1=lambda h, a: 1)


@wrong("41.2", says="the slopes of W1, b1, W2, b2 are not")
def bend_of_the_sum(net, X, y, l2):
    """Squares what goes into the tanh, not what comes out."""
    return slopes_with(net, X, y, l2, bend1=lambda h, a: 1 - a**2, bend2=lambda h, a: 1 - a**2)


@wrong("41.2", says="the slopes of W1, b1, W2, b2 are not")
def slope_of_relu(net, X, y, l2):
    """Uses the slope of another bend, that of the lesson."""
    return slopes_with(net, X, y, l2, bend1=lambda h, a: a > 0, bend2=lambda h, a: a > 0)


@wrong("41.2", says="the loss is their mean")
def not_averaged(net, X, y, l2):
    """Adds up over the flights."""
    return slopes_with(net, X, y, l2, mean=False)


@wrong("41.2", says="counts no biases")
def biases_penalised(net, X, y, l2):
    """Lets the penalty pull on the biases too."""
    return slopes_with(net, X, y, l2, penalised="W1 b1 W2 b2 w3 b3")


@wrong("41.2", says="with one of")
def penalty_doubled(net, X, y, l2):
    """Forgets the half."""
    return slopes_with(net, X, y, 2 * l2)


@wrong("41.2", says="with one of")
def penalty_forgotten(net, X, y, l2):
    """Leaves the penalty out."""
    return slopes_with(net, X, y, 0)


@wrong("41.2", says="with one of")
def last_layer_not_penalised(net, X, y, l2):
    """Penalises the hidden layers only."""
    return slopes_with(net, X, y, l2, penalised="W1 W2")


@wrong("41.2", says="have the shape")
def turned(net, X, y, l2):
    """Returns a matrix that is turned."""
    found = slopes_with(net, X, y, l2)
    return found | {"W2": found["W2"].T}


# 41.3


@wrong("41.3", says="in another order")
def broken_train(net, gradients, X, y, epochs, batch, rate, rng):
    """The code of the task."""
    for _ in range(epochs):
        rng.shuffle(X)
        for start in range(0, len(y), batch):
            rows = slice(start, start + batch)
            for name in net:
                net[name] -= rate * gradients(net, X[rows], y[rows])[name]
    return net


@wrong("41.3", says="outcome of another")
def two_orders(net, gradients, X, y, epochs, batch, rate, rng):
    """Draws one order for the rows and another for the outcomes."""
    for _ in range(epochs):
        left, right = rng.permutation(X), rng.permutation(y)
        for start in range(0, len(y), batch):
            slope = gradients(net, left[start : start + batch], right[start : start + batch])
            net = {name: net[name] - rate * slope[name] for name in net}
    return net


def in_batches(net, gradients, X, y, batch, rate, order):
    """Return the network after one epoch in the given order."""
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        slope = gradients(net, X[rows], y[rows])
        net = {name: net[name] - rate * slope[name] for name in net}
    return net


@wrong("41.3", says="has changed")
def in_place(net, gradients, X, y, epochs, batch, rate, rng):
    """Writes into the arrays of the caller."""
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(y), batch):
            rows = order[start : start + batch]
            slope = gradients(net, X[rows], y[rows])
            for name in net:
                net[name] -= rate * slope[name]
    return net


@wrong("41.3", says="The slopes were taken")
def block_by_block(net, gradients, X, y, epochs, batch, rate, rng):
    """Repairs the order, and takes the slopes anew for each block."""
    net = {name: value.copy() for name, value in net.items()}
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(y), batch):
            rows = order[start : start + batch]
            for name in net:
                net[name] = net[name] - rate * gradients(net, X[rows], y[rows])[name]
    return net


@wrong("41.3", says="order of the file")
def not_shuffled(net, gradients, X, y, epochs, batch, rate, rng):
    """Takes the flights as they come."""
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, rate, np.arange(len(y)))
    return net


@wrong("41.3", says="in the same order")
def one_order(net, gradients, X, y, epochs, batch, rate, rng):
    """Draws the order once."""
    order = rng.permutation(len(y))
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, rate, order)
    return net


@wrong("41.3", says="a flight was used between")
def last_batch_dropped(net, gradients, X, y, epochs, batch, rate, rng):
    """Drops the smaller last batch."""
    for _ in range(epochs):
        order = rng.permutation(len(y))[: len(y) // batch * batch]
        net = in_batches(net, gradients, X, y, batch, rate, order)
    return net


@wrong("41.3", says="a flight was used between")
def with_replacement(net, gradients, X, y, epochs, batch, rate, rng):
    """Draws the flights with replacement."""
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, rate, rng.integers(len(y), size=len(y)))
    return net


@wrong("41.3", says="with different seeds give the same orders")
def own_seed(net, gradients, X, y, epochs, batch, rate, rng):
    """Makes a generator of its own, with a fixed seed."""
    own = np.random.default_rng(0)
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, rate, own.permutation(len(y)))
    return net


@wrong("41.3", says="nobody can repeat the training")
def global_generator(net, gradients, X, y, epochs, batch, rate, rng):
    """Draws from NumPy's global generator."""
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, rate, np.random.permutation(len(y)))
    return net


@wrong("41.3", says="another network")
def averaged_again(net, gradients, X, y, epochs, batch, rate, rng):
    """Divides slopes that are means by the size of the batch."""
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, rate / batch, rng.permutation(len(y)))
    return net


@wrong("41.3", says="another network")
def uphill(net, gradients, X, y, epochs, batch, rate, rng):
    """Goes up."""
    for _ in range(epochs):
        net = in_batches(net, gradients, X, y, batch, -rate, rng.permutation(len(y)))
    return net


# 41.4


def patient(net, step, validate, patience, limit, better=lambda loss, least: loss < least, keep=None, reset=True):
    """Return what the task asks for, with one of the steps replaced."""
    keep = keep or (lambda net: {name: value.copy() for name, value in net.items()})
    best, least, waited, losses = {}, np.inf, 0, []
    while waited < patience and len(losses) < limit:
        step(net)
        losses.append(validate(net))
        if better(losses[-1], least):
            best, least = keep(net), losses[-1]
            waited = 0 if reset else waited
        else:
            waited += 1
    return best, losses


@wrong("41.4", says="must be copied")
def no_copy(net, step, validate, patience, limit):
    """Keeps a second name for the same arrays."""
    return patient(net, step, validate, patience, limit, keep=lambda net: net)


@wrong("41.4", says="must be copied")
def shallow_copy(net, step, validate, patience, limit):
    """Copies the dict and not the arrays."""
    return patient(net, step, validate, patience, limit, keep=dict)


@wrong("41.4", says="must be copied")
def last_weights(net, step, validate, patience, limit):
    """Returns the last network, as Keras does unless told otherwise."""
    return net, patient(net, step, validate, patience, limit)[1]


@wrong("41.4", says="in a row")
def counts_all_bad_epochs(net, step, validate, patience, limit):
    """Counts the epochs without a gain in all, not in a row."""
    return patient(net, step, validate, patience, limit, reset=False)


@wrong("41.4", says="an equal one is not below")
def ties_are_gains(net, step, validate, patience, limit):
    """Takes an equal loss for a new least."""
    return patient(net, step, validate, patience, limit, better=lambda loss, least: loss <= least)


@wrong("41.4", says="a NaN neither")
def nan_is_a_gain(net, step, validate, patience, limit):
    """Asks whether the loss is not higher, which NaN never is."""
    return patient(net, step, validate, patience, limit, better=lambda loss, least: not loss >= least)


@wrong("41.4", says="should end after epoch")
def one_too_many(net, step, validate, patience, limit):
    """Waits one epoch longer."""
    return patient(net, step, validate, patience + 1, limit)


@wrong("41.4", says="should end after epoch")
def compares_with_the_last(net, step, validate, patience, limit):
    """Compares a loss with the one before it, not with the least."""
    seen = []

    def better(loss, least):
        seen.append(loss)
        return len(seen) == 1 or loss < seen[-2]

    return patient(net, step, validate, patience, limit, better=better)


# 41.5


def named(run, large=0.4, small=0.05, over=0.04):
    """Return the cause that the curves alone suggest."""
    train, watched = np.array(run["train"]), np.array(run["watched"])
    if not np.isfinite(train).all() or np.diff(train).max() > large:
        return "rate too large"
    if train[0] - train[-1] < small:
        return "rate too small"
    if watched[-1] - watched.min() > over:
        return "overfitting"
    return "healthy"


def without_overfitting(run):
    """Return the cause of a run, with all overfitting called healthy."""
    if run["spread"] > 10:
        return "inputs not scaled"
    return "weights all alike" if run["different"] == 1 else named(run, over=np.inf)


@wrong("41.5", says="are misnamed")
def always_healthy(run):
    """Sees no trouble."""
    return "healthy"


@wrong("41.5", says="'inputs not scaled'")
def never_looks_at_the_inputs(run):
    """Reads the curves only, and counts the units."""
    return "weights all alike" if run["different"] == 1 else named(run)


@wrong("41.5", says="'weights all alike'")
def never_counts_units(run):
    """Reads the inputs and the curves only."""
    return "inputs not scaled" if run["spread"] > 10 else named(run)


@wrong("41.5", says="'overfitting'")
def watches_the_training_loss(run):
    """Never looks at the later flights."""
    return without_overfitting(run)


@wrong("41.5", says="'rate too small'")
def any_fall_is_learning(run):
    """Calls a loss that falls at all healthy."""
    if run["spread"] > 10:
        return "inputs not scaled"
    return "weights all alike" if run["different"] == 1 else named(run, small=0)


@wrong("41.5", says="none of the causes")
def free_words(run):
    """Answers in words of its own."""
    return "learning rate"


@wrong("41.5", says="'overfitting'")
def long_runs_overfit(run):
    """Tells overfitting by the length of the record, which an older form of the task gave away."""
    return "overfitting" if len(run["train"]) > 100 else without_overfitting(run)


@wrong("41.5", says="was called 'overfitting'")
def wide_networks_overfit(run):
    """Tells overfitting by the number of units."""
    found = without_overfitting(run)
    return "overfitting" if found == "healthy" and run["different"] > 16 else found


# 41.6


def embedded(levels, table, names, upstream, unknown=0, first=1, collect=np.add.at):
    """Return vectors and slopes, with one of the steps replaced."""
    row = {level: place for place, level in enumerate(levels, start=first)}
    places = [row.get(name, unknown) for name in names]
    slopes = np.zeros_like(table)
    collect(slopes, places, upstream)
    return table[places], slopes


@wrong("41.6", says="one of its rows only")
def added_in_place(levels, table, names, upstream):
    """Adds with `+=`, which writes each place once."""

    def collect(slopes, places, upstream):
        slopes[places] += upstream

    return embedded(levels, table, names, upstream, collect=collect)


@wrong("41.6", says="The slopes are the means")
def averaged(levels, table, names, upstream):
    """Takes the mean of the rows of a level."""
    vectors, slopes = embedded(levels, table, names, upstream)
    often = embedded(levels, table, names, np.ones_like(upstream))[1]
    return vectors, slopes / np.maximum(often, 1)


@wrong("41.6", says="another vector than row 0")
def unknown_is_last(levels, table, names, upstream):
    """Gives the unknown the last row."""
    return embedded(levels, table, names, upstream, unknown=-1)


@wrong("41.6", says="the first level has row 1")
def counts_from_zero(levels, table, names, upstream):
    """Gives the first level row 0."""
    return embedded(levels, table, names, upstream, first=0)


@wrong("41.6", says="teaches it like a known")
def unknown_does_not_learn(levels, table, names, upstream):
    """Leaves the slopes of the unknown at 0."""
    vectors, slopes = embedded(levels, table, names, upstream)
    slopes[0] = 0
    return vectors, slopes


@wrong("41.6", says="take no step")
def takes_a_step(levels, table, names, upstream):
    """Moves the table."""
    vectors, slopes = embedded(levels, table, names, upstream)
    table -= 0.1 * slopes
    return vectors, slopes


@wrong("41.6", says="for each of its numbers")
def slopes_of_the_used_rows(levels, table, names, upstream):
    """Returns slopes for the flights, not for the table."""
    return embedded(levels, table, names, upstream)[0], upstream
