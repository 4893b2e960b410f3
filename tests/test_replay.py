"""The replay sends each thing once and in time, goes on where it was cut off, and judges what was served."""

import io
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from sklearn.metrics import roc_auc_score

from helpers.data import Tables, load_tables
from helpers.disruption.desks import BulkDesk, HttpDesk, ReplayError
from helpers.disruption.faults import FAULTS, Stream, cut
from helpers.disruption.features import OperationsState
from helpers.disruption.model import Costs
from helpers.disruption.month_table import month_table
from helpers.disruption.registry import Registry
from helpers.disruption.replay import (
    HOUR,
    PLACE,
    Place,
    Replay,
    Settings,
    Year,
    alone,
    daily_changes,
    forget,
    year_of,
)
from helpers.disruption.retrain import Recipe, load, midnight, register, split_days
from helpers.disruption.service import Settings as ServiceSettings
from helpers.disruption.service import create_app
from helpers.disruption.store import Store
from helpers.disruption.stream import flight_plans
from helpers.disruption.terminal import months_table, progress_bar

KEY = "a key for the tests"
RECIPE = Recipe("a new model", params={"max_iter": 15, "learning_rate": 0.2})
SETTINGS = Settings(date(2013, 5, 31), date(2013, 6, 2), recipe=RECIPE)


@pytest.fixture(scope="module")
def tables() -> Tables:
    """One carrier's flights from Newark, January to 4 June 2013."""
    tables = load_tables()
    early = "origin == 'EWR' and (month <= 5 or month == 6 and day <= 4)"
    return tables._replace(
        flights=tables.flights.query(early + " and carrier == 'EV'").reset_index(drop=True),
        weather=tables.weather.query(early).reset_index(drop=True),
    )


@pytest.fixture(scope="module")
def year(tables) -> Year:
    return year_of(tables)


@pytest.fixture(scope="module")
def stream(year) -> Stream:
    return year.stream


@pytest.fixture(scope="module")
def flights(year) -> pd.DataFrame:
    return year.flights


@pytest.fixture(scope="module")
def winter(tmp_path_factory, flights) -> tuple[Path, str]:
    """A registry whose champion, a weak one, was trained until the end of winter; its folder and the version."""
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry(folder)
    split = split_days(flights, datetime(2013, 3, 12, 4, tzinfo=UTC))
    return folder, registry.promote(register(registry, flights, split, Recipe("a weak one", params={"max_iter": 3})))


@pytest.fixture
def registry(winter) -> Registry:
    """That registry, its champion in place again."""
    folder, version = winter
    registry = Registry(folder)
    registry.promote(version)
    return registry


@contextmanager
def http_desk(tables: Tables, registry: Registry, store: Store) -> Iterator[HttpDesk]:
    """The real service with the real registry and the real store, in this process."""
    plans = flight_plans(tables)
    settings = ServiceSettings(KEY, poll_seconds=0.02)
    app = create_app(registry, store, OperationsState(plans, tables.airports), settings, plans)
    headers = {"X-API-Key": KEY}
    with TestClient(app, "http://127.0.0.1:8000", raise_server_exceptions=False, headers=headers) as client:
        yield HttpDesk(client, store)


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


# The stream


def test_the_hours_hold_each_event_and_each_request_once(stream):
    start, end = midnight(date(2013, 3, 9)), midnight(date(2013, 3, 12))  # the clock goes forward on the 10th
    hours = [cut(stream, hour, hour + HOUR) for hour in pd.date_range(start, end, freq="h", inclusive="left")]
    assert len(hours) == 71
    for table, column in (("events", "at"), ("requests", "ask_at")):
        everything = getattr(stream, table)
        expected = everything[(everything[column] > start) & (everything[column] <= end)]
        assert len(expected) > 200
        pd.testing.assert_frame_equal(pd.concat([getattr(hour, table) for hour in hours]), expected)


def test_a_request_comes_two_hours_before_departure(stream):
    assert (stream.requests.scheduled_departure - stream.requests.ask_at == pd.Timedelta(hours=2)).all()


