"""Four ways to forecast the disruption of a flight, behind one interface.

=============  ======================================================================================
name           what it is
=============  ======================================================================================
``base_rate``  the share of disrupted flights in the training rows, for every flight: the bar to clear
``logistic``   regularised logistic regression on one-hot codes and standardised numbers
``boosting``   histogram gradient boosting, which takes categories and missing values as they are
``network``    a Keras network that learns an embedding of each origin, destination and carrier
=============  ======================================================================================

``train`` fits one of them, ``calibrate`` mends its probabilities on later flights, ``evaluate`` says how good it is
and how sure we are of that, ``choose_threshold`` turns a probability into a decision by what mistakes cost. The
defaults were chosen on July and August 2013 after training on January to June.

A category that the training rows do not have (a new carrier, a new destination) is treated as missing, and every
model answers; ``Model.unknown`` tells which ones they are, so that the service can count them.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from helpers.disruption.features import CATEGORIES
from helpers.metrics import (
    Interval,
    Ranking,
    bootstrap_days,
    bootstrap_days_mean,
    decision_costs,
    expected_calibration_error,
)

Features = pd.DataFrame | Mapping[str, Sequence[float | str]]  # columns, as ``OperationsState.columns`` gives them
Row = Mapping[str, float | str]  # the features of one flight, as ``OperationsState.features`` gives them
Method = Literal["isotonic", "sigmoid"]

CREDIBLE_AUC = 0.80  # at a horizon of 2 h; what leaks scores above it, what is honest below
FEW_ROWS = 5_000  # up to which a second thread costs more than it does
TINY = 1e-6  # forecasts are kept this far from 0 and 1 where a logarithm is taken


# From features to a matrix


class Encoder:
    """Turns features into a matrix of numbers, a category into the place it had in the training rows.

    A missing value is NaN, and so is a category that the training rows do not have. The categories come first.
    """

    def __init__(self, columns: Sequence[str], codes: dict[str, dict[str, int]]) -> None:
        """Take the columns in their order and the code of each category of those that are not numbers."""
        self.columns = list(columns)
        self.codes = codes

    @classmethod
    def learn(cls, features: pd.DataFrame) -> Self:
        """Learn the columns and the categories that occur, in alphabetical order.

        A column without any value teaches nothing and is left out: nobody measured a gust in 2023.
        """
        useful = [name for name in features if features[name].notna().any()]
        categories = [name for name in useful if name in CATEGORIES]
        numbers = [name for name in useful if name not in CATEGORIES]
        known = {name: sorted({str(value) for value in features[name].dropna().unique()}) for name in categories}
        codes = {name: {value: code for code, value in enumerate(values)} for name, values in known.items()}
        return cls([*categories, *numbers], codes)

    def matrix(self, features: Features) -> np.ndarray:
        """The matrix (flights x columns). Raises ValueError when a column is missing."""
        absent = [name for name in self.columns if name not in features]
        if absent:
            raise ValueError(f"the features lack {', '.join(absent)}: build them as for the training")
        return np.column_stack([self.numbers(name, features[name]) for name in self.columns])

    def numbers(self, name: str, column: Sequence[float | str]) -> ArrayLike:
        """A column as it stands in the matrix."""
        if name not in self.codes:
            return np.asarray(column, "float64")
        known = self.codes[name]
        if not isinstance(column, pd.Series):
            return [known.get(value, np.nan) for value in column]
        # Each value of a long column is looked up once; the last code, -1 of a missing value, is NaN.
        places, values = pd.factorize(column)
        return np.array([*(known.get(value, np.nan) for value in values), np.nan])[places]


class Model(ABC):
    """Forecasts P(disrupted) from features; subclasses say how, on the matrix that the encoder makes."""

    name: str
    encoder: Encoder

    def predict_proba(self, features: Features) -> np.ndarray:
        """P(disrupted) of each flight, one number each."""
        return self.score(self.encoder.matrix(features))

    def predict_rows(self, rows: Sequence[Row]) -> np.ndarray:
        """The same for flights that come as one mapping each, all with the same features."""
        return self.predict_proba({name: [row[name] for row in rows] for name in rows[0]})

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that the model wants."""
        return tuple(self.encoder.columns)

    def unknown(self, row: Row) -> list[str]:
        """The columns in which a flight has a category that the training rows do not have."""
        return [name for name, known in self.encoder.codes.items() if row[name] not in known]

    @abstractmethod
    def score(self, matrix: np.ndarray) -> np.ndarray:
        """P(disrupted) for each row of the encoder's matrix."""


