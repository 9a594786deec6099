"""Music plays when a child wants it, steps back while somebody speaks, and stays off where it was turned off."""

import io
import math
import wave
from array import array

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.looks import watched
from tests.browser.playing import begin, enter_anew
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser


def tone(seconds: int) -> bytes:
    """Return a quiet tone as a WAV file."""
    told = io.BytesIO()
    with wave.open(told, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(array("h", (round(500 * math.sin(at / 3)) for at in range(8_000 * seconds))).tobytes())
    return told.getvalue()


def test_music_is_wanted_ducked_and_turned_off_again(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    page.route("**/told.wav", lambda route: route.fulfill(body=tone(30), content_type="audio/wav"))
    enter_anew(page, running.address)
    begin(page)
    root, button = page.locator("html"), page.get_by_role("button", name="Music")
    expect(root).to_have_attribute("data-music-level", "off")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(root).to_have_attribute("data-music-level", "on")
    expect(button).to_have_attribute("aria-pressed", "true")
    # Whoever tells the scene is heard: the music steps back, and comes back afterwards.
    page.evaluate(
        """() => {
            const told = new Audio("/told.wav");
            told.dataset.heard = "";
            document.body.append(told);
            return told.play();
        }"""
    )
    expect(root).to_have_attribute("data-music-level", "aside")
    page.evaluate("() => document.querySelector('audio[data-heard]').pause()")
    expect(root).to_have_attribute("data-music-level", "on")
    # The next scene goes on with it, and the next page begins it again with the first touch.
    page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    expect(root).to_have_attribute("data-music-level", "on")
    page.reload()
    page.get_by_role("heading", name="A very polite robot").click()
    expect(root).to_have_attribute("data-music-level", "on")
    page.get_by_role("button", name="Music").click()
    expect(root).to_have_attribute("data-music-level", "off")
    page.reload()
    page.get_by_role("heading", name="A very polite robot").click()
    expect(page.get_by_role("button", name="Music")).to_have_attribute("aria-pressed", "false")
    expect(root).to_have_attribute("data-music-level", "off")
    assert said == []
    context.close()


def test_the_compass_and_the_echoes_are_seen_at_a_glance(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    enter_anew(page, running.address)
    begin(page)
    expect(page.get_by_text("Compass and echoes")).to_have_count(0)
    for title in ("A very polite robot", "One ear against the bark"):
        page.locator(".choices button").first.click()
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    while not page.get_by_text("Compass and echoes").count():
        before = page.locator(".scene").get_attribute("data-at")
        page.locator(".choices button").first.click()
        expect(page.locator(".scene")).not_to_have_attribute("data-at", before or "")
    page.get_by_text("Compass and echoes").click()
    expect(page.locator(".glance li").first).to_be_visible()
    page.close()
