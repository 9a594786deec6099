"""A whole platform in this process, on stores of its own, with a client that speaks to it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from mystira.run import SAMPLE_CONTENT, platform
from mystira.services.app import make_player_app, seed
from mystira.services.platform import Platform
from mystira.settings import read_settings
from tests.prepared import SEEDED
from tests.processes import UNLIMITED


class Running(NamedTuple):
    platform: Platform
    app: Litestar
    client: AsyncClient


def client_of(app: Litestar, cookies: dict[str, str] | None = None) -> AsyncClient:
    """A client that speaks to the application in this very event loop."""
    return AsyncClient(transport=ASGITransport(app), base_url="http://mystira.example", cookies=cookies)  # type: ignore[arg-type]


@pytest.fixture
async def running(tmp_path: Path, whole: Path, clean_postgres: str) -> AsyncIterator[Running]:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(whole / SEEDED, data / "documents.sqlite")
    stores = {"MYSTIRA_DATA": str(data), "MYSTIRA_RELATIONAL": clean_postgres}
    settings = read_settings(stores | UNLIMITED)
    async with platform(settings, print) as opened:
        await seed(opened, SAMPLE_CONTENT, print)
        app = make_player_app(opened)
        async with client_of(app) as client:
            yield Running(opened, app, client)


@pytest.fixture
async def family(running: Running) -> Running:
    """The same, signed in as the sample family."""
    answer = await running.client.post("/sign-in/sample-family", follow_redirects=False)
    assert answer.status_code == 303
    return running
