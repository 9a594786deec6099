"""A collection moves between its stores and back while writers write: every acknowledged write arrives."""

import asyncio
from datetime import timedelta

import pytest

from mystira.polyglot import backfill
from mystira.polyglot.control import CONTROLS, State
from mystira.polyglot.leadership import Tempo
from mystira.polyglot.problem import Problem
from mystira.polyglot.store import Held, OutcomeUnknown, Unavailable
from mystira.polyglot.transition import (
    NotReady,
    NotTheNextPhase,
    Terms,
    TransitionAborted,
    TransitionRunning,
    change_phase,
    end_transition,
)
from tests.polyglot.counting import COUNTERS, LEDGERS, Counter, Ledger, Rig, raise_counter
from tests.polyglot.moving import (
    COSMOS,
    DUAL,
    POSTGRES,
    QUICK,
    REVERSED,
    SOMEBODY,
    Process,
    assert_equal,
    documents_of,
    real_clock,
    rows_of,
    tended,
)

pytestmark = pytest.mark.anyio
HELD_LONG = Tempo(lease_s=0.15, request_s=0.25, drift_s=0.02, hold_s=0.05, poll_s=0.01)


class Writers:
    """Tasks that raise counters until told to stop, and remember what was acknowledged."""

    def __init__(self, *processes: Process) -> None:
        self.acknowledged: dict[str, set[str]] = {}
        self.removed: set[str] = set()
        self.refused = 0
        self._ends = False
        self._tasks = [
            asyncio.create_task(self._write(process, number)) for process in processes for number in range(2)
        ]

    async def stop(self) -> None:
        self._ends = True
        await asyncio.gather(*self._tasks)

    async def _write(self, process: Process, number: int) -> None:
        count = 0
        while not self._ends:
            count += 1
            key = f"{process.name}-{number}-{count}"
            await self._until_acknowledged(process, f"c{count % 7}", key)
            if count % 10 == 0:
                await self._add_and_remove(process, f"gone-{key}")
            await asyncio.sleep(0.01)

    async def _until_acknowledged(self, process: Process, id: str, key: str) -> None:
        while True:
            try:
                await process.works.run(raise_counter, kind=Counter, id=id, by=1, key=key)
            except (Held, Unavailable, OutcomeUnknown):
                self.refused += 1
                await asyncio.sleep(0.02)
            else:
                self.acknowledged.setdefault(id, set()).add(key)
                return

    async def _add_and_remove(self, process: Process, id: str) -> None:
        async def remove(work) -> None:
            work.save(Counter(id=id)) if await work.get(Counter, id) is None else work.remove(Counter(id=id))

        await process.works.run(remove)
        await process.works.run(remove)
        self.removed.add(id)


async def raised(process: Process, times: int = 1, *, kind: type[Counter] = Counter, id: str = "c") -> int:
    value = 0
    for _ in range(times):
        value = await process.works.run(raise_counter, kind=kind, id=id, by=1)
    return value


async def value_in(process: Process, kind: type[Counter] = Counter, id: str = "c") -> int:
    found = await process.works.open().get(kind, id)
    return found.value if found else 0


@pytest.fixture
def a(rig: Rig) -> Process:
    return Process(rig, "a")


@pytest.fixture
def b(rig: Rig) -> Process:
    return Process(rig, "b")


@pytest.fixture
async def dual(rig: Rig, a: Process) -> Process:
    """Counters with a complete copy: documents lead, one counter stands at 3."""
    await raised(a, 3)
    await a.fill(COUNTERS)
    await a.move(COUNTERS, DUAL)
    await a.settle()
    return a


@pytest.fixture
async def reversed_(dual: Process) -> Process:
    """The same, led by PostgreSQL, the documents following."""
    await dual.move(COUNTERS, REVERSED)
    return dual


WALK = ["start backfill", "backfill complete", "step", "drain", "flip", "step", "step", "drain", "flip", "step"]


