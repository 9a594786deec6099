"""A story in the browser of whoever writes it: its picture, its forms, its life; imports as they go on."""

import io
import zipfile
from pathlib import Path
from random import Random

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import shoot
from tests.browser.test_admin_reconciliation import add_admin, see, sign_in, start
from tests.content.generated import story
from tests.content.test_checking import GOOD

pytestmark = pytest.mark.browser

MOSS = "/admin/content/scenarios/the-moss-bridge"
IMPORT_MS_MAX = 120_000


def test_a_story_is_found_changed_looked_at_and_published(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        see(page, f"{running.address}/admin/content/scenarios?search=zzz", "stories-none", "No story fits")
        see(page, f"{running.address}/admin/content/scenarios", "stories", "The Moss Bridge")
        page.get_by_role("link", name="The Moss Bridge").click()
        page.get_by_role("link", name="No means no, choice").click()
        expect(page.get_by_role("heading", name="No means no")).to_be_visible()
        shoot(page, "story-scene")
        stale_form(page)
        unfinished(page, running.address)
        step(page, "Hand in", "Hand in for review")
        expect(page.locator("main")).to_contain_text("changes in review")
        step(page, "Publish", "Publish")
        expect(page.locator("main")).to_contain_text("version 2")
        see(page, f"{running.address}{MOSS}/versions?before=1&after=2", "story-versions", "No means never")
        see(page, f"{running.address}{MOSS}/text", "story-text", "Download YAML")
        see(page, f"{running.address}{MOSS}?part=characters", "story-characters", "Juno")
        see(page, f"{running.address}/admin/content/preview/the-moss-bridge?way=0-1-0", "story-preview", "The die")
        asked = "story=the-moss-bridge&story=the-clockwork-orchard&age_group=6-9"
        see(page, f"{running.address}/admin/content/calibration?{asked}", "calibration", "reach it")
        see(page, f"{running.address}/admin/content/validation", "validation", "That was the end")
        see(page, f"{running.address}/admin/content/new-scenario", "story-new", "What choices can turn")
        refusals = [one for one in said if "412" not in one and "422" not in one]
        assert refusals == []
    finally:
        assert running.stop() == 0, running.output


def stale_form(page: Page) -> None:
    """Two tabs have the same scene; the second to save is told, and saves knowingly."""
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_label("Title").fill("No means never")
    page.get_by_role("button", name="Save scene").click()
    expect(page.get_by_role("heading", name="No means never")).to_be_visible()
    other.get_by_label("Text markdown").fill("All that was typed in the other tab.")
    other.get_by_role("button", name="Save scene").click()
    expect(other.get_by_role("alert")).to_contain_text("Somebody has changed this story")
    expect(other.get_by_label("Text markdown")).to_have_value("All that was typed in the other tab.")
    shoot(other, "story-stale")
    other.close()


def unfinished(page: Page, address: str) -> None:
    page.goto(f"{address}{MOSS}?part=new")
    page.get_by_label("Title").fill("The attic")
    page.get_by_label("Id letters").fill("attic")
    page.get_by_label("Type").select_option("choice")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="The attic")).to_be_visible()
    shoot(page, "story-errors")
    page.get_by_text("Remove this scene").click()
    page.get_by_role("button", name="Remove “The attic”").click()
    expect(page.locator("main")).to_contain_text("No errors")


def step(page: Page, link: str, button: str) -> None:
    page.get_by_role("link", name=link, exact=True).click()
    shoot(page, f"story-step-{link.lower().replace(' ', '-')}")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("navigation", name="Story", exact=True)).to_be_visible()


def test_an_archive_becomes_stories_while_one_looks_on(browser: Browser, data: Path, tmp_path: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        see(page, f"{running.address}/admin/content/imports", "imports-empty", "Nothing was imported")
        page.get_by_label("A story (YAML or JSON)").set_input_files(archive(tmp_path))
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_text("12 of 14 files imported")).to_be_visible(timeout=IMPORT_MS_MAX)
        page.get_by_role("link", name="Refused").click()
        expect(page.locator("main")).to_contain_text("This must be from 1 to 20")
        shoot(page, "import-refused")
        see(page, f"{running.address}/admin/content/imports", "imports", "tales.zip")
        assert said == []
    finally:
        assert running.stop() == 0, running.output


def archive(folder: Path) -> Path:
    chance, out = Random(3), io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(12):
            made.writestr(f"scenarios/s{number}.yaml", yaml.safe_dump(story(chance, 6)))
        made.writestr("scenarios/bad.yaml", GOOD.replace("difficulty: 10", "difficulty: 21"))
        made.writestr("notes.txt", "nothing")
    path = folder / "tales.zip"
    path.write_bytes(out.getvalue())
    return path
