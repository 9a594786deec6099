"""Twenty requests at once, through two servers on the same stores: one game, one move, whichever store leads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httpx import AsyncClient, Response

from mystira.play.model.session import GameSession
from mystira.polyglot.query import equal
from mystira.run import SAMPLE_CONTENT
from mystira.services.app import make_player_app, seed
from mystira.services.platform import Platform
from tests.journeys.conftest import client_of
from tests.journeys.killing import Place, opened

pytestmark = pytest.mark.anyio

START = {
    "scenario_id": "the-moss-bridge",
    "owner_profile_id": "sample-mira",
    "players": [{"profile_id": "sample-mira", "character_id": "juno"}],
}


class TwoServers(NamedTuple):
    platform: Platform
    clients: tuple[AsyncClient, AsyncClient]

    async def at_once(self, *requests: tuple[str, dict[str, Any]]) -> list[Response]:
        """Send all of them before the first is answered, to the two servers in turn."""
        sent: list[Awaitable[Response]] = [
            self.clients[number % 2].post(url, json=body) for number, (url, body) in enumerate(requests)
        ]
        return list(await asyncio.gather(*sent))

    async def games(self) -> list[GameSession]:
        work = self.platform.works.open()
        return list((await work.find(GameSession, equal("account_id", "sample-family"), limit=500)).items)


@pytest.fixture(params=["documents", "postgres"], ids=lambda led_by: f"{led_by} lead")
async def servers(request: pytest.FixtureRequest, tmp_path: Path, clean_postgres: str) -> AsyncIterator[TwoServers]:
    place = Place(str(tmp_path / "data"), clean_postgres, request.param)
    async with AsyncExitStack() as stack:
        platforms = [await stack.enter_async_context(opened(place)) for _ in range(2)]
        await seed(platforms[0], SAMPLE_CONTENT, print)
        clients: list[AsyncClient] = []
        for running in platforms:
            client = await stack.enter_async_context(client_of(make_player_app(running)))
            assert (await client.post("/sign-in/sample-family", follow_redirects=False)).status_code == 303
            clients.append(client)
        yield TwoServers(platforms[0], (clients[0], clients[1]))


async def test_twenty_starts_at_once_give_one_game(servers: TwoServers) -> None:
    for _ in range(5):
        answers = await servers.at_once(*[("/api/v1/sessions", START)] * 20)
        assert {answer.status_code for answer in answers} == {201}
        (session_id,) = {answer.json()["session_id"] for answer in answers}
        assert [game.id for game in await servers.games() if not game.is_over] == [session_id]
        # The next round begins with nothing unfinished again.
        await servers.clients[0].post(f"/api/v1/sessions/{session_id}/abandon")
    assert len(await servers.games()) == 5


async def test_twenty_who_start_over_at_once_leave_one_game_unfinished(servers: TwoServers) -> None:
    await servers.at_once(("/api/v1/sessions", START))
    answers = await servers.at_once(*[("/api/v1/sessions", START | {"restart": True})] * 20)
    assert {answer.status_code for answer in answers} == {201}
    games = await servers.games()
    (left,) = [game for game in games if not game.is_over]
    assert len(games) > 1 and {game.state for game in games if game != left} == {"abandoned"}
    (resumed,) = await servers.at_once(("/api/v1/sessions", START))
    assert resumed.json()["session_id"] == left.id


async def test_of_twenty_moves_from_one_scene_one_is_made(servers: TwoServers) -> None:
    (started,) = await servers.at_once(("/api/v1/sessions", START))
    url = f"/api/v1/sessions/{started.json()['session_id']}"
    await servers.at_once((f"{url}/moves", {"scene_id": "arrival", "choice": "continue", "key": "first"}))
    shown = (await servers.clients[0].get(url)).json()
    choices = [choice["id"] for choice in shown["scene"]["choices"]]
    moves = [
        {"scene_id": "why", "choice": choices[number % len(choices)], "key": f"key {number}"} for number in range(20)
    ]
    answers = await servers.at_once(*((f"{url}/moves", move) for move in moves))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    (game,) = await servers.games()
    assert len(game.moves) == 2
    # Asked once more, each gets the answer that it got before.
    again = await servers.at_once(*((f"{url}/moves", move) for move in moves))
    assert [answer.status_code for answer in again] == [answer.status_code for answer in answers]
    assert [answer.json() for answer in again if answer.status_code == 200] == [
        answer.json() for answer in answers if answer.status_code == 200
    ]
