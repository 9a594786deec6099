"""Filling the relational copy: whoever stops, crashes, splits or meets the unreadable, everything arrives."""

import asyncio
import json
from typing import Any

import apsw
import pytest

from mystira.polyglot import backfill
from mystira.polyglot.backfill import Backfiller, NothingToFill, NotStarted
from mystira.polyglot.feed import RangeReader
from mystira.polyglot.journal import LetterFilter, LetterKind
from mystira.polyglot.positions import Stream
from mystira.polyglot.store import Key, Unavailable
from mystira.polyglot.stores.ranges import hash_of
from tests.polyglot.counting import COUNTERS, LEDGERS, Counter, Rig, raise_counter
from tests.polyglot.moving import (
    DUAL,
    POSTGRES,
    REVERSED,
    SOMEBODY,
    Process,
    assert_equal,
    documents_of,
    rows_of,
)

pytestmark = pytest.mark.anyio


class Steady:
    """A process's own clock that passes only by sleeping, and what was charged in each of its seconds."""

    def __init__(self, rig: Rig) -> None:
        self.now_s = 0.0
        self._rig = rig
        self._counted = rig.sqlite.charged[COUNTERS.name]
        self.spent: list[tuple[float, float]] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.look()
        self.now_s += seconds
        await asyncio.sleep(0)

    def look(self) -> None:
        charged = self._rig.sqlite.charged[COUNTERS.name]
        self.spent.append((self.now_s, charged - self._counted))
        self._counted = charged


async def make(rig: Rig, number: int) -> None:
    await asyncio.gather(
        *(rig.works.run(raise_counter, kind=Counter, id=f"c{at:03}", by=at + 1) for at in range(number))
    )


def write_plainly(rig: Rig, *bodies: dict[str, Any]) -> None:
    """Write documents as software would that knows nothing of stamps."""
    connection = apsw.Connection(str(rig.sqlite._writer.path))
    connection.set_busy_timeout(2_000)
    with connection:
        for body in bodies:
            connection.execute("UPDATE _position SET last = last + 1")
            connection.execute(
                "INSERT INTO Counters (partition, id, hash, position, deleted, body) "
                "SELECT ?1, ?1, ?2, last, 0, ?3 FROM _position WHERE true "
                "ON CONFLICT (partition, id) DO UPDATE SET body = excluded.body, position = excluded.position",
                (body["id"], hash_of(body["id"]), json.dumps(body)),
            )
    connection.close()


async def letters(rig: Rig, **which: Any) -> list[Any]:
    return list(await rig.postgres.journal.letters(LetterFilter(**which)))


async def verbs(rig: Rig) -> list[str]:
    return [change.verb for change in reversed(await rig.postgres.journal.history(COUNTERS.name))]


@pytest.fixture
def a(rig: Rig) -> Process:
    return Process(rig, "a", page=7)


@pytest.fixture
def b(rig: Rig) -> Process:
    return Process(rig, "b", page=7)


async def test_a_plan_changes_nothing(rig: Rig, a: Process) -> None:
    await make(rig, 20)
    before = await a.r.row(COUNTERS)
    planned = await backfill.plan(a.r, COUNTERS)
    assert (planned.is_needed, planned.documents_low, planned.ranges) == (True, 20, 2)
    assert planned.documents_high >= planned.documents_low
    assert await a.r.row(COUNTERS) == before
    assert await rig.postgres.journal.backfill(COUNTERS.name) is None


async def test_a_filled_copy_holds_everything_and_no_plan_wants_more(rig: Rig, a: Process) -> None:
    await make(rig, 30)
    told = await a.fill(COUNTERS)
    assert (told.state, told.seen, told.ranges_done, told.share_low, told.share_high) == ("done", 30, 2, 1.0, 1.0)
    await assert_equal(rig, COUNTERS)
    assert not (await backfill.plan(a.r, COUNTERS)).is_needed


