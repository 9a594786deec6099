"""The first page of the administration, and the sync queue with its verbs, in a browser."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.administering import COMMAND_S_MAX, LETTERS, add_admin, sign_in, sql, start
from tests.browser.looks import shoot

pytestmark = pytest.mark.browser

TRIED_AGAIN = """
UPDATE polyglot.dead_letters SET next_try_at = now() + interval '1 day' WHERE id IN ('account-1', 'account-2');
UPDATE polyglot.dead_letters SET error = 'given up on' WHERE id IN ('account-3', 'account-4', 'account-5')
"""


def test_the_overview_looks_right_empty_and_with_a_service_that_is_gone_and_letters_are_worked_off(
    browser: Browser, data: Path
) -> None:
    platform = start(data, "app", "admin")
    worker = start(data, "worker")
    try:
        add_admin(data)
        page, said = sign_in(browser, platform.address)
        sql(data, "DELETE FROM polyglot.heartbeat; DELETE FROM polyglot.usage")
        page.goto(f"{platform.address}/admin/overview")
        shoot(page, "admin-overview-empty")
        expect(page.get_by_role("row", name="worker")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("heading", name="Costs")).to_be_visible()
        expect(page.get_by_text("If a month went on like").first).to_be_visible(timeout=60_000)
        letters_are_worked_off(page, platform.address, data)
        # Killed, it takes no leave; after half a minute its silence tells.
        worker.stop(signal.SIGKILL)
        sql(data, "UPDATE polyglot.heartbeat SET at = at - interval '1 minute' WHERE services = '{worker}'")
        page.goto(f"{platform.address}/admin/overview")
        expect(page.get_by_text("mystira run worker")).to_be_visible(timeout=60_000)
        shoot(page, "admin-overview-silent")
        assert said == []
        page.close()
    finally:
        worker.stop(signal.SIGKILL)
        assert platform.stop() == 0, platform.output


def letters_are_worked_off(page: Page, address: str, data: Path) -> None:
    """One is parked on its own page; of the others, some are discarded and the rest tried again by a filter."""
    sql(data, LETTERS)
    sql(data, TRIED_AGAIN)
    page.goto(f"{address}/admin/queue?collection=Accounts&parked=false")
    expect(page.get_by_text("2 letters.")).to_be_visible()
    page.get_by_role("link", name="account-").first.click()
    expect(page.get_by_role("heading", name="A letter of Accounts")).to_be_visible()
    shoot(page, "admin-letter")
    pressed(page, "Park", "1 are parked")
    page.goto(f"{address}/admin/queue?collection=Accounts&error=given+up")
    expect(page.get_by_text("3 letters.")).to_be_visible()
    pressed(page, "Discard", "3 are discarded")
    page.goto(f"{address}/admin/queue?collection=Accounts")
    expect(page.get_by_text("57 letters.")).to_be_visible()
    pressed(page, "Replay", "57 were tried again")


def pressed(page: Page, verb: str, outcome: str) -> None:
    panel = page.locator("section.panel", has=page.get_by_role("heading", name=verb, exact=True))
    panel.get_by_label("Why").fill("a test")
    panel.get_by_role("button", name=verb, exact=True).click()
    expect(page.get_by_text(outcome)).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
