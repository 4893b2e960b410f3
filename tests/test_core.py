"""How a check concludes and speaks, shown on small answers that are right, wrong, missing or broken."""

import subprocess
import sys

import numpy as np
import pytest

from helpers.checks.core import Result, Status, one_number_a_row, type_name
from helpers.course import progress
from tests.toy_checks import check_double, check_mean


def unsolved(value):
    raise NotImplementedError("Exercise 99.1")


def test_a_right_answer_is_done():
    result = check_double(lambda value: value + value)
    assert result.passed and result.status is Status.DONE


def test_a_wrong_answer_is_told_what_was_seen():
    result = check_double(lambda value: 2)
    assert result.status is Status.NOT_YET and "is 2: that is not twice" in result.message


def test_an_unsolved_exercise_is_not_attempted():
    assert check_double(unsolved).status is Status.NOT_ATTEMPTED


def test_another_exercise_that_is_missing_is_not_this_one():
    assert check_mean(unsolved).status is Status.RAISED


def test_an_answer_that_raises_is_shown_its_own_line():
    def double(value):
        return np.ones(2) @ np.ones(3)  # raised inside numpy, shown here

    result = check_double(double)
    assert result.status is Status.RAISED
    assert "of double: return np.ones(2) @ np.ones(3)" in result.message and "ValueError" in result.message


def test_an_assertion_of_the_learner_is_not_a_verdict():
    def double(value):
        assert value < 0, "mine"

    assert check_double(double).status is Status.RAISED


def test_an_answer_that_exits_does_not_stop_the_notebook():
    assert check_double(lambda value: sys.exit(3)).status is Status.RAISED


def test_a_result_of_the_wrong_kind_is_a_verdict_and_not_a_crash():
    result = check_mean(lambda values: "three")
    assert result.status is Status.NOT_YET and "cannot be used" in result.message


def test_a_message_names_what_came_back():
    assert [type_name(value) for value in ([], 1, None)] == ["a list", "an int", "None"]
    with pytest.raises(AssertionError, match="A score is one number a row: this is a float"):
        one_number_a_row(0.5, "A score")
    assert one_number_a_row([1, True], "A score").tolist() == [1.0, 1.0]


def test_the_seed_changes_the_inputs():
    seen = []
    for seed in (0, 0, 1):
        check_double(lambda value: seen.append(value) or 2 * value, seed=seed)
    assert seen[0] == seen[1] != seen[2]


def test_ctrl_c_goes_through():
    def double(value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_double(double)


def test_the_panel_is_html_that_escapes_what_it_shows():
    bundle = Result("99.1", Status.NOT_YET, "seen: <b>")._repr_mimebundle_()
    assert "&lt;b&gt;" in bundle["text/html"] and bundle["text/plain"].startswith("Exercise 99.1: not yet")
    assert bundle[progress.RESULT_MIME] == {"exercise": "99.1", "status": "not yet", "message": "seen: <b>"}


def test_outside_a_notebook_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("MLE_PROGRESS", str(tmp_path))
    monkeypatch.delenv("MLE_RECORD", raising=False)
    assert check_double(lambda value: 2 * value).passed
    assert not list(tmp_path.iterdir())


def test_importing_the_core_is_quick():
    slow = {"sklearn", "matplotlib", "nbformat", "nbclient", "pydantic", "tensorflow"}
    script = f"import sys, helpers.checks.core; print(sorted({slow!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
