"""A real browser against a platform in a process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.processes import RunningPlatform

CHROMIUM = shutil.which("chromium")
# What a test waits for comes sooner or later, on a busy machine later.
expect.set_options(timeout=30_000)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module: while it lives, its event loop keeps others from starting in this thread."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (`make test` brings it where it runs as root with apt-get)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def running(data: Path) -> Iterator[RunningPlatform]:
    platform = RunningPlatform(data).wait_until_ready()
    yield platform
    assert platform.stop() == 0, platform.output