async def test_a_walk_there_and_back_under_load_keeps_every_acknowledged_write(
    rig: Rig, a: Process, b: Process
) -> None:
    writers = Writers(a, b)
    async with tended(a, b):
        await a.fill(COUNTERS)
        for phase in (DUAL, REVERSED, POSTGRES, REVERSED, DUAL, COSMOS):
            await asyncio.sleep(0.05)
            await (a if phase in (DUAL, POSTGRES) else b).move(COUNTERS, phase)
        await asyncio.sleep(0.05)
        await writers.stop()
        assert await a.verbs(COUNTERS) == WALK
        await b.fill(COUNTERS)
        await b.move(COUNTERS, DUAL)
    await a.settle()
    held = {id: set(r.entity.keys) for id, r in (await documents_of(rig, COUNTERS)).items() if r.entity is not None}
    assert held == writers.acknowledged
    assert len(writers.removed) > 3 and not writers.removed & held.keys()
    await assert_equal(rig, COUNTERS)
    assert (await rig.tally()).total == sum(map(len, held.values()))


async def test_every_step_of_a_walk_is_on_record_with_who_and_why(rig: Rig, dual: Process) -> None:
    await dual.move(COUNTERS, REVERSED)
    history = await rig.postgres.journal.history(COUNTERS.name)
    assert {(change.actor, change.why) for change in history if change.verb != "backfill complete"} == {
        ("somebody", "a test")
    }
    assert (history[0].before, history[0].after) == (
        "DualWriteCosmosRead/DRAIN epoch 0",
        "DualWritePostgresRead/OPEN epoch 1",
    )
    numbers = [change.n for change in reversed(history)]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("target", [REVERSED, POSTGRES])
async def test_no_phase_is_skipped(a: Process, target) -> None:
    with pytest.raises(NotTheNextPhase):
        await a.move(COUNTERS, target)
    assert (await a.r.row(COUNTERS)).phase is COSMOS


async def test_nothing_goes_dual_before_the_copy_is_complete(a: Process) -> None:
    await raised(a)
    with pytest.raises(NotReady, match="does not hold everything"):
        await a.move(COUNTERS, DUAL)
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    with pytest.raises(NotReady):
        await a.move(COUNTERS, DUAL)
    await backfill.run_to_end(a.r, COUNTERS, a.backfiller)
    await a.move(COUNTERS, DUAL)
    assert (await a.r.row(COUNTERS)).phase is DUAL


async def test_asking_for_the_phase_it_is_in_changes_nothing(dual: Process) -> None:
    before = await dual.r.row(COUNTERS)
    await dual.move(COUNTERS, DUAL)
    assert await dual.r.row(COUNTERS) == before


async def test_a_second_transition_at_once_is_refused(dual: Process, b: Process) -> None:
    first = asyncio.create_task(dual.move(COUNTERS, REVERSED))
    while (await dual.r.row(COUNTERS)).state is State.OPEN:
        await asyncio.sleep(0.01)
    with pytest.raises(TransitionRunning, match="DualWritePostgresRead already"):
        await b.move(COUNTERS, REVERSED)
    await first
    assert (await b.r.row(COUNTERS)).phase is REVERSED


CHANGES = {
    "another body under the same stamp": "UPDATE counters SET value = 99 WHERE id = 'c'",
    "an older stamp": "UPDATE counters SET _stamp = 2 WHERE id = 'c'",
    "a missing row": "DELETE FROM counters WHERE id = 'c'",
    "a field nobody knows": """UPDATE counters SET _extra = '{"note": "x"}' WHERE id = 'c'""",
    "a tombstone": "UPDATE counters SET _deleted = true WHERE id = 'c'",
}


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES.keys())
async def test_unequal_stores_do_not_change_places(rig: Rig, dual: Process, b: Process, statement: str) -> None:
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute(statement)
    before = await dual.r.row(COUNTERS)
    with pytest.raises(TransitionAborted, match="stays in DualWriteCosmosRead"):
        await dual.move(COUNTERS, REVERSED, deadline_s=0.9)
    row = await dual.r.row(COUNTERS)
    assert row == before.evolve(n=row.n) and row.n > before.n
    assert await value_in(b) == 3
    assert await raised(b) == 4


async def test_unequal_stores_do_not_change_places_on_the_way_back(rig: Rig, reversed_: Process, b: Process) -> None:
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute("UPDATE counters SET value = 99 WHERE id = 'c'")
    with pytest.raises(TransitionAborted):
        await reversed_.move(COUNTERS, DUAL, deadline_s=0.4)
    assert await raised(b) == 100


