"""What a document store's change feed promises."""

import asyncio
import random

import msgspec
import pytest

from mystira.polyglot.query import EVERYTHING, equal
from mystira.polyglot.store import Conflict, Key, RangeGone, Record, Spilled, StoreError, Throttled, TooLarge
from mystira.polyglot.stores.ranges import HASHES, first_ranges, hash_of
from tests.contracts.conftest import Clock, Documents
from tests.contracts.sample import BRIEFS, FLEETING, SAMPLES, Brief, Sample, event, record_of, tombstone_of

pytestmark = pytest.mark.anyio


async def put(store: Documents, sample: Sample, **more: object) -> None:
    base = await store.read(SAMPLES, Key(sample.owner_id, sample.id))
    await store.write(SAMPLES, record_of(sample, base=base, **more), base)


async def drain(store: Documents, range_id: str, after: str = "", limit: int = 3) -> tuple[list[str], str]:
    seen: list[str] = []
    while True:
        page = await store.feed(SAMPLES, range_id, after, limit)
        seen += (item.record.key.id for item in page.items)
        after = page.continuation
        if not page.has_more:
            return seen, after


async def everything(store: Documents) -> list[str]:
    return [id for range_id in await store.feed_ranges(SAMPLES) for id in (await drain(store, range_id))[0]]


async def test_every_document_is_in_exactly_one_range(documents: Documents) -> None:
    for number in range(40):
        await put(documents, Sample(id=str(number), owner_id=f"owner{number}"))
    assert len(await documents.feed_ranges(SAMPLES)) >= 2
    assert sorted(await everything(documents), key=int) == [str(number) for number in range(40)]


async def test_only_the_latest_version_comes_and_it_comes_last(documents: Documents) -> None:
    for id in ("a", "b", "a"):
        await put(documents, Sample(id=id, title=id))
    assert await everything(documents) == ["b", "a"]


async def test_what_was_changed_last_is_known_without_the_feed_the_newest_first(
    documents: Documents, clock: Clock
) -> None:
    for id in ("a", "b", "c", "a"):
        await put(documents, Sample(id=id, owner_id=f"owner {id}"))
        clock.now_s += 1  # A store may know the order of changes by the second only.
    base = await documents.read(SAMPLES, Key("owner b", "b"))
    assert base is not None
    await documents.write(SAMPLES, tombstone_of(base), base)
    latest = await documents.latest(SAMPLES, 2)
    assert [key.id for key, _ in latest] == ["b", "a"]
    assert [stamp.seq for _, stamp in latest] == [2, 2]
    assert len(await documents.latest(SAMPLES, 10)) == 3


async def test_a_continuation_goes_on_where_it_stopped(documents: Documents) -> None:
    await put(documents, Sample(id="a"))
    ends = {range_id: (await drain(documents, range_id))[1] for range_id in await documents.feed_ranges(SAMPLES)}
    await put(documents, Sample(id="b"))
    seen = [id for range_id, end in ends.items() for id in (await drain(documents, range_id, end))[0]]
    assert seen == ["b"]


async def test_tombstones_and_pending_events_come_through(documents: Documents) -> None:
    await put(documents, Sample(id="a"), events=(event(1),), event_seq=1)
    base = await documents.read(SAMPLES, Key("owner", "a"))
    assert base is not None
    ended = msgspec.structs.replace(tombstone_of(base), events=(*base.events, event(2)))
    await documents.write(SAMPLES, ended, base)
    pages = [await documents.feed(SAMPLES, r, "", 9) for r in await documents.feed_ranges(SAMPLES)]
    (item,) = [item for page in pages for item in page.items]
    assert item.record.deleted
    assert [pending.seq for pending in item.record.events] == [1, 2]
    assert item.record.events[0] == event(1)


async def test_an_empty_feed_keeps_its_continuation(documents: Documents) -> None:
    range_id = (await documents.feed_ranges(SAMPLES))[0]
    page = await documents.feed(SAMPLES, range_id, "", 5)
    assert (page.items, page.continuation, page.has_more) == ([], "", False)


