"""What the service predicted, with which model, what it was told, and what came true.

=================  =========================================================================================
table              one row for
=================  =========================================================================================
model_versions     each version of the model that ever answered here
predictions        each answer, with the features it was made from
events             each event, once, however often it was sent
outcomes           each flight whose end is known: the terminal event that became known last
refused            each hour about which something was sent that broke the contract, and how often
schema_version     the layout of these tables; a file with another one is refused
=================  =========================================================================================

The promise of the service rests on this module: an answer is written here before it is given. A caller who hears
nothing asks again with the same idempotency key and receives the first answer (Helland, "Idempotence Is Not a
Medical Condition", 2012). A unique constraint holds that promise, not a look-up beforehand: between a look-up and
an insert another process may write.

SQLite is the default. Its write-ahead log lets the monitor read while the service writes, and a transaction that was
committed survives `kill -9` of the process. A power cut may cost the last of them: SQLite does not wait for the disk
at each commit (``synchronous=NORMAL``). Where that matters, give the URL of a PostgreSQL.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql, sqlite

from helpers.disruption.features import LATE
from helpers.disruption.messages import EVENT, Arrived, Cancelled, Departed, Diverted, Event, Observed, departure_in

SCHEMA_VERSION = 2
BUSY_SECONDS = 5.0  # how long a write waits for the writer of another process
ROWS_AT_ONCE = 5_000  # rows that a long read holds in memory
# Pages of SQLite's write-ahead log at which a commit empties it. That waits for the disk, which ``checkpoint`` does
# beside the commits, so that this number is seldom reached.
LONGEST_LOG = 10_000
COUNT = {"preserve_rowcount": True}  # an option of an insert: say how many rows were new
BEGIN = "mle_begin"  # an option of a connection: how a transaction of SQLite begins
LOCK_OF_THE_TABLES = 20130101  # any number that nobody else uses: PostgreSQL's lock while the tables are made
URLS = "sqlite:///PATH or postgresql+psycopg://HOST/NAME"
# SQLite's result codes (sqlite.org/rescode.html) and PostgreSQL's SQLSTATE for a full disk.
SQLITE_FULL, POSTGRESQL_FULL = 13, "53100"


class StoreError(Exception):
    """The store cannot do what it was asked to; one line says what to do. Nothing was written."""


class StoreFull(StoreError):
    """There is no room left to write."""


class Moment(sa.TypeDecorator):
    """A moment in UTC. SQLite has no type for moments: there it is text, without the time zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine:
        """What the database keeps."""
        return sa.String() if dialect.name == "sqlite" else self.impl

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | str | None:
        """Bring a moment to UTC. Raises ValueError when it has no time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: give a moment in UTC")
        return as_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | str | None, dialect: sa.Dialect) -> datetime | None:
        """Give a moment back in UTC, whatever the time zone of the database."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.astimezone(UTC)


