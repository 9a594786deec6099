"""What every journal promises about tombstones: since when they are known, their end, and that nothing comes back."""

from datetime import timedelta

import msgspec
import pytest

from mystira.polyglot.control import Control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import RelationalStore, RelayTask, Tombstone
from mystira.polyglot.store import Conflict, Key, Record
from tests.contracts.journals import (
    COSMOS,
    DUAL,
    LATER,
    NOW,
    POSTGRES,
    REVERSED,
    begin,
    brief,
    change_of,
    counts,
    drain_events,
    flip,
    gone,
    merge,
    note_of,
    told,
)
from tests.contracts.sample import BRIEFS, SAMPLES, Brief, Sample, record_of, tombstone_of

pytestmark = pytest.mark.anyio
A, B = Key("a", "a"), Key("b", "b")


async def test_the_rows_that_are_tombstones_are_listed(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, gone(3), brief(1, id="b"), gone(2, id="c"))
    assert list(await relational.journal.tombstones(BRIEFS, 10)) == [
        Tombstone(A, Stamp(0, 3)),
        Tombstone(Key("c", "c"), Stamp(0, 2)),
    ]
    assert len(await relational.journal.tombstones(BRIEFS, 1)) == 1


async def test_a_tombstone_is_known_from_when_it_was_first_seen(relational: RelationalStore) -> None:
    journal, one, other = relational.journal, Tombstone(A, Stamp(0, 3)), Tombstone(B, Stamp(0, 2))
    await journal.note_tombstones(BRIEFS.name, [other, one], NOW)
    await journal.note_tombstones(BRIEFS.name, [one], LATER)
    assert list(await journal.old_tombstones(BRIEFS.name, NOW, 10)) == [one, other]
    assert list(await journal.old_tombstones(BRIEFS.name, NOW, 1)) == [one]
    assert list(await journal.old_tombstones(BRIEFS.name, NOW - timedelta(seconds=1), 10)) == []
    assert list(await journal.old_tombstones("Others", LATER, 10)) == []


async def test_a_newer_tombstone_of_a_key_is_young_again_and_a_forgotten_one_unknown(
    relational: RelationalStore,
) -> None:
    journal = relational.journal
    await journal.note_tombstones(BRIEFS.name, [Tombstone(A, Stamp(0, 3)), Tombstone(B, Stamp(0, 2))], NOW)
    await journal.note_tombstones(BRIEFS.name, [Tombstone(A, Stamp(0, 5))], LATER)
    assert list(await journal.old_tombstones(BRIEFS.name, NOW, 10)) == [Tombstone(B, Stamp(0, 2))]
    await journal.forget_tombstones(BRIEFS.name, [B])
    assert list(await journal.old_tombstones(BRIEFS.name, LATER, 10)) == [Tombstone(A, Stamp(0, 5))]


async def test_only_this_very_tombstone_is_removed(relational: RelationalStore) -> None:
    control = await begin(relational, DUAL)
    await merge(relational, gone(3), brief(3, id="b"))
    assert not await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 2), control.n)
    assert not await relational.journal.remove_tombstone(BRIEFS, B, Stamp(0, 3), control.n)
    assert await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 3), control.n)
    assert not await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 3), control.n)
    assert await relational.read(BRIEFS, A) is None and await note_of(relational, "b") == ""


async def test_a_tombstone_in_a_partition_of_its_own_is_removed_too(relational: RelationalStore) -> None:
    control = await begin(relational, DUAL, id=SAMPLES.name)
    record = record_of(Sample(id="a", owner_id="o"))
    await merge(relational, record, collection=SAMPLES)
    base = await relational.read(SAMPLES, record.key)
    assert base is not None
    await relational.write(SAMPLES, tombstone_of(base), base)
    assert list(await relational.journal.tombstones(SAMPLES, 9)) == [Tombstone(Key("o", "a"), Stamp(0, 2))]
    assert await relational.journal.remove_tombstone(SAMPLES, Key("o", "a"), Stamp(0, 2), control.n)
    assert await relational.read(SAMPLES, Key("o", "a")) is None


async def test_nothing_is_removed_at_another_n_or_in_a_drain(relational: RelationalStore) -> None:
    control = await begin(relational, DUAL)
    await merge(relational, gone(3))
    with pytest.raises(Conflict):
        await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 3), control.n + 1)
    draining = control.evolve(n=control.n + 1, state="DRAIN", target=REVERSED)
    await relational.journal.change(control, draining, change_of("drain"))
    with pytest.raises(Conflict):
        await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 3), draining.n)
    assert await relational.read(BRIEFS, A) is not None


