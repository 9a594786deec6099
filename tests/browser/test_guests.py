"""Guests sit down, fill a story's characters, grow into players; and a parent may allow what is for older ones."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.looks import shoot, violations, watched
from tests.browser.playing import choose, enter_anew, go_on, play_on
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser


def sit_down(page: Page, title: str) -> None:
    page.locator(".shelf").get_by_role("link", name=title).click()
    page.get_by_role("link", name="Play this story").click()
    expect(page.get_by_role("heading", name="Who plays?")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_story_is_filled_with_guests_and_no_name_is_lost(
    browser: Browser, running: RunningPlatform, scripts: bool
) -> None:
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    enter_anew(page, running.address)
    sit_down(page, "The Kitchen That Remembered")
    page.get_by_text("Is somebody visiting?").click()
    page.get_by_label("A guest's first name").first.fill("Nora")
    page.get_by_label("How old?").first.select_option("10-12")
    page.get_by_role("group", name="The guest is …").first.get_by_role("radio").nth(1).check(force=True)
    page.get_by_role("button", name="Another guest").click()
    expect(page.get_by_label("A guest's first name")).to_have_count(3)
    page.get_by_role("button", name="Fill with guests").click()
    guests = page.get_by_label("A guest's first name")
    expect(guests).to_have_count(3)
    expect(guests.first).to_have_value("Nora")
    expect(page.get_by_label("How old?").first).to_have_value("10-12")
    if scripts:
        shoot(page, "guests")
        assert violations(page) == []
    page.get_by_role("button", name="Fill with guests").click()
    expect(page.get_by_role("alert")).to_contain_text("nobody left for a guest to be")
    page.get_by_role("button", name="Begin the story").click()
    here = page.get_by_role("list", name="Who plays")
    expect(here.get_by_role("listitem")).to_have_count(4)
    expect(here).to_contain_text("Nora")
    context.close()


def test_enter_in_a_guests_name_begins_the_story(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    enter_anew(page, running.address)
    choose(page)
    page.get_by_text("Is somebody visiting?").click()
    page.get_by_label("A guest's first name").first.fill("Gus")
    page.get_by_label("A guest's first name").first.press("Enter")
    expect(page.get_by_role("list", name="Who plays")).to_contain_text("Gus")
    page.close()


def test_a_guest_becomes_a_player_of_the_family_after_the_game(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    said = watched(page)
    enter_anew(page, running.address)
    choose(page)
    page.get_by_text("Is somebody visiting?").click()
    page.get_by_label("A guest's first name").first.fill("Nora")
    page.get_by_role("button", name="Begin the story").click()
    play_on(page, ("Run to the trees", "thank you", "little door", "why that wheel", "message", "take turns"))
    go_on(page)
    page.get_by_text("Keep Nora as a player of your family").click()
    shoot(page, "ending-guest")
    page.get_by_label("How old is Nora?").select_option("6-9")
    page.get_by_role("button", name="Add Nora to the family").click()
    expect(page.get_by_role("heading", name="May Nora play?")).to_be_visible()
    page.get_by_role("button", name="Yes, I am the parent").click()
    expect(page.get_by_role("heading", name="Nora", exact=True)).to_be_visible()
    assert said == []
    page.close()


def test_a_story_for_older_players_needs_a_parents_word(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    enter_anew(page, running.address)
    sit_down(page, "The Moss Bridge")
    page.get_by_text("Is somebody visiting?").click()
    page.get_by_label("A guest's first name").first.fill("Tim")
    page.get_by_label("How old?").first.select_option("3-5")
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("alert")).to_contain_text("A parent can allow it for Tim")
    expect(page.get_by_role("checkbox", name="Mira")).to_be_checked()
    shoot(page, "parent-allows")
    page.get_by_role("checkbox", name="I am a parent").check()
    page.get_by_role("button", name="Begin the story").click()
    expect(page.locator(".progress")).to_be_visible()
    page.close()
