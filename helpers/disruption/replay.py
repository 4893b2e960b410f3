"""The clock: a year's flights and weather played through the running service, in order of time.

Every simulated hour does three things. What became known in that hour is sent as events. Every flight that departs two
hours from some moment of it is asked about; features use only what was known at that moment, so it makes no difference
that the events of one hour go first. And at midnight in New York the night's work is done: the canary is watched, the
policy is asked whether to train, and a challenger goes through the gate (``retrain``).

The replay can be killed at any moment and started again. After each hour it writes down where it is; the hour that was
cut off is played again, and repeating harms nothing: events have their keys, requests get one that is made of the
replay and the hour, and a model that was registered from the same rows is not registered twice.

A desk is where the hours are handed in (``desks``): over HTTP, or in bulk. Both give the same table.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import pandas as pd
from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from rich.progress import Progress as Bar

from helpers.data import Tables
from helpers.disruption.desks import BulkDesk, Desk, HttpDesk, ReplayError
from helpers.disruption.faults import FAULTS, Stream, cut, stream_of
from helpers.disruption.messages import HORIZON
from helpers.disruption.model import Costs, Model
from helpers.disruption.monitor import Monitor
from helpers.disruption.month_table import month_table
from helpers.disruption.oversight import cross_fitted
from helpers.disruption.registry import CHAMPION, Registry, RegistryError
from helpers.disruption.retrain import (
    COMPLETE,
    FEATURES,
    TEST_DAYS,
    Champion,
    Decision,
    Known,
    NotEnoughDays,
    Recipe,
    Watch,
    challenge,
    history,
    load,
    midnight,
    policy,
    register,
    save,
    split_days,
    train_first,
    watch,
)
from helpers.disruption.server import Home, running_service
from helpers.disruption.stream import NEW_YORK

HOUR = pd.Timedelta(hours=1)
WARM_UP = pd.Timedelta(days=3)  # events before the first hour: the features look back two days at most
COOL_DOWN = pd.Timedelta(days=3)  # events after the last hour: the outcomes of the last flights
CANARY_DAYS = 14
USUAL_SPREAD = 0.01  # of the daily changes of the Brier score between two models, median of the gates of 2013
PLACE, DECISIONS = "place.json", "decisions"  # in a replay's folder

WHEN = "%d %B %Y %H:%M"

Say = Callable[[str], None]


# The settings and the place where it is


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
        if self.fault_from is not None and self.fault is None:
            raise ValueError(f"a fault begins on {self.fault_from}, but which? Choose from {', '.join(FAULTS)}")
        if not self.start <= (self.fault_from or self.start) < self.end:
            raise ValueError(f"the fault begins on {self.fault_from}, which is not played: {self.start} to {self.end}")
        if not self.speed >= 0:
            raise ValueError(f"speed is {self.speed}: give simulated seconds in one second, or 0 for no waiting")

    @property
    def name(self) -> str:
        """A name of what is played, fit for a folder; the speed is not part of it."""
        content = {name: value for name, value in asdict(self).items() if name != "speed"}
        number = hashlib.sha256(to_json(content)).hexdigest()[:6]
        return "-".join(str(part) for part in (self.start, self.end, self.policy, self.fault, number) if part)

    def in_words(self) -> str:
        """What is played, in a line."""
        fault = f", with {self.fault} from {self.fault_from or self.start} on" if self.fault else ""
        return f"{self.start} up to {self.end}, policy {self.policy}{fault}"

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
    """Where the replay of that name is. Written after each hour; all else is in the store and in the registry."""

    name: str
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
        """Read it; None when the replay never began. Raises ReplayError for a file that holds no place."""
        if not path.exists():
            return None
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except ValidationError:
            raise ReplayError(f"{path} does not say where the replay is: begin again with --fresh") from None


class Year(NamedTuple):
    """A year made ready: the flights for learning (see ``history``) and what is sent."""

    flights: pd.DataFrame
    stream: Stream


def year_of(tables: Tables) -> Year:
    """Make a year ready; takes some seconds."""
    return Year(history(tables), stream_of(tables))


# The replay


class Replay:
    """One replay: settings, what is sent, the desk, the registry, and the place where it is."""

    def __init__(
        self, settings: Settings, year: Year, registry: Registry, folder: Path, say: Say = lambda line: None
    ) -> None:
        """``folder`` holds the place and the decisions, and ``say`` hears of them. Find or train the first champion.

        Raises ReplayError for days that the year does not hold, and for a folder in which another replay was played.
        """
        self.settings, self.registry, self.folder, self.say = settings, registry, folder, say
        self.start, self.end = midnight(settings.start), midnight(settings.end)
        refuse_other_days(settings, year.flights.day)
        scheduled = year.flights.scheduled_departure
        self.before = year.flights[scheduled < self.start].drop(columns="scheduled_departure")
        fault = FAULTS.get(settings.fault)
        self.stream = fault(year.stream, settings.fault_start) if fault else year.stream
        self.file = folder / PLACE
        self.place = self.last_place() or self.first_place()

    def last_place(self) -> Place | None:
        """Where it was cut off, or ended; None when it never began."""
        place = Place.read(self.file)
        if place is None:
            return None
        if place.name != self.settings.name:
            raise ReplayError(f"another replay was played in {self.folder}: choose another folder, or begin afresh")
        if place.finished:
            self.say("This replay was played to its end before: here are its decisions and its table.")
        else:
            self.say(f"This replay was cut off: it goes on at {pd.Timestamp(place.hour).tz_convert(NEW_YORK):{WHEN}}.")
        for path in sorted((self.folder / DECISIONS).glob("*.json")):
            self.say(load(path).in_words())
        return place

    def first_place(self) -> Place:
        """At the first hour, with a champion that knows nothing of what comes."""
        version = self.first_champion()
        trained = self.registry.load(version).card.trained
        self.say(f"The first champion is version {version}, trained on {trained}.")
        start = self.start.to_pydatetime()
        until = date.fromisoformat(trained.last)
        return Place(self.settings.name, start, version, version, champion_until=until, trained_at=start)

    def first_champion(self) -> str:
        """The registry's champion, if it was trained on days before the first; else one that is trained on them."""
        try:
            bundle = self.registry.load(CHAMPION)
        except RegistryError:
            bundle = None
        if bundle is not None and date.fromisoformat(bundle.card.trained.last) < self.settings.start:
            return bundle.version
        return train_first(self.registry, self.before, self.start.to_pydatetime(), self.settings.recipe)

    def run(self, desk: Desk, bar: Bar | None = None) -> pd.DataFrame:
        """Play to the end, from the beginning or from where it was; the table of months.

        Raises ReplayError for a fault in what is sent, when the desk does not hear it.
        """
        if not desk.hears:
            refuse_unheard(self.settings.fault)
        self.registry.promote(self.place.champion)
        desk.serve(self.place.champion, self.place.hour)
        if not self.place.finished:
            self.place.write(self.file)
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
                day = f"{start.tz_convert(NEW_YORK):{WHEN}}"
                bar.update(task, completed=int((start + HOUR - self.start) / HOUR), day=day)
            if self.settings.speed:
                time.sleep(max(0.0, HOUR.total_seconds() / self.settings.speed - (time.monotonic() - began)))

    def count(self, sent: Mapping[str, int]) -> None:
        """Add up what was sent."""
        for name, number in sent.items():
            self.place.sent[name] += number

    # ------------------------------------------------------------- the night

    def night(self, desk: Desk, at: datetime) -> None:
        """Watch the canary, look for alarms, and train if the policy says so."""
        if self.place.canary:
            self.watch(desk, at, self.place.canary)
        if self.settings.fault == "bad-model" and at == self.settings.fault_start:
            self.deploy_bad_model(desk, at)
        if self.settings.policy == "alarm" and at.astimezone(NEW_YORK).weekday() == 0:
            self.look_for_alarms(desk, at)
        # The gate's days must lie behind the champion's. To wait two weeks more, until a challenger knows more that the
        # champion does not, was tried: in 2013 the same challengers pass on the same days.
        rested = (at.date() - self.place.champion_until).days > TEST_DAYS
        known = Known(at, self.place.trained_at, self.place.alarms)
        if rested and self.place.canary is None and policy(self.settings.policy)(known):
            self.train(desk, at)

    def known(self, desk: Desk, at: datetime) -> pd.DataFrame:
        """All flights up to ``at``: those before the replay from the tables, the others as they were served."""
        if at <= self.start:
            return self.before
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
        self.keep(decision)
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
        self.keep(seen)
        self.place.canary = None
        if seen.verdict == "stop":
            self.registry.rollback(bad=canary.version)
            desk.serve(canary.replaced, at)
            self.place.champion, self.place.champion_until = canary.replaced, canary.replaced_until

    def keep(self, answer: Decision | Watch) -> None:
        """Write a decision down, and say it."""
        save(answer, self.folder / DECISIONS)
        self.say(answer.in_words())

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
        if at - timedelta(days=8) < self.start:
            return
        week = desk.served(at - timedelta(days=8), at - timedelta(days=1), at)
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
        return month_table(known, frozen.model.predict_proba(known), frozen.card.threshold, frozen.card.costs)


