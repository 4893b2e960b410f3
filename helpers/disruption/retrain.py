"""When to train a new model, whether it may serve, and when to take it back.

Four questions, asked in this order:

1. *Train now?* A policy answers from what is known at that moment: never, at the start of a month, after an alarm.
2. *On what?* ``split_days``: on the days whose outcomes are known, all of them or the last months, without the last
   28 days. Those are kept for the next question.
3. *Is it better?* ``gate`` compares the new model (the challenger) with the one that serves (the champion) on those
   days, flight by flight. Better is not enough: the gate wants the interval of the gain to lie clear of zero, or every
   second one of two equal models would pass.
4. *Does it do harm?* ``watch`` looks at the first days of a canary, every day, and may stop it on any of them. A test
   that is looked at every day needs limits made for that: a sequential one.

Each answer is a ``Decision`` or a ``Watch``, which hold every number that was used, say it ``in_words`` and are kept as
JSON. Scores are Brier scores, the mean squared error of the forecast probability: 0 is perfect, and a lower one better.

Why 28 days, and in blocks of four? Flights of one day share their weather, and so do days that follow each other: the
gain of a day resembles that of the day before (correlation .2 to .4 in 2013). An interval that takes single days for
independent lets 11 % of the equal models pass that should be 5 %; blocks of four days let 6 % pass.

What is kept for the gate is not trained on, and the newest days are worth most. Retraining each month without a gate
gains .0078 in Brier score from May to December 2013, without the last 28 days of each window only .0057. Hence the
model that serves is trained anew, by the same recipe, with those days: the gate judges the recipe, ``watch`` the model.
So .0062 remains: the price of a gate is the gain that it could not yet tell from luck.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from math import log, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from pydantic import TypeAdapter
from pydantic_core import from_json, to_json
from scipy.stats import norm, t

from helpers.data import Tables
from helpers.disruption.features import CATEGORIES, OPERATIONS, SCHEDULE, WEATHER, build_features, disrupted
from helpers.disruption.messages import HORIZON
from helpers.disruption.model import Costs, Model, reference_statistics, train
from helpers.disruption.parts import Sample
from helpers.disruption.registry import Card, Registry, Window, digest, make_card
from helpers.disruption.stream import ENDS, NEW_YORK, courses, flight_plans
from helpers.metrics import Interval, expected_calibration_error

TEST_DAYS = 28
BLOCK_DAYS = 4
FEATURES = [*SCHEDULE, *WEATHER, *OPERATIONS]
COMPLETE = 0.99  # share of a day's outcomes that must be known: those that come early are not like those that come late


# Train now?


@dataclass(frozen=True)
class Known:
    """What a policy may look at. ``trained_at`` is when a model was trained last, whether it came to serve or not."""

    at: datetime
    trained_at: datetime
    alarms: Sequence[datetime] = ()


Policy = Callable[[Known], bool]


def never(known: Known) -> bool:
    """Leave the model as it is: the yardstick for the other policies."""
    return False


def calendar(known: Known) -> bool:
    """Train when a month has begun since the last training."""
    return month_of(known.at) > month_of(known.trained_at)


def on_alarm(known: Known, rest: timedelta = timedelta(days=7)) -> bool:
    """Train when an alarm rang since the last training, which is ``rest`` ago at least.

    Without the rest, an alarm that training cannot silence would have a model trained every day.
    """
    rang = any(known.trained_at < alarm <= known.at for alarm in known.alarms)
    return rang and known.at - known.trained_at >= rest


def month_of(moment: datetime) -> tuple[int, int]:
    """Year and month on New York's clock."""
    local = moment.astimezone(NEW_YORK)
    return local.year, local.month


POLICIES: Mapping[str, Policy] = {"never": never, "calendar": calendar, "alarm": on_alarm}


def policy(name: str) -> Policy:
    """The policy of that name. Raises ValueError for a name that is none."""
    if name not in POLICIES:
        raise ValueError(f"there is no policy {name!r}: choose from {', '.join(POLICIES)}")
    return POLICIES[name]


# On what?