class Candidate(Model):
    """A model that can be fitted."""

    def fit(self, features: pd.DataFrame, target: ArrayLike) -> Self:
        """Learn from flights and whether each was disrupted.

        Raises ValueError when all had the same outcome, since there is nothing to tell apart then.
        """
        outcome = np.asarray(target, bool)
        if len(np.unique(outcome)) < 2:
            raise ValueError(f"{len(outcome)} training flights have no two outcomes: take a longer window")
        self.encoder = Encoder.learn(features)
        self.fit_matrix(self.encoder.matrix(features), outcome)
        return self

    @abstractmethod
    def fit_matrix(self, matrix: np.ndarray, outcome: np.ndarray) -> None:
        """Learn from the encoder's matrix."""


# The candidates


@dataclass
class BaseRate(Candidate):
    """Says the same of every flight: the share that was disrupted in training."""

    name: ClassVar[str] = "base_rate"
    rate: float = field(default=np.nan, init=False)

    def fit_matrix(self, matrix: np.ndarray, outcome: np.ndarray) -> None:
        """Count."""
        self.rate = float(outcome.mean())

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """The rate, as often as there are rows."""
        return np.full(len(matrix), self.rate)


@dataclass
class Logistic(Candidate):
    """Regularised logistic regression; ``strength`` weighs the data against the penalty (scikit-learn's C)."""

    name: ClassVar[str] = "logistic"
    strength: float = 0.01
    pipeline: Pipeline = field(default=None, init=False, repr=False)

    def fit_matrix(self, matrix: np.ndarray, outcome: np.ndarray) -> None:
        """Fit the pipeline."""
        coded = len(self.encoder.codes)
        numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        # Rare categories share one column, and unknown ones join them.
        one_hot = OneHotEncoder(min_frequency=100, handle_unknown="infrequent_if_exist", sparse_output=False)
        columns = ColumnTransformer(
            [("categories", one_hot, slice(0, coded)), ("numbers", numbers, slice(coded, matrix.shape[1]))]
        )
        self.pipeline = make_pipeline(columns, LogisticRegression(C=self.strength, max_iter=1000))
        self.pipeline.fit(matrix, outcome)

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """The second class is True, disrupted."""
        return self.pipeline.predict_proba(matrix)[:, 1]


@dataclass
class Boosting(Candidate):
    """Histogram gradient boosting.

    All rows and columns take part in every tree. So up to 200,000 rows neither a seed nor the order of the rows plays
    a part; above, the bins come from a sample of positions, and both do (lesson 52). More and larger trees gained less
    than a thousandth in Brier score on July and August.
    """

    name: ClassVar[str] = "boosting"
    learning_rate: float = 0.05
    max_iter: int = 150
    max_leaf_nodes: int = 15
    min_samples_leaf: int = 200
    trees: HistGradientBoostingClassifier = field(default=None, init=False, repr=False)

    def fit_matrix(self, matrix: np.ndarray, outcome: np.ndarray) -> None:
        """Fit the trees; early stopping would hold out random rows, and those share days with the training rows."""
        self.trees = HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.max_iter,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            early_stopping=False,
            random_state=0,
            categorical_features=list(range(len(self.encoder.codes))),
        )
        # Column after column in memory: the trees sort each for its bins.
        self.trees.fit(np.asfortranarray(matrix), outcome)
        # Its own encoder would turn each code into itself, in half of the time that a prediction takes.
        self.trees._preprocessor = None

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """As ``predict_proba`` of the trees. Few rows take one thread: two would wait for each other at each tree."""
        threads = 1 if len(matrix) <= FEW_ROWS else None
        return expit(self.trees._raw_predict(matrix, threads))[:, 0]