# Faults


SINCE = midnight(date(2013, 5, 20))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_alone_what_came_before_it(stream, name):
    faulty = FAULTS[name](stream, SINCE)
    before = cut(faulty, midnight(date(2013, 5, 10)), SINCE)
    sound = cut(stream, midnight(date(2013, 5, 10)), SINCE)
    pd.testing.assert_frame_equal(before.events[sound.events.columns], sound.events, check_like=True)
    pd.testing.assert_frame_equal(before.requests, sound.requests)


def weather_after(stream: Stream) -> pd.DataFrame:
    return stream.events[(stream.events.kind == "observed") & (stream.events["at"] > SINCE)].reset_index(drop=True)


def test_each_fault_does_what_its_name_says(stream):
    sound = weather_after(stream)
    renamed = weather_after(FAULTS["schema-change"](stream, SINCE))
    assert renamed.temp.isna().all() and renamed.temperature.equals(sound.temp.rename("temperature"))
    metres = weather_after(FAULTS["unit-change"](stream, SINCE))
    np.testing.assert_allclose(metres.wind_speed * 2.23694, sound.wind_speed, rtol=1e-5)
    stale = weather_after(FAULTS["stale-weather"](stream, SINCE))
    assert (stale.groupby("origin").temp.nunique() == 1).all() and sound.groupby("origin").temp.nunique().min() > 10
    assert stale.hour.equals(sound.hour)
    twice = FAULTS["doubled-rows"](stream, SINCE).requests
    assert (twice[twice.ask_at > SINCE].flight_id.value_counts() == 2).all()


def test_late_outcomes_come_two_days_late_and_in_order(stream):
    late = FAULTS["late-outcomes"](stream, SINCE).events
    assert late["at"].is_monotonic_increasing
    both = stream.events.merge(late, on="event_id", suffixes=("", "_told"))
    after = both["at"] > SINCE
    delay = (both.at_told - both["at"]) / pd.Timedelta(hours=1)
    assert set(delay[after & both.kind.isin(["arrived", "cancelled", "diverted"])]) == {48}
    assert set(delay[~after | both.kind.isin(["departed", "observed"])]) == {0}


# Settings and place


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": "daily"}, "no policy 'daily'"),
        ({"fault": "flood"}, "no fault 'flood': choose from schema-change, unit-change, stale-weather, late-outcomes"),
        ({"speed": -1}, "speed is -1"),
        ({"end": date(2013, 4, 1)}, "give an end after the start"),
        ({"fault_from": date(2013, 4, 1)}, "a fault begins on 2013-04-01, but which"),
        ({"fault": "bad-model", "fault_from": date(2013, 4, 2)}, "begins on 2013-04-02, which is not played"),
    ],
)
def test_what_cannot_be_played_is_one_clear_line(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**{"start": date(2013, 4, 1), "end": date(2013, 4, 2)} | settings)


def test_another_speed_is_the_same_replay_and_another_policy_is_not():
    days = date(2013, 4, 1), date(2013, 4, 2)
    assert Settings(*days, speed=60).name == Settings(*days).name != Settings(*days, policy="never").name


def test_a_place_is_written_whole(tmp_path):
    place = Place(
        "name", datetime(2013, 4, 1, 4, tzinfo=UTC), "1", "2", date(2013, 3, 30), datetime(2013, 4, 1, tzinfo=UTC)
    )
    assert Place.read(tmp_path / "place.json") is None
    place.write(tmp_path / "place.json")
    assert Place.read(tmp_path / "place.json") == place
    assert [path.name for path in tmp_path.iterdir()] == ["place.json"]


@pytest.mark.parametrize("left", [b"", b'{"name": "a replay", "hour": "2013-0', b"[]"])
def test_a_place_that_is_torn_is_one_clear_line(left, year, registry, tmp_path):
    (tmp_path / PLACE).write_bytes(left)
    with pytest.raises(ReplayError, match=r"place.json does not say where the replay is: begin again with --fresh$"):
        Replay(SETTINGS, year, registry, tmp_path)
    forget(tmp_path)
    assert not (tmp_path / PLACE).exists()


