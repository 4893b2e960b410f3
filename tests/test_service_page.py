"""The page in a real browser: a person picks a flight and a time, and sees the forecast, why, and what happened."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from helpers.disruption.server import running
from helpers.disruption.service import create_app
from helpers.disruption.store import Store
from tests.serving import SETTINGS, MemoryRegistry, bundle, event_list, fresh_state, july, plan_list, plans

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a service that knows the four days."""
    store = Store(tmp_path / "store.db")
    store.add_events(event_list())
    app = create_app(MemoryRegistry(bundle()), store, fresh_state(), SETTINGS, plans())
    with running(app) as address:
        yield address
    store.close()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser; whatever it complains about fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1000, "height": 1000})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(20_000)
        yield page
        browser.close()
    assert complaints == []


def test_a_person_picks_a_flight_and_sees_why_and_what_happened(address, page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    first_day = july().flights.query("day == 1 and origin == 'EWR'")
    expect(page.locator("#flight option")).to_have_count(len(first_day))

    page.get_by_label("Day").fill("2013-07-03")
    page.get_by_label("From").select_option("LGA")
    plan = next(plan for plan in plan_list() if plan.flight_id.startswith("DL") and "LGA-20130703T1" in plan.flight_id)
    page.get_by_label("Flight").select_option(plan.flight_id)
    page.get_by_role("button", name="Forecast").click()
    expect(page.locator("#probability")).to_have_text(re.compile(r"^\d+ %$"))
    expect(page.locator("#decision")).to_have_text(re.compile("threshold of 17 %"))
    expect(page.locator("#outcome")).to_have_text(re.compile("^What happened: (arrived|cancelled|diverted)"))
    expect(page.locator("#contributions tr")).to_have_count(6)
    expect(page.locator("#version")).to_contain_text("Model version 1")

    two_hours_before = page.locator("#version").inner_text()
    page.get_by_label("Hours before departure").fill("12")
    page.get_by_role("button", name="Forecast").click()
    expect(page.locator("#version")).not_to_have_text(two_hours_before)
    assert all(url.startswith((address, "data:")) for url in asked)


def test_a_day_without_flights_says_so(address, page):
    page.goto(address)
    page.get_by_label("Day").fill("2015-01-01")
    expect(page.get_by_role("status")).to_have_text("No flight is planned on this day.")
    expect(page.get_by_role("button", name="Forecast")).to_be_disabled()