def midnight(day: date) -> pd.Timestamp:
    """The beginning of a day in New York, in UTC."""
    return pd.Timestamp(day, tz=NEW_YORK).tz_convert("UTC")


def history(tables: Tables) -> pd.DataFrame:
    """The year's flights in bulk, in order of decision time: features, outcome and when it was known; takes seconds.

    Columns: ``FEATURES``, flight_id, day (midnight of the scheduled date in New York), scheduled_departure, at,
    known_at, disrupted. Needs tables that are ``contract.mended``.
    """
    plans = flight_plans(tables)
    told = courses(tables, plans)
    known_at = told[told.kind.isin(ENDS)].set_index("flight_id")["at"]
    flights = build_features(tables).assign(
        flight_id=plans.flight_id,
        day=pd.to_datetime(tables.flights[["year", "month", "day"]]),
        scheduled_departure=plans.scheduled_departure,
        at=plans.scheduled_departure - HORIZON,
        known_at=plans.flight_id.map(known_at),
        disrupted=disrupted(tables.flights),
    )
    # In two sorts, which is quicker than in one by two keys.
    return typed(flights).sort_values("flight_id").sort_values("at", kind="stable", ignore_index=True)


def typed(flights: pd.DataFrame) -> pd.DataFrame:
    """One type for each column, wherever the flights come from."""
    numbers = [name for name in FEATURES if name not in CATEGORIES]
    types = dict.fromkeys(CATEGORIES, "str") | dict.fromkeys(numbers, "float64") | {"disrupted": "boolean"}
    return flights.astype(types).astype({"day": "datetime64[us]", "known_at": "datetime64[us, UTC]"})


class NotEnoughDays(ValueError):
    """Too few days have known outcomes to train on some and to judge on others."""


class Split(NamedTuple):
    """Rows to train on and rows to judge on, as masks over the flights; none is in both."""

    train: np.ndarray
    test: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """The rows of the model that serves after the gate."""
        return self.train | self.test


def split_days(flights: pd.DataFrame, at: datetime, test_days: int = TEST_DAYS, months: int | None = None) -> Split:
    """Keep the last days whose outcomes are known at ``at`` for the gate, and train on those before.

    ``flights`` has the columns day (midnight of the scheduled date in New York) and known_at (when the outcome became
    known; missing if it never did). ``months`` is the length of a sliding window, None for all days so far. A day with
    more than 1 % unknown outcomes is left out. Raises NotEnoughDays when fewer days are left to train on than to judge.
    """
    known = (flights.known_at <= at).astype(bool)
    share = known.groupby(flights.day).mean()
    days = share.index[share >= COMPLETE]
    if len(days) < 2 * test_days:
        raise NotEnoughDays(f"{len(days)} days have known outcomes: wait until there are {2 * test_days}")
    first_test = days[-test_days]
    first_train = days[0] if months is None else first_test - pd.DateOffset(months=months)
    usable = known & flights.day.isin(days)
    test = usable & (flights.day >= first_test)
    train = usable & (flights.day < first_test) & (flights.day >= first_train)
    return Split(train.to_numpy(), test.to_numpy())


# Is it better?


@dataclass(frozen=True)
class Limits:
    """What the gate asks for. The margins say how much worse is still no reason to refuse."""

    false_pass_rate: float = 0.05  # share of challengers, equal to the champion, that pass by luck
    slice_margin: float = 0.01  # Brier score of an origin or a carrier
    slice_flights: int = 300  # fewer flights of a slice mean nothing
    calibration_margin: float = 0.03  # expected calibration error; the season of the 28 days alone moves it by .02
    milliseconds: float = 50.0  # time of one prediction; absolute, since a ratio of short times is noise


@dataclass(frozen=True)
class Scores:
    """One measure of both models on the same flights."""

    champion: float
    challenger: float

    @property
    def change(self) -> float:
        """Challenger less champion: what is below zero is gained."""
        return self.challenger - self.champion


@dataclass(frozen=True)
class Slice:
    """The Brier scores on the flights of one origin or carrier."""

    name: str
    flights: int
    brier: Scores