@lru_cache(ROWS_AT_ONCE)
def as_text(moment: datetime) -> str:
    """A moment as SQLite keeps it. The flights of a batch share their moments."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


TABLES = sa.MetaData()
SCHEMA = sa.Table("schema_version", TABLES, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
MODEL_VERSIONS = sa.Table(
    "model_versions",
    TABLES,
    sa.Column("version", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("first_used_at", Moment, nullable=False),
)
PREDICTIONS = sa.Table(
    "predictions",
    TABLES,
    sa.Column("prediction_id", sa.String, primary_key=True),
    sa.Column("idempotency_key", sa.String, unique=True),
    # Without an index, which would cost a write to another page for each flight of a batch: see departure_in.
    sa.Column("flight_id", sa.String, nullable=False),
    sa.Column("origin", sa.String, nullable=False),
    sa.Column("dest", sa.String, nullable=False),
    sa.Column("carrier", sa.String, nullable=False),
    sa.Column("scheduled_departure", Moment, nullable=False, index=True),
    sa.Column("at", Moment, nullable=False, index=True),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("model_version", sa.ForeignKey("model_versions.version"), nullable=False),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("flagged", sa.Boolean, nullable=False),
    sa.Column("expected_cost", sa.Float, nullable=False),
    sa.Column("milliseconds", sa.Float, nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.CheckConstraint("probability between 0 and 1", name="a_probability_lies_between_0_and_1"),
)
EVENTS = sa.Table(
    "events",
    TABLES,
    sa.Column("event_id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", Moment, nullable=False, index=True),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
OUTCOMES = sa.Table(
    "outcomes",
    TABLES,
    sa.Column("flight_id", sa.String, primary_key=True),
    sa.Column("disrupted", sa.Boolean, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("delay_minutes", sa.Float),
    sa.Column("known_at", Moment, nullable=False, index=True),
    sa.Column("event_id", sa.ForeignKey("events.event_id"), nullable=False),
)
REFUSED = sa.Table(
    "refused", TABLES, sa.Column("hour", Moment, primary_key=True), sa.Column("number", sa.Integer, nullable=False)
)

PANDAS_TYPES = {sa.String: "str", sa.Float: "float64", sa.Boolean: "boolean", Moment: "datetime64[us, UTC]"}


class Prediction(NamedTuple):
    """One answer of the service, as it is stored and as it is given.

    ``at`` is the decision time whose knowledge the features hold, ``made_at`` the clock on the wall.
    ``expected_cost`` is in euros, of the decision that was taken; ``milliseconds`` the time for features and model.
    """

    prediction_id: str
    idempotency_key: str | None
    flight_id: str
    origin: str
    dest: str
    carrier: str
    scheduled_departure: datetime
    at: datetime
    made_at: datetime
    model_version: str
    probability: float
    threshold: float
    flagged: bool
    expected_cost: float
    milliseconds: float
    features: dict[str, float | str | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a flight ended, and when that was known. ``delay_minutes`` is None for a flight that did not arrive."""

    flight_id: str
    disrupted: bool
    kind: str
    delay_minutes: float | None
    known_at: datetime
    event_id: str


def outcome(event: Event) -> Outcome | None:
    """The end of a flight that an event tells; None for an event that ends none."""
    match event:
        case Arrived(delay_minutes=delay):
            return Outcome(event.flight_id, delay >= LATE, event.kind, delay, event.at, event.event_id)
        case Cancelled() | Diverted():
            return Outcome(event.flight_id, True, event.kind, None, event.at, event.event_id)
        case Departed() | Observed():
            return None


