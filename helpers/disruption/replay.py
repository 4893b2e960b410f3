"""The clock: a year's flights and weather played through the running service, in order of time.

Every simulated hour does three things. What became known in that hour is sent as events. Every flight that departs two
hours from some moment of it is asked about; features use only what was known at that moment, so it makes no difference
that the events of one hour go first. And at midnight in New York the night's work is done: the canary is watched, the
policy is asked whether to train, and a challenger goes through the gate (``retrain``).

The replay can be killed at any moment and started again. After each hour it writes down where it is; the hour that was
cut off is played again, and repeating harms nothing: events have their keys, requests get one that is made of the
replay and the hour, and a model that was registered from the same rows is not registered twice.

A desk is where the hours are handed in. ``HttpDesk`` talks to the running service and reads its store. ``BulkDesk``
needs neither: it takes the features of the year in bulk, so that nine months pass in seconds. Both give the same table.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import httpx
import numpy as np
import pandas as pd
from pydantic import TypeAdapter
from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table as RichTable
from sklearn.metrics import roc_auc_score

from helpers.data import Tables
from helpers.disruption.messages import HORIZON
from helpers.disruption.model import Costs, Model
from helpers.disruption.monitor import Monitor, served_from_store
from helpers.disruption.registry import CHAMPION, Registry, RegistryError
from helpers.disruption.retrain import (
    COMPLETE,
    ENDS,
    FEATURES,
    TEST_DAYS,
    Champion,
    Known,
    NotEnoughDays,
    Recipe,
    challenge,
    history,
    midnight,
    policy,
    register,
    save,
    split_days,
    train_first,
    typed,
    watch,
)
from helpers.disruption.store import Store
from helpers.disruption.stream import NEW_YORK, events, flight_plans, records
from helpers.metrics import Interval, bootstrap_days, bootstrap_days_mean, decision_costs

HOUR = pd.Timedelta(hours=1)
WARM_UP = pd.Timedelta(days=3)  # events before the first hour: the features look back two days at most
COOL_DOWN = pd.Timedelta(days=3)  # events after the last hour: the outcomes of the last flights
MOST_ITEMS = 1_000  # of a request to the service
CANARY_DAYS = 14
USUAL_SPREAD = 0.01  # of the daily changes of the Brier score between two models, median of the gates of 2013
SHOWN = (("brier", 4), ("auc", 3), ("cost", 0))  # measures of the table and their digits


# The stream


class Stream(NamedTuple):
    """What is sent: events in order of ``at`` (see ``stream.events``), and plans in order of ``ask_at``."""

    events: pd.DataFrame
    requests: pd.DataFrame


def stream_of(tables: Tables) -> Stream:
    """The year as it would have come."""
    plans = flight_plans(tables)
    requests = plans.assign(ask_at=plans.scheduled_departure - HORIZON)
    return Stream(events(tables), requests.sort_values(["ask_at", "flight_id"], ignore_index=True))


def cut(stream: Stream, after: pd.Timestamp, until: pd.Timestamp) -> Stream:
    """What comes in (after, until]."""
    return Stream(between(stream.events, "at", after, until), between(stream.requests, "ask_at", after, until))


def between(table: pd.DataFrame, column: str, after: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    """The rows of a table in order of ``column`` in (after, until]."""
    first, last = table[column].searchsorted([after, until], side="right")
    return table[first:last]


# Six faults


Fault = Callable[[Stream, pd.Timestamp], Stream]


def schema_change(stream: Stream, since: pd.Timestamp) -> Stream:
    """The weather's sender renames a field: ``temp`` comes as ``temperature``."""
    new = stream.events["at"] > since
    temp = stream.events.temp
    return stream._replace(events=stream.events.assign(temp=temp.mask(new), temperature=temp.where(new)))


