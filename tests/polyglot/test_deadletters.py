"""What does not fit is set aside alone, kept whole, tried again, and in the end a person's to decide."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mystira.polyglot.deadletters import discard, park, replay, retry_due
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterKind
from mystira.polyglot.relay import ATTEMPTS_MAX, ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key
from tests.polyglot.counting import LEDGERS, SEATS, Ledger, Rig, Seat, raise_counter
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY, Process, assert_equal, real_clock, rows_of

pytestmark = pytest.mark.anyio
ALL = LetterFilter()


async def take(work: Any, *, id: str, place: str | None) -> None:
    seat = await work.get(Seat, id) or Seat(id=id)
    work.save(seat.evolve(place=place))


async def leave(work: Any, *, id: str) -> None:
    work.remove(await work.get(Seat, id))


async def sit(process: Process, **places: str | None) -> None:
    for id, place in places.items():
        await process.works.run(take, id=id, place=place)


async def follow(process: Process) -> None:
    while await process.follower.step():
        continue


async def letters(rig: Rig, **which: Any) -> list[DeadLetter]:
    return list(await rig.postgres.journal.letters(LetterFilter(**which)))


async def places(rig: Rig) -> dict[str, str | None]:
    return {id: row.entity.place for id, row in (await rows_of(rig, SEATS)).items() if isinstance(row.entity, Seat)}


def later(process: Process, seconds: float) -> Replication:
    return process.r._replace(clock=lambda: real_clock() + timedelta(seconds=seconds))


async def verbs(rig: Rig, name: str = SEATS.name) -> list[tuple[str, str, str]]:
    history = await rig.postgres.journal.history(name)
    return [(change.verb, change.actor, change.why) for change in history if "dead letters" in change.verb]


@pytest.fixture
async def a(rig: Rig) -> Process:
    """Seats with a complete copy; a sits at place 1, and b wants to as well."""
    process = Process(rig, "a")
    await sit(process, a="1")
    await process.fill(SEATS)
    await process.move(SEATS, DUAL)
    await follow(process)
    await sit(process, b="1", c="3")
    await follow(process)
    return process


async def test_what_a_constraint_refuses_is_parked_alone(rig: Rig, a: Process) -> None:
    assert await places(rig) == {"a": "1", "c": "3"}
    (letter,) = await letters(rig)
    assert (letter.kind, letter.key, letter.payload["place"]) == (LetterKind.MERGE, Key("b", "b"), "1")
    assert "seats_unique_place" in letter.error


async def test_a_refused_key_is_tried_again_when_it_is_due_and_not_before(rig: Rig, a: Process) -> None:
    async with rig.postgres.connection(writes=True) as connection:
        # The feed is not told, so only the letter can bring b over.
        await connection.execute("UPDATE seats SET place = NULL WHERE id = 'a'")
    assert await retry_due(a.r._replace(clock=lambda: real_clock() - timedelta(seconds=60))) == 0
    assert await retry_due(later(a, 60)) == 1
    assert (await places(rig))["b"] == "1"
    assert await letters(rig) == []


async def test_what_is_refused_again_waits_longer_and_in_the_end_for_a_person(rig: Rig, a: Process) -> None:
    tries = 0
    while await retry_due(later(a, 1_000 * (tries + 1))):
        tries += 1
    (letter,) = await letters(rig)
    assert (letter.next_try_at, letter.attempts >= 8, tries < 10) == (None, True, True)


async def test_two_that_swap_a_unique_value_settle_although_only_one_is_due(rig: Rig, a: Process) -> None:
    await sit(a, b="2")
    await follow(a)
    await swap_unseen(rig)
    now = real_clock()
    for id, after in (("a", 0.0), ("b", 0.9)):
        # Each of them comes by alone, and its place is still the other's.
        record = await rig.sqlite.read(SEATS, Key(id, id))
        assert record is not None
        await rig.postgres.journal.merge(SEATS, [record], now + timedelta(seconds=after))
    assert len(await letters(rig)) == 2
    assert await retry_due(a.r._replace(clock=lambda: now + timedelta(seconds=1.5))) == 1
    assert (await places(rig), await letters(rig)) == ({"a": "2", "b": "1", "c": "3"}, [])
    await follow(a)
    await assert_equal(rig, SEATS)


async def test_what_only_goes_along_keeps_its_tries(rig: Rig, a: Process) -> None:
    (old,) = await letters(rig)
    await sit(a, d="3")
    await follow(a)
    young = next(letter for letter in await letters(rig) if letter.key.id == "d")
    assert young.next_try_at is not None
    await rig.postgres.journal.letter_put(DeadLetter(**{**fields(old), "next_try_at": real_clock()}))
    await retry_due(a.r)
    left = {letter.key.id: letter for letter in await letters(rig)}
    assert left["d"] == young
    assert left["b"].attempts == old.attempts + 1


async def test_replaying_by_filter_settles_a_swap_and_is_on_record(rig: Rig, a: Process) -> None:
    await sit(a, b="2")
    await follow(a)
    await swap_unseen(rig)
    for id in "ab":
        record = await rig.sqlite.read(SEATS, Key(id, id))
        assert record is not None
        await rig.postgres.journal.merge(SEATS, [record], real_clock())
    assert await replay(a.r, LetterFilter(collection="Others"), **SOMEBODY) == 0
    assert await replay(a.r, LetterFilter(collection=SEATS.name), **SOMEBODY) == 2
    assert await places(rig) == {"a": "2", "b": "1", "c": "3"}
    assert await verbs(rig) == [("replay 2 dead letters", "somebody", "a test")]


async def test_what_is_parked_is_tried_by_nobody_until_it_is_replayed(rig: Rig, a: Process) -> None:
    assert await park(a.r, LetterFilter(key=Key("b", "b")), **SOMEBODY) == 1
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute("UPDATE seats SET place = NULL WHERE id = 'a'")
    assert await retry_due(later(a, 10_000)) == 0
    assert "b" not in await places(rig)
    assert await replay(a.r, LetterFilter(parked=True), **SOMEBODY) == 1
    assert (await places(rig))["b"] == "1"
    assert [verb for verb, _, _ in await verbs(rig)] == ["replay 1 dead letters", "park 1 dead letters"]


async def test_what_is_discarded_is_gone_and_only_that(rig: Rig, a: Process) -> None:
    await sit(a, d="3")
    await follow(a)
    assert await discard(a.r, LetterFilter(key=Key("b", "b")), **SOMEBODY) == 1
    assert [letter.key.id for letter in await letters(rig)] == ["d"]
    assert await verbs(rig) == [("discard 1 dead letters", "somebody", "a test")]


async def test_a_refused_record_that_was_removed_leaves_no_letter(rig: Rig, a: Process) -> None:
    await a.works.run(leave, id="b")
    await follow(a)
    assert await letters(rig) == []
    await assert_equal(rig, SEATS)


async def test_a_conflict_keeps_both_bodies_and_is_never_tried_by_itself(rig: Rig, a: Process) -> None:
    await a.works.run(leave, id="b")
    await follow(a)
    await a.move(SEATS, REVERSED)
    straggler = await rig.sqlite.read(SEATS, Key("c", "c"))
    assert straggler is not None
    await a.works.run(take, id="c", place="9")
    late = straggler.entity.evolve(place="7")  # type: ignore[union-attr]
    stamp = straggler.stamp.next(0)
    record = msgspec.structs.replace(straggler, entity=late, stamp=stamp, parent=straggler.stamp, op="late")
    await rig.sqlite.write(SEATS, record, straggler)
    await a.settle()
    (letter,) = await letters(rig)
    assert (letter.kind, letter.payload["place"], letter.rival["place"]) == (LetterKind.CONFLICT, "7", "9")
    assert await retry_due(later(a, 10_000)) == 0
    assert await replay(a.r, ALL, **SOMEBODY) == 0
    assert (await places(rig))["c"] == "9"
    await assert_equal(rig, SEATS)


async def test_a_row_no_document_can_hold_is_parked_alone_and_can_be_replayed(rig: Rig) -> None:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Ledger, id="large", by=1)
    await process.move(LEDGERS, REVERSED)
    await process.works.run(raise_counter, kind=Ledger, id="large", by=1, key="x" * 2_200_000)
    await process.works.run(raise_counter, kind=Ledger, id="small", by=1)
    for tries in range(ATTEMPTS_MAX + 1):
        clock = later(process, 120 * tries).clock
        await ReverseRelay(process.r.catalog, process.r.documents, process.r.relational, clock=clock).step()
    (letter,) = await letters(rig)
    assert (letter.kind, letter.key.id) == (LetterKind.RELAY, "large")
    assert await rig.sqlite.read(LEDGERS, Key("small", "small")) is not None
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute("UPDATE ledgers SET keys = '[]' WHERE id = 'large'")
    assert await replay(process.r, LetterFilter(kind=LetterKind.RELAY), **SOMEBODY) == 1
    await process.relay.step()
    waiting = await rig.postgres.journal.relay_pending(LEDGERS.name)
    assert (waiting.waiting, waiting.parked) == (0, 0)
    await assert_equal(rig, LEDGERS)


async def many(rig: Rig, count: int) -> None:
    now = real_clock() - timedelta(hours=1)
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute(MANY, count, SEATS.name, now)


MANY = """
INSERT INTO polyglot.dead_letters
SELECT $2, 'p' || n, 'i' || n, 'conflict', n, '', '{}', '{}', '', 1, $3::timestamptz + interval '1 day',
  $3 + n % 7 * interval '1 s'
