"""Bundles, purchases and imports in the administration: empty, full, wrong, stale, and refunded."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.administering import add_admin, sign_in, start
from tests.browser.buying import buy_if_needed
from tests.browser.looks import shoot
from tests.browser.playing import enter

pytestmark = pytest.mark.browser

MANIFEST = "title: Harbour tales\nstories:\n  - the-moss-bridge\n  - no-such-story\ncolour: red\n"


def test_somebody_sells_bundles_and_gives_money_back(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        content = f"{running.address}/admin/content"
        page.goto(f"{content}/purchases")
        expect(page.get_by_text("Nothing has been ordered yet.")).to_be_visible()
        shoot(page, "purchases-empty")
        page.goto(f"{content}/bundles?search=nobody")
        shoot(page, "bundles-nothing-fits")
        made_wrong_and_then_right(page, content)
        overtaken(page, content)
        refunded(browser, page, running.address)
        imported(page, content)
        # Refusals come with their status, and a browser tells of each in its console.
        assert [text for text in said if "status of 4" not in text] == []
    finally:
        assert running.stop() == 0, running.output


def made_wrong_and_then_right(page: Page, content: str) -> None:
    page.goto(f"{content}/bundles/new")
    shoot(page, "bundle-new")
    page.get_by_label("Title").fill("Quiet nights")
    page.get_by_label("Stories, one id a line").fill("the-moss-bridge\nnobody")
    page.get_by_label("Price").fill("2.50")
    page.get_by_role("button", name="Make the bundle").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no story nobody")
    expect(page.get_by_label("Title")).to_have_value("Quiet nights")
    shoot(page, "bundle-wrong")
    page.get_by_label("Stories, one id a line").fill("the-moss-bridge\nthe-clockwork-orchard")
    page.get_by_role("button", name="Make the bundle").click()
    expect(page.get_by_role("heading", name="Quiet nights")).to_be_visible()
    shoot(page, "bundle")
    page.goto(f"{content}/bundles")
    expect(page.get_by_role("row", name="Quiet nights")).to_be_visible()
    shoot(page, "bundles")


def overtaken(page: Page, content: str) -> None:
    page.goto(f"{content}/bundles/quiet-nights")
    other = page.context.new_page()
    other.goto(f"{content}/bundles/quiet-nights")
    other.get_by_label("Title").fill("Calm nights")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("heading", name="Calm nights")).to_be_visible()
    other.close()
    page.get_by_label("Description").fill("Typed with care.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Somebody has changed this")
    expect(page.get_by_label("Description")).to_have_value("Typed with care.")
    now = page.locator("section", has_text="What stands there now")
    expect(now).to_contain_text("Calm nights")
    expect(now).not_to_contain_text("the-moss-bridge")
    shoot(page, "bundle-stale")


def refunded(browser: Browser, page: Page, address: str) -> None:
    family = browser.new_context().new_page()
    enter(family, address)
    buy_if_needed(family, f"{address}/stories/the-last-letter-of-winter")
    family.context.close()
    page.goto(f"{address}/admin/content/purchases")
    expect(page.get_by_role("row", name="Winter and water")).to_be_visible()
    shoot(page, "purchases")
    page.get_by_role("link", name="Winter and water").click()
    shoot(page, "purchase")
    page.get_by_label("Why").fill("bought by mistake")
    page.get_by_role("button", name="Refund").click()
    expect(page.get_by_role("heading", name="Winter and water")).to_contain_text("refunded")
    shoot(page, "purchase-refunded")


def imported(page: Page, content: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("bundle.yaml", MANIFEST)
        archive.writestr("scenarios/broken.json", json.dumps({"title": "Broken"}))
    page.goto(f"{content}/imports")
    sent = FilePayload(name="harbour.zip", mimeType="application/zip", buffer=out.getvalue())
    page.set_input_files("input[name=file]", sent)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("0 of 2 files imported")).to_be_visible()
    expect(page.get_by_text("There is no field 'colour' here")).to_be_visible()
    shoot(page, "import-of-a-bundle")
