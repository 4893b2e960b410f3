"""The notebooks as files: read, run, bring to one form, derive the exercise from the solution.

The notebook is the source. Building one twice gives the same bytes: no times, no versions, stable cell ids.
"""

import asyncio
import base64
import hashlib
import io
import os
import re
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image
from traitlets.config import Config

from helpers.course import EXERCISE_HEADING
from helpers.course.progress import RESULT_MIME

CHECK, SOLUTION = "check", "solution"
PNG = "image/png"
CELL_SECONDS = 120
BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
_KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}

# Without it a new kernel warns that its port on loopback is not encrypted.
_CONFIG = Config({"KernelManager": {"transport_encryption": "auto"}})

# The stored outputs hold for these settings, so building, testing and learning all use them. One thread: the sum of
# floats depends on the number of threads, and small fits are faster without a team of them.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    # A fresh kernel starts twice as fast when the libraries that it imports may stay compiled.
    "PYTHONDONTWRITEBYTECODE": "",
}
# Nobody's progress shows in a stored output, and building or testing is not doing the exercises.
UNRECORDED = {"MLE_RECORD": "no"}


T = TypeVar("T")


class NotebookError(Exception):
    """A notebook that cannot be read, derived or run; the message says which and why."""


def read(path: Path) -> NotebookNode:
    """Return the notebook at `path`. Raises `NotebookError` where it is missing or not a notebook."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise NotebookError(f"{_name(path)} is missing: bring it back with `git checkout -- {_name(path)}`") from None
    except Exception as error:  # nbformat raises many kinds for a file that is not a notebook
        reason = str(error).splitlines()[0][:80]
        raise NotebookError(
            f"{_name(path)} is not a notebook ({reason}): bring it back with `git checkout -- {_name(path)}`"
        ) from None
    return notebook


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write `notebook` in one go, so that a crash leaves the old file; return whether the file changed."""
    content = to_text(notebook).encode()
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
    return True


def to_text(notebook: NotebookNode) -> str:
    """Return the text of the file that holds `notebook`."""
    return nbformat.writes(notebook) + "\n"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Return a copy in the one form that is stored: only what the course needs, in a fixed order."""
    metadata = {"kernelspec": _KERNELSPEC, "language_info": _LANGUAGE}
    cells = [_normal_cell(cell) for cell in notebook.cells if cell.source.strip()]
    return nbformat.v4.new_notebook(metadata=metadata, cells=_with_unique_ids(cells))


def derive(solution: NotebookNode) -> NotebookNode:
    """Return the exercise of a solution: answers replaced by `raise NotImplementedError`, nothing run."""
    cells = []
    for cell, task in with_exercise(normalise(solution)):
        if SOLUTION in _tags(cell):
            continue
        if cell.cell_type == "code":
            cell = nbformat.from_dict(cell | {"outputs": [], "execution_count": None})
            cell.source = _unsolved(cell.source, task)
        cells.append(cell)
    return normalise(nbformat.v4.new_notebook(cells=cells))


def with_exercise(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """Yield each cell with the exercise under whose heading it stands ("" before the first)."""
    task = ""
    for cell in notebook.cells:
        heading = EXERCISE_HEADING.search(cell.source) if cell.cell_type == "markdown" else None
        task = heading[1] if heading else task
        yield cell, task


def with_task_of(notebook: NotebookNode, fresh: NotebookNode, task: str) -> NotebookNode:
    """Return `notebook` with the cells of exercise `task` taken from `fresh`, in the place where they stood."""
    mine = [(cell, number) for cell, number in with_exercise(notebook)]
    theirs = [cell for cell, number in with_exercise(fresh) if number == task]
    before = [cell for cell, number in mine if _order(number) < _order(task)]
    after = [cell for cell, number in mine if _order(number) > _order(task)]
    return normalise(nbformat.v4.new_notebook(cells=before + theirs + after))


def _order(number: str) -> tuple[int, ...]:
    return tuple(map(int, number.split("."))) if number else ()


@dataclass(frozen=True)
class Verdict:
    """What running an exercise notebook showed of one task."""

    exercise: str
    status: str
    message: str


def verdicts(notebook: NotebookNode) -> list[Verdict]:
    """Return what the check cells of a notebook that was run say, task by task."""
    return [_verdict(cell, task) for cell, task in with_exercise(notebook) if CHECK in _tags(cell)]


async def run(path: Path, *, as_learner: bool = False) -> NotebookNode:
    """Run the notebook at `path` in a fresh kernel and return it with its outputs, normalised; write nothing.

    A cell that fails raises `NotebookError` with the cell, its source and its error. Run `as_learner`, it goes on
    after a cell that fails and its checks record progress.
    """
    notebook = normalise(read(path))
    client = NotebookClient(
        notebook,
        config=_CONFIG,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        allow_errors=as_learner,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    settings = os.environ | ENVIRONMENT | ({} if as_learner else UNRECORDED)
    try:
        # What a cell writes to standard error is an output; what a dying kernel says of itself helps nobody.
        await client.async_execute(env=settings, cwd=str(path.parent), stderr=subprocess.DEVNULL)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(_failure(path, notebook, error)) from None
    return normalise(notebook)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that leaves Ctrl-C to Python: nbclient would take it over and end in a traceback."""

    def add_signal_handler(self, sig: int, callback: Callable, *args: object) -> None:
        """Refuse, as outside the main thread, which nbclient understands."""
        raise RuntimeError("signals are handled by asyncio.Runner")