def daily_changes(flights: pd.DataFrame, new: Model, old: Model) -> list[float]:
    """The change of the Brier score on each day, oldest first; days whose outcomes are not in are left out."""
    share = flights.disrupted.notna().groupby(flights.day).mean()
    known = flights[flights.disrupted.notna() & flights.day.isin(share.index[share >= COMPLETE])]
    if known.empty:
        return []
    target = known.disrupted.to_numpy("float64")
    change = (new.predict_proba(known) - target) ** 2 - (old.predict_proba(known) - target) ** 2
    return pd.Series(change).groupby(known.day.to_numpy()).mean().tolist()


def refuse_other_days(settings: Settings, days: pd.Series) -> None:
    """Raise ReplayError for days that the year does not hold."""
    first, last = days.min().date(), days.max().date()
    if settings.start < first or settings.end > last + timedelta(days=1):
        raise ReplayError(
            f"from {settings.start} to {settings.end} cannot be played: the flights are of {first} to {last}"
        )


def refuse_unheard(fault: str | None) -> None:
    """Raise ReplayError for a fault that nobody notices where nothing is sent."""
    if fault not in (None, "bad-model"):
        raise ReplayError(f"{fault} spoils what is sent to the service: it cannot be played in bulk")


# The whole


def play(
    settings: Settings,
    home: Home,
    tables: Tables,
    bulk: bool = False,
    fresh: bool = False,
    say: Say = print,
    bar: Bar | None = None,
) -> pd.DataFrame:
    """Play in a home, through a service of its own that runs meanwhile, or in bulk; the table of months.

    A replay that was cut off goes on where it was, unless ``fresh``; in bulk, which keeps no predictions, it always
    begins again. ``say`` hears each decision in words. Raises ReplayError, and NotEnoughDays when the first champion
    has too few days to learn from.
    """
    if bulk:
        refuse_unheard(settings.fault)
    with alone(home.folder):
        say(f"Playing {settings.in_words()} in {home.folder}")
        if bulk or fresh:
            forget(home.folder)
        if not bulk:
            home.store.check()  # before the work of a minute
        year = year_of(tables)
        replay = Replay(settings, year, home.registry, home.folder, say)
        if bulk:
            return replay.run(BulkDesk(year.flights, home.registry), bar)
        with running_service(home, tables, poll_seconds=0.1) as client:
            return replay.run(HttpDesk(client, home.store), bar)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one process plays in a folder. Raises ReplayError for the second."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "replay.lock", timeout=0):
            yield
    except Timeout:
        raise ReplayError(f"another process plays in {folder}: wait for it, or end it") from None


def forget(folder: Path) -> None:
    """Remove what a replay left in a folder, its models and predictions included; a folder without one is let be."""
    if not (folder / PLACE).exists():
        return
    for name in (DECISIONS, "registry"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("store.db", "store.db-wal", "store.db-shm", PLACE):  # the place last: a second call goes on
        (folder / name).unlink(missing_ok=True)
