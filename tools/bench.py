"""`make bench`: seconds and peak memory of each notebook, run in a fresh kernel as `mle build` runs it.

    python tools/bench.py [STEM ...]

Exits 1 when a lesson needs more than 60 s or 2 GB. Seconds depend on the machine and on what else it does: quote
them with the machine, or compare two notebooks of one run.
"""

import sys
import threading
import time
from pathlib import Path

import psutil

from helpers.course import ROOT, notebooks
from helpers.course.manifest import load_curriculum

LIMIT_SECONDS, LIMIT_GIGABYTES = 60, 2.0


class PeakMemory:
    """The most memory that the children of this process held at once, in bytes, looked at ten times a second."""

    def __enter__(self) -> "PeakMemory":
        """Start to look."""
        self.bytes, self._end = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            self.bytes = max(self.bytes, sum(map(_resident, psutil.Process().children(recursive=True))))


def measure(path: Path) -> tuple[float, float]:
    """Return the seconds and the peak gigabytes of running one notebook."""
    with PeakMemory() as peak:
        start = time.perf_counter()
        notebooks.complete(notebooks.run(path))
        seconds = time.perf_counter() - start
    return seconds, peak.bytes / 2**30


def main(stems: list[str]) -> int:
    """Print a line for each notebook; return 1 when one is over a limit."""
    curriculum = load_curriculum(ROOT)
    lessons = [curriculum.lesson(stem) for stem in stems] or curriculum.written
    over = False
    for path in (path for lesson in lessons for path in (lesson.notebook, lesson.solution)):
        seconds, gigabytes = measure(ROOT / path)
        over |= seconds > LIMIT_SECONDS or gigabytes > LIMIT_GIGABYTES
        print(f"{path.as_posix():<45} {seconds:6.1f} s {gigabytes:6.2f} GB", flush=True)
    return int(over)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
