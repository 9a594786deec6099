"""What every journal promises about what does not fit: parked alone, tried again, found by filter."""

from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from mystira.polyglot.control import Control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import from_document
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterGroup, LetterKind, RelationalStore, place_of
from mystira.polyglot.store import Key, Record, Unreadable
from tests.contracts.journals import DUAL, LATER, NOW, begin, brief, counts, letters, merge, step
from tests.contracts.sample import BRIEFS, TICKETS, Ticket, record_of

pytestmark = pytest.mark.anyio


def ticket(id: str, seat: str | None, seq: int = 1) -> Record:
    stamp, parent = Stamp(0, seq), Stamp(0, seq - 1)
    return record_of(Ticket(id=id, seat=seat), collection=TICKETS, stamp=stamp, parent=parent, op=f"op-{id}-{seq}")


async def sell(store: RelationalStore, *records: Record | Unreadable, hours: int = 0):
    return counts(await store.journal.merge(TICKETS, records, NOW + timedelta(hours=hours)))


async def seats(store: RelationalStore, ids: str = "abcdefgh") -> dict[str, str | None]:
    found = {id: await store.read(TICKETS, Key(id, id)) for id in ids}
    return {id: record.entity.seat for id, record in found.items() if record and isinstance(record.entity, Ticket)}


@pytest.fixture
async def box(relational: RelationalStore) -> RelationalStore:
    """A store in which tickets are copied and a holds seat 1."""
    await relational.journal.declare(Control(id=TICKETS.name, phase=DUAL, copying=True, complete=True))
    await sell(relational, ticket("a", "1"))
    return relational


def a_letter(**more: object) -> DeadLetter:
    values: dict[str, object] = {"collection": BRIEFS.name, "key": Key("a", "a"), "kind": LetterKind.RELAY}
    values |= {"stamp": Stamp(0, 1), "created_at": NOW}
    return DeadLetter(**(values | more))  # type: ignore[arg-type]


async def test_a_row_that_a_constraint_refuses_is_parked_whole(box: RelationalStore) -> None:
    assert await sell(box, ticket("b", "1")) == {"parked": 1}
    assert await seats(box) == {"a": "1"}
    (letter,) = await letters(box)
    assert (letter.kind, letter.key, letter.stamp) == (LetterKind.MERGE, Key("b", "b"), Stamp(0, 1))
    assert from_document(TICKETS, letter.payload, "") == ticket("b", "1")
    assert (letter.attempts, letter.next_try_at) == (1, NOW + timedelta(seconds=1))
    assert (letter.created_at, letter.op) == (NOW, "op-b-1")
    assert "1" not in letter.error.replace("tickets_unique_seat", "")


