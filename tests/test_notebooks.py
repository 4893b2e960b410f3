"""What every notebook must keep: nothing that would make nbval compare nothing, and the measures of LESSONS.md.

Whether stored outputs are what the code gives is compared by nbval itself, cell by cell, in the same run of pytest.
"""

import re
import statistics

import pytest
from nbformat import NotebookNode

from helpers.course import ROOT, build, notebooks
from helpers.course.manifest import Lesson, load_curriculum

CURRICULUM = load_curriculum(ROOT)
WRITTEN = CURRICULUM.written
STORED = [path for lesson in WRITTEN for path in (lesson.notebook, lesson.solution)]
KILOBYTE = 1000
LARGEST = 500 * KILOBYTE
NBVAL_COMMENTS = re.compile(r"#\s*(NBVAL|PYTEST_VALIDATE)_")
TAGS = {"check", "solution", "raises-exception", "nbval-ignore-output"}


def read(path) -> NotebookNode:
    return notebooks.read(ROOT / path)


def code(path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def lines(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def has_figure(cell: NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


stored = pytest.mark.parametrize("path", STORED, ids=str)
each_lesson = pytest.mark.parametrize("lesson", WRITTEN, ids=lambda lesson: lesson.stem)


@stored
def test_was_run_from_the_top_in_one_go(path):
    assert [cell.execution_count for cell in code(path)] == list(range(1, len(code(path)) + 1))


@stored
def test_no_cell_ends_in_a_semicolon(path):
    assert [cell.source for cell in code(path) if cell.source.rstrip().endswith(";")] == []


@stored
def test_is_small_enough_to_open_and_to_review(path):
    assert (ROOT / path).stat().st_size <= LARGEST


@stored
def test_at_most_one_cell_in_twenty_is_not_compared(path):
    ignored = [cell for cell in code(path) if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) <= 0.05 * len(code(path))


@stored
def test_cells_carry_only_tags_that_the_course_knows(path):
    used = {tag for cell in read(path).cells for tag in tags(cell)}
    assert used <= TAGS
    assert [cell.source for cell in code(path) if NBVAL_COMMENTS.search(cell.source)] == []


@stored
def test_an_error_is_shown_only_where_it_is_part_of_the_lesson(path):
    failed = [cell for cell in code(path) if any(output.output_type == "error" for output in cell.outputs)]
    assert [cell.source for cell in failed if "raises-exception" not in tags(cell)] == []


@stored
def test_nothing_is_printed_to_standard_error(path):
    streams = [output for cell in code(path) for output in cell.outputs if output.output_type == "stream"]
    assert [stream.text for stream in streams if stream.name == "stderr"] == []


def test_nothing_is_stale():
    assert build.stale(CURRICULUM, WRITTEN, ROOT) == []


@each_lesson
def test_the_header_agrees_with_the_manifest(lesson: Lesson):
    title, header = (cell.source for cell in read(lesson.notebook).cells[:2])
    assert title == f"# {lesson.title}"
    assert lesson.question in header
    assert re.findall(r"^- (.+)$", header, re.MULTILINE) == list(lesson.objectives)
    assert f"{lesson.minutes} minutes" in header
    for need in map(CURRICULUM.lesson, lesson.needs):
        assert f"{need.number}" in header and need.title in header


@each_lesson
def test_the_lesson_keeps_the_measures(lesson: Lesson, capsys):
    cells, programs = read(lesson.notebook).cells, code(lesson.notebook)
    sizes = [lines(cell) for cell in programs]
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    measures = {
        "cells": len(cells),
        "lines of code, median": statistics.median(sizes),
        "lines of code, 90th percentile": statistics.quantiles(sizes, n=10)[-1],
        "lines of code, longest": max(sizes),
        "words of prose for a line of code": round(words / sum(sizes), 1),
        "share of code cells that show something": round(
            sum(bool(cell.outputs) for cell in programs) / len(programs), 2
        ),
        "figures": sum(map(has_figure, programs)),
        "asserted claims": sum("assert " in cell.source for cell in programs),
    }
    with capsys.disabled():
        print(f"\n{lesson.stem}: " + ", ".join(f"{name} {value:g}" for name, value in measures.items()))
    limits = {
        "cells": (45, 90),
        "lines of code, median": (1, 4),
        "lines of code, 90th percentile": (1, 15),
        "lines of code, longest": (1, 30),
        "words of prose for a line of code": (10, 25),
        "share of code cells that show something": (0.6, 1),
        "figures": (3, 30),
        "asserted claims": (5, 90),
    }
    outside = {name: value for name, value in measures.items() if not limits[name][0] <= value <= limits[name][1]}
    assert outside == {}


@each_lesson
def test_the_lesson_has_its_closing_parts(lesson: Lesson):
    prose = "\n".join(cell.source for cell in read(lesson.notebook).cells if cell.cell_type == "markdown")
    for part in ("In production", "In an interview", "<details>", "## Summary", f"../exercises/{lesson.stem}.ipynb"):
        assert part in prose


@each_lesson
def test_each_exercise_has_hints_an_answer_and_a_reason(lesson: Lesson):
    shape: dict[str, list[str]] = {}
    for cell, exercise in notebooks.with_exercise(read(lesson.solution)):
        kinds = shape.setdefault(exercise, [])
        kinds += ["hint"] * cell.source.count("<details>") if cell.cell_type == "markdown" else []
        kinds += ["answer"] * (cell.cell_type == "code" and notebooks.BEGIN in cell.source)
        kinds += tags(cell)
    shape.pop("", None)
    assert 4 <= len(shape) <= 7
    for exercise, kinds in shape.items():
        assert 1 <= kinds.count("hint") <= 3, exercise
        assert kinds.count("answer") == kinds.count("check") == 1, exercise
        assert "solution" in kinds, exercise
