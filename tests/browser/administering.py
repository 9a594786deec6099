"""What operators do in a browser: sign in, ask for verbs, wait for what comes of them, and what they do in SQL."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from playwright.sync_api import Browser, Page, expect

from mystira.operations.admins.commands import add
from mystira.polyglot.stores.postgres.embedded import attach
from mystira.run import opened_works
from mystira.settings import read_settings
from tests.browser.looks import shoot, watched
from tests.processes import RunningPlatform

PASSWORD = "moss-bridge-lantern"
COMMAND_S_MAX = 120
T = TypeVar("T")
# Whoever reads a feed cannot note how far they came, so what they carry over stays behind.
HELD_UP = """
CREATE FUNCTION polyglot.held_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'held up by a test' USING ERRCODE = 'deadlock_detected'; END $$;
CREATE TRIGGER held_up BEFORE INSERT OR UPDATE ON polyglot.feed_position
FOR EACH ROW EXECUTE FUNCTION polyglot.held_up()
"""
LET_GO = "DROP TRIGGER held_up ON polyglot.feed_position; DROP FUNCTION polyglot.held_up()"
LETTERS = """
INSERT INTO polyglot.dead_letters
  (collection, partition, id, kind, stamp, op, payload, rival, error, attempts, created_at)
SELECT 'Accounts', 'account-' || n, 'account-' || n, 'merge', n, '',
  '{"id": "x", "email": "someone@example.org"}', '{}', 'duplicate key value violates unique constraint', 5,
  now() - n * interval '1 minute' FROM generate_series(1, 60) AS n
"""


def start(data: Path, *services: str) -> RunningPlatform:
    return RunningPlatform(data, None, *services).wait_until_ready()


def add_admin(data: Path, **environment: str) -> None:
    async def run() -> None:
        async with opened_works(read_settings({"MYSTIRA_DATA": str(data)} | environment), print) as works:
            await add(works, "ada", "admin", PASSWORD)

    apart(run)


def sql(data: Path, statement: str) -> None:
    async def run() -> None:
        attached = await attach(data, print)
        connection = await asyncpg.connect(attached.dsn)
        await connection.execute(statement)
        await connection.close()
        await attached.release()

    apart(run)


def apart(run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it in a thread of its own: the browser's event loop lives in this one and lets no other start."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(run())).result()


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


def see(page: Page, address: str, name: str, text: str) -> None:
    page.goto(address)
    expect(page.locator("main")).to_contain_text(text)
    shoot(page, name)
