"""Set the course up and run one of its commands: `python bootstrap.py [lab|test|build|...] [arguments]`.

Makes `.venv` from the lock, installs the project into it and hands over to `mle`, to a maintainer's script (SCRIPTS)
or to uv (`python bootstrap.py uv ...`). Needs nothing but Python, installs nothing outside this folder, does nothing
twice, and mends at the next call what an interruption left half-done.

This file must parse on Python 3.6, so that an old Python can be told which one to take.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

LEARNER_LOCK, DEVELOPER_LOCK = "requirements.txt", "requirements-dev.txt"
SCRIPTS = {
    "bench": "tools/bench.py",
    "data": "tools/build_data.py",
    "mutants": "tests/mutants.py",
    "soak": "tools/soak.py",
}
UV = "uv>=0.13,<0.14"  # the line of uv that made the lock
# What pip, uv and the system say when the cause is known, and what to do; everything else is most often the network.
REMEDIES = (
    ("ensurepip", "this Python cannot make a virtual environment: install its venv package (Debian: python3-venv)"),
    ("No space left", "the disk is full: free 5 GB"),
    ("", "the packages could not be installed: look at the network connection"),
)


class SetupError(Exception):
    """The set-up cannot go on; the message is one line that says what to do."""


def refusal(version: tuple, system: str, machine: str, pyproject: str) -> str:
    """One line that says which Python to take instead of this one; empty where this one serves.

    `version` is like sys.version_info, `system` like sys.platform, `machine` like platform.machine(); `pyproject`
    is the text of pyproject.toml, whose requires-python decides.
    """
    bounds = re.search(r'^requires-python = ">=(\d+)\.(\d+),<(\d+)\.(\d+)"$', pyproject, re.MULTILINE).groups()
    low_major, low, high_major, high = (int(number) for number in bounds)
    if not (low_major, low) <= tuple(version[:2]) < (high_major, high):
        found, newest = ".".join(str(part) for part in version[:3]), f"{high_major}.{high - 1}"
        return (
            f"The course needs Python {low_major}.{low} to {newest} and this is {found}: take one of those, "
            f"for example with: make lab PYTHON=python{newest} (without make: python{newest} bootstrap.py lab)."
        )
    if system not in ("linux", "win32", "darwin") or (system, machine) == ("darwin", "x86_64"):
        return f"The course's packages do not exist for {system} {machine}: on a Mac, take an arm64 build of Python."
    return ""


def say(line: str) -> None:
    """Tell the person at the terminal; stdout stays free for the command itself."""
    print(line, file=sys.stderr, flush=True)


def program(venv: Path, name: str) -> Path:
    """Path of a program in a virtual environment."""
    return venv / "Scripts" / f"{name}.exe" if os.name == "nt" else venv / "bin" / name


def activated(root: Path) -> dict:
    """The environment variables as in a shell that has `.venv` active."""
    venv = root / ".venv"
    path = str(program(venv, "mle").parent) + os.pathsep + os.environ.get("PATH", "")
    return dict(os.environ, VIRTUAL_ENV=str(venv), PATH=path)


def answer(*command: str) -> str:
    """What a command prints; empty when it is missing, broken or fails."""
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL).decode(errors="replace").strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def state(root: Path, lock: str) -> dict:
    """What the stamp of a finished environment says, as things are now.

    A change of `lock` or `sha256` asks for other packages, a change of anything else for a new environment.
    """
    venv, pyproject = root / ".venv", (root / "pyproject.toml").read_bytes()
    return {
        "root": str(root),
        "python": answer(str(program(venv, "python")), "-I", "-c", "import sys; print(sys.version)"),
        "requires": re.search(rb"^requires-python.*", pyproject, re.MULTILINE).group().decode(),
        "mle": program(venv, "mle").is_file(),
        "lock": lock,
        "sha256": hashlib.sha256((root / lock).read_bytes() + pyproject).hexdigest(),
    }


def read_stamp(root: Path) -> dict:
    """What was written when the environment was last finished; empty when it is not."""
    try:
        return json.loads((root / ".venv" / "stamp.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_stamp(root: Path, lock: str) -> None:
    """Mark the environment as finished, in one step that cannot be half-done."""
    draft, stamp = root / ".venv" / "stamp.json.new", root / ".venv" / "stamp.json"
    draft.write_text(json.dumps(state(root, lock)), encoding="utf-8")
    os.replace(str(draft), str(stamp))


def is_ready(root: Path, lock: str) -> bool:
    """Whether the environment is finished, valid and made from today's lock: nothing is to be done."""
    return read_stamp(root) == state(root, lock)


def choose_lock(root: Path, command: str) -> str:
    """The lock that a command needs; the developers' packages are kept once they are there."""
    is_developer = command in {"test", *SCRIPTS} or read_stamp(root).get("lock") == DEVELOPER_LOCK
    return DEVELOPER_LOCK if is_developer else LEARNER_LOCK


def run(root: Path, *command: str) -> None:
    """Run one step of the set-up: all it says goes to the log, its downloads to the screen, a failure is raised."""
    log_file, words = root / ".bootstrap" / "setup.log", ""
    environment = dict(activated(root), UV_PYTHON_DOWNLOADS="never", PIP_DISABLE_PIP_VERSION_CHECK="1")
    # close_fds=False: the step inherits the lock, so that nobody else begins should this process alone be killed.
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "close_fds": False}
    with log_file.open("a", encoding="utf-8") as log, subprocess.Popen(command, env=environment, **pipes) as step:
        try:
            for raw in step.stdout:
                line = raw.decode(errors="replace")
                words += line
                log.write(line)
                if line.lstrip().startswith("Downloading "):
                    say("  " + line.strip())
        except KeyboardInterrupt:
            step.terminate()
            raise
    if step.returncode:
        remedy = next(what_to_do for sign, what_to_do in REMEDIES if sign in words)
        raise SetupError(f"Set-up stopped, {remedy}, then call again. Details: {log_file}")


