"""A storm over one game: two devices whose requests are late, doubled, reordered and lost, on a store that is slow."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from mystira.content.scenarios.storage import SCENARIO_VERSIONS
from mystira.play.actions import make_move
from mystira.play.model import moves
from mystira.play.model.moves import Asked, choices_of
from mystira.play.model.session import GameSession, Move, Player
from mystira.play.problems import SceneMovedOn, SessionOver
from mystira.play.storage import COLLECTIONS
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.store import OutcomeUnknown, Unavailable
from mystira.polyglot.stores.memory import MemoryDocuments
from mystira.polyglot.stores.memory_relational import MemoryRelational
from mystira.polyglot.work import Work, Works
from tests.play.stories import random_script
from tests.storms.loop import StormLoop

START = datetime(2026, 11, 21, tzinfo=UTC)
PLAYERS = (Player(id="p1", name="Mira", profile_id="mira"), Player(id="p2", name="Gus"))
TURNS, TRIES = 12, 12
NETWORK_S, STORE_S = (0.0, 0.05, 0.4, 2.0), (0.0, 0.0, 0.01, 0.05)


class _Slow:
    """A store whose reads and writes take time, so that others come between, and whose answers get lost."""

    def __init__(self, store: Any, loop: StormLoop) -> None:
        self._store, self._loop = store, loop

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("read", "write"):
            return method

        async def call(*args: Any, **named: Any) -> Any:
            await asyncio.sleep(self._loop.choose("before the store", STORE_S))
            if name == "write" and self._loop.choose("refused by the store", 0.05):
                raise Unavailable("it has gone away")
            answer = await method(*args, **named)
            await asyncio.sleep(self._loop.choose("after the store", STORE_S))
            if name == "write" and self._loop.choose("answer of the store lost", 0.1):
                raise OutcomeUnknown("the answer got lost")
            return answer

        return call


class _Game:
    def __init__(self, loop: StormLoop, seed: int) -> None:
        self.loop = loop
        self.chance = Random(seed)
        self.script = random_script(self.chance, 7)
        self.answers: list[tuple[Asked, Move]] = []
        clock = lambda: START + timedelta(seconds=loop.time())  # noqa: E731
        documents: Any = _Slow(MemoryDocuments(loop.time), loop)
        relational = MemoryRelational()
        self.servers = [
            Works(
                Catalog((*COLLECTIONS, SCENARIO_VERSIONS)),
                documents=documents,
                relational=relational,
                clock=clock,
                random=Random(f"{seed} {server}"),
            )
            for server in range(2)
        ]
        for works in self.servers:
            known = works.memos.named("play.scripts", 1, of="ScenarioVersions")
            known.put((self.script.scenario_id, self.script.version), self.script)

    async def begin(self) -> GameSession:
        first, _ = moves.start(
            self.script,
            session_id="game",
            account_id="family",
            owner_profile_id="mira",
            players=PLAYERS,
            seed=7,
            now=START,
        )

        async def save(work: Work) -> None:
            if await work.get(GameSession, "game", "family") is None:
                work.save(first)

        await self._insisting(lambda: self.servers[0].run(save))
        return first

    async def seen(self) -> GameSession:
        found = await self.servers[0].open().get(GameSession, "game", "family")
        assert found is not None
        return found

    async def device(self, name: str) -> None:
        """Play: look, ask, and ask the same again until there is an answer, as the pages do."""
        for turn in range(TURNS):
            game = await self.seen()
            if game.is_over:
                return
            scene = self.script.scene(game.scene_id)
            choice = self.loop.choose("choice", choices_of(scene))
            # Both devices may well press the very same button of the very same page.
            key = f"{len(game.moves) + 1}-{choice}" if self.loop.choose("same page", 0.5) else f"{name}-{turn}"
            asked = Asked(scene_id=scene.id, choice=choice, key=key)
            copies = 2 if self.loop.choose("doubled", 0.3) else 1
            await asyncio.gather(*(self._ask(asked) for _ in range(copies)))

    async def _ask(self, asked: Asked) -> None:
        works = self.loop.choose("server", self.servers)
        await asyncio.sleep(self.loop.choose("on the way", NETWORK_S))
        try:
            _, made = await self._insisting(
                lambda: works.run(make_move, account_id="family", session_id="game", asked=asked)
            )
        except (SceneMovedOn, SessionOver):
            return
        if not self.loop.choose("answer lost", 0.2):
            self.answers.append((asked, made))

    async def _insisting(self, ask: Any) -> Any:
        for _ in range(TRIES):
            try:
                return await ask()
            except (Unavailable, OutcomeUnknown):
                await asyncio.sleep(self.loop.choose("again after", NETWORK_S))
        raise AssertionError("a store that fails now and then answers some day")


async def two_devices(loop: StormLoop, seed: int) -> None:
    """Two devices play one game as far as they come; then it is one line of moves, and every answer is one of them."""
    game = _Game(loop, seed)
    first = await game.begin()
    await asyncio.gather(game.device("phone"), game.device("tablet"))
    end = await game.seen()
    assert [move.number for move in end.moves] == list(range(1, len(end.moves) + 1)), "the moves have gaps"
    assert len({move.key for move in end.moves}) == len(end.moves), "a key moved twice"
    for asked, answer in game.answers:
        assert answer == end.moves[answer.number - 1], f"an answer is no move of the game: {asked}"
    again = first
    for move in end.moves:
        scene, choice, player = move.asked.split("\n")
        asked = Asked(scene_id=scene, choice=choice, key=move.key, player_id=player or None)
        again, _, _ = moves.move(again, game.script, asked, move.at)
    assert again == end, "the moves do not lead to where the game stands"
    loop.count("over" if end.is_over else "going on")
    loop.counts["moves"] += len(end.moves)
    loop.counts["answers"] += len(game.answers)
