"""The list of lessons: read `curriculum.toml`, refuse what is wrong in it, answer questions about it."""

import difflib
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from helpers.course import ROOT

FILE = "curriculum.toml"

# Files of these folders belong to one lesson each, except those that the lessons share.
LESSON_FOLDERS = ("notebooks", "solutions", "exercises", "helpers/checks", "tests/wrong_answers")
SHARED_FILES = {Path("helpers/checks/core.py")}

# The README shows these texts in a table, where a vertical bar would end the cell.
Text = Annotated[str, Field(pattern=r"^[^\s|]([^|\n]*[^\s|])?$")]
Question = Annotated[str, Field(pattern=r"^[A-Z][^|\n]*\?$")]
Skill = Annotated[str, Field(pattern=r"^[^A-Z\s]([^A-Z\n]*[^A-Z\s])?$")]


class CurriculumError(ValueError):
    """`curriculum.toml` cannot be used; the message is one line with the file, the lesson and the field."""


class UnknownLesson(LookupError):
    """No lesson has that name; the message is one line with the closest stems."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Frozen):
    """One of the seven parts; its number is the first digit of its lessons' stems."""

    number: Annotated[int, Field(strict=True, ge=1, le=7)]
    title: Text


class Lesson(_Frozen):
    """One lesson; all paths are relative to the project root."""

    stem: Annotated[str, Field(pattern=r"^[1-7][1-9]_[a-z0-9_]+$")]
    title: Text
    question: Question
    minutes: Annotated[int, Field(strict=True, ge=45, le=240)]
    needs: tuple[str, ...]
    objectives: Annotated[tuple[Text, ...], Field(min_length=3, max_length=5)]
    skills: Annotated[tuple[Skill, ...], Field(min_length=1)]
    planned: StrictBool = False

    @property
    def number(self) -> str:
        """The two digits that order the lesson, such as "24"."""
        return self.stem[:2]

    @property
    def names(self) -> tuple[str, str, str]:
        """What a learner may call the lesson: its stem, its number, or its stem without the number."""
        return self.stem, self.number, self.checks_module

    @property
    def part(self) -> int:
        """The number of the lesson's part."""
        return int(self.stem[0])

    @property
    def checks_module(self) -> str:
        """The stem without its number: the name of the modules of checks and of wrong answers."""
        return self.stem[3:]

    @property
    def notebook(self) -> Path:
        """The notebook that teaches."""
        return Path("notebooks", f"{self.stem}.ipynb")

    @property
    def exercise(self) -> Path:
        """The notebook that the learner fills in; derived from the solution."""
        return Path("exercises", f"{self.stem}.ipynb")

    @property
    def solution(self) -> Path:
        """The exercises with their answers."""
        return Path("solutions", f"{self.stem}.ipynb")

    @property
    def checks(self) -> Path:
        """The module that judges the exercises."""
        return Path("helpers/checks", f"{self.checks_module}.py")

    @property
    def wrong_answers(self) -> Path:
        """The module of answers that the checks must refuse."""
        return Path("tests/wrong_answers", f"{self.checks_module}.py")


