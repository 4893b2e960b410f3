"""What the learner has done: an append-only file of JSON lines, `.progress/progress.jsonl`.

Each line is one event, `{"at": "2026-11-21T18:00:00+00:00", "exercise": "24.2", "status": "done"}`. Nothing is ever
rewritten, so a crash can cost the line that was being written and no other.
"""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from helpers.course import ROOT

DONE, RESET = "done", "reset"
# The kind of output under which a check's result stands in a notebook, for `mle check` to read.
RESULT_MIME = "application/vnd.mle.check+json"


def folder() -> Path:
    """Return where progress and backups are kept: `.progress/` of the project, or `$MLE_PROGRESS`."""
    return Path(os.environ.get("MLE_PROGRESS", ROOT / ".progress"))


def leave_home_alone() -> None:
    """Where the home folder cannot be written, let Jupyter, IPython and matplotlib keep their files here instead."""
    if os.access(Path.home(), os.W_OK):
        return
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        place = folder() / "home" / variable.lower()
        with suppress(OSError):  # nothing can be written here either: whoever has to write will say so
            place.mkdir(parents=True, exist_ok=True)
            os.environ.setdefault(variable, str(place))


def is_recorded() -> bool:
    """Whether events are kept: not while building or testing (`MLE_RECORD=no`), nor in a solution."""
    # JupyterLab tells the kernel which notebook it serves; running a solution is reading it, not doing it.
    notebook = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return os.environ.get("MLE_RECORD") != "no" and "solutions" not in notebook.parts


def record(exercise: str, status: str) -> None:
    """Append one event. Raises `OSError` where the file cannot be written."""
    if not is_recorded():
        return
    folder().mkdir(parents=True, exist_ok=True)
    event = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "exercise": exercise, "status": status}
    with open(folder() / "progress.jsonl", "a+b") as file:
        # A line that was torn by a crash is closed first, or it would swallow this one.
        start = b"\n" if _is_torn(file) else b""
        file.write(start + json.dumps(event).encode() + b"\n")


def events() -> list[dict[str, str]]:
    """Return all events in order of time, none with `MLE_RECORD=no`; a line that cannot be read is skipped."""
    if os.environ.get("MLE_RECORD") == "no":
        return []
    try:
        lines = (folder() / "progress.jsonl").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [event for event in map(_event, lines) if event]


def statuses() -> dict[str, str]:
    """Return the latest status of each exercise that was tried; what is done stays done until it is reset."""
    latest: dict[str, str] = {}
    for event in events():
        exercise, status = event["exercise"], event["status"]
        if status == RESET:
            latest.pop(exercise, None)
        elif latest.get(exercise) != DONE:
            latest[exercise] = status
    return latest


def _is_torn(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _event(line: str) -> dict[str, str] | None:
    try:
        event = json.loads(line)
        return event if isinstance(event["exercise"], str) and isinstance(event["status"], str) else None
    except (ValueError, KeyError, TypeError):
        return None
