"""Every page is pictured at two widths, light and dark, and nobody is shut out of any."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import shoot, violations, watched
from tests.browser.playing import begin, choose, enter, go_on, play_on
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser


def test_the_shelf_and_the_ways_into_a_story_look_right(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    said = watched(page)
    page.goto(running.address)
    shoot(page, "home-stranger")
    page.goto(f"{running.address}/stories/the-moss-bridge")
    shoot(page, "story-stranger")
    enter(page, running.address)
    shoot(page, "home")
    page.goto(f"{running.address}/?age_group=6-9&search=bridge")
    shoot(page, "home-filtered")
    page.goto(f"{running.address}/?search=nothing+like+this")
    shoot(page, "home-nothing-found")
    page.goto(running.address)
    choose(page)
    shoot(page, "choose")
    page.get_by_role("checkbox", name="Tomas").check()
    page.get_by_text("Is somebody visiting?").click()
    page.get_by_label("A guest's first name").first.fill("Gus")
    shoot(page, "choose-three")
    assert said == []
    page.get_by_role("button", name="Begin the story").click()
    page.goto(f"{running.address}/stories/the-clockwork-orchard/choose")
    shoot(page, "choose-or-continue")
    page.goto(f"{running.address}/stories/the-clockwork-orchard")
    shoot(page, "story")
    page.close()


def test_playing_looks_right(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    said = watched(page)
    enter(page, running.address)
    begin(page)
    shoot(page, "play-narrative")
    play_on(page, ("Wake the owl",), until="A very polite robot")
    shoot(page, "play-choice")
    play_on(page, ("Wake the owl",), until="The mouse with the necklace")
    shoot(page, "play-reveal")
    go_on(page)
    shoot(page, "play-after-reveal")
    play_until(page, ".choices .die")
    shoot(page, "play-roll")
    page.locator(".choices button").first.click()
    expect(page.locator(".roll")).to_be_visible()
    go_on(page)
    shoot(page, "play-rolled")
    play_on(page, ())
    go_on(page)
    expect(page.get_by_text("A new badge").first).to_be_visible(timeout=20_000)
    shoot(page, "ending")
    page.goto(f"{running.address}/players/sample-mira")
    expect(page.get_by_role("heading", name="Mira's trophy room")).to_be_visible()
    shoot(page, "trophies")
    page.goto(f"{running.address}/players/sample-tomas")
    shoot(page, "trophies-none")
    page.goto(f"{running.address}/family/activity")
    shoot(page, "activity")
    assert said == []
    page.close()


def test_lost_and_refused_look_right(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.goto(f"{running.address}/nowhere")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    shoot(page, "lost")
    page.goto(f"{running.address}/sign-in/open?token=old")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Not possible")).to_be_visible()
    shoot(page, "error")
    page.close()


def test_the_theme_can_be_switched_by_hand(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(running.address)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert violations(page) == []
    context.close()


def test_the_looking_itself_finds_what_is_wrong(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.goto(running.address)
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<p><input></p>')")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    assert {one["rule"] for one in violations(page)} == {"html-has-lang", "label"}
    with pytest.raises(AssertionError):
        shoot(page, "planted")
    page.close()


def play_until(page: Page, there: str) -> None:
    """Take the first choice until something is on the page."""
    for _ in range(40):
        go_on(page)
        if page.locator(there).count():
            return
        title = page.locator("h1").inner_text()
        page.locator(".choices button").first.click()
        expect(page.locator("h1")).not_to_have_text(title)
    raise AssertionError(f"{there} never came")