@dataclass
class Network(Candidate):
    """A small Keras network: an embedding for each category, two dense layers, one output.

    The same seed gives the same digits. TensorFlow is imported when the network is fitted or loaded.
    """

    name: ClassVar[str] = "network"
    epochs: int = 6
    batch: int = 1024
    seed: int = 0
    centre: np.ndarray = field(default=None, init=False, repr=False)
    scale: np.ndarray = field(default=None, init=False, repr=False)
    net: Any = field(default=None, init=False, repr=False)

    def fit_matrix(self, matrix: np.ndarray, outcome: np.ndarray) -> None:
        """Fit by stochastic gradient descent, the rows in a new order in each epoch."""
        numbers = matrix[:, len(self.encoder.codes) :]
        self.centre, self.scale = centre_and_scale(numbers)
        inputs = self.inputs(matrix)
        sizes = [len(codes) for codes in self.encoder.codes.values()]
        self.net = embedding_network(sizes, inputs[-1].shape[1], self.seed)
        order = np.random.default_rng(self.seed)
        for _ in range(self.epochs):
            rows = order.permutation(len(outcome))
            shuffled = [part[rows] for part in inputs]
            self.net.fit(shuffled, outcome[rows], batch_size=self.batch, shuffle=False, verbose=0)

    def inputs(self, matrix: np.ndarray) -> list[np.ndarray]:
        """What the network reads: a code for each category (0: unknown), then numbers and which of them are missing."""
        coded = len(self.encoder.codes)
        codes = [np.nan_to_num(column + 1).astype("int32") for column in matrix[:, :coded].T]
        numbers = (matrix[:, coded:] - self.centre) / self.scale
        # Far outside what it was trained on the network would be bold without reason.
        known = np.clip(np.nan_to_num(numbers), -5, 5)
        return [*codes, np.hstack([known, np.isnan(numbers)]).astype("float32")]

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """One pass; a direct call is quicker for one flight than Keras's ``predict``."""
        return np.asarray(self.net(self.inputs(matrix), training=False), "float64")[:, 0]

    def __getstate__(self) -> dict[str, Any]:
        """All but the network, which has a file format of its own."""
        return {**self.__dict__, "net": None}


def centre_and_scale(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, missing values left out; 0 and 1 where nothing varies."""
    known = pd.DataFrame(numbers)
    scale = known.std().fillna(0).to_numpy()
    return known.mean().fillna(0).to_numpy(), np.where(scale > 0, scale, 1.0)


def embedding_network(sizes: Sequence[int], numbers: int, seed: int) -> Any:
    """A compiled network for categories of these sizes and this many numbers.

    Each category gets a vector about as long as the fourth root of its size, three times over; code 0 is the unknown.
    """
    keras = import_keras()
    seeds = iter(range(seed * 100, seed * 100 + 100))  # each layer its own, so that no global seed is set
    start = keras.initializers.GlorotUniform
    codes = [keras.Input((), dtype="int32") for _ in sizes]
    rest = keras.Input((numbers,))
    vectors = [
        keras.layers.Embedding(size + 1, round(3 * size**0.25), embeddings_initializer=start(seed=next(seeds)))(code)
        for size, code in zip(sizes, codes, strict=True)
    ]
    hidden = keras.layers.Concatenate()([*vectors, rest])
    for units in (64, 32):
        hidden = keras.layers.Dense(units, "relu", kernel_initializer=start(seed=next(seeds)))(hidden)
        hidden = keras.layers.Dropout(0.2, seed=next(seeds))(hidden)
    output = keras.layers.Dense(1, "sigmoid", kernel_initializer=start(seed=next(seeds)))(hidden)
    net = keras.Model([*codes, rest], output)
    net.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    return net


def import_keras() -> ModuleType:
    """Keras on TensorFlow, on the processor, without the noise of the first import (5-10 s)."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    os.environ.update(quiet | {"KERAS_BACKEND": "tensorflow"})
    with silent_stderr():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices()  # the first look at the devices is noisy too
        tf.config.experimental.enable_op_determinism()
        with suppress(RuntimeError):  # once TensorFlow has computed, it keeps its threads
            # In networks of this size they wait for each other, and sums would depend on the number of cores.
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
    return keras


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Throw away what is written to descriptor 2: C++ libraries write there past ``sys.stderr``."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


MODELS: dict[str, type[Candidate]] = {kind.name: kind for kind in (BaseRate, Logistic, Boosting, Network)}


def train(name: str, features: pd.DataFrame, target: ArrayLike, **params: Any) -> Candidate:
    """Fit the model of this name, with its defaults or other parameters.

    Raises ValueError for an unknown name and for a target without two outcomes.
    """
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}: take one of {', '.join(MODELS)}")
    return MODELS[name](**params).fit(features, target)


