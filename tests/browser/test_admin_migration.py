"""The Migration page in each of its states, by mouse and by keyboard, on paper, and after its server was away."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.administering import (
    BEHIND,
    COMMAND_S_MAX,
    LETTERS,
    add_admin,
    ask,
    copy_whole,
    see,
    sign_in,
    sql,
    start,
)
from tests.browser.looks import SHOTS, shoot
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser

DRAINING = """
UPDATE polyglot.control SET n = n + 1, state = 'DRAIN', target = 'DualWritePostgresRead', coordinator = 'a terminal',
  deadline = now() + interval '1 hour' WHERE collection = 'Accounts'
"""
CORRUPTED = "UPDATE accounts SET display_name = 'Somebody else' WHERE id = 'sample-family'"
WAIVED = {"waived": ["backup", "scrub", "verification", "digests", "lag"]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(data: Path) -> Iterator[RunningPlatform]:
    """What people look at; workers are a process apart, so that they can stop."""
    platform = start(data, "app", "admin")
    add_admin(data)
    yield platform
    assert platform.stop() == 0, platform.output


@pytest.fixture
def worker(desk: RunningPlatform, data: Path) -> Iterator[RunningPlatform]:
    platform = start(data, "worker")
    yield platform
    platform.stop(signal.SIGKILL)


def test_the_board_looks_right_empty_healthy_diverged_failed_and_draining(
    browser: Browser, desk: RunningPlatform, worker: RunningPlatform, data: Path
) -> None:
    page, said = sign_in(browser, desk.address)
    board, accounts = f"{desk.address}/admin/migration", f"{desk.address}/admin/migration/Accounts"
    see(page, board, "migration-empty", "alone")
    see(page, accounts, "migration-collection-empty", "nothing was measured yet")
    copy_whole(page, desk.address, "Accounts")
    told = ask(page, desk.address, "scrub")
    assert "hold the same" in told["outcome"]
    page.goto(board)
    row = page.get_by_role("row", name="Accounts")
    expect(row).to_contain_text("healthy")
    # What the gates say comes with the live part, for looking at them takes a moment.
    row.get_by_text("1 closed").click()
    expect(row).to_contain_text("Take one: mystira backup")
    shoot(page, "migration-healthy")
    expect(row).to_contain_text("Take one: mystira backup")
    see(page, accounts, "migration-collection-healthy", "everything was reread")
    print_out(page, "migration", board)
    print_out(page, "migration-collection", accounts)
    sql(data, CORRUPTED)
    told = ask(page, desk.address, "scrub")
    assert "1 keys differ" in told["outcome"]
    see(page, board, "migration-diverged", "diverged")
    sql(data, LETTERS)
    see(page, board, "migration-failed", "failed")
    see(page, accounts, "migration-collection-failed", "some changes could not be carried over")
    sql(data, DRAINING)
    see(page, board, "migration-draining", "draining")
    see(page, accounts, "migration-collection-draining", "DRAIN")
    asked_by_mouse(page, "Abort", "a terminal was closed")
    expect(page.get_by_text("Accounts is in DualWriteCosmosRead, and nothing is under way")).to_be_visible(
        timeout=COMMAND_S_MAX * 1_000
    )
    shoot(page, "migration-command")
    page.goto(accounts)
    expect(page.get_by_text("a terminal was closed").first).to_be_visible()
    assert said == []
    page.close()


def asked_by_mouse(page: Page, button: str, why: str) -> None:
    page.get_by_role("link", name=button, exact=True).click()
    page.get_by_label("Why").fill(why)
    page.get_by_role("button", name=button, exact=True).click()


def test_a_copy_that_nobody_follows_is_lagging_and_being_filled_says_how_far_it_is(
    browser: Browser, desk: RunningPlatform, worker: RunningPlatform, data: Path
) -> None:
    page, said = sign_in(browser, desk.address)
    board = f"{desk.address}/admin/migration"
    copy_whole(page, desk.address, "Accounts")
    worker.stop()
    sql(data, BEHIND)
    see(page, board, "migration-lagging", "lagging")
    see(page, f"{board}/Accounts", "migration-collection-lagging", "See what holds the follower or the relay up")
    see(page, f"{desk.address}/admin/queue?collection=Accounts", "queue-keys", "Keys of Accounts that wait")
    expect(page.get_by_role("region", name="Keys that wait")).to_contain_text("sample-family")
    # Nobody carries out what is asked for now, and the board says what waits.
    page.goto(f"{board}/GameSessions")
    page.get_by_role("link", name="Fill or keep the copy").click()
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    shoot(page, "migration-ask-start")
    page.get_by_label("Why").fill("sessions, too")
    page.get_by_role("button", name="Fill or keep the copy").click()
    expect(page.get_by_text("asked", exact=True)).to_be_visible()
    shoot(page, "migration-command-waits")
    see(page, board, "migration-command-under-way", "start GameSessions")
    assert said == []
    page.close()


def test_every_verb_is_confirmed_on_a_page_that_says_what_it_does(
    browser: Browser, desk: RunningPlatform, worker: RunningPlatform, data: Path
) -> None:
    page, said = sign_in(browser, desk.address)
    accounts = f"{desk.address}/admin/migration/Accounts"
    met = confirmed(page, accounts)
    copy_whole(page, desk.address, "Accounts")
    page.goto(accounts)
    met |= confirmed(page, accounts)
    shoot_plan(page, accounts, "cutover")
    assert ask(page, desk.address, "cutover", **WAIVED)["state"] == "done"
    met |= confirmed(page, accounts)
    shoot_plan(page, accounts, "rollback")
    assert ask(page, desk.address, "finish")["state"] == "done"
    met |= confirmed(page, accounts)
    assert met == {"start", "verify", "scrub", "shadow", "cutover", "stop", "rollback", "finish", "reopen"}
    assert said == []
    page.close()


def confirmed(page: Page, accounts: str) -> set[str]:
    """Open the confirmation of every verb that is offered; return which there were."""
    page.goto(accounts)
    links = [one.get_attribute("href") or "" for one in page.locator("a[id^=ask-]").all()]
    for link in links:
        page.goto(accounts.rpartition("/admin/")[0] + link)
        expect(page.locator(".note").first).to_be_visible()
        expect(page.get_by_label("Why")).to_be_visible()
    return {link.rpartition("/")[2] for link in links}


def shoot_plan(page: Page, accounts: str, verb: str) -> None:
    page.goto(f"{accounts}/ask/{verb}")
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    expect(page.get_by_role("heading", name="Gates")).to_be_visible()
    shoot(page, f"migration-ask-{verb}")


def test_the_board_is_right_again_after_its_server_was_away(
    browser: Browser, desk: RunningPlatform, data: Path
) -> None:
    """A worker would end the drain that is planted here, so there is none."""
    page, _ = sign_in(browser, desk.address)
    page.goto(f"{desk.address}/admin/migration/Accounts/ask/cutover")
    page.goto(f"{desk.address}/admin/migration")
    expect(page.get_by_text("Live: this changes by itself.")).to_be_visible()
    assert desk.stop() == 0
    expect(page.get_by_text("Not connected")).to_be_visible()
    sql(data, DRAINING)
    back = RunningPlatform(data, desk.port, "app", "admin").wait_until_ready()
    try:
        expect(page.get_by_role("row", name="Accounts")).to_contain_text("draining", timeout=60_000)
        expect(page.get_by_text("Live: this changes by itself.")).to_be_visible()
        page.close()
    finally:
        assert back.stop() == 0, back.output


def test_everything_can_be_asked_for_by_keyboard_while_the_page_changes(
    browser: Browser, desk: RunningPlatform, worker: RunningPlatform, data: Path
) -> None:
    page, said = sign_in(browser, desk.address)
    page.goto(f"{desk.address}/admin/migration")
    expect(page.get_by_text("Live: this changes by itself.")).to_be_visible()
    tab_to(page, "row-Accounts")
    # The part that holds the focus is replaced by what came meanwhile, and the focus stays.
    sql(data, LETTERS)
    expect(page.get_by_role("row", name="Accounts")).to_contain_text("60")
    assert focused(page) == "row-Accounts"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Accounts", exact=True)).to_be_visible()
    tab_to(page, "ask-start")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fill or keep the copy: Accounts")).to_be_visible()
    tab_to(page, "why")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_text("is being filled")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    assert said == []
    page.close()


def tab_to(page: Page, id: str) -> None:
    """Go on by Tab until the focus is there, and is to be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == id:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"nobody sees that {id} has the focus"
            return
    raise AssertionError(f"Tab never comes to {id}")


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id")


def print_out(page: Page, name: str, address: str) -> None:
    """Look at a page as it comes on paper, from a screen that is dark."""
    page.goto(address)
    expect(page.get_by_text("Live: this changes by itself.")).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    # The width of A4 on its side, less its margins, in CSS pixels.
    page.set_viewport_size({"width": 1040, "height": 720})
    page.screenshot(path=SHOTS / f"{name}-print.png", full_page=True)
    expect(page.get_by_role("navigation", name="Administration")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is cut off on paper"
    for place, what, colour in (
        ("body", "backgroundColor", "rgb(255, 255, 255)"),
        (".scroller", "backgroundColor", "rgb(255, 255, 255)"),
        ("tbody td", "color", "rgb(0, 0, 0)"),
    ):
        assert page.evaluate(f"getComputedStyle(document.querySelector('{place}')).{what}") == colour, place
    page.emulate_media(media="screen", color_scheme="light")
