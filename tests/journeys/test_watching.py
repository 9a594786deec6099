"""Watching a game over server-sent events, on a server in a process of its own: who sees what, and how many may."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mystira.play.actions import make_move
from mystira.play.model.moves import Asked
from mystira.run import platform
from mystira.settings import read_settings
from tests.processes import RunningPlatform

pytestmark = pytest.mark.anyio

START = {
    "scenario_id": "the-clockwork-orchard",
    "owner_profile_id": "sample-mira",
    "players": [{"profile_id": "sample-mira"}],
}


@pytest.fixture
async def running(data: Path) -> AsyncIterator[RunningPlatform]:
    started = RunningPlatform(data)
    await asyncio.to_thread(started.wait_until_ready)
    yield started
    # A server that stops ends its streams instead of waiting for them.
    assert await asyncio.to_thread(started.stop) == 0, started.output


@pytest.fixture
async def client(running: RunningPlatform) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(running.address, cookie_jar=jar) as client:
        await client.post("/sign-in/sample-family")
        yield client


@asynccontextmanager
async def watching(client: aiohttp.ClientSession, session_id: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with client.get(f"/api/v1/sessions/{session_id}/events") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def standings() -> AsyncIterator[dict[str, Any]]:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

        yield standings()


async def start(client: aiohttp.ClientSession) -> str:
    async with client.post("/api/v1/sessions", json=START) as answer:
        return (await answer.json())["session_id"]


async def move(client: aiohttp.ClientSession, shown: dict[str, Any]) -> int:
    body = {
        "scene_id": shown["scene"]["id"],
        "choice": shown["scene"]["choices"][0]["id"],
        "key": f"k{shown['moves']}",
    }
    async with client.post(f"/api/v1/sessions/{shown['session_id']}/moves", json=body) as answer:
        return answer.status


async def test_everyone_who_watches_sees_every_move_and_begins_with_where_it_stands(
    client: aiohttp.ClientSession,
) -> None:
    session_id = await start(client)
    async with watching(client, session_id) as one, watching(client, session_id) as other:
        for number in range(4):
            seen = [await anext(stream) for stream in (one, other)]
            assert [shown["moves"] for shown in seen] == [number, number]
            assert await move(client, seen[0]) == 200
    async with watching(client, session_id) as late:
        assert (await anext(late))["moves"] == 4


async def test_a_move_through_another_process_is_seen_as_well(
    client: aiohttp.ClientSession, running: RunningPlatform, data: Path
) -> None:
    session_id = await start(client)
    async with watching(client, session_id) as stream:
        shown = await anext(stream)
        settings = read_settings({"MYSTIRA_DATA": str(data)})
        async with platform(settings, lambda text: None) as elsewhere:
            asked = Asked(scene_id=shown["scene"]["id"], choice="continue", key="elsewhere")
            await elsewhere.works.run(make_move, account_id="sample-family", session_id=session_id, asked=asked)
            assert (await anext(stream))["moves"] == 1


async def test_strangers_watch_nothing_and_nobody_opens_streams_without_end(client: aiohttp.ClientSession) -> None:
    session_id = await start(client)
    async with (
        aiohttp.ClientSession(str(client._base_url)) as stranger,
        stranger.get(f"/api/v1/sessions/{session_id}/events") as answer,
    ):
        assert answer.status == 401
    async with client.get("/api/v1/sessions/nobody/events") as answer:
        assert answer.status == 404
    opened = [await client.get(f"/api/v1/sessions/{session_id}/events") for _ in range(20)]
    for answer in opened:
        await answer.content.readline()
    async with client.get(f"/api/v1/sessions/{session_id}/events") as answer:
        assert (answer.status, (await answer.json())["code"]) == (429, "too_many_streams")
    for answer in opened:
        answer.close()
    async with asyncio.timeout(60):
        while True:
            async with client.get(f"/api/v1/sessions/{session_id}/events") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.1)