async def test_a_split_names_its_successors_and_loses_nothing(documents: Documents) -> None:
    for number in range(30):
        await put(documents, Sample(id=str(number), owner_id=f"owner{number}"))
    parent = (await documents.feed_ranges(SAMPLES))[0]
    page = await documents.feed(SAMPLES, parent, "", 4)
    seen = [item.record.key.id for item in page.items]
    children = await documents.split_range(SAMPLES, parent)
    with pytest.raises(RangeGone) as gone:
        await documents.feed(SAMPLES, parent, page.continuation, 4)
    assert gone.value.successors == tuple(children)
    for child in children:
        seen += (await drain(documents, child, page.continuation))[0]
    for other in await documents.feed_ranges(SAMPLES):
        if other not in children:
            seen += (await drain(documents, other))[0]
    assert sorted(seen, key=int) == [str(number) for number in range(30)]


async def test_a_split_of_a_split_names_the_living(documents: Documents) -> None:
    parent = (await documents.feed_ranges(SAMPLES))[0]
    first, second = await documents.split_range(SAMPLES, parent)
    grandchildren = await documents.split_range(SAMPLES, first)
    with pytest.raises(RangeGone) as gone:
        await documents.feed(SAMPLES, parent, "", 4)
    assert gone.value.successors == (*grandchildren, second)


async def test_the_same_continuation_shows_the_same_page_again(documents: Documents) -> None:
    for number in range(5):
        await put(documents, Sample(id=str(number)))
    for range_id in await documents.feed_ranges(SAMPLES):
        assert await documents.feed(SAMPLES, range_id, "", 3) == await documents.feed(SAMPLES, range_id, "", 3)


async def test_a_page_says_truly_whether_more_follows(documents: Documents) -> None:
    for number in range(3):
        await put(documents, Sample(id=str(number)))
    (range_id,) = [r for r in await documents.feed_ranges(SAMPLES) if (await drain(documents, r))[0]]
    assert [(await documents.feed(SAMPLES, range_id, "", limit)).has_more for limit in (1, 2, 3, 4)] == [
        True,
        True,
        False,
        False,
    ]


async def test_positions_rise_within_a_range(documents: Documents) -> None:
    for number in range(30):
        await put(documents, Sample(id=str(number % 11), owner_id=f"owner{number % 5}", amount=number))
    for range_id in await documents.feed_ranges(SAMPLES):
        page = await documents.feed(SAMPLES, range_id, "", 100)
        positions = [item.position for item in page.items]
        assert positions == sorted(set(positions))


async def test_the_feed_shows_what_a_read_shows(documents: Documents) -> None:
    await put(documents, Sample(id="a", title="one"), handled=("event/1",), op="op-9")
    read = await documents.read(SAMPLES, Key("owner", "a"))
    pages = [await documents.feed(SAMPLES, r, "", 9) for r in await documents.feed_ranges(SAMPLES)]
    assert [item.record for page in pages for item in page.items] == [read]


async def test_a_record_from_the_feed_can_be_the_base_of_a_write(documents: Documents) -> None:
    await put(documents, Sample(id="a"), events=(event(1),), event_seq=1)
    pages = [await documents.feed(SAMPLES, r, "", 9) for r in await documents.feed_ranges(SAMPLES)]
    (record,) = [item.record for page in pages for item in page.items]
    await documents.write(SAMPLES, msgspec.structs.replace(record, events=()), record)
    found = await documents.read(SAMPLES, record.key)
    assert found is not None and (found.events, found.stamp, found.op) == ((), record.stamp, record.op)


async def test_a_refused_write_leaves_no_trace(documents: Documents) -> None:
    await put(documents, Sample(id="a"))
    ends = {r: (await drain(documents, r))[1] for r in await documents.feed_ranges(SAMPLES)}
    with pytest.raises(Conflict):
        await documents.write(SAMPLES, record_of(Sample(id="a")), None)
    for range_id, end in ends.items():
        assert (await documents.feed(SAMPLES, range_id, end, 9)).items == []


async def test_containers_do_not_mix(documents: Documents) -> None:
    await put(documents, Sample(id="a"))
    await documents.write(BRIEFS, record_of(Brief(id="b"), collection=BRIEFS), None)
    pages = [await documents.feed(BRIEFS, r, "", 9) for r in await documents.feed_ranges(BRIEFS)]
    assert [item.record.key.id for page in pages for item in page.items] == ["b"]


