"""What every relational store promises about digests: each side adds up what it holds, and differences are found."""

from random import Random
from typing import Any

import msgspec
import pytest

from mystira.polyglot.canonical import LEAF_FIRST, digest_of, leaf_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.digest import LEVELS, ROOT, Differing, Digested, Node, Noted, Side, add_up, children, differing
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.store import Conflict, Key, Record
from tests.contracts.journals import COSMOS, DUAL, NOW, POSTGRES, REVERSED, begin, brief, gone, merge, note_of
from tests.contracts.sample import BRIEFS, SAMPLES, TICKETS, Sample, Ticket, record_of, tombstone_of

pytestmark = pytest.mark.anyio
A, B, C = (Key(name, name) for name in "abc")


def noted(record: Record, position: int, collection: Collection[Any] = BRIEFS) -> Noted:
    return Noted(record.key, record.stamp, digest_of(collection, record), position)


def held(record: Record, collection: Collection[Any] = BRIEFS) -> Digested:
    return Digested(record.stamp, digest_of(collection, record))


async def show(store: RelationalStore, *items: Noted, collection: Collection[Any] = BRIEFS, removals: int = 0) -> None:
    """Let the documents' consumer count one page."""
    positions = await store.journal.positions(collection.name, Stream.DIGEST)
    expected = positions[0].continuation if positions else ""
    move = Move(Stream.DIGEST, "range-1", expected, f"{len(expected)}{expected}"[:20] + "x")
    await store.digests.take(collection.name, items, removals, move, NOW)


async def differences(store: RelationalStore, collection: Collection[Any] = BRIEFS) -> list[Differing]:
    return [found async for found in differing(store.digests, collection)]


async def root(store: RelationalStore, side: Side, collection: Collection[Any] = BRIEFS) -> Node:
    return (await store.digests.nodes(collection, side, [ROOT])).get(ROOT, Node())


async def all_members(store: RelationalStore, side: Side, collection: Collection[Any]) -> dict[Key, Digested]:
    return dict(await store.digests.members(collection, side, range(LEAF_FIRST, 2 * LEAF_FIRST)))


async def assert_adds_up(store: RelationalStore, side: Side, collection: Collection[Any]) -> None:
    """Every node of every level is what a recount of the members gives."""
    members = await all_members(store, side, collection)
    nodes = {leaf: Node() for leaf in map(leaf_of, members)}
    for key, one in members.items():
        nodes[leaf_of(key)] = add_up([nodes[leaf_of(key)], Node(1, one.digest)])
    for _ in range(LEVELS + 1):
        kept = await store.digests.nodes(collection, side, list(nodes))
        assert {node: kept.get(node, Node()) for node in nodes} == nodes
        nodes = {parent: add_up(nodes[one] for one in children(parent) if one in nodes) for parent in above(nodes)}
    assert await root(store, side, collection) == add_up(Node(1, one.digest) for one in members.values())


def above(nodes: dict[int, Node]) -> set[int]:
    return {node >> 4 for node in nodes}


