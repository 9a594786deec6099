"""The audit page: empty, with what was asked for, and narrowed."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.administering import PASSWORD, add_admin, ask, see, sign_in, start

pytestmark = pytest.mark.browser


def test_the_audit_tells_everything_that_was_done_and_narrows_it(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        see(page, f"{running.address}/admin/audit?who=nobody", "audit-empty", "Nothing was asked for or done that fits")
        ask(page, running.address, "start")
        see(page, f"{running.address}/admin/audit", "audit", "Accounts")
        row = page.get_by_role("row").filter(has_text="ada").filter(has_text="Accounts").first
        expect(row).to_contain_text("a test")
        page.get_by_label("Who").fill("ada")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("row").filter(has_text="ada").first).to_be_visible()
        assert PASSWORD not in page.content()
        assert said == []
    finally:
        assert running.stop() == 0, running.output