async def test_every_verb_may_be_repeated_and_is_on_record_once(rig: Rig, a: Process) -> None:
    await make(rig, 5)
    for _ in range(2):
        await backfill.start(a.r, COUNTERS, **SOMEBODY)
    for _ in range(2):
        await backfill.pause(a.r, COUNTERS, **SOMEBODY)
    for _ in range(2):
        await backfill.throttle(a.r, COUNTERS, units_per_s=100, **SOMEBODY)
    for _ in range(2):
        await backfill.resume(a.r, COUNTERS, **SOMEBODY)
    await backfill.run_to_end(a.r, COUNTERS, a.backfiller)
    for _ in range(2):
        await backfill.start(a.r, COUNTERS, **SOMEBODY)
        await backfill.pause(a.r, COUNTERS, **SOMEBODY)
    assert await verbs(rig) == ["start backfill", "pause", "throttle", "resume", "backfill complete"]
    history = await rig.postgres.journal.history(COUNTERS.name)
    assert {(change.actor, change.why) for change in history[1:]} == {("somebody", "a test")}


async def test_verbs_before_the_start_say_what_to_do(a: Process) -> None:
    with pytest.raises(NotStarted, match="Start it first"):
        await backfill.pause(a.r, COUNTERS, **SOMEBODY)
    with pytest.raises(NothingToFill, match="led by PostgreSQL"):
        await backfill.start(a.r, LEDGERS, **SOMEBODY)


async def test_a_paused_backfill_reads_nothing_and_goes_on_where_it_stood(rig: Rig, a: Process) -> None:
    await make(rig, 40)
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    await a.backfiller.step()
    await backfill.pause(a.r, COUNTERS, **SOMEBODY)
    charged = rig.sqlite.charged[COUNTERS.name]
    assert await a.backfiller.step() == 0
    assert rig.sqlite.charged[COUNTERS.name] == charged
    assert len(await rows_of(rig, COUNTERS)) == 14
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    assert (await backfill.run_to_end(a.r, COUNTERS, a.backfiller)).seen == 40


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 8))
async def test_a_crash_in_the_middle_leaves_no_gap(rig: Rig, at: int, how: str) -> None:
    await make(rig, 30)
    dying = Process(rig, "dying", page=7)
    await backfill.start(dying.r, COUNTERS, **SOMEBODY)
    rig.documents.plan(at, how)
    with pytest.raises(Unavailable):
        while True:
            await dying.backfiller.step()
    rig.documents.plan(None)
    heir = Process(rig, "dying", page=7)
    told = await backfill.run_to_end(heir.r, COUNTERS, heir.backfiller)
    assert (told.state, told.seen) == ("done", 30)
    await assert_equal(rig, COUNTERS)


async def test_a_crash_between_the_merge_and_the_answer_repeats_at_most_a_page(rig: Rig, monkeypatch) -> None:
    await make(rig, 30)
    dying = Process(rig, "dying", page=7)
    await backfill.start(dying.r, COUNTERS, **SOMEBODY)
    carry = RangeReader._commit

    async def commit_and_die(self, *args):
        await carry(self, *args)
        raise Unavailable("the process died")

    with monkeypatch.context() as patch, pytest.raises(Unavailable):
        patch.setattr(RangeReader, "_commit", commit_and_die)
        await dying.backfiller.step()
    heir = Process(rig, "heir", page=7)
    assert await heir.backfiller.step() == 7  # The other range; this one is leased by the dead for a moment.
    told = await backfill.run_to_end(heir.r, COUNTERS, heir.backfiller)
    assert told.state == "done"
    await assert_equal(rig, COUNTERS)


async def test_two_workers_share_the_ranges_and_read_nothing_twice(rig: Rig, a: Process, b: Process) -> None:
    await make(rig, 60)
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    told, _ = await asyncio.gather(
        backfill.run_to_end(a.r, COUNTERS, a.backfiller), backfill.run_to_end(b.r, COUNTERS, b.backfiller)
    )
    assert (told.seen, told.state) == (60, "done")
    await assert_equal(rig, COUNTERS)
    assert (await verbs(rig)).count("backfill complete") == 1


async def test_a_range_split_in_the_middle_leaves_no_gap_and_repeats_nothing(rig: Rig, a: Process) -> None:
    await make(rig, 60)
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    await a.backfiller.step()
    for _ in range(2):
        (parent, *_) = await rig.sqlite.feed_ranges(COUNTERS)
        await rig.sqlite.split_range(COUNTERS, parent)
    told = await backfill.run_to_end(a.r, COUNTERS, a.backfiller)
    assert (told.seen, told.ranges, told.ranges_done) == (60, 4, 4)
    await assert_equal(rig, COUNTERS)


