"""`mle` as a user meets it: every wrong argument is one line and exit code 2, and nothing is a traceback."""

import os
import re
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import doctor
from helpers.cli import main
from helpers.course import ROOT, progress
from helpers.course.lab import free_port
from helpers.course.manifest import load_curriculum
from helpers.course.standing import next_step, standings

MLE = [sys.executable, "-c", "from helpers.cli import main; main()"]
FIRST = load_curriculum(ROOT).first


def mle(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    settings = {name: value for name, value in os.environ.items() if name not in ("MLE_RECORD", "COLUMNS")}
    return subprocess.run(
        [*MLE, *arguments], cwd=ROOT, env=settings | environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "No such command 'fly'"),
        (["check"], "Missing argument 'STEM'"),
        (["check", "24_hold_out_date"], "did you mean 24_hold_out_data"),
        (["check", "99"], "There is no lesson '99'"),
        (["check", "73"], "73_build_a_portfolio is planned"),
        (["reset", FIRST.number, "1.1"], "has no exercise 1.1"),
        (["build", "--jobs", "0"], "--jobs"),
        (["build", "nonsense"], "There is no lesson 'nonsense'"),
        (["test", "73"], "planned"),
        (["lab", "--port", "eighty"], "--port"),
        (["lab", "--port", "80"], "--port"),
        (["status", "--verbose"], "--verbose"),
        (["train", "--kind", "oracle"], "choose logistic, boosting or network"),
        (["train", "--until", "spring"], "--until"),
        (["train", "--until", "2019-01-01"], "2013"),
        (["serve", "--port", "80"], "--port"),
        (["serve"], "`mle train` makes one"),
        (["promote", "7"], "there is no '7' in the registry"),
        (["rollback"], "no earlier champion"),
        (["replay", "--policy", "daily"], "no policy 'daily': choose from never, calendar, alarm"),
        (["replay", "--fault", "flood"], "no fault 'flood': choose from schema-change"),
        (["replay", "--from", "2013-04-02", "--to", "2013-04-01"], "give an end after the start"),
        (["replay", "--from", "spring"], "--from"),
        (["replay", "--speed", "-1"], "speed is -1"),
        (["replay", "--fault-from", "2013-05-01"], "but which? Choose from schema-change"),
        (["replay", "--fault", "bad-model", "--fault-from", "2015-05-01"], "which is not played"),
        (["replay", "--bulk", "--fault", "unit-change"], "cannot be played in bulk"),
        (["replay", "--from", "2019-04-01", "--to", "2019-05-01"], "choose 2013 or 2023"),
        (["monitor"], "nothing was served yet: `mle replay` does it"),
        (["monitor", "--by", "month"], "choose day or week"),
    ],
)
def test_a_wrong_argument_gets_one_line(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["mle", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    assert (end.value.code, shown.out.strip()) == (2, "")
    assert shown.err.count("\n") == 1 and shown.err.startswith("mle: ") and says in shown.err


def test_help_is_quick():
    def seconds() -> float:
        start = time.perf_counter()
        assert "doctor" in mle("--help").stdout
        return time.perf_counter() - start

    # 0.25 s on an idle machine. The limit leaves room for a busy one; an eager import of pandas alone would pass it.
    assert statistics.median(seconds() for _ in range(3)) < 1


def test_help_imports_nothing_heavy():
    script = "import sys, helpers.cli; print(sorted({'pandas', 'numpy', 'nbformat', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_every_command_has_help():
    commands = re.findall(r"^  ([a-z]+)  ", mle("--help").stdout, re.MULTILINE)
    assert {"lab", "doctor", "status", "check", "reset", "build", "test"} <= set(commands)
    for command in commands:
        assert mle(command, "--help").returncode == 0


def test_status_fits_a_terminal_of_80(tmp_path):
    result = mle("status", MLE_PROGRESS=str(tmp_path), COLUMNS="80", PYTHONIOENCODING="utf-8")
    assert result.returncode == 0 and "Traceback" not in result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert all(f"{lesson.number} {lesson.title}" in result.stdout for lesson in load_curriculum(ROOT).lessons)


def test_status_counts_what_is_done_and_names_the_next_step(tmp_path, monkeypatch):
    monkeypatch.setenv("MLE_PROGRESS", str(tmp_path))
    monkeypatch.delenv("MLE_RECORD", raising=False)
    row = next(row for row in standings(load_curriculum(ROOT)) if row.lesson == FIRST)
    first, second, *_ = row.exercises
    progress.record(first, "done")
    rows = standings(load_curriculum(ROOT))
    after = next(row for row in rows if row.lesson == FIRST)
    assert after.done == {first} and after.minutes_left < row.minutes_left == FIRST.minutes
    assert next_step(rows) == (after, second)
    shown = mle("status", MLE_PROGRESS=str(tmp_path)).stdout
    assert f"1/{len(row.exercises)}" in shown and f"Next: exercise {second}" in shown


def test_check_reports_an_unsolved_notebook_task_by_task(tmp_path):
    result = mle("check", FIRST.stem, MLE_PROGRESS=str(tmp_path))
    tasks = next(row for row in standings(load_curriculum(ROOT)) if row.lesson == FIRST).exercises
    assert result.returncode == 1
    assert re.findall(r"^(\d+\.\d+)  not attempted$", result.stdout, re.MULTILINE) == list(tasks)
    assert f"0 of {len(tasks)} done." in result.stdout


def test_doctor_is_content_with_this_machine(tmp_path):
    result = mle("doctor", MLE_PROGRESS=str(tmp_path))
    broken = [line for line in result.stdout.splitlines() if line.startswith("mend")]
    # A small test machine is not a fault of the course's.
    assert [line for line in broken if not re.search("cores|memory|disk", line)] == []


def test_doctor_names_a_package_that_is_not_as_locked():
    lock = """
rich==1.0 \\
    --hash=sha256:0
no-such-package==1 ; sys_platform != 'never'
other==2 ; sys_platform == 'never'
"""
    found = list(doctor.differing_packages(lock))
    assert len(found) == 2 and found[0].startswith("rich is ") and found[1] == "no-such-package is missing"


def test_a_folder_that_cannot_be_written_gets_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is wanted")
    result = mle("doctor", MLE_PROGRESS=str(blocked))
    assert "mend  progress" in result.stdout and "MLE_PROGRESS" in result.stdout and "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["build", "reset"])
def test_where_nothing_can_be_kept_nothing_is_begun(command, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder is wanted")
    before = (ROOT / FIRST.exercise).read_bytes()
    result = mle(command, FIRST.stem, MLE_PROGRESS=str(blocked))
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and "cannot be used" in result.stderr
    assert (ROOT / FIRST.exercise).read_bytes() == before


def test_a_port_that_is_taken_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < free_port(port) < port + 100


def test_lab_serves_the_first_lesson_and_says_where(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        command = [*MLE, "lab", "--no-browser", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert re.match(rf"Port {port} is taken; taking \d+\.", server.stdout.readline())
            line = server.stdout.readline()
            assert f"/lab/tree/{FIRST.notebook.as_posix()}?token=" in line
            start = time.perf_counter()
            again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
            # Issue: within 5 s; the limit here leaves room for a busy machine.
            assert time.perf_counter() - start < 10
            assert again.returncode == 0 and line.split(": ")[1].strip() in again.stdout
        finally:
            server.send_signal(2) if os.name == "posix" else server.terminate()
            server.communicate(timeout=60)
    assert server.returncode == 0 or os.name != "posix"


def test_progress_is_kept_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("MLE_PROGRESS", str(tmp_path / "there"))
    assert progress.folder() == Path(tmp_path / "there")