async def test_documents_lead_on_while_postgres_is_down(rig: Rig, dual: Process, b: Process) -> None:
    await raised(b)
    rig.relational.down()
    for _ in range(3):
        await asyncio.sleep(QUICK.lease_s * 1.2)
        await raised(b)
    assert await value_in(Process(rig, "born in the outage")) == 7
    assert await dual.follower.step() == 0
    rig.relational.down(False)
    await asyncio.sleep(0.6)
    await dual.settle()
    assert (await rig.tally()).total == 7
    await assert_equal(rig, COUNTERS)


async def test_postgres_leads_on_while_documents_are_down(rig: Rig, reversed_: Process, b: Process) -> None:
    await raised(b)
    rig.documents.down()
    for _ in range(3):
        await asyncio.sleep(QUICK.lease_s * 1.2)
        await raised(b)
    assert await value_in(Process(rig, "born in the outage")) == 7
    await reversed_.relay.step()
    waiting = await rig.postgres.journal.relay_pending(COUNTERS.name)
    assert (waiting.waiting, waiting.parked) == (1, 0)
    rig.documents.down(False)
    await asyncio.sleep(0.3)
    await reversed_.settle()
    await assert_equal(rig, COUNTERS)


async def test_what_postgres_leads_is_refused_while_it_is_down(rig: Rig, reversed_: Process) -> None:
    rig.relational.down()
    reversed_.leadership.forget(COUNTERS)
    with pytest.raises(Unavailable):
        await raised(reversed_)
    rig.relational.down(False)
    assert await raised(reversed_) == 4


async def test_a_process_that_slept_past_its_lease_cannot_write_to_the_old_leader(dual: Process, b: Process) -> None:
    work = b.works.open()
    counter = await work.get(Counter, "c")
    assert counter is not None
    work.save(counter.evolve(value=100))
    await dual.move(COUNTERS, REVERSED)
    with pytest.raises(Problem):
        await work.commit()
    await raised(b)
    await dual.settle()
    assert await value_in(dual) == 4
    await assert_equal(dual.rig, COUNTERS)


async def test_a_process_that_slept_through_the_way_back_cannot_write_either(reversed_: Process, b: Process) -> None:
    work = b.works.open()
    counter = await work.get(Counter, "c")
    assert counter is not None
    work.save(counter.evolve(value=100))
    await reversed_.move(COUNTERS, DUAL)
    with pytest.raises(Problem):
        await work.commit()
    assert await value_in(b) == 3


@pytest.mark.parametrize("deadline_s, waits", [(0.5, True), (30.0, False)])
async def test_a_drain_that_nobody_finishes_ends_at_its_deadline(
    rig: Rig, dual: Process, deadline_s: float, waits: bool
) -> None:
    coordinator = asyncio.create_task(
        change_phase(dual.r, COUNTERS, REVERSED, terms=Terms(deadline_s=deadline_s), **SOMEBODY)
    )
    await parked(coordinator, rig)
    writer = Process(rig, "writer", tempo=HELD_LONG)
    with pytest.raises(Held):
        await raised(writer)
    if not waits:
        await end_transition(writer.r, COUNTERS, **SOMEBODY)
    await asyncio.sleep(0.5 if waits else 0)
    assert await raised(writer) == 4
    assert (await writer.verbs(COUNTERS))[-2:] == ["drain", "abort"]
    assert (await writer.r.row(COUNTERS)).state is State.OPEN


async def parked(coordinator: "asyncio.Task[object]", rig: Rig) -> None:
    """Stop a coordinator for good once its drain is told everywhere, as a crash would."""
    while "DRAIN" not in (await documents_of(rig, CONTROLS))[COUNTERS.name].op:
        await asyncio.sleep(0.01)
    coordinator.cancel()
    await asyncio.gather(coordinator, return_exceptions=True)