def unit_change(stream: Stream, since: pd.Timestamp) -> Stream:
    """Wind comes in metres a second where miles an hour were agreed: each number is in range, and wrong."""
    factor = np.where(stream.events["at"] > since, 0.44704, 1.0)
    wind = {name: stream.events[name] * factor for name in ("wind_speed", "wind_gust")}
    return stream._replace(events=stream.events.assign(**wind))


def stale_weather(stream: Stream, since: pd.Timestamp) -> Stream:
    """The weather's sender repeats its last observation, with a new time each hour."""
    measured = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    told = stream.events.copy()
    observed = told.kind == "observed"
    last = told[observed & (told["at"] <= since)].groupby("origin")[measured].last()
    stale = observed & (told["at"] > since)
    told.loc[stale, measured] = last.reindex(told.origin[stale]).to_numpy()
    return stream._replace(events=told)


def late_outcomes(stream: Stream, since: pd.Timestamp) -> Stream:
    """How a flight ended is told two days late."""
    late = stream.events.kind.isin(ENDS) & (stream.events["at"] > since)
    at = stream.events["at"] + pd.to_timedelta(np.where(late, 48, 0), unit="h")
    told = stream.events.assign(at=at).sort_values(["at", "event_id"], ignore_index=True)
    return stream._replace(events=told)


def doubled_rows(stream: Stream, since: pd.Timestamp) -> Stream:
    """A join upstream finds two partners for each flight: every request comes twice."""
    again = stream.requests[stream.requests.ask_at > since]
    asked = pd.concat([stream.requests, again]).sort_values(["ask_at", "flight_id"], ignore_index=True)
    return stream._replace(requests=asked)


def bad_model(stream: Stream, since: pd.Timestamp) -> Stream:
    """Somebody deploys, past the gate, a model whose target was read the wrong way round. The stream is sound."""
    return stream


FAULTS: Mapping[str, Fault] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (schema_change, unit_change, stale_weather, late_outcomes, doubled_rows, bad_model)
}


# The settings and the place where it is


class ReplayError(Exception):
    """The replay cannot go on; one line says what to do."""


@dataclass(frozen=True)
class Settings:
    """What is played: days in New York, ``end`` not included. ``speed``: simulated seconds in one, 0 for no waiting.

    ``fault`` is one of ``FAULTS`` and begins at midnight of ``fault_from``, which is the first day unless given.
    """

    start: date
    end: date
    policy: str = "calendar"
    fault: str | None = None
    fault_from: date | None = None
    speed: float = 0.0
    recipe: Recipe = field(default_factory=lambda: Recipe("a new model"))

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        policy(self.policy)
        if self.start >= self.end:
            raise ValueError(f"from {self.start} to {self.end} there is no day: give an end after the start")
        if self.fault is not None and self.fault not in FAULTS:
            raise ValueError(f"there is no fault {self.fault!r}: choose from {', '.join(FAULTS)}")
        if not self.speed >= 0:
            raise ValueError(f"speed is {self.speed}: give simulated seconds in one second, or 0 for no waiting")

    @property
    def name(self) -> str:
        """A short name of what is played; the speed is not part of it."""
        content = {name: value for name, value in asdict(self).items() if name != "speed"}
        return hashlib.sha256(to_json(content)).hexdigest()[:12]

    @property
    def fault_start(self) -> pd.Timestamp:
        """When the fault begins."""
        return midnight(self.fault_from or self.start)


@dataclass(frozen=True)
class Canary:
    """A version on trial: whom it replaced, since when it serves, and the spread of the daily changes at the gate."""

    version: str
    replaced: str
    replaced_until: date
    since: datetime
    spread: float