async def test_what_the_relay_still_has_to_carry_stays(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, gone(1), None, control.n)
    assert not await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 1), control.n)
    task = RelayTask(collection=BRIEFS.name, key=A, stamp=Stamp(0, 1))
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    assert await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 1), control.n)


@pytest.mark.parametrize("phase", [DUAL, REVERSED, POSTGRES])
@pytest.mark.parametrize("inline", [False, True])
async def test_a_late_old_version_of_what_was_purged_never_comes_back(
    relational: RelationalStore, phase: str, inline: bool
) -> None:
    before = await begin(relational, DUAL)
    await merge(relational, brief(2, events=told("a", 1)))
    await merge(relational, gone(3))
    assert await relational.journal.remove_tombstone(BRIEFS, A, Stamp(0, 3), before.n)
    purged = await flip(relational, before, phase, floor=3, purged=3)  # type: ignore[arg-type]
    # Where PostgreSQL leads it may also be a straggler that made a new key: that is for a person to say.
    kept = "superseded" if inline or phase is DUAL else "conflicts"
    assert counts(await merge(relational, brief(2, events=told("a", 1)), inline=inline)) == {kept: 1}
    assert counts(await merge(relational, gone(3), inline=inline)) == {"superseded": 1}
    assert await relational.read(BRIEFS, A) is None
    assert await drain_events(relational) == ["event-a-1"]
    if phase is DUAL:
        assert counts(await merge(relational, brief(4, "new", epoch=purged.epoch), inline=inline)) == {"applied": 1}
        assert counts(await merge(relational, brief(2), inline=inline)) == {"superseded": 1}
        assert await note_of(relational) == "new"


async def test_what_lives_below_the_purged_seq_goes_on(relational: RelationalStore) -> None:
    before = await begin(relational, DUAL)
    await merge(relational, brief(1, "old"))
    await flip(relational, before, DUAL, purged=9)
    assert counts(await merge(relational, brief(2, "next"))) == {"applied": 1}


async def test_a_copy_that_is_being_filled_takes_in_whatever_lives(relational: RelationalStore) -> None:
    before = await begin(relational, COSMOS, purged=9)
    await flip(relational, before, COSMOS, copying=True, complete=False)
    assert counts(await merge(relational, brief(1, "old"))) == {"applied": 1}


async def left_alone(relational: RelationalStore) -> Control:
    """Documents lead alone again; their rows have stayed: one that lives, one that is a tombstone."""
    dual = await begin(relational, DUAL)
    await merge(relational, brief(3, "b", id="b"), gone(2))
    return await flip(relational, dual, COSMOS, copying=False, complete=False)


async def rows_of(relational: RelationalStore) -> list[Record]:
    return [row for row in await relational.scan(BRIEFS, None, 9) if isinstance(row, Record)]


async def test_rows_are_retired_that_are_exactly_what_was_archived_and_come_back(relational: RelationalStore) -> None:
    control = await left_alone(relational)
    before = await rows_of(relational)
    other = msgspec.structs.replace(before[1], entity=Brief(id="b", note="another"))
    journal = relational.journal
    assert await journal.retire_rows(BRIEFS, [before[0], other], control.n) == 1
    assert await rows_of(relational) == [before[1]]
    assert await journal.retire_rows(BRIEFS, before, control.n) == 1
    assert await journal.restore_rows(BRIEFS, before, control.n) == 2
    assert await journal.restore_rows(BRIEFS, [before[0], other], control.n) == 0
    assert await rows_of(relational) == before


async def test_rows_that_are_kept_are_not_retired(relational: RelationalStore) -> None:
    control = await left_alone(relational)
    before = await rows_of(relational)
    with pytest.raises(Conflict):
        await relational.journal.retire_rows(BRIEFS, before, control.n + 1)
    for phase, more in ((COSMOS, {"copying": True}), (DUAL, {}), (REVERSED, {}), (POSTGRES, {"copying": False})):
        control = await flip(relational, control, phase, **more)
        for act in (relational.journal.retire_rows, relational.journal.restore_rows):
            with pytest.raises(Conflict):
                await act(BRIEFS, before, control.n)
    assert await rows_of(relational) == before
