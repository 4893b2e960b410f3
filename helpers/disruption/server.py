"""A home, and the service that answers from it.

A home is the folder of one running system: its registry of models, its store and its API key. ``serve`` answers from a
terminal until it is interrupted; ``running`` answers from a thread of this process, for a notebook, a test or a replay.
"""

import json
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from filelock import FileLock

from helpers.data import Tables
from helpers.disruption.features import OperationsState
from helpers.disruption.registry import Registry
from helpers.disruption.service import Settings, create_app
from helpers.disruption.store import Store
from helpers.disruption.stream import flight_plans

KEY_FILE = "api_key"
START_SECONDS = 60


@dataclass(frozen=True)
class Home:
    """The folder of one running system; what is in it is opened, or made, when it is first asked for."""

    folder: Path

    @cached_property
    def registry(self) -> Registry:
        """The versions of the model. Raises RegistryError."""
        return Registry(self.folder / "registry")

    @cached_property
    def store(self) -> Store:
        """Predictions, events and outcomes. Raises StoreError."""
        return Store(self.folder / "store.db")

    @cached_property
    def api_key(self) -> str:
        """What opens the doors through which something is written."""
        return api_key(self.folder)


def last_home(folder: Path) -> Home | None:
    """The home in which something was stored last: the folder itself, or that of a replay in it; None without any."""
    names = ("store.db", "store.db-wal")
    stores = [path for name in names for path in (*folder.glob(name), *folder.glob(f"replays/*/{name}"))]
    # Who only reads may leave an empty log behind.
    written = [path for path in stores if path.stat().st_size]
    newest = max(written, key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest and Home(newest.parent)


def api_key(home: Path) -> str:
    """The key from the environment's MLE_API_KEY or the file ``api_key`` of the folder; made and told when missing."""
    if key := os.environ.get("MLE_API_KEY"):
        return key
    home.mkdir(parents=True, exist_ok=True)
    path = home / KEY_FILE
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            write_key(path)
            print(f"made an API key for the write endpoints: it is in {path}", file=sys.stderr)
    return path.read_text().strip()


def write_key(path: Path) -> None:
    """Write a new key, whole or not at all: half a key is soon guessed, and an empty one opens every door."""
    draft = path.with_suffix(".draft")
    # Created with its permissions, so that nobody reads it in the moment before they are set.
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    draft.replace(path)


def open_service(home: Home, tables: Tables, settings: Settings) -> FastAPI:
    """The service of a home, which knows the schedule of the tables (see ``contract.mended``)."""
    plans = flight_plans(tables)
    return create_app(home.registry, home.store, OperationsState(plans, tables.airports), settings, plans)


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of an app that answers on a free port of this machine until the block ends, however it ends.

    The app answers from a thread of this process, and is ready when the block begins. Raises RuntimeError when it
    cannot start. Introduced in lesson 11.
    """
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as door:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
        thread = threading.Thread(target=answer, args=(server, door), daemon=True)
        thread.start()
        try:
            wait_until_started(server, thread)
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def answer(server: Any, door: socket.socket) -> None:
    """Answer what comes through a door until the server is told to end; one that cannot start has logged why."""
    with suppress(SystemExit):
        server.run([door])


def wait_until_started(server: Any, thread: threading.Thread) -> None:
    """Return when the server answers. Raises RuntimeError when it ended, or took too long."""
    end = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise RuntimeError("the service did not start: its log says why")
        time.sleep(0.01)


@contextmanager
def running_service(home: Home, tables: Tables, **settings: Any) -> Iterator[httpx.Client]:
    """A client of the home's service, which answers until the block ends (see ``running``) and knows only its key."""
    key = secrets.token_urlsafe(32)
    app = open_service(home, tables, Settings(key, **settings))
    headers = {"X-API-Key": key}
    with running(app) as address, httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        yield client


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message and the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


def serve(app: FastAPI, settings: Settings) -> None:
    """Answer on loopback until interrupted; one JSON line on stderr for each request."""
    import uvicorn

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
    )
