"""A child plays in a real browser: to two endings, over a restart, with and without JavaScript."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser
SHOTS = Path(os.environ.get("MYSTIRA_TEST_SCREENSHOTS", Path(__file__).parent / "screenshots"))
WIDTHS = {"phone": (360, 740), "desk": (1440, 900)}
STORY = "The Clockwork Orchard"


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page at both widths; nothing may stick out sideways."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    # A click may have begun to load the next page; there is nothing to measure until it is there.
    page.wait_for_load_state("load")
    expect(page.locator("main")).to_be_visible()
    for kind, (width, height) in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide on a {kind}"
        page.screenshot(path=SHOTS / f"{name}-{kind}.png", full_page=True)


def enter(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Enter as the sample family").first.click()
    expect(page.get_by_role("heading", name="Stories", exact=True)).to_be_visible()


def begin(page: Page) -> None:
    page.get_by_role("link", name=STORY).first.click()
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("heading", name="The gate that hums")).to_be_visible()


def play_on(page: Page, wishes: tuple[str, ...], until: str = "The end") -> str:
    """Take the wished choices where they are offered, the first one elsewhere; return the ending's title."""
    for _ in range(60):
        ended = page.get_by_role("heading", name="The end", exact=True)
        title = page.locator("h1").inner_text()
        if title == until or ended.count():
            return title
        buttons = page.locator(".choices button")
        wanted = [button for button in buttons.all() if any(wish in button.inner_text() for wish in wishes)]
        (wanted[0] if wanted else buttons.first).click()
        expect(page.locator("h1")).not_to_have_text(title)
    raise AssertionError("the story did not end")


def watched(page: Page) -> list[str]:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def test_a_story_is_played_to_two_different_endings(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    said = watched(page)
    page.goto(running.address)
    shoot(page, "home-stranger")
    enter(page, running.address)
    shoot(page, "home")
    page.get_by_role("link", name=STORY).first.click()
    shoot(page, "story")
    page.go_back()
    begin(page)
    shoot(page, "scene-narrative")
    first = play_on(page, ("Wake the owl", "nothing for a while", "lift", "click at a time", "last click"))
    shoot(page, "ending")
    expect(page.get_by_text("Your compass", exact=True)).to_be_visible()
    page.get_by_role("link", name="Play again").click()
    page.get_by_role("button", name="Begin the story").click()
    play_on(page, ("Run to the trees",), until="The mouse with the necklace")
    shoot(page, "scene-choice-with-reveal")
    second = play_on(page, ("thank you", "little door", "why that wheel", "message", "Ask the apple", "take turns"))
    assert first != second
    assert said == []
    page.close()


def test_a_game_goes_on_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    running = RunningPlatform(tmp_path / "data").wait_until_ready()
    page = browser.new_page()
    enter(page, running.address)
    begin(page)
    page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    assert running.stop() == 0, running.output
    running = RunningPlatform(tmp_path / "data", running.port).wait_until_ready()
    page.goto(running.address)
    expect(page.get_by_role("heading", name="Continue where you left off")).to_be_visible()
    shoot(page, "home-continue")
    page.get_by_role("link", name=STORY).first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    page.close()
    assert running.stop() == 0, running.output


def test_double_clicks_the_back_button_and_two_tabs_never_fork_a_game(
    browser: Browser, running: RunningPlatform
) -> None:
    context = browser.new_context()
    page = context.new_page()
    enter(page, running.address)
    begin(page)
    other = context.new_page()
    other.goto(page.url)
    page.locator(".choices button").first.dblclick()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    expect(page.locator(".progress span").nth(1)).to_have_text("Move 2")
    # The other tab still shows the first scene; its button is the very same move, so it brings its answer.
    other.locator(".choices button").first.click()
    expect(other.get_by_role("heading", name="A very polite robot")).to_be_visible()
    other.locator(".choices button").first.click()
    expect(other.get_by_role("heading", name="One ear against the bark")).to_be_visible()
    # This tab now asks for something that is over.
    page.locator(".choices button").nth(1).click()
    expect(page.get_by_text("The story has moved on")).to_be_visible()
    expect(page.get_by_role("heading", name="One ear against the bark")).to_be_visible()
    page.go_back()
    page.goto(other.url)
    expect(page.locator(".progress span").nth(1)).to_have_text("Move 3")
    context.close()


def test_everything_works_without_javascript(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    enter(page, running.address)
    page.get_by_label("Find a story").fill("clockwork")
    page.get_by_role("button", name="Show").click()
    begin(page)
    for _ in range(40):
        if page.get_by_role("heading", name="The end", exact=True).count():
            break
        page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="The end", exact=True)).to_be_visible()
    context.close()


def test_searching_narrows_the_shelf_as_one_types(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.goto(running.address)
    page.get_by_label("Find a story").press_sequentially("zzz nothing like this")
    expect(page.get_by_text("No story fits")).to_be_visible()
    page.get_by_label("Find a story").fill("orchard")
    expect(page.get_by_role("link", name=STORY)).to_be_visible()
    page.close()


def test_lost_and_dark_pages_look_right(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{running.address}/nowhere")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    shoot(page, "lost-dark")
    enter(page, running.address)
    begin(page)
    shoot(page, "scene-dark")
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert re.search(r"/play/", page.url)
    context.close()
