"""The store keeps its promises, on SQLite always and on a real PostgreSQL where one is installed."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from glob import glob
from itertools import permutations
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from helpers.disruption.messages import Arrived, Cancelled, Departed, Diverted, Observed
from helpers.disruption.store import SCHEMA, Outcome, Prediction, Store, StoreError, StoreFull

NOON = datetime(2013, 7, 1, 16, tzinfo=UTC)
FLIGHT = "UA1545-EWR-20130701T1800Z"


def prediction(number: int, key: str | None = None, **changes) -> Prediction:
    values = {
        "prediction_id": f"p{number}",
        "idempotency_key": key,
        "flight_id": FLIGHT,
        "origin": "EWR",
        "dest": "IAH",
        "carrier": "UA",
        "scheduled_departure": NOON + timedelta(hours=2),
        "at": NOON,
        "made_at": NOON + timedelta(seconds=number, microseconds=123456),
        "model_version": "1",
        "probability": 0.1 + 1e-17 * number,
        "threshold": 1 / 6,
        "flagged": False,
        "expected_cost": 0.5,
        "milliseconds": 0.25,
        "features": {"origin": "EWR", "temp": 77.0, "wind_gust": None},
    }
    return Prediction(**(values | changes))


def arrived(event_id: str, delay: float, hours: float = 5, flight_id: str = FLIGHT) -> Arrived:
    return Arrived(event_id=event_id, at=NOON + timedelta(hours=hours), flight_id=flight_id, delay_minutes=delay)


# ------------------------------------------------------------------ a PostgreSQL of our own


def postgresql_folder() -> Path | None:
    """The folder of the server's programs: Debian keeps them off the path."""
    folders = sorted(glob("/usr/lib/postgresql/*/bin"))
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else Path(folders[-1]) if folders else None


def as_nobody_special() -> dict:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL that listens on loopback and forgets everything afterwards."""
    programs = postgresql_folder() if os.name == "posix" else None
    if programs is None:
        pytest.skip("no PostgreSQL on this machine (Debian: the packages postgresql and libpq5)")
    pytest.importorskip("psycopg", reason="psycopg finds no libpq", exc_type=ImportError)
    folder = Path(f"/tmp/mle-postgresql-{os.getpid()}")  # tmp_path belongs to root alone
    folder.mkdir()
    user = as_nobody_special()
    if user:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    make = [programs / "initdb", "-D", folder / "data", "-U", "mle", "-A", "trust", "-E", "UTF8"]
    make += ["--no-sync", "--no-locale"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder, **user)
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", settings, "start"], check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
    try:
        yield f"postgresql+psycopg://mle@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], stdout=subprocess.DEVNULL, cwd=folder, **user)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new folder' / 'store.db'}"
    url = request.getfixturevalue("postgresql")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema public cascade")
        connection.exec_driver_sql("create schema public")
    engine.dispose()
    return url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An empty store that knows version 1 of the model."""
    store = Store(url)
    store.add_model_version("1", "boosting", 1 / 6)
    yield store
    store.close()


# --------------------------------------------------------------------------- predictions


def test_a_prediction_comes_back_as_it_was_stored(store, url):
    given = prediction(1, "key")
    assert store.add_predictions([given]) == [given]
    again = Store(url)
    assert again.predictions_of_keys(["key", "another"]) == {"key": given}
    assert again.predictions_of_flight(FLIGHT) == [given]
    again.close()


def test_a_missing_feature_is_null_and_not_the_word_nan(store):
    store.add_predictions([prediction(1, features={"wind_gust": float("nan")})])
    assert store.predictions_of_flight(FLIGHT)[0].features == {"wind_gust": None}


def test_moments_are_utc_whatever_their_zone_and_never_naive(store):
    in_new_york = NOON.astimezone(timezone(-timedelta(hours=4)))
    store.add_predictions([prediction(1, at=in_new_york)])
    stored = store.predictions_of_flight(FLIGHT)[0].at
    assert (stored, stored.utcoffset()) == (NOON, timedelta(0))
    with pytest.raises(sa.exc.StatementError, match="no time zone"):
        store.add_predictions([prediction(2, at=NOON.replace(tzinfo=None))])