@dataclass
class Place:
    """Where the replay is. Written after each hour; all else is in the store and in the registry."""

    hour: datetime
    frozen: str
    champion: str
    champion_until: date
    trained_at: datetime
    canary: Canary | None = None
    alarms: list[datetime] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=lambda: {"events": 0, "predictions": 0, "refused": 0})
    finished: bool = False

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_bytes(TypeAdapter(Place).dump_json(self, indent=1))
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read it; None when the replay never began."""
        return TypeAdapter(cls).validate_json(path.read_bytes()) if path.exists() else None


# Where the hours are handed in


class Desk(Protocol):
    """The service, as the replay sees it."""

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        """Hand in what came in an hour; the numbers of events and predictions taken, and of items refused."""

    def serve(self, version: str, at: datetime) -> None:
        """Return when the service answers with that version."""

    def served(self, start: datetime, end: datetime, at: datetime) -> pd.DataFrame:
        """Predictions of flights scheduled in [start, end), with the outcomes that are known at ``at``.

        Columns: those that ``monitor`` wants, and day and known_at as ``retrain`` wants them.
        """


class HttpDesk:
    """The running service behind its HTTP interface, and its store."""

    def __init__(self, client: httpx.Client, store: Store, patience: float = 60.0) -> None:
        """``client`` has the service's address and the API key; ``patience`` in seconds while the service is away."""
        self.client, self.store, self.patience = client, store, patience

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        """Send the events, then the requests, a thousand at a time."""
        told, asked = [], []
        for part in parts(list(records(hour.events))):
            told += self.post("/v1/events", {"events": part})["events"]
        plans = records(hour.requests.drop(columns=["ask_at", "flight_id"]))
        for number, part in enumerate(parts([{"plan": plan} for plan in plans])):
            headers = {"Idempotency-Key": f"{key}-{number}"}
            asked += self.post("/v1/predictions:batch", {"requests": part}, headers)["predictions"]
        refused = sum("status" in answer for answer in [*told, *asked])
        return {
            "events": sum("result" in answer for answer in told),
            "predictions": sum("probability" in answer for answer in asked),
            "refused": refused,
        }

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Send until there is an answer. Sending again is safe, since everything has its key."""
        content, deadline = to_json(body), time.monotonic() + self.patience
        sent_as = {"Content-Type": "application/json", **(headers or {})}
        while True:
            try:
                response = self.client.post(path, content=content, headers=sent_as)
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code == 200:
                return response.json()
            if response is not None and response.status_code != 503:
                raise ReplayError(f"the service refused {path}: {response.json()['detail']}")
            if time.monotonic() > deadline:
                raise ReplayError(f"the service at {self.client.base_url} does not answer: start it with 'mle serve'")
            time.sleep(0.2)

    def serve(self, version: str, at: datetime) -> None:
        """Wait until the service has noticed."""
        deadline = time.monotonic() + self.patience
        while self.version() != version:
            if time.monotonic() > deadline:
                raise ReplayError(f"the service does not take up version {version}: look at its log")
            time.sleep(0.05)

    def version(self) -> str | None:
        """The version that answers; None while none does."""
        try:
            response = self.client.get("/readyz")
        except httpx.TransportError:
            return None
        return response.json()["model_version"] if response.status_code == 200 else None

    def served(self, start: datetime, end: datetime, at: datetime) -> pd.DataFrame:
        """From the store, a month at a time: a prediction's features are a JSON text there."""
        first_moment, end_moment = (pd.Timestamp(moment).tz_convert("UTC") for moment in (start, end))
        months = [*pd.date_range(first_moment, end_moment, freq="MS", inclusive="neither"), end_moment]
        pieces = []
        for first, last in zip([first_moment, *months], months, strict=False):
            scored = self.store.scored(first.to_pydatetime(), last.to_pydatetime())
            day = scored.scheduled_departure.dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()
            if len(scored):
                pieces.append(typed(served_from_store(scored).assign(day=day, known_at=scored.known_at)))
        if not pieces:
            raise ReplayError(f"the store holds no prediction from {start:%Y-%m-%d} on: has it been emptied meanwhile?")
        return as_known(pd.concat(pieces, ignore_index=True), at)


