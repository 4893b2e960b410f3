"""Seconds and peak memory of each notebook, run in a fresh kernel as `mle build` runs it: at most 60 s and 2 GB.

The seconds of the processor stand beside those of the clock: they say more on a machine that has other work to do.
"""

import os
import time
from pathlib import Path

import psutil
from bench_memory import PeakMemory

from helpers.course import ROOT, notebooks
from helpers.course.manifest import load_curriculum

LIMIT_SECONDS, LIMIT_GIGABYTES = 60, 2.0


def measure(path: Path) -> tuple[float, float, float]:
    """Return the seconds, those of the processor, and the peak gigabytes of running one notebook."""
    before = processor_seconds()
    with PeakMemory(psutil.Process().children) as peak:
        start = time.perf_counter()
        notebooks.complete(notebooks.run(path))
        seconds = time.perf_counter() - start
    return seconds, processor_seconds() - before, peak.bytes / 2**30


def processor_seconds() -> float:
    """What the processes that this one started, and that have ended, took of the processor; always 0 on Windows."""
    spent = os.times()
    return spent.children_user + spent.children_system


def lessons(stems: list[str]) -> int:
    """Print a line for each notebook, of all lessons when none is named; the number of those over a limit."""
    curriculum = load_curriculum(ROOT)
    chosen = [curriculum.lesson(stem) for stem in stems] or curriculum.written
    over = 0
    for path in (path for lesson in chosen for path in (lesson.notebook, lesson.solution)):
        seconds, processor, gigabytes = measure(ROOT / path)
        over += seconds > LIMIT_SECONDS or gigabytes > LIMIT_GIGABYTES
        print(f"{path.as_posix():<45} {seconds:6.1f} s {processor:6.1f} s {gigabytes:6.2f} GB", flush=True)
    return over
