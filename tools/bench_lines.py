"""What a benchmark says: one line for each thing measured, with its peer, their ratio and the goal."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

HEADER = f"{'':<46}{'ours':>22}{'peer':>22}{'ratio':>8}  goal"


class Line(NamedTuple):
    """One thing measured; ``ratio`` says how many times better than the peer, ``goal`` how good it must be."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    missed: bool = False

    def __str__(self) -> str:
        """The line of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.1f}"
        verdict = "   MISSED" if self.missed else ""
        return f"{self.what:<46}{self.ours:>22}{self.peer:>22}{ratio:>8}  {self.goal}{verdict}"


def seconds(work: Callable[[], Any]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(rounds: int, *rivals: Callable[[], float]) -> list[float]:
    """The median of each rival's figures: one a round from each in turn, so that a busy moment hurts them all."""
    taken = [[rival() for rival in rivals] for _ in range(rounds)]
    return [median(figures) for figures in zip(*taken, strict=True)]