async def test_a_follower_goes_on_behind_a_split_where_it_stood(rig: Rig, a: Process, b: Process) -> None:
    await make(rig, 30)
    while await a.follower.follow(COUNTERS):
        continue
    for parent in await rig.sqlite.feed_ranges(COUNTERS):
        await rig.sqlite.split_range(COUNTERS, parent)
    await make(rig, 1)
    # The copied events of the first round were pruned, which is a change as well.
    assert await b.follower.follow(COUNTERS) + await b.follower.follow(COUNTERS) < 10
    stands = {p.range_id for p in await rig.postgres.journal.positions(COUNTERS.name, Stream.FOLLOW)}
    assert set(await rig.sqlite.feed_ranges(COUNTERS)) <= stands


async def test_what_is_written_meanwhile_is_neither_lost_nor_overwritten(rig: Rig, a: Process) -> None:
    await make(rig, 30)
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    while (await rig.postgres.journal.backfill(COUNTERS.name)).state == "running":  # type: ignore[union-attr]
        await make(rig, 3)
        await a.backfiller.step()
        await a.follower.step()
    await a.settle()
    await assert_equal(rig, COUNTERS)


PLAIN = ({"id": "old", "value": 7, "colour": "red", "size": {"w": 1.5}}, {"id": "older", "value": 1, "keys": ["k"]})


async def test_documents_without_stamps_are_adopted_and_keep_what_nobody_knows(rig: Rig, a: Process) -> None:
    write_plainly(rig, *PLAIN)
    await a.fill(COUNTERS)
    while await a.follower.step():
        continue
    found = await documents_of(rig, COUNTERS)
    assert {record.stamp.seq for record in found.values()} == {1}
    assert found["old"].extra == {"colour": "red", "size": {"w": 1.5}}
    await assert_equal(rig, COUNTERS)


async def test_unknown_fields_survive_the_whole_way_to_postgres_and_back(rig: Rig, a: Process) -> None:
    write_plainly(rig, *PLAIN)
    await a.fill(COUNTERS)
    await a.settle()
    await a.move(COUNTERS, DUAL, REVERSED, POSTGRES)
    await a.works.run(raise_counter, kind=Counter, id="old", by=1)
    await a.move(COUNTERS, REVERSED, DUAL)
    record = (await documents_of(rig, COUNTERS))["old"]
    assert record.extra == {"colour": "red", "size": {"w": 1.5}}
    assert record.entity == Counter(id="old", value=8)


async def test_software_that_strips_stamps_does_not_silence_later_events(rig: Rig, a: Process) -> None:
    await a.works.run(raise_counter, kind=Counter, id="old", by=1)
    await a.fill(COUNTERS)
    await a.move(COUNTERS, DUAL)
    await a.settle()
    write_plainly(rig, {"id": "old", "value": 5})
    await a.settle()
    await a.works.run(raise_counter, kind=Counter, id="old", by=2)
    await a.settle()
    assert (await documents_of(rig, COUNTERS))["old"].entity == Counter(id="old", value=7)
    assert (await rig.tally()).total == 3
    await assert_equal(rig, COUNTERS)


async def test_software_without_stamps_cannot_overwrite_what_postgres_leads(rig: Rig, a: Process) -> None:
    await a.works.run(raise_counter, kind=Counter, id="old", by=1)
    await a.fill(COUNTERS)
    await a.settle()
    await a.move(COUNTERS, DUAL, REVERSED)
    write_plainly(rig, {"id": "old", "value": 50})
    await a.settle()
    (letter,) = await letters(rig)
    assert (letter.kind, letter.payload["value"], letter.rival["value"]) == (LetterKind.CONFLICT, 50, 1)
    await assert_equal(rig, COUNTERS)
    await a.move(COUNTERS, DUAL)
    assert await a.works.run(raise_counter, kind=Counter, id="old", by=1) == 2


async def test_an_unreadable_document_is_kept_aside_and_stops_nobody(rig: Rig, a: Process) -> None:
    await make(rig, 20)
    write_plainly(rig, {"id": "bad", "value": "not a number"}, {"id": "good", "value": 4})
    assert (await a.fill(COUNTERS)).state == "done"
    await a.settle()
    (letter,) = await letters(rig)
    assert (letter.kind, letter.key, letter.payload["value"]) == (
        LetterKind.UNREADABLE,
        Key("bad", "bad"),
        "not a number",
    )
    assert len(await rows_of(rig, COUNTERS)) == 21
    write_plainly(rig, {"id": "bad", "value": 3})
    await a.settle()
    assert await letters(rig) == []
    await assert_equal(rig, COUNTERS)


