"""The desk in a browser: the catalogue, lists, forms that are wrong or stale, files, and a page for each kind."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.administering import add_admin, sign_in, start
from tests.browser.looks import shoot

pytestmark = pytest.mark.browser


def test_somebody_works_at_the_desk(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        desk = f"{running.address}/admin/content"
        page.goto(desk)
        expect(page.get_by_role("link", name="Badges 95")).to_be_visible()
        shoot(page, "desk")
        page.get_by_role("link", name="Badges 95").click()
        expect(page.get_by_role("heading", name="Ladders")).to_be_visible()
        shoot(page, "desk-badges")
        page.goto(f"{desk}/badges?age_group=6-9&search=courage")
        expect(page.get_by_role("row")).to_have_count(6)
        page.goto(f"{desk}/badges?search=nobody")
        expect(page.get_by_text("Nothing fits.")).to_be_visible()
        shoot(page, "desk-nothing-fits")
        wrong_and_then_right(page, desk)
        stale(page, desk)
        in_use(page, desk)
        files(page, desk)
        for noun in ("characters/pip-the-apprentice", "character-map-file", "avatars", "axis-achievements/new"):
            page.goto(f"{desk}/{noun}")
            shoot(page, f"desk-{noun.replace('/', '-')}")
        # Refusals come with their status, and a browser tells of each in its console.
        assert [text for text in said if "status of 4" not in text] == []
    finally:
        assert running.stop() == 0, running.output


def wrong_and_then_right(page: Page, desk: str) -> None:
    page.goto(f"{desk}/badge-images/new")
    page.get_by_label("Name").fill("Moon")
    page.get_by_label("Picture file").fill("art/moon.svg")
    page.get_by_label("What it shows").fill("A whale in the moonlight.")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#wrong-media")).to_contain_text("There is no media file art/moon.svg")
    expect(page.get_by_label("Name")).to_have_value("Moon")
    shoot(page, "desk-wrong")
    page.get_by_label("Picture file").fill("art/avatars/whale.svg")
    page.get_by_label("Why").fill("a softer picture")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("row", name="Moon")).to_be_visible()
    shoot(page, "desk-badge-images")


def stale(page: Page, desk: str) -> None:
    page.goto(f"{desk}/archetypes/hero")
    other = page.context.new_page()
    other.goto(f"{desk}/archetypes/hero")
    other.get_by_label("Name").fill("Champion")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("row", name="Champion")).to_be_visible()
    other.close()
    page.get_by_label("Name").fill("Heroine")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Somebody has changed this since you opened it")).to_be_visible()
    expect(page.get_by_text("Kept now: Champion")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Heroine")
    shoot(page, "desk-stale")
    page.get_by_role("button", name="Save mine").click()
    expect(page.get_by_role("row", name="Heroine")).to_be_visible()


def in_use(page: Page, desk: str) -> None:
    page.goto(f"{desk}/compass-axes/courage")
    expect(page.get_by_text("It is in use, so it cannot be deleted.")).to_be_visible()
    expect(page.get_by_role("link", name="the badge Deep Breath")).to_be_visible()
    shoot(page, "desk-in-use")
    page.goto(f"{desk}/badge-images/moon")
    page.get_by_text("Delete this badge picture").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("row", name="Moon")).to_have_count(0)


def files(page: Page, desk: str) -> None:
    page.goto(f"{desk}/fantasy-themes/import")
    page.get_by_label("A file from this computer").set_input_files(
        {"name": "themes.yaml", "mimeType": "application/yaml", "buffer": b"- {id: moon, colour: blue}\n- {id: sun}\n"}
    )
    expect(page.get_by_label("Or its text")).to_have_value("- {id: moon, colour: blue}\n- {id: sun}\n")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Nothing was imported. 3 things are wrong")).to_be_visible()
    shoot(page, "desk-import-wrong")
    page.get_by_label("Or its text").fill("- {id: moon, name: Moonlit}\n")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("1 added, 0 changed")).to_be_visible()
    shoot(page, "desk-imported")
