"""What every journal promises about positions, the relay's tasks, waiting events and the state of backfills."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from mystira.polyglot.control import Control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import Backfill, RelationalStore, RelayTask
from mystira.polyglot.positions import Move, RangePosition, Stream
from mystira.polyglot.store import Conflict, Key
from tests.contracts.journals import (
    DUAL,
    LATER,
    NOW,
    POSTGRES,
    REVERSED,
    begin,
    brief,
    change_of,
    drain_events,
    flip,
    gone,
    merge,
    seen,
    step,
    told,
    waiting,
)
from tests.contracts.sample import BRIEFS, SAMPLES, Sample, record_of

pytestmark = pytest.mark.anyio


async def positions(store: RelationalStore, stream: Stream = Stream.FOLLOW) -> list[RangePosition]:
    return list(await store.journal.positions(BRIEFS.name, stream))


async def lease(
    store: RelationalStore,
    owner: str,
    *,
    at_s: float = 0,
    stream: Stream = Stream.FOLLOW,
    range_id: str = "range-1",
) -> str | None:
    return await store.journal.lease_range(BRIEFS.name, stream, range_id, owner, NOW + timedelta(seconds=at_s), 30)


async def tasks(store: RelationalStore, limit: int = 100, *, at_s: float = 0, name: str | None = None):
    return await store.journal.relay_claim(limit, NOW + timedelta(seconds=at_s), 30, name)


async def test_who_drains_takes_tasks_that_a_dead_relay_has_leased(relational: RelationalStore) -> None:
    await written(relational, "a", "b")
    leased = await tasks(relational)
    assert len(leased) == 2 and await tasks(relational) == []
    assert await relational.journal.relay_claim(9, NOW, None, BRIEFS.name) == leased
    # It has not shortened, lengthened, or ended their lease.
    assert await tasks(relational, at_s=29) == [] and len(await tasks(relational, at_s=31)) == 2


async def written(store: RelationalStore, *ids: str) -> Control:
    """Documents follow, and these keys were written once."""
    control = await begin(store, REVERSED)
    for id in ids:
        await store.journal.write(BRIEFS, brief(1, id=id), None, control.n)
    return control


async def test_positions_tell_where_each_range_of_a_stream_stands(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert await positions(relational) == []
    await merge(relational, move=step("", "5"))
    await merge(relational, move=Move(Stream.FOLLOW, "range-0", "", "7", caught_up=True))
    await merge(relational, move=step("", "9", stream=Stream.BACKFILL))
    assert await positions(relational) == [
        RangePosition(range_id="range-0", continuation="7", caught_up=True, moved_at=NOW),
        RangePosition(range_id="range-1", continuation="5", caught_up=False, moved_at=NOW),
    ]
    assert [position.continuation for position in await positions(relational, Stream.BACKFILL)] == ["9"]


async def test_a_range_that_has_caught_up_stays_so(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    for move, caught_up in (
        (step("", "1"), False),
        (step("1", "2", caught_up=True), True),
        (step("2", "3"), True),
    ):
        await merge(relational, move=move)
        assert [position.caught_up for position in await positions(relational)] == [caught_up]


async def test_a_position_may_stay_where_it_is_and_still_catch_up(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, move=step("", "", caught_up=True))
    assert [(p.continuation, p.caught_up) for p in await positions(relational)] == [("", True)]


async def test_the_streams_do_not_move_each_other(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, move=step("", "5"))
    with pytest.raises(Conflict):
        await merge(relational, move=step("5", "6", stream=Stream.BACKFILL))
    await relational.journal.forget_positions(BRIEFS.name, Stream.BACKFILL)
    assert len(await positions(relational)) == 1


async def test_a_forgotten_stream_begins_anew(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, move=step("", "5"))
    await relational.journal.forget_positions(BRIEFS.name, Stream.FOLLOW)
    assert await positions(relational) == []
    await merge(relational, move=step("", "1"))


async def test_a_new_range_is_leased_from_its_beginning(relational: RelationalStore) -> None:
    assert await lease(relational, "me") == ""


async def test_a_leased_range_goes_on_where_it_stands(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, move=step("", "5"))
    assert await lease(relational, "me") == "5"


async def test_while_a_lease_lasts_nobody_else_gets_the_range(relational: RelationalStore) -> None:
    assert await lease(relational, "me") == ""
    assert await lease(relational, "another", at_s=29) is None
    assert await lease(relational, "me", at_s=29) == ""
    assert await lease(relational, "another", at_s=31) is None
    assert await lease(relational, "another", at_s=60) == ""
    assert await lease(relational, "me", at_s=61) is None


async def test_a_lease_covers_one_range_of_one_stream(relational: RelationalStore) -> None:
    await lease(relational, "me")
    assert await lease(relational, "another", range_id="range-2") == ""
    assert await lease(relational, "another", stream=Stream.BACKFILL) == ""


async def test_of_many_that_want_a_range_one_gets_it(relational: RelationalStore) -> None:
    answers = await asyncio.gather(*(lease(relational, str(number)) for number in range(8)))
    assert sorted(answers, key=str) == ["", *[None] * 7]


async def test_a_lease_does_not_move_the_position_nor_a_move_the_lease(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await lease(relational, "me")
    await merge(relational, move=step("", "5", caught_up=True))
    assert await lease(relational, "another", at_s=1) is None
    assert await lease(relational, "me", at_s=1) == "5"
    assert [position.caught_up for position in await positions(relational)] == [True]


async def test_after_a_split_the_successors_go_on_and_repeating_it_changes_nothing(
    relational: RelationalStore,
) -> None:
    await begin(relational, DUAL)
    await merge(relational, move=step("", "5", caught_up=True))
    await relational.journal.split_range(BRIEFS.name, Stream.FOLLOW, "range-1", ["left", "right"])
    await merge(relational, move=Move(Stream.FOLLOW, "left", "5", "6"))
    await relational.journal.split_range(BRIEFS.name, Stream.FOLLOW, "range-1", ["left", "right"])
    found = {position.range_id: position for position in await positions(relational)}
    assert (found["left"].continuation, found["right"].continuation) == ("6", "5")
    assert found["right"].caught_up


async def test_a_range_split_before_it_was_begun_begins_at_the_beginning(relational: RelationalStore) -> None:
    await relational.journal.split_range(BRIEFS.name, Stream.BACKFILL, "never", ["left", "right"])
    assert await lease(relational, "me", stream=Stream.BACKFILL, range_id="left") == ""


async def test_relay_tasks_are_leased_the_longest_waiting_first(relational: RelationalStore) -> None:
    await written(relational, "c", "a", "b")
    assert [task.key.id for task in await tasks(relational, 2)] == ["c", "a"]
    assert [task.key.id for task in await tasks(relational)] == ["b"]
    assert await tasks(relational, at_s=29) == []
    assert [task.key.id for task in await tasks(relational, at_s=30)] == ["c", "a", "b"]


async def test_relay_tasks_of_one_collection_can_be_asked_for(relational: RelationalStore) -> None:
    await written(relational, "a")
    assert await tasks(relational, name="Others") == []
    assert [task.collection for task in await tasks(relational, name=BRIEFS.name)] == [BRIEFS.name]


async def test_several_relays_never_get_the_same_task(relational: RelationalStore) -> None:
    await written(relational, *map(str, range(20)))
    claimed = await asyncio.gather(*(tasks(relational, 5) for _ in range(6)))
    keys = [task.key for some in claimed for task in some]
    assert len(keys) == len(set(keys))
    assert len(keys) + len(await tasks(relational)) == 20


async def test_a_confirmed_task_is_gone_and_the_row_knows_what_documents_hold(relational: RelationalStore) -> None:
    await written(relational, "a")
    (task,) = await tasks(relational)
    assert await seen(relational) == Stamp()
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    assert await seen(relational) == Stamp(0, 1)
    assert await tasks(relational, at_s=90) == []
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))


async def test_a_newer_write_outlives_the_confirmation_of_the_older(relational: RelationalStore) -> None:
    control = await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.write(BRIEFS, brief(2), brief(1), control.n)
    assert await tasks(relational) == []
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    (again,) = await tasks(relational)
    assert (again.stamp, await seen(relational)) == (Stamp(0, 2), Stamp(0, 1))
    await relational.journal.relay_confirm(BRIEFS, again, Stamp(0, 2))
    assert await tasks(relational, at_s=90) == []


async def test_a_relay_that_sent_a_newer_row_than_its_task_is_done(relational: RelationalStore) -> None:
    control = await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.write(BRIEFS, brief(2), brief(1), control.n)
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 2))
    assert (await tasks(relational, at_s=90), await seen(relational)) == ([], Stamp(0, 2))


async def test_what_documents_are_known_to_hold_never_falls(relational: RelationalStore) -> None:
    control = await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.write(BRIEFS, brief(2), brief(1), control.n)
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 2))
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    assert await seen(relational) == Stamp(0, 2)


async def test_writes_and_confirmations_of_one_key_do_not_block_each_other(relational: RelationalStore) -> None:
    control = await written(relational, "a")

    async def write() -> None:
        for seq in range(2, 30):
            await relational.journal.write(BRIEFS, brief(seq), brief(seq - 1), control.n)

    async def send() -> None:
        while (await seen(relational)).seq < 29:
            row = await relational.read(BRIEFS, Key("a", "a"))
            for task in await tasks(relational):
                assert row is not None
                await relational.journal.relay_confirm(BRIEFS, task, row.stamp)
            await asyncio.sleep(0.001)

    await asyncio.wait_for(asyncio.gather(write(), send()), 20)
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 0


async def test_a_failed_task_waits_for_its_next_try(relational: RelationalStore) -> None:
    await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.relay_retry(task, "throttled", NOW + timedelta(seconds=5))
    assert await tasks(relational, at_s=4) == []
    assert [task.attempts for task in await tasks(relational, at_s=5)] == [1]
    assert (await relational.journal.relay_pending(BRIEFS.name)).retrying == 1


async def test_what_waits_for_the_relay_is_told_key_by_key_what_failed_first(relational: RelationalStore) -> None:
    await written(relational, "a", "b", "c", "d")
    claimed = {task.key.id: task for task in await tasks(relational)}
    await relational.journal.relay_retry(claimed["c"], "throttled", LATER)
    await relational.journal.relay_retry(claimed["d"], "too large", None)
    found = await relational.journal.relay_waiting(BRIEFS.name, 3)
    assert [(one.key.id, one.attempts, one.error) for one in found] == [
        ("c", 1, "throttled"),
        ("a", 0, ""),
        ("b", 0, ""),
    ]
    assert (found[0].next_try_at, found[0].stamp) == (LATER, Stamp(0, 1))
    assert len(await relational.journal.relay_waiting(BRIEFS.name, 2)) == 2
    assert await relational.journal.relay_waiting("Others", 3) == []


async def test_a_parked_task_waits_until_its_key_is_written_again(relational: RelationalStore) -> None:
    control = await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.relay_retry(task, "too large", None)
    pending = await relational.journal.relay_pending(BRIEFS.name)
    assert (await tasks(relational, at_s=90), pending.waiting, pending.parked) == ([], 0, 1)
    await relational.journal.write(BRIEFS, brief(2), brief(1), control.n)
    (again,) = await tasks(relational, at_s=90)
    assert (again.stamp, again.attempts) == (Stamp(0, 2), 0)


async def test_a_parked_task_goes_again_when_a_person_says_so(relational: RelationalStore) -> None:
    await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.relay_retry(task, "too large", None)
    await relational.journal.relay_retry(task, "mended", NOW)
    assert [again.key for again in await tasks(relational, at_s=90)] == [task.key]


async def test_the_failure_of_an_older_write_does_not_park_the_newer(relational: RelationalStore) -> None:
    control = await written(relational, "a")
    (task,) = await tasks(relational)
    await relational.journal.write(BRIEFS, brief(2), brief(1), control.n)
    await relational.journal.relay_retry(task, "too large", None)
    assert [(task.stamp, task.attempts) for task in await tasks(relational)] == [(Stamp(0, 2), 0)]


async def test_pending_counts_one_collection_only(relational: RelationalStore) -> None:
    await written(relational, "a", "b")
    pending = await relational.journal.relay_pending(BRIEFS.name)
    assert (pending.waiting, pending.retrying, pending.parked) == (2, 0, 0)
    assert (await relational.journal.relay_pending("Others")).waiting == 0


async def test_a_refill_enqueues_every_row_and_completes_the_copy(relational: RelationalStore) -> None:
    control = await begin(relational, POSTGRES)
    for at in range(5):
        await relational.journal.write(BRIEFS, brief(3, id=str(at)), None, control.n)
    await relational.journal.write(BRIEFS, gone(7, "dead"), None, control.n)
    after = await flip(relational, control, REVERSED, copying=True, complete=False)
    await relational.journal.write(BRIEFS, brief(4, id="0"), brief(3, id="0"), after.n)
    await relational.journal.relay_refill(BRIEFS, after.n)
    found = {task.key.id: task.stamp.seq for task in await tasks(relational)}
    assert found == {"0": 4, "1": 3, "2": 3, "3": 3, "4": 3, "dead": 7}
    assert await relational.journal.control(BRIEFS.name) == after.evolve(complete=True)
    await relational.journal.relay_refill(BRIEFS, after.n)
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 6


async def test_a_refill_of_partitioned_rows_names_both_parts_of_the_key(relational: RelationalStore) -> None:
    control = await relational.journal.declare(Control(id=SAMPLES.name, phase=POSTGRES))
    for owner in ("one", "two"):
        record = record_of(Sample(id="same", owner_id=owner))
        await relational.journal.write(SAMPLES, record, None, control.n)
    after = control.evolve(phase=REVERSED, n=2)
    await relational.journal.change(control, after, change_of())
    await relational.journal.relay_refill(SAMPLES, 2)
    found = await tasks(relational)
    assert [task.key for task in found] == [Key("one", "same"), Key("two", "same")]
    await relational.journal.relay_confirm(SAMPLES, found[0], Stamp(0, 1))
    standing = await relational.journal.standing(SAMPLES, [task.key for task in found])
    assert [standing[task.key].seen for task in found] == [Stamp(0, 1), Stamp()]


async def test_a_refill_of_another_n_does_nothing(relational: RelationalStore) -> None:
    control = await written(relational, "a")
    after = await flip(relational, control, POSTGRES, complete=False)
    for n in (control.n, after.n, 9):
        await relational.journal.relay_refill(BRIEFS, n)
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 0
    assert await relational.journal.control(BRIEFS.name) == after


async def test_confirming_a_task_that_is_gone_is_harmless(relational: RelationalStore) -> None:
    task = RelayTask(collection=BRIEFS.name, key=Key("a", "a"), stamp=Stamp(0, 1))
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    await relational.journal.relay_retry(task, "late", LATER)
    assert await tasks(relational) == []


async def test_events_of_one_key_come_one_after_the_other(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(1, events=told("a", 1, 2)), brief(1, id="b", events=told("b", 1)))
    first = await waiting(relational)
    assert [event.event_id for event in first] == ["event-a-1", "event-b-1"]
    assert await waiting(relational) == []
    await relational.journal.settle(first[:1])
    assert [event.event_id for event in await waiting(relational)] == ["event-a-2"]


async def test_an_event_comes_back_whole(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    (event,) = told("a", 1)
    body = {"text": "ä \U0001f409", "list": [1, None, {"x": 0.5}]}
    await merge(relational, brief(1, events=(msgspec.structs.replace(event, body=body, correlation_id="c"),)))
    (found,) = await waiting(relational)
    assert (found.collection, found.partition, found.id, found.seq) == (BRIEFS.name, "a", "a", 1)
    assert (found.body, found.correlation_id, found.occurred_at, found.attempts) == (body, "c", NOW, 0)


async def test_a_failed_event_comes_later_and_holds_those_behind_it(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(1, events=told("a", 1, 2)))
    (event,) = await waiting(relational)
    await relational.journal.retry(event, "no", NOW + timedelta(minutes=30))
    assert await waiting(relational) == []
    assert [(event.seq, event.attempts) for event in await waiting(relational, hours=1)] == [(1, 1)]
    assert (await relational.journal.pending()).retrying == 1


async def test_a_parked_event_holds_its_own_key_only(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(1, events=told("a", 1, 2)), brief(1, id="b", events=told("b", 1, 2)))
    first = await waiting(relational)
    await relational.journal.park(first[0], "no", NOW)
    await relational.journal.settle(first[1:])
    assert await drain_events(relational) == ["event-b-2"]
    pending = await relational.journal.pending()
    assert (pending.waiting, pending.parked) == (1, 1)


async def test_pending_tells_since_when_the_oldest_event_waits(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert (await relational.journal.pending()).oldest_at is None
    early, late = told("a", 1), told("b", 1)
    late = tuple(msgspec.structs.replace(event, occurred_at=LATER) for event in late)
    await merge(relational, brief(1, events=early), brief(1, id="b", events=late))
    assert (await relational.journal.pending()).oldest_at == early[0].occurred_at
    first = await waiting(relational)
    await relational.journal.park(first[0], "no", NOW)
    assert (await relational.journal.pending()).oldest_at == LATER


async def test_a_mark_is_settled_when_its_event_has_left(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(1, events=told("a", 1)))
    marks = ["event-a-1/reaction", "event-z-1/reaction"]
    assert await relational.journal.settled_marks(marks) == {"event-z-1/reaction"}
    await drain_events(relational)
    assert await relational.journal.settled_marks(marks) == set(marks)


async def test_a_backfill_is_kept_counted_and_replaced(relational: RelationalStore) -> None:
    assert await relational.journal.backfill(BRIEFS.name) is None
    job = Backfill(
        collection=BRIEFS.name,
        units_per_s=400.5,
        latency_ms=20,
        total_low=10,
        total_high=1 << 40,
        started_at=NOW,
    )
    assert not await relational.journal.is_filling()
    await relational.journal.backfill_put(job)
    assert await relational.journal.backfill(BRIEFS.name) == job
    assert await relational.journal.is_filling()
    await asyncio.gather(*(relational.journal.backfill_add(BRIEFS.name, 100, 0.25) for _ in range(8)))
    found = await relational.journal.backfill(BRIEFS.name)
    assert found is not None and (found.seen, found.seconds) == (800, 2.0)
    done = msgspec.structs.replace(found, state="done", units_per_s=None, finished_at=LATER)
    await relational.journal.backfill_put(done)
    assert await relational.journal.backfill(BRIEFS.name) == done
    assert not await relational.journal.is_filling()


async def test_counting_for_a_backfill_that_is_not_there_is_harmless(relational: RelationalStore) -> None:
    await relational.journal.backfill_add(BRIEFS.name, 1, 1.0)
    assert await relational.journal.backfill(BRIEFS.name) is None