async def test_two_sides_that_hold_the_same_do_not_differ(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    records = [brief(2, "one"), gone(3, "b"), brief(1, "three", id="c")]
    await merge(relational, *records)
    await show(relational, *(noted(record, at) for at, record in enumerate(records, start=1)))
    assert await differences(relational) == []
    assert (await root(relational, Side.ROW)).number == 3


async def test_whatever_differs_is_found_with_both_stamps(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    same, old, other = brief(1, "same"), brief(1, "old", id="b"), brief(2, "other", id="c")
    await merge(relational, same, old, other, brief(1, id="only-row"))
    newer, body, alone = brief(2, "new", id="b"), brief(2, "body", id="c"), brief(1, id="only-document")
    await show(relational, *(noted(one, at) for at, one in enumerate([same, newer, body, alone], start=1)))
    assert sorted(await differences(relational)) == [
        Differing(B, held(newer), held(old)),
        Differing(C, held(body), held(other)),
        Differing(alone.key, held(alone), None),
        Differing(Key("only-row", "only-row"), None, held(brief(1, id="only-row"))),
    ]


async def test_a_tombstone_is_not_the_same_as_nothing(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, gone(2))
    assert await differences(relational) == [Differing(A, None, held(gone(2)))]


async def test_every_way_of_changing_rows_keeps_the_sums(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    journal = relational.journal
    await journal.write(BRIEFS, brief(1), None, control.n)
    assert (await root(relational, Side.ROW)) == Node(1, digest_of(BRIEFS, brief(1)) % (1 << 64))
    await journal.write(BRIEFS, brief(2, "second"), brief(1), control.n)
    await relational.write(BRIEFS, brief(1, id="b"), None)
    await relational.write(BRIEFS, gone(2, "b"), brief(1, id="b"))
    assert await all_members(relational, Side.ROW, BRIEFS) == {A: held(brief(2, "second")), B: held(gone(2, "b"))}
    await assert_adds_up(relational, Side.ROW, BRIEFS)
    assert await journal.remove_tombstone(BRIEFS, B, Stamp(0, 2), control.n)
    assert await all_members(relational, Side.ROW, BRIEFS) == {A: held(brief(2, "second"))}
    await assert_adds_up(relational, Side.ROW, BRIEFS)


@pytest.mark.parametrize("number", [1, 5, 50])
async def test_merges_of_any_size_keep_the_sums(relational: RelationalStore, number: int) -> None:
    await begin(relational, DUAL)
    await merge(relational, *(brief(1, "one", id=f"n{at}") for at in range(number)))
    await merge(relational, *(brief(2, "two", id=f"n{at}") for at in range(0, number, 2)), gone(3, "n1"))
    await merge(relational, brief(4, "three", id="n0"), inline=True)
    await merge(relational, brief(1, "late", id="n0"), brief(1, "new", id="new"))
    await assert_adds_up(relational, Side.ROW, BRIEFS)
    assert await note_of(relational, "n0") == "three"
    assert (await all_members(relational, Side.ROW, BRIEFS))[Key("n0", "n0")] == held(brief(4, "three", id="n0"))


async def test_a_refused_write_and_a_refused_row_change_no_sum(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    before = await root(relational, Side.ROW)
    for record, base, n in ((brief(2), brief(1), 9), (brief(3), brief(2), control.n), (brief(1), None, control.n)):
        with pytest.raises(Conflict):
            await relational.journal.write(BRIEFS, record, base, n)
    assert await root(relational, Side.ROW) == before
    await begin(relational, DUAL, id=TICKETS.name)
    seats = [record_of(Ticket(id=id, seat="same"), collection=TICKETS) for id in "ab"]
    await merge(relational, *seats, collection=TICKETS)
    assert (await root(relational, Side.ROW, TICKETS)).number == 1
    await assert_adds_up(relational, Side.ROW, TICKETS)


async def test_keys_of_several_parts_are_told_apart(relational: RelationalStore) -> None:
    await begin(relational, DUAL, id=SAMPLES.name)
    one, other = (record_of(Sample(id="a", owner_id=owner)) for owner in ("o", "p"))
    await merge(relational, one, other, collection=SAMPLES)
    await show(relational, noted(one, 1, SAMPLES), collection=SAMPLES)
    assert await differences(relational, SAMPLES) == [Differing(other.key, None, held(other, SAMPLES))]
    base = await relational.read(SAMPLES, one.key)
    assert base is not None
    await relational.write(SAMPLES, tombstone_of(base), base)
    await assert_adds_up(relational, Side.ROW, SAMPLES)


async def test_two_errors_of_the_same_kind_do_not_cancel(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    one, other = brief(1, "x"), brief(1, "y", id="b")
    await merge(relational, one, other)
    # The same two digests, each in the other one's place: an XOR of all would not see it, nor would a sum without keys.
    await show(relational, noted(brief(1, "y"), 1), noted(brief(1, "x", id="b"), 2))
    assert [found.key for found in sorted(await differences(relational))] == [A, B]


async def test_one_page_may_show_many_keys_of_one_leaf(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    by_leaf: dict[int, list[Record]] = {}
    for number in range(2_000):
        record = brief(1, id=f"id{number}")
        by_leaf.setdefault(leaf_of(record.key), []).append(record)
    beside = max(by_leaf.values(), key=len)
    assert len(beside) > 1
    await show(relational, *(noted(record, 1) for record in beside))
    assert (await root(relational, Side.DOCUMENT)).number == len(beside)


async def test_what_comes_later_in_the_feed_wins_whoever_commits_first(relational: RelationalStore) -> None:
    new, old = noted(brief(2, "new"), 7), noted(brief(1, "old"), 5)
    await show(relational, new)
    await show(relational, old)
    assert await all_members(relational, Side.DOCUMENT, BRIEFS) == {A: held(brief(2, "new"))}
    # Somebody put an old version back behind our back: the documents hold it, so it counts.
    await show(relational, msgspec.structs.replace(old, position=9))
    assert await all_members(relational, Side.DOCUMENT, BRIEFS) == {A: held(brief(1, "old"))}
    await assert_adds_up(relational, Side.DOCUMENT, BRIEFS)


async def test_of_two_that_count_the_same_page_one_does_nothing(relational: RelationalStore) -> None:
    move = Move(Stream.DIGEST, "range-1", "", "5")
    await relational.digests.take(BRIEFS.name, [noted(brief(1), 5)], 0, move, NOW)
    with pytest.raises(Conflict):
        await relational.digests.take(BRIEFS.name, [noted(brief(2, id="b"), 6)], 0, move, NOW)
    assert list(await all_members(relational, Side.DOCUMENT, BRIEFS)) == [A]
    (position,) = await relational.journal.positions(BRIEFS.name, Stream.DIGEST)
    assert position.continuation == "5"
    assert list(await relational.journal.positions(BRIEFS.name, Stream.FOLLOW)) == []


async def test_a_page_from_before_a_removal_brings_nothing_back(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await show(relational, noted(gone(2), 1), noted(brief(1, id="b"), 2))
    await relational.digests.take_out(BRIEFS.name, [(A, Stamp(0, 2))])
    assert list(await all_members(relational, Side.DOCUMENT, BRIEFS)) == [B]
    with pytest.raises(Conflict):
        await show(relational, noted(gone(2), 3))
    assert await relational.digests.kept() == {BRIEFS.name: 1}
    await show(relational, noted(brief(9), 4), removals=1)
    assert sorted(await all_members(relational, Side.DOCUMENT, BRIEFS)) == [A, B]
    await assert_adds_up(relational, Side.DOCUMENT, BRIEFS)


async def test_taking_out_what_is_not_there_changes_no_sum(relational: RelationalStore) -> None:
    await show(relational, noted(brief(1), 1))
    await relational.digests.take_out(BRIEFS.name, [(B, Stamp(0, 9)), (C, Stamp(0, 9))])
    await relational.digests.take_out(BRIEFS.name, [])
    assert (await root(relational, Side.DOCUMENT)).number == 1


async def test_what_was_written_after_a_removal_stays(relational: RelationalStore) -> None:
    await show(relational, noted(brief(3), 1))
    await relational.digests.take_out(BRIEFS.name, [(A, Stamp(0, 2))])
    assert list(await all_members(relational, Side.DOCUMENT, BRIEFS)) == [A]


async def test_forgotten_documents_are_counted_from_the_beginning(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await show(relational, noted(brief(1), 1))
    await relational.digests.forget_documents(BRIEFS.name)
    assert await root(relational, Side.DOCUMENT) == Node()
    assert list(await relational.journal.positions(BRIEFS.name, Stream.DIGEST)) == []
    with pytest.raises(Conflict):
        await show(relational, noted(brief(1), 1))
    await show(relational, noted(brief(1), 1), removals=1)
    assert (await root(relational, Side.DOCUMENT)).number == 1


@pytest.mark.parametrize(("phase", "copying", "kept"), [
    (COSMOS, False, False), (COSMOS, True, True), (DUAL, True, True), (REVERSED, True, True), (POSTGRES, False, False),
])  # fmt: skip
async def test_documents_are_counted_only_where_there_is_something_to_compare(
    relational: RelationalStore, phase: Any, copying: bool, kept: bool
) -> None:
    await begin(relational, phase, copying=copying)
    assert await relational.digests.kept() == ({BRIEFS.name: 0} if kept else {})


async def test_a_wrong_digest_is_corrected_only_while_the_side_holds_that_stamp(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    digests = relational.digests
    await merge(relational, brief(2, "right"))
    await show(relational, Noted(A, Stamp(0, 2), 12345, 1))
    assert [found.key for found in await differences(relational)] == [A]
    assert not await digests.correct(BRIEFS, Side.DOCUMENT, A, held(brief(1, "older")))
    assert await digests.correct(BRIEFS, Side.DOCUMENT, A, held(brief(2, "right")))
    assert await differences(relational) == []
    assert await digests.correct(BRIEFS, Side.DOCUMENT, B, held(brief(1, id="b")))
    assert not await digests.correct(BRIEFS, Side.ROW, A, held(brief(1, "older")))
    assert await digests.correct(BRIEFS, Side.ROW, A, held(brief(2, "right")))
    assert not await digests.correct(BRIEFS, Side.ROW, B, held(brief(1, id="b")))
    assert [found.key for found in await differences(relational)] == [B]


async def test_after_random_changes_the_sums_are_those_of_a_recount(relational: RelationalStore) -> None:
    random = Random(5)
    await begin(relational, DUAL)
    stamps = dict.fromkeys([f"k{number}" for number in range(40)], 0)
    position = 0
    for _ in range(60):
        ids = random.sample(list(stamps), random.choice([1, 3, 12]))
        for id in ids:
            stamps[id] += random.choice([0, 1, 1, 2])
        records = [gone(stamps[id] + 1, id) if random.random() < 0.2 else brief(stamps[id] + 1, id=id) for id in ids]
        await merge(relational, *records)
        if random.random() < 0.7:
            position += len(records)
            await show(relational, *(noted(one, position - at) for at, one in enumerate(records)))
        if random.random() < 0.2:
            await relational.digests.fold(random.choice([1, 7, 1000]))
    for side in Side:
        await assert_adds_up(relational, side, BRIEFS)
        await relational.digests.fold(100_000)
        await assert_adds_up(relational, side, BRIEFS)
        before = await root(relational, side)
        await relational.digests.recount(BRIEFS)
        assert await root(relational, side) == before
        await assert_adds_up(relational, side, BRIEFS)
    documents, rows = [await all_members(relational, side, BRIEFS) for side in Side]
    expected = {key for key in documents.keys() | rows.keys() if documents.get(key) != rows.get(key)}
    assert {found.key for found in await differences(relational)} == expected != set()
