"""The set-up: bootstrap.py, the lock, conda's door, make, continuous integration and what git does with the files."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import bootstrap
from helpers.course import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
REQUIRES = PYPROJECT["project"]["requires-python"]
SUPPORTED = [minor for minor in range(50) if SpecifierSet(REQUIRES).contains(f"3.{minor}.1")]
WORKFLOW = ROOT / ".github/workflows/ci.yml"


def output(*command: str) -> str:
    # Without what a `make test` around these tests hands down to a make that they call.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


# ---------------------------------------------------------------- which Python


def refuse(version: tuple[int, ...], system: str = "linux", machine: str = "x86_64") -> str:
    return bootstrap.refusal(version, system, machine, (ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize(
    "version", [(2, 7, 18), (3, 6, 15), (3, SUPPORTED[0] - 1, 9), (3, SUPPORTED[-1] + 1, 0), (4, 0, 0)]
)
def test_a_python_out_of_range_gets_one_line_that_says_which_to_take(version):
    line = refuse(version)
    newest = f"3.{SUPPORTED[-1]}"
    assert f"needs Python 3.{SUPPORTED[0]} to {newest} and this is {'.'.join(map(str, version))}" in line
    assert f"PYTHON=python{newest}" in line and "\n" not in line


@pytest.mark.parametrize("minor", SUPPORTED)
@pytest.mark.parametrize("machine", ["linux x86_64", "linux aarch64", "win32 AMD64", "darwin arm64"])
def test_a_python_in_range_is_taken(minor, machine):
    assert refuse((3, minor, 4), *machine.split()) == ""


@pytest.mark.parametrize("machine", ["darwin x86_64", "freebsd14 amd64"])
def test_a_system_without_packages_is_refused(machine):
    assert f"do not exist for {machine}:" in refuse((3, SUPPORTED[0], 1), *machine.split())


def test_main_refuses_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, SUPPORTED[0] - 1, 13))
    assert bootstrap.main(["lab"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_bootstrap_parses_on_an_old_python():
    ast.parse((ROOT / "bootstrap.py").read_text("utf-8"), feature_version=(3, 6))


# ---------------------------------------------------------------- making the environment


class Installer:
    """Stands in for uv and pip in a made-up project: records each step, does its visible work, fails where told."""

    def __init__(self, root: Path):
        self.root, self.steps, self.failure = root, [], {}

    def run(self, root: Path, *command: str) -> None:
        self.steps.append(" ".join(command))
        if len(self.steps) in self.failure:
            raise self.failure[len(self.steps)]
        if "venv" in command:
            python = bootstrap.program(root / ".venv", "python")
            python.parent.mkdir(parents=True)
            python.write_text("3.12.1")
        if "-e" in command:
            bootstrap.program(root / ".venv", "mle").touch()

    def call(self, command: str = "lab") -> list[str]:
        """Call the bootstrap and return the steps that it took."""
        self.steps.clear()
        bootstrap.prepare(self.root, command)
        return list(self.steps)


@pytest.fixture
def installer(tmp_path, monkeypatch):
    """A made-up project, nothing set up. A Python in it "answers" with what its file holds, as long as there is one."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('requires-python = ">=3.11,<3.14"\n')
    for lock in (bootstrap.LEARNER_LOCK, bootstrap.DEVELOPER_LOCK):
        (root / lock).write_text(f"# {lock}\n")
    installer = Installer(root)
    monkeypatch.setattr(bootstrap, "run", installer.run)
    monkeypatch.setattr(bootstrap, "find_uv", lambda root: "uv")
    monkeypatch.setattr(bootstrap, "answer", lambda path, *_: Path(path).read_text() if Path(path).exists() else "")
    return installer


def stamp(root: Path) -> Path:
    return root / ".venv" / "stamp.json"


def is_whole(root: Path, lock: str = bootstrap.LEARNER_LOCK) -> bool:
    return bootstrap.is_ready(root, lock) and not (root / ".venv" / "leftover").exists()