async def test_a_drain_that_nobody_finishes_ends_where_postgres_leads_as_well(rig: Rig, reversed_: Process) -> None:
    async with rig.postgres.connection(writes=True) as connection:
        # The stores are unequal, so this drain never ends by itself.
        await connection.execute("UPDATE counters SET value = 4 WHERE id = 'c'")
    coordinator = asyncio.create_task(
        change_phase(reversed_.r, COUNTERS, DUAL, terms=Terms(deadline_s=0.4), **SOMEBODY)
    )
    await asyncio.sleep(0.2)
    coordinator.cancel()
    await asyncio.gather(coordinator, return_exceptions=True)
    writer = Process(rig, "writer", tempo=HELD_LONG)
    with pytest.raises(Held):
        await raised(writer)
    await asyncio.sleep(0.3)
    assert await raised(writer) == 5
    assert (await writer.verbs(COUNTERS))[-1] == "abort"


async def test_a_drain_is_reopened_while_postgres_is_away(rig: Rig, dual: Process) -> None:
    coordinator = asyncio.create_task(change_phase(dual.r, COUNTERS, REVERSED, terms=Terms(deadline_s=0.4), **SOMEBODY))
    await parked(coordinator, rig)
    rig.relational.down()
    writer = Process(rig, "writer", tempo=HELD_LONG)
    await asyncio.sleep(0.4)
    assert await raised(writer) == 4
    rig.relational.down(False)
    await dual.move(COUNTERS, REVERSED)
    assert await raised(writer) == 5
    assert (await writer.verbs(COUNTERS))[-4:] == ["drain", "abort", "drain", "flip"]


async def test_a_coordinator_that_slept_past_its_deadline_cannot_flip(rig: Rig, dual: Process) -> None:
    # Its own clock is late, so it believes in a deadline that has passed for everybody else.
    late = dual.r._replace(clock=lambda: real_clock() - timedelta(seconds=10))
    coordinator = asyncio.create_task(change_phase(late, COUNTERS, REVERSED, terms=Terms(deadline_s=10), **SOMEBODY))
    while (await dual.r.row(COUNTERS)).state is State.OPEN:
        await asyncio.sleep(0.01)
    writer = Process(rig, "writer")
    await asyncio.sleep(QUICK.lease_s)
    assert await raised(writer) == 4
    with pytest.raises(TransitionAborted):
        await coordinator
    assert (await dual.r.row(COUNTERS)).phase is DUAL
    assert await value_in(writer) == 4


async def test_postgres_lost_in_the_middle_of_a_flip_leaves_everything_as_it_was(rig: Rig, dual: Process) -> None:
    coordinator = asyncio.create_task(change_phase(dual.r, COUNTERS, REVERSED, terms=Terms(deadline_s=0.8), **SOMEBODY))
    await asyncio.sleep(0.2)
    rig.relational.down()
    with pytest.raises(Unavailable):
        await coordinator
    await asyncio.sleep(0.6)
    assert await raised(Process(rig, "writer")) == 4
    rig.relational.down(False)
    await dual.move(COUNTERS, REVERSED)
    assert await raised(dual) == 5


async def test_the_way_back_goes_on_where_filling_the_relay_broke_off(rig: Rig, reversed_: Process) -> None:
    await reversed_.move(COUNTERS, POSTGRES)
    await raised(reversed_)
    row = await reversed_.r.row(COUNTERS)
    broken = row.opened(row.n + 1, phase=REVERSED, copying=True, complete=False)
    await rig.postgres.journal.change(row, broken, reversed_.r.noted("step", row, broken, "somebody", "it broke off"))
    with pytest.raises(NotReady):
        await reversed_.move(COUNTERS, DUAL)
    await reversed_.move(COUNTERS, REVERSED, DUAL)
    assert await raised(reversed_) == 5
    await reversed_.settle()
    await assert_equal(rig, COUNTERS)


async def test_a_collection_born_with_postgres_can_move_to_the_documents(rig: Rig, a: Process) -> None:
    await raised(a, 2, kind=Ledger)
    await a.move(LEDGERS, REVERSED, DUAL, COSMOS)
    assert await raised(a, kind=Ledger) == 3
    assert (await documents_of(rig, LEDGERS))["c"].stamp.epoch == 1
    assert (await rows_of(rig, LEDGERS))["c"].stamp.seq == 2
