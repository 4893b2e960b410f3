"""The harness itself: a stored output that is changed on purpose must turn the run red."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from helpers.course import ROOT, notebooks


def compare(path: Path, *options: str) -> subprocess.CompletedProcess:
    """Run pytest on one notebook outside the project's tests, with the project's settings."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest", f"--rootdir={ROOT}"]
    command += ["-c", str(ROOT / "pyproject.toml"), *options, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A notebook as the course stores them, with one value."""
    value = nbformat.v4.new_output("execute_result", {"text/plain": "'a value'"}, execution_count=1)
    cell = nbformat.v4.new_code_cell("'a value'", execution_count=1, outputs=[value])
    notebook = notebooks.normalise(nbformat.v4.new_notebook(cells=[cell]))
    nbformat.write(notebook, tmp_path / "page.ipynb")
    return tmp_path / "page.ipynb"


def altered(page: Path, *, value: str) -> Path:
    notebook = nbformat.read(page, as_version=4)
    output = notebook.cells[-1].outputs[-1]
    output.data["text/plain"] = value
    nbformat.write(notebook, page)
    return page


def test_a_notebook_as_it_is_passes(page):
    result = compare(page)
    assert result.returncode == 0, result.stdout


def test_a_changed_output_fails(page):
    result = compare(altered(page, value="'another value'"))
    assert result.returncode == 1 and "another value" in result.stdout


def test_nbval_and_nbval_lax_together_are_refused(page):
    result = compare(page, "--nbval-lax")
    assert result.returncode == 4 and "compare nothing" in result.stderr
