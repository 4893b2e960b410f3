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
HomeOption = Annotated[
    Path | None, typer.Option("--home", file_okay=False, help="Keep all of it in this folder, or look for it there.")
]
DAY = {"formats": ["%Y-%m-%d"], "metavar": "YYYY-MM-DD"}


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
    until: Annotated[
        datetime, typer.Option(**DAY, show_default="2013-04-01", help="Learn from the days before this one.")
    ] = datetime(2013, 4, 1),
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


@app.command()
def replay(
    first: Annotated[datetime, typer.Option("--from", **DAY, help="The first day.")] = datetime(2013, 4, 1),
    end: Annotated[datetime, typer.Option("--to", **DAY, help="The day before which it ends.")] = (
        datetime(2014, 1, 1)
    ),
    policy: Annotated[
        str, typer.Option(help="When to train anew: never, calendar (each month) or alarm.")
    ] = "calendar",
    fault: Annotated[
        str | None,
        typer.Option(
            help="Spoil it with schema-change, unit-change, stale-weather, late-outcomes, doubled-rows or bad-model."
        ),
    ] = None,
    fault_from: Annotated[
        datetime | None, typer.Option(**DAY, help="The day on which the fault begins; the first unless given.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Simulated seconds in a second; 0 does not wait.")] = 0.0,
    bulk: Annotated[
        bool,
        typer.Option("--bulk", help="Without the service: quick, and the same table, but nothing for `mle monitor`."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what this replay did before, and begin again.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Play days of real flights through the service in order of time, with retraining, and compare month by month.

    A service of its own is started for that and stopped at the end. A replay that was stopped or killed goes on where
    it was when the same command is given again. The models, predictions and decisions of each replay are kept in a
    folder of its own.

    Quick look at nine months: mle replay --bulk. Two weeks with a fault: mle replay --from 2013-04-15 --to 2013-04-29
    --policy never --fault unit-change --fault-from 2013-04-22, then mle monitor.
    """
    from helpers.data import DataFileError, load_tables
    from helpers.disruption import terminal
    from helpers.disruption.contract import mended
    from helpers.disruption.desks import ReplayError
    from helpers.disruption.registry import RegistryError
    from helpers.disruption.replay import Settings, play
    from helpers.disruption.retrain import NotEnoughDays
    from helpers.disruption.server import Home
    from helpers.disruption.store import StoreError

    with _one_line(ValueError):
        settings = Settings(first.date(), end.date(), policy, fault, fault_from and fault_from.date(), speed)
    played_in = Home(home or _folder() / "replays" / f"{settings.name}{'-bulk' if bulk else ''}")
    refused = _one_line(DataFileError, RegistryError, StoreError, ReplayError, NotEnoughDays)
    with refused, terminal.progress_bar(out) as bar:
        tables = mended(load_tables(settings.start.year))
        table = play(
            settings, played_in, tables, bulk, fresh, lambda line: out.print(line, markup=False, soft_wrap=True), bar
        )
    out.print(terminal.months_table(table))
    if not bulk:
        out.print("`mle monitor` shows what that looked like to somebody who knows of no fault.")


@app.command()
def monitor(
    first: Annotated[
        datetime | None, typer.Option("--from", **DAY, help="The first day; 28 days before the end unless given.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", **DAY, help="The day before which it ends; today unless given.")
    ] = None,
    by: Annotated[str, typer.Option(help="The windows of the table: day or week.")] = "day",
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with figures; it needs no network.")] = None,
    gauges: Annotated[Path | None, typer.Option(help="Write the last windows as gauges, for Prometheus.")] = None,
    alerts: Annotated[Path | None, typer.Option(help="Write the alert rules over the gauges, for Prometheus.")] = None,
    dashboard: Annotated[Path | None, typer.Option(help="Write a dashboard over the gauges, for Grafana.")] = None,
    home: HomeOption = None,
) -> None:
    """Compare what was served with the days on which its model was trained: what changed, and what did it cost?

    It looks at the folder in which something was stored last, by `mle serve` or by a replay. The clock is the folder's
    own: today is the day of which it heard last. Exit code 0: nothing rings in the last day and week; 1: something.
    """
    from helpers.data import DataFileError, load_tables
    from helpers.disruption import monitor_report, oversight, terminal
    from helpers.disruption.contract import mended
    from helpers.disruption.registry import RegistryError
    from helpers.disruption.retrain import history
    from helpers.disruption.server import last_home
    from helpers.disruption.store import StoreError

    if by not in oversight.DAYS:
        raise Refusal(f"there are no windows of a {by!r}: choose day or week")
    watched = last_home(home or _folder())
    if watched is None:
        raise Refusal("nothing was served yet: `mle replay` does it, or `mle serve` and a client")
    with _one_line(DataFileError, RegistryError, StoreError, oversight.NothingServed), out.status("Looking ..."):
        year = int(watched.registry.champion().card.trained.first[:4])
        seen = oversight.oversee(
            watched, history(mended(load_tables(year))), first and first.date(), end and end.date()
        )
    out.print(f"{watched.folder}: {seen.in_words()}", soft_wrap=True)
    out.print(terminal.windows_table(seen, by))
    out.print(terminal.alarms_table(seen) if seen.table.alarm.any() else "Nothing rings.")
    files = {
        report: lambda: monitor_report.report(seen.monitor, seen.served, seen.refused, seen.lengths),
        gauges: lambda: monitor_report.exposition(seen.table, seen.now),
        alerts: monitor_report.alert_rules,
        dashboard: monitor_report.dashboard,
    }
    for path, content in files.items():
        if path:
            path.write_text(content(), "utf-8")
            out.print(f"Wrote {path}", soft_wrap=True)
    raise typer.Exit(FAILED if oversight.rings_now(seen) else 0)


def _say(line: str) -> None:
    out.print(line, markup=False, soft_wrap=True)


def _home() -> "Home":
    """Return the home of the running system."""
    from helpers.disruption.server import Home

    return Home(_folder())


def _folder() -> Path:
    """Return the folder of the running system; replays have theirs in it."""
    return Path(os.environ.get("MLE_HOME", ROOT / ".mle"))


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
