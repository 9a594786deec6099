"""The first page of the administration in a browser: before anything was told, healthy, and with a service gone."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.administering import LETTERS, add_admin, sign_in, sql, start
from tests.browser.looks import shoot

pytestmark = pytest.mark.browser


def test_the_overview_looks_right_empty_healthy_and_with_a_service_that_is_gone(
    browser: Browser, tmp_path: Path
) -> None:
    data = tmp_path / "data"
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
        shoot(page, "admin-overview")
        # Killed, it takes no leave; after half a minute its silence tells.
        worker.stop(signal.SIGKILL)
        sql(data, "UPDATE polyglot.heartbeat SET at = at - interval '1 minute' WHERE services = '{worker}'")
        expect(page.get_by_text("mystira run worker")).to_be_visible(timeout=60_000)
        shoot(page, "admin-overview-silent")
        assert said == []
        page.goto(f"{platform.address}/admin/queue")
        shoot(page, "admin-queue-empty")
        sql(data, LETTERS)
        page.goto(f"{platform.address}/admin/queue?collection=Accounts")
        expect(page.get_by_text("60 letters.")).to_be_visible()
        shoot(page, "admin-queue")
        page.get_by_role("link", name="account-").first.click()
        expect(page.get_by_role("heading", name="A letter of Accounts")).to_be_visible()
        shoot(page, "admin-letter")
        assert said == []
        page.close()
    finally:
        worker.stop(signal.SIGKILL)
        assert platform.stop() == 0, platform.output
