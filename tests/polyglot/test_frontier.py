"""A drain's sentinels are found wherever the follower stood, and whatever becomes of the ranges meanwhile."""

import pytest

from mystira.polyglot.frontier import Sentinels
from tests.polyglot.counting import COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.moving import Process

pytestmark = pytest.mark.anyio


@pytest.fixture
async def process(rig: Rig) -> Process:
    """Records everywhere, and a follower that has stored no position yet: an idle one writes nothing."""
    process = Process(rig, "a")
    for number in range(10):
        await process.works.run(raise_counter, kind=Counter, id=f"c{number}", by=1)
    await process.fill(COUNTERS)
    return process


async def drained(process: Process) -> Sentinels:
    return Sentinels(process.r, COUNTERS, await process.r.row(COUNTERS))


async def come_through(process: Process, sentinels: Sentinels) -> bool:
    """Take the turns of a drain until all have been met, or have not been after many."""
    for _ in range(20):
        await sentinels.plant()
        await process.follower.follow(COUNTERS)
        if await sentinels.have_come_through():
            return True
    return False


async def test_sentinels_are_found_though_the_follower_first_stores_a_position_behind_them(process: Process) -> None:
    sentinels = await drained(process)
    await sentinels.plant()
    # The follower was not at its end after this page, so nobody has looked for them yet.
    await process.follower.follow(COUNTERS)
    assert await come_through(process, sentinels)


async def test_a_range_that_splits_after_the_follower_has_passed_them_gets_sentinels_of_its_own(
    process: Process,
) -> None:
    sentinels = await drained(process)
    await sentinels.plant()
    await process.follower.follow(COUNTERS)
    for range_id in await process.r.documents.feed_ranges(COUNTERS):
        await process.rig.sqlite.split_range(COUNTERS, range_id)
    # The follower learns of it, and goes on in the successors where it stood: behind all of them.
    await process.follower.follow(COUNTERS)
    assert await come_through(process, sentinels)
    assert len(sentinels.found) == 4