@dataclass(frozen=True)
class Decision:
    """What the gate saw and said. ``gain`` is the change of the Brier score with its interval; ``spread`` its standard
    deviation over the days. Days are dates in New York, the last one included."""

    at: datetime
    champion: str
    challenger: str
    trained_from: date
    trained_until: date
    judged_from: date
    judged_until: date
    flights: int
    brier: Scores
    gain: Interval
    spread: float
    slices: tuple[Slice, ...]
    calibration: Scores
    milliseconds: Scores
    limits: Limits = field(default_factory=Limits)

    @property
    def worst(self) -> Slice | None:
        """The slice that loses most; None when no slice has enough flights."""
        return max(self.slices, key=lambda one: one.brier.change, default=None)

    @property
    def tests(self) -> dict[str, bool]:
        """What the gate asks, and whether it was so."""
        return {
            "better beyond chance": self.gain.high < 0,
            "no group gets worse": self.worst is None or self.worst.brier.change <= self.limits.slice_margin,
            "as well calibrated": self.calibration.change <= self.limits.calibration_margin,
            "fast enough": self.milliseconds.challenger <= self.limits.milliseconds,
        }

    @property
    def passed(self) -> bool:
        """Whether the challenger may serve."""
        return all(self.tests.values())

    def in_words(self) -> str:
        """The decision in one paragraph, for somebody who has to answer for it."""
        failed = [test for test, kept in self.tests.items() if not kept]
        end = (
            "It passes and may serve." if self.passed else f"It does not pass ({not_kept(failed)}); the old one stays."
        )
        return " ".join([self._comparison(), self._gain(), self._groups(), self._rest(), end])

    def _comparison(self) -> str:
        """Who was compared, and on what."""
        return (
            f"{self.at:%Y-%m-%d}: {self.challenger}, trained on the flights of {self.trained_from} to "
            f"{self.trained_until}, was compared with {self.champion}, which serves now, on "
            f"{self.flights:,} flights of {self.judged_from} to {self.judged_until}."
        )

    def _gain(self) -> str:
        """How much better or worse, and how sure."""
        sure = f"{1 - self.limits.false_pass_rate:.0%}"
        bound = f"at least {-self.gain.high:.4f} better" if self.gain.high < 0 else "not beyond doubt better"
        word = "better" if self.gain.value < 0 else "worse"
        return (
            f"The Brier score, the mean squared error of the forecast probability, is {self.brier.challenger:.4f} "
            f"against {self.brier.champion:.4f}: {abs(self.gain.value):.4f} {word}, and with {sure} confidence {bound}."
        )

    def _groups(self) -> str:
        """Whether somebody pays for the gain of the others."""
        if self.worst is None:
            return f"No airport or carrier has the {self.limits.slice_flights} flights that it takes to judge it."
        word = "loses most" if self.worst.brier.change > 0 else "gains least"
        return (
            f"Of the airports and carriers with {self.limits.slice_flights} flights or more {self.worst.name} {word} "
            f"({self.worst.brier.change:+.4f}; up to {self.limits.slice_margin:+.4f} is allowed)."
        )

    def _rest(self) -> str:
        """Calibration and time."""
        gap, time = self.calibration, self.milliseconds
        return (
            f"Forecasts lie {gap.challenger:.3f} from the observed shares, before {gap.champion:.3f}; "
            f"one takes {time.challenger:.1f} ms, before {time.champion:.1f} ms."
        )


def not_kept(tests: Sequence[str]) -> str:
    """The tests that failed, as words in brackets."""
    return "; ".join(f"not {test}" if not test.startswith("no ") else f"not so: {test}" for test in tests)


@dataclass(frozen=True)
class Rival:
    """A model in the gate: what it is called, its probabilities of the flights, the time of one prediction."""

    name: str
    probability: np.ndarray
    milliseconds: float


