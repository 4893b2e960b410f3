"""What a learner sees: JupyterLab in a real browser, a wrong answer, the right one, and the progress it leaves."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from helpers.course import ROOT, notebooks
from helpers.course.manifest import load_curriculum
from tests.answers import tasks, wrong_answers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
LESSON = load_curriculum(ROOT).lesson("24_hold_out_data")
SECONDS = 1000  # of Playwright's milliseconds

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of the lesson's exercises in a JupyterLab that serves a copy of them."""
    (tmp_path / "course/exercises").mkdir(parents=True)
    shutil.copy(ROOT / LESSON.exercise, tmp_path / "course/exercises")
    settings = tmp_path / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    # Cells outside the window would not be in the page.
    settings.write_text(json.dumps({"windowingMode": "none"}))
    environment = {name: value for name, value in os.environ.items() if name != "MLE_RECORD"} | {
        "MLE_PROGRESS": str(tmp_path / "progress"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "PYTHONUNBUFFERED": "1",
    }
    script = (
        "import sys; from pathlib import Path; from helpers.course.lab import open_lab;"
        "open_lab(Path(sys.argv[1]), Path(sys.argv[2]), 8950, False, print)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "course"), LESSON.exercise.as_posix()]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield next(line.split(": ")[1].strip() for line in server.stdout if "is running" in line)
    finally:
        server.send_signal(2)
        server.communicate(timeout=60)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser that asks nobody for anything."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(60 * SECONDS)
        yield page
        browser.close()


def run_all(page: Page) -> None:
    # What is run before the kernel has answered is lost.
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def write(page: Page, place: int, source: str) -> None:
    editor = page.locator(".jp-Notebook .jp-Cell").nth(place).locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)


def test_a_learner_solves_an_exercise(address, page, tmp_path):
    task = tasks(LESSON)[0]
    cells = list(notebooks.with_exercise(notebooks.read(ROOT / LESSON.exercise)))
    mine = [place for place, (cell, number) in enumerate(cells) if number == task.exercise and cell.cell_type == "code"]
    answer_cell, check_cell = mine[0], mine[-1]
    wrong = next(answer for answer in wrong_answers(LESSON) if answer.refused_in == task.exercise)
    learners_name = re.search(r"def (\w+)", task.answer)[1]
    page.goto(address)
    panel = page.locator(".jp-Notebook .jp-Cell").nth(check_cell).locator(".jp-OutputArea")

    write(page, answer_cell, f"from {wrong.__module__} import {wrong.__name__} as {learners_name}")
    run_all(page)
    expect(panel).to_contain_text(f"Exercise {task.exercise}: not yet", timeout=90 * SECONDS)
    expect(panel).to_contain_text(wrong.says)

    write(page, answer_cell, task.answer)
    run_all(page)
    expect(panel).to_contain_text(f"Exercise {task.exercise}: done", timeout=90 * SECONDS)
    expect(page.get_by_text("Jupyter news")).to_have_count(0)  # nothing here asks the network, nor for leave to

    environment = {name: value for name, value in os.environ.items() if name != "MLE_RECORD"}
    command = [sys.executable, "-c", "from helpers.cli import main; main()", "status"]
    environment |= {"MLE_PROGRESS": str(tmp_path / "progress"), "PYTHONIOENCODING": "utf-8"}
    status = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True).stdout
    assert re.search(rf"{LESSON.number} {LESSON.title} .* 1/{len(tasks(LESSON))}", status)
