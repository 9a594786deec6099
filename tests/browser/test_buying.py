"""A family finds a story that costs something, asks a parent, pays in the sandbox, and plays it."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.buying import answer_as_a_parent, buy_if_needed
from tests.browser.looks import shoot, watched
from tests.browser.playing import enter_anew
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser

STORY = "The Last Letter of Winter"


def test_a_parent_buys_a_bundle_and_its_story_begins(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    enter_anew(page, running.address)
    shoot(page, "library")
    page.get_by_text("More to choose from").click()
    page.get_by_label("Length").select_option("Long")
    expect(page.get_by_role("link", name="The Moss Bridge")).to_have_count(0)
    expect(page).to_have_url(f"{running.address}/?search=&age_group=&length=Long&axis=&bundle=")
    page.reload()
    shoot(page, "library-narrowed")
    page.get_by_label("Find a story").fill("no such words")
    expect(page.get_by_text("No story fits")).to_be_visible()
    shoot(page, "library-nothing-fits")
    page.goto(f"{running.address}/stories/the-last-letter-of-winter")
    expect(page.get_by_role("link", name="Play this story")).to_have_count(0)
    shoot(page, "story-for-sale")
    page.get_by_role("link", name="See the bundle").click()
    shoot(page, "bundle-for-sale")
    page.get_by_role("link", name="Ask a parent to get it").click()
    shoot(page, "parents-step")
    page.locator("#answer").fill("1")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not it")
    shoot(page, "parents-step-wrong")
    answer_as_a_parent(page)
    shoot(page, "buy")
    page.get_by_role("button", name="Order for 4.99 EUR").click()
    shoot(page, "order")
    page.get_by_role("link", name="Go to the payment").click()
    shoot(page, "sandbox")
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("alert")).to_contain_text("declined")
    shoot(page, "order-declined")
    page.get_by_role("link", name="Back to the bundle").click()
    page.get_by_role("link", name="Ask a parent to get it").click()
    page.get_by_role("button", name="Order for 4.99 EUR").click()
    page.get_by_role("link", name="Go to the payment").click()
    page.get_by_role("button", name="Pay 4.99 EUR").click()
    expect(page.get_by_text("Thank you!")).to_be_visible()
    shoot(page, "order-paid")
    page.get_by_role("link", name=STORY).click()
    shoot(page, "story-bought")
    page.get_by_role("link", name="Play this story").click()
    page.get_by_role("button", name="Begin the story").click()
    page.get_by_role("checkbox", name="I am a parent").check()
    page.get_by_role("button", name="Begin the story").click()
    expect(page.locator(".progress")).to_be_visible()
    page.goto(f"{running.address}/family/purchases")
    shoot(page, "receipts")
    page.goto(f"{running.address}/bundles")
    shoot(page, "bundles")
    # The wrong answer and the story for older players are refused, and a browser tells of that.
    assert [one for one in said if "422" not in one and "403" not in one] == []
    context.close()


def test_buying_and_filtering_work_without_javascript(browser: Browser, running: RunningPlatform) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    enter_anew(page, running.address)
    page.get_by_text("More to choose from").click()
    page.get_by_label("Bundle").select_option(label="Winter and water")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#stories .card")).to_have_count(2)
    page.goto(f"{running.address}/family/purchases")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    buy_if_needed(page, f"{running.address}/stories/the-city-under-the-tide")
    page.goto(f"{running.address}/stories/the-city-under-the-tide")
    expect(page.get_by_role("link", name="Play this story")).to_be_visible()
    context.close()