def complete(work: Coroutine[None, None, T]) -> T:
    """Run a coroutine that runs notebooks; Ctrl-C ends their kernels and raises `KeyboardInterrupt`."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


def _normal_cell(cell: NotebookNode) -> NotebookNode:
    source = "\n".join(line.rstrip() for line in cell.source.strip("\n").splitlines())
    metadata = {"tags": sorted(_tags(cell))} if _tags(cell) else {}
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}.get(cell.cell_type)
    if new is None:
        raise NotebookError(f"a {cell.cell_type} cell has no place in a lesson: {source[:40]!r}")
    normal = new(source, metadata=metadata, id=cell.get("id") or hashlib.sha256(source.encode()).hexdigest()[:8])
    if cell.cell_type == "code":
        normal.execution_count = cell.execution_count
        normal.outputs = [_normal_output(output) for output in _merged_streams(cell.outputs)]
    return normal


def _normal_output(output: NotebookNode) -> NotebookNode:
    if "metadata" in output:
        output = nbformat.from_dict(output | {"metadata": {}})
    if PNG in output.get("data", {}):
        output = nbformat.from_dict(output | {"data": output.data | {PNG: _with_palette(output.data[PNG])}})
    if output.output_type == "error":
        # A traceback shows paths and line numbers of the machine that built it.
        output = nbformat.from_dict(output | {"traceback": [f"{output.ename}: {output.evalue}"]})
    return output


def _with_palette(figure: str) -> str:
    """Return a figure in 256 colours, which takes a third of the bytes; one that has a palette stays as it is."""
    picture = Image.open(io.BytesIO(base64.b64decode(figure)))
    if picture.mode == "P":
        return figure
    content = io.BytesIO()
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def _merged_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    # How many messages a printed text arrives in depends on the machine's mood.
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            merged[-1] = nbformat.from_dict(last | {"text": last.text + output.text})
        else:
            merged.append(output)
    return merged


def _with_unique_ids(cells: list[NotebookNode]) -> list[NotebookNode]:
    seen: set[str] = set()
    for cell in cells:
        stem, number = cell.id, 2
        while cell.id in seen:
            cell.id, number = f"{stem}-{number}", number + 1
        seen.add(cell.id)
    return cells


def _unsolved(source: str, task: str) -> str:
    if BEGIN not in source:
        return source
    pattern = re.compile(rf"^([ \t]*){BEGIN}$.*?^[ \t]*{END}$", re.MULTILINE | re.DOTALL)
    unsolved, count = pattern.subn(rf'\1raise NotImplementedError("Exercise {task}")', source)
    if count != source.count(BEGIN) or count != source.count(END):
        raise NotebookError(f"Exercise {task}: every `{BEGIN}` needs its `{END}` on a line of its own")
    return unsolved


def _verdict(cell: NotebookNode, task: str) -> Verdict:
    for output in cell.outputs:
        found = output.get("data", {}).get(RESULT_MIME)
        if found:
            return Verdict(found["exercise"], found["status"], found["message"])
        if output.output_type == "error":
            return Verdict(task, "raised", f"{output.ename}: {output.evalue}")
    return Verdict(task, "not attempted", "The check cell shows no result: end it with the call of the check.")


def _failure(path: Path, notebook: NotebookNode, error: Exception) -> str:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    failed = next((number for number, cell in enumerate(code, 1) if _has_error(cell)), None)
    # A cell that ran out of time has no error among its outputs: it is the first that has not finished.
    number = failed or next((n for n, cell in enumerate(code, 1) if cell.execution_count is None), len(code))
    reason = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else str(error).splitlines()[0]
    source = "\n".join(f"    {line}" for line in code[number - 1].source.splitlines())
    return f"{_name(path)}, code cell {number} of {len(code)} failed:\n{source}\n{reason}"


def _has_error(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
