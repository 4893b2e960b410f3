"""Building: the same bytes twice, the exercise from the solution, and old files kept when anything goes wrong."""

import base64
import io
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from filelock import FileLock
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from helpers.course import build, notebooks, progress
from helpers.course.manifest import Curriculum, Lesson, load_curriculum
from helpers.course.notebooks import NotebookError

MANIFEST = """
[[parts]]
number = 2
title = "Data"
[[lessons]]
stem = "24_toy"
title = "Toy"
question = "Does it build?"
minutes = 60
needs = []
objectives = ["build one", "build two", "build three"]
skills = ["building"]
"""
ANSWER = """def double(value):
    # BEGIN SOLUTION
    return 2 * value
    # END SOLUTION"""
CHECK = "from tests.toy_checks import check_double\ncheck_double(double)"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with one small lesson, built once because each kernel takes a second or two to start."""
    root = tmp_path_factory.mktemp("built")
    (root / "curriculum.toml").write_text(MANIFEST)
    (root / "README.md").write_text(f"# Toy\n\n{build.START}\n{build.STOP}\n\nThe end.\n")
    for folder in ("notebooks", "solutions", "exercises"):
        (root / folder).mkdir()
    lesson = new_notebook(cells=[new_markdown_cell("# Toy"), new_code_cell("print('one')\n1 + 1"), new_code_cell(" ")])
    nbformat.write(lesson, root / "notebooks/24_toy.ipynb")
    cells = [
        new_markdown_cell("# Exercises"),
        new_markdown_cell("## Exercise 99.1: double a number"),
        new_code_cell(ANSWER),
        new_code_cell(CHECK, metadata={"tags": ["check"], "collapsed": True}),
        new_markdown_cell("Why.", metadata={"tags": ["solution"]}),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"x": 1}), root / "solutions/24_toy.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLE_PROGRESS", str(root / "progress"))
        run_build(root)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the built course for one test to spoil."""
    copy = Path(shutil.copytree(built, tmp_path / "course"))
    monkeypatch.setenv("MLE_PROGRESS", str(tmp_path / "progress"))
    return copy


def course(root: Path) -> tuple[Curriculum, Lesson]:
    curriculum = load_curriculum(root)
    return curriculum, curriculum.first


def run_build(root: Path) -> list[str]:
    said: list[str] = []
    curriculum, lesson = course(root)
    build.build(curriculum, [lesson], root, 2, said.append)
    return said


def contents(root: Path) -> dict[str, bytes]:
    return {path.name + path.parent.name: path.read_bytes() for path in sorted(root.glob("[ens]*/*.ipynb"))}


def test_a_second_build_changes_no_byte(root):
    first = contents(root) | {"README": (root / "README.md").read_bytes()}
    said = run_build(root)
    assert contents(root) | {"README": (root / "README.md").read_bytes()} == first
    assert all(line.endswith("unchanged") for line in said) and len(said) == 3


def test_what_is_built_is_not_stale_and_what_is_changed_is_named(root):
    curriculum, lesson = course(root)
    assert build.stale(curriculum, [lesson], root) == []
    (root / "README.md").write_text(
        (root / "README.md").read_text().replace("| Toy |", "| Toi |").replace("[Toy]", "[x]")
    )
    exercise = root / "exercises/24_toy.ipynb"
    exercise.write_text(exercise.read_text().replace("NotImplementedError", "ValueError"))
    lesson_file = root / "notebooks/24_toy.ipynb"
    lesson_file.write_text(lesson_file.read_text().replace('"execution_count": 1', '"execution_count": 7'))
    solution = root / "solutions/24_toy.ipynb"
    solution.write_text(solution.read_text().replace('"nbformat_minor": 5', '"nbformat_minor":  5'))
    named = build.stale(curriculum, [lesson], root)
    assert [line.split(":")[0] for line in named] == [
        "notebooks/24_toy.ipynb",
        "solutions/24_toy.ipynb",
        "exercises/24_toy.ipynb",
        "README.md",
    ]


def test_the_exercise_holds_the_task_and_not_the_answer(root):
    exercise = notebooks.read(root / "exercises/24_toy.ipynb")
    assert [cell.source for cell in exercise.cells[2:]] == [
        'def double(value):\n    raise NotImplementedError("Exercise 99.1")',
        CHECK,
    ]
    assert not any(cell.get("outputs") for cell in exercise.cells)


def test_a_derived_exercise_is_not_attempted_and_a_solved_one_done(root):
    for path, status in (("exercises/24_toy.ipynb", "not attempted"), ("solutions/24_toy.ipynb", "done")):
        ran = notebooks.complete(notebooks.run(root / path, as_learner=True))
        assert [verdict.status for verdict in notebooks.verdicts(ran)] == [status]


def test_stored_metadata_is_only_kernelspec_language_and_tags(root):
    solution = notebooks.read(root / "solutions/24_toy.ipynb")
    assert set(solution.metadata) == {"kernelspec", "language_info"}
    assert "version" not in solution.metadata.language_info
    assert [cell.metadata for cell in solution.cells if cell.metadata] == [{"tags": ["check"]}, {"tags": ["solution"]}]


