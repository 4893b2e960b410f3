"""`mle`: the learner's and the author's commands. Each command imports what it needs, so that `--help` is quick."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

# Typer hands on every misuse of the command line as this exception, but exports only some of its kinds.
from typer._click.exceptions import ClickException

from helpers.course import ROOT, progress

if TYPE_CHECKING:
    from helpers.course.manifest import Curriculum, Lesson
    from helpers.course.standing import Standing
    from helpers.disruption.server import Home

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
STYLES = {"done": "green", "not yet": "yellow", "not attempted": "dim", "raised": "red"}

app = typer.Typer(
    help="Learn, check and build the machine learning engineering course.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
out, err = Console(highlight=False), Console(stderr=True, highlight=False, soft_wrap=True)

StemArgument = Annotated[str, typer.Argument(metavar="STEM", help="A lesson: 24_hold_out_data, or 24 for short.")]
StemsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[STEM]...", help="Lessons; all when none is named.")
]


class Refusal(Exception):
    """Something that the user must change; the message is one clear line."""


def main() -> None:
    """Run `mle`; a fault of the user's is one line and exit code 2, never a traceback."""
    try:
        progress.leave_home_alone()
        code = app(standalone_mode=False)
    except ClickException as error:
        code = _refuse(error.format_message())
    except Refusal as error:
        code = _refuse(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        mend = "make it writable, or copy the course to a folder of your own"
        code = _refuse(f"{error.filename} cannot be used ({error.strerror}): {mend}")
    except KeyboardInterrupt:
        err.print("mle: interrupted; every file is whole")
        code = INTERRUPTED
    sys.exit(code or 0)


@app.command()
def lab(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The first port to try.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open the page in your browser.")] = True,
) -> None:
    """Open JupyterLab on the first lesson, or give its address if it is open."""
    from helpers.course.lab import LabError, open_lab

    try:
        open_lab(ROOT, _curriculum().first.notebook, port, browser, lambda line: out.print(line, soft_wrap=True))
    except LabError as error:
        raise Refusal(str(error)) from None


@app.command()
def doctor() -> None:
    """Look at this machine and this folder: each line is fine or says how to mend it."""
    from helpers.doctor import examine

    healthy = True
    for finding in examine(_curriculum(), ROOT):
        mark = "[green]ok  [/]" if finding.ok else "[red]mend[/]"
        out.print(f"{mark}  {finding.what:<11}  {escape(finding.seen)}")
        if not finding.ok:
            healthy = False
            out.print(f"      {escape(finding.mend)}", soft_wrap=True)
    raise typer.Exit(0 if healthy else FAILED)


@app.command()
def status() -> None:
    """Show the lessons and exercises that are done, the minutes left and the next step."""
    from rich.table import Table

    from helpers.course.standing import next_step, standings

    curriculum = _curriculum()
    rows = standings(curriculum, ROOT)
    for part in curriculum.parts:
        table = Table(title=f"Part {part.number} · {part.title}", title_justify="left", title_style="bold", box=None)
        table.add_column("", width=1)
        table.add_column("lesson", width=34)
        table.add_column("exercises", width=18)
        table.add_column("minutes left", justify="right")
        for row in (row for row in rows if row.lesson.part == part.number):
            table.add_row(*_status_row(row))
        out.print(table)
        out.print()
    out.print(_summary(rows))
    step = next_step(rows)
    if step:
        standing, exercise = step
        out.print(f"Next: exercise {exercise}, {standing.exercises[exercise]}")
        out.print(f"      {standing.lesson.exercise.as_posix()}")


@app.command()
def check(stem: StemArgument) -> None:
    """Run your exercises of a lesson in a fresh kernel and report task by task."""
    from helpers.course import notebooks

    lesson = _written(stem)
    with _one_line(notebooks.NotebookError), out.status(f"Running {lesson.exercise.as_posix()} ..."):
        verdicts = notebooks.verdicts(notebooks.complete(notebooks.run(ROOT / lesson.exercise, as_learner=True)))
    for verdict in verdicts:
        out.print(f"[{STYLES[verdict.status]}]{verdict.exercise}  {verdict.status}[/]")
        if verdict.status != "done":
            out.print(indent(verdict.message, "      "), markup=False)
    done = sum(verdict.status == "done" for verdict in verdicts)
    out.print(f"{done} of {len(verdicts)} done.")
    raise typer.Exit(0 if done == len(verdicts) else FAILED)


@app.command()
def reset(
    stem: StemArgument,
    task: Annotated[str | None, typer.Argument(metavar="[TASK]", help="One exercise, such as 24.2.")] = None,
) -> None:
    """Give back the starting cells of a lesson's exercises, or of one; your notebook is kept as a backup."""
    from helpers.course.build import reset_exercise
    from helpers.course.notebooks import NotebookError

    lesson = _written(stem)
    with _one_line(NotebookError):
        backup = reset_exercise(lesson, task, ROOT)
    out.print(f"Reset {task or lesson.exercise.as_posix()}. Your notebook is kept as {backup}", soft_wrap=True)


@app.command()
def build(
    stems: StemsArgument = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 and name what is stale.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="How many notebooks run at a time.")] = min(2, os.cpu_count() or 1),
) -> None:
    """Run the lessons and solutions, derive the exercises, rewrite the README's table."""
    from helpers.course import build as builder

    curriculum = _curriculum()
    lessons = [_written(stem) for stem in stems or ()] or curriculum.written
    if check:
        stale = builder.stale(curriculum, lessons, ROOT)
        out.print("\n".join(stale) or "Nothing is stale.", markup=False, soft_wrap=True)
        raise typer.Exit(FAILED if stale else 0)
    try:
        builder.build(curriculum, lessons, ROOT, jobs, lambda line: out.print(line, markup=False, soft_wrap=True))
    except builder.BuildError as error:
        err.print(f"\n{error}", markup=False)
        raise typer.Exit(FAILED) from None


