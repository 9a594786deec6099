"""What waits between the stores, in numbers: exact where it can be, marked as an estimate where it cannot."""

from datetime import timedelta

import pytest

from mystira.polyglot.deadletters import park
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Leader
from mystira.polyglot.syncqueue import letters_of, sync_queue
from tests.polyglot.counting import COUNTERS, SEATS, Counter, Rig, raise_counter
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY, Process, real_clock
from tests.polyglot.test_deadletters import sit

pytestmark = pytest.mark.anyio


async def raised(process: Process, number: int) -> None:
    for at in range(number):
        await process.works.run(raise_counter, kind=Counter, id=f"c{at}", by=1)


@pytest.fixture
async def a(rig: Rig) -> Process:
    process = Process(rig, "a")
    await raised(process, 3)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    return process


async def test_nothing_waits_where_everything_arrived(a: Process) -> None:
    queue = await sync_queue(a.r, COUNTERS)
    assert (queue.leader, queue.changes_behind, queue.seconds_behind) == (Leader.DOCUMENTS, 0, 0.0)
    assert queue.relay_waiting == 0


async def test_where_documents_lead_the_waiting_changes_are_counted_and_the_time_is_an_estimate(a: Process) -> None:
    await raised(a, 8)
    await raised(a, 8)
    queue = await sync_queue(a.r._replace(clock=lambda: real_clock() + timedelta(seconds=30)), COUNTERS)
    assert queue.is_estimate
    # Two versions of a document are one change to carry over.
    assert queue.changes_behind == 8 == sum(lag.changes for lag in queue.ranges)
    assert 30 <= queue.seconds_behind < 60
    assert not any(lag.at_least for lag in queue.ranges)
    await a.settle()
    assert (await sync_queue(a.r, COUNTERS)).changes_behind == 0


async def test_more_than_is_looked_at_is_told_as_at_least(a: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mystira.polyglot.syncqueue.LOOK_AHEAD", 2)
    await raised(a, 20)
    queue = await sync_queue(a.r, COUNTERS)
    assert [(lag.changes, lag.at_least) for lag in queue.ranges] == [(2, True), (2, True)]


async def test_where_postgres_leads_the_numbers_are_exact(rig: Rig, a: Process) -> None:
    await a.move(COUNTERS, REVERSED)
    await raised(a, 5)
    await raised(a, 2)
    queue = await sync_queue(a.r, COUNTERS)
    assert (queue.leader, queue.is_estimate, queue.relay_waiting, queue.relay_retrying) == ("relational", False, 5, 0)
    tasks = await rig.postgres.journal.relay_claim(1, real_clock(), 0.0, COUNTERS.name)
    await rig.postgres.journal.relay_retry(tasks[0], "throttled", real_clock())
    queue = await sync_queue(a.r, COUNTERS)
    assert (queue.relay_waiting, queue.relay_retrying, queue.relay_parked) == (5, 1, 0)
    await a.settle()
    assert (await sync_queue(a.r, COUNTERS)).relay_waiting == 0


async def test_what_is_tried_again_and_what_waits_for_a_person_stand_apart(rig: Rig) -> None:
    process = Process(rig, "a")
    await sit(process, a="1")
    await process.fill(SEATS)
    await process.move(SEATS, DUAL)
    await sit(process, b="1")
    while await process.follower.step():
        continue
    assert letters_of(await process.r.journal.letters_tally(), SEATS.name) == (1, 0)
    assert await park(process.r, LetterFilter(collection=SEATS.name), **SOMEBODY) == 1
    assert letters_of(await process.r.journal.letters_tally(), SEATS.name) == (0, 1)
    assert letters_of(await process.r.journal.letters_tally(), COUNTERS.name) == (0, 0)


async def test_looking_changes_nothing(rig: Rig, a: Process) -> None:
    await raised(a, 4)
    first = await sync_queue(a.r, COUNTERS)
    assert (await sync_queue(a.r, COUNTERS)).changes_behind == first.changes_behind == 4
    await a.settle()
    assert (await rig.tally()).total == 7