def test_the_second_call_does_nothing(installer):
    assert [step.split()[1] for step in installer.call()] == ["venv", "pip", "pip"]
    assert is_whole(installer.root)
    assert installer.call() == []


@pytest.mark.parametrize(("minor", "lines"), [(12, 0), (13, 1)])
def test_another_python_is_mentioned_and_throws_nothing_away(installer, monkeypatch, capsys, minor, lines):
    installer.call()
    capsys.readouterr()
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, minor, 0))
    assert installer.call() == []
    assert capsys.readouterr().err.count("to change to Python 3.13, delete .venv") == lines


DAMAGE = {
    "stamp missing": lambda root: stamp(root).unlink(),
    "stamp torn": lambda root: stamp(root).write_text(stamp(root).read_text()[:20]),
    "python gone": lambda root: bootstrap.program(root / ".venv", "python").unlink(),
    "another python": lambda root: bootstrap.program(root / ".venv", "python").write_text("3.12.2"),
    "mle gone": lambda root: bootstrap.program(root / ".venv", "mle").unlink(),
    "made elsewhere": lambda root: stamp(root).write_text(stamp(root).read_text().replace("project", "old_place")),
    "range changed": lambda root: (root / "pyproject.toml").write_text('requires-python = ">=3.12,<3.14"\n'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_half_done_or_damaged_environment_is_made_anew(installer, damage):
    installer.call()
    (installer.root / ".venv" / "leftover").touch()
    DAMAGE[damage](installer.root)
    installer.call()
    assert is_whole(installer.root)


@pytest.mark.parametrize("failing_step", [1, 2, 3])
@pytest.mark.parametrize("failure", [bootstrap.SetupError("no network"), KeyboardInterrupt()], ids=["error", "ctrl-C"])
def test_what_was_interrupted_mends_at_the_next_call(installer, failing_step, failure):
    installer.failure = {failing_step: failure}
    with pytest.raises(type(failure)):
        installer.call()
    assert not bootstrap.is_ready(installer.root, bootstrap.LEARNER_LOCK)
    installer.failure = {}
    installer.call()
    assert is_whole(installer.root)


def test_a_new_lock_changes_the_packages_and_keeps_the_environment(installer):
    installer.call()
    (installer.root / bootstrap.LEARNER_LOCK).write_text("# newer\n")
    assert [step.split()[1:3] for step in installer.call()] == [["pip", "sync"], ["pip", "install"]]
    assert is_whole(installer.root)


def test_an_interrupted_change_of_packages_begins_anew(installer):
    installer.call()
    (installer.root / bootstrap.LEARNER_LOCK).write_text("# newer\n")
    installer.failure = {1: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        installer.call()
    installer.failure = {}
    assert len(installer.call()) == 3


def test_the_developers_packages_are_kept_once_they_are_there(installer):
    assert bootstrap.LEARNER_LOCK in installer.call("lab")[1]
    assert bootstrap.DEVELOPER_LOCK in installer.call("test")[0]
    assert installer.call("lab") == []


def test_without_uv_pip_makes_it_anew(installer, monkeypatch):
    installer.call()
    (installer.root / bootstrap.LEARNER_LOCK).write_text("# newer\n")
    monkeypatch.setattr(bootstrap, "find_uv", lambda root: "")
    make, fill, project = installer.call()
    assert make.endswith(f"-m venv {installer.root / '.venv'}")
    assert "-m pip install --require-hashes -r" in fill
    assert "-m pip install --no-deps --no-build-isolation -e" in project


def test_the_stamp_says_what_it_depends_on(installer):
    installer.call()
    assert set(json.loads(stamp(installer.root).read_text())) == {"root", "python", "requires", "mle", "lock", "sha256"}


# ---------------------------------------------------------------- its steps, for real


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".bootstrap").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("error: No space left on device", "disk is full"),
        ("ensurepip is not available", "venv package"),
        ("?", "network"),
    ],
)
def test_a_step_that_fails_says_in_one_line_what_to_do(folder, capfd, said, advice):
    script = f"import sys; print('Downloading numpy'); print({said!r}, file=sys.stderr); sys.exit(1)"
    with pytest.raises(bootstrap.SetupError, match=advice) as caught:
        bootstrap.run(folder, sys.executable, "-c", script)
    assert "\n" not in str(caught.value) and "setup.log" in str(caught.value)
    assert capfd.readouterr().err == "  Downloading numpy\n"
    assert said in (folder / ".bootstrap" / "setup.log").read_text()


