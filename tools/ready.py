"""Wait for a server that is a process of its own."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

PATIENCE = 180  # seconds in which a server must be ready
PAUSE = 0.2  # seconds from one look to the next


def wait_until_ready(url: str, is_alive: Callable[[], bool], log: Path) -> None:
    """Return when ``url`` is answered with 200. Raises RuntimeError when the process has ended, or takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and is_alive():
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        time.sleep(PAUSE)
    state = "did not get ready in time" if is_alive() else "ended by itself"
    raise RuntimeError(f"the server {state} after its start; the end of its log: {log.read_text('utf-8')[-2000:]}")
