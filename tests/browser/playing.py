"""What a child does on the pages, for the tests that play."""

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from mystira.services.app import SAMPLE_CHILDREN

STORY = "The Clockwork Orchard"


def enter(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Enter as the sample family").first.click()
    expect(page.get_by_role("heading", name="Stories", exact=True)).to_be_visible()


def enter_anew(page: Page, address: str) -> None:
    """Sign in as a family that nobody else plays as, with children like those of the sample family."""
    email = f"{uuid4().hex}@example.org"
    page.request.post(f"{address}/sign-in", form={"email": email})
    mail = re.search(f"To {email}<.*?token=([\\w-]+)", page.request.get(f"{address}/mailbox").text())
    assert mail is not None, "the link did not come"
    page.request.post(f"{address}/sign-in/open", form={"token": mail[1]}, max_redirects=0)
    for _, name, age_group, avatar in SAMPLE_CHILDREN:
        about = {"name": name, "age_group": age_group, "avatar": avatar}
        consent = page.request.post(f"{address}/family/profiles", form=about, max_redirects=0).headers["location"]
        assert page.request.post(f"{address}{consent}", form={}, max_redirects=0).status == 303
    page.goto(address)
    expect(page.get_by_role("heading", name="Stories", exact=True)).to_be_visible()


def choose(page: Page) -> None:
    """Go from the shelf to the page where players and characters are chosen."""
    page.locator(".shelf").get_by_role("link", name=STORY).click()
    page.get_by_role("link", name="Play this story").click()
    expect(page.get_by_role("heading", name="Who plays?")).to_be_visible()


def begin(page: Page) -> None:
    choose(page)
    page.get_by_role("button", name="Begin the story").click()
    expect(page.get_by_role("heading", name="The gate that hums")).to_be_visible()


def go_on(page: Page) -> None:
    """Leave a moment of revelation behind, where there is one."""
    onward = page.get_by_role("button", name="On with the story")
    if onward.count():
        onward.click()


def press(page: Page, wishes: tuple[str, ...]) -> None:
    """Take the wished choice if it is offered, the first one otherwise."""
    buttons = page.locator(".choices button")
    wanted = [button for button in buttons.all() if any(wish in button.inner_text() for wish in wishes)]
    (wanted[0] if wanted else buttons.first).click()


def play_on(page: Page, wishes: tuple[str, ...], until: str = "The end") -> str:
    """Take the wished choices where they are offered, the first one elsewhere; return the title reached."""
    for _ in range(60):
        title = page.locator("h1").text_content() or ""
        if title == until:
            return title
        go_on(page)
        if page.get_by_role("heading", name="The end", exact=True).count():
            return title
        press(page, wishes)
        expect(page.locator("h1")).not_to_have_text(title)
    raise AssertionError("the story did not end")
