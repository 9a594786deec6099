"""Two stores differ: it is found, looked at, and mended as it was shown; lists of families say how old they are."""

import asyncio
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.sync_api import Browser, Page, expect

from mystira.polyglot.stores.postgres.embedded import attach
from tests.browser.looks import shoot, watched
from tests.processes import ROOT, RunningPlatform

pytestmark = pytest.mark.browser

PASSWORD = "moss-bridge-lantern"
COMMAND_S_MAX = 120
BEHIND = "UPDATE polyglot.feed_position SET continuation = '', moved_at = now() - interval '1 hour'"


def start(data: Path, *services: str) -> RunningPlatform:
    return RunningPlatform(data, None, *services).wait_until_ready()


def add_admin(data: Path) -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
    given["MYSTIRA_DATA"] = str(data)
    command = [sys.executable, "-m", "mystira", "admin", "add", "ada", "--role", "admin"]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, env=given, cwd=ROOT, check=True, capture_output=True)


def sql(data: Path, statement: str) -> None:
    async def run() -> None:
        attached = await attach(data, print)
        connection = await asyncpg.connect(attached.dsn)
        await connection.execute(statement)
        await connection.close()
        await attached.release()

    # The browser's event loop lives in this thread and lets no other one start.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def ask(page: Page, address: str, verb: str, collection: str = "Accounts", **arguments: Any) -> dict[str, Any]:
    """Ask for a verb, and wait for what comes of it."""
    data = {"verb": verb, "collection": collection, "why": "a test", "arguments": arguments}
    asked = page.request.post(f"{address}/admin/api/commands", data=data)
    assert asked.status == 202, asked.text()
    until = time.monotonic() + COMMAND_S_MAX
    while time.monotonic() < until:
        told = page.request.get(f"{address}/admin/api/commands/{asked.json()['id']}").json()
        if told["ended_at"]:
            return told
        time.sleep(0.2)
    raise AssertionError(f"{verb} took too long: {told}")


def copy_whole(page: Page, address: str, collection: str) -> None:
    until = time.monotonic() + COMMAND_S_MAX
    while time.monotonic() < until:
        if "kept already" in ask(page, address, "start", collection)["outcome"]:
            return
        time.sleep(0.5)
    raise AssertionError("the copy never became whole")


def sign_in(browser: Browser, address: str) -> tuple[Page, list[str]]:
    page = browser.new_context().new_page()
    said = watched(page)
    page.goto(f"{address}/admin/sign-in")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("navigation", name="Administration")).to_be_visible()
    return page, said


def test_a_difference_is_found_looked_at_and_mended(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        admin = f"{running.address}/admin"
        see(page, f"{admin}/reconciliation", "reconciliation-empty", "nothing to compare")
        see(page, f"{admin}/accounts", "accounts-no-copy", "Read from the leader")
        copy_whole(page, running.address, "Accounts")
        ask(page, running.address, "scrub")
        see(page, f"{admin}/reconciliation", "reconciliation-clean", "equal")
        see(page, f"{admin}/accounts", "accounts-fresh-copy", "Read from the copy in PostgreSQL")
        see(page, f"{admin}/compare?collection=Accounts&id=sample-family", "compare-equal", "Both sides hold the same")
        sql(data, "UPDATE accounts SET display_name = 'Somebody else' WHERE id = 'sample-family'")
        page.goto(f"{admin}/reconciliation/collections/Accounts")
        panel = page.locator("section", has=page.get_by_role("heading", name="Reread all"))
        panel.get_by_label("Why").fill("something looks odd")
        panel.get_by_role("button", name="Reread now").click()
        expect(page.get_by_text("1 keys differ for certain")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
        see(page, f"{admin}/reconciliation", "reconciliation-diverged", "1 differ")
        see(page, f"{admin}/reconciliation/collections/Accounts", "reconciliation-runs", "Keys that differ")
        page.get_by_role("row", name="1 differ").get_by_role("link").click()
        expect(page.get_by_role("heading", name="What differs")).to_be_visible()
        shoot(page, "reconciliation-report")
        plan_and_repair(page)
        see(
            page,
            f"{admin}/compare?collection=Accounts&id=sample-family",
            "compare-repaired",
            "Both sides hold the same",
        )
        assert said == []
    finally:
        assert running.stop() == 0, running.output


def plan_and_repair(page: Page) -> None:
    report = page.url
    page.get_by_label("Why").fill("plan it")
    page.get_by_role("button", name="Make a plan").click()
    expect(page.get_by_text("1 keys would be repaired")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    page.goto(report)
    page.get_by_role("row", name="sample-family").get_by_role("link").click()
    expect(page.get_by_text("The two sides differ: divergent")).to_be_visible()
    shoot(page, "compare-diverged")
    page.goto(f"{report}/plan")
    shoot(page, "reconciliation-plan")
    page.get_by_label("Why").fill("as planned")
    page.get_by_role("button", name="Repair").click()
    expect(page.get_by_text("1 repaired")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    page.goto(f"{report}/plan")
    shoot(page, "reconciliation-repaired")


def test_a_copy_that_nobody_brings_up_to_date_says_so(browser: Browser, tmp_path: Path) -> None:
    data = tmp_path / "data"
    running = start(data)
    add_admin(data)
    try:
        page, _ = sign_in(browser, running.address)
        copy_whole(page, running.address, "Accounts")
    finally:
        running.stop()
    sql(data, BEHIND)
    idle = start(data, "admin")
    try:
        page, said = sign_in(browser, idle.address)
        see(page, f"{idle.address}/admin/accounts", "accounts-stale-copy", "s behind")
        see(page, f"{idle.address}/admin/accounts/of/sample-family", "account", "Players")
        see(page, f"{idle.address}/admin/accounts/profiles", "profiles", "Mira")
        assert said == []
    finally:
        assert idle.stop() == 0, idle.output


def see(page: Page, address: str, name: str, text: str) -> None:
    page.goto(address)
    expect(page.locator("main")).to_contain_text(text)
    shoot(page, name)
