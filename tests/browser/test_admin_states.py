"""Every page of the administration in every state of a move, on the screens of a phone and a desk and on paper."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mystira.accounts.actions import complete_account
from mystira.run import opened_works
from mystira.settings import read_settings
from tests.browser.administering import (
    COMMAND_S_MAX,
    HELD_UP,
    LET_GO,
    LETTERS,
    add_admin,
    apart,
    ask,
    copy_whole,
    sign_in,
    sql,
    start,
)
from tests.browser.looks import glance, on_paper, shoot

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/admin/overview",
    "migration": "/admin/migration",
    "collection": "/admin/migration/Accounts",
    "queue": "/admin/queue?collection=Accounts",
    "reconciliation": "/admin/reconciliation",
    "runs": "/admin/reconciliation/collections/Accounts",
    "compare": "/admin/compare?collection=Accounts&id=sample-family",
    "accounts": "/admin/accounts",
    "profiles": "/admin/accounts/profiles",
    "account": "/admin/accounts/of/sample-family",
    "audit": "/admin/audit",
}
SAYS: dict[str, dict[str, str]] = {
    "empty": {
        "migration": "alone",
        "collection": "nothing was measured yet",
        "queue": "No collection has a copy yet",
        "reconciliation": "nothing to compare",
        "runs": "there is nothing to compare now",
        "compare": "only the documents are kept just now",
        "accounts": "Read from the leader",
    },
    "healthy": {
        "overview": "DualWriteCosmosRead",
        "migration": "healthy",
        "collection": "everything was reread",
        "queue": "No letters that fit",
        "reconciliation": "equal",
        "compare": "Both sides hold the same",
        "accounts": "Read from the copy in PostgreSQL",
        "audit": "scrub",
    },
    "lagging": {
        "migration": "lagging",
        "collection": "See what holds the follower or the relay up",
        "queue": "Keys of Accounts that wait",
        "accounts": "s behind",
        "profiles": "Mira",
        "account": "Players",
    },
    "diverged": {
        "migration": "diverged",
        "collection": "differ",
        "reconciliation": "1 differ",
        "runs": "Keys that differ",
        "compare": "The two sides differ: divergent",
    },
    "failed": {
        "migration": "failed",
        "collection": "some changes could not be carried over",
        "queue": "60 letters.",
    },
    "draining": {"migration": "draining", "collection": "DRAIN", "audit": "scrub"},
}
"""What a page says in a state. What it says in several of them is looked for in one."""

LATE = "UPDATE polyglot.feed_position SET moved_at = now() - interval '1 hour'"
CORRUPTED = "UPDATE accounts SET display_name = 'Somebody else' WHERE id = 'sample-family'"
DRAINING = """
UPDATE polyglot.control SET n = n + 1, state = 'DRAIN', target = 'DualWritePostgresRead', coordinator = 'a terminal',
  deadline = now() + interval '1 hour' WHERE collection = 'Accounts'
"""


def test_every_page_looks_right_in_every_state(browser: Browser, data: Path) -> None:
    desk, worker = start(data, "app", "admin"), start(data, "worker")
    try:
        add_admin(data)
        page, said = sign_in(browser, desk.address)
        look_around(page, desk.address, "empty")
        copy_whole(page, desk.address, "Accounts")
        assert "hold the same" in ask(page, desk.address, "scrub")["outcome"]
        look_around(page, desk.address, "healthy")
        gates_are_told(page, desk.address)
        sql(data, LATE)
        sql(data, HELD_UP)
        sign_up(data, "late-family")
        look_around(page, desk.address, "lagging")
        expect_in(page, f"{desk.address}{PAGES['queue']}", "late-family")
        sql(data, LET_GO)
        page.goto(f"{desk.address}{PAGES['migration']}")
        expect(page.get_by_role("row", name="Accounts")).to_contain_text("healthy", timeout=COMMAND_S_MAX * 1_000)
        sql(data, CORRUPTED)
        assert "1 key differs" in ask(page, desk.address, "scrub")["outcome"]
        look_around(page, desk.address, "diverged")
        printed(page, desk.address)
        sql(data, LETTERS)
        look_around(page, desk.address, "failed")
        sql(data, DRAINING)
        look_around(page, desk.address, "draining")
        taken_back(page, desk.address)
        mended(page, desk.address)
        assert said == []
        page.close()
    finally:
        worker.stop(signal.SIGKILL)
        assert desk.stop() == 0, desk.output


def sign_up(data: Path, id: str) -> None:
    async def run() -> None:
        async with opened_works(read_settings({"MYSTIRA_DATA": str(data)}), print) as works:
            await works.run(complete_account, account_id=id, email=f"{id}@example.org", email_hash=id)

    apart(run)


def look_around(page: Page, address: str, state: str) -> None:
    """Look at every page. From one state to the next, phone and desk change between light and dark."""
    dark = list(SAYS).index(state) % 2 == 1
    for name, path in PAGES.items():
        expect_in(page, f"{address}{path}", SAYS[state].get(name, ""))
        glance(page, f"{name}-{state}", dark=dark)


def expect_in(page: Page, address: str, text: str) -> None:
    page.goto(address)
    expect(page.locator("main")).to_contain_text(text)


def gates_are_told(page: Page, address: str) -> None:
    """What the gates say comes with the live part, for looking at them takes a moment; what is open stays so."""
    page.goto(f"{address}/admin/migration")
    row = page.get_by_role("row", name="Accounts")
    row.get_by_text("1 closed").click()
    expect(row).to_contain_text("Take one: mystira backup")
    shoot(page, "migration-gates")
    expect(row).to_contain_text("Take one: mystira backup")


def printed(page: Page, address: str) -> None:
    for name, path in PAGES.items():
        page.goto(f"{address}{path}")
        on_paper(page, name)


def taken_back(page: Page, address: str) -> None:
    page.goto(f"{address}{PAGES['collection']}")
    page.get_by_role("link", name="Abort", exact=True).click()
    page.get_by_label("Why").fill("a terminal was closed")
    page.get_by_role("button", name="Abort", exact=True).click()
    over = page.get_by_text("Accounts is in DualWriteCosmosRead, and nothing is under way")
    expect(over).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    shoot(page, "command-done")
    expect_in(page, f"{address}{PAGES['collection']}", "a terminal was closed")


def mended(page: Page, address: str) -> None:
    page.goto(f"{address}{PAGES['compare']}")
    page.get_by_label("Why").fill("it is only this one")
    page.get_by_role("button", name="Repair this record").click()
    expect(page.get_by_text("1 repaired")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    expect_in(page, f"{address}{PAGES['compare']}", "Both sides hold the same")