def test_the_second_prediction_of_a_key_is_answered_with_the_first(store):
    first = prediction(1, "key", probability=0.4)
    assert store.add_predictions([first]) == [first]
    again = store.add_predictions([prediction(2, "key", probability=0.9), prediction(3, "other")])
    assert again == [first, prediction(3, "other")]
    assert store.counts()["predictions"] == 2


def test_one_key_twice_in_a_batch_is_answered_with_the_first_of_them(store):
    first, second = prediction(1, "key", probability=0.4), prediction(2, "key", probability=0.9)
    assert store.add_predictions([first, second]) == [first, first]
    assert store.counts()["predictions"] == 1


def test_the_second_prediction_of_an_id_is_answered_with_the_first(store):
    """Asked again after a commit that was done and reported as failed; a key that is taken goes before an id."""
    first, keyed = prediction(1, probability=0.4), prediction(2, "key", probability=0.5)
    store.add_predictions([first, keyed])
    again = [prediction(1, probability=0.9), prediction(3, "key"), prediction(2, "key"), prediction(4)]
    assert store.add_predictions(again) == [first, keyed, keyed, again[-1]]
    assert store.counts()["predictions"] == 3


def test_predictions_without_a_key_are_all_kept(store):
    store.add_predictions([prediction(1), prediction(2)])
    assert store.counts()["predictions"] == 2


def test_a_batch_is_stored_whole_or_not_at_all(store):
    with pytest.raises(StoreError, match="does not work"):
        store.add_predictions([prediction(1), prediction(2, probability=1.5)])
    assert store.counts()["predictions"] == 0


def test_a_prediction_of_an_unknown_model_is_refused(store):
    with pytest.raises(StoreError, match="does not work"):
        store.add_predictions([prediction(1, model_version="7")])


def test_a_model_version_is_noted_once(store):
    store.add_model_version("1", "another name", 0.9)
    assert store.counts()["model_versions"] == 1


