"""One record in both stores: every field, what differs and how, the last operations, and what a role may not see."""

from copy import copy

import msgspec
import pytest

from mystira.polyglot.contrasts import Way
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.entity import Stamp
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.repair import Outcome, plan_for_keys, repair
from mystira.polyglot.sidebyside import FieldPair, SideBySide, keys_of, side_by_side
from mystira.polyglot.store import Key
from tests.contracts.sample import BRIEFS, SAMPLES, event
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY
from tests.polyglot.planting import DIVERGENT, EXTRA, MISSING, Garden, Planted, dead, sample

pytestmark = pytest.mark.anyio

PERSONAL = copy(SAMPLES)
PERSONAL.personal = frozenset({"title"})
both = pytest.mark.parametrize("phase", [DUAL, REVERSED])


async def look(garden: Garden, id: str, *, reveal: bool = True) -> SideBySide:
    return await side_by_side(garden.r, PERSONAL, sample(id).key, reveal=reveal)


def at(found: SideBySide, path: str) -> FieldPair:
    return next(pair for pair in found.fields if pair.path == path)


def apart(found: SideBySide) -> dict[str, Way]:
    return {pair.path: pair.way for pair in found.fields if pair.way is not None}


@both
async def test_a_record_that_both_hold_alike_shows_every_field_once(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    await garden.sow([Planted(sample("a"), sample("a"), DIVERGENT)])
    found = await look(garden, "a")
    assert (found.difference, apart(found), found.is_anywhere) == (None, {}, True)
    names = [pair.path for pair in found.fields]
    assert names == sorted({*names}) and {"title", "part", "totals", "note"} <= {*names}
    assert all(pair.document == pair.row for pair in found.fields)
    assert found.leader_print == found.follower_print
    assert found.document is not None and found.document.ops == ("op-a-3", "op-a-2", "op-a-1")


@both
async def test_what_differs_is_told_place_by_place_with_the_way(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    one = sample("a")
    assert one.entity is not None
    other = msgspec.structs.replace(sample("a", title="the fox", tags=("one", "two")), op="another")
    await garden.sow([Planted(one, other, DIVERGENT)])
    found = await look(garden, "a")
    assert found.difference is DifferenceClass.DIVERGENT
    assert apart(found) == {"title": Way.CASE, "tags[2]": Way.ONE_SIDE, "_polyglot.op": Way.VALUE}
    sides = ('"The fox"', '"the fox"') if phase is DUAL else ('"the fox"', '"The fox"')
    assert (at(found, "title").document, at(found, "title").row) == sides


@both
async def test_a_side_that_is_not_there_or_only_a_tombstone_says_so(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    await garden.sow([Planted(sample("a"), None, MISSING), Planted(dead("b"), sample("b"), EXTRA)])
    missing, removed = await look(garden, "a"), await look(garden, "b")
    leads = missing.leader is Leader.DOCUMENTS
    assert missing.difference is DifferenceClass.MISSING
    assert (missing.row if leads else missing.document) is None
    side = removed.document if leads else removed.row
    assert side is not None and (side.state, side.stamp) == ("removed", Stamp(0, 3))
    assert not (await look(garden, "nobody")).is_anywhere


async def test_without_the_right_to_it_neither_personal_nor_unknown_fields_are_shown(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([Planted(sample("a"), sample("a", title="Somebody"), DIVERGENT)])
    found = await look(garden, "a", reveal=False)
    title, note, amount = (at(found, path) for path in ("title", "note", "amount"))
    assert (title.document, title.row, title.way) == (
        "(personal, 9 characters)",
        "(personal, 10 characters)",
        Way.VALUE,
    )
    assert note.is_personal and "unknown" not in str(note)
    assert (amount.document, amount.is_personal) == ("7", False)
    assert "fox" not in str(found.fields) and "Somebody" not in str(found.fields)


async def test_a_document_that_cannot_be_read_is_shown_as_it_is(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([Planted(sample("a"), sample("a"), DIVERGENT)])
    key = sample("a").key
    garden.put_document(key, {"id": "a", "ownerId": key.partition, "title": 7})
    found = await look(garden, "a")
    assert found.difference is DifferenceClass.UNREADABLE
    assert found.document is not None and found.document.state == "unreadable" and found.document.error
    assert at(found, "title").way is Way.TYPE
    assert "7" not in str((at(await look(garden, "a", reveal=False), "title")).document)


async def test_events_that_wait_in_the_document_are_shown(garden: Garden) -> None:
    await garden.begin(DUAL)
    one = msgspec.structs.replace(sample("a"), events=(event(2),))
    await garden.sow([Planted(one, sample("a"), DIVERGENT)])
    found = await look(garden, "a")
    assert found.difference is None and found.document is not None
    assert ([told.seq for told in found.document.events], found.events_copied) == ([2], 0)


async def test_an_id_finds_its_keys_whatever_their_partition(garden: Garden) -> None:
    await garden.begin(DUAL)
    here, there = sample("a"), sample("a", owner_id="another")
    await garden.sow([Planted(here, here, DIVERGENT), Planted(there, None, MISSING)])
    assert await keys_of(garden.r, SAMPLES, "a") == [Key("another", "a"), Key("owner of a", "a")]
    assert await keys_of(garden.r, SAMPLES, "owner of a/a") == []
    assert await keys_of(garden.r, BRIEFS, "x/y") == [Key("x/y", "x/y")]


async def test_where_only_one_store_holds_the_collection_nothing_differs(garden: Garden) -> None:
    garden.put_document(sample("a").key, {"id": "a", "ownerId": "owner of a"})
    found = await look(garden, "a")
    assert (found.both_hold, found.difference, found.row) == (False, None, None)


@both
async def test_one_record_is_repaired_as_it_was_shown(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    await garden.sow([Planted(sample("a"), sample("a", title="x"), DIVERGENT)])
    key = sample("a").key
    shown = await look(garden, "a")
    plan = await plan_for_keys(garden.r, SAMPLES, [key])
    (one,) = plan.repairs
    assert (one.leader, one.follower) == (shown.leader_print, shown.follower_print)
    done: list[int] = []
    repaired = await repair(garden.r, SAMPLES, plan, **SOMEBODY, told=done.append)
    assert (repaired.counts[Outcome.REPAIRED], done) == (1, [1])
    assert (await look(garden, "a")).difference is None
    assert (await plan_for_keys(garden.r, SAMPLES, [key])).repairs == ()
