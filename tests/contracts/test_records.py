"""What every store promises about one record."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from mystira.polyglot.entity import Stamp
from mystira.polyglot.query import EVERYTHING, Query, equal
from mystira.polyglot.store import Conflict, Key, Store
from tests.contracts.sample import (
    BRIEFS,
    NOW,
    SAMPLES,
    Brief,
    Colour,
    Part,
    Sample,
    event,
    record_of,
    tombstone_of,
)

pytestmark = pytest.mark.anyio


async def put(store: Store, sample: Sample, **more: Any):
    base = await store.read(SAMPLES, Key(sample.owner_id, sample.id))
    await store.write(SAMPLES, record_of(sample, base=base, **more), base)
    found = await store.read(SAMPLES, Key(sample.owner_id, sample.id))
    assert found is not None
    return found


async def test_what_was_never_written_is_none(store: Store) -> None:
    assert await store.read(SAMPLES, Key("owner", "nothing")) is None


async def test_a_record_comes_back_as_it_was(store: Store) -> None:
    sample = Sample(id="a", title="One", amount=3, part=Part(part_name="p", seen_at=NOW))
    found = await put(store, sample)
    assert found.entity == sample
    assert (found.stamp, found.parent, found.deleted) == (Stamp(0, 1), Stamp(0, 0), False)


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": "é́ combined"},
        {"title": "👩‍🚀 astral \U0010ffff and \uffff"},
        {"title": "quotes ' \" \\ and ${dollar} and %s"},
        {"title": "line\nbreak\ttab\x01control\x7f"},
        {"title": "x" * 100_000},
        {"amount": 0},
        {"amount": (1 << 63) - 1},
        {"amount": -(1 << 63)},
        {"amount": (1 << 53) + 1},
        {"ratio": 0.1},
        {"ratio": -0.0},
        {"ratio": 1e300},
        {"ratio": 5e-324},
        {"ratio": 1.0},
        {"ratio": 2.0**63},
        {"is_open": True},
        {"is_open": False},
        {"made_at": NOW},
        {"made_at": datetime(1, 1, 2, tzinfo=UTC)},
        {"made_at": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
        {"made_at": datetime(9999, 12, 30, tzinfo=UTC)},
        {"colour": Colour.BLUE},
        {"size": "large"},
        {"tags": ("a", "", "ä", "a")},
        {"numbers": (1, -1, (1 << 62))},
        {"part": Part(part_name="", weight_g=-3)},
        {"parts": (Part(part_name="x", seen_at=NOW), Part(part_name="y"))},
        {"totals": {"snake_case": 1, "camelCase": 2, "": 3}},
        {"by_part": {"some_key": Part(part_name="z", seen_at=NOW)}},
    ],
    ids=lambda changes: f"{next(iter(changes))}-{str(next(iter(changes.values())))[:24]}",
)
async def test_every_value_survives(store: Store, changes: dict[str, Any]) -> None:
    sample = Sample(id="a", **changes)
    assert (await put(store, sample)).entity == sample


async def test_a_time_in_another_zone_is_the_same_moment(store: Store) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    found = await put(store, Sample(id="a", made_at=there))
    assert found.entity is not None and found.entity.made_at == NOW  # type: ignore[attr-defined]


async def test_creating_twice_is_a_conflict_and_changes_nothing(store: Store) -> None:
    first = await put(store, Sample(id="a", title="first"))
    with pytest.raises(Conflict):
        await store.write(SAMPLES, record_of(Sample(id="a", title="second")), None)
    assert await store.read(SAMPLES, first.key) == first


async def test_a_stale_base_changes_nothing(store: Store) -> None:
    old = await put(store, Sample(id="a", title="one"))
    new = await put(store, Sample(id="a", title="two"))
    with pytest.raises(Conflict):
        await store.write(SAMPLES, record_of(Sample(id="a", title="three"), base=old), old)
    assert await store.read(SAMPLES, old.key) == new


async def test_replacing_what_is_not_there_is_a_conflict(store: Store, tmp_path: Any) -> None:
    never = record_of(Sample(id="ghost"), stamp=Stamp(0, 1), token="1")
    with pytest.raises(Conflict):
        await store.write(SAMPLES, record_of(Sample(id="ghost"), base=never), never)
    assert await store.read(SAMPLES, Key("owner", "ghost")) is None


async def test_a_tombstone_is_read_but_not_found(store: Store) -> None:
    base = await put(store, Sample(id="a", title="gone soon"))
    await store.write(SAMPLES, tombstone_of(base), base)
    found = await store.read(SAMPLES, base.key)
    assert found is not None and found.deleted and found.entity is None
    assert found.stamp == Stamp(0, 2)
    assert await store.search(SAMPLES, Query()) == []
    assert await store.count(SAMPLES, EVERYTHING) == 0


async def test_a_tombstone_blocks_creating_as_if_it_had_never_been(store: Store) -> None:
    base = await put(store, Sample(id="a"))
    await store.write(SAMPLES, tombstone_of(base), base)
    with pytest.raises(Conflict):
        await store.write(SAMPLES, record_of(Sample(id="a")), None)


async def test_life_after_a_tombstone_stands_above_it(store: Store) -> None:
    base = await put(store, Sample(id="a"))
    await store.write(SAMPLES, tombstone_of(base), base)
    again = await put(store, Sample(id="a", title="again"))
    assert again.stamp == Stamp(0, 3)
    assert (await store.search(SAMPLES, Query()))[0].entity == Sample(id="a", title="again")


async def test_bookkeeping_survives(store: Store) -> None:
    found = await put(
        store,
        Sample(id="a"),
        op="op-7",
        recent_ops=("op-6", "op-5"),
        writer="relay",
        schema=4,
        handled=("event/one", "event/two"),
        event_seq=12,
        extra={"unknownField": {"deep": [1, "two", None]}, "Discriminator": "Sample"},
    )
    assert (found.op, found.recent_ops, found.writer, found.schema) == ("op-7", ("op-6", "op-5"), "relay", 4)
    assert (found.handled, found.event_seq) == (("event/one", "event/two"), 12)
    assert found.extra == {"unknownField": {"deep": [1, "two", None]}, "Discriminator": "Sample"}


@pytest.mark.parametrize("epoch, seq", [(0, 1), (1, 1), (8_191, (1 << 40) - 1)])
async def test_stamps_of_any_size_survive(store: Store, epoch: int, seq: int) -> None:
    stamp = Stamp(epoch, seq)
    await store.write(SAMPLES, record_of(Sample(id="a"), stamp=stamp, parent=stamp), None)
    found = await store.read(SAMPLES, Key("owner", "a"))
    assert found is not None and (found.stamp, found.parent) == (stamp, stamp)


@pytest.mark.parametrize("title", ["nul \x00", "half \ud83d pair"], ids=["nul", "surrogate"])
@pytest.mark.parametrize("place", ["title", "tags", "totals"])
async def test_text_that_no_other_store_could_keep_is_refused(store: Store, title: str, place: str) -> None:
    value = {"title": title, "tags": (title,), "totals": {title: 1}}[place]
    with pytest.raises(ValueError, match=place):
        await store.write(SAMPLES, record_of(Sample(id="a", **{place: value})), None)
    assert await store.read(SAMPLES, Key("owner", "a")) is None


@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(2026, 1, 1)]
)
async def test_times_that_not_every_store_knows_are_refused(store: Store, moment: datetime) -> None:
    with pytest.raises(ValueError, match="made_at"):
        await store.write(SAMPLES, record_of(Sample(id="a", made_at=moment)), None)


@pytest.mark.parametrize(
    "changes",
    [{"op": "\x00"}, {"extra": {"a": ["\ud800"]}}, {"handled": ("x\x00",)}, {"events": (event(1, "\x00"),)}],
    ids=lambda changes: next(iter(changes)),
)
async def test_bookkeeping_that_no_other_store_could_keep_is_refused(store: Store, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        await store.write(SAMPLES, record_of(Sample(id="a"), **changes), None)
    assert await store.read(SAMPLES, Key("owner", "a")) is None


@pytest.mark.parametrize("ratio", [float("nan"), float("inf")])
async def test_numbers_without_an_order_are_refused(store: Store, ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio"):
        await store.write(SAMPLES, record_of(Sample(id="a", ratio=ratio)), None)


async def test_partitions_keep_equal_ids_apart(store: Store) -> None:
    await put(store, Sample(id="same", owner_id="one", title="1"))
    await put(store, Sample(id="same", owner_id="two", title="2"))
    assert await store.count(SAMPLES, EVERYTHING) == 2
    found = await store.search(SAMPLES, Query(where=equal("owner_id", "two")))
    assert [record.key for record in found] == [Key("two", "same")]


async def test_of_many_rivals_one_wins(store: Store) -> None:
    base = await put(store, Sample(id="a"))

    async def rival(number: int) -> bool:
        try:
            await store.write(SAMPLES, record_of(Sample(id="a", amount=number), base=base), base)
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(rival(number) for number in range(20)))
    assert sum(won) == 1
    found = await store.read(SAMPLES, base.key)
    assert found is not None and found.entity is not None
    assert found.entity.amount == won.index(True)  # type: ignore[attr-defined]


async def test_of_many_creators_one_wins(store: Store) -> None:
    async def create(number: int) -> bool:
        try:
            await store.write(BRIEFS, record_of(Brief(id="a", note=str(number)), collection=BRIEFS), None)
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*(create(number) for number in range(20)))) == 1


async def test_no_increment_is_lost(store: Store) -> None:
    await put(store, Sample(id="a", amount=0))

    async def increment() -> None:
        while True:
            base = await store.read(SAMPLES, Key("owner", "a"))
            assert base is not None and isinstance(base.entity, Sample)
            changed = base.entity.evolve(amount=(base.entity.amount or 0) + 1)
            try:
                await store.write(SAMPLES, record_of(changed, base=base), base)
            except Conflict:
                continue
            return

    await asyncio.gather(*(increment() for _ in range(25)))
    found = await store.read(SAMPLES, Key("owner", "a"))
    assert found is not None and found.entity.amount == 25  # type: ignore[union-attr]


async def test_a_cancelled_write_is_whole_or_absent(store: Store) -> None:
    for number in range(20):
        sample = Sample(id=f"c{number}", title="whole", amount=number)
        task = asyncio.create_task(store.write(SAMPLES, record_of(sample), None))
        await asyncio.sleep(number / 20_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.01)
        found = await store.read(SAMPLES, Key("owner", sample.id))
        assert found is None or found.entity == sample


async def test_a_record_never_changes_in_the_readers_hands(store: Store) -> None:
    found = await put(store, Sample(id="a"))
    with pytest.raises(AttributeError):
        found.op = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(found, op="other").op == "other"


@pytest.mark.parametrize("id", ["nul\x00", "half \ud83d"], ids=["nul", "surrogate"])
async def test_a_key_that_no_record_can_have_is_simply_not_there(store: Store, id: str) -> None:
    assert await store.read(SAMPLES, Key("owner", id)) is None
    assert await store.read(SAMPLES, Key(id, "a")) is None


async def test_the_store_answers_a_ping(store: Store) -> None:
    await store.ping()


async def test_a_write_is_found_at_once(store: Store) -> None:
    for number in range(10):
        await put(store, Sample(id=str(number), title="same", amount=number))
        assert await store.count(SAMPLES, equal("title", "same")) == number + 1


async def test_a_changed_field_is_found_under_its_new_value_only(store: Store) -> None:
    await put(store, Sample(id="a", title="old", amount=1))
    await put(store, Sample(id="a", title="new", amount=None))
    assert await store.count(SAMPLES, equal("title", "old")) == 0
    assert await store.count(SAMPLES, equal("title", "new")) == 1
    assert await store.count(SAMPLES, equal("amount", None)) == 1


async def test_a_found_record_can_be_the_base_of_a_write(store: Store) -> None:
    await put(store, Sample(id="a", title="one"))
    (base,) = await store.search(SAMPLES, Query())
    await store.write(SAMPLES, record_of(Sample(id="a", title="two"), base=base), base)
    found = await store.read(SAMPLES, base.key)
    assert found is not None and found.stamp == Stamp(0, 2)


async def test_a_search_gives_whole_records(store: Store) -> None:
    put_down = await put(store, Sample(id="a", tags=("x",)), op="op-5", handled=("event/1",), extra={"more": 1})
    assert await store.search(SAMPLES, Query()) == [put_down]


async def test_a_write_may_jump_to_a_higher_epoch(store: Store) -> None:
    base = await put(store, Sample(id="a"))
    await store.write(SAMPLES, record_of(Sample(id="a"), base=base, stamp=base.stamp.next(7)), base)
    found = await store.read(SAMPLES, base.key)
    assert found is not None and (found.stamp, found.parent) == (Stamp(7, 2), Stamp(0, 1))


async def test_what_the_entity_does_not_know_goes_when_told_to(store: Store) -> None:
    await put(store, Sample(id="a"), extra={"unknown": 1})
    assert (await put(store, Sample(id="a"), extra={})).extra == {}


async def test_a_tombstone_in_a_partition_of_its_own_keeps_its_key(store: Store) -> None:
    base = await put(store, Sample(id="a", owner_id="another"))
    await store.write(SAMPLES, tombstone_of(base), base)
    found = await store.read(SAMPLES, Key("another", "a"))
    assert found is not None and (found.key, found.deleted) == (Key("another", "a"), True)
    assert await store.read(SAMPLES, Key("owner", "a")) is None


async def test_two_rivals_for_a_tombstone_do_not_both_win(store: Store) -> None:
    base = await put(store, Sample(id="a"))
    answers = await asyncio.gather(
        store.write(SAMPLES, tombstone_of(base), base),
        store.write(SAMPLES, record_of(Sample(id="a", title="lives"), base=base), base),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "NoneType"]


@pytest.mark.parametrize(
    "id", ["with space", "a/b", "quote\"'", "ümläut 🐉", "x" * 200, "%", "..", "-1", "null", "{}"], ids=str
)
async def test_any_text_can_be_a_key(store: Store, id: str) -> None:
    found = await put(store, Sample(id=id, owner_id=id))
    assert found.key == Key(id, id)
    assert [record.key.id for record in await store.search(SAMPLES, Query(where=equal("id", id)))] == [id]


async def test_a_refused_write_does_not_spoil_the_writes_beside_it(store: Store) -> None:
    await put(store, Sample(id="taken"))
    names = ["a", "taken", "b", "taken", "c"]
    answers = await asyncio.gather(
        *(store.write(SAMPLES, record_of(Sample(id=name)), None) for name in names), return_exceptions=True
    )
    assert [isinstance(answer, Conflict) for answer in answers] == [False, True, False, True, False]
    assert await store.count(SAMPLES, EVERYTHING) == 4
