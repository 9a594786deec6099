"""The whole platform with its documents in a Cosmos DB: the local endpoint, through the official client."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.play.model.results import PlayerScenarioScore
from mystira.polyglot.store import Unavailable
from mystira.run import SAMPLE_CONTENT, platform, provisioning, settle
from mystira.services.app import make_player_app, seed
from mystira.settings import Settings, read_settings
from tests.journeys.conftest import Running, client_of
from tests.journeys.test_api import play_to_the_end, start
from tests.processes import UNLIMITED

pytestmark = pytest.mark.anyio


@pytest.fixture
async def on_cosmos(tmp_path: Path, clean_postgres: str) -> AsyncIterator[Settings]:
    async with listening(Endpoint(ranges=2)) as (url, _):
        stores = {
            "MYSTIRA_DATA": str(tmp_path / "data"),
            "MYSTIRA_RELATIONAL": clean_postgres,
            "MYSTIRA_DOCUMENTS": f"cosmos://{url.removeprefix('http://')}/mystira?tls=0",
            "MYSTIRA_COSMOS_KEY": WELL_KNOWN_KEY,
        }
        yield read_settings(stores | UNLIMITED)


async def test_a_story_is_played_and_scored_on_cosmos(on_cosmos: Settings) -> None:
    await provisioning(on_cosmos, dry_run=False)
    async with platform(on_cosmos, print) as opened:
        await seed(opened, SAMPLE_CONTENT, print)
        app = make_player_app(opened)
        async with client_of(app) as client:
            running = Running(opened, app, client)
            await client.post("/sign-in/sample-family", follow_redirects=False)
            game = await start(running)
            await play_to_the_end(running, game["session_id"])
            await settle(opened)
            assert await opened.works.open().count(PlayerScenarioScore) == 1
            for path in ("/", "/api/v1/stories", "/games", "/profiles", "/api/v1/profiles/sample-mira/badges"):
                assert (await client.get(path)).status_code < 500, path


async def test_without_its_containers_the_platform_says_what_to_run(on_cosmos: Settings) -> None:
    with pytest.raises(Unavailable, match="mystira cosmos provision"):
        async with platform(on_cosmos, print):
            pass