def lock_is_free(folder: Path) -> bool:
    """Ask from a process of its own: a process does not stand in its own way."""
    script = "import bootstrap, sys; file = open(sys.argv[1], 'a'); print(bootstrap.try_to_lock(file.fileno()))"
    return output(sys.executable, "-c", script, str(folder / ".bootstrap" / "lock")).strip() == "True"


def test_two_set_ups_at_once_wait_for_each_other(folder):
    with bootstrap.alone(folder):
        assert not lock_is_free(folder)
    assert lock_is_free(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets go of a file lock with the process that took it")
def test_a_killed_set_up_stays_locked_until_its_last_step_ends(folder):
    step = f"import pathlib, time\nprint('Downloading', 'it', flush=True)\ngo = pathlib.Path({str(folder / 'go')!r})\n"
    step += "for _ in range(500):\n    time.sleep(0 if go.exists() else .02)"
    holder = "import bootstrap, sys, pathlib\nfolder = pathlib.Path(sys.argv[1])\n"
    holder += "with bootstrap.alone(folder):\n    bootstrap.run(folder, sys.executable, '-c', sys.argv[2])"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(folder), step], cwd=ROOT, stderr=subprocess.PIPE
    ) as process:
        assert b"Downloading" in process.stderr.readline()
        process.kill()
    assert not lock_is_free(folder)
    (folder / "go").touch()
    until = time.monotonic() + 10
    while not lock_is_free(folder):
        assert time.monotonic() < until


def test_the_command_gets_the_active_environment_and_its_exit_code_comes_back(tmp_path):
    child = "import os, sys; print(os.environ['VIRTUAL_ENV'], os.environ['PATH'].split(os.pathsep)[0]); sys.exit(7)"
    parent = "import bootstrap, pathlib, sys; sys.exit(bootstrap.hand_over(pathlib.Path(sys.argv[1]), sys.argv[2:]))"
    command = [sys.executable, "-c", parent, str(tmp_path), sys.executable, "-c", child]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    venv = tmp_path / ".venv"
    assert (done.returncode, done.stdout.split()) == (7, [str(venv), str(bootstrap.program(venv, "mle").parent)])


@pytest.mark.parametrize("script", bootstrap.SCRIPTS.values())
def test_the_maintainers_scripts_are_there(script):
    assert (ROOT / script).is_file()


# ---------------------------------------------------------------- the lock and conda's door


def pins(lock: str) -> dict[str, dict[str, int]]:
    """Package -> version -> number of hashes, as a lock file states them."""
    found: dict[str, dict[str, int]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / lock).read_text("utf-8").strip()):
        name, version = re.match(r"([\w.-]+)==([^\s;]+)", block).groups()
        found.setdefault(canonicalize_name(name), {})[version] = block.count("--hash=sha256:")
    return found


LEARNERS, DEVELOPERS = pins(bootstrap.LEARNER_LOCK), pins(bootstrap.DEVELOPER_LOCK)
DIRECT = PYPROJECT["project"]["dependencies"] + PYPROJECT["build-system"]["requires"]


@pytest.mark.parametrize(
    ("requirement", "lock"),
    [(text, LEARNERS) for text in DIRECT]
    + [(text, DEVELOPERS) for text in DIRECT + PYPROJECT["dependency-groups"]["dev"]],
    ids=lambda value: value if isinstance(value, str) else ("learner", "developer")[value is DEVELOPERS],
)
def test_the_lock_holds_what_pyproject_asks_for(requirement, lock):
    asked = Requirement(requirement)
    versions = lock.get(canonicalize_name(asked.name), {})
    assert versions and all(asked.specifier.contains(version) for version in versions), "call: make lock"