@pytest.mark.parametrize("units_per_s", [20.0, 3.0])
@pytest.mark.parametrize("is_plain", [False, True], ids=["stamped", "unstamped"])
async def test_the_charge_stays_within_the_budget(rig: Rig, units_per_s: float, is_plain: bool) -> None:
    if is_plain:
        write_plainly(rig, *({"id": f"p{at}", "value": at, "note": "x" * 300} for at in range(12)))
    else:
        await make(rig, 12)
        await Process(rig, "follower").settle()
    steady = Steady(rig)
    process = Process(rig, "a")
    r = process.r._replace(sleep=steady.sleep)
    await backfill.start(r, COUNTERS, units_per_s=units_per_s, **SOMEBODY)
    # The estimate at the start counts documents, which is a charge of its own.
    steady.look()
    steady.spent.clear()
    await backfill.run_to_end(r, COUNTERS, Backfiller(r, steady=steady, lease_s=60))
    steady.look()
    total = sum(units for _, units in steady.spent)
    assert total >= (12 * 5.3 if is_plain else 2)
    assert total <= units_per_s * (steady.now_s + 1) + 6.3 * units_per_s
    for end in (at for at, _ in steady.spent):
        until = sum(units for at, units in steady.spent if at <= end)
        assert until <= units_per_s * end + 7.0 * units_per_s


async def test_a_store_that_refuses_for_a_while_is_waited_for(rig: Rig, a: Process) -> None:
    await make(rig, 30)
    await Process(rig, "follower").settle()
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    rig.sqlite.throttle(4)
    told = await backfill.run_to_end(a.r, COUNTERS, a.backfiller)
    rig.sqlite.throttle(None)
    assert (told.state, told.seen) == ("done", 30)
    await assert_equal(rig, COUNTERS)


async def test_a_slow_postgres_is_given_rest(rig: Rig) -> None:
    await make(rig, 30)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    ticks = iter(range(10_000))
    r = Process(rig, "a").r._replace(sleep=sleep)
    await backfill.start(r, COUNTERS, latency_ms=500, **SOMEBODY)
    # Each look at this clock is a second later, so every page seems to take a second: twice what is wished.
    worker = Backfiller(r, steady=lambda: float(next(ticks)), page=10)
    await worker.step()
    assert slept and max(slept) <= 5.0


async def test_progress_is_a_range_that_holds_the_truth(rig: Rig, a: Process) -> None:
    await make(rig, 60)
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    begun = await backfill.progress(a.r, COUNTERS)
    assert (begun.seen, begun.share_low, begun.left_s_low, begun.left_s_high) == (0, 0.0, None, None)
    shares: list[tuple[float, float]] = []
    while (told := await backfill.progress(a.r, COUNTERS)).state == "running":
        shares.append((told.share_low, told.share_high))
        truth = len(await rows_of(rig, COUNTERS)) / 60
        assert told.share_low <= truth <= told.share_high
        await a.backfiller.step()
        if told.left_s_low is not None:
            assert 0 <= told.left_s_low <= told.left_s_high  # type: ignore[operator]
    assert shares == sorted(shares) and len(shares) > 3


async def test_events_are_told_once_however_the_copy_is_filled(rig: Rig, a: Process, b: Process) -> None:
    await make(rig, 20)
    await b.fill(COUNTERS)
    await a.settle()
    await b.move(COUNTERS, DUAL)
    await make(rig, 20)
    await a.settle()
    assert (await rig.tally()).total == 2 * sum(range(1, 21))


async def test_a_copy_given_up_is_filled_anew(rig: Rig, a: Process) -> None:
    await make(rig, 10)
    await a.fill(COUNTERS)
    await a.move(COUNTERS, DUAL)
    await a.move(COUNTERS, *[phase for phase in DUAL.__class__ if phase.name == "COSMOS_ONLY"])
    await make(rig, 12)
    assert (await a.fill(COUNTERS)).state == "done"
    await a.settle()
    await assert_equal(rig, COUNTERS)