@pytest.mark.parametrize("size", [2, 8, 40])
async def test_one_unfit_row_spoils_nobody_elses_page(box: RelationalStore, size: int) -> None:
    page = [ticket(f"n{at}", f"s{at}") for at in range(size - 1)]
    page.insert(size // 2, ticket("bad", "1"))
    merged = await box.journal.merge(TICKETS, page, NOW, step("", "1"))
    assert counts(merged) == {"applied": size - 1, "parked": 1}
    assert [letter.key.id for letter in await letters(box)] == ["bad"]
    assert await box.read(TICKETS, Key("n0", "n0")) is not None


async def test_several_unfit_rows_are_each_parked(box: RelationalStore) -> None:
    page = [ticket("b", "1"), ticket("c", "2"), ticket("d", "1"), ticket("e", "3"), ticket("f", "1")]
    assert await sell(box, *page) == {"applied": 2, "parked": 3}
    assert await seats(box) == {"a": "1", "c": "2", "e": "3"}


async def test_two_rows_that_swap_a_unique_value_both_come_over(box: RelationalStore) -> None:
    await sell(box, ticket("b", "2"))
    assert await sell(box, ticket("a", "2", 2), ticket("b", "1", 2)) == {"applied": 2}
    assert (await seats(box), await letters(box)) == ({"a": "2", "b": "1"}, [])


async def test_a_ring_of_swaps_in_a_large_page_comes_over(box: RelationalStore) -> None:
    ids = [f"t{at:02}" for at in range(20)]
    await sell(box, *(ticket(id, id) for id in ids))
    assert await sell(box, *(ticket(id, ids[at - 1], 2) for at, id in enumerate(ids))) == {"applied": 20}
    assert await letters(box) == []


async def test_a_row_may_take_what_another_of_its_page_lets_go(box: RelationalStore) -> None:
    await sell(box, ticket("z", "26"))
    assert await sell(box, ticket("b", "26"), ticket("z", None, 2)) == {"applied": 2}
    assert await letters(box) == []


async def test_rows_without_the_value_do_not_collide(box: RelationalStore) -> None:
    assert await sell(box, ticket("b", None), ticket("c", None)) == {"applied": 2}


async def test_a_tombstone_gives_its_unique_value_back(box: RelationalStore) -> None:
    buried = msgspec.structs.replace(ticket("a", None, 2), entity=None)
    assert await sell(box, buried, ticket("b", "1")) == {"applied": 2}
    assert await seats(box) == {"b": "1"}


async def test_a_refusal_waits_longer_each_time_and_in_the_end_for_a_person(box: RelationalStore) -> None:
    pauses: list[float | None] = []
    for _ in range(9):
        assert await sell(box, ticket("b", "1")) == {"parked": 1}
        (letter,) = await letters(box)
        pauses.append(letter.next_try_at and (letter.next_try_at - NOW).total_seconds())
    assert pauses == [1, 2, 4, 8, 16, 32, 64, None, None]
    assert letter.attempts == 9 and letter.created_at == NOW


async def test_once_it_fits_its_letters_are_gone(box: RelationalStore) -> None:
    await sell(box, ticket("b", "1"))
    await sell(box, ticket("b", "1", 2), Unreadable(Key("c", "c"), Stamp(0, 1), {}, "bad"))
    assert len(await letters(box)) == 3
    await sell(box, ticket("a", "9", 2))
    assert await sell(box, ticket("b", "1", 2), ticket("c", "3", 2)) == {"applied": 2}
    assert await letters(box) == []


async def test_a_newer_refusal_is_not_forgotten_for_an_older_success(box: RelationalStore) -> None:
    await sell(box, ticket("b", "1", 3))
    await sell(box, ticket("b", "5", 2))
    assert [letter.stamp for letter in await letters(box)] == [Stamp(0, 3)]


async def test_a_letter_of_another_key_or_kind_outlives_a_success(box: RelationalStore) -> None:
    other = a_letter(collection=TICKETS.name, kind=LetterKind.CONFLICT, key=Key("b", "b"))
    await box.journal.letter_put(other)
    await box.journal.letter_put(a_letter(kind=LetterKind.MERGE, key=Key("b", "b")))
    await box.journal.letter_put(a_letter(collection=TICKETS.name, kind=LetterKind.MERGE, key=Key("x", "b")))
    await sell(box, ticket("b", "5", 2))
    assert len(await letters(box)) == 3


async def test_a_value_that_no_index_holds_is_parked_alone(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    assert counts(await merge(relational, brief(1), brief(1, id="nul \x00"))) == {"applied": 1, "parked": 1}


async def test_a_kept_letter_is_found_whole(relational: RelationalStore) -> None:
    letter = a_letter(
        op="op-1",
        payload={"note": "half \ud83d and nul \x00", "n": [1, None, 1.5]},
        rival={"a": {}},
        error="too large",
        attempts=3,
        next_try_at=LATER,
    )
    await relational.journal.letter_put(letter)
    assert await letters(relational) == [letter]


async def test_a_letter_of_the_same_key_kind_and_stamp_is_replaced(relational: RelationalStore) -> None:
    await relational.journal.letter_put(a_letter(error="first"))
    await relational.journal.letter_put(a_letter(error="second", attempts=2))
    assert await letters(relational) == [a_letter(error="second", attempts=2)]
    for other in ({"kind": LetterKind.MERGE}, {"stamp": Stamp(0, 2)}, {"key": Key("a", "b")}, {"collection": "X"}):
        await relational.journal.letter_put(a_letter(**other))
    assert len(await letters(relational)) == 5


async def test_a_dropped_letter_is_gone_and_dropping_it_again_says_so(relational: RelationalStore) -> None:
    await relational.journal.letter_put(a_letter())
    await relational.journal.letter_put(a_letter(stamp=Stamp(0, 2)))
    assert await relational.journal.letter_drop(a_letter())
    assert not await relational.journal.letter_drop(a_letter())
    assert [letter.stamp for letter in await letters(relational)] == [Stamp(0, 2)]


FOUR = {
    "relay": a_letter(next_try_at=NOW),
    "merge": a_letter(kind=LetterKind.MERGE, next_try_at=LATER, created_at=NOW + timedelta(seconds=1)),
    "parked": a_letter(key=Key("a", "b"), created_at=NOW + timedelta(seconds=2)),
    "other": a_letter(collection="Others", next_try_at=NOW, created_at=NOW + timedelta(seconds=3)),
}


@pytest.mark.parametrize(
    "which, found",
    [
        (LetterFilter(), ["relay", "merge", "parked", "other"]),
        (LetterFilter(limit=2), ["relay", "merge"]),
        (LetterFilter(collection="Others"), ["other"]),
        (LetterFilter(kind=LetterKind.MERGE), ["merge"]),
        (LetterFilter(key=Key("a", "b")), ["parked"]),
        (LetterFilter(parked=True), ["parked"]),
        (LetterFilter(parked=False), ["relay", "merge", "other"]),
        (LetterFilter(due_at=NOW), ["relay", "other"]),
        (LetterFilter(due_at=NOW - timedelta(seconds=1)), []),
        (LetterFilter(due_at=LATER, collection=BRIEFS.name), ["relay", "merge"]),
        (LetterFilter(collection="Nothing"), []),
    ],
)
async def test_letters_are_chosen_by_filter_the_oldest_first(
    relational: RelationalStore, which: LetterFilter, found: list[str]
) -> None:
    for letter in reversed(FOUR.values()):
        await relational.journal.letter_put(letter)
    assert list(await relational.journal.letters(which)) == [FOUR[name] for name in found]


async def test_pages_of_letters_neither_overlap_nor_leave_gaps(relational: RelationalStore) -> None:
    kept = [a_letter(key=Key("a", f"{at:02}"), created_at=NOW + timedelta(seconds=at // 3)) for at in range(11)]
    kept += [a_letter(kind=LetterKind.MERGE, key=Key("a", "03"), created_at=NOW + timedelta(seconds=1))]
    for letter in reversed(kept):
        await relational.journal.letter_put(letter)
    seen: list[DeadLetter] = []
    which = LetterFilter(limit=4)
    while page := await relational.journal.letters(which):
        seen += page
        which = LetterFilter(limit=4, after=place_of(page[-1]))
    assert seen == sorted(kept, key=place_of)
    assert await letters(relational, kind=LetterKind.RELAY, after=place_of(kept[9])) == [kept[10]]
    assert await letters(relational, newest_first=True, after=place_of(seen[9])) == seen[8::-1]


async def test_chosen_letters_are_parked_or_dropped_where_they_lie(relational: RelationalStore) -> None:
    for letter in FOUR.values():
        await relational.journal.letter_put(letter)
    journal = relational.journal
    was_retrying = Counter(letter.collection for letter in await letters(relational, parked=False))
    assert was_retrying
    assert await journal.letters_park(LetterFilter(kind=LetterKind.UNREADABLE)) == {}
    assert await journal.letters_park(LetterFilter()) == was_retrying
    assert (await letters(relational, parked=False), await journal.letters_park(LetterFilter())) == ([], {})
    assert await journal.letters_drop(LetterFilter(collection="Others")) == {"Others": 1}
    assert "Others" not in {letter.collection for letter in await letters(relational)}


async def test_so_many_of_the_oldest_are_dropped_and_nothing_beyond_a_place(relational: RelationalStore) -> None:
    kept = [a_letter(key=Key("a", f"{at:02}"), created_at=NOW + timedelta(seconds=at)) for at in range(8)]
    for letter in reversed(kept):
        await relational.journal.letter_put(letter)
    through = place_of(kept[5])
    journal = relational.journal
    assert await letters(relational, through=through, after=place_of(kept[3])) == kept[4:6]
    assert await journal.letters_drop(LetterFilter(limit=2, through=through)) == {BRIEFS.name: 2}
    assert await letters(relational) == kept[2:]
    assert await journal.letters_drop(LetterFilter(through=through)) == {BRIEFS.name: 4}
    assert await letters(relational) == kept[6:]


async def test_chosen_letters_are_counted_by_collection(relational: RelationalStore) -> None:
    for letter in FOUR.values():
        await relational.journal.letter_put(letter)
    assert await relational.journal.letters_count(LetterFilter(limit=1)) == {BRIEFS.name: 3, "Others": 1}
    assert await relational.journal.letters_count(LetterFilter(parked=True)) == {BRIEFS.name: 1}


async def test_a_tally_tells_collections_kinds_and_states_apart(relational: RelationalStore) -> None:
    assert await relational.journal.letters_tally() == {}
    for letter in FOUR.values():
        await relational.journal.letter_put(letter)
    tally = await relational.journal.letters_tally()
    held = FOUR.values()
    assert tally == Counter(LetterGroup(one.collection, one.kind, one.next_try_at is None) for one in held)
