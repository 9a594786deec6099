"""Loops that are woken often share rounds, and a follower asks only where something may be new."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mystira.polyglot.feed import LEASE_S, FeedFollower
from mystira.polyglot.loops import Wake, keep_doing
from tests.polyglot.counting import COLLECTIONS, COUNTERS, Counter, Failing, Rig, raise_counter

pytestmark = pytest.mark.anyio


def follower_on(rig: Rig, documents: Any, owner: str = "follower") -> FeedFollower:
    return FeedFollower(COLLECTIONS, documents, rig.postgres, clock=lambda: rig.now, owner=owner)


async def at_rest(follower: FeedFollower) -> None:
    # One step more than those that find something: the first to find nothing is the one that remembers.
    while await follower.step():
        continue
    await follower.step()


async def test_many_wake_ups_in_a_row_share_a_round_and_a_single_one_does_not_wait() -> None:
    wake, rounds = Wake(), []

    async def step() -> int:
        rounds.append(asyncio.get_running_loop().time())
        return 0

    loop = asyncio.create_task(keep_doing("test", step, wake, idle_s=60, apart_s=0.3))
    await asyncio.sleep(0.4)
    rung = asyncio.get_running_loop().time()
    wake.ring()
    await asyncio.sleep(0.1)
    assert len(rounds) == 2 and rounds[1] - rung < 0.1
    for _ in range(50):
        wake.ring()
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.7)
    loop.cancel()
    assert len(rounds) == 3
    assert rounds[2] - rounds[1] >= 0.25


async def test_a_follower_asks_no_range_where_nothing_is_new(rig: Rig) -> None:
    documents = Failing(rig.sqlite, ("feed",))
    follower = follower_on(rig, documents)
    await rig.works.run(raise_counter, kind=Counter, id="a", by=1)
    await at_rest(follower)
    documents.plan(None)
    assert await follower.step() == 0
    assert documents.calls == []
    await rig.works.run(raise_counter, kind=Counter, id="a", by=1)
    assert await follower.step() == 1
    # Only the ranges of the one collection that changed.
    assert len(documents.calls) == len(await rig.sqlite.feed_ranges(COUNTERS))


async def test_a_follower_takes_over_what_another_one_left_although_nothing_is_new(rig: Rig) -> None:
    for number in range(20):
        await rig.works.run(raise_counter, kind=Counter, id=str(number), by=1)
    died = follower_on(rig, Failing(rig.sqlite), "died")
    for range_id in await rig.sqlite.feed_ranges(COUNTERS):
        assert await died._reader._lease((COUNTERS.name, range_id))
    follower = follower_on(rig, rig.sqlite, "lives")
    assert [await follower.step() for _ in range(3)] == [0, 0, 0]
    rig.now += timedelta(seconds=LEASE_S)
    assert await follower.step() == 20


async def test_a_split_is_noticed_where_nothing_is_written(rig: Rig) -> None:
    await rig.works.run(raise_counter, kind=Counter, id="a", by=1)
    before = await rig.sqlite.marks()
    assert await rig.sqlite.marks() == before
    (first, *_) = await rig.sqlite.feed_ranges(COUNTERS)
    await rig.sqlite.split_range(COUNTERS, first)
    assert (await rig.sqlite.marks())[COUNTERS.name] != before[COUNTERS.name]
