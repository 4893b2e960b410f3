"""Where a learner stands: exercises done, minutes left and the next step; in the terminal and in the first notebook."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.course import EXERCISE_HEADING, ROOT, progress
from helpers.course.manifest import Curriculum, Lesson, Part, load_curriculum

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Standing:
    """One lesson, with its exercises (number to title) and those of them that are done."""

    lesson: Lesson
    exercises: dict[str, str]
    done: frozenset[str]

    @property
    def minutes_left(self) -> int:
        """Minutes of the lesson in proportion to the exercises that are open; all of them while it is planned."""
        open_share = 1 - len(self.done) / len(self.exercises) if self.exercises else 1
        return round(self.lesson.minutes * open_share)

    @property
    def is_done(self) -> bool:
        """Whether every exercise of the lesson is done."""
        return bool(self.exercises) and len(self.done) == len(self.exercises)


def standings(curriculum: Curriculum, root: Path = ROOT) -> list[Standing]:
    """Return the standing of every lesson, in order."""
    statuses = progress.statuses()
    return [_standing(lesson, statuses, root) for lesson in curriculum.lessons]


def next_step(standings: list[Standing]) -> tuple[Standing, str] | None:
    """Return the first open lesson and its first open exercise; `None` when all that is written is done."""
    for standing in standings:
        for exercise in standing.exercises:
            if exercise not in standing.done:
                return standing, exercise
    return None


def show_progress() -> "pd.DataFrame":
    """Return your progress part by part as a table: lessons and exercises done of those written, minutes left."""
    import pandas as pd  # here, because `mle status` answers quicker without it

    curriculum = load_curriculum()
    rows = [row for row in standings(curriculum) if not row.lesson.planned]

    def mine(part: Part) -> list[Standing]:
        return [row for row in rows if row.lesson.part == part.number]

    parts = [
        {
            "part": f"{part.number} · {part.title}",
            "lessons done": _share(row.is_done for row in mine(part)),
            "exercises done": _share(number in row.done for row in mine(part) for number in row.exercises),
            "minutes left": sum(row.minutes_left for row in mine(part)),
        }
        for part in curriculum.parts
    ]
    return pd.DataFrame(parts).set_index("part")


def _share(done: Iterable[bool]) -> str:
    flags = list(done)
    return f"{sum(flags)} of {len(flags)}" if flags else "planned"


def _standing(lesson: Lesson, statuses: dict[str, str], root: Path) -> Standing:
    titles = {} if lesson.planned else _exercises(root / lesson.exercise)
    return Standing(lesson, titles, frozenset(number for number in titles if statuses.get(number) == progress.DONE))


def _exercises(path: Path) -> dict[str, str]:
    """Read the exercises of a notebook, number to title; as plain JSON, because importing nbformat takes seconds."""
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        prose = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        return {number: title for source in prose for number, title in EXERCISE_HEADING.findall(source)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # `mle doctor` names the broken file; the rest of the standing is still worth showing
