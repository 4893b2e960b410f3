"""A home is judged night by night: what came too late is late, and what rings is told from what does not."""

import io
import os
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from helpers.data import load_tables
from helpers.disruption.model import Costs
from helpers.disruption.monitor import Monitor
from helpers.disruption.oversight import (
    NothingServed,
    Oversight,
    alarms,
    cross_fitted,
    due,
    in_time,
    judge,
    oversee,
    rings_now,
)
from helpers.disruption.parts import Sample
from helpers.disruption.registry import make_card
from helpers.disruption.retrain import FEATURES, Recipe, history, midnight
from helpers.disruption.server import Home, last_home
from helpers.disruption.terminal import alarms_table, windows_table

RECIPE = Recipe("boosting", params={"max_iter": 15, "learning_rate": 0.2})
NONE = pd.Series([], dtype="datetime64[us, UTC]")
FIRST, LAST = pd.Timestamp("2013-03-09"), pd.Timestamp("2013-03-18")


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """Two carriers' flights from La Guardia, January to 20 March 2013."""
    tables = load_tables()
    rows = "origin == 'LGA' and carrier in ['AA', 'MQ'] and (month < 3 or month == 3 and day <= 20)"
    return history(tables._replace(flights=tables.flights.query(rows).reset_index(drop=True)))


@pytest.fixture(scope="module")
def quiet(flights) -> Oversight:
    """Ten days that were served by a model of the days before; the outcomes came in time."""
    before, after = flights[flights.day < FIRST], flights[flights.day.between(FIRST, LAST)]
    model = RECIPE.train(before)
    parts = (Sample(part[FEATURES], part.disrupted, part.day) for part in (before, after.dropna(subset="disrupted")))
    card = make_card(model, *parts, n_boot=5)
    probability = model.predict_proba(after)
    flagged = probability >= card.threshold
    served = after.assign(probability=probability, flagged=flagged, model_version="1", milliseconds=1.0)
    monitor = Monitor.learn(cross_fitted(before, RECIPE, Costs()), FEATURES, Costs())
    return seen(monitor, card, served)


def seen(monitor: Monitor, card, served: pd.DataFrame, refused: pd.Series = NONE) -> Oversight:
    """What would be seen two days after the last."""
    now = midnight((LAST + timedelta(days=2)).date()).to_pydatetime()
    served = in_time(served)
    return Oversight(monitor, card, served, due(judge(monitor, served, refused), now), now, refused)


def changed(quiet: Oversight, served: pd.DataFrame) -> pd.DataFrame:
    return alarms(seen(quiet.monitor, quiet.card, served))


def since(served: pd.DataFrame, day: str) -> pd.Series:
    return served.day >= day


# What rings


def test_what_was_refused_rings_on_its_day_and_in_its_week(quiet):
    refused = pd.Series([midnight(LAST.date()) + timedelta(hours=9)] * 24)
    table = seen(quiet.monitor, quiet.card, quiet.served, refused).table
    rang = table[table.alarm & (table.statistic == "refused_share")]
    assert set(zip(rang.days, rang.start, strict=True)) == {(1, LAST), (7, LAST - timedelta(days=6))}


def test_quiet_days_ring_little_and_latency_not_at_all(quiet):
    found = alarms(quiet)
    assert "service" not in set(found.group)
    assert quiet.table.alarm.mean() < 0.02
    assert set(quiet.lengths) == {1, 7}


def test_a_number_in_another_unit_shows_in_its_median(quiet):
    served = quiet.served
    inches = served.pressure.where(~since(served, "2013-03-12"), served.pressure * 0.02953)
    found = changed(quiet, served.assign(pressure=inches)).set_index("subject").loc["pressure"]
    assert "1 w" in found.windows
    assert found["median"] == pytest.approx(30, abs=1) and found.trained == quiet.card.reference["pressure"]["typical"]


