"""The checks are fair and strict: each accepts its solution, refuses the mistakes, and waits for an unsolved task."""

import ast
from collections import Counter
from typing import Any

import pytest

from helpers.checks.core import Status, checks_of
from helpers.course import ROOT, notebooks
from helpers.course.manifest import Lesson
from tests.answers import LESSONS, checks_module, judge, namespace, shown, tasks, wrong_answers

WRONG = [(lesson, answer) for lesson in LESSONS for answer in wrong_answers(lesson)]
SEEDS = range(3)


def lesson_name(value: Any) -> str | None:
    return value.stem if isinstance(value, Lesson) else getattr(value, "__name__", None)


@pytest.mark.parametrize("lesson", LESSONS, ids=lesson_name)
def test_every_solution_passes_on_fresh_inputs(lesson):
    names = namespace(lesson)
    results = [judge(task, names, seed) for task in tasks(lesson) for seed in SEEDS]
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lesson_name)
def test_every_task_has_its_check_and_every_check_its_task(lesson):
    assert [*shown(lesson), *(task.exercise for task in tasks(lesson))] == list(checks_of(checks_module(lesson)))


@pytest.mark.parametrize("lesson", LESSONS, ids=lesson_name)
def test_a_stored_solution_shows_that_it_is_done(lesson):
    shown = notebooks.verdicts(notebooks.read(ROOT / lesson.solution))
    assert {verdict.status for verdict in shown} == {"done"}


@pytest.mark.parametrize("lesson", LESSONS, ids=lesson_name)
def test_an_unsolved_exercise_is_not_attempted_in_its_check_cells_and_fails_nowhere(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("MLE_PROGRESS", str(tmp_path))
    ran = notebooks.complete(notebooks.run(ROOT / lesson.exercise, as_learner=True))
    verdicts = notebooks.verdicts(ran)
    assert [verdict.exercise for verdict in verdicts] == [task.exercise for task in tasks(lesson)]
    assert {verdict.status for verdict in verdicts} == {"not attempted"}
    errors = [output for cell in ran.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert errors == []


@pytest.mark.parametrize(("lesson", "answer"), WRONG, ids=lesson_name)
def test_a_wrong_answer_is_refused_for_its_reason(lesson, answer):
    check = checks_of(checks_module(lesson))[answer.refused_in]
    for seed in SEEDS:
        result = check(answer, seed=seed)
        assert result.status is Status.NOT_YET, f"seed {seed}: {result}"
        assert answer.says in result.message, f"seed {seed}: {result}"


@pytest.mark.parametrize("lesson", LESSONS, ids=lesson_name)
def test_each_check_has_three_wrong_answers(lesson):
    counts = Counter(answer.refused_in for answer in wrong_answers(lesson))
    assert {exercise for exercise in checks_of(checks_module(lesson)) if counts[exercise] < 3} == set()


@pytest.mark.parametrize("lesson", LESSONS, ids=lesson_name)
def test_every_assertion_of_a_check_says_what_was_seen(lesson):
    tree = ast.parse((ROOT / lesson.checks).read_text("utf-8"))
    silent = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert) and node.msg is None]
    assert silent == []
