"""How a check runs, what it concludes and how it tells the learner.

A check is a function that calls the learner's answer on inputs it makes itself and asserts what must hold:

    @check("24.2")
    def check_split_by_time(split_by_time, rng):
        flights = make_flights(rng)
        train, test = split_by_time(flights, "2013-07-01")
        assert not set(train.index) & set(test.index), "Some flights are in both parts: ..."

Called in a notebook it shows a panel and records the outcome; called anywhere else it only returns the `Result`.
It never raises, whatever the answer does, so that one unsolved task does not stop the notebook.
"""

import functools
import html
import sys
import sysconfig
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

import numpy as np

from helpers.course import progress

_LIBRARY_FOLDERS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_COLOURS = {"done": "#1a7f4b", "not yet": "#b35900", "not attempted": "#6b7280", "raised": "#b3261e"}


class Status(StrEnum):
    """The four things that a check can conclude."""

    DONE = progress.DONE
    NOT_YET = "not yet"
    NOT_ATTEMPTED = "not attempted"
    RAISED = "raised"


@dataclass(frozen=True)
class Result:
    """What a check concluded about one answer; shown as a panel in a notebook."""

    exercise: str
    status: Status
    message: str

    @property
    def passed(self) -> bool:
        """Whether the answer does what the exercise asks."""
        return self.status is Status.DONE

    def __repr__(self) -> str:
        """Return the panel as plain text."""
        return f"Exercise {self.exercise}: {self.status}\n{self.message}"

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return {"text/plain": repr(self), "text/html": self._panel(), progress.RESULT_MIME: asdict(self)}

    def _panel(self) -> str:
        colour = _COLOURS[self.status]
        message = html.escape(self.message).replace("\n", "<br>")
        return (
            f'<div style="border-left: 6px solid {colour}; padding: 0.4em 0.8em; max-width: 48em">'
            f'<b>Exercise {self.exercise}: <span style="color: {colour}">{self.status}</span></b><br>{message}</div>'
        )


def check(exercise: str) -> Callable:
    """Turn a function that asserts into a check of `exercise` (such as "24.2").

    The function takes the learner's objects, then `rng`, a seeded `numpy.random.Generator` for the inputs. The check
    takes the same objects and `seed` (0 unless given), so that one check can judge on fresh inputs.
    """

    def decorate(judge: Callable[..., None]) -> Callable[..., Result]:
        @functools.wraps(judge)
        def run(*answers: object, seed: int = 0) -> Result:
            result = _conclude(exercise, judge, (*answers, np.random.default_rng(seed)))
            return _recorded(result) if _in_notebook() else result

        run.exercise = exercise
        return run

    return decorate


def checks_of(module: object) -> dict[str, Callable[..., Result]]:
    """Return the checks of a module of `helpers.checks` by exercise, in order of the exercises."""
    found = [value for value in vars(module).values() if hasattr(value, "exercise")]
    return {value.exercise: value for value in sorted(found, key=lambda value: value.exercise)}


def type_name(value: object) -> str:
    """What a value is, as a message names it: "a list", "an int", "None"."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def one_number_a_row(values: object, what: str) -> np.ndarray:
    """The values as floats, with a message that names `what` they are when they are not one number for each row."""
    array = np.asarray(values)
    assert array.ndim == 1, f"{what} is one number a row: this is {type_name(values)}."
    return array.astype(float)


def one_number_a_fold(values: object, what: str, folds: int = 5) -> np.ndarray:
    """The values as finite floats, with a message that names `what` they are when they are not one for each fold."""
    assert np.ndim(values) == 1, f"Return the {what}s of the folds, one number a fold: this is {type_name(values)}."
    assert len(values) == folds, f"The task asks for {folds} folds: these are {len(values)} {what}s."
    array = np.asarray(values, float)
    assert np.isfinite(array).all(), f"Some fold has no {what}."
    return array


def _conclude(exercise: str, judge: Callable[..., None], arguments: tuple) -> Result:
    try:
        judge(*arguments)
    except (Exception, SystemExit) as error:
        return Result(exercise, *_explain(exercise, error, {__file__, judge.__code__.co_filename}))
    return Result(exercise, Status.DONE, "Every check passed.")


def _explain(exercise: str, error: BaseException, ours: set[str]) -> tuple[Status, str]:
    """Tell a verdict of the check, raised in one of our files, from a fault in the answer."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    if isinstance(error, NotImplementedError) and str(error) == f"Exercise {exercise}":
        return (
            Status.NOT_ATTEMPTED,
            f'Replace the line `raise NotImplementedError("Exercise {exercise}")` by your answer.',
        )
    if frames[-1].filename not in ours:
        where = f"line {frames[-1].lineno} of {frames[-1].name}: {frames[-1].line}"
        return Status.RAISED, f"{_name(error)}\n{where}"
    if isinstance(error, AssertionError):
        return Status.NOT_YET, str(error)
    return Status.NOT_YET, f"What your answer returned cannot be used as the task asks. {_name(error)}"


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _is_library(filename: str) -> bool:
    # Frames of compiled modules carry the relative name of a .pyx file, generated ones a name in angle brackets.
    generated = filename.startswith("<") and not filename.startswith("<ipython")
    return generated or filename.startswith(_LIBRARY_FOLDERS) or filename.endswith((".pyx", ".pxd", ".pxi"))


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _recorded(result: Result) -> Result:
    try:
        progress.record(result.exercise, result.status)
    except OSError as error:
        return replace(result, message=f"{result.message}\n(Your progress could not be saved: {error})")
    return result
