"""Scene moves over HTTP, open-loop: each is due at its time, and its latency counts from then."""

import asyncio
import json
import math
import os
import re
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.processes import RunningPlatform

from bench.measuring import Latency
from mystira.accounts.actions import add_profile, give_consent, open_browser_session
from mystira.polyglot.keyed import keyed_hash
from mystira.run import platform
from mystira.settings import read_settings

SESSIONS = 200
EVERY_S = 2.0
SECONDS_FACTOR = 3
GOAL_P95_MS = 50.0
WATCHERS = 2
COMING_S = 6.0
OVER = b'"state":"completed"'
MOVES = re.compile(rb'"moves":(\d+)')
STORIES = ("the-moss-bridge", "the-clockwork-orchard", "the-lantern-in-the-lighthouse")


async def measure(seconds: float) -> list[Latency]:
    """Let 200 games move every two seconds against `mystira run` in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as folder:
        # Two hundred families share one address here, which is more than a single client may be.
        server = RunningPlatform(Path(folder) / "data", MYSTIRA_LIMIT_WRITES="0").wait_until_ready()
        try:
            players = await _players(Path(folder) / "data", server.port)
            pid = server.process.pid
            begun_s = _cpu_s(pid)
            alone, _ = await _played(players, seconds * SECONDS_FACTOR)
            between_s = _cpu_s(pid)
            watched, seen_ms = await _played(players, seconds * SECONDS_FACTOR, watchers=WATCHERS)
            ended_s = _cpu_s(pid)
        finally:
            server.stop()
    games = f"{SESSIONS} games every {EVERY_S:g} s"
    return [
        _summary(f"a scene move, {games}", *alone, between_s - begun_s),
        _summary(f"a scene move, {games}, {WATCHERS} watch each", *watched, ended_s - between_s),
        _summary("the same move as a watcher sees it, from when it was due", seen_ms, 0),
    ]


class _Answer(NamedTuple):
    status: int
    body: dict[str, Any]


class _Player:
    """One family in one game, on one kept-alive connection."""

    def __init__(self, number: int, port: int) -> None:
        self.chance = Random(number)
        self.port = port
        self.account = f"bench-{number}"
        self.game = ""
        self.begun = asyncio.Event()
        self.moves = 0
        self.due_at: dict[int, float] = {}
        self._story = STORIES[number % len(STORIES)]
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._scene: dict[str, Any] = {}
        self._keys = 0

    async def start(self) -> None:
        """Begin a game, or the next one when the last has ended."""
        profile = {"profile_id": self.account, "character_id": None}
        asked = {"scenario_id": self._story, "owner_profile_id": self.account, "players": [profile]}
        answer = await self._ask("/api/v1/sessions", asked)
        assert answer.status == 201, answer
        self.game = f"/api/v1/sessions/{answer.body['session_id']}"
        self.moves = 0
        self.due_at.clear()
        self._scene = answer.body["scene"]
        begun, self.begun = self.begun, asyncio.Event()
        begun.set()

    async def move(self) -> bool:
        """Make any possible move; tell whether it was accepted."""
        self._keys += 1
        choice = self.chance.choice(self._scene["choices"])["id"]
        asked = {"scene_id": self._scene["id"], "choice": choice, "key": f"k{self._keys}"}
        answer = await self._ask(f"{self.game}/moves", asked)
        if answer.status != 200:
            return False
        self.moves += 1
        self._scene = {} if answer.body["completed"] else answer.body["next_scene"]
        return True

    @property
    def is_over(self) -> bool:
        """Whether the story has ended."""
        return not self._scene

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line[1].close()
            self._line = None

    async def _ask(self, url: str, asked: dict[str, Any]) -> _Answer:
        # A plain socket costs a tenth of an HTTP client, and what the client costs is missing on the server's side.
        if self._line is None:
            self._line = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._line
        body = json.dumps(asked).encode()
        writer.write(
            f"POST {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: mystira_session={self.account}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        return _Answer(int(head[9:12]), json.loads(await reader.readexactly(length)))


async def _players(data: Path, port: int) -> list[_Player]:
    """Make the families in the server's own stores, as a second process may, and let each begin a game."""
    settings = read_settings({"MYSTIRA_DATA": str(data)})
    async with platform(settings, lambda text: None) as opened:
        for number in range(SESSIONS):
            id = f"bench-{number}"
            details = {"name": f"Child {number}", "age_group": "10-12", "avatar": "fox"}
            await opened.works.run(add_profile, account_id=id, profile_id=id, **details)
            await opened.works.run(give_consent, account_id=id, profile_id=id)
            session_id = keyed_hash(opened.key, "browser-session", id)
            await opened.works.run(open_browser_session, session_id=session_id, account_id=id)
    players = [_Player(number, port) for number in range(SESSIONS)]
    for player in players:
        await player.start()
        # The server hangs up on who is silent for long, so each calls anew when its first move is due.
        player.close()
    return players


async def _played(
    players: list[_Player], seconds: float, watchers: int = 0
) -> tuple[tuple[list[float], int], list[float]]:
    """Let everybody move for so long; return how long moves took, how many failed, and when watchers saw them."""
    taken_ms: list[float] = []
    seen_ms: list[float] = []
    errors = 0
    for player in players:
        player.due_at.clear()
    watching = [asyncio.create_task(_watch(player, seen_ms)) for player in players for _ in range(watchers)]
    # People come one after another; four hundred who come in the same moment are no part of what is measured.
    await asyncio.sleep(COMING_S if watchers else 0)
    begun = time.perf_counter() + 0.5

    async def play(player: _Player) -> None:
        nonlocal errors
        due = begun + player.chance.random() * EVERY_S
        while due < begun + seconds:
            if player.is_over:
                await player.start()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            player.due_at[player.moves + 1] = due
            accepted = await player.move()
            taken_ms.append((time.perf_counter() - due) * 1_000)
            errors += not accepted
            due += EVERY_S

    await asyncio.gather(*(play(player) for player in players))
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for player in players:
        player.close()
    return (taken_ms, errors), seen_ms


async def _watch(player: _Player, seen_ms: list[float]) -> None:
    """Follow one player's games on a stream of their own, one game after another."""
    while True:
        next_game = player.begun
        reader, writer = await asyncio.open_connection("127.0.0.1", player.port)
        try:
            writer.write(
                f"GET {player.game}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Cookie: mystira_session={player.account}\r\n\r\n".encode()
            )
            while OVER not in (line := await reader.readline()):
                assert line, "the server ended the stream"
                due = player.due_at.get(int(found[1])) if (found := MOVES.search(line)) else None
                if due is not None:
                    seen_ms.append((time.perf_counter() - due) * 1_000)
            # Each game has a stream of its own, so whoever watches calls anew.
            await next_game.wait()
        finally:
            writer.close()


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _summary(name: str, taken_ms: list[float], errors: int, cpu_s: float | None = None) -> Latency:
    ordered = sorted(taken_ms)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    cpu_ms = None if cpu_s is None else cpu_s / len(ordered) * 1_000
    return Latency(name, len(ordered), at(0.5), at(0.95), at(0.99), ordered[-1], errors, GOAL_P95_MS, cpu_ms)
