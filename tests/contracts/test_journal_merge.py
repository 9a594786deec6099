"""What every journal promises about taking in what comes from the documents."""

import asyncio
from datetime import timedelta

import pytest

from mystira.polyglot.control import State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.journal import LetterKind, RelationalStore
from mystira.polyglot.positions import Stream
from mystira.polyglot.store import Conflict, Key, Unreadable
from tests.contracts.journals import (
    COSMOS,
    DUAL,
    POSTGRES,
    REVERSED,
    begin,
    brief,
    change_of,
    counts,
    drain_events,
    flip,
    gone,
    letters,
    merge,
    note_of,
    seen,
    step,
    told,
    waiting,
)
from tests.contracts.sample import BRIEFS, NOW, TICKETS, Ticket, record_of

pytestmark = pytest.mark.anyio

A = Key("a", "a")
ODD = Unreadable(Key("odd", "odd"), Stamp(0, 2), {"id": "odd", "note": 7}, "note: expected text")


async def test_a_new_document_becomes_a_row(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    record = brief(1, "first", recent_ops=("x",), handled=("e/r",), event_seq=4, extra={"more": [1]})
    assert counts(await merge(relational, record)) == {"applied": 1}
    assert await relational.read(BRIEFS, A) == record


async def test_a_newer_document_replaces_the_row_and_an_older_one_does_not(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(2, "two"))
    assert counts(await merge(relational, brief(1, "one"))) == {"superseded": 1}
    assert await note_of(relational) == "two"
    assert counts(await merge(relational, brief(5, "five"))) == {"applied": 1}
    assert await note_of(relational) == "five"


async def test_a_higher_epoch_is_newer_whatever_its_seq(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(9, "old epoch"))
    assert counts(await merge(relational, brief(2, "new epoch", epoch=1))) == {"applied": 1}
    assert await note_of(relational) == "new epoch"


async def test_the_same_document_again_changes_nothing(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(1, "one"))
    assert counts(await merge(relational, brief(1, "one"))) == {"same": 1}


async def test_a_tombstone_buries_the_row_and_nothing_older_brings_it_back(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(1, "alive"))
    assert counts(await merge(relational, gone(2))) == {"applied": 1}
    assert counts(await merge(relational, brief(1, "alive"))) == {"superseded": 1}
    found = await relational.read(BRIEFS, A)
    assert found is not None and found.deleted
    assert counts(await merge(relational, brief(3, "again"))) == {"applied": 1}


async def test_a_tombstone_that_comes_first_is_kept(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert counts(await merge(relational, gone(2))) == {"applied": 1}
    assert counts(await merge(relational, brief(1, "late"))) == {"superseded": 1}
    assert await note_of(relational) is None


@pytest.mark.parametrize("number", [1, 2, 8, 9, 60])
async def test_a_page_of_any_size_is_taken_in_whole(relational: RelationalStore, number: int) -> None:
    await begin(relational, DUAL)
    await merge(relational, *(brief(2, "newer", id=str(at)) for at in range(0, number, 3)))
    page = [brief(1, f"note {at}", id=str(at), events=told(str(at), 1)) for at in range(number)]
    merged = await merge(relational, *reversed(page))
    older = len(range(0, number, 3))
    assert counts(merged) == {k: v for k, v in {"applied": number - older, "superseded": older}.items() if v}
    assert merged.through == {Key(str(at), str(at)): 1 for at in range(number)}
    for at in range(number):
        assert await note_of(relational, str(at)) == ("newer" if at % 3 == 0 else f"note {at}")
    again = await merge(relational, *page)
    assert again.applied == 0 and len(await drain_events(relational)) == number


async def test_of_several_of_one_key_in_a_page_the_newest_stays(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    merged = await merge(relational, brief(2, "two"), brief(3, "three"), brief(1, "one"), brief(3, "three"))
    assert counts(merged) == {"applied": 1, "superseded": 2, "same": 1}
    assert await note_of(relational) == "three"


async def test_two_bodies_of_one_stamp_in_a_page_do_not_hide_each_other(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    merged = await merge(relational, brief(2, "one", events=told("a", 1)), brief(2, "other", op="other"))
    assert counts(merged) == {"applied": 1, "parked": 1}
    (letter,) = await letters(relational)
    assert (letter.kind, letter.payload["note"], letter.rival["note"]) == (LetterKind.DIVERGENT, "other", "one")
    assert await drain_events(relational) == ["event-a-1"]


async def test_the_same_stamp_under_another_op_is_kept_as_divergent(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(2, "stands"))
    assert counts(await merge(relational, brief(2, "differs", op="other"))) == {"parked": 1}
    assert await note_of(relational) == "stands"
    (letter,) = await letters(relational, kind=LetterKind.DIVERGENT)
    assert (letter.key, letter.stamp, letter.op, letter.next_try_at) == (A, Stamp(0, 2), "other", None)
    assert (letter.payload["note"], letter.rival["note"]) == ("differs", "stands")


async def test_a_document_without_a_stamp_is_never_applied(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert counts(await merge(relational, brief(1, "legacy", stamp=Stamp(), op=""))) == {"superseded": 1}
    assert await relational.read(BRIEFS, A) is None


@pytest.mark.parametrize("phase", [DUAL, REVERSED, POSTGRES])
async def test_an_unreadable_document_is_kept_and_stops_nobody(relational: RelationalStore, phase: str) -> None:
    await begin(relational, phase)  # type: ignore[arg-type]
    assert counts(await merge(relational, brief(1), ODD, brief(1, id="z"))) == {"applied": 2, "parked": 1}
    (letter,) = await letters(relational)
    assert (letter.kind, letter.key, letter.stamp) == (LetterKind.UNREADABLE, ODD.key, ODD.stamp)
    assert (letter.payload, letter.error) == (ODD.body, ODD.error)
    assert await note_of(relational, "z") == ""


async def test_an_unreadable_document_may_hold_what_no_text_column_keeps(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    odd = Unreadable(Key("o", "o"), Stamp(), {"id": "o", "note": "nul \x00", "deep": [{"\x00": 1.5}]}, "bad \x00")
    assert counts(await merge(relational, odd, brief(1))) == {"applied": 1, "parked": 1}
    assert (await letters(relational))[0].payload == odd.body


async def test_a_record_that_cannot_be_stored_is_parked_alone(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    bad = (brief(1, "nul \x00", id="b"), brief(1, id="nul \x00"), brief(1, id="c", op="\x00"))
    merged = await merge(relational, brief(1, "fine"), *bad, brief(1, "fine", id="z"))
    assert counts(merged) == {"applied": 2, "parked": 3}
    assert await note_of(relational) == await note_of(relational, "z") == "fine"
    assert len(await letters(relational, kind=LetterKind.MERGE)) == 3


async def test_where_no_copy_is_kept_neither_rows_nor_letters_are_made(relational: RelationalStore) -> None:
    await begin(relational, COSMOS)
    merged = await merge(relational, brief(1, events=told("a", 1)), ODD, move=step("", "5"))
    assert counts(merged) == {"superseded": 2}
    assert merged.through == {A: 1}
    assert (await note_of(relational), await letters(relational)) == (None, [])
    assert await drain_events(relational) == ["event-a-1"]


async def test_a_collection_without_a_row_is_led_by_documents_alone(relational: RelationalStore) -> None:
    assert counts(await merge(relational, brief(1))) == {"superseded": 1}
    assert await note_of(relational) is None


async def test_a_copy_can_be_filled_before_it_is_followed(relational: RelationalStore) -> None:
    await begin(relational, COSMOS, copying=True)
    assert counts(await merge(relational, brief(1, "early"))) == {"applied": 1}
    assert await note_of(relational) == "early"


async def test_an_empty_page_moves_the_position_only(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert counts(await merge(relational, move=step("", "7"))) == {}
    (position,) = await relational.journal.positions(BRIEFS.name, Stream.FOLLOW)
    assert position.continuation == "7"


async def test_a_page_whose_position_has_moved_does_nothing_at_all(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, move=step("", "1"))
    for expected in ("", "0", "2"):
        with pytest.raises(Conflict):
            await merge(relational, brief(1, events=told("a", 1)), ODD, move=step(expected, "9"))
    assert (await note_of(relational), await letters(relational), await waiting(relational)) == (None, [], [])
    assert [p.continuation for p in await relational.journal.positions(BRIEFS.name, Stream.FOLLOW)] == ["1"]


async def test_a_range_never_begun_has_no_position_to_expect(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    with pytest.raises(Conflict):
        await merge(relational, brief(1), move=step("3", "4"))
    assert await relational.journal.positions(BRIEFS.name, Stream.FOLLOW) == []


async def test_of_two_followers_on_one_page_one_commits_it(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    page = [brief(1, id=str(at), events=told(str(at), 1)) for at in range(12)]
    answers = await asyncio.gather(
        *(merge(relational, *page, move=step("", "12")) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "Conflict", "Conflict", "Merged"]
    assert len(await drain_events(relational)) == 12


async def test_inline_merges_and_the_feed_never_lower_a_row(relational: RelationalStore) -> None:
    await begin(relational, DUAL)

    async def bring(seq: int) -> None:
        while True:
            try:
                await merge(relational, brief(seq, str(seq), events=told("a", *range(1, seq + 1))))
            except Conflict:
                continue
            return

    await asyncio.gather(*(bring(seq) for seq in (3, 9, 1, 7, 2, 8, 5, 6, 4)))
    assert await note_of(relational) == "9"
    assert await drain_events(relational) == [f"event-a-{seq}" for seq in range(1, 10)]


async def test_events_are_copied_once_however_often_they_come(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert (await merge(relational, brief(1, events=told("a", 1)))).through == {A: 1}
    assert await drain_events(relational) == ["event-a-1"]
    assert (await merge(relational, brief(1, events=told("a", 1)), move=step("", "1"))).through == {A: 1}
    assert (await merge(relational, brief(2, events=told("a", 1, 2)))).through == {A: 2}
    assert await drain_events(relational) == ["event-a-2"]


async def test_an_overtaken_document_still_tells_its_events(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(5))
    assert counts(await merge(relational, brief(4, events=told("a", 1)))) == {"superseded": 1}
    assert await drain_events(relational) == ["event-a-1"]


async def test_two_merges_of_the_same_events_at_once_tell_them_once(relational: RelationalStore) -> None:
    await begin(relational, COSMOS)
    for at in range(10):
        record = brief(1, id=str(at), events=told(str(at), 1, 2))
        await asyncio.gather(*(merge(relational, record) for _ in range(4)))
        assert await drain_events(relational) == [f"event-{at}-1", f"event-{at}-2"]


async def test_a_backfill_carries_rows_but_no_events(relational: RelationalStore) -> None:
    await begin(relational, COSMOS, copying=True)
    move = step("", "1", stream=Stream.BACKFILL)
    merged = await merge(relational, brief(1, "filled", events=told("a", 1)), move=move)
    assert (counts(merged), merged.through) == ({"applied": 1}, {A: 0})
    assert (await note_of(relational), await waiting(relational)) == ("filled", [])
    assert (await merge(relational, brief(1, events=told("a", 1)), move=step("", "1"))).through == {A: 1}
    assert await drain_events(relational) == ["event-a-1"]


async def test_a_refused_document_still_tells_its_events_where_documents_lead(relational: RelationalStore) -> None:
    await begin(relational, DUAL, id=TICKETS.name)
    await merge(relational, record_of(Ticket(id="a", seat="1"), collection=TICKETS), collection=TICKETS)
    rival = record_of(Ticket(id="b", seat="1"), collection=TICKETS, events=told("b", 1))
    assert counts(await merge(relational, rival, collection=TICKETS)) == {"parked": 1}
    assert await drain_events(relational) == ["event-b-1"]


async def led_by_rows(store: RelationalStore, phase: str = REVERSED):
    """A row of stamp 3 that the documents hold too, and the relational side leading since."""
    control = await begin(store, DUAL)
    await merge(store, brief(3, "stands", recent_ops=("op-old",)))
    return await flip(store, control, phase)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", [REVERSED, POSTGRES])
async def test_an_echo_is_the_same_and_an_old_document_is_superseded(relational: RelationalStore, phase: str) -> None:
    await led_by_rows(relational, phase)
    assert counts(await merge(relational, brief(3, "stands"))) == {"same": 1}
    assert counts(await merge(relational, brief(2, "old"))) == {"superseded": 1}
    assert (await note_of(relational), await letters(relational)) == ("stands", [])


@pytest.mark.parametrize("phase", [REVERSED, POSTGRES])
async def test_a_straggler_on_top_of_what_stands_is_taken_in(relational: RelationalStore, phase: str) -> None:
    await led_by_rows(relational, phase)
    merged = await merge(relational, brief(4, "late", events=told("a", 1)))
    assert (counts(merged), merged.stragglers) == ({"applied": 1}, 1)
    assert (await note_of(relational), await seen(relational)) == ("late", Stamp(0, 4))
    assert await drain_events(relational) == ["event-a-1"]
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 0


async def test_a_straggler_of_a_new_key_is_taken_in(relational: RelationalStore) -> None:
    await led_by_rows(relational)
    assert counts(await merge(relational, brief(1, "late", id="new"))) == {"applied": 1}
    assert (await note_of(relational, "new"), await seen(relational, "new")) == ("late", Stamp(0, 1))


@pytest.mark.parametrize("phase", [REVERSED, POSTGRES])
async def test_a_straggler_beside_a_newer_write_is_kept_with_what_stands(
    relational: RelationalStore, phase: str
) -> None:
    control = await led_by_rows(relational, phase)
    await relational.journal.write(BRIEFS, brief(4, "mine", epoch=1, parent=Stamp(0, 3)), brief(3), control.n)
    straggler = brief(4, "theirs", events=told("a", 1), event_seq=1)
    merged = await merge(relational, straggler)
    assert (counts(merged), merged.stragglers, merged.through) == ({"conflicts": 1}, 1, {A: 0})
    assert (await note_of(relational), await seen(relational)) == ("mine", Stamp(0, 4))
    (letter,) = await letters(relational)
    assert (letter.kind, letter.stamp, letter.next_try_at) == (LetterKind.CONFLICT, Stamp(0, 4), None)
    assert from_document(BRIEFS, letter.payload, "") == straggler
    assert letter.rival == to_document(BRIEFS, brief(4, "mine", epoch=1, parent=Stamp(0, 3)))


@pytest.mark.parametrize("phase, waits", [(REVERSED, 1), (POSTGRES, 0)])
async def test_a_document_that_lost_is_brought_back_by_the_relay(
    relational: RelationalStore, phase: str, waits: int
) -> None:
    await led_by_rows(relational, phase)
    await merge(relational, brief(0, "unstamped"))
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == waits


async def test_the_events_of_a_conflict_are_never_told(relational: RelationalStore) -> None:
    control = await led_by_rows(relational)
    await relational.journal.write(BRIEFS, brief(4, "mine", epoch=1, parent=Stamp(0, 3)), brief(3), control.n)
    straggler = brief(4, "theirs", events=told("a", 1))
    for number, verdict in enumerate(("conflicts", "superseded", "superseded")):
        merged = await merge(relational, straggler, move=step(str(number or ""), str(number + 1)))
        assert (counts(merged), merged.through) == ({verdict: 1}, {A: 0})
    assert await waiting(relational) == []
    assert len(await letters(relational)) == 1


async def test_a_conflict_stays_silent_when_a_page_from_before_comes_after_the_way_back(
    relational: RelationalStore,
) -> None:
    control = await led_by_rows(relational)
    await relational.journal.write(BRIEFS, brief(4, "mine", epoch=1, parent=Stamp(0, 3)), brief(3), control.n)
    straggler = brief(4, "theirs", events=told("a", 1))
    await merge(relational, straggler)
    control = await flip(relational, control, DUAL)
    assert counts(await merge(relational, straggler, move=step("", "1"))) == {"superseded": 1}
    await flip(relational, control, COSMOS, copying=False)
    await merge(relational, straggler, move=step("1", "2"))
    assert await waiting(relational) == []
    assert (await merge(relational, brief(5, "next", epoch=2, events=told("a", 1)), move=step("2", "3"))).through == {
        A: 1
    }
    assert await drain_events(relational) == ["event-a-1"]


async def test_a_conflict_merged_by_many_at_once_tells_nothing(relational: RelationalStore) -> None:
    control = await led_by_rows(relational)
    await relational.journal.write(BRIEFS, brief(4, "mine", epoch=1, parent=Stamp(0, 3)), brief(3), control.n)
    straggler = brief(4, "theirs", events=told("a", 1))
    merged = await asyncio.gather(*(merge(relational, straggler) for _ in range(6)))
    assert sorted(one.conflicts for one in merged) == [0, 0, 0, 0, 0, 1]
    assert await waiting(relational) == []


async def test_an_op_that_stands_already_is_no_straggler(relational: RelationalStore) -> None:
    await led_by_rows(relational)
    assert counts(await merge(relational, brief(7, "again", op="op-old"))) == {"superseded": 1}
    assert (await note_of(relational), await seen(relational)) == ("stands", Stamp(0, 7))


async def test_what_the_relay_wrote_is_no_straggler(relational: RelationalStore) -> None:
    control = await led_by_rows(relational)
    await relational.journal.write(BRIEFS, brief(4, "mine"), brief(3), control.n)
    merged = await merge(relational, brief(9, "relayed", writer="relay"))
    assert (counts(merged), merged.stragglers) == ({"superseded": 1}, 0)
    assert (await note_of(relational), await letters(relational)) == ("mine", [])


async def test_where_rows_lead_an_overtaken_document_is_silent(relational: RelationalStore) -> None:
    # Whatever a drained cut-over left in documents was told before; what comes later and lost must not speak.
    control = await led_by_rows(relational)
    await relational.journal.write(BRIEFS, brief(4, "mine"), brief(3), control.n)
    merged = await merge(relational, brief(3, "stands", events=told("a", 1)))
    assert (counts(merged), merged.through) == ({"superseded": 1}, {A: 0})
    assert await drain_events(relational) == []


async def test_a_write_that_its_client_repeated_after_the_flip_does_not_speak_twice(
    relational: RelationalStore,
) -> None:
    control = await led_by_rows(relational)
    repeated = brief(4, "once", epoch=control.epoch, parent=brief(3).stamp, op="the-command", events=told("a", 1))
    await relational.journal.write(BRIEFS, repeated, brief(3), control.n)
    late = brief(4, "once", op="the-command", events=told("a", 9))
    assert counts(await merge(relational, late)) == {"superseded": 1}
    assert await drain_events(relational) == ["event-a-1"]


async def test_a_second_write_carries_no_events_and_does_nothing_where_rows_lead(relational: RelationalStore) -> None:
    control = await begin(relational, DUAL)
    first = await merge(relational, brief(1, "one", events=told("a", 1)), inline=True)
    assert (counts(first), await note_of(relational), await drain_events(relational)) == ({"applied": 1}, "one", [])
    draining = control.evolve(n=control.n + 1, state=State.DRAIN)
    await relational.journal.change(control, draining, change_of("drain"))
    assert counts(await merge(relational, brief(2, "two"), inline=True)) == {"superseded": 1}
    await flip(relational, draining, REVERSED)
    assert counts(await merge(relational, brief(2, "two"), inline=True)) == {"superseded": 1}
    assert await note_of(relational) == "one"


async def test_where_documents_lead_repetition_does_not_touch_the_row(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await relational.write(BRIEFS, brief(3), None)
    assert counts(await merge(relational, brief(3), brief(2, id="z"))) == {"same": 1, "applied": 1}
    assert await seen(relational) == Stamp()


async def test_a_refused_straggler_is_parked_and_tells_nothing_yet(relational: RelationalStore) -> None:
    control = await begin(relational, DUAL, id=TICKETS.name)
    await merge(relational, record_of(Ticket(id="a", seat="1"), collection=TICKETS), collection=TICKETS)
    after = control.evolve(phase=REVERSED, n=2)
    await relational.journal.change(control, after, change_of())
    late = record_of(Ticket(id="b", seat="1"), collection=TICKETS, events=told("b", 1))
    merged = await merge(relational, late, collection=TICKETS)
    assert (counts(merged), merged.through) == ({"parked": 1}, {Key("b", "b"): 0})
    assert await waiting(relational) == []


async def test_a_write_that_lost_is_overwritten_by_the_relay(relational: RelationalStore) -> None:
    control = await led_by_rows(relational)
    for late in (brief(4, "late", op="late"), brief(0, "plain", op="", parent=Stamp(), stamp=Stamp())):
        await relational.journal.write(BRIEFS, brief(4, "mine", epoch=1), brief(3), control.n) if late.op else None
        assert counts(await merge(relational, late)) == {"conflicts": 1}
        (task,) = await relational.journal.relay_claim(9, NOW + timedelta(hours=1 if late.op else 9), 60)
        assert task.key == late.key
        await relational.journal.relay_confirm(BRIEFS, task, Stamp(1, 4))