# The whole


class CutOff(Exception):
    """Stands for kill -9: nothing after it is done."""


class Fragile:
    """A desk that breaks down after it has handed in some hours, before anyone could write that down."""

    def __init__(self, desk: HttpDesk, hours: int) -> None:
        self.desk, self.hours = desk, hours

    def play(self, hour: Stream, key: str) -> Mapping[str, int]:
        sent = self.desk.play(hour, key)
        self.hours -= 1
        if not self.hours:
            raise CutOff
        return sent

    def __getattr__(self, name: str):
        return getattr(self.desk, name)


@pytest.fixture(scope="module")
def in_bulk(year, winter, tmp_path_factory) -> tuple[pd.DataFrame, Replay]:
    """The table of the two days without a service, and the replay."""
    folder, version = winter
    registry = Registry(folder)
    registry.promote(version)
    replay = Replay(SETTINGS, year, registry, tmp_path_factory.mktemp("bulk"))
    return replay.run(BulkDesk(year.flights, registry)), replay


def test_the_night_trains_and_promotes_what_passes_the_gate(in_bulk, registry):
    table, replay = in_bulk
    (path,) = replay.folder.glob("decisions/*-decision.json")
    decision = load(path)
    assert decision.passed and decision.at == midnight(date(2013, 6, 1))
    assert replay.place.frozen != replay.place.champion == replay.place.canary.version
    assert registry.load(replay.place.champion).card.trained.last == "2013-05-30"
    assert table.brier_change["2013-05"].value == 0  # the first day was served by the frozen champion itself
    assert table.brier_change["2013-06"].value != 0


