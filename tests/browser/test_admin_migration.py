"""The Migration page in each of its states, by mouse and by keyboard, on paper, and after its server was away."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mystira.operations.actions.verbs import VERBS
from tests.browser.administering import (
    COMMAND_S_MAX,
    HELD_UP,
    LET_GO,
    LETTERS,
    add_admin,
    copy_whole,
    see,
    sign_in,
    sql,
    start,
)
from tests.browser.looks import shoot
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser

DRAINING = """
UPDATE polyglot.control SET n = n + 1, state = 'DRAIN', target = 'DualWritePostgresRead', coordinator = 'a terminal',
  deadline = now() + interval '1 hour' WHERE collection = 'Accounts'
"""
ELSEWHERE = {"abort", "repair", "repair-record", "replay", "park", "discard"}
"""Verbs that other pages offer, or only a state that is looked at elsewhere."""
NOTHING: Mapping[str, str] = {}


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


def test_what_is_asked_for_waits_while_nobody_carries_it_out_and_the_board_says_so(
    browser: Browser, desk: RunningPlatform
) -> None:
    page, said = sign_in(browser, desk.address)
    board = f"{desk.address}/admin/migration"
    page.goto(f"{board}/GameSessions")
    page.get_by_role("link", name="Fill or keep the copy").click()
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    shoot(page, "migration-ask-start")
    page.get_by_label("Why").fill("sessions, too")
    page.get_by_role("button", name="Fill or keep the copy").click()
    expect(page.get_by_text("asked", exact=True)).to_be_visible()
    shoot(page, "migration-command-waits")
    see(page, board, "migration-command-under-way", "start GameSessions")
    page.set_viewport_size({"width": 360, "height": 740})
    whole = "one => one.scrollWidth <= one.clientWidth"
    assert page.locator("#collections").evaluate(whole), (
        "a phone's board has nothing that is reached by scrolling sideways"
    )
    assert said == []
    page.close()


def test_every_verb_is_confirmed_on_a_page_that_says_what_it_does_and_carried_out(
    browser: Browser, desk: RunningPlatform, worker: RunningPlatform, data: Path
) -> None:
    page, said = sign_in(browser, desk.address)
    accounts, badges = (f"{desk.address}/admin/migration/{name}" for name in ("Accounts", "Badges"))
    met = steered(page, badges, data)
    copy_whole(page, desk.address, "Badges")
    pressed(page, badges, "Drop the copy")
    copy_whole(page, desk.address, "Accounts")
    met |= confirmed(page, accounts)
    pressed(page, accounts, "Verify")
    pressed(page, accounts, "Reread all")
    pressed(page, accounts, "Shadow reads", {"Share of the reads": "0.5"})
    shoot_plan(page, accounts, "cutover")
    pressed(page, accounts, "Cut over")
    met |= confirmed(page, accounts)
    shoot_plan(page, accounts, "rollback")
    pressed(page, accounts, "Roll back")
    pressed(page, accounts, "Cut over")
    pressed(page, accounts, "Finish")
    met |= confirmed(page, accounts)
    pressed(page, accounts, "Reopen")
    assert met == VERBS.keys() - ELSEWHERE
    assert said == []
    page.close()


def steered(page: Page, collection: str, data: Path) -> set[str]:
    """Steer a filling, which is held up for as long as that takes; return the verbs that were offered."""
    met = confirmed(page, collection)
    sql(data, HELD_UP)
    pressed(page, collection, "Fill or keep the copy")
    met |= confirmed(page, collection)
    pressed(page, collection, "Throttle", {"Request units a second": "50"})
    pressed(page, collection, "Pause")
    met |= confirmed(page, collection)
    pressed(page, collection, "Resume")
    sql(data, LET_GO)
    return met


def pressed(page: Page, collection: str, button: str, fields: Mapping[str, str] = NOTHING) -> None:
    """Ask for a verb by mouse, with whatever gates are closed waived, and wait until it is done."""
    page.goto(collection)
    page.get_by_role("link", name=button, exact=True).click()
    for gate in page.get_by_role("checkbox").all():
        gate.check()
    for label, value in fields.items():
        page.get_by_label(label).fill(value)
    page.get_by_label("Why").fill("a test")
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text("done", exact=True)).to_be_visible(timeout=COMMAND_S_MAX * 1_000)


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