FROM generate_series(1, $1) AS n
"""


async def test_a_clean_up_takes_every_letter_there_was_in_batches_and_tells_how_far_it_is(
    rig: Rig, a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await discard(a.r, ALL, **SOMEBODY)
    await many(rig, 1_050)
    monkeypatch.setattr("mystira.polyglot.deadletters.SWEPT_AT_ONCE", 200)
    sizes: list[int] = []

    parking = asyncio.create_task(park(a.r, ALL, **SOMEBODY, told=sizes.append))
    while not sizes:
        await asyncio.sleep(0)
    # What comes in meanwhile was chosen by nobody.
    later = real_clock() + timedelta(days=1)
    fresh = DeadLetter(
        collection=SEATS.name, key=Key("f", "f"), kind=LetterKind.CONFLICT, stamp=Stamp(0, 1), next_try_at=later
    )
    await rig.postgres.journal.letter_put(fresh)
    assert await parking == 1_050
    assert [letter.key.id for letter in await rig.postgres.journal.letters(LetterFilter(parked=False))] == ["f"]
    assert await discard(a.r, LetterFilter(limit=250), **SOMEBODY) == 250
    assert await discard(a.r, ALL, **SOMEBODY) == 801
    assert await letters(rig) == []
    assert sizes == [200, 400, 600, 800, 1_000, 1_050]
    told = [verb for verb, _, _ in await verbs(rig)][:3]
    assert told == ["discard 801 dead letters", "discard 250 dead letters", "park 1050 dead letters"]


async def test_a_clean_up_that_is_stopped_has_on_record_what_it_did(
    rig: Rig, a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await discard(a.r, ALL, **SOMEBODY)
    await many(rig, 500)
    monkeypatch.setattr("mystira.polyglot.deadletters.SWEPT_AT_ONCE", 200)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await discard(a.r, ALL, **SOMEBODY, told=stop)
    assert (await verbs(rig))[0][0] == "discard 200 dead letters"
    assert await rig.postgres.journal.letters_count(ALL) == {SEATS.name: 300}


async def swap_unseen(rig: Rig) -> None:
    """Let a and b change places in the documents while PostgreSQL is away."""
    rig.relational.down()
    await sit(Process(rig, "elsewhere"), a="x", b="1")
    await sit(Process(rig, "elsewhere"), a="2")
    rig.relational.down(False)


def fields(letter: DeadLetter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in letter.__struct_fields__}