def test_one_key_used_by_many_at_once_is_stored_once(store):
    answers: list[Prediction] = []

    def ask(number: int) -> None:
        answers.extend(store.add_predictions([prediction(number, "key")]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    assert {answer.prediction_id for answer in answers} == {store.predictions_of_keys(["key"])["key"].prediction_id}
    assert store.counts()["predictions"] == 1


# -------------------------------------------------------------------------------- events


def test_events_come_back_in_order_of_time(store):
    late, early = arrived("b", 3), Departed(event_id="a", at=NOON, flight_id=FLIGHT, delay_minutes=-2)
    weather = Observed(event_id="c", at=NOON + timedelta(minutes=51), origin="EWR", hour=NOON, temp=77.5)
    assert store.add_events([late, weather, early]) == [True, True, True]
    assert list(store.events()) == [early, weather, late]


def test_an_event_that_comes_twice_counts_once(store):
    assert store.add_events([arrived("a", 3), arrived("a", 99), arrived("b", 3)]) == [True, False, True]
    assert store.add_events([arrived("a", 99)]) == [False]
    assert list(store.events()) == [arrived("a", 3), arrived("b", 3)]
    assert store.outcome_of_flight(FLIGHT).delay_minutes == 3


@pytest.mark.parametrize(("delay", "disrupted"), [(14, False), (15, True), (-20, False)])
def test_fifteen_minutes_late_is_disrupted(store, delay, disrupted):
    store.add_events([arrived("a", delay)])
    expected = Outcome(FLIGHT, disrupted, "arrived", delay, NOON + timedelta(hours=5), "a")
    assert store.outcome_of_flight(FLIGHT) == expected


@pytest.mark.parametrize("kind", [Cancelled, Diverted])
def test_cancelled_and_diverted_are_disrupted(store, kind):
    store.add_events([kind(event_id="a", at=NOON, flight_id=FLIGHT)])
    assert store.outcome_of_flight(FLIGHT) == Outcome(FLIGHT, True, kind.__name__.lower(), None, NOON, "a")


def test_a_departure_ends_no_flight(store):
    store.add_events([Departed(event_id="a", at=NOON, flight_id=FLIGHT, delay_minutes=90)])
    assert store.outcome_of_flight(FLIGHT) is None


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_news_that_became_known_last_counts_in_whatever_order_it_is_sent(store, order):
    news = [
        Diverted(event_id="a", at=NOON, flight_id=FLIGHT),
        arrived("b", 40, hours=6),
        arrived("c", 2, hours=6),  # the same moment: the larger key, so that the order cannot matter
    ]
    for place in order:
        store.add_events([news[place]])
    assert store.outcome_of_flight(FLIGHT).event_id == "c"


def test_nothing_is_a_good_batch(store):
    assert (store.add_predictions([]), store.add_events([])) == ([], [])
    assert store.predictions_of_keys([]) == {}


# --------------------------------------------------------------------------------- reading


def test_scored_joins_each_prediction_with_its_outcome(store):
    other = "UA1545-EWR-20130702T1800Z"
    tomorrow = {"flight_id": other, "scheduled_departure": NOON + timedelta(hours=26)}
    store.add_predictions([prediction(1), prediction(2), prediction(3, **tomorrow)])
    store.add_events([arrived("a", 30)])
    july = store.scored(NOON, NOON + timedelta(days=31))
    assert list(july.prediction_id) == ["p1", "p2", "p3"]
    assert july.disrupted.dtype == "boolean"
    assert list(july.disrupted[:2]) == [True, True]
    assert july.disrupted.isna().tolist() == [False, False, True]
    assert july.known_at[0] == NOON + timedelta(hours=5)
    assert {str(july[name].dt.tz) for name in ("scheduled_departure", "at", "made_at", "known_at")} == {"UTC"}
    assert july.features[0] == {"origin": "EWR", "temp": 77.0, "wind_gust": None}
    assert len(store.scored(NOON, NOON + timedelta(hours=2))) == 0
    assert list(store.scored(NOON + timedelta(hours=2), NOON + timedelta(hours=3)).prediction_id) == ["p1", "p2"]


def test_scored_of_nothing_has_its_columns_and_types(store):
    nothing, something = store.scored(NOON, NOON), None
    store.add_predictions([prediction(1)])
    something = store.scored(NOON, NOON + timedelta(days=1))
    assert list(nothing.columns) == list(something.columns)
    assert isinstance(nothing.known_at.dtype, pd.DatetimeTZDtype)
    assert nothing.disrupted.dtype == "boolean"


def test_refusals_are_counted_by_the_hour(store):
    store.add_refused([])
    store.add_refused([NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)])
    store.add_refused([NOON.astimezone(timezone(-timedelta(hours=4))) + timedelta(minutes=1)])
    assert list(store.refused(NOON, NOON + timedelta(hours=1))) == [NOON] * 3
    assert list(store.refused(NOON + timedelta(hours=1), NOON + timedelta(days=1))) == [NOON + timedelta(hours=1)]
    nothing = store.refused(NOON + timedelta(hours=2), NOON + timedelta(days=1))
    assert len(nothing) == 0 and nothing.dtype == "datetime64[us, UTC]"


def test_a_reader_does_not_wait_for_a_writer(store, url):
    store.add_predictions([prediction(1)])
    reader = Store(url)
    with store._transaction() as connection:
        connection.exec_driver_sql("delete from predictions")
        assert reader.counts()["predictions"] == 1
    assert reader.counts()["predictions"] == 0
    reader.close()


# ------------------------------------------------------------------------------- opening


def test_opened_by_many_at_once_it_is_made_once(url):
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store(url))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 6
    for store in stores:
        store.check()
        store.close()