class Store:
    """The six tables in one database; safe to use from several threads and processes.

    ``url`` is SQLAlchemy's (sqlite:///path, postgresql+psycopg://user@host/name) or the path of an SQLite file, which
    is made when it is missing. ``max_bytes`` limits the size of an SQLite file.

    Raises StoreError for a database that cannot be opened, or whose schema version is another one; every method raises
    it when the database fails, and StoreFull when there is no room. What raised has written nothing.
    """

    def __init__(self, url: str | Path, max_bytes: int | None = None) -> None:
        """Open the database; make its tables when it is empty."""
        self.engine = _engine(url, max_bytes)
        self.where = self.engine.url.render_as_string(hide_password=True)
        is_sqlite = self.engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if is_sqlite else postgresql.insert
        # SQLite lets one writer in at a time and has the others poll: threads of one process queue here instead.
        self._turn = threading.Lock() if is_sqlite else nullcontext()
        self._read_only = self.engine.execution_options(**{BEGIN: "BEGIN"})
        self._failed = False  # the last write
        try:
            self._prepare()
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    # ------------------------------------------------------------------ write

    def add_model_version(self, version: str, name: str, threshold: float) -> None:
        """Note a version of the model before its first prediction; a version that is known stays as it is."""
        row = {"version": version, "name": name, "threshold": threshold, "first_used_at": datetime.now(UTC)}
        with self._transaction() as connection:
            connection.execute(self._insert(MODEL_VERSIONS).on_conflict_do_nothing(), row)

    def add_predictions(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Store all or none; the answers to give: for an idempotency key or an id that is taken, the one stored first.

        An id is taken when the same predictions are stored again, after a commit that was done and reported as failed.
        """
        if not predictions:
            return []
        rows = [prediction._asdict() for prediction in predictions]
        with self._transaction() as connection:
            written = connection.execute(
                self._insert(PREDICTIONS).on_conflict_do_nothing(), rows, execution_options=COUNT
            )
            return list(predictions) if written.rowcount == len(rows) else _first_of(connection, predictions)

    def add_events(self, events: Sequence[Event]) -> list[bool]:
        """Store all or none of the events, with the outcomes they tell; for each, whether it was new."""
        if not events:
            return []
        received_at = datetime.now(UTC)
        rows = [_event_row(event, received_at) for event in events]
        write = self._insert(EVENTS).on_conflict_do_nothing().returning(EVENTS.c.event_id)
        with self._transaction() as connection:
            new = set(connection.execute(write, rows).scalars())
            is_new = _first_times([event.event_id for event in events], new)
            self._add_outcomes(connection, compress(events, is_new))
        return is_new

    def _add_outcomes(self, connection: sa.Connection, events: Iterable[Event]) -> None:
        """Note how flights ended. The event that became known last counts, in whatever order they are sent."""
        told = [asdict(end) for end in map(outcome, events) if end is not None]
        if not told:
            return
        write = self._insert(OUTCOMES)
        later = sa.tuple_(write.excluded.known_at, write.excluded.event_id) > sa.tuple_(
            OUTCOMES.c.known_at, OUTCOMES.c.event_id
        )
        changed = {name: write.excluded[name] for name in told[0] if name != "flight_id"}
        connection.execute(write.on_conflict_do_update(index_elements=["flight_id"], set_=changed, where=later), told)

    def add_refused(self, times: Sequence[datetime]) -> None:
        """Count, by the hour, messages that broke the contract; nothing of what they said is kept."""
        if not times:
            return
        hours = Counter(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0) for moment in times)
        write = self._insert(REFUSED)
        added = {"number": REFUSED.c.number + write.excluded.number}
        with self._transaction() as connection:
            connection.execute(
                write.on_conflict_do_update(index_elements=["hour"], set_=added),
                [{"hour": hour, "number": number} for hour, number in hours.items()],
            )

    # ------------------------------------------------------------------- read

    def predictions_of_keys(self, idempotency_keys: Sequence[str]) -> dict[str, Prediction]:
        """The predictions that are stored under idempotency keys; a key without one is left out."""
        if not idempotency_keys:
            return {}
        query = sa.select(PREDICTIONS).where(PREDICTIONS.c.idempotency_key.in_(idempotency_keys))
        with self._connection() as connection:
            return {row.idempotency_key: Prediction(**row._mapping) for row in connection.execute(query)}

    def predictions_of_flight(self, flight_id: str) -> list[Prediction]:
        """All predictions of a flight in order of decision time."""
        of_flight = PREDICTIONS.c.scheduled_departure == departure_in(flight_id), PREDICTIONS.c.flight_id == flight_id
        query = sa.select(PREDICTIONS).where(*of_flight)
        with self._connection() as connection:
            rows = connection.execute(query.order_by(PREDICTIONS.c.at, PREDICTIONS.c.made_at))
            return [Prediction(**row._mapping) for row in rows]

    def outcome_of_flight(self, flight_id: str) -> Outcome | None:
        """How a flight ended, None while that is not known."""
        with self._connection() as connection:
            row = connection.execute(sa.select(OUTCOMES).where(OUTCOMES.c.flight_id == flight_id)).one_or_none()
            return Outcome(**row._mapping) if row else None

    def events(self) -> Iterator[Event]:
        """All events in order of the time at which they became known."""
        query = sa.select(EVENTS.c.body).order_by(EVENTS.c.at, EVENTS.c.event_id)
        with self._connection() as connection:
            for body in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).scalars():
                yield EVENT.validate_json(body)

    def scored(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Predictions whose scheduled departure lies in [start, end), with the outcomes that are known by now.

        One row a prediction, in order of scheduled departure; ``features`` holds a dict, ``disrupted`` and
        ``known_at`` are missing while the flight's end is not known.
        """
        departure = PREDICTIONS.c.scheduled_departure
        query = (
            sa.select(PREDICTIONS, OUTCOMES.c.disrupted, OUTCOMES.c.kind, OUTCOMES.c.delay_minutes, OUTCOMES.c.known_at)
            .outerjoin(OUTCOMES, OUTCOMES.c.flight_id == PREDICTIONS.c.flight_id)
            .where(departure >= start, departure < end)
            .order_by(departure, PREDICTIONS.c.prediction_id)
        )
        with self._connection() as connection:
            table = pd.read_sql(query, connection)
        # A column in which nothing stands would have no type.
        types = {name: PANDAS_TYPES.get(type(column.type)) for name, column in query.selected_columns.items()}
        return table.astype({name: dtype for name, dtype in types.items() if dtype})

    def refused(self, start: datetime, end: datetime) -> pd.Series:
        """The hour of each message about [start, end) that broke the contract, as the monitor wants them."""
        query = sa.select(REFUSED).where(REFUSED.c.hour >= start, REFUSED.c.hour < end).order_by(REFUSED.c.hour)
        with self._connection() as connection:
            hours = [row.hour for row in connection.execute(query) for _ in range(row.number)]
        return pd.Series(hours, dtype="datetime64[us, UTC]")

    def last_moment(self) -> datetime | None:
        """The latest decision time or time of an event; None when there is neither."""
        with self._connection() as connection:
            latest = [connection.scalar(sa.select(sa.func.max(table.c["at"]))) for table in (PREDICTIONS, EVENTS)]
        return max((moment for moment in latest if moment is not None), default=None)

    def counts(self) -> dict[str, int]:
        """The number of rows of each table."""
        tables = (MODEL_VERSIONS, PREDICTIONS, EVENTS, OUTCOMES)
        with self._connection() as connection:
            return {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables}

    def check(self) -> None:
        """Ask the database for a sign of life. Raises StoreError when there is none.

        After a write that failed, a read is none: on a full disk it works. Then a write must do, of a page or two.
        """
        if self._failed:
            with self._transaction() as connection:
                connection.execute(sa.update(SCHEMA).values(version=SCHEMA.c.version))
        with self._connection() as connection:
            connection.execute(sa.select(SCHEMA.c.version))

    def checkpoint(self) -> None:
        """Move SQLite's write-ahead log into the database, while others read and write. Raises StoreError."""
        if self.engine.dialect.name == "sqlite":
            bare = self.engine.execution_options(**{BEGIN: None})  # within a transaction SQLite refuses
            with _faults_of(self.where), bare.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    # ---------------------------------------------------------------- database

    def _prepare(self) -> None:
        """Make the tables of an empty database; refuse one that another version of this module wrote."""
        with self._transaction() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_OF_THE_TABLES)))
            if not sa.inspect(connection).has_table(SCHEMA.name):
                TABLES.create_all(connection)
                connection.execute(sa.insert(SCHEMA).values(version=SCHEMA_VERSION))
            version = connection.scalar(sa.select(SCHEMA.c.version))
        if version != SCHEMA_VERSION:
            age = "a newer course: update this one" if version > SCHEMA_VERSION else "an older course: move it away"
            raise StoreError(
                f"the store {self.where} has schema version {version}, this program writes {SCHEMA_VERSION}; "
                f"it belongs to {age}, or choose another folder with MLE_HOME"
            )

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """A connection for writing: all that happens in it is kept, or nothing of it."""
        with self._turn, _faults_of(self.where):
            try:
                with self.engine.begin() as connection:
                    yield connection
            except Exception:
                self._failed = True
                raise
            self._failed = False

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """A connection for reading, which never waits for a writer."""
        with _faults_of(self.where), self._read_only.connect() as connection:
            yield connection