def find_uv(root: Path) -> str:
    """A uv that works, from the PATH or from a private environment; empty when it cannot be had."""
    private = root / ".bootstrap" / "uv"
    for candidate in (shutil.which("uv"), str(program(private, "uv"))):
        if candidate and answer(candidate, "--version"):
            return candidate
    try:
        run(root, sys.executable, "-m", "venv", "--clear", str(private))
        run(root, str(program(private, "python")), "-m", "pip", "install", "--retries", "1", UV)
    except SetupError:
        return ""
    return str(program(private, "uv"))


def install(root: Path, lock: str) -> None:
    """Bring `.venv` in line with the lock and install the project into it, with uv, else with pip."""
    venv, stamp, now, uv = root / ".venv", read_stamp(root), state(root, lock), find_uv(root)
    python, project = str(program(venv, "python")), ("--no-deps", "--no-build-isolation", "-e", str(root))
    # What was never finished may be broken. And pip, unlike uv, cannot remove what the lock has dropped.
    is_new = not uv or any(stamp.get(key) != now[key] for key in set(now) - {"lock", "sha256"})
    with contextlib.suppress(FileNotFoundError):
        (venv / "stamp.json").unlink()
    if is_new and venv.exists():
        shutil.rmtree(str(venv))
    # Called with the Python of .venv itself, take the one that .venv was made with.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if not uv:
        run(root, base, "-m", "venv", str(venv))
        run(root, python, "-m", "pip", "install", "--require-hashes", "-r", str(root / lock))
        run(root, python, "-m", "pip", "install", *project)
    else:
        if is_new:
            run(root, uv, "venv", "--python", base, str(venv))
        run(root, uv, "pip", "sync", "--python", python, "--require-hashes", str(root / lock))
        run(root, uv, "pip", "install", "--python", python, *project)
    write_stamp(root, lock)


def try_to_lock(descriptor: int) -> bool:
    """Lock an open file without waiting; False when another process holds it. The holder's death lets go of it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def alone(root: Path) -> "object":
    """Make two set-ups of this folder at once wait for each other."""
    (root / ".bootstrap").mkdir(exist_ok=True)
    with (root / ".bootstrap" / "lock").open("a") as handle:
        os.set_inheritable(handle.fileno(), True)
        if not try_to_lock(handle.fileno()):
            say("Another set-up of this folder is running: waiting until it ends.")
            while not try_to_lock(handle.fileno()):
                time.sleep(0.2)
        yield


def mention_other_python(root: Path) -> None:
    """Say so when a Python was named that is not the one in use: what works is not thrown away for it."""
    running, in_use = "{}.{}".format(*sys.version_info), read_stamp(root)["python"]
    if not in_use.startswith(running + "."):
        say(f"This runs on the Python of .venv, {in_use.split()[0]}; to change to Python {running}, delete .venv.")


def prepare(root: Path, command: str) -> None:
    """Make the environment that a command needs, unless it is there."""
    if is_ready(root, choose_lock(root, command)):
        mention_other_python(root)
        return
    with alone(root):
        # Chosen again: whoever was here in the meantime may have brought the developers' packages.
        lock = choose_lock(root, command)
        if is_ready(root, lock):
            return
        begun = time.monotonic()
        (root / ".bootstrap" / "setup.log").write_text("", encoding="utf-8")
        say(f"Setting up .venv from {lock}; the first time, this downloads up to 1 GB.")
        install(root, lock)
        say(f"Set up in {time.monotonic() - begun:.0f} s.")


def command_line(root: Path, command: str, *arguments: str) -> list:
    """The command to hand over to, once everything that it needs is there."""
    if command == "uv":
        with alone(root):
            return [find_uv(root) or str(program(root / ".bootstrap" / "uv", "uv")), *arguments]
    prepare(root, command)
    if command in SCRIPTS:
        return [str(program(root / ".venv", "python")), str(root / SCRIPTS[command]), *arguments]
    return [str(program(root / ".venv", "mle")), command, *arguments]


def hand_over(root: Path, command: list) -> int:
    """Become the command (on Windows: run it and return its exit code), with `.venv` active as for its own shell."""
    if os.name != "nt":
        os.execve(command[0], command, activated(root))
    with subprocess.Popen(command, env=activated(root)) as child:
        while True:
            # Ctrl-C reaches the child too, and the child decides what it means.
            with contextlib.suppress(KeyboardInterrupt):
                return child.wait()


def main(arguments: list) -> int:
    """Set up and hand over; one line and exit code 1 for whatever is in the way."""
    root = Path(__file__).resolve().parent
    try:
        pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
        unfit = refusal(sys.version_info, sys.platform, platform.machine(), pyproject)
        if unfit:
            raise SetupError(unfit)
        return hand_over(root, command_line(root, *(arguments or ["--help"])))
    except (SetupError, OSError) as error:
        say(str(error) if isinstance(error, SetupError) else f"Set-up stopped, {error}: mend this, then call again.")
        return 1
    except KeyboardInterrupt:
        say("Interrupted: the next call goes on from here.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