@pytest.mark.parametrize(("version", "advice"), [(3, "update this one"), (1, "move it away")])
def test_another_schema_version_is_refused_in_one_line(url, version, advice):
    store = Store(url)
    with store._transaction() as connection:
        connection.execute(sa.update(SCHEMA).values(version=version))
    store.close()
    with pytest.raises(StoreError, match=f"schema version {version}.*{advice}") as refusal:
        Store(url)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://user@host/name", r"package MySQLdb|cannot be a mysql"),
        ("postgresql+psycopg://mle:secret@127.0.0.1:1/name", "does not work"),
    ],
)
def test_a_store_that_cannot_be_opened_is_refused_in_one_line(url, says):
    with pytest.raises(StoreError, match=says) as refusal:
        Store(url)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "store.db"
    path.write_text("a letter to my mother, and a long one " * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="file is not a database"):
        Store(path)
    assert path.read_bytes() == before


def test_a_folder_in_the_way_is_refused(tmp_path):
    with pytest.raises(StoreError, match="unable to open database file"):
        Store(tmp_path)


# ------------------------------------------------------------------ when things go wrong


def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path):
    store = Store(tmp_path / "store.db", max_bytes=400_000)
    store.add_model_version("1", "boosting", 0.5)
    stored = 0
    with pytest.raises(StoreFull, match=r"no room left.*free space"):
        for batch in range(1000):
            store.add_predictions([prediction(50 * batch + number) for number in range(50)])
            stored += 50
    assert stored >= 50
    assert store.counts()["predictions"] == stored
    with pytest.raises(StoreFull):
        store.add_events(
            [arrived(f"e{number}", 30, flight_id=f"UA{number + 1}-EWR-20130701T1800Z") for number in range(2000)]
        )
    assert (store.counts()["events"], store.counts()["outcomes"]) == (0, 0)
    store.close()
    roomier = Store(tmp_path / "store.db")
    roomier.add_predictions([prediction(50 * batch + 7) for batch in [1000]])
    assert roomier.counts()["predictions"] == stored + 1
    roomier.close()


def test_after_a_write_that_failed_a_read_is_no_sign_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.disruption.store.BUSY_SECONDS", 0.05)
    one, two = Store(tmp_path / "store.db"), Store(tmp_path / "store.db")
    with one._transaction():
        two.check()
        with pytest.raises(StoreError, match="database is locked"):
            two.add_events([arrived("a", 3)])
        with pytest.raises(StoreError, match="database is locked"):
            two.check()
    two.check()
    assert two.counts()["events"] == 0
    one.close()
    two.close()


def test_a_checkpoint_empties_the_log_and_loses_nothing_while_others_read_and_write(store, url):
    path = Path(store.engine.url.database)
    store.add_predictions([prediction(number) for number in range(100)])
    before = path.stat().st_size if path.exists() else 0
    with store._transaction() as connection, store._connection() as reader:
        connection.exec_driver_sql("delete from predictions where prediction_id = 'p7'")
        store.checkpoint()
        assert reader.exec_driver_sql("select count(*) from predictions").scalar() == 100
    store.checkpoint()
    if url.startswith("sqlite"):
        assert path.stat().st_size > before + 50_000
    assert store.counts()["predictions"] == 99


def test_a_writer_that_waits_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.disruption.store.BUSY_SECONDS", 0.05)
    one, two = Store(tmp_path / "store.db"), Store(tmp_path / "store.db")
    with one._transaction(), pytest.raises(StoreError, match="database is locked"):
        two.add_events([arrived("a", 3)])
    assert two.add_events([arrived("a", 3)]) == [True]
    one.close()
    two.close()


WRITE_UNTIL_KILLED = """
import sys
from itertools import count
from tests.test_store import Store, prediction
store = Store(sys.argv[1])
store.add_model_version("1", "boosting", 0.5)
for number in count():
    store.add_predictions([prediction(number)])
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is a thing of POSIX")
def test_what_was_stored_before_kill_9_is_there_afterwards(tmp_path):
    root = Path(__file__).parents[1]
    path = tmp_path / "store.db"
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    answered = -1
    for line in writer.stdout:
        answered = int(line)
        if answered == 200:
            writer.kill()
    writer.wait()
    writer.stdout.close()
    store = Store(path)
    assert answered + 1 <= store.counts()["predictions"] <= answered + 2
    with store._connection() as connection:
        assert connection.exec_driver_sql("pragma integrity_check").scalar() == "ok"
    store.close()