def test_a_failing_cell_is_named_and_the_old_file_stays(root):
    path = root / "notebooks/24_toy.ipynb"
    path.write_text(path.read_text().replace("1 + 1", "1 / 0"))
    before = path.read_bytes()
    with pytest.raises(build.BuildError) as caught:
        run_build(root)
    assert str(caught.value).splitlines() == [
        "notebooks/24_toy.ipynb, code cell 1 of 1 failed:",
        "    print('one')",
        "    1 / 0",
        "ZeroDivisionError: division by zero",
    ]
    assert path.read_bytes() == before


def test_a_cell_that_takes_too_long_is_named(root, monkeypatch):
    monkeypatch.setattr(notebooks, "CELL_SECONDS", 2)
    path = root / "notebooks/24_toy.ipynb"
    path.write_text(path.read_text().replace("1 + 1", "while True: pass"))
    with pytest.raises(NotebookError, match="code cell 1 of 1 failed"):
        notebooks.complete(notebooks.run(path))


def test_an_answer_in_the_exercise_is_kept_before_it_is_replaced(root):
    exercise = root / "exercises/24_toy.ipynb"
    exercise.write_text(exercise.read_text().replace("raise NotImplementedError", "return 2 * value #"))
    mine = exercise.read_bytes()
    assert any("kept as" in line for line in run_build(root))
    assert [copy.read_bytes() for copy in (progress.folder() / "backups").iterdir()] == [mine]


def test_reset_gives_the_starting_cell_back_and_keeps_the_answer(root, monkeypatch):
    monkeypatch.delenv("MLE_RECORD", raising=False)
    _, lesson = course(root)
    exercise = root / "exercises/24_toy.ipynb"
    fresh = exercise.read_bytes()
    for task in ("99.1", None):
        progress.record("99.1", "done")
        exercise.write_text(exercise.read_text().replace("raise NotImplementedError", "return 2 * value #"))
        mine = exercise.read_bytes()
        backup = build.reset_exercise(lesson, task, root)
        assert exercise.read_bytes() == fresh and backup.read_bytes() == mine
        assert progress.statuses() == {}
    with pytest.raises(NotebookError, match=r"has no exercise 99\.7: it has 99\.1"):
        build.reset_exercise(lesson, "99.7", root)


def test_reset_mends_a_notebook_that_is_broken(root):
    exercise = root / "exercises/24_toy.ipynb"
    fresh = exercise.read_bytes()
    exercise.write_text("{")
    build.reset_exercise(course(root)[1], None, root)
    assert exercise.read_bytes() == fresh


def test_two_builds_at_once_are_refused(root):
    progress.folder().mkdir(parents=True)
    with FileLock(progress.folder() / "build.lock"), pytest.raises(build.BuildError, match="Another `mle build`"):
        run_build(root)


@pytest.mark.parametrize(("content", "says"), [("{", "is not a notebook"), ('{"cells": 3}', "is not a notebook")])
def test_a_file_that_is_no_notebook_gets_one_line(root, content, says):
    path = root / "notebooks/24_toy.ipynb"
    path.write_text(content)
    with pytest.raises(NotebookError, match=says) as caught:
        notebooks.read(path)
    assert "git checkout -- notebooks/24_toy.ipynb" in str(caught.value) and "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(NotebookError, match="is missing"):
        notebooks.read(path)


def test_a_begin_without_an_end_is_refused():
    cells = [new_markdown_cell("## Exercise 1.1: x"), new_code_cell("def f():\n    # BEGIN SOLUTION\n    return 1")]
    with pytest.raises(NotebookError, match=r"Exercise 1\.1"):
        notebooks.derive(new_notebook(cells=cells))


def test_a_readme_without_its_markers_is_refused(root):
    (root / "README.md").write_text("# Toy\n")
    with pytest.raises(build.BuildError, match="must hold"):
        run_build(root)


def test_an_interrupted_build_leaves_every_file_whole(root):
    before = contents(root)
    path = root / "notebooks/24_toy.ipynb"
    path.write_text(path.read_text().replace("1 + 1", "import time; time.sleep(60)"))
    slow = path.read_bytes()
    script = (
        "import pathlib, sys; from helpers.course import build, manifest; root = pathlib.Path(sys.argv[1]);"
        "c = manifest.load_curriculum(root); print('go', flush=True); build.build(c, list(c.lessons), root, 1, print)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "go\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=4)
    process.send_signal(2)
    process.communicate(timeout=30)
    after = contents(root)
    assert process.returncode != 0 and after.pop("24_toy.ipynbnotebooks") == slow
    assert after.items() <= before.items() and not list(root.glob("*/*.partial"))


def test_a_figure_is_stored_in_few_bytes_once_and_looks_the_same():
    def stored(figure: str) -> str:
        cell = new_code_cell("draw()", outputs=[new_output("display_data", {"image/png": figure})])
        return notebooks.normalise(new_notebook(cells=[cell])).cells[0].outputs[0].data["image/png"]

    drawn, axes = io.BytesIO(), Figure().add_subplot()
    axes.plot(range(9))
    axes.figure.savefig(drawn, format="png")
    once = stored(base64.b64encode(drawn.getvalue()).decode())
    assert stored(once) == once and len(base64.b64decode(once)) < len(drawn.getvalue()) / 2
    seen = Image.open(io.BytesIO(base64.b64decode(once))).convert("RGB")
    apart = np.abs(np.asarray(seen, int) - np.asarray(Image.open(drawn).convert("RGB"), int))
    assert apart.max() < 32 and apart.mean() < 1