# Calibration


@dataclass
class Calibrated(Model):
    """A model whose probabilities go through a curve that was fitted on other flights; see ``calibrate``."""

    model: Model
    curve: IsotonicRegression | LogisticRegression

    @property
    def name(self) -> str:
        """Name of the model inside."""
        return self.model.name

    @property
    def encoder(self) -> Encoder:
        """The encoder of the model inside."""
        return self.model.encoder

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """The curve's value at the model's probability."""
        raw = self.model.score(matrix)
        if isinstance(self.curve, IsotonicRegression):
            return self.curve.predict(raw)
        return self.curve.predict_proba(log_odds(raw))[:, 1]


def calibrate(model: Model, features: pd.DataFrame, target: ArrayLike, method: Method = "isotonic") -> Calibrated:
    """Fit the curve from forecast to observed frequency on flights that the model was not trained on.

    ``sigmoid`` moves and stretches the log-odds: two numbers, so a few weeks are enough. Platt, "Probabilistic outputs
    for support vector machines", 1999. ``isotonic`` takes any rising curve, and wants more flights. Zadrozny and
    Elkan, "Transforming classifier scores into accurate multiclass probability estimates", 2002.
    """
    raw, outcome = model.predict_proba(features), np.asarray(target, bool)
    if method == "isotonic":
        return Calibrated(model, IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(raw, outcome))
    if method == "sigmoid":
        return Calibrated(model, LogisticRegression(C=np.inf).fit(log_odds(raw), outcome))
    raise ValueError(f"there is no calibration {method!r}: take isotonic or sigmoid")


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Log-odds as the one column of a matrix."""
    return logit(np.clip(probability, TINY, 1 - TINY))[:, None]


# Decisions


@dataclass(frozen=True)
class Costs:
    """What a wrong decision costs, in euros a flight.

    The euros are a stated assumption of the course, to be replaced by the figures of whoever decides: a false alarm
    costs a message and a gate agent's minutes, a miss the rebooking that nobody prepared. Their ratio, one to five,
    sets the threshold; the amounts scale the bill.
    """

    false_alarm: float = 1.0
    miss: float = 5.0

    def __post_init__(self) -> None:
        """Refuse costs that are not above zero."""
        for cost in (self.false_alarm, self.miss):
            if not 0 < cost < np.inf:
                raise ValueError(f"a cost of {cost} euros cannot set a threshold: give an amount above zero")

    @property
    def threshold(self) -> float:
        """The probability from which on flagging is cheaper, if probabilities are to be believed.

        Elkan, "The foundations of cost-sensitive learning", 2001.
        """
        return self.false_alarm / (self.false_alarm + self.miss)

    def expected(self, probability: float, flagged: bool) -> float:
        """Expected cost of a decision on one flight, in euros."""
        return self.false_alarm * (1 - probability) if flagged else self.miss * probability


def choose_threshold(
    target: ArrayLike, probability: ArrayLike, cost_false_alarm: float = 1.0, cost_miss: float = 5.0
) -> float:
    """The threshold at which these flights would have cost least; a flight is flagged at or above it.

    Choose it on flights that the model was not trained on. Just above 1 means: flag none. Raises ValueError for no
    flights and for costs that are not above zero.
    """
    costs = Costs(cost_false_alarm, cost_miss)
    outcome, score = np.asarray(target, bool), np.asarray(probability, "float64")
    if not len(score):
        raise ValueError("there are no flights to choose a threshold on")
    order = np.argsort(-score, kind="stable")
    outcome, score = outcome[order], score[order]
    # Flag the first flight, the first two, ...: each adds a false alarm or takes a miss away.
    change = np.where(outcome, -costs.miss, costs.false_alarm).cumsum()
    last_of_ties = np.append(score[1:] != score[:-1], True)
    cheapest = np.where(last_of_ties, change, np.inf).argmin()
    return float(score[cheapest]) if change[cheapest] < 0 else float(np.nextafter(1, 2))


# Evaluation


class Evaluation(NamedTuple):
    """How good forecasts were, each measure with its interval by days.

    ``roc_auc`` is the chance that a disrupted flight has a higher forecast than an undisrupted one; ``cost_per_1000``
    is in euros, at ``threshold``. The higher the better up to ``average_precision``, the lower from ``brier`` on.
    """

    flights: int
    days: int
    disrupted_share: float
    threshold: float
    roc_auc: Interval
    average_precision: Interval
    brier: Interval
    log_loss: Interval
    calibration_error: Interval
    cost_per_1000: Interval

    def intervals(self) -> dict[str, Interval]:
        """The measures that have an interval, by name."""
        return {name: value for name, value in self._asdict().items() if isinstance(value, Interval)}


def evaluate(
    target: ArrayLike,
    probability: ArrayLike,
    days: ArrayLike,
    costs: Costs | None = None,
    threshold: float | None = None,
    n_boot: int = 200,
    seed: int = 0,
) -> Evaluation:
    """Measure forecasts on flights whose outcome and local day are known.

    Without a threshold, that of ``Costs.threshold`` is taken. Raises ValueError for fewer than two days.
    """
    costs = costs or Costs()
    threshold = costs.threshold if threshold is None else threshold
    y, p, day = np.asarray(target, bool), np.asarray(probability, "float64"), pd.Series(np.asarray(days))
    ranking = Ranking(y, p)
    bill = 1000 * decision_costs(y, p >= threshold, costs.false_alarm, costs.miss)
    resampling = {"n_boot": n_boot, "seed": seed}
    return Evaluation(
        flights=len(y),
        days=day.nunique(),
        disrupted_share=float(y.mean()),
        threshold=threshold,
        roc_auc=bootstrap_days(ranking.roc_auc, day, **resampling),
        average_precision=bootstrap_days(ranking.average_precision, day, **resampling),
        brier=bootstrap_days_mean(squared_error(y, p), day, **resampling),
        log_loss=bootstrap_days_mean(log_losses(y, p), day, **resampling),
        calibration_error=bootstrap_days(expected_calibration_error, day, y, p, **resampling),
        cost_per_1000=bootstrap_days_mean(bill, day, **resampling),
    )


def squared_error(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Loss of each flight; its mean is the Brier score."""
    return (probability - target) ** 2


