"""`mle doctor`: what this machine and this checkout need for the course, each line ok or how to mend it."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from packaging.requirements import Requirement

from helpers import data
from helpers.course import notebooks, progress
from helpers.course.manifest import Curriculum

MEMORY_GB, DISK_GB, CORES = 8, 2, 2


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was seen and, unless it is fine, how to mend it."""

    what: str
    seen: str
    mend: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.mend


def examine(curriculum: Curriculum, root: Path) -> Iterator[Finding]:
    """Yield one finding after another."""
    yield _python()
    yield _cores()
    yield _memory()
    yield _disk(root)
    yield _packages(root)
    yield _kernel()
    yield _data()
    yield _notebooks(curriculum, root)
    yield _writable(root)


def _python() -> Finding:
    seen = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding("Python", seen, "" if fits else "install Python 3.11, 3.12 or 3.13, then `python bootstrap.py lab`")


def _cores() -> Finding:
    cores = os.cpu_count() or 1
    return Finding("cores", str(cores), "" if cores >= CORES else "lessons will run, at about half the pace")


def _memory() -> Finding:
    gigabytes = psutil.virtual_memory().total / 2**30
    # A machine sold with 8 GB shows a little less.
    enough = gigabytes > MEMORY_GB - 1
    return Finding(
        "memory", f"{gigabytes:.0f} GB", "" if enough else f"close other programs; {MEMORY_GB} GB are assumed"
    )


def _disk(root: Path) -> Finding:
    gigabytes = shutil.disk_usage(root).free / 2**30
    return Finding("free disk", f"{gigabytes:.0f} GB", "" if gigabytes > DISK_GB else f"free at least {DISK_GB} GB")


def _packages(root: Path) -> Finding:
    differing = list(differing_packages((root / "requirements.txt").read_text("utf-8")))
    if not differing:
        return Finding("packages", "as locked")
    return Finding("packages", "; ".join(differing[:3]), "delete .venv, then `python bootstrap.py lab`")


def differing_packages(lock: str) -> Iterator[str]:
    """Yield a few words for each package of the lock's text that is missing here or has another version."""
    for line in lock.splitlines():
        if not line[:1].isalnum():
            continue  # a hash or a comment
        requirement = Requirement(line.removesuffix("\\").strip())
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name} is missing"
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{requirement.name} is {installed}, the lock has {requirement.specifier}"


def _kernel() -> Finding:
    mend = "delete .venv, then `python bootstrap.py lab`"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding("kernel", "python3 is missing", mend)
    # A kernel that was registered for the whole machine hides the one of this environment.
    python = shutil.which(spec.argv[0]) or spec.argv[0]
    same = Path(python).name.startswith("python") and Path(sys.prefix) in Path(python).parents
    if spec.argv[0] == "python" or same:
        return Finding("kernel", "python3")
    return Finding("kernel", f"python3 starts {python}", f"remove the kernel in {spec.resource_dir}")


def _data() -> Finding:
    damaged = data.damaged_files()
    if not damaged:
        return Finding("data files", "as shipped")
    return Finding("data files", ", ".join(damaged), "`git checkout -- helpers/data/files`")


def _notebooks(curriculum: Curriculum, root: Path) -> Finding:
    paths = [path for lesson in curriculum.written for path in (lesson.notebook, lesson.exercise, lesson.solution)]
    for path in paths:
        try:
            notebooks.read(root / path)
        except notebooks.NotebookError as error:
            return Finding("notebooks", str(path), str(error))
    return Finding("notebooks", f"{len(paths)} readable")


def _writable(root: Path) -> Finding:
    folder = progress.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding("progress", str(error), f"make {folder} writable, or set MLE_PROGRESS to a folder that is")
    return Finding("progress", "can be saved")