def as_known(flights: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """What was known at a moment: a replay that was cut off may have stored more than that."""
    known = flights.known_at <= at
    flights = flights.assign(disrupted=flights.disrupted.where(known), known_at=flights.known_at.where(known))
    return flights[flights["at"] <= at].sort_values(["at", "flight_id"], ignore_index=True)


def parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The items in pieces that the service takes."""
    return (items[first : first + MOST_ITEMS] for first in range(0, len(items), MOST_ITEMS))


class Year(NamedTuple):
    """A year made ready: the flights for learning (see ``history``) and what is sent."""

    flights: pd.DataFrame
    stream: Stream


def year_of(tables: Tables) -> Year:
    """Make a year ready; takes some seconds."""
    return Year(history(tables), stream_of(tables))


class BulkDesk:
    """The service without the service: features in bulk, the models called directly.

    It knows no faults, and forgets when it ends: play in a folder in which no replay was begun.
    """

    def __init__(self, flights: pd.DataFrame, registry: Registry) -> None:
        """``flights`` as ``history`` makes it."""
        self.registry = registry
        self.flights = flights.assign(probability=np.nan, flagged=False, model_version="", milliseconds=1.0)

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        """Nothing to do: the answers stand since the version began to serve."""
        return {}

    def serve(self, version: str, at: datetime) -> None:
        """Answer all that is asked from then on."""
        bundle = self.registry.load(version)
        rows = self.flights["at"] > at
        probability = bundle.model.predict_proba(self.flights[rows])
        answer = {"probability": probability, "flagged": probability >= bundle.threshold, "model_version": version}
        for name, values in answer.items():
            self.flights.loc[rows, name] = values

    def served(self, start: datetime, end: datetime, at: datetime) -> pd.DataFrame:
        """The rows that were answered, in order."""
        scheduled, answered = self.flights.scheduled_departure, self.flights.model_version != ""
        rows = self.flights[answered & (scheduled >= start) & (scheduled < end)]
        return as_known(rows.drop(columns="scheduled_departure"), at)


# The replay


class Replay:
    """One replay: settings, what is sent, the desk, the registry, and the place where it is."""

    def __init__(self, settings: Settings, year: Year, registry: Registry, folder: Path) -> None:
        """``folder`` holds the place and the decisions. Find the champion, or train one on the days before."""
        self.settings, self.registry, self.folder = settings, registry, folder / f"replay-{settings.name}"
        self.start, self.end = midnight(settings.start), midnight(settings.end)
        scheduled = year.flights.scheduled_departure
        self.before = year.flights[scheduled < self.start].drop(columns="scheduled_departure")
        fault = FAULTS.get(settings.fault)
        self.stream = fault(year.stream, settings.fault_start) if fault else year.stream
        self.file = self.folder / "place.json"
        self.place = Place.read(self.file) or self.first_place()

    def first_place(self) -> Place:
        """At the first hour, with a champion that knows nothing of what comes."""
        version, until = self.first_champion()
        start = self.start.to_pydatetime()
        return Place(start, frozen=version, champion=version, champion_until=until, trained_at=start)

    def first_champion(self) -> tuple[str, date]:
        """The registry's champion, if it was trained on days before the first; else one that is trained on them."""
        try:
            bundle = self.registry.load(CHAMPION)
        except RegistryError:
            bundle = None
        until = None if bundle is None else date.fromisoformat(bundle.card.trained.last)
        if until is not None and until < self.settings.start:
            return bundle.version, until
        version = train_first(self.registry, self.before, self.start.to_pydatetime(), self.settings.recipe)
        return version, date.fromisoformat(self.registry.load(version).card.trained.last)

    def run(self, desk: Desk, bar: Bar | None = None) -> pd.DataFrame:
        """Play to the end, from the beginning or from where it was; the table of months."""
        self.registry.promote(self.place.champion)
        desk.serve(self.place.champion, self.place.hour)
        if not self.place.finished:
            self.tell(desk, self.start - WARM_UP, self.start)
            self.play_hours(desk, bar)
            self.tell(desk, self.end, self.end + COOL_DOWN)
            self.place.finished = True
            self.place.write(self.file)
        return self.table(desk)

    def tell(self, desk: Desk, after: pd.Timestamp, until: pd.Timestamp) -> None:
        """Hand in the events of a time in which nobody asks."""
        told = cut(self.stream, after, until)
        desk.play(told._replace(requests=told.requests[:0]), "")

    def play_hours(self, desk: Desk, bar: Bar | None) -> None:
        """Play the hours that are left, each with the night's work if it begins a day."""
        total = int((self.end - self.start) / HOUR)
        task = bar.add_task("replay", total=total, day="") if bar else None
        while (start := pd.Timestamp(self.place.hour)) < self.end:
            began = time.monotonic()
            if start.tz_convert(NEW_YORK).hour == 0:
                self.night(desk, self.place.hour)
            hour = cut(self.stream, start, start + HOUR)
            self.count(desk.play(hour, f"{self.settings.name}-{start:%Y%m%dT%H%M}"))
            self.place.hour = (start + HOUR).to_pydatetime()
            self.place.write(self.file)
            if bar:
                bar.update(task, completed=int((start + HOUR - self.start) / HOUR), day=f"{start:%d %B %H:00}")
            if self.settings.speed:
                time.sleep(max(0.0, HOUR.total_seconds() / self.settings.speed - (time.monotonic() - began)))

    def count(self, sent: Mapping[str, int]) -> None:
        """Add up what was sent."""
        for name, number in sent.items():
            self.place.sent[name] += number

    # ------------------------------------------------------------- the night

    def night(self, desk: Desk, at: datetime) -> None:
        """Watch the canary, look for alarms, and train if the policy says so."""
        if self.settings.fault == "bad-model" and at == self.settings.fault_start:
            self.deploy_bad_model(desk, at)
        if self.place.canary:
            self.watch(desk, at, self.place.canary)
        if self.settings.policy == "alarm" and at.astimezone(NEW_YORK).weekday() == 0:
            self.look_for_alarms(desk, at)
        rested = (at.date() - self.place.champion_until).days > TEST_DAYS
        known = Known(at, self.place.trained_at, self.place.alarms)
        if rested and self.place.canary is None and policy(self.settings.policy)(known):
            self.train(desk, at)

    def known(self, desk: Desk, at: datetime) -> pd.DataFrame:
        """All flights up to ``at``: those before the replay from the tables, the others as they were served."""
        served = desk.served(self.start.to_pydatetime(), at, at).drop_duplicates("flight_id")
        return pd.concat([self.before, served], ignore_index=True)

    def train(self, desk: Desk, at: datetime) -> None:
        """Send a challenger through the gate; what passes serves from now on, on trial."""
        recipe, flights = self.settings.recipe, self.known(desk, at)
        champion = Champion(
            f"version {self.place.champion}", self.model(self.place.champion), self.place.champion_until
        )
        try:
            decision = challenge(at, flights, champion, recipe)
        except NotEnoughDays:
            return
        save(decision, self.folder)
        self.place.trained_at = at
        if not decision.passed:
            return
        split = split_days(flights, at, months=recipe.months)
        version = register(self.registry, flights, split, recipe)
        self.deploy(desk, version, flights.day[split.both].max().date(), at, decision.spread)

    def deploy(self, desk: Desk, version: str, until: date, at: datetime, spread: float) -> None:
        """Promote a version and keep an eye on it."""
        place = self.place
        self.registry.promote(version)
        desk.serve(version, at)
        place.canary = Canary(version, place.champion, place.champion_until, at, spread)
        place.champion, place.champion_until = version, until

    def watch(self, desk: Desk, at: datetime, canary: Canary) -> None:
        """Compare the canary with the model that it replaced, on its own flights; take it back if it does harm."""
        flights = desk.served(canary.since, at, at).drop_duplicates("flight_id")
        changes = daily_changes(flights, self.model(canary.version), self.model(canary.replaced))
        names = (f"version {canary.replaced}", f"version {canary.version}")
        seen = watch(at, names, changes, canary.spread, length=CANARY_DAYS)
        if seen.verdict == "go on":
            return
        save(seen, self.folder)
        self.place.canary = None
        if seen.verdict == "stop":
            self.registry.rollback(bad=canary.version)
            desk.serve(canary.replaced, at)
            self.place.champion, self.place.champion_until = canary.replaced, canary.replaced_until

    def deploy_bad_model(self, desk: Desk, at: datetime) -> None:
        """The fault: a target that was read the wrong way round, and nobody asked the gate."""
        flights = self.known(desk, at)
        split = split_days(flights, at)
        wrong = flights.assign(disrupted=~flights.disrupted.astype("boolean"))
        version = register(self.registry, wrong, split, self.settings.recipe)
        self.deploy(desk, version, flights.day[split.both].max().date(), at, USUAL_SPREAD)

    def look_for_alarms(self, desk: Desk, at: datetime) -> None:
        """Ask the monitor about the last seven days whose outcomes are in; only what came true can ring here.

        Inputs drift with every season, and a model that is trained anew does not stop them.
        """
        week = desk.served(at - timedelta(days=8), at - timedelta(days=1), at)
        if week.empty or week.day.nunique() < 7:
            return
        found = self.monitor.check(week, lengths=(7,))
        rang = found[found.alarm & (found.group == "outcome") & (found.subject == "all")]
        if len(rang):
            self.place.alarms.append(at)

    @cached_property
    def monitor(self) -> Monitor:
        """What is normal: the days before the replay, each week forecast by a model that knows the other weeks."""
        return Monitor.learn(cross_fitted(self.before, self.settings.recipe), FEATURES, Costs())

    def model(self, version: str) -> Model:
        """The model of a version."""
        return self.registry.load(version).model

    def table(self, desk: Desk) -> pd.DataFrame:
        """Month by month, what was served against the first champion, frozen."""
        frozen = self.registry.load(self.place.frozen)
        after = (self.end + COOL_DOWN).to_pydatetime()
        served = desk.served(self.start.to_pydatetime(), (self.end + HORIZON).to_pydatetime(), after)
        known = served.drop_duplicates("flight_id").dropna(subset="disrupted")
        return month_table(known, frozen.model.predict_proba(known), frozen.threshold, frozen.costs)


def daily_changes(flights: pd.DataFrame, new: Model, old: Model) -> list[float]:
    """The change of the Brier score on each day, oldest first; days whose outcomes are not in are left out."""
    share = flights.disrupted.notna().groupby(flights.day).mean()
    known = flights[flights.disrupted.notna() & flights.day.isin(share.index[share >= COMPLETE])]
    if known.empty:
        return []
    target = known.disrupted.to_numpy("float64")
    change = (new.predict_proba(known) - target) ** 2 - (old.predict_proba(known) - target) ** 2
    return pd.Series(change).groupby(known.day.to_numpy()).mean().tolist()


def cross_fitted(flights: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The flights with probabilities of models that were trained on the other weeks: every second one."""
    known = flights.dropna(subset="disrupted")
    odd = known.day.dt.isocalendar().week.to_numpy() % 2 == 1
    probability = np.empty(len(known))
    for rows in (odd, ~odd):
        probability[rows] = recipe.train(known[~rows]).predict_proba(known[rows])
    answer = {"probability": probability, "flagged": probability >= Costs().threshold}
    return known.assign(model_version="reference", milliseconds=1.0, **answer)


# The table


def month_table(flights: pd.DataFrame, frozen: np.ndarray, threshold: float, costs: Costs) -> pd.DataFrame:
    """One row a month and one for all: Brier score, ROC AUC and cost per 1,000 flights, frozen and as served.

    ``flights`` are served predictions whose outcome is known, ``frozen`` what the first champion says of them. A
    change is served less frozen, flight by flight, with its 95 % interval from resampled days.
    """
    month = flights.day.dt.strftime("%Y-%m").to_numpy()
    groups = [(name, month == name) for name in np.unique(month)] + [("all", np.full(len(month), True))]
    rows = {name: compare(flights[rows], frozen[rows], threshold, costs) for name, rows in groups}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("month")


def compare(flights: pd.DataFrame, frozen: np.ndarray, threshold: float, costs: Costs) -> dict[str, float | Interval]:
    """The row of one month."""
    target, served = flights.disrupted.to_numpy("float64"), flights.probability.to_numpy("float64")
    flags = (frozen >= threshold, flights.flagged.to_numpy(bool))
    bills = [1000 * decision_costs(target, flag, costs.false_alarm, costs.miss) for flag in flags]
    errors = [(probability - target) ** 2 for probability in (frozen, served)]
    return {
        "flights": len(flights),
        "disrupted": target.mean(),
        "brier_frozen": errors[0].mean(),
        "brier_served": errors[1].mean(),
        "brier_change": mean_by_days(errors[1] - errors[0], flights.day),
        "auc_frozen": roc_auc_score(target, frozen),
        "auc_served": roc_auc_score(target, served),
        "auc_change": auc_change_by_days(flights.day, target, frozen, served),
        "cost_frozen": bills[0].mean(),
        "cost_served": bills[1].mean(),
        "cost_change": mean_by_days(bills[1] - bills[0], flights.day),
    }


def mean_by_days(values: np.ndarray, days: pd.Series) -> Interval:
    """The mean, with its interval where there is more than one day."""
    if days.nunique() < 2:
        return Interval(float(values.mean()), np.nan, np.nan)
    return bootstrap_days_mean(values, days, n_boot=1000)


def auc_change_by_days(days: pd.Series, target: np.ndarray, frozen: np.ndarray, served: np.ndarray) -> Interval:
    """The change of the ROC AUC, with its interval where there is more than one day."""
    if days.nunique() < 2:
        return Interval(auc_change(target, frozen, served, np.ones(len(target))), np.nan, np.nan)
    return bootstrap_days(auc_change, days, target, frozen, served, n_boot=100)


def auc_change(target: np.ndarray, frozen: np.ndarray, served: np.ndarray, sample_weight: np.ndarray) -> float:
    """ROC AUC of what was served less that of the frozen model."""
    aucs = [roc_auc_score(target, probability, sample_weight=sample_weight) for probability in (frozen, served)]
    return aucs[1] - aucs[0]


def rich_table(table: pd.DataFrame) -> RichTable:
    """The table for the terminal: frozen, as served, and the change with its interval."""
    shown = RichTable(title="Frozen model against what was served (change with 95 % interval over days)")
    for name in ("month", "flights", "disrupted", "Brier score", "ROC AUC", "euros per 1,000"):
        shown.add_column(name, justify="right")
    for month, row in table.iterrows():
        scores = [
            f"{row[f'{name}_frozen']:.{digits}f} to {served_in_words(row, name, digits)}" for name, digits in SHOWN
        ]
        # Brackets would be taken for markup.
        shown.add_row(month, f"{row.flights:,}", f"{row.disrupted:.1%}", *map(escape, scores))
    return shown


def served_in_words(row: pd.Series, name: str, digits: int) -> str:
    """What was served and the interval of the change, such as ``0.1708 [-0.0240, -0.0080]``."""
    change, served = row[f"{name}_change"], f"{row[f'{name}_served']:.{digits}f}"
    if np.isnan(change.low):
        return f"{served} (one day)"
    return f"{served} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]"


def progress_bar(console: Console | None = None) -> Bar:
    """A bar with the simulated hour."""
    day, share = TextColumn("{task.fields[day]}"), TextColumn("{task.percentage:.0f}%")
    return Bar(day, BarColumn(), share, TimeRemainingColumn(), console=console)
