"""The house keeps its plan: imports run one way, links lead somewhere, the code is formatted."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest

from helpers.course import ROOT, notebooks

# Room of `helpers` -> the other rooms that it may import (DESIGN: imports run one way).
MAY_IMPORT = {
    "cli": {"course", "doctor", "disruption", "data"},
    "doctor": {"course", "data"},
    "checks": {"course", "disruption", "metrics", "data"},
    "disruption": {"metrics", "data"},
    "course": set(),
    "plots": set(),
    "metrics": set(),
    "data": set(),
}
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"")


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the project that git knows or would add, deleted ones left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file()]


def imported(path: Path) -> set[str]:
    """Return the rooms of `helpers` that a module imports, anywhere in it."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            rooms |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            rooms.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("helpers.")}
    return rooms


MODULES = [path for path in (ROOT / "helpers").rglob("*.py") if path != ROOT / "helpers/__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT / "helpers").parts[0].removesuffix(".py")
    assert imported(path) - {room} <= MAY_IMPORT[room]


def code(path: Path) -> str:
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in notebooks.read(path).cells if cell.cell_type == "code")
    return path.read_text("utf-8")


def used(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that code imports or, in a list such as ``[sys.executable, "-m", "pytest"]``, runs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "helpers"
        elif isinstance(node, ast.List):
            words = [getattr(item, "value", None) for item in node.elts]
            yield from (name for flag, name in pairwise(words) if flag == "-m")


DISTRIBUTIONS = packages_distributions()
LEARNERS = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", [*MODULES, *tracked("*.ipynb")], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_learner_runs_is_in_the_learners_lock(path):
    modules = {name.split(".")[0] for name in used(ast.parse(code(path)))} - sys.stdlib_module_names - {"helpers"}
    locked = {name for name in modules if {dist.lower().replace("_", "-") for dist in DISTRIBUTIONS[name]} & LEARNERS}
    assert modules - locked == set()


def prose(path: Path) -> str:
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in notebooks.read(path).cells if cell.cell_type == "markdown")
    return path.read_text("utf-8")


@pytest.mark.parametrize("path", tracked("*.md", "*.ipynb"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(path):
    links = [(first or second).split("#")[0] for first, second in LINK.findall(prose(path))]
    local = [link for link in links if link and not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_has_nothing_to_say(command):
    result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
