"""Watching one record: one look serves everybody, nobody misses what changed, and an outage is waited out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from mystira.polyglot.store import Key, Unavailable
from mystira.polyglot.watching import Watchers, changes

pytestmark = pytest.mark.anyio

GAME = Key("family", "game")


class Table:
    """A record that anybody changes, with a count of how often it was looked at."""

    def __init__(self) -> None:
        self.watchers = Watchers()
        self.value = 1
        self.reads = self.shows = 0
        self.fails = 0

    def change(self, value: int) -> None:
        self.value = value
        self.watchers.ring("games", GAME)

    async def read(self) -> int:
        self.reads += 1
        value = self.value
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise Unavailable("it has gone away")
        return value

    async def show(self, value: int) -> str:
        self.shows += 1
        return f"it is {value}"

    def watch(self, every_s: float = 60.0) -> AsyncGenerator[str]:
        return changes(self.watchers, "games", GAME, self.read, self.show, every_s=every_s)


@pytest.fixture
def table() -> Table:
    return Table()


async def test_one_look_serves_everybody_who_watches(table: Table) -> None:
    streams = [table.watch() for _ in range(5)]
    assert [await anext(stream) for stream in streams] == ["it is 1"] * 5
    reads, shows = table.reads, table.shows
    coming = [asyncio.ensure_future(anext(stream)) for stream in streams]
    await asyncio.sleep(0)
    table.change(2)
    assert await asyncio.gather(*coming) == ["it is 2"] * 5
    assert (table.reads - reads, table.shows - shows) == (1, 1)
    for stream in streams:
        await stream.aclose()
    assert len(table.watchers) == 0


async def test_what_changes_while_it_is_read_is_read_again(table: Table) -> None:
    async with aclosing(table.watch()) as stream:
        coming = asyncio.ensure_future(anext(stream))
        while not table.reads:
            await asyncio.sleep(0)
        # The read has taken the old value by now, and has not come back with it yet.
        table.change(2)
        assert await coming == "it is 1"
        assert await anext(stream) == "it is 2"


async def test_who_comes_later_begins_with_how_things_stand_now(table: Table) -> None:
    async with aclosing(table.watch()) as one, aclosing(table.watch()) as other:
        assert await anext(one) == "it is 1"
        # Another process has written it: nobody rings.
        table.value = 2
        assert await anext(other) == "it is 2"


async def test_what_another_process_writes_is_seen_without_a_bell(table: Table) -> None:
    async with aclosing(table.watch(every_s=0.01)) as stream:
        assert await anext(stream) == "it is 1"
        table.value = 2
        assert await anext(stream) == "it is 2"


async def test_an_outage_is_waited_out(table: Table) -> None:
    table.fails = 2
    async with aclosing(table.watch(every_s=0.01)) as stream:
        assert await anext(stream) == "it is 1"
    assert table.reads == 3


async def test_what_is_no_outage_ends_the_watching_of_everybody(table: Table) -> None:
    async def gone() -> int:
        raise LookupError("there is no such game")

    streams = [changes(table.watchers, "games", GAME, gone, table.show) for _ in range(2)]
    for stream in streams:
        with pytest.raises(LookupError):
            await anext(stream)
    assert len(table.watchers) == 0


async def test_one_who_stops_while_looking_takes_nothing_from_the_others(table: Table) -> None:
    streams = [table.watch(), table.watch()]
    first, second = (asyncio.ensure_future(anext(stream)) for stream in streams)
    while not table.reads:
        await asyncio.sleep(0)
    first.cancel()
    assert await second == "it is 1"
    await streams[1].aclose()
    assert len(table.watchers) == 0
