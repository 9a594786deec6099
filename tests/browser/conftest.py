"""A real browser against a platform in a process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.prepared import copy_of
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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Iterator[RunningPlatform]:
    """One platform for a module; where it matters what was played before, a test enters as a family of its own."""
    platform = RunningPlatform(copy_of(whole, tmp_path_factory.mktemp("running") / "data")).wait_until_ready()
    yield platform
    assert platform.stop() == 0, platform.output
