"""Break each reference answer in many small ways and count how many of the broken ones its check refuses.

    python tests/mutants.py [STEM ...]        all written lessons when none is named
    python tests/mutants.py --changed REV     those whose solution, checks or wrong answers changed since REV

Exits 1 when a check refuses fewer than 90 % of the mutants that differ from the answer in what they do. Those that do
not differ are listed, with the reason, in tests/equivalent_mutants.toml. Each mutant runs in a forked process with a
time limit, so this needs Linux or macOS.
"""

import argparse
import ast
import copy
import difflib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from helpers.course import ROOT
from helpers.course.manifest import Lesson, UnknownLesson, load_curriculum
from helpers.course.notebooks import ENVIRONMENT
from tests.answers import LESSONS, Task, judge, namespace, tasks

LIMIT = 0.9
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the small changes of one node: operator, comparison, constant, argument, statement."""
    match node:
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield _changed(node, op=OPERATORS[type(op)]())
        case ast.Compare(ops=[op, *rest]):
            yield from (_changed(node, ops=[other(), *rest]) for other in COMPARISONS[type(op)])
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=str() as value):
            yield ast.Constant(value + "x")
        case ast.Call(args=[first, second, *rest]):
            yield _changed(node, args=[second, first, *rest])
        case ast.Return(value=ast.AST()):
            yield ast.Return(ast.Constant(None))
        case ast.Assign() | ast.Expr() | ast.For() | ast.If() | ast.Continue() | ast.Break():
            yield ast.Pass()
    if isinstance(node, ast.Call):
        for place in range(len(node.keywords)):
            yield _changed(node, keywords=node.keywords[:place] + node.keywords[place + 1 :])


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield for each mutant of `source` what changed, as "old line -> new line", and the mutated source."""
    tree = _without_docstrings(ast.parse(source))
    plain = ast.unparse(tree)
    for place, node in enumerate(ast.walk(tree)):
        for variant in variants(node):
            mutated = ast.unparse(ast.fix_missing_locations(_Replace(place, variant).apply(tree)))
            yield _difference(plain, mutated), mutated


class _Replace(ast.NodeTransformer):
    """Put `variant` in the place of the node that `ast.walk` gives as number `place`."""

    def __init__(self, place: int, variant: ast.AST) -> None:
        self.place, self.variant = place, variant

    def apply(self, tree: ast.AST) -> ast.AST:
        clone = copy.deepcopy(tree)
        self.target = list(ast.walk(clone))[self.place]
        return self.visit(clone)

    def visit(self, node: ast.AST) -> ast.AST:
        return self.variant if node is self.target else self.generic_visit(node)


def survivors(lesson: Lesson, task: Task, workers: int) -> tuple[int, list[str]]:
    """Return how many mutants of a task were tried, and those that its check took for a right answer."""
    names = namespace(lesson)
    start = time.perf_counter()
    if not judge(task, names).passed:
        raise SystemExit(f"{task.exercise}: the solution itself does not pass its check")
    seconds = int(10 + 10 * (time.perf_counter() - start))
    found = list(mutants(task.answer))
    context = multiprocessing.get_context("fork")
    _State.names, _State.task, _State.seconds = names, task, seconds
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        passed = list(pool.map(_passes, [source for _, source in found]))
    return len(found), [what for (what, _), accepted in zip(found, passed, strict=True) if accepted]


class _State:
    """What a forked process inherits, because functions made by exec cannot be pickled."""

    names: dict[str, Any]
    task: Task
    seconds: int


def _passes(source: str) -> bool:
    """Judge one mutant in a child of this process, so that nothing that it breaks stays broken."""
    child = os.fork()
    if child == 0:
        signal.alarm(_State.seconds)  # ends the child where a mutant loops for ever
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            names = dict(_State.names)
            try:
                exec(compile(source, "mutant", "exec"), names)
                accepted = judge(_State.task, names).passed
            except BaseException:
                accepted = False
        os._exit(0 if accepted else 1)
    return os.waitpid(child, 0)[1] == 0


def _changed(node: ast.AST, **fields: Any) -> ast.AST:
    clone = copy.copy(node)
    for name, value in fields.items():
        setattr(clone, name, value)
    return clone


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _difference(old: str, new: str) -> str:
    lines = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "-+"]
    removed = " / ".join(line[2:].strip() for line in lines if line[0] == "-")
    added = " / ".join(line[2:].strip() for line in lines if line[0] == "+")
    return f"{removed} -> {added}"


def _changed_lessons(revision: str) -> list[Lesson]:
    command = ["git", "diff", "--name-only", revision]
    changed = set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())
    return [lesson for lesson in LESSONS if {str(lesson.solution), str(lesson.checks)} & changed]


def _report(lesson: Lesson, task: Task, equivalent: set[str]) -> bool:
    """Print what became of a task's mutants; return whether its check is strict enough and the list up to date."""
    tried, alive = survivors(lesson, task, workers=os.cpu_count() or 1)
    lenient = [what for what in alive if what not in equivalent]
    outdated = sorted(equivalent - set(alive))
    differing = tried - (len(alive) - len(lenient))
    share = 1 - len(lenient) / differing
    print(f"{task.exercise}: {share:.0%} of {differing} mutants refused, {tried - differing} equivalent", flush=True)
    for what in lenient:
        print(f"    survives: {what}")
    for what in outdated:
        print(f"    listed as equivalent, but it does not survive: {what}")
    return share >= LIMIT and not outdated


def main() -> int:
    """Report task by task; return 1 when a check is too lenient or a listed mutant does not survive any more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stems", nargs="*", metavar="STEM")
    parser.add_argument("--changed", metavar="REV")
    options = parser.parse_args()
    if not hasattr(os, "fork"):
        print("mutants: this system cannot fork a process; run it on Linux or macOS")
        return 2
    if ENVIRONMENT.items() - os.environ.items():
        # A library that has started its threads cannot be forked: start again with one thread for each.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ENVIRONMENT)
    try:
        lessons = [load_curriculum(ROOT).lesson(stem) for stem in options.stems] or LESSONS
    except UnknownLesson as unknown:
        parser.error(str(unknown))
    if options.changed:
        lessons = _changed_lessons(options.changed)
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8"))
    strict = [
        _report(lesson, task, {entry["mutant"] for entry in listed.get(task.exercise, [])})
        for lesson in lessons
        for task in tasks(lesson)
    ]
    return 0 if all(strict) else 1


if __name__ == "__main__":
    sys.exit(main())