async def test_a_range_that_was_quiet_for_long_shows_its_next_change(documents: Documents) -> None:
    ranges = await documents.feed_ranges(SAMPLES)
    ends = dict.fromkeys(ranges, "")
    for number in range(40):
        await put(documents, Sample(id=str(number), owner_id=f"owner{number % 2}"))
        seen: list[str] = []
        for range_id in ranges:
            found, ends[range_id] = await drain(documents, range_id, ends[range_id])
            seen += found
        assert seen == [str(number)]


async def test_a_range_that_never_was_is_refused(documents: Documents) -> None:
    for name in ("", "nonsense", "000000001-000000002"):
        with pytest.raises(StoreError, match="range"):
            await documents.feed(SAMPLES, name, "", 5)


async def test_a_range_cannot_be_split_twice(documents: Documents) -> None:
    parent = (await documents.feed_ranges(SAMPLES))[0]
    children = await documents.split_range(SAMPLES, parent)
    with pytest.raises(RangeGone) as gone:
        await documents.split_range(SAMPLES, parent)
    assert gone.value.successors == tuple(children)


@pytest.mark.parametrize("seed", range(12))
async def test_a_follower_that_stops_and_resumes_ends_with_what_the_store_holds(
    documents: Documents, seed: int
) -> None:
    chance = random.Random(seed)
    copy: dict[Key, Record] = {}
    ends = dict.fromkeys(await documents.feed_ranges(SAMPLES), "")
    for number in range(120):
        await _change_something(documents, chance, number)
        if chance.random() < 0.2:
            await _follow(documents, chance.choice(list(ends)), ends, copy, chance.randint(1, 4))
    for _ in range(200):
        for range_id in list(ends):
            await _follow(documents, range_id, ends, copy, 3)
    assert sorted(ends) == sorted(await documents.feed_ranges(SAMPLES))
    for key, record in copy.items():
        assert await documents.read(SAMPLES, key) == record
    assert sum(not record.deleted for record in copy.values()) == await documents.count(SAMPLES, EVERYTHING)


async def _change_something(documents: Documents, chance: random.Random, number: int) -> None:
    sample = Sample(id=str(chance.randint(0, 9)), owner_id=f"owner{chance.randint(0, 5)}", amount=number)
    base = await documents.read(SAMPLES, Key(sample.owner_id, sample.id))
    if base is not None and not base.deleted and chance.random() < 0.3:
        await documents.write(SAMPLES, tombstone_of(base), base)
    else:
        await documents.write(SAMPLES, record_of(sample, base=base), base)
    if chance.random() < 0.03:
        await documents.split_range(SAMPLES, chance.choice(await documents.feed_ranges(SAMPLES)))


async def _follow(
    documents: Documents, range_id: str, ends: dict[str, str], copy: dict[Key, Record], limit: int
) -> None:
    try:
        page = await documents.feed(SAMPLES, range_id, ends[range_id], limit)
    except RangeGone as gone:
        ends |= dict.fromkeys(gone.successors, ends.pop(range_id))
        return
    for item in page.items:
        assert item.record.stamp > copy[item.record.key].stamp if item.record.key in copy else True
        copy[item.record.key] = item.record
    ends[range_id] = page.continuation


async def test_a_document_over_two_megabytes_is_refused(documents: Documents) -> None:
    with pytest.raises(TooLarge):
        await documents.write(SAMPLES, record_of(Sample(id="a", title="x" * (2 << 20))), None)
    assert await documents.read(SAMPLES, Key("owner", "a")) is None


async def test_of_two_who_split_a_range_one_is_told_that_it_is_gone(documents: Documents) -> None:
    parent = (await documents.feed_ranges(SAMPLES))[0]
    answers = await asyncio.gather(*(documents.split_range(SAMPLES, parent) for _ in range(2)), return_exceptions=True)
    children, gone = sorted(answers, key=lambda answer: isinstance(answer, RangeGone))
    assert isinstance(gone, RangeGone) and gone.successors == tuple(children)  # type: ignore[arg-type]
    assert len(await documents.feed_ranges(SAMPLES)) == 3