def test_a_feed_that_stopped_and_rows_that_came_twice_stand_first(quiet):
    served = quiet.served
    stopped = served.assign(visib=served.visib.mask(since(served, "2013-03-17")))
    first = changed(quiet, stopped).iloc[0]
    assert (first.subject, first.statistic, first.since) == ("visib", "missing_share", pd.Timestamp("2013-03-17"))
    twice = pd.concat([served, served[since(served, "2013-03-18")]])
    first = changed(quiet, twice).iloc[0]
    assert (first.statistic, first.value, first.windows) == ("repeated_share", 0.5, "1 d 1 w")


def test_outcomes_that_come_two_days_late_are_late_even_when_they_are_there(quiet):
    served = quiet.served
    late = since(served, "2013-03-16")
    told = served.assign(known_at=served.known_at + pd.to_timedelta(np.where(late, 48, 0), unit="h"))
    found = changed(quiet, told).set_index("statistic").loc["outcome_known_share"]
    assert found.value == 0 and found.since <= pd.Timestamp("2013-03-16")


def test_it_rings_now_only_if_the_last_day_or_week_does(quiet):
    table = quiet.table.assign(alarm=False)
    assert not rings_now(quiet._replace(table=table))
    table.loc[table.start == FIRST, "alarm"] = True
    assert not rings_now(quiet._replace(table=table))
    table.loc[table.start == LAST, "alarm"] = True
    assert rings_now(quiet._replace(table=table))


# What is judged


def test_weeks_are_counted_back_from_the_last_day(quiet):
    starts = quiet.table.groupby("days").start.unique()
    assert list(starts[7]) == [LAST - timedelta(days=6)]
    assert list(starts[1]) == list(pd.date_range(FIRST, LAST))


def test_outcomes_are_not_judged_while_some_may_come(quiet):
    early = due(quiet.table, midnight(LAST.date()).to_pydatetime())
    left = early[early.days == 1].groupby("start").group.agg(lambda group: "outcome" in set(group))
    assert left[:-2].all() and not left[-2:].any()  # the day before yesterday is over, and a day more


def test_the_reference_is_forecast_by_models_that_do_not_know_it(flights):
    past = flights[flights.day < "2013-02-15"]
    reference = cross_fitted(past, RECIPE, Costs())
    known = RECIPE.train(past).predict_proba(reference)
    target = reference.disrupted.to_numpy(bool)
    assert roc_auc_score(target, reference.probability) < roc_auc_score(target, known) - 0.02
    assert set(FEATURES) <= set(reference.columns)


def test_the_recipe_of_a_version_makes_its_like(quiet, flights):
    recipe = Recipe.of(quiet.card)
    assert recipe.made(quiet.card)
    before = flights[flights.day < FIRST]
    again, first = (one.train(before).predict_proba(before.head(50)) for one in (recipe, RECIPE))
    assert (again == first).all()


def test_a_home_in_which_nothing_was_served_is_one_clear_line(flights, tmp_path):
    home = Home(tmp_path)
    with pytest.raises(NothingServed, match=r"nothing was served in .*: `mle replay` does that, or name another"):
        oversee(home, flights)
    home.store.close()


def test_the_last_home_is_the_one_in_which_something_was_stored_last(tmp_path):
    assert last_home(tmp_path) is None
    for number, name in enumerate(("replays/one/store.db", "store.db", "replays/two/store.db-wal")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("something")
        os.utime(path, (number, number))
        assert last_home(tmp_path) == Home(path.parent)
    (tmp_path / "store.db-wal").touch()  # left by somebody who read
    assert last_home(tmp_path) == Home(path.parent)


# The terminal


def test_the_tables_fit_into_a_terminal_of_80_columns(quiet):
    console = Console(width=80, record=True, file=io.StringIO())
    warned = quiet.table[(quiet.table.statistic == "flagged_share") & (quiet.table.days == 7)].value
    (shares,) = (column for column in windows_table(quiet, "week").columns if column.header == "share\nwarned")
    assert [cell.strip(" *") for cell in shares.cells] == [f"{share:.0%}" for share in warned]
    for table in (windows_table(quiet, "day"), windows_table(quiet, "week"), alarms_table(quiet)):
        console.print(table)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "18 Mar 1" in text and f"{quiet.served.probability[quiet.served.day == LAST].mean():.3f}" in text
