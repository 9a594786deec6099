"""A parent signs in through the mailbox page, adds two children, gives consent, and they play."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.looks import shoot, watched
from tests.browser.playing import choose, go_on, play_on
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser


def test_a_parent_signs_in_adds_two_children_and_they_earn_a_badge(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    page.goto(f"{running.address}/sign-in")
    shoot(page, "sign-in")
    page.get_by_label("A parent's e-mail address").fill("ada@example.org")
    page.get_by_role("button", name="Send me a link").click()
    shoot(page, "check-mail")
    page.get_by_role("link", name="the mailbox page").click()
    shoot(page, "mailbox")
    page.get_by_role("link", name="Sign in to Mystira").first.click()
    shoot(page, "open-link")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Family").click()
    shoot(page, "family-empty")
    for name, avatar in (("Lola", "owl"), ("Ben", "dragon")):
        page.get_by_label("First name or nickname").fill(name)
        page.get_by_label("Age").select_option("6-9")
        page.get_by_role("radio", name=avatar).check(force=True)
        page.get_by_role("button", name="Add to the family").click()
        expect(page.get_by_role("heading", name=f"May {name} play?")).to_be_visible()
        shoot(page, "consent")
        page.get_by_role("button", name="Yes, I am the parent").click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    shoot(page, "family")
    page.get_by_role("link", name="Change Ben").click()
    shoot(page, "profile")
    page.get_by_text("Remove Ben from the family").click()
    expect(page.get_by_role("button", name="Yes, remove Ben")).to_be_visible()
    page.goto(running.address)
    choose(page)
    page.get_by_role("checkbox", name="Ben").check()
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("heading", name="The gate that hums")).to_be_visible()
    play_on(page, ("Run to the trees", "Look behind", "thank you", "little door", "why that wheel", "Ask the apple"))
    go_on(page)
    # The badge arrives a moment after the ending, when the fact of it has travelled; the page asks for it by itself.
    expect(page.get_by_text("A new badge").first).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="Ben's compass")).to_be_visible()
    shoot(page, "ending-of-two")
    assert said == []
    context.close()
