"""What the monitor says of a home: is what was served still like the days on which its model was trained?

The reference is made of the training days of the version that answered first in the period, each week forecast by a
model of the same recipe that was trained on the other weeks. So nothing that was served is in it, and after a
retraining what has become normal rings no more.

The period is judged as if somebody had looked at it each night: an outcome counts when it was known a day after the
day of its forecast, and what came later counts as missing. Looking back, no outcome would ever be late.
"""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.disruption.features import CATEGORIES
from helpers.disruption.model import Costs
from helpers.disruption.monitor import Monitor, served_from_store
from helpers.disruption.monitor_counts import local_day
from helpers.disruption.registry import Card
from helpers.disruption.retrain import FEATURES, Recipe, midnight, typed
from helpers.disruption.server import Home
from helpers.disruption.store import Store
from helpers.disruption.stream import NEW_YORK

PERIOD = timedelta(days=28)
PATIENCE = timedelta(days=1)  # with outcomes, after the day of the forecast
DAYS = {"day": 1, "week": 7}  # of a window


class NothingServed(Exception):
    """There is no prediction to judge; one line says where it was looked for."""


class Oversight(NamedTuple):
    """What was served in a period, a row a prediction, and what the monitor says of its days and weeks.

    ``table`` is that of ``Monitor.judge``, ``card`` that of the version that answered first, on whose training days the
    reference rests, ``now`` is when the home last heard of anything, and ``refused`` when something was refused.
    """

    monitor: Monitor
    card: Card
    served: pd.DataFrame
    table: pd.DataFrame
    now: datetime
    refused: pd.Series

    @property
    def lengths(self) -> list[int]:
        """The lengths of the windows that fit into the period, in days."""
        return sorted(self.table.days.unique().tolist())

    def in_words(self) -> str:
        """What was compared with what."""
        day = local_day(self.served["at"])
        return (
            f"{len(self.served):,} predictions of {day.min():%Y-%m-%d} to {day.max():%Y-%m-%d} beside what version "
            f"{self.served.model_version.iloc[0]} was trained on: {self.card.trained}"
        )


def oversee(home: Home, flights: pd.DataFrame, start: date | None = None, end: date | None = None) -> Oversight:
    """Judge what a home served on the days from ``start`` up to ``end``; the last 28 days unless they are given.

    ``flights`` (see ``retrain.history``) hold the days on which its model was trained. Raises NothingServed.
    """
    now = last_moment(home)
    end = end or now.astimezone(NEW_YORK).date()  # today is not over
    start = start or end - PERIOD
    served = decided_between(home.store, midnight(start), midnight(end))
    if served.empty:
        raise NothingServed(f"nothing was served from {start} up to {end} in {home.folder}: choose another period")
    card = home.registry.load(served.model_version.iloc[0]).card
    monitor = Monitor.learn(reference(card, flights), FEATURES, card.costs)
    refused = home.store.refused(midnight(start), midnight(end))
    return Oversight(monitor, card, served, due(judge(monitor, served, refused), now), now, refused)