class Curriculum(_Frozen):
    """The parts and the lessons, both in the order in which they are taught."""

    parts: tuple[Part, ...]
    lessons: tuple[Lesson, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Curriculum":
        for place, lesson in enumerate(self.lessons):
            for earlier in self.lessons[:place]:
                fault = f"lesson {lesson.stem}, stem: {earlier.stem} already has that name"
                _require(lesson.checks_module != earlier.checks_module, fault)
        return self

    @model_validator(mode="after")
    def _numbers_ascend(self) -> "Curriculum":
        for earlier, later in pairwise(self.parts):
            _require(earlier.number < later.number, f"part {later.number}, number: must be above {earlier.number}")
        for earlier, later in pairwise(self.lessons):
            fault = f"lesson {later.stem}, stem: its number must be above that of the lesson before, {earlier.stem}"
            _require(earlier.number < later.number, fault)
        return self

    @model_validator(mode="after")
    def _parts_and_lessons_match(self) -> "Curriculum":
        numbers, used = {part.number for part in self.parts}, {lesson.part for lesson in self.lessons}
        for lesson in self.lessons:
            _require(lesson.part in numbers, f"lesson {lesson.stem}, stem: there is no part {lesson.part}")
        for part in self.parts:
            _require(part.number in used, f"part {part.number}, number: the part has no lesson")
        return self

    @model_validator(mode="after")
    def _needs_come_earlier(self) -> "Curriculum":
        stems = [lesson.stem for lesson in self.lessons]
        for lesson in self.lessons:
            for need in lesson.needs:
                _require(need in stems, f"lesson {lesson.stem}, needs: there is no lesson {need}")
        _refuse_cycle({lesson.stem: lesson.needs for lesson in self.lessons})
        for place, lesson in enumerate(self.lessons):
            for need in lesson.needs:
                _require(need in stems[:place], f"lesson {lesson.stem}, needs: {need} comes later in the course")
        return self

    @property
    def written(self) -> list[Lesson]:
        """The lessons that exist today."""
        return [lesson for lesson in self.lessons if not lesson.planned]

    @property
    def first(self) -> Lesson:
        """The lesson to open for a new learner; raises `CurriculumError` when none is written."""
        if not self.written:
            raise CurriculumError(f"{FILE}: no lesson is written yet, all are marked planned")
        return self.written[0]

    def lesson(self, key: str) -> Lesson:
        """Find a lesson by stem ("24_hold_out_data"), number ("24"), name ("hold_out_data") or notebook path.

        Raises `UnknownLesson` with the closest stems.
        """
        by_name = {name: lesson for lesson in self.lessons for name in lesson.names}
        name = PurePath(key).name.removesuffix(".ipynb")
        if name in by_name:
            return by_name[name]
        texts = [text for text in by_name if not text.isdigit()]  # the nearest number is no nearer in meaning
        close = difflib.get_close_matches(name, texts, n=3, cutoff=0.5)
        stems = list(dict.fromkeys(by_name[text].stem for text in close))
        hint = f"did you mean {' or '.join(stems)}?" if stems else "`mle status` lists them all"
        raise UnknownLesson(f"There is no lesson {key!r}: {hint}")

    def after(self, key: str) -> Lesson | None:
        """Give the next lesson of the course, written or planned, or None after the last."""
        place = self.lessons.index(self.lesson(key))
        return self.lessons[place + 1] if place + 1 < len(self.lessons) else None


def load_curriculum(root: Path = ROOT) -> Curriculum:
    """Read and validate `curriculum.toml`; raises `CurriculumError` with one line that says what to mend."""
    path = root / FILE
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        mend = f"restore it with `git checkout {FILE}`"
        raise CurriculumError(f"{path} cannot be read ({error.strerror}): {mend}") from error
    except ValueError as error:  # broken TOML, or bytes that are not UTF-8
        raise CurriculumError(f"{FILE} is not valid TOML: {error}") from error
    try:
        return Curriculum.model_validate(raw)
    except ValidationError as error:
        raise CurriculumError(f"{FILE}: {_first_fault(error, raw)}") from error


def readme_table(curriculum: Curriculum) -> str:
    """Write the lessons as Markdown, one table for each part; written lessons are links, planned ones are marked."""
    return "\n\n".join(_part_table(curriculum, part) for part in curriculum.parts)


def stray_or_missing(root: Path = ROOT) -> list[str]:
    """Compare the lesson folders with the manifest; each message names a file and says how to mend it."""
    lessons = load_curriculum(root).lessons
    begun = [lesson for lesson in lessons if not lesson.planned or (root / lesson.notebook).is_file()]
    forgotten = [lesson.notebook for lesson in begun if lesson.planned]
    wanted = {path: mend for lesson in begun for path, mend in _files_of(lesson).items()}
    missing = [path for path in wanted if not (root / path).is_file()]
    stray = [path for path in _lesson_files(root) if path not in wanted]
    return [
        *(f"{path.as_posix()} exists: delete `planned = true` from its lesson in {FILE}" for path in forgotten),
        *(f"{path.as_posix()} is missing: {wanted[path]}" for path in missing),
        *(f"{path.as_posix()} belongs to no written lesson: list its lesson in {FILE}, or delete it" for path in stray),
    ]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _refuse_cycle(needs: dict[str, tuple[str, ...]]) -> None:
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        stems = error.args[1]
        raise ValueError(f"lesson {stems[0]}, needs: lessons need each other in a circle: {', '.join(stems)}") from None


def _first_fault(error: ValidationError, raw: dict[str, Any]) -> str:
    """Say in one line where the first fault is and what it is."""
    fault = error.errors()[0]
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    seen = f", not {fault['input']!r}" if isinstance(fault["input"], str | int | float) else ""
    return f"{_place(fault['loc'], raw)}: {fault['msg']}{seen}"


def _place(location: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """Turn ("lessons", 3, "minutes") into "lesson 14_follow_the_gradient, minutes"."""
    table, *rest = location
    if not rest:
        return f"field {table}"
    index, *field = rest
    entry = raw[table][index]
    known = [entry[key] for key in ("stem", "number") if key in entry] if isinstance(entry, dict) else []
    return ", ".join([f"{table[:-1]} {known[0] if known else f'no. {index + 1}'}", *field[:1]])


def _part_table(curriculum: Curriculum, part: Part) -> str:
    rows = [_lesson_row(lesson) for lesson in curriculum.lessons if lesson.part == part.number]
    header = ["| No. | Lesson | Question | Minutes | Exercises |", "| --- | --- | --- | ---: | --- |"]
    return "\n".join([f"**Part {part.number} · {part.title}**", "", *header, *rows])


def _lesson_row(lesson: Lesson) -> str:
    title, exercise = f"{lesson.title} (planned)", ""
    if not lesson.planned:
        title = f"[{lesson.title}]({lesson.notebook.as_posix()})"
        exercise = f"[exercises]({lesson.exercise.as_posix()})"
    cells = (lesson.number, title, lesson.question, str(lesson.minutes), exercise)
    return f"| {' | '.join(cells)} |"


def _files_of(lesson: Lesson) -> dict[Path, str]:
    """Map each file that a written lesson must have to the way to make it."""
    return {
        lesson.notebook: f"write the lesson, or mark it `planned = true` in {FILE}",
        lesson.solution: "write the exercises with their answers",
        lesson.exercise: f"run `mle build {lesson.stem}`",
        lesson.checks: "write the checks of its exercises",
        lesson.wrong_answers: "write the answers that its checks must refuse",
    }


def _lesson_files(root: Path) -> Iterator[Path]:
    """Yield what must belong to a lesson (a folder never does); names with a leading dot or underscore are tools'."""
    for folder in LESSON_FOLDERS:
        for path in sorted((root / folder).glob("[!._]*")):
            if path.relative_to(root) not in SHARED_FILES:
                yield path.relative_to(root)
