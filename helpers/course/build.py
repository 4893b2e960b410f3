"""`mle build`: run the notebooks, derive the exercises, rewrite the README's table; or say what is stale."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.course import notebooks, progress
from helpers.course.manifest import Curriculum, Lesson, readme_table
from helpers.course.notebooks import NotebookError

START, STOP = "<!-- lessons: written by `mle build` -->", "<!-- end of lessons -->"


class BuildError(Exception):
    """A build that could not be done in full; each line of the message says what failed."""


def build(curriculum: Curriculum, lessons: list[Lesson], root: Path, jobs: int, say: Callable[[str], None]) -> None:
    """Bring the notebooks of `lessons`, and the README, to the form that is committed.

    Runs `jobs` notebooks at a time and calls `say` with a line for each file. What fails is left as it was and named
    at the end in a `BuildError`; the others are written.
    """
    with _alone():
        failures = notebooks.complete(_run_all(lessons, root, jobs, say))
        for lesson in lessons:
            failures += _attempt(lambda lesson=lesson: _derive(lesson, root, say))
        failures += _attempt(lambda: _write_readme(curriculum, root, say))
    if failures:
        raise BuildError("\n\n".join(failures))


def stale(curriculum: Curriculum, lessons: list[Lesson], root: Path) -> list[str]:
    """Return a line for each file that a build would change, without running anything.

    Whether stored outputs are what the code gives is nbval's to say (`mle test`): it compares them one by one.
    """
    found = []
    for lesson in lessons:
        for path in (lesson.notebook, lesson.solution):
            found += _stale_notebook(root / path)
        found += _stale_exercise(root / lesson.solution, root / lesson.exercise)
    readme = root / "README.md"
    if _with_table(readme.read_text("utf-8"), curriculum) != readme.read_text("utf-8"):
        found.append("README.md: its table of lessons is not that of curriculum.toml")
    return found


def reset_exercise(lesson: Lesson, task: str | None, root: Path) -> Path:
    """Give a lesson's exercises, or one of them, their starting cells back; return the backup of what was there.

    A notebook that cannot be read any more is replaced as a whole. Raises `NotebookError` for an unknown `task`.
    """
    path = root / lesson.exercise
    fresh = notebooks.derive(notebooks.read(root / lesson.solution))
    tasks = sorted({number for _, number in notebooks.with_exercise(fresh) if number})
    if task is not None and task not in tasks:
        raise NotebookError(f"{lesson.stem} has no exercise {task}: it has {', '.join(tasks)}")
    backup = back_up(path)
    notebooks.write(fresh if task is None else notebooks.with_task_of(notebooks.read(path), fresh, task), path)
    for exercise in [task] if task else tasks:
        progress.record(exercise, progress.RESET)
    return backup


def back_up(path: Path) -> Path:
    """Copy a notebook that is about to be replaced into the backups and return the copy's path."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    copy = progress.folder() / "backups" / f"{path.stem}.{moment}{path.suffix}"
    copy.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(path, copy))


@contextmanager
def _alone() -> Iterator[None]:
    folder = progress.folder()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "build.lock", timeout=0):
            yield
    except Timeout:
        raise BuildError("Another `mle build` is running here: wait until it has ended, then try again.") from None


async def _run_all(lessons: list[Lesson], root: Path, jobs: int, say: Callable[[str], None]) -> list[str]:
    turn = asyncio.Semaphore(jobs)

    async def one(path: Path) -> str | None:
        async with turn:
            try:
                changed = notebooks.write(await notebooks.run(root / path), root / path)
            except NotebookError as error:
                say(f"{path}: failed, left as it was")
                return str(error)
            say(f"{path}: {'written' if changed else 'unchanged'}")
            return None

    paths = [path for lesson in lessons for path in (lesson.notebook, lesson.solution)]
    return [failure for failure in await asyncio.gather(*map(one, paths)) if failure]


def _attempt(step: Callable[[], None]) -> list[str]:
    try:
        step()
    except NotebookError as error:
        return [str(error)]
    return []


def _derive(lesson: Lesson, root: Path, say: Callable[[str], None]) -> None:
    exercise, path = notebooks.derive(notebooks.read(root / lesson.solution)), root / lesson.exercise
    # The file that is replaced may hold a learner's answers.
    if path.exists() and path.read_text("utf-8") != notebooks.to_text(exercise):
        say(f"{lesson.exercise}: the old one is kept as {back_up(path)}")
    changed = notebooks.write(exercise, path)
    say(f"{lesson.exercise}: {'written' if changed else 'unchanged'}")


def _write_readme(curriculum: Curriculum, root: Path, say: Callable[[str], None]) -> None:
    path = root / "README.md"
    old = path.read_text("utf-8")
    new = _with_table(old, curriculum)
    if new != old:
        path.write_text(new, "utf-8", newline="\n")
        say("README.md: written")


def _with_table(text: str, curriculum: Curriculum) -> str:
    if text.count(START) != 1 or text.count(STOP) != 1:
        raise NotebookError(f"README.md must hold `{START}` and `{STOP}` once each: the table goes between them")
    before, rest = text.split(START)
    return f"{before}{START}\n\n{readme_table(curriculum).strip()}\n\n{STOP}{rest.split(STOP)[1]}"


def _stale_notebook(path: Path) -> list[str]:
    try:
        notebook = notebooks.read(path)
    except NotebookError as error:
        return [str(error)]
    name = f"{path.parent.name}/{path.name}"
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    if counts != list(range(1, len(counts) + 1)):
        return [f"{name}: was not run from the top in one go: `mle build {path.stem}`"]
    if path.read_text("utf-8") != notebooks.to_text(notebooks.normalise(notebook)):
        return [f"{name}: is not in its stored form: `mle build {path.stem}`"]
    return []


def _stale_exercise(solution: Path, exercise: Path) -> list[str]:
    try:
        derived = notebooks.to_text(notebooks.derive(notebooks.read(solution)))
    except NotebookError as error:
        return [str(error)]
    if not exercise.exists() or exercise.read_text("utf-8") != derived:
        return [f"exercises/{exercise.name}: is not what its solution gives: `mle build {exercise.stem}`"]
    return []
