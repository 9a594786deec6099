"""The first scene on a slow connection: what has to arrive before it can be read fits into a second.

Counted, not timed: a busy machine is slow in ways that a connection is not. `bench` measures the seconds.
"""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.playing import begin, enter_anew
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser

# Lighthouse's slow connection of a phone.
ROUND_TRIP_S, BYTES_PER_S = 0.15, 1_600_000 / 8
# The connection, the page, and what the page says must be there before anything is drawn.
ROUND_TRIPS = 3
BLOCKING = """() => [performance.getEntriesByType("navigation")[0],
    ...performance.getEntriesByType("resource").filter((one) => one.renderBlockingStatus === "blocking")]
  .map((one) => [one.name, one.transferSize])"""


def test_the_first_scene_is_readable_within_a_second_on_a_slow_connection(
    browser: Browser, running: RunningPlatform
) -> None:
    context = browser.new_context(service_workers="block")
    page = context.new_page()
    enter_anew(page, running.address)
    begin(page)
    address = page.url
    state = context.storage_state()
    context.close()
    # A phone that was never here before: nothing is kept.
    fresh = browser.new_context(storage_state=state, service_workers="block")
    page = fresh.new_page()
    page.goto(address)
    expect(page.get_by_role("heading", name="The gate that hums")).to_be_visible()
    arrived = page.evaluate(BLOCKING)
    assert len(arrived) == 2, f"more than the page and its style has to be there first: {arrived}"
    seconds = ROUND_TRIPS * ROUND_TRIP_S + sum(size for _, size in arrived) / BYTES_PER_S
    assert all(size > 0 for _, size in arrived), f"something was kept from before: {arrived}"
    assert seconds < 1, f"{seconds:.2f} s: {arrived}"
    fresh.close()
