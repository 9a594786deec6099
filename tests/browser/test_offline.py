"""The pages as an app: what was seen is there without a connection, a choice waits, and signing out forgets."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.looks import shoot
from tests.browser.playing import begin, enter_anew, go_on, press
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser


def controlled(page: Page) -> None:
    """Wait until the service worker answers for this page."""
    within = (
        "Promise.race([navigator.serviceWorker.ready.then(() => true), new Promise((no) => setTimeout(no, 60000))])"
    )
    assert page.evaluate(within), "the service worker was not installed"
    page.reload()
    assert page.evaluate("navigator.serviceWorker.controller !== null")


KEPT = """async () => {
  const names = (await caches.keys()).filter((name) => name.startsWith("seen"));
  const keys = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
  return keys.flat().map((key) => new URL(key.url).pathname);
}"""


def kept(page: Page) -> list[str]:
    """The addresses of the pages that this device keeps."""
    return page.evaluate(KEPT)


@pytest.fixture
def context(browser: Browser) -> BrowserContext:
    return browser.new_context()


def test_it_can_be_installed(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.goto(running.address)
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then((answer) => answer.json())")
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "/")
    for icon in manifest["icons"]:
        assert page.request.get(running.address + icon["src"]).headers["content-type"] == icon["type"]
    page.close()


def test_without_a_connection_what_was_seen_is_shown_and_a_choice_waits(
    context: BrowserContext, running: RunningPlatform
) -> None:
    page = context.new_page()
    enter_anew(page, running.address)
    controlled(page)
    begin(page)
    controlled(page)
    title = page.locator("h1").text_content() or ""
    context.set_offline(True)
    page.reload()
    expect(page.locator("h1")).to_have_text(title)
    expect(page.get_by_text("This is how it stood when you saw it last.")).to_be_visible()
    go_on(page)
    press(page, ())
    expect(page.get_by_text("You are offline, so the story waits for you.")).to_be_visible()
    expect(page.locator("h1")).to_have_text(title)
    page.goto(f"{running.address}/stories/the-moss-bridge")
    expect(page.get_by_role("heading", name="No connection just now")).to_be_visible()
    page.go_back()
    context.set_offline(False)
    page.reload()
    go_on(page)
    press(page, ())
    expect(page.locator("h1")).not_to_have_text(title)
    context.close()


def test_signing_out_forgets_what_was_seen(context: BrowserContext, running: RunningPlatform) -> None:
    page = context.new_page()
    enter_anew(page, running.address)
    controlled(page)
    page.goto(f"{running.address}/family")
    expect(page.get_by_role("heading", name="Your family")).to_be_visible()
    assert "/family" in kept(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    assert "/family" not in kept(page)
    context.set_offline(True)
    page.goto(f"{running.address}/family")
    expect(page.get_by_role("heading", name="No connection just now")).to_be_visible()
    context.set_offline(False)
    context.close()


def test_the_page_without_a_connection_looks_right(browser: Browser, running: RunningPlatform) -> None:
    page = browser.new_page()
    page.goto(f"{running.address}/offline")
    shoot(page, "offline")
    page.close()