def test_ranges_meet_without_gap_or_overlap() -> None:
    ranges = first_ranges()
    for _ in range(6):
        ranges = tuple(half for whole in ranges for half in whole.halves())
    edges = [edge for living in ranges for edge in (living.low, living.high - 1)]
    assert all(sum(living.holds(hashed) for living in ranges) == 1 for hashed in (*edges, 0, HASHES - 1))


def test_the_place_of_a_partition_is_the_same_for_ever() -> None:
    # Stored continuations and ranges depend on it: another hash would skip documents.
    assert [hash_of(partition) for partition in ("", "owner", "Zoë 🐉")] == [0, 3_479_234_172, 3_529_342_618]


async def test_a_document_of_almost_two_megabytes_is_kept(documents: Documents) -> None:
    sample = Sample(id="a", title="x" * ((2 << 20) - 2_000))
    await put(documents, sample)
    found = await documents.read(SAMPLES, Key("owner", "a"))
    assert found is not None and found.entity == sample


async def test_events_without_a_number_that_others_could_read_are_refused(documents: Documents) -> None:
    odd = msgspec.structs.replace(event(1), body={"score": float("nan")})
    with pytest.raises(ValueError, match=r"events\[0\].body.score"):
        await documents.write(SAMPLES, record_of(Sample(id="a"), events=(odd,)), None)


async def test_events_that_no_other_store_could_keep_are_refused(documents: Documents) -> None:
    for text in ("nul \x00", "half \ud83d pair"):
        with pytest.raises(ValueError, match="events"):
            await documents.write(SAMPLES, record_of(Sample(id="a"), events=(event(1, text),)), None)
        with pytest.raises(ValueError, match="op"):
            await documents.write(SAMPLES, record_of(Sample(id="a"), op=text), None)
    assert await documents.read(SAMPLES, Key("owner", "a")) is None


async def test_time_to_live_lets_documents_go(documents: Documents, clock: Clock) -> None:
    fleeting = FLEETING.entity(id="a")
    await documents.write(FLEETING, record_of(fleeting, collection=FLEETING), None)
    await documents.write(BRIEFS, record_of(Brief(id="a"), collection=BRIEFS), None)
    clock.now_s += 59
    assert await documents.read(FLEETING, Key("a", "a")) is not None
    assert await documents.count(FLEETING, EVERYTHING) == 1
    clock.now_s += 2
    assert await documents.read(FLEETING, Key("a", "a")) is None
    assert await documents.count(FLEETING, EVERYTHING) == 0
    for range_id in await documents.feed_ranges(FLEETING):
        assert (await documents.feed(FLEETING, range_id, "", 9)).items == []
    assert await documents.read(BRIEFS, Key("a", "a")) is not None


async def test_a_write_begins_the_time_to_live_anew(documents: Documents, clock: Clock) -> None:
    await documents.write(FLEETING, record_of(FLEETING.entity(id="a"), collection=FLEETING), None)
    clock.now_s += 50
    base = await documents.read(FLEETING, Key("a", "a"))
    assert base is not None
    await documents.write(FLEETING, record_of(FLEETING.entity(id="a"), base=base, collection=FLEETING), base)
    clock.now_s += 50
    assert await documents.read(FLEETING, Key("a", "a")) is not None


async def test_what_has_expired_is_created_as_if_it_had_never_been(documents: Documents, clock: Clock) -> None:
    fleeting = FLEETING.entity(id="a")
    await documents.write(FLEETING, record_of(fleeting, collection=FLEETING), None)
    stale = await documents.read(FLEETING, Key("a", "a"))
    assert stale is not None
    clock.now_s += 61
    with pytest.raises(Conflict):
        await documents.write(FLEETING, record_of(fleeting, base=stale, collection=FLEETING), stale)
    await documents.write(FLEETING, record_of(fleeting, collection=FLEETING), None)
    assert await documents.read(FLEETING, Key("a", "a")) is not None


async def test_a_sweep_removes_what_has_expired_and_nothing_else(documents: Documents, clock: Clock) -> None:
    for name in "abc":
        await documents.write(FLEETING, record_of(FLEETING.entity(id=name), collection=FLEETING), None)
    await documents.write(BRIEFS, record_of(Brief(id="a"), collection=BRIEFS), None)
    clock.now_s += 61
    await documents.write(FLEETING, record_of(FLEETING.entity(id="d"), collection=FLEETING), None)
    assert await documents.sweep() == 3
    assert await documents.sweep() == 0
    assert await documents.count(FLEETING, EVERYTHING) == await documents.count(BRIEFS, EVERYTHING) == 1


