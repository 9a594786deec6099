"""Watching one record: one look serves everybody, nobody misses what changed, and an outage is waited out."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.store import Key, Unavailable
from mystira.polyglot.watching import Watchers

pytestmark = pytest.mark.anyio

GAME = Key("family", "game")


class Game(Entity, frozen=True):
    """What is watched."""

    value: int


class Table:
    """A record that anybody changes, with a count of how often it was looked at."""

    def __init__(self, every_s: float = 60.0) -> None:
        self.watchers = Watchers(every_s)
        self.game = Game(id="game", value=1)
        self.seq = 1
        self.reads = self.shows = 0
        self.fails = 0

    def change(self, value: int) -> None:
        self.change_elsewhere(value)
        self.watchers.ring("games", GAME, Stamp(1, self.seq), self.game)

    def change_elsewhere(self, value: int) -> None:
        self.game, self.seq = Game(id="game", value=value), self.seq + 1

    async def read(self) -> tuple[Stamp, Game]:
        self.reads += 1
        found = Stamp(1, self.seq), self.game
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise Unavailable("it has gone away")
        return found

    async def show(self, game: Game) -> str:
        self.shows += 1
        return f"it is {game.value}"

    async def until_read_again(self) -> None:
        reads = self.reads
        async with asyncio.timeout(60):
            while self.reads == reads:
                await asyncio.sleep(0)

    def watch(self) -> AbstractContextManager[Callable[[], Awaitable[str]]]:
        return self.watchers.watch("games", GAME, self.read, self.show)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def restless() -> Table:
    """A record that is looked at again and again, whether or not somebody rings."""
    return Table(every_s=0.01)


async def test_one_look_serves_everybody_who_watches_and_nothing_is_read_for_it(table: Table) -> None:
    with ExitStack() as stack:
        watching = [stack.enter_context(table.watch()) for _ in range(5)]
        assert [await seen() for seen in watching] == ["it is 1"] * 5
        reads, shows = table.reads, table.shows
        coming = [asyncio.ensure_future(seen()) for seen in watching]
        await asyncio.sleep(0)
        table.change(2)
        assert await asyncio.gather(*coming) == ["it is 2"] * 5
        # What this process commits is at hand.
        assert (table.reads - reads, table.shows - shows) == (0, 1)
    assert len(table.watchers) == 0


async def test_what_changes_while_it_is_read_is_read_again(table: Table) -> None:
    with table.watch() as seen:
        coming = asyncio.ensure_future(seen())
        await table.until_read_again()
        # The read has taken the old value by now, and has not come back with it yet.
        table.change(2)
        assert await coming == "it is 1"
        assert await seen() == "it is 2"


async def test_who_comes_later_begins_with_how_things_stand_now(table: Table) -> None:
    with table.watch() as one:
        assert await one() == "it is 1"
        # Another process has written it: nobody rings.
        table.change_elsewhere(2)
        with table.watch() as other:
            assert await other() == "it is 2"


async def test_news_that_come_late_hide_nothing_that_is_newer(table: Table) -> None:
    with table.watch() as seen:
        assert await seen() == "it is 1"
        table.change(2)
        late, table.game = table.game, Game(id="game", value=3)
        table.seq += 1
        with table.watch() as other:
            # Who comes reads, and finds what another process has written since.
            assert await other() == await seen() == "it is 3"
        coming = asyncio.ensure_future(seen())
        table.watchers.ring("games", GAME, Stamp(1, table.seq - 1), late)
        await table.until_read_again()
        assert not coming.done()
        table.change(4)
        assert await coming == "it is 4"


async def test_of_two_commits_the_later_one_is_shown_in_whichever_order_they_ring(table: Table) -> None:
    with table.watch() as seen:
        assert await seen() == "it is 1"
        table.change_elsewhere(2)
        earlier = Stamp(1, table.seq), table.game
        table.change(3)
        table.watchers.ring("games", GAME, *earlier)
        assert await seen() == "it is 3"


async def test_what_has_ended_is_looked_for(table: Table) -> None:
    with table.watch() as seen:
        assert await seen() == "it is 1"
        coming = asyncio.ensure_future(seen())
        table.watchers.ring("games", GAME, Stamp(1, 2), None)
        await table.until_read_again()
        coming.cancel()


async def test_what_another_process_writes_is_seen_without_a_bell(restless: Table) -> None:
    with restless.watch() as seen:
        assert await seen() == "it is 1"
        for value in (2, 3):
            restless.change_elsewhere(value)
            assert await seen() == f"it is {value}"


async def test_what_reads_the_same_is_told_once(restless: Table) -> None:
    with restless.watch() as seen:
        assert await seen() == "it is 1"
        coming = asyncio.ensure_future(seen())
        for _ in range(3):
            await restless.until_read_again()
        assert not coming.done()
        restless.change(2)
        assert await coming == "it is 2"


async def test_an_outage_is_waited_out(restless: Table) -> None:
    restless.fails = 2
    with restless.watch() as seen:
        assert await seen() == "it is 1"
    assert restless.reads == 3


async def test_what_is_no_outage_ends_the_watching_of_everybody(table: Table) -> None:
    async def gone() -> tuple[Stamp, Game]:
        raise LookupError("there is no such game")

    with ExitStack() as stack:
        watchers = table.watchers
        watching = [stack.enter_context(watchers.watch("games", GAME, gone, table.show)) for _ in range(2)]
        for seen in watching:
            with pytest.raises(LookupError):
                await seen()
    assert len(table.watchers) == 0


async def test_one_who_gives_up_while_looking_takes_nothing_from_the_others(table: Table) -> None:
    with table.watch() as one, table.watch() as other:
        first, second = asyncio.ensure_future(one()), asyncio.ensure_future(other())
        await table.until_read_again()
        first.cancel()
        assert await second == "it is 1"
        # Nor from themselves: who asks again has missed nothing.
        assert await one() == "it is 1"


async def test_who_gives_up_alone_and_asks_again_has_missed_nothing(table: Table) -> None:
    with table.watch() as seen:
        for _ in range(2):
            coming = asyncio.ensure_future(seen())
            await table.until_read_again()
            coming.cancel()
            await asyncio.wait({coming})
        assert await seen() == "it is 1"
