"""A parent signs in through the mailbox page, adds two children, gives consent, and they play."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_play import begin, play_on, shoot, watched
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
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Family").click()
    shoot(page, "family-empty")
    for name, avatar in (("Lola", "owl"), ("Ben", "dragon")):
        page.get_by_label("Name").fill(name)
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
    page.goto(running.address)
    page.get_by_role("link", name="The Clockwork Orchard").first.click()
    page.get_by_label("Ben").check()
    page.go_back()
    begin(page)
    play_on(page, ("Run to the trees", "Look behind", "thank you", "little door", "why that wheel", "Ask the apple"))
    # The badge arrives a moment after the ending, when the fact of it has travelled.
    for _ in range(20):
        if page.get_by_text("A new badge").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(page.get_by_text("A new badge").first).to_be_visible()
    shoot(page, "ending-with-badge")
    assert said == []
    context.close()
