"""The media library in a browser: files are added with and without scripts, refused in plain words, edited, deleted."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.administering import add_admin, see, sign_in, start
from tests.browser.looks import shoot

pytestmark = pytest.mark.browser

LIBRARY = "/admin/content/media"
CLEANED_MS_MAX = 120_000
SCRIPT = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def picture(name: str, colour: str) -> FilePayload:
    out = BytesIO()
    Image.new("RGB", (320, 200), colour).save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


def test_the_library_is_filled_refuses_forgets_nothing_typed_and_empties_again(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        see(page, f"{running.address}{LIBRARY}?search=nothing+like+that", "media-empty", "Nothing fits")
        files = [picture("quay.png", "teal"), picture("harbour.png", "plum")]
        add(page, [*files, {"name": "bad.svg", "mimeType": "image/svg+xml", "buffer": SCRIPT}])
        outcomes = page.locator(".outcome")
        expect(outcomes).to_have_count(3, timeout=CLEANED_MS_MAX)
        expect(outcomes.filter(has_text="not taken")).to_contain_text("bad.svg", timeout=CLEANED_MS_MAX)
        expect(page.get_by_role("link", name="quay.png")).to_be_visible(timeout=CLEANED_MS_MAX)
        shoot(page, "media-added")
        see(page, f"{running.address}{LIBRARY}", "media-library", "harbour.png")
        edited_by_two(page, running.address)
        deleted(page, running.address)
        noted(page, running.address)
        without_scripts(browser, page, running.address)
        assert [one for one in said if not any(status in one for status in ("412", "409", "422"))] == []
    finally:
        assert running.stop() == 0, running.output


def add(page: Page, files: list[FilePayload]) -> None:
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Add", exact=True).click()


def edited_by_two(page: Page, address: str) -> None:
    page.goto(f"{address}{LIBRARY}/quay.png")
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_label("Title").fill("The old quay")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    expect(page.get_by_label("Title")).to_have_value("The old quay")
    shoot(page, "medium")
    other.get_by_label("Title").fill("What the other one typed")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("alert")).to_be_visible()
    expect(other.get_by_label("Title")).to_have_value("What the other one typed")
    shoot(other, "medium-stale")
    other.close()


def deleted(page: Page, address: str) -> None:
    page.goto(f"{address}{LIBRARY}/harbour.png")
    page.get_by_text("Delete it").click()
    page.locator("details").get_by_label("Why").fill("a test")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_have_text("Deleted.")
    shoot(page, "medium-deleted")
    page.goto(f"{address}{LIBRARY}")
    expect(page.locator(".library")).not_to_contain_text("harbour.png")


def noted(page: Page, address: str) -> None:
    page.goto(f"{address}{LIBRARY}")
    page.get_by_role("link", name="Notes of media").click()
    expect(page.get_by_text("Nothing is noted yet.")).to_be_visible()
    shoot(page, "notes-empty")
    page.get_by_role("link", name="New entry", exact=True).click()
    page.get_by_label("Id", exact=True).fill("the old quay")
    page.get_by_label("Title").fill("The quay at dusk")
    page.get_by_label("File").fill("quay.png")
    page.get_by_label("Type").fill("image")
    page.get_by_label("Tags").fill("mood: calm\nplace")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#wrong-id")).to_contain_text("letters from a to z")
    expect(page.locator("#wrong-classification_tags")).to_contain_text("a colon")
    expect(page.get_by_label("Title")).to_have_value("The quay at dusk")
    shoot(page, "note-wrong")
    page.get_by_label("Id", exact=True).fill("the-old-quay")
    page.get_by_label("Tags").fill("mood: calm\nplace: harbour")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    shoot(page, "notes")
    page.get_by_role("link", name="The quay at dusk").click()
    expect(page.locator(".preview img")).to_be_visible()
    shoot(page, "note")
    noted_by_two(page)


def noted_by_two(page: Page) -> None:
    other, third = page.context.new_page(), page.context.new_page()
    for one in (other, third):
        one.goto(page.url)
    other.get_by_label("Description").fill("Lamps are lit.")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_role("status")).to_have_text("Saved.")
    page.get_by_label("Description").fill("Ships sleep.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Kept now: Lamps are lit.")).to_be_visible()
    expect(page.locator(".differs")).to_have_count(1)
    expect(page.get_by_label("Description")).to_have_value("Ships sleep.")
    shoot(page, "note-stale")
    page.get_by_text("Remove this entry").click()
    page.get_by_role("button", name="Remove from the list").click()
    expect(page.get_by_role("status")).to_have_text("Removed.")
    third.get_by_label("Title").fill("Kept by the third")
    third.get_by_role("button", name="Save").click()
    expect(third.get_by_text("Somebody has removed this entry.")).to_be_visible()
    expect(third.get_by_label("Title")).to_have_value("Kept by the third")
    shoot(third, "note-gone")
    for one in (other, third):
        one.close()


def without_scripts(browser: Browser, page: Page, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(f"{address}{LIBRARY}")
    add(plain, [picture("pier.png", "navy")])
    expect(plain.locator(".outcome")).to_contain_text("pier.png", timeout=CLEANED_MS_MAX)
    context.close()