def gate(
    at: datetime,
    flights: pd.DataFrame,
    champion: Rival,
    challenger: Rival,
    trained: tuple[date, date],
    limits: Limits | None = None,
) -> Decision:
    """Compare the two on flights that neither was trained on; columns day, disrupted, origin and carrier.

    ``trained`` is the challenger's first and last day of training. Raises ValueError when the gate's days overlap it.
    """
    limits = limits or Limits()
    first, last = flights.day.min().date(), flights.day.max().date()
    if trained[1] >= first:
        raise ValueError(
            f"the challenger was trained until {trained[1]}: judge it on later days only, not from {first}"
        )
    target = flights.disrupted.to_numpy("float64")
    errors = Errors(flights, (champion.probability - target) ** 2, (challenger.probability - target) ** 2)
    calibration = [expected_calibration_error(target, rival.probability) for rival in (champion, challenger)]
    return Decision(
        at=at,
        champion=champion.name,
        challenger=challenger.name,
        trained_from=trained[0],
        trained_until=trained[1],
        judged_from=first,
        judged_until=last,
        flights=len(flights),
        brier=errors.brier(),
        gain=errors.gain(1 - 2 * limits.false_pass_rate),
        spread=float(errors.by_day().std()),
        slices=errors.slices(limits.slice_flights),
        calibration=Scores(*calibration),
        milliseconds=Scores(champion.milliseconds, challenger.milliseconds),
        limits=limits,
    )


@dataclass(frozen=True)
class Errors:
    """Squared errors of both models on the same flights: the difference is taken flight by flight.

    Both meet the same storms; what they share cancels, and a difference shows in days instead of years.
    """

    flights: pd.DataFrame
    champion: np.ndarray
    challenger: np.ndarray

    def brier(self, rows: np.ndarray | slice = slice(None)) -> Scores:
        """The mean of some rows."""
        return Scores(float(self.champion[rows].mean()), float(self.challenger[rows].mean()))

    def gain(self, level: float) -> Interval:
        """The change of the Brier score with its interval, from blocks of days."""
        return mean_of_blocks(self.challenger - self.champion, self.flights.day, level)

    def by_day(self) -> pd.Series:
        """The change of each day's Brier score."""
        change = pd.Series(self.challenger - self.champion, index=self.flights.index)
        return change.groupby(self.flights.day).mean()

    def slices(self, least: int) -> tuple[Slice, ...]:
        """The scores of each origin and each carrier with ``least`` flights or more."""
        groups = [
            (str(name), np.flatnonzero(self.flights[column] == name))
            for column in ("origin", "carrier")
            for name in sorted(self.flights[column].unique())
        ]
        return tuple(Slice(name, len(rows), self.brier(rows)) for name, rows in groups if len(rows) >= least)


def mean_of_blocks(values: np.ndarray, days: pd.Series, level: float) -> Interval:
    """The mean over the rows, with an interval that treats blocks of four days as drawn by chance.

    A mean is the ratio of two totals over the blocks; its variance and Student's t are those of cluster sampling
    (Cochran, "Sampling Techniques", 1977, section 9A). A percentile bootstrap (``metrics.bootstrap_days_mean``) is too
    narrow for seven blocks. Raises ValueError for fewer than two blocks.
    """
    number = pd.factorize(days, sort=True)[0] // BLOCK_DAYS
    total, count = np.bincount(number, values), np.bincount(number)
    blocks = len(count)
    if blocks < 2:
        raise ValueError(
            f"{number.size} flights of one block of days have no interval: give more than {BLOCK_DAYS} days"
        )
    mean = total.sum() / count.sum()
    error = sqrt(blocks / (blocks - 1) * ((total - mean * count) ** 2).sum()) / count.sum()
    width = t.ppf((1 + level) / 2, blocks - 1) * error
    return Interval(float(mean), float(mean - width), float(mean + width))