def judge(monitor: Monitor, served: pd.DataFrame, refused: pd.Series) -> pd.DataFrame:
    """The days, and the weeks counted back from the last day, so that the newest days are in one."""
    day, refused_on = local_day(served["at"]), local_day(refused)
    last, days, tables = day.max(), (day.max() - day.min()).days + 1, []
    for length in DAYS.values():
        if length <= days:
            before = last - timedelta(days=days // length * length)
            near = refused[(refused_on > before) & (refused_on <= last)]
            tables.append(monitor.check(served[day > before], near, [length]))
    return pd.concat(tables, ignore_index=True)


def last_moment(home: Home) -> datetime:
    """When a home last heard of anything: its own now, which in a replay is not ours. Raises NothingServed."""
    moment = home.store.last_moment()
    if moment is None:
        raise NothingServed(f"nothing was served in {home.folder}: `mle replay` does that, or name another folder")
    return moment


# What was served


def served_between(store: Store, start: datetime, end: datetime) -> pd.DataFrame:
    """The predictions of flights that are scheduled in [start, end), with the outcomes that are known by now.

    Columns: those that ``monitor`` wants, and day and known_at as ``retrain`` wants them; in order of decision time.
    """
    first, last = (pd.Timestamp(moment).tz_convert("UTC") for moment in (start, end))
    # A month at a time: a prediction's features are a JSON text in the store.
    cuts = [first, *pd.date_range(first, last, freq="MS", inclusive="neither"), last]
    scored = (store.scored(*map(pd.Timestamp.to_pydatetime, pair)) for pair in pairwise(cuts))
    pieces = [piece_of(one) for one in scored if len(one)]
    if not pieces:
        return pd.DataFrame()
    return pd.concat(pieces).sort_values(["at", "flight_id"], ignore_index=True)


def piece_of(scored: pd.DataFrame) -> pd.DataFrame:
    """The frame of ``Store.scored`` with a column for each feature, and the day."""
    day = local_day(scored.scheduled_departure)
    return typed(served_from_store(scored).assign(day=day, known_at=scored.known_at))


def decided_between(store: Store, start: datetime, end: datetime) -> pd.DataFrame:
    """The predictions whose decision time lies in [start, end), with the outcomes that came in time."""
    # A flight is asked about a day before its departure at the earliest.
    served = served_between(store, start, end + timedelta(days=1))
    return served if served.empty else in_time(served[(served["at"] >= start) & (served["at"] < end)])


def in_time(served: pd.DataFrame) -> pd.DataFrame:
    """Without the outcomes that came more than a day after the day of the forecast."""
    last = (local_day(served["at"]) + timedelta(days=1) + PATIENCE).dt.tz_localize(NEW_YORK)
    return served.assign(disrupted=served.disrupted.where(served.known_at <= last))


def due(table: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Without the outcomes of windows for which some may still come."""
    over = (table.start + pd.to_timedelta(table.days, unit="D") + PATIENCE).dt.tz_localize(NEW_YORK) <= now
    return table[over | ~table.group.isin(["outcome", "slice"])]


# What is normal


def reference(card: Card, flights: pd.DataFrame) -> pd.DataFrame:
    """The training days of a version, as if they had been served."""
    days = flights.day.between(card.trained.first, card.trained.last)
    return cross_fitted(flights[days], Recipe.of(card), card.costs)


def cross_fitted(flights: pd.DataFrame, recipe: Recipe, costs: Costs) -> pd.DataFrame:
    """The flights with probabilities of models that were trained on the other weeks: every second one.

    Nobody waited for these answers, so they have no milliseconds.
    """
    known = flights.dropna(subset="disrupted")
    odd = known.day.dt.isocalendar().week.to_numpy() % 2 == 1
    probability = np.empty(len(known))
    for rows in (odd, ~odd):
        probability[rows] = recipe.train(known[~rows]).predict_proba(known[rows])
    answer = {"probability": probability, "flagged": probability >= costs.threshold}
    return known.assign(model_version="reference", milliseconds=np.nan, **answer)


# What rings


def alarms(seen: Oversight) -> pd.DataFrame:
    """What rings, a row for each subject, the furthest from normal first.

    Columns: group, subject, windows (days and weeks in which any of its statistics rings), since (the first of the
    days, or of the weeks when no day rings); of the statistic and the window that are furthest off statistic, days,
    start, value, typical and limit; and of an input that is a number its median in that window, and in the training
    as trained.
    """
    rang = seen.table[seen.table.alarm].assign(off=lambda rang: (rang.value - rang.typical).abs())
    rang = rang.sort_values(["severity", "off"], ascending=False, kind="stable")
    by = rang.groupby(["group", "subject"], sort=False)
    shortest = rang[rang.days == by.days.transform("min")].groupby(["group", "subject"])
    worst = by.head(1).set_index(["group", "subject"])
    found = worst.assign(
        windows=by[["days", "start"]].apply(count_windows),
        since=shortest.start.min(),
        limit=worst.high.where(worst.value > worst.typical, worst.low),
    ).reset_index()
    numbers = [medians(seen, *row) for row in found[["group", "subject", "start", "days"]].itertuples(index=False)]
    found[["median", "trained"]] = pd.DataFrame(numbers, columns=["median", "trained"], index=found.index)
    return found.drop(columns=["low", "high", "alarm", "severity", "off"])


def count_windows(rang: pd.DataFrame) -> str:
    """How many days and weeks ring, such as ``5 d 1 w``."""
    number = rang.drop_duplicates().days.value_counts()
    return " ".join(f"{number[days]} {name[0]}" for name, days in DAYS.items() if days in number)


def medians(seen: Oversight, group: str, subject: str, start: pd.Timestamp, days: int) -> tuple[float, float]:
    """The median of a numeric input in a window and in the training; NaN of anything else."""
    if group != "input" or subject in CATEGORIES:
        return np.nan, np.nan
    inside = local_day(seen.served["at"]).between(start, start + timedelta(days=days - 1))
    return seen.served[subject][inside].median(), float(seen.card.reference[subject]["typical"])


def rings_now(seen: Oversight) -> bool:
    """Whether anything rings in the last day or in the last week."""
    last = seen.table.groupby("days").start.transform("max")
    return bool(seen.table.alarm[seen.table.start == last].any())
