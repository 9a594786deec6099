"""Players who only know the public API: what it acknowledged to them they remember, and ask for at the end."""

import asyncio
import json
import time
from random import Random
from typing import Any, NamedTuple

from demo.families import name_of

STORIES = ("the-moss-bridge", "the-clockwork-orchard", "the-lantern-in-the-lighthouse")
ANSWER_S_MAX = 10.0
PATIENCE_S = 60.0
AGAIN_S = 0.1


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: dict[str, Any]


class Kept(NamedTuple):
    """One acknowledged move: how it was asked for, and what was answered."""

    url: str
    asked: dict[str, Any]
    body: dict[str, Any]


class Taken(NamedTuple):
    """How long one move took, from its first request to its acknowledgement, however often it had to be repeated."""

    at: float
    seconds: float
    tries: int


class Wrong(Exception):
    """The API answered what it never should."""


class Player:
    """One family that plays one game after another."""

    def __init__(self, number: int, port: int) -> None:
        self.id = name_of(number)
        self.acknowledged: list[Kept] = []
        self.moves: dict[str, int] = {}
        self.over: set[str] = set()
        self.taken: list[Taken] = []
        self._chance = Random(number)
        self._port = port
        self._story = number
        self._keys = 0
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def play(self, every_s: float, until: asyncio.Event) -> None:
        """Make a move every so often until it is time to stop."""
        await asyncio.sleep(self._chance.random() * every_s)
        while not until.is_set():
            session_id, scene = await self._begin()
            while scene and not until.is_set():
                scene = await self._move(session_id, scene)
                # In step with each other, as a hold leaves them, they would come all at once and wait for one another.
                await asyncio.sleep(every_s * self._chance.uniform(0.5, 1.5))

    async def check(self) -> list[str]:
        """Ask for everything that was acknowledged; return what was lost or is not as it was."""
        wrong: list[str] = []
        for kept in self.acknowledged:
            again = await self._patiently("POST", kept.url, kept.asked)
            if again != (200, kept.body):
                wrong.append(f"{self.id}: {kept.url} {kept.asked['key']} was acknowledged, and is {again} now")
        for session_id, moves in self.moves.items():
            now = await self._patiently("GET", f"/api/v1/sessions/{session_id}", None)
            if now.status != 200 or now.body["moves"] != moves:
                wrong.append(f"{self.id}: {session_id} has {now.body.get('moves')} moves, {moves} were acknowledged")
            elif (now.body["state"] == "completed") is not (session_id in self.over):
                wrong.append(f"{self.id}: {session_id} is {now.body['state']}")
        self.close()
        return wrong

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line[1].close()
            self._line = None

    async def _begin(self) -> tuple[str, dict[str, Any]]:
        self._story += 1
        asked = {
            "scenario_id": STORIES[self._story % len(STORIES)],
            "owner_profile_id": self.id,
            "players": [{"profile_id": self.id, "character_id": None}],
        }
        answer = await self._patiently("POST", "/api/v1/sessions", asked)
        if answer.status != 201:
            raise Wrong(f"{self.id} could not begin: {answer}")
        session_id = answer.body["session_id"]
        self.moves.setdefault(session_id, 0)
        return session_id, answer.body["scene"]

    async def _move(self, session_id: str, scene: dict[str, Any]) -> dict[str, Any]:
        self._keys += 1
        choice = self._chance.choice(scene["choices"])["id"]
        asked = {"scene_id": scene["id"], "choice": choice, "key": f"{self.id}-{self._keys}"}
        url = f"/api/v1/sessions/{session_id}/moves"
        answer = await self._patiently("POST", url, asked, timed=True)
        if answer.status != 200:
            raise Wrong(f"{self.id} could not move: {answer}")
        self.acknowledged.append(Kept(url, asked, answer.body))
        self.moves[session_id] += 1
        if answer.body["completed"]:
            self.over.add(session_id)
            return {}
        return answer.body["next_scene"]

    async def _patiently(self, verb: str, url: str, asked: dict[str, Any] | None, *, timed: bool = False) -> Answer:
        """Ask until there is an answer, as a game on a tablet does: the same question, under the same key."""
        began = time.monotonic()
        tries = 0
        while time.monotonic() < began + PATIENCE_S:
            tries += 1
            try:
                async with asyncio.timeout(ANSWER_S_MAX):
                    answer = await self._ask(verb, url, asked)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError):
                self.close()
            else:
                if answer.status not in (429, 500, 502, 503, 504):
                    if timed:
                        self.taken.append(Taken(began, time.monotonic() - began, tries))
                    return answer
            await asyncio.sleep(AGAIN_S)
        raise Wrong(f"{self.id}: {verb} {url} had no answer for {PATIENCE_S:.0f} s")

    async def _ask(self, verb: str, url: str, asked: dict[str, Any] | None) -> Answer:
        if self._line is None:
            self._line = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._line
        body = b"" if asked is None else json.dumps(asked).encode()
        head = (
            f"{verb} {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: mystira_session={self.id}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answered.split(b"content-length: ")[1].split(b"\r\n")[0])
        found = Answer(int(answered[9:12]), json.loads(await reader.readexactly(length) or b"{}"))
        if b"connection: close" in answered:
            self.close()
        return found


def percentiles(taken: list[Taken]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the longest, in milliseconds."""
    ordered = sorted(one.seconds * 1_000 for one in taken) or [0.0]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], ordered[-1]
