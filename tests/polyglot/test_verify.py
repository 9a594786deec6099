"""Rechecks, ages, and the scrub: what heals is not counted, what keeps changing only lags, nothing is read twice."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from itertools import count

import msgspec
import pytest

from mystira.polyglot.canonical import digest_of
from mystira.polyglot.control import Change, Control
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.digest import FOLDED_AT_ONCE, ROOT, Noted, Side, differing
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.entity import Stamp
from mystira.polyglot.equality import is_equal
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.reports import RunKind, every_difference
from mystira.polyglot.scrub import LEASE_S, ScrubRunning, scrub, scrub_in_turn
from mystira.polyglot.store import Key, Record, Unreadable
from mystira.polyglot.stores.documents import load_looked
from mystira.polyglot.verify import NothingToCompare, Scrutiny, verify, verify_keys
from mystira.polyglot.work import Work, Works
from tests.contracts.sample import BRIEFS, FLEETING, SAMPLES, Sample, record_of
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY, real_clock
from tests.polyglot.planting import QUICKLY, Garden, Planted, clean, living, sample

pytestmark = pytest.mark.anyio

LAGGING, STALE, MISSING = DifferenceClass.LAGGING, DifferenceClass.STALE, DifferenceClass.MISSING
UNREADABLE = DifferenceClass.UNREADABLE
LEADERS = {"documents lead": DUAL, "PostgreSQL leads": REVERSED}


async def these(keys: Iterable[Key]) -> AsyncIterator[Key]:
    for key in keys:
        yield key


def stale(id: str) -> Planted:
    return Planted(sample(id), living(id, Stamp(0, 2)), STALE)


async def kinds(garden: Garden, run_id: str) -> dict[str, DifferenceClass]:
    return {one.key.id: one.kind async for one in every_difference(garden.relational.reports, run_id)}


async def test_what_heals_between_two_rechecks_is_no_difference(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([stale("healing"), stale("lasting")])
    slept = count()

    async def sleep(seconds: float) -> None:
        if next(slept) == 1:
            await garden.put_row(sample("healing"))
        await asyncio.sleep(seconds)

    keys = [sample("healing").key, sample("lasting").key, Key("nowhere", "nothing")]
    report = await verify_keys(garden.r._replace(sleep=sleep), SAMPLES, these(keys), scrutiny=QUICKLY, **SOMEBODY)
    assert await kinds(garden, report.id) == {"lasting": STALE}
    assert (report.kind, report.seen, report.healed, report.differences) == (RunKind.DIGEST, 3, 2, 1)


async def test_a_change_of_the_key_sets_its_age_back(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([stale("restless"), stale("still")])
    seq = count(10)

    async def sleep(seconds: float) -> None:
        # It never agrees, but it is never twice the same.
        await garden.put_row(living("restless", Stamp(0, next(seq))))
        await asyncio.sleep(seconds)

    keys = [sample("restless").key, sample("still").key]
    report = await verify_keys(garden.r._replace(sleep=sleep), SAMPLES, these(keys), scrutiny=QUICKLY, **SOMEBODY)
    assert await kinds(garden, report.id) == {"restless": LAGGING, "still": STALE}
    assert report.differences == 1


async def test_what_an_ordinary_lag_looks_like_must_be_older_than_the_lag_goal(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow(
        [stale("a"), Planted(sample("b"), None, MISSING), Planted(sample("c"), sample("c", amount=0), STALE)]
    )
    clock = garden.r.clock
    began = clock()
    passed: dict[str, float] = {}

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        for id in await kinds(garden, (await garden.relational.reports.recent(SAMPLES.name))[0].id):
            passed.setdefault(id, (clock() - began).total_seconds())

    patient = Scrutiny(lag_goal_s=0.4, rechecks=2, recheck_s=0.02)
    keys = [sample(id).key for id in "abc"]
    report = await verify_keys(garden.r._replace(sleep=sleep), SAMPLES, these(keys), scrutiny=patient, **SOMEBODY)
    assert await kinds(garden, report.id) == {"a": STALE, "b": MISSING, "c": DifferenceClass.DIVERGENT}
    assert passed["c"] < 0.4 < passed.get("a", 1.0) and (clock() - began).total_seconds() > 0.4


async def test_a_scrub_that_was_cut_short_goes_on_where_it_stopped(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([*clean(100), stale("lasting"), Planted(None, sample("zzz"), DifferenceClass.EXTRA)])
    in_pages = Scrutiny(lag_goal_s=0.01, rechecks=1, recheck_s=0.01, page=10, records_per_s=1e9, unsaved_max=20)
    for crash_at in (3, 6, 5):
        slept = count()

        async def sleep(seconds: float, crash_at: int = crash_at, slept: Iterable[int] = slept) -> None:
            if next(iter(slept)) == crash_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await scrub(garden.r._replace(sleep=sleep), SAMPLES, scrutiny=in_pages, **SOMEBODY)
    report = await garden.scrub(in_pages)
    assert await kinds(garden, report.id) == {"lasting": STALE, "zzz": DifferenceClass.EXTRA}
    # 101 documents and 102 rows: what was read again after a crash had not been counted.
    assert report.seen == 203
    assert [one.id for one in await garden.relational.reports.recent(SAMPLES.name)] == [report.id]
    assert (await garden.scrub(in_pages)).id != report.id


async def test_of_two_workers_one_scrubs_and_the_lease_of_a_dead_one_runs_out(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow(clean(30))
    other = garden.r._replace(name="another worker")
    refused: list[str] = []

    async def sleep(seconds: float) -> None:
        with pytest.raises(ScrubRunning) as running:
            await scrub(other, SAMPLES, scrutiny=QUICKLY, **SOMEBODY)
        refused.append(running.value.message)

    in_pages = msgspec.structs.replace(QUICKLY, page=10, records_per_s=1e9)
    first = await scrub(garden.r._replace(sleep=sleep), SAMPLES, scrutiny=in_pages, **SOMEBODY)
    assert len(refused) > 3 and first.seen == 60
    assert (await scrub(other, SAMPLES, scrutiny=QUICKLY, **SOMEBODY)).id != first.id
    # One that died without a word.
    lease = SAMPLES.name, Stream.SCRUB, "all", "dead", garden.r.clock()
    assert await garden.r.journal.lease_range(*lease, LEASE_S) is not None
    with pytest.raises(ScrubRunning):
        await garden.scrub()
    later = garden.r._replace(clock=lambda: real_clock() + timedelta(seconds=LEASE_S + 1))
    assert (await scrub(later, SAMPLES, scrutiny=QUICKLY, **SOMEBODY)).seen == 60


async def test_scrubs_take_turns_by_age_and_finish_what_a_dead_worker_left(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow(clean(3))
    r = garden.r
    assert await scrub_in_turn(r, every_s=3600.0, records_per_s=1e9) == 1
    assert await scrub_in_turn(r, every_s=3600.0, records_per_s=1e9) == 0
    assert await scrub_in_turn(r, every_s=0.0, records_per_s=1e9) == 1
    (newest, *_) = await garden.relational.reports.recent(SAMPLES.name)
    await garden.relational.reports.put(msgspec.structs.replace(newest, finished_at=None))
    assert await scrub_in_turn(r, every_s=3600.0, records_per_s=1e9) == 1
    reports = await garden.relational.reports.recent(SAMPLES.name)
    assert len(reports) == 2 and all(report.finished_at for report in reports)


async def test_a_tree_that_was_changed_by_hand_hides_nothing_from_the_scrub(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow(clean(5))
    await DigestKeeper(garden.r, lease_s=None).step()
    digests = garden.relational.digests
    while await digests.fold(FOLDED_AT_ONCE):
        continue
    await garden.sql("UPDATE polyglot.digest_nodes SET total = total + 1 WHERE side = 'row' AND node = 1")
    assert await digests.nodes(SAMPLES, Side.ROW, [ROOT]) != await digests.nodes(SAMPLES, Side.DOCUMENT, [ROOT])
    assert (await garden.scrub()).counts == {}
    assert await digests.nodes(SAMPLES, Side.ROW, [ROOT]) == await digests.nodes(SAMPLES, Side.DOCUMENT, [ROOT])


async def test_a_document_whose_time_was_up_is_no_difference_and_in_nobodys_way(garden: Garden) -> None:
    r = garden.r
    await r.journal.declare(Control(id=FLEETING.name, phase=DUAL, copying=True, complete=True))
    for id in ("short", "long"):
        await r.documents.write(FLEETING, record_of(FLEETING.entity(id=id), collection=FLEETING), None)
    follower = FeedFollower([FLEETING], r.documents, r.relational, clock=r.clock, lease_s=None)
    keeper = DigestKeeper(r, lease_s=None)
    await follower.step()
    await keeper.step()
    garden.expire(FLEETING, "short")
    assert await garden.documents.sweep() == 1 and await r.relational.read(FLEETING, Key("short", "short")) is not None
    await keeper.step()
    assert [found async for found in differing(r.relational.digests, FLEETING)] == []
    assert (await scrub(r, FLEETING, scrutiny=QUICKLY, **SOMEBODY)).counts == {}
    assert await is_equal(r, FLEETING)
    # What lives, and has no row, is still seen.
    await r.documents.write(FLEETING, record_of(FLEETING.entity(id="new"), collection=FLEETING), None)
    assert not await is_equal(r, FLEETING)


async def test_a_scrub_keeps_its_pace(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow(clean(50))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    slow = Scrutiny(page=5, records_per_s=10)
    report = await scrub(garden.r._replace(sleep=sleep), SAMPLES, scrutiny=slow, **SOMEBODY)
    assert report.seen == 100 and report.counts == {}
    assert 9 < sum(slept) <= 10


async def test_a_range_that_splits_under_way_leaves_nothing_out(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([*clean(60), *(stale(f"stale-{at}") for at in range(20))])
    ranges = await garden.documents.feed_ranges(SAMPLES)

    async def sleep(seconds: float) -> None:
        if ranges:
            await garden.documents.split_range(SAMPLES, ranges[0])
            ranges.clear()
        await asyncio.sleep(min(seconds, 0.02))

    in_pages = Scrutiny(lag_goal_s=0.01, rechecks=1, recheck_s=0.01, page=5, records_per_s=1e6)
    report = await scrub(garden.r._replace(sleep=sleep), SAMPLES, scrutiny=in_pages, **SOMEBODY)
    assert len(await kinds(garden, report.id)) == 20
    assert len(await garden.documents.feed_ranges(SAMPLES)) == 3


@pytest.mark.parametrize("phase", LEADERS.values(), ids=LEADERS)
async def test_what_cannot_be_read_is_found_and_stops_nobody(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    names = ["a text", "a stray", "a wrong stamp", "a row"]
    await garden.sow([*clean(20), *(Planted(sample(name), sample(name), UNREADABLE) for name in names)])
    garden.put_text(sample("a text").key, '{"ownerId": "owner of a text", "id": "a text", "amount": "many"}')
    garden.put_text(sample("a stray").key, '{"ownerId": "somewhere else", "id": "a stray"}')
    garden.put_text(sample("a wrong stamp").key, '{"id": "a wrong stamp", "_polyglot": {"stamp": -5}}')
    await garden.sql("UPDATE samples SET colour = 'green', _stamp = -1 WHERE id = 'a row'")
    report = await garden.scrub()
    assert await kinds(garden, report.id) == dict.fromkeys(names, UNREADABLE)


def test_a_document_that_is_no_json_is_told_under_its_key() -> None:
    found = load_looked(BRIEFS, Key("a", "a"), '{"id": "a', "7")
    assert isinstance(found, Unreadable)
    assert (found.key, found.body, found.token) == (Key("a", "a"), {"text": '{"id": "a'}, "7")


@pytest.mark.parametrize("phase", LEADERS.values(), ids=LEADERS)
async def test_equal_stores_under_constant_writing_show_no_difference(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    await garden.sow(clean(80))
    r = garden.r
    works = Works(r.catalog, documents=r.documents, relational=r.relational)
    follower = FeedFollower([SAMPLES], r.documents, r.relational, clock=r.clock)
    relay = ReverseRelay(r.catalog, r.documents, r.relational, clock=r.clock)
    written, is_over = count(), asyncio.Event()

    async def change(work: Work, at: int) -> None:
        id = f"clean-{at % 80:04}"
        found = await work.get(Sample, id, f"owner of {id}")
        if found is None or at % 5:
            work.save((found or Sample(id=id, owner_id=f"owner of {id}")).evolve(amount=at))
        else:
            work.remove(found)

    async def write() -> None:
        while not is_over.is_set():
            await works.run(change, next(written) * 7)

    async def carry() -> None:
        while not is_over.is_set():
            await follower.step()
            await relay.step()
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(task) for task in (write(), write(), carry())]
    try:
        patient = Scrutiny(lag_goal_s=2.0, rechecks=3, recheck_s=0.02, page=10, records_per_s=300)
        report = await garden.scrub(patient)
    finally:
        is_over.set()
        await asyncio.gather(*tasks)
        await works.close()
    assert next(written) > 50 and report.seen >= 140
    assert (report.differences, report.counts.get(LAGGING, 0)) == (0, 0)


async def test_what_only_one_store_holds_cannot_be_compared(garden: Garden) -> None:
    with pytest.raises(NothingToCompare, match="CosmosOnly"):
        await garden.scrub()
    await garden.begin(REVERSED)
    row = await garden.r.journal.control(SAMPLES.name)
    assert isinstance(row, Control)
    after = row.evolve(phase=Phase.POSTGRES_ONLY, copying=False, n=row.n + 1)
    await garden.r.journal.change(row, after, Change(collection=SAMPLES.name, verb="x", actor="x", at=garden.r.clock()))
    with pytest.raises(NothingToCompare, match="PostgresOnly"):
        await garden.scrub()


async def test_a_run_is_on_record_with_who_wanted_it_and_why(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([stale("lasting")])
    await garden.scrub()
    ended, begun = await garden.r.journal.history(SAMPLES.name)
    assert (begun.verb, ended.verb) == ("begin scrub", "end scrub: 1 differences")
    assert {(line.actor, line.why) for line in (begun, ended)} == {("somebody", "a test")}


async def counted(garden: Garden) -> None:
    """Let digests of both sides be kept of what is there."""
    digests = garden.relational.digests
    while await digests.fill(SAMPLES, 100):
        continue
    for range_id in await garden.documents.feed_ranges(SAMPLES):
        page = await garden.documents.feed(SAMPLES, range_id, "", 1_000)
        records = [(item.record, item.position) for item in page.items if isinstance(item.record, Record)]
        noted = [Noted(one.key, one.stamp, digest_of(SAMPLES, one), position) for one, position in records]
        move = Move(Stream.DIGEST, range_id, "", page.continuation)
        await digests.take(SAMPLES.name, noted, 0, move, garden.r.clock())


async def differing_ids(garden: Garden) -> list[str]:
    return sorted([found.key.id async for found in differing(garden.relational.digests, SAMPLES)])


async def test_what_differing_digests_point_to_is_verified(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([*clean(50), stale("low"), Planted(sample("gone"), None, MISSING)])
    await counted(garden)
    report = await verify(garden.r, SAMPLES, scrutiny=QUICKLY, **SOMEBODY)
    assert await kinds(garden, report.id) == {"low": STALE, "gone": MISSING}
    assert (report.kind, report.seen) == (RunKind.DIGEST, 2)


async def test_the_scrub_sees_what_digests_cannot_and_corrects_those_that_are_wrong(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow(clean(50))
    await counted(garden)
    assert await differing_ids(garden) == []
    await garden.put_row(sample("clean-0003", amount=0))
    assert await differing_ids(garden) == []
    await garden.sql("UPDATE samples SET _leaf = _leaf, _digest = 5 WHERE id = 'clean-0007'")
    await garden.sql("UPDATE polyglot.document_digests SET _digest = 6 WHERE id = 'clean-0009'")
    assert await differing_ids(garden) == ["clean-0007", "clean-0009"]
    report = await garden.scrub()
    assert await kinds(garden, report.id) == {"clean-0003": DifferenceClass.DIVERGENT}
    assert report.digests_corrected == 2 and await differing_ids(garden) == []
    assert (await garden.scrub()).digests_corrected == 0