def test_everything_in_the_lock_has_hashes():
    assert all(count for lock in (LEARNERS, DEVELOPERS) for versions in lock.values() for count in versions.values())


def test_the_developers_lock_only_adds_to_the_learners():
    assert LEARNERS.items() <= DEVELOPERS.items(), "call: make lock"


def test_no_file_names_a_package_index():
    """A mirror or a folder of wheels must serve as well. Names are put together here, so as not to find this file."""
    hosts = ["pypi" + ".org", "python" + "hosted", "npmjs" + ".org", "ana" + "conda.org", "deb.debian" + ".org"]
    options = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links"]
    command = ["git", "grep", "-I", "--name-only", *(part for text in hosts + options for part in ("-e", text))]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "")


def test_conda_gets_the_same_environment():
    text = (ROOT / "environment.yml").read_text("utf-8")
    lock = {"pip": [f"-r {bootstrap.LEARNER_LOCK}"]}
    assert yaml.safe_load(text)["dependencies"] == [f"python{REQUIRES}", "pip", lock]
    assert "pip install --no-deps --no-build-isolation -e ." in text


# ---------------------------------------------------------------- make and continuous integration


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_target():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"lab", "test", "build", "bench", "soak", "mutants", "lock", "help"} <= set(targets)
    for command in (["make"], ["make", "help"]):
        assert re.findall(r"^make ([a-z]+) +\S", output(*command), re.MULTILINE) == targets


@pytest.mark.parametrize("target", ["lab", "test", "build", "bench", "soak", "mutants", "data"])
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_each_target_is_a_thin_name(target):
    assert output("make", "--dry-run", target, "PYTHON=py", "ARGS=more") == f"py bootstrap.py {target} more\n"


def test_ci_runs_the_same_command_on_every_system_and_supported_python():
    job = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in SUPPORTED]
    assert [system.split("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert job["steps"][-1] == {"run": "python bootstrap.py test"}


def test_ci_pins_actions_by_their_major_version():
    actions = re.findall(r"uses: (\S+)", WORKFLOW.read_text("utf-8"))
    assert actions and all(re.fullmatch(r"[\w/-]+@v\d+", action) for action in actions)


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_has_nothing_to_say():
    done = subprocess.run(["actionlint", str(WORKFLOW)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_ci_script_can_be_run_and_ends_in_make_test():
    assert output("git", "ls-files", "--stage", ".ci/run").startswith("100755")
    assert (ROOT / ".ci/run").read_text("utf-8").splitlines()[-1] == "exec make test"


# ---------------------------------------------------------------- what git does with the files


def test_no_file_has_windows_line_ends():
    assert re.findall(r"^i/(?:crlf|mixed).*", output("git", "ls-files", "--eol"), re.MULTILINE) == []


def test_notebooks_are_compared_by_nbdime_and_data_files_are_not_touched():
    for path, attribute, value in [
        ("notebooks/a.ipynb", "diff", "jupyternotebook"),
        ("notebooks/a.ipynb", "merge", "jupyternotebook"),
        ("bootstrap.py", "eol", "lf"),
        ("helpers/data/files/a.parquet", "text", "unset"),
    ]:
        assert output("git", "check-attr", attribute, "--", path) == f"{path}: {attribute}: {value}\n"


@pytest.mark.parametrize("path", [".venv/x", ".bootstrap/x", ".progress/x", "uv.lock", "a/.ipynb_checkpoints/x"])
def test_what_is_made_here_stays_here(path):
    assert output("git", "check-ignore", path).strip() == path


def test_the_citation_names_the_course_and_its_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (ROOT / "README.md").read_text("utf-8").startswith(f"# {citation['title']}\n")
    assert citation["version"] == PYPROJECT["project"]["version"]
