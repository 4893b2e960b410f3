"""The answers of the solution notebooks as objects, for the harness that judges the checks."""

import ast
import types
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from helpers.checks.core import Result
from helpers.course import ROOT, notebooks
from helpers.course.manifest import Lesson, load_curriculum
from helpers.course.notebooks import BEGIN, CHECK, SOLUTION
from helpers.course.progress import RESULT_MIME

LESSONS = load_curriculum(ROOT).written


@dataclass(frozen=True)
class Task:
    """One exercise: the source of the learner's function in the solution, and the check cell that judges it."""

    exercise: str
    answer: str
    check: str


def tasks(lesson: Lesson) -> list[Task]:
    """Return the exercises of a lesson in order."""
    answers: dict[str, str] = {}
    found = []
    for cell, exercise in notebooks.with_exercise(notebooks.read(ROOT / lesson.solution)):
        if cell.cell_type == "code" and BEGIN in cell.source:
            answers[exercise] = cell.source
        elif CHECK in cell.metadata.get("tags", []):
            found.append(Task(exercise, answers[exercise], cell.source))
    return found


def shown(lesson: Lesson) -> list[str]:
    """Return the exercises whose check the lesson itself runs, such as 11.0, each once."""
    outputs = [output for cell in notebooks.read(ROOT / lesson.notebook).cells for output in cell.get("outputs", [])]
    results = [output.get("data", {}).get(RESULT_MIME) for output in outputs]
    return list(dict.fromkeys(result["exercise"] for result in results if result))


def namespace(lesson: Lesson) -> dict[str, Any]:
    """Run the cells of a solution that a learner's notebook has too, checks left out, and return what they define."""
    module = types.ModuleType("answers")
    for number, cell in enumerate(notebooks.read(ROOT / lesson.solution).cells):
        if cell.cell_type == "code" and not {CHECK, SOLUTION} & set(cell.metadata.get("tags", [])):
            exec(compile(cell.source, f"{lesson.solution} cell {number}", "exec"), vars(module))
    return vars(module)


def judge(task: Task, names: dict[str, Any], seed: int = 0) -> Result:
    """Run a check cell on the names of a notebook and return its result, on inputs made from `seed`."""
    call = ast.parse(task.check).body[-1].value
    call.keywords.append(ast.keyword("seed", ast.Constant(seed)))
    return eval(compile(ast.fix_missing_locations(ast.Expression(call)), "check cell", "eval"), names)


def checks_module(lesson: Lesson) -> ModuleType:
    """Import the module that judges a lesson's exercises."""
    return import_module(f"helpers.checks.{lesson.checks_module}")


def wrong_answers(lesson: Lesson) -> list[Any]:
    """Return the wrong answers to a lesson's exercises, each marked with what it must be refused for."""
    module = import_module(f"tests.wrong_answers.{lesson.checks_module}")
    return [value for value in vars(module).values() if hasattr(value, "refused_in")]
