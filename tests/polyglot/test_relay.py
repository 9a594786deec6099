"""A relay that slept through the way back, and ways that a dead coordinator left half done."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mystira.polyglot.control import State
from mystira.polyglot.phases import Phase
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.store import Key
from mystira.polyglot.transition import NotReady, pick_up
from tests.polyglot.counting import COUNTERS, LEDGERS, Counter, Ledger, Rig, raise_counter
from tests.polyglot.moving import CATALOG, COSMOS, DUAL, REVERSED, Process, assert_equal, documents_of, real_clock

pytestmark = pytest.mark.anyio
NAPS_S = 0.05


class Sleepy:
    """PostgreSQL as a relay sees it that is paused right after it took its tasks."""

    def __init__(self, rig: Rig) -> None:
        self._store, self.journal = rig.postgres, self
        self.took, self.wakes = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store if name == "read" else self._store.journal, name)

    async def relay_claim(self, *args: Any) -> Any:
        tasks = await self._store.journal.relay_claim(*args)
        self.took.set()
        await self.wakes.wait()
        return tasks


async def test_a_relay_that_slept_through_the_way_back_leaves_newer_documents_alone(rig: Rig) -> None:
    process, sleepy = Process(rig, "a"), Sleepy(rig)
    await process.works.run(raise_counter, kind=Counter, id="c", by=1)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL, REVERSED)
    await process.settle()
    await process.works.run(raise_counter, kind=Counter, id="c", by=10)
    store: Any = sleepy
    sleeper = ReverseRelay(CATALOG, rig.sqlite, store, clock=real_clock, lease_s=NAPS_S)
    sleeping = asyncio.create_task(sleeper.step())
    await sleepy.took.wait()
    await asyncio.sleep(NAPS_S)
    await process.move(COUNTERS, DUAL, COSMOS)
    for by in (100, 1000):
        await process.works.run(raise_counter, kind=Counter, id="c", by=by)
    await process.settle()
    newest = (await documents_of(rig, COUNTERS))["c"]
    sleepy.wakes.set()
    assert await sleeping == 1
    assert await rig.sqlite.read(COUNTERS, Key("c", "c")) == newest
    assert isinstance(newest.entity, Counter) and newest.entity.value == 1111


async def step_and_die(process: Process) -> None:
    """Do the first half of the step from PostgresOnly: the row says it, and nothing waits for the relay yet."""
    row = await process.r.row(LEDGERS)
    after = row.opened(row.n + 1, phase=REVERSED, copying=True, complete=False)
    await process.r.journal.change(row, after, process.r.noted("step", row, after, "op", "the coordinator dies now"))


async def test_a_worker_finishes_the_step_that_a_dead_coordinator_left_half_done(rig: Rig) -> None:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Ledger, id="before", by=1)
    assert await pick_up(process.r) == 0
    await step_and_die(process)
    with pytest.raises(NotReady):
        await process.move(LEDGERS, DUAL)
    assert await pick_up(process.r) == 1
    assert await pick_up(process.r) == 0
    await process.settle()
    await assert_equal(rig, LEDGERS)
    assert "before" in await documents_of(rig, LEDGERS)
    await process.move(LEDGERS, DUAL)
    assert (await process.r.row(LEDGERS)).phase is Phase.DUAL_WRITE_COSMOS_READ


async def test_a_worker_ends_an_overdue_drain_of_which_no_writer_was_ever_told(rig: Rig) -> None:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Counter, id="c", by=1)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    row = await process.r.row(COUNTERS)
    draining = row.evolve(
        n=row.n + 1, state=State.DRAIN, target=REVERSED, deadline=real_clock() + timedelta(seconds=0.2)
    )
    noted = process.r.noted("drain", row, draining, "op", "the coordinator dies before it tells the copy")
    await process.r.journal.change(row, draining, noted)
    assert await pick_up(process.r) == 0
    await asyncio.sleep(0.2)
    # Writers lease the copy, which is open: none of them notices, and none of them ends it.
    await process.works.run(raise_counter, kind=Counter, id="c", by=1)
    assert (await process.r.row(COUNTERS)).state is State.DRAIN
    assert await pick_up(process.r) == 1
    assert await pick_up(process.r) == 0
    assert (await process.r.row(COUNTERS)).state is State.OPEN
    assert (await process.verbs(COUNTERS))[-1] == "abort"
    await process.move(COUNTERS, REVERSED)
