"""Every page of the content's administration with nothing to show, and with what cannot be shown."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.administering import add_admin, sign_in, start
from tests.browser.looks import glance, shoot

pytestmark = pytest.mark.browser

CONTENT = "/admin/content"
EMPTY = {
    "imports-empty": ("imports", "Nothing was imported here yet."),
    "calibration-empty": ("calibration", "Calibration"),
    "media-nothing-fits": ("media?search=zzz", "Media"),
    "notes-characters-empty": ("character-media-metadata", "Nothing is noted yet."),
    "purchases-nothing-fits": ("purchases?search=zzz", "Purchases"),
}
WRONG = {
    "story-gone": "scenarios/nothing",
    "story-text-gone": "scenarios/nothing/text",
    "story-version-gone": "scenarios/the-moss-bridge/versions?before=9",
    "stories-page-gone": "scenarios?after=nowhere",
    "step-unknown": "scenarios/the-moss-bridge/steps/burn",
    "preview-gone": "preview/nothing",
    "bundle-gone": "bundles/nothing",
    "archive-gone": "bundles/nothing/archive",
    "medium-gone": "media/nothing.png",
    "note-gone": "media-metadata/entry?id=nothing",
    "purchase-gone": "purchases/nobody/nothing",
    "import-gone": "imports/nothing",
    "definition-gone": "badges/nothing",
    "kind-gone": "nothing",
    "validation-page-gone": "validation?after=nowhere",
}


def test_pages_without_content_and_pages_that_cannot_be_shown_say_what_to_do(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        for name, (at, text) in EMPTY.items():
            page.goto(f"{running.address}{CONTENT}/{at}")
            expect(page.locator("main")).to_contain_text(text)
            shoot(page, name)
        assert said == []
        for name, at in WRONG.items():
            answer = page.goto(f"{running.address}{CONTENT}/{at}")
            assert answer is not None and 400 <= answer.status < 500, name
            expect(page.locator("main")).to_be_visible()
            # They are one page with other words, so a few are looked at whole and all of them are read.
            told = page.locator("main").inner_text()
            assert len(told) > 40 and "Traceback" not in told, (name, told)
            expect(page.locator("main").get_by_role("link").first).to_be_visible()
            if name in ("story-gone", "story-version-gone", "step-unknown"):
                shoot(page, name)
        look_at_long_words_and_long_lists(page, running.address)
    finally:
        assert running.stop() == 0, running.output


def look_at_long_words_and_long_lists(page: Page, address: str) -> None:
    """A word without a space breaks on a phone, and an id does not make its row as high as the screen."""
    word = "w" * 90
    start = {"id": "start", "title": word, "type": "narrative", "description": word, "next_scene": "end"}
    lost = {"id": f"lost_{word}", "title": "Lost", "type": "special", "description": word}
    scenes = [start, {"id": "end", "title": "The end", "type": "special", "description": "It ends."}, lost]
    document = {"title": f"A {word}", "description": word, "core_axes": ["courage"], "scenes": scenes}
    made = page.request.put(
        f"{address}/admin/api/scenarios/long", data={"document": document}, headers={"If-None-Match": "*"}
    )
    assert made.status == 201, made.text()
    for at in ("scenarios/long?scene=start", "scenarios/long/text", "scenarios/long/steps/submit", "validation"):
        page.goto(f"{address}{CONTENT}/{at}")
        glance(page, f"long-{at.split('/')[-1].partition('?')[0]}", dark=False)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}{CONTENT}/badges")
    places = page.get_by_role("navigation", name="Administration")
    expect(places.get_by_role("link", name="Content")).to_be_in_viewport(ratio=1)
    heights = page.evaluate("[...document.querySelectorAll('#definitions tr')].map((one) => one.offsetHeight)")
    assert len(heights) > 20 and max(heights) < 240, max(heights)