class Recipe(NamedTuple):
    """How a challenger is made: what it is called, the kind of model, and the length of its window in months.

    Without a length it learns from all days so far.
    """

    name: str
    kind: str = "boosting"
    months: int | None = None
    params: Mapping[str, Any] = {}

    @classmethod
    def of(cls, card: Card) -> Self:
        """The recipe of a version, but for the length of its window, which its card tells in days."""
        params = {name: value for name, value in card.params.items() if name not in ("scores", "calibration")}
        return cls(card.name, card.name, params=params)

    def train(self, flights: pd.DataFrame) -> Model:
        """The model of some flights."""
        return train(self.kind, flights[FEATURES], flights.disrupted, **self.params)

    def made(self, card: Card) -> bool:
        """Whether a version with this card comes from this recipe."""
        return card.name == self.kind and card.params.items() >= dict(self.params).items()


class Champion(NamedTuple):
    """The model that serves, and the last day it was trained on."""

    name: str
    model: Model
    trained_until: date


def challenge(
    at: datetime,
    flights: pd.DataFrame,
    champion: Champion,
    recipe: Recipe,
    limits: Limits | None = None,
) -> Decision:
    """Train a challenger on what is known at ``at`` and send it through the gate against the champion.

    ``flights`` has the columns of ``split_days`` and ``gate``, and the features. What passes is then
    trained by the same recipe on ``split_days(...).both``.

    Raises:
        NotEnoughDays: fewer than 28 days are known that lie after the champion's training, or too few before them.
    """
    split = split_days(flights, at, months=recipe.months)
    old, test = flights[split.train], flights[split.test]
    if champion.trained_until >= test.day.min().date():
        raise NotEnoughDays(
            f"{champion.name} was trained until {champion.trained_until}: wait for {TEST_DAYS} later days"
        )
    model = recipe.train(old)
    trained = (old.day.min().date(), old.day.max().date())
    rivals = rival(champion.name, champion.model, test), rival(recipe.name, model, test)
    return gate(at, test, *rivals, trained, limits)


def register(
    registry: Registry, flights: pd.DataFrame, split: Split, recipe: Recipe, costs: Costs | None = None
) -> str:
    """Train by the recipe on all known days and keep the model in the registry; returns the version.

    The card's scores are those of the same recipe on the gate's days, and it says so. Registered again, from the same
    rows, it is the version that is there already: a job that was killed can be started anew.
    """
    old, test, every = (flights[rows] for rows in (split.train, split.test, split.both))
    digest_of_rows = digest(every[FEATURES], every.disrupted)
    for version in registry.versions():
        if registry.find(version).tags["data_digest"] == digest_of_rows and recipe.made(registry.load(version).card):
            return version
    judged = make_card(recipe.train(old), sample(old), sample(test), costs)
    card = replace(
        judged,
        trained=Window.of(sample(every)),
        params=judged.params | {"scores": f"of the same recipe, trained until {judged.trained.last}"},
        reference=reference_statistics(every[FEATURES]),
        data_digest=digest_of_rows,
    )
    return registry.log(recipe.train(every), card)


def train_first(registry: Registry, flights: pd.DataFrame, at: datetime, recipe: Recipe) -> str:
    """Make a champion, past any gate, of what is known at ``at``; returns the version. ``flights``: see ``history``.

    The first model has nothing to be compared with. Raises NotEnoughDays. Introduced in lesson 11.
    """
    return registry.promote(register(registry, flights, split_days(flights, at), recipe))


def sample(flights: pd.DataFrame) -> Sample:
    """The flights as the registry wants them."""
    return Sample(flights[FEATURES], flights.disrupted, flights.day)


def rival(name: str, model: Model, flights: pd.DataFrame) -> Rival:
    """The model's answers on the flights, and how long one of them takes."""
    return Rival(name, model.predict_proba(flights), milliseconds_of(model, flights))


def milliseconds_of(model: Model, flights: pd.DataFrame, repeats: int = 15) -> float:
    """Time of the prediction of a single flight, the shortest of some: what else keeps the machine busy is no fault."""
    rows = flights[FEATURES].head(repeats).to_dict("records")
    times = []
    for row in range(len(rows)):
        start = perf_counter()
        model.predict_rows(rows[row : row + 1])
        times.append(perf_counter() - start)
    return 1000 * min(times)


# Does it do harm?