@app.command()
def test(stems: StemsArgument = None) -> None:
    """Run the tests and compare every stored output, or only the notebooks of some lessons."""
    from helpers.course.notebooks import ENVIRONMENT, UNRECORDED

    lessons = [_written(stem) for stem in stems or ()]
    paths = [path.as_posix() for lesson in lessons for path in (lesson.notebook, lesson.solution)]
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadscope", *paths]
    raise typer.Exit(subprocess.run(command, cwd=ROOT, env=os.environ | ENVIRONMENT | UNRECORDED).returncode)


@app.command()
def train(
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Learn from the days before this one.")] = (
        datetime(2013, 4, 1)
    ),
    kind: Annotated[str, typer.Option(help="logistic, boosting or network.")] = "boosting",
) -> None:
    """Train a model of disruption, keep it in the registry and make it the champion."""
    from helpers.data import DataFileError, load_tables
    from helpers.disruption.contract import mended
    from helpers.disruption.retrain import NotEnoughDays, Recipe, history, midnight, train_first

    if kind not in ("logistic", "boosting", "network"):
        raise Refusal(f"there is no model {kind!r}: choose logistic, boosting or network")
    with _one_line(DataFileError):
        tables = mended(load_tables(until.year))
    registry = _home().registry
    with _one_line(NotEnoughDays), out.status(f"Training on the days before {until:%d %B %Y} ..."):
        version = train_first(registry, history(tables), midnight(until.date()).to_pydatetime(), Recipe(kind, kind))
    out.print(registry.champion().card.to_markdown(), markup=False, soft_wrap=True)
    out.print(f"Version {version} is the champion. `mle serve` answers with it.")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The port on 127.0.0.1.")] = 8000,
    year: Annotated[int, typer.Option(help="Whose schedule the service knows: 2013 or 2023.")] = 2013,
) -> None:
    """Serve predictions on this machine, with a page at / to look at them."""
    from helpers.course.lab import free_port
    from helpers.data import DataFileError, load_tables
    from helpers.disruption import server
    from helpers.disruption.contract import mended
    from helpers.disruption.registry import RegistryError
    from helpers.disruption.service import Settings
    from helpers.disruption.store import StoreError

    if free_port(port) != port:
        raise Refusal(f"port {port} is taken: give another one with --port")
    home = _home()
    with _one_line(DataFileError, RegistryError, StoreError):
        if not home.registry.champions():
            raise Refusal("there is no model to serve yet: `mle train` makes one")
        settings = Settings(home.api_key, port=port)
        service = server.open_service(home, mended(load_tables(year)), settings)
    err.print(f"Serving on http://127.0.0.1:{port}/ ; stop it with Ctrl-C.")
    server.serve(service, settings)


@app.command()
def promote(version: Annotated[str, typer.Argument(metavar="VERSION", help="A version in the registry.")]) -> None:
    """Make a version the champion; a running service takes it over within a second."""
    from helpers.disruption.registry import RegistryError

    with _one_line(RegistryError):
        out.print(f"Version {_home().registry.promote(version)} is the champion.")


@app.command()
def rollback() -> None:
    """Make the champion before this one champion again; a running service takes it over within a second."""
    from helpers.disruption.registry import RegistryError

    with _one_line(RegistryError):
        out.print(f"Version {_home().registry.rollback()} is the champion again.")


def _home() -> "Home":
    """Return the home of the running system."""
    from helpers.disruption.server import Home

    return Home(Path(os.environ.get("MLE_HOME", ROOT / ".mle")))


def _curriculum() -> "Curriculum":
    from helpers.course.manifest import CurriculumError, load_curriculum

    with _one_line(CurriculumError):
        return load_curriculum(ROOT)


def _written(stem: str) -> "Lesson":
    from helpers.course.manifest import UnknownLesson

    with _one_line(UnknownLesson):
        lesson = _curriculum().lesson(stem)
    if lesson.planned:
        raise Refusal(f"{lesson.stem} is planned and not written yet: `mle status` shows the lessons that are")
    return lesson


@contextmanager
def _one_line(*kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise Refusal(str(error)) from None


def _refuse(message: str) -> int:
    err.print(f"mle: {message}", markup=False)
    return MISUSED


def _status_row(row: "Standing") -> tuple[str, str, str, str]:
    lesson = row.lesson
    if lesson.planned:
        return "[dim]·[/]", f"[dim]{lesson.number} {lesson.title}[/]", "[dim]planned[/]", f"[dim]{lesson.minutes}[/]"
    done, total = len(row.done), len(row.exercises)
    bar = f"[green]{'■' * done}[/][dim]{'□' * (total - done)}[/] {done}/{total}"
    return "[green]✓[/]" if row.is_done else " ", f"{lesson.number} {lesson.title}", bar, str(row.minutes_left)


def _summary(rows: list["Standing"]) -> str:
    written = [row for row in rows if not row.lesson.planned]
    lessons = sum(row.is_done for row in written)
    done, total = sum(len(row.done) for row in written), sum(len(row.exercises) for row in written)
    minutes = sum(row.minutes_left for row in written)
    return (
        f"Done: {lessons} of {len(written)} lessons, {done} of {total} exercises. "
        f"Left on the way: {minutes // 60} h {minutes % 60:02d} min."
    )