def log_losses(target: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Loss of each flight; its mean is the log loss."""
    believed = np.where(target, probability, 1 - probability)
    return -np.log(np.clip(believed, TINY, 1))


class TooGoodToBeTrue(Exception):
    """The model knows something that it cannot have known at the decision time."""


def refuse_too_good(auc: Interval, limit: float = CREDIBLE_AUC) -> None:
    """Raise TooGoodToBeTrue when even the low end of the interval is above what two hours' notice allows.

    The best honest score of 2013 is .76, a departure delay among the features gives .92. A lucky month can reach .80,
    which is why the low end decides.
    """
    if auc.low > limit:
        raise TooGoodToBeTrue(
            f"ROC AUC {auc} is above {limit}, more than two hours' notice allows: look for a feature from the future"
        )


# Why


def reference_statistics(features: pd.DataFrame) -> dict[str, dict[str, float | str]]:
    """What is usual in each column: the typical value (median, or the commonest category) and the share missing."""
    return {
        name: {"typical": typical(column), "missing": float(column.isna().mean())} for name, column in features.items()
    }


def typical(column: pd.Series) -> float | str:
    """The median of numbers (NaN when all are missing), the commonest of categories."""
    return column.mode().iloc[0] if column.name in CATEGORIES else float(column.median())


def contributions(model: Model, row: Row, usual: Row) -> dict[str, float]:
    """How much each feature moves a flight's probability: what it is, less what it would be with the usual value.

    One feature at a time, so effects that two share are told twice or not at all; the sum is not the difference
    from a usual flight. It says what the model would answer, not what would happen. Largest first.
    """
    instead = [{**row, name: usual[name]} for name in model.columns]
    own, *others = model.predict_rows([row, *instead])
    moved = {name: float(own - other) for name, other in zip(model.columns, others, strict=True)}
    return dict(sorted(moved.items(), key=lambda item: -abs(item[1])))