async def test_no_time_to_live_removes_a_tombstone(documents: Documents, clock: Clock) -> None:
    await documents.write(FLEETING, record_of(FLEETING.entity(id="a"), collection=FLEETING), None)
    base = await documents.read(FLEETING, Key("a", "a"))
    assert base is not None
    await documents.write(FLEETING, tombstone_of(base), base)
    clock.now_s += 10_000
    assert await documents.sweep() == 0
    found = await documents.read(FLEETING, Key("a", "a"))
    assert found is not None and found.deleted


async def test_what_is_removed_is_gone_without_a_trace_and_can_be_created_again(documents: Documents) -> None:
    await put(documents, Sample(id="a"))
    found = await documents.read(SAMPLES, Key("owner", "a"))
    assert found is not None
    await documents.remove(SAMPLES, found)
    assert await documents.read(SAMPLES, found.key) is None
    assert await everything(documents) == []
    await put(documents, Sample(id="a", title="again"))
    assert await everything(documents) == ["a"]


async def test_only_what_was_read_can_be_removed(documents: Documents) -> None:
    await put(documents, Sample(id="a", title="one"))
    found = await documents.read(SAMPLES, Key("owner", "a"))
    assert found is not None
    await put(documents, Sample(id="a", title="two"))
    with pytest.raises(Conflict):
        await documents.remove(SAMPLES, found)
    assert await everything(documents) == ["a"]
    newer = await documents.read(SAMPLES, Key("owner", "a"))
    assert newer is not None
    await documents.remove(SAMPLES, newer)
    with pytest.raises(Conflict):
        await documents.remove(SAMPLES, newer)


async def test_references_to_spilled_events_come_back(documents: Documents) -> None:
    await put(documents, Sample(id="a"), spilled=(Spilled(100, "x"), Spilled(205, "y")))
    found = await documents.read(SAMPLES, Key("owner", "a"))
    assert found is not None and found.spilled == (Spilled(100, "x"), Spilled(205, "y"))


async def test_throttling_says_when_to_come_back_and_changes_nothing(documents: Documents, clock: Clock) -> None:
    documents.throttle(8.0)
    await put(documents, Sample(id="a"))
    await put(documents, Sample(id="b"))
    with pytest.raises(Throttled) as throttled:
        await documents.write(SAMPLES, record_of(Sample(id="c")), None)
    with pytest.raises(Throttled):
        await documents.read(SAMPLES, Key("owner", "a"))
    assert throttled.value.retry_after_s == pytest.approx(0.75)
    clock.now_s += throttled.value.retry_after_s
    await put(documents, Sample(id="c"))
    documents.throttle(None)
    assert sorted(await everything(documents)) == ["a", "b", "c"]


async def test_request_units_are_counted_for_each_collection(documents: Documents) -> None:
    await documents.write(SAMPLES, record_of(Sample(id="a")), None)
    assert documents.charged["Samples"] == pytest.approx(5.3)
    await documents.read(SAMPLES, Key("owner", "a"))
    assert documents.charged["Samples"] == pytest.approx(6.3)
    with pytest.raises(Conflict):
        await documents.write(SAMPLES, record_of(Sample(id="a")), None)
    assert documents.charged["Samples"] == pytest.approx(7.3)
    await documents.write(BRIEFS, record_of(Brief(id="a", note="x" * 3_000), collection=BRIEFS), None)
    assert documents.charged["Briefs"] == pytest.approx(4 * 5.3)
    assert documents.charged["Samples"] == pytest.approx(7.3)


async def test_a_query_across_partitions_costs_more(documents: Documents) -> None:
    await put(documents, Sample(id="a"))
    before = documents.charged["Samples"]
    await documents.count(SAMPLES, equal("owner_id", "owner"))
    within = documents.charged["Samples"] - before
    await documents.count(SAMPLES, EVERYTHING)
    assert documents.charged["Samples"] - before - within > within > 0