@dataclass(frozen=True)
class Watch:
    """What a canary has shown so far. ``evidence`` says how much better harm explains the days than chance does."""

    at: datetime
    champion: str
    challenger: str
    days: int
    length: int
    change: float
    evidence: float
    false_stop_rate: float
    verdict: Literal["stop", "go on", "keep"]

    def in_words(self) -> str:
        """The state of the canary in one paragraph."""
        end = {
            "stop": f"That is harm beyond chance: {self.champion} takes over again.",
            "go on": f"There is no proof of harm; the canary goes on, for {self.length} days in all.",
            "keep": f"There is no proof of harm after {self.length} days: {self.challenger} stays.",
        }
        word, proof = "worse" if self.change > 0 else "better", 1 / self.false_stop_rate
        served = "1 day" if self.days == 1 else f"{self.days} days"
        return (
            f"{self.challenger} has served beside {self.champion} for {served}. Its Brier score is "
            f"{abs(self.change):.4f} {word}. Harm explains that {self.evidence:.3g} times as well as chance does; "
            f"{proof:.0f} times are taken as proof, on any day. {end[self.verdict]}"
        )


def watch(
    at: datetime,
    names: tuple[str, str],
    changes: Sequence[float],
    spread: float,
    false_stop_rate: float = 0.05,
    length: int = 14,
) -> Watch:
    """Judge a canary from its daily changes of the Brier score on matched flights, oldest first.

    ``names`` are those of the champion and of the challenger. Each flight is scored by both models, so a day's change
    compares like with like; ``spread`` is the standard deviation of such changes, from the gate. The evidence is
    tested every day, and a first crossing counts. Raises ValueError for a spread that is not above zero.
    """
    if not spread > 0:
        raise ValueError(f"the spread of the daily changes is {spread}: two models that never differ need no canary")
    seen = np.asarray(changes[:length], "float64")
    evidence = likelihood_ratios(seen / spread)
    proved = evidence >= 1 / false_stop_rate
    days = int(proved.argmax()) + 1 if proved.any() else len(seen)
    verdict = "stop" if proved.any() else "keep" if days >= length else "go on"
    change = float(seen[:days].mean()) if days else 0.0
    last = float(evidence[days - 1]) if days else 1.0
    return Watch(at, *names, days, length, change, last, false_stop_rate, verdict)


def likelihood_ratios(standardised: np.ndarray) -> np.ndarray:
    """After each value, how much better a mean above zero explains the values so far than a mean of zero does.

    The mixture sequential probability ratio test: the mean under harm is drawn from a half-normal distribution whose
    scale is half a standard deviation, a harm that takes a week to see. If there is none, the ratio ever exceeds 1/a
    with probability a at most, however often one looks (Ville's inequality). Robbins, "Statistical methods related to
    the law of the iterated logarithm", 1970; Johari, Pekelis and Walsh, "Always valid inference", 2015.
    """
    scale = 0.5**2
    total, count = np.cumsum(standardised), np.arange(1, len(standardised) + 1)
    shrink = scale / (1 + scale * count)
    logarithm = log(2) + norm.logcdf(total * np.sqrt(shrink)) + total**2 * shrink / 2 - np.log1p(scale * count) / 2
    return np.exp(np.minimum(logarithm, 700))  # beyond that a float has no exponential


# Kept for those who ask later


def save(answer: Decision | Watch, folder: Path) -> Path:
    """Write an answer with all its numbers, and in words, to a JSON file in the folder; done again, nothing changes."""
    kind = type(answer).__name__.lower()
    path = folder / f"{answer.at:%Y%m%dT%H%M%SZ}-{kind}.json"
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_bytes(to_json({"words": answer.in_words(), kind: answer}, indent=2))
    draft.replace(path)  # so that nobody reads a half of it
    return path


def load(path: Path) -> Decision | Watch:
    """Read an answer back. Raises ValueError when the file holds none."""
    kept = from_json(path.read_bytes())
    for kind in (Decision, Watch):
        if kind.__name__.lower() in kept:
            return TypeAdapter(kind).validate_python(kept[kind.__name__.lower()])
    raise ValueError(f"{path} holds neither a decision nor a watch: choose a file that save() wrote")
