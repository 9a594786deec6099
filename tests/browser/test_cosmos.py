"""The whole platform on Cosmos DB in a real browser: the local endpoint in a process of its own, and a story on it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from tests.browser.looks import watched
from tests.browser.playing import begin, choose, enter, go_on, play_on
from tests.processes import ROOT, RunningPlatform

pytestmark = pytest.mark.browser


@pytest.fixture
def on_cosmos() -> Iterator[dict[str, str]]:
    """The settings that name a local endpoint with the platform's containers in it."""
    command = [sys.executable, "-m", "mystira", "cosmos-emulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as endpoint:
        assert endpoint.stdout is not None
        port = endpoint.stdout.readline().strip().rpartition(":")[2]
        settings = {
            "MYSTIRA_DOCUMENTS": f"cosmos://127.0.0.1:{port}/mystira?tls=0",
            "MYSTIRA_COSMOS_KEY": WELL_KNOWN_KEY,
        }
        provision = [sys.executable, "-m", "mystira", "cosmos", "provision"]
        subprocess.run(provision, check=True, env={**os.environ, **settings}, cwd=ROOT)
        yield settings
        endpoint.terminate()


def test_a_family_plays_a_story_to_its_end_and_goes_on_after_a_restart(
    browser: Browser, tmp_path: Path, on_cosmos: dict[str, str]
) -> None:
    running = RunningPlatform(tmp_path / "data", **on_cosmos).wait_until_ready()
    page = browser.new_page()
    said = watched(page)
    enter(page, running.address)
    begin(page)
    play_on(page, ("Wake the owl", "nothing for a while", "lift", "click at a time", "last click"))
    go_on(page)
    expect(page.get_by_role("heading", name="Mira's compass")).to_be_visible()
    page.goto(running.address)
    choose(page)
    page.get_by_role("button", name="Begin the story").click()
    page.locator(".choices button").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    assert running.stop() == 0, running.output
    running = RunningPlatform(tmp_path / "data", running.port, **on_cosmos).wait_until_ready()
    page.goto(running.address)
    page.locator(".games").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="A very polite robot")).to_be_visible()
    # While the server was away, the page's stream of events knocked in vain.
    assert [line for line in said if "ERR_CONNECTION_REFUSED" not in line] == []
    assert not (tmp_path / "data" / "documents.sqlite").exists(), "nothing was kept anywhere else"
    page.close()
    assert running.stop() == 0, running.output
