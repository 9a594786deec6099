"""From a commit to a reaction: nothing lost, nothing twice, in order per key."""

import asyncio
import contextlib

import pytest

from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.store import Conflict, Key, StoreError
from tests.polyglot.counting import COUNTERS, TALLIES, Counter, Ledger, Rig, Tally, raise_counter

pytestmark = pytest.mark.anyio


async def test_a_crash_between_any_two_steps_of_following_loses_and_repeats_nothing(rig: Rig) -> None:
    for number in range(12):
        await rig.works.run(raise_counter, kind=Counter, id=str(number), by=1)
        rig.documents.plan(number + 1, "before" if number % 2 else "after")
        with contextlib.suppress(StoreError):
            await rig.follower().step()
        rig.documents.plan(None)
    await rig.settle()
    assert await rig.tally() == Tally(id="all", heard=12, total=12)


async def test_a_reaction_that_dies_after_its_commit_is_not_repeated(rig: Rig) -> None:
    await rig.works.run(raise_counter, kind=Counter, id="c", by=4)
    await rig.follower().step()
    # The event is claimed and its effect commits, but the process dies before it can settle.
    (event,) = await rig.postgres.journal.claim_events(10, rig.now, lease_s=30)
    pump = OutboxPump(rig.works, rig.postgres.journal, rig.reactions)
    assert await pump._deliver(event)
    assert (await rig.tally()).heard == 1
    assert await pump.step() == 0
    rig.now = rig.now.replace(minute=5)
    assert await pump.step() == 1
    assert await rig.tally() == Tally(id="all", heard=1, total=4)
    assert (await rig.postgres.journal.pending()).waiting == 0


async def test_two_followers_and_two_pumps_do_everything_once(rig: Rig) -> None:
    for number in range(30):
        await rig.works.run(raise_counter, kind=Counter, id=str(number % 5), by=1)
        await rig.works.run(raise_counter, kind=Ledger, id=str(number % 5), by=1)
    followers = [rig.follower(), rig.follower()]
    await asyncio.gather(*(follower.step() for follower in followers for _ in range(3)))
    pumps = [OutboxPump(rig.works, rig.postgres.journal, rig.reactions) for _ in range(2)]
    for _ in range(40):
        await asyncio.gather(*(pump.step() for pump in pumps))
    await rig.settle()
    assert await rig.tally() == Tally(id="all", heard=60, total=60)


async def test_copied_events_are_pruned_from_the_document_without_a_new_stamp(rig: Rig) -> None:
    await rig.works.run(raise_counter, kind=Counter, id="c", by=1)
    before = await rig.sqlite.read(COUNTERS, Key("c", "c"))
    await rig.follower().step()
    after = await rig.sqlite.read(COUNTERS, Key("c", "c"))
    assert before is not None and after is not None
    assert [event.seq for event in before.events] == [1]
    assert (after.events, after.event_seq) == ((), 1)
    assert (after.stamp, after.op, after.entity) == (before.stamp, before.op, before.entity)


async def test_what_was_copied_and_delivered_before_is_never_copied_again(rig: Rig) -> None:
    await rig.works.run(raise_counter, kind=Counter, id="c", by=1)
    # The follower commits its page, but the pruning of the document gets lost.

    async def lost(*args: object) -> None:
        raise Conflict("somebody was faster")

    rig.documents.__dict__["write"] = lost
    await rig.follower().step()
    del rig.documents.__dict__["write"]
    pump = OutboxPump(rig.works, rig.postgres.journal, rig.reactions)
    assert await pump.step() == 1
    before = await rig.sqlite.read(COUNTERS, Key("c", "c"))
    assert before is not None and len(before.events) == 1
    await rig.works.run(raise_counter, kind=Counter, id="c", by=2)
    await rig.follower().step()
    assert (await rig.postgres.journal.pending()).waiting == 1
    after = await rig.sqlite.read(COUNTERS, Key("c", "c"))
    assert after is not None and after.events == ()


async def test_a_failing_reaction_is_retried_then_set_aside_and_other_keys_go_on(rig: Rig) -> None:
    def fail() -> None:
        raise RuntimeError("poison")

    rig.before_tally = fail
    await rig.works.run(raise_counter, kind=Ledger, id="bad", by=1)
    await rig.works.run(raise_counter, kind=Ledger, id="bad", by=1)
    pump = OutboxPump(rig.works, rig.postgres.journal, rig.reactions)
    from datetime import timedelta

    for _ in range(12):
        await pump.step()
        rig.now += timedelta(minutes=2)
    waiting = await rig.postgres.journal.pending()
    assert (waiting.waiting, waiting.parked) == (1, 1)
    rig.before_tally = lambda: None
    await rig.works.run(raise_counter, kind=Ledger, id="good", by=7)
    await pump.step()
    assert await rig.tally() == Tally(id="all", heard=1, total=7)


async def test_a_range_split_loses_no_event(rig: Rig) -> None:
    for number in range(20):
        await rig.works.run(raise_counter, kind=Counter, id=f"before{number}", by=1)
    follower = rig.follower()
    await follower.step()
    for range_id in await rig.sqlite.feed_ranges(COUNTERS):
        await rig.sqlite.split_range(COUNTERS, range_id)
    for number in range(20):
        await rig.works.run(raise_counter, kind=Counter, id=f"after{number}", by=1)
    await rig.settle()
    assert await rig.tally() == Tally(id="all", heard=40, total=40)


async def test_marks_of_settled_events_are_forgotten_and_the_others_kept(rig: Rig) -> None:
    for number in range(80):
        await rig.works.run(raise_counter, kind=Ledger, id=str(number), by=1)
        await rig.settle()
    tally = await rig.sqlite.read(TALLIES, Key("all", "all"))
    assert tally is not None and tally.entity == Tally(id="all", heard=80, total=80)
    assert 0 < len(tally.handled) <= 33
