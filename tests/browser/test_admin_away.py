"""Every page of the administration while a store is away: it says so and what to do, and recovers by itself."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.embedded.lease import Attached
from mystira.run import provisioning
from mystira.settings import read_settings
from tests.browser.administering import add_admin, apart, copy_whole, sign_in
from tests.browser.looks import shoot
from tests.processes import ROOT, RunningPlatform, free_port

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/admin/overview",
    "migration": "/admin/migration",
    "collection": "/admin/migration/Accounts",
    "ask": "/admin/migration/Accounts/ask/cutover",
    "ask-start": "/admin/migration/GameSessions/ask/start",
    "queue": "/admin/queue",
    "reconciliation": "/admin/reconciliation",
    "runs": "/admin/reconciliation/collections/Accounts",
    "compare": "/admin/compare?collection=Accounts&id=sample-family",
    "content": "/admin/content",
    "stories": "/admin/content/scenarios",
    "accounts": "/admin/accounts",
    "profiles": "/admin/accounts/profiles",
    "account": "/admin/accounts/of/sample-family",
    "audit": "/admin/audit",
}
TELLING = ("overview", "migration", "collection")
"""Pages that tell more than that the documents are away, and that as well."""
SEEN = {"documents": ("migration", "queue", "accounts"), "postgres": ("accounts",)}
"""Whose looks are looked at: where no more is told than that a store is away, one is like the other."""
LIVE = "Live: this changes by itself."


class Stores:
    """Both stores in processes that the platform does not look after, so that what is stopped stays away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._endpoint: subprocess.Popen[str] | None = None
        self._attached: Attached | None = None
        self.start_documents()
        self.environment = {
            "MYSTIRA_DOCUMENTS": f"cosmos://127.0.0.1:{self._port}/mystira?tls=0",
            "MYSTIRA_COSMOS_KEY": WELL_KNOWN_KEY,
            "MYSTIRA_RELATIONAL": self.start_postgres(),
        }

    def start_postgres(self) -> str:
        self._attached = apart(lambda: attach(self._folder, print))
        return self._attached.dsn

    def stop_postgres(self) -> None:
        """Stop it as an administrator would: nobody else is attached to it."""
        if self._attached is not None:
            apart(self._attached.release)
        self._attached = None

    def start_documents(self) -> None:
        command = [sys.executable, "-m", "mystira", "cosmos-emulator", "--port", str(self._port)]
        command += ["--data", str(self._folder / "documents.sqlite")]
        self._endpoint = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._endpoint.stdout is not None
        assert self._endpoint.stdout.readline(), "it says where it listens"

    def stop_documents(self) -> None:
        if self._endpoint is not None:
            self._endpoint.send_signal(signal.SIGKILL)
            self._endpoint.communicate()
        self._endpoint = None

    def remove(self) -> None:
        self.stop_documents()
        self.stop_postgres()
        apart(lambda: remove(self._folder))


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    folder = tmp_path / "stores"
    folder.mkdir()
    stores = Stores(folder)
    yield stores
    stores.remove()


@pytest.fixture
def desk(tmp_path: Path, stores: Stores) -> Iterator[RunningPlatform]:
    data = tmp_path / "data"
    settings = read_settings({"MYSTIRA_DATA": str(data)} | stores.environment)
    apart(lambda: provisioning(settings, dry_run=False))
    desk = RunningPlatform(data, None, "app", "admin", "worker", **stores.environment).wait_until_ready()
    add_admin(data, **stores.environment)
    yield desk
    desk.stop()


def test_every_page_says_that_a_store_is_away_and_is_right_again_by_itself(
    browser: Browser, desk: RunningPlatform, stores: Stores
) -> None:
    page, _ = sign_in(browser, desk.address)
    copy_whole(page, desk.address, "Accounts")
    live = page.context.new_page()
    live.goto(f"{desk.address}/admin/migration")
    expect(live.get_by_text(LIVE)).to_be_visible()

    stores.stop_documents()
    expect(live.locator("main")).to_contain_text(re.compile("documents cannot be reached|document store does not"))
    looked_at(page, desk.address, "documents", "document store does not|documents cannot be reached|Cosmos DB does not")
    stores.start_documents()
    expect(page.get_by_role("heading", name="Accounts", exact=True)).to_be_visible()
    expect(live.locator("main")).not_to_contain_text("cannot be reached")
    expect(live.get_by_text(LIVE)).to_be_visible()

    filled_in = asked_for(page, desk.address)
    stores.stop_postgres()
    expect(live.get_by_text(re.compile("PostgreSQL does not answer|Not connected"))).to_be_visible()
    filled_in.click()
    expect(page.get_by_text("what you wrote is still there")).to_be_visible()
    shoot(page, "away-postgres-sent")
    looked_at(page, desk.address, "postgres", "PostgreSQL does not answer")
    stores.start_postgres()
    expect(page.get_by_role("heading", name="Accounts", exact=True)).to_be_visible()
    expect(live.get_by_text(LIVE)).to_be_visible()
    live.close()
    page.close()


def looked_at(page: Page, address: str, away: str, says: str) -> None:
    """Look at every page; the list of accounts comes last, and is the one that is waited on."""
    for name, path in sorted(PAGES.items(), key=lambda one: one[0] == "accounts"):
        answered = page.goto(f"{address}{path}")
        assert answered is not None and answered.status in (200, 503), (path, page.locator("main").inner_text())
        if answered.status == 503 or name in TELLING:
            expect(page.locator("main")).to_contain_text(re.compile(says))
            expect(page.locator("main")).to_contain_text("mystira doctor")
        if name in SEEN[away]:
            shoot(page, f"away-{away}-{name}")


def asked_for(page: Page, address: str) -> Locator:
    page.goto(f"{address}/admin/migration/Accounts/ask/verify")
    page.get_by_label("Why").fill("a test")
    return page.get_by_role("main").get_by_role("button", name="Verify")