def _event_row(event: Event, received_at: datetime) -> dict[str, Any]:
    """An event as a row of its table."""
    body = event.model_dump_json()
    return {"event_id": event.event_id, "kind": event.kind, "at": event.at, "received_at": received_at, "body": body}


def _first_times(event_ids: Sequence[str], new: set[str]) -> list[bool]:
    """For each id, whether it is among the new ones and stands here for the first time."""
    place = {event_id: place for place, event_id in reversed(list(enumerate(event_ids)))}
    return [event_id in new and place[event_id] == here for here, event_id in enumerate(event_ids)]


def _first_of(connection: sa.Connection, predictions: Sequence[Prediction]) -> list[Prediction]:
    """For each prediction the one that is stored under its idempotency key, or without a key under its id."""
    keys = [given.idempotency_key for given in predictions if given.idempotency_key is not None]
    ids = [given.prediction_id for given in predictions]
    taken = PREDICTIONS.c.idempotency_key.in_(keys) | PREDICTIONS.c.prediction_id.in_(ids)
    stored = [Prediction(**row._mapping) for row in connection.execute(sa.select(PREDICTIONS).where(taken))]
    by_key, by_id = {one.idempotency_key: one for one in stored}, {one.prediction_id: one for one in stored}
    return [
        by_id[given.prediction_id] if given.idempotency_key is None else by_key[given.idempotency_key]
        for given in predictions
    ]


