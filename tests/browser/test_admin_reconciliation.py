"""Two stores differ: it is found, looked at, and mended as it was shown."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.administering import COMMAND_S_MAX, add_admin, ask, copy_whole, see, sign_in, sql, start
from tests.browser.looks import shoot

pytestmark = pytest.mark.browser


def test_a_difference_is_found_looked_at_and_mended(browser: Browser, data: Path) -> None:
    running = start(data)
    try:
        add_admin(data)
        page, said = sign_in(browser, running.address)
        admin = f"{running.address}/admin"
        copy_whole(page, running.address, "Accounts")
        ask(page, running.address, "scrub")
        sql(data, "UPDATE accounts SET display_name = 'Somebody else' WHERE id = 'sample-family'")
        page.goto(f"{admin}/reconciliation/collections/Accounts")
        panel = page.locator("section", has=page.get_by_role("heading", name="Reread all"))
        panel.get_by_label("Why").fill("something looks odd")
        panel.get_by_role("button", name="Reread now").click()
        expect(page.get_by_text("1 key differs for certain")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
        page.goto(f"{admin}/reconciliation/collections/Accounts")
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
    expect(page.get_by_text("1 key would be repaired")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    page.goto(report)
    page.get_by_role("row", name="sample-family").get_by_role("link").click()
    expect(page.get_by_text("The two sides differ: divergent")).to_be_visible()
    page.goto(f"{report}/plan")
    shoot(page, "reconciliation-plan")
    page.get_by_label("Why").fill("as planned")
    page.get_by_role("button", name="Repair").click()
    expect(page.get_by_text("1 repaired")).to_be_visible(timeout=COMMAND_S_MAX * 1_000)
    page.goto(f"{report}/plan")
    shoot(page, "reconciliation-repaired")