def test_over_http_and_cut_off_twice_the_table_is_that_of_the_bulk(tables, year, registry, store, in_bulk, tmp_path):
    expected, bulk = in_bulk
    with http_desk(tables, registry, store) as desk:
        for hours in (9, 19):  # the second time after the promotion, before that was written down
            with pytest.raises(CutOff):
                Replay(SETTINGS, year, registry, tmp_path).run(Fragile(desk, hours))
        replay = Replay(SETTINGS, year, registry, tmp_path)
        table = replay.run(desk)
    pd.testing.assert_frame_equal(numbers(table), numbers(expected), rtol=1e-9)
    asked = cut(replay.stream, replay.start, replay.end).requests
    assert store.counts()["predictions"] == replay.place.sent["predictions"] == len(asked)
    assert replay.place.sent["refused"] == 0
    assert replay.place.champion == bulk.place.champion  # registered once, not twice


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each interval as three columns."""
    changes = [name for name in table if name.endswith("_change")]
    wide = [pd.DataFrame(table[name].tolist(), index=table.index).add_prefix(name) for name in changes]
    return pd.concat([table.drop(columns=changes), *wide], axis="columns").astype("float64")


def test_what_two_faults_do_to_the_service(tables, stream, registry, store):
    since, until = midnight(date(2013, 5, 30)), midnight(date(2013, 5, 30)) + 12 * HOUR
    asked = cut(stream, since, until).requests
    with http_desk(tables, registry, store) as desk:
        renamed = desk.play(cut(FAULTS["schema-change"](stream, since), since, until), "renamed")
        doubled = desk.play(cut(FAULTS["doubled-rows"](stream, since), since, until), "doubled")
        served = desk.served(since, until, until)
    assert renamed["refused"] == 12  # the weather of each hour
    assert renamed["predictions"] == len(asked)
    assert doubled["predictions"] == 2 * len(asked)
    rest = cut(stream, since, until).events.kind != "observed"
    assert (doubled["events"], renamed["events"]) == (rest.sum() + 12, rest.sum())  # a duplicate counts as taken
    scheduled = asked.scheduled_departure < until
    assert served.flight_id.value_counts().to_dict() == dict.fromkeys(asked.flight_id[scheduled], 3)
    assert served.temp.isna().sum() == scheduled.sum()  # the answers without the weather


def test_what_is_stale_and_late_reaches_the_service_as_such(tables, stream, registry, store):
    since, until = midnight(date(2013, 5, 30)), midnight(date(2013, 5, 31))
    faulty = FAULTS["late-outcomes"](FAULTS["stale-weather"](stream, since), since)
    with http_desk(tables, registry, store) as desk:
        told = cut(faulty, since - 12 * HOUR, since)
        desk.play(told._replace(requests=told.requests.iloc[:0]), "before")
        desk.play(cut(faulty, since, until), "faulty")
        late = cut(faulty, until, until + 47 * HOUR)
        desk.play(late._replace(requests=late.requests.iloc[:0]), "late")
        served, two_days_on = (desk.served(since, until, at) for at in (until, until + 47 * HOUR))
    assert served[["temp", "wind_speed", "visib"]].nunique().max() == 1
    assert served.disrupted.isna().all() and two_days_on.disrupted.notna().any()


def test_a_fault_in_what_is_sent_is_not_played_in_bulk(year, registry, tmp_path):
    replay = Replay(replace(SETTINGS, fault="unit-change"), year, registry, tmp_path)
    with pytest.raises(ReplayError, match=r"unit-change spoils what is sent .* cannot be played in bulk"):
        replay.run(BulkDesk(year.flights, registry))


def test_on_the_first_night_there_is_nothing_to_look_back_on(tables, year, registry, store, tmp_path):
    """A Monday on which alarms are looked for, and a bad model that is deployed before anything was served."""
    day = date(2013, 5, 27)
    settings = Settings(day, date(2013, 5, 28), "alarm", "bad-model", recipe=RECIPE)
    with http_desk(tables, registry, store) as desk:
        replay = Replay(settings, year, registry, tmp_path)
        table = replay.run(desk)
    assert replay.place.champion == replay.place.canary.version != replay.place.frozen
    assert table.brier_change["all"].value > 0.05


# What a folder holds


def test_a_folder_holds_one_replay_which_says_where_it_is(year, registry, tmp_path):
    said: list[str] = []
    days = Settings(date(2013, 5, 30), date(2013, 5, 31), "never", recipe=RECIPE)
    with pytest.raises(CutOff):
        Replay(days, year, registry, tmp_path, said.append).run(Fragile(BulkDesk(year.flights, registry), 6))
    Replay(days, year, registry, tmp_path, said.append).run(BulkDesk(year.flights, registry))
    Replay(days, year, registry, tmp_path, said.append)
    first, again, over = said
    assert "The first champion is version 1, trained on 2013-01-01 to 2013-03-1" in first
    assert again == "This replay was cut off: it goes on at 30 May 2013 04:00."  # after the warm-up, four hours
    assert over.startswith("This replay was played to its end before")
    with pytest.raises(ReplayError, match="another replay was played in"):
        Replay(replace(days, policy="calendar"), year, registry, tmp_path)


def test_a_replay_that_goes_on_repeats_what_was_decided(year, in_bulk):
    said: list[str] = []
    _, replay = in_bulk
    Replay(SETTINGS, year, replay.registry, replay.folder, said.append)
    assert len(said) == 2 and "It passes and may serve." in said[1]


def test_days_that_the_year_does_not_hold_are_refused(year, registry, tmp_path):
    with pytest.raises(ReplayError, match="cannot be played: the flights are of 2013-01-01 to 2013-06-04"):
        Replay(Settings(date(2013, 6, 1), date(2013, 6, 6)), year, registry, tmp_path)


def test_only_one_process_plays_in_a_folder(tmp_path):
    with alone(tmp_path), pytest.raises(ReplayError, match="another process plays in"), alone(tmp_path):
        pass


def test_only_what_a_replay_left_is_forgotten(tmp_path):
    for name in ("registry/file", "decisions/file", "store.db", "mine"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    forget(tmp_path)  # no replay was played here: the models are somebody's
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / PLACE).touch()
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_bad_model_is_taken_back_within_three_days(year, registry, tmp_path):
    settings = Settings(
        date(2013, 5, 24), date(2013, 5, 30), "never", "bad-model", fault_from=date(2013, 5, 25), recipe=RECIPE
    )
    replay = Replay(settings, year, registry, tmp_path)
    table = replay.run(BulkDesk(year.flights, registry))
    (path,) = replay.folder.glob("decisions/*-watch.json")
    stopped = load(path)
    assert stopped.verdict == "stop" and stopped.at <= midnight(date(2013, 5, 28))
    assert replay.place.champion == replay.place.frozen == registry.champion().version
    assert table.brier_change["all"].value > 0.01  # what the fault cost, while it lasted


def test_a_service_that_is_away_is_one_clear_line(store):
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    client = httpx.Client(base_url="http://127.0.0.1:8000", transport=httpx.MockTransport(away))
    desk = HttpDesk(client, store, patience=0.1)
    with pytest.raises(ReplayError, match="does not answer: start it with 'mle serve'"):
        desk.post("/v1/events", {"events": []})
    with pytest.raises(ReplayError, match="does not take up version 7"):
        desk.serve("7", datetime(2013, 4, 1, tzinfo=UTC))
    with pytest.raises(ReplayError, match="holds no prediction from 2013-04-01 on"):
        desk.served(*[datetime(2013, 4, day, tzinfo=UTC) for day in (1, 2, 3)])


# The table and its parts


def test_the_table_says_what_was_served_against_the_frozen_model(flights):
    days = flights[flights.day >= "2013-05-25"].dropna(subset="disrupted")
    rng = np.random.default_rng(0)
    frozen, served = rng.random((2, len(days)))
    table = month_table(days.assign(probability=served, flagged=served >= 0.5), frozen, 0.2, Costs())
    assert list(table.index) == ["2013-05", "2013-06", "all"]
    truth = days.disrupted.to_numpy("float64")
    row = table.loc["all"]
    assert row.brier_served == pytest.approx(np.mean((served - truth) ** 2))
    assert row.brier_change.value == pytest.approx(row.brier_served - row.brier_frozen)
    assert row.auc_change.value == pytest.approx(roc_auc_score(truth, served) - roc_auc_score(truth, frozen))
    misses, false_alarms = (served < 0.5) & (truth == 1), (served >= 0.5) & (truth == 0)
    assert row.cost_served == pytest.approx(1000 * (5 * misses.mean() + false_alarms.mean()))
    assert row.cost_change.low < row.cost_change.value < row.cost_change.high


def test_the_table_and_the_bar_can_be_read_in_a_terminal(in_bulk, year, registry, tmp_path):
    table, _ = in_bulk
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(months_table(table))
    with progress_bar(Console(file=io.StringIO())) as bar:
        days = Settings(date(2013, 5, 30), date(2013, 5, 31), "never", recipe=RECIPE)
        Replay(days, year, registry, tmp_path).run(BulkDesk(year.flights, registry), bar)
        assert bar.finished
    lines = console.export_text()
    row = table.loc["all"]
    assert f"{row.brier_frozen:.4f} to {row.brier_served:.4f}" in lines and f"[{row.brier_change.low:+.4f}" in lines
    assert max(map(len, lines.splitlines())) <= 80
    assert f"{row.flights:,}" in lines and "(one day)" in lines


def test_a_replay_in_slow_motion_takes_its_time(year, registry, tmp_path):
    settings = Settings(date(2013, 5, 30), date(2013, 5, 31), "never", speed=86_400, recipe=RECIPE)
    start = time.monotonic()
    Replay(settings, year, registry, tmp_path).run(BulkDesk(year.flights, registry))
    assert time.monotonic() - start >= 1  # a day of 86,400 seconds


def test_a_day_without_its_outcomes_is_not_compared(flights, registry):
    model = registry.champion().model
    days = flights[flights.day >= "2013-05-30"]
    partly = days.assign(disrupted=days.disrupted.mask(days.day == pd.Timestamp("2013-05-31")))
    every = daily_changes(days, model, model)
    assert len(daily_changes(partly, model, model)) == len(every) - 1
    assert set(every) == {0.0}