def _engine(url: str | Path, max_bytes: int | None) -> sa.Engine:
    """An engine for the URL or the SQLite file. Raises StoreError for a URL that makes no sense here."""
    if isinstance(url, Path):
        url = f"sqlite:///{url}"
    try:
        parsed = sa.make_url(url)
        engine = sa.create_engine(parsed, json_serializer=_json, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except sa.exc.ArgumentError:
        raise StoreError(
            "the store's URL cannot be read: give sqlite:///PATH or postgresql+psycopg://HOST/NAME"
        ) from None
    except ImportError as error:
        raise StoreError(f"the store's URL needs the package {error.name}: install it, or use sqlite:///PATH") from None
    match engine.dialect.name:
        case "sqlite":
            _set_up_sqlite(engine, max_bytes)
        case "postgresql":
            pass
        case name:
            raise StoreError(f"the store cannot be a {name}: give {URLS}")
    return engine


def _set_up_sqlite(engine: sa.Engine, max_bytes: int | None) -> None:
    """Let readers and a writer work at the same time, hold foreign keys, and say when a transaction begins."""
    if engine.url.database and engine.url.database != ":memory:":
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes late and leaves the making of tables out
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")
        if max_bytes is not None:
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count={max_bytes // page_size}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer takes the lock at once: a transaction that reads first could not be given it later.
        if begin := connection.get_execution_options().get(BEGIN, "BEGIN IMMEDIATE"):
            connection.exec_driver_sql(begin)


def _json(value: Any) -> str:
    """JSON in which a missing number is null: NaN is not JSON."""
    return to_json(value, inf_nan_mode="null").decode()


@contextmanager
def _faults_of(where: str) -> Iterator[None]:
    """Turn the database's faults into ours: one line, without the statement and its parameters."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
        reason = str(error.orig).strip().split("\n")[0]
        if code in (SQLITE_FULL, POSTGRESQL_FULL):
            raise StoreFull(f"the store {where} has no room left ({reason}): free space on its disk") from error
        raise StoreError(f"the store {where} does not work: {reason}") from error
