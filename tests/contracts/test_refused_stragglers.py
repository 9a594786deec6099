"""What becomes of a straggler that a constraint keeps out where PostgreSQL leads: it stands, or a person has it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.control import Control
from mystira.polyglot.deadletters import retry_due
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import from_document
from mystira.polyglot.journal import LetterKind, RelationalStore
from mystira.polyglot.phases import Phase
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.memory import MemoryDocuments
from tests.contracts.journals import DUAL, POSTGRES, REVERSED, drain_events, flip, letters, merge, step, told
from tests.contracts.sample import NOW, TICKETS, Ticket, record_of

pytestmark = pytest.mark.anyio

B = Key("b", "b")
CATALOG = Catalog([TICKETS])


def ticket(id: str, seat: str, seq: int = 1, *, epoch: int = 0, **more: Any) -> Record:
    values: dict[str, Any] = {"parent": Stamp(0, seq - 1), "op": f"op-{id}-{epoch}-{seq}"}
    return record_of(Ticket(id=id, seat=seat), collection=TICKETS, stamp=Stamp(epoch, seq), **(values | more))


STRAGGLER = ticket("b", "1", 2, events=told("b", 1))
"""It was written while the leader changed, and asks for a seat that is taken."""


class Hall:
    """Both stores of the tickets, a on seat 1 and b on seat 2 in either, and the time of those who try again."""

    def __init__(self, relational: RelationalStore, documents: MemoryDocuments) -> None:
        self.relational, self.documents, self.journal = relational, documents, relational.journal
        self.now = NOW
        self.control = Control(id=TICKETS.name, phase=DUAL, copying=True, complete=True)

    def clock(self) -> datetime:
        return self.now

    async def open(self, phase: Phase) -> None:
        """Carry both tickets over, let the rows lead, and let the straggler come and be refused."""
        await self.journal.declare(self.control)
        for record in (ticket("a", "1"), ticket("b", "2")):
            await self.documents.write(TICKETS, record, None)
            await merge(self.relational, record, collection=TICKETS)
        await self.flip(phase)
        await self.documents.write(TICKETS, STRAGGLER, await self.documents.read(TICKETS, B))
        assert (await merge(self.relational, STRAGGLER, collection=TICKETS)).parked == 1

    async def flip(self, phase: Phase, **more: Any) -> None:
        self.control = await flip(self.relational, self.control, phase, **more)

    async def book(self, id: str, seat: str, seq: int = 2) -> None:
        """Let an app write where the rows lead."""
        base = await self.relational.read(TICKETS, Key(id, id))
        assert base is not None
        record = ticket(id, seat, seq, epoch=self.control.epoch, parent=base.stamp)
        await self.journal.write(TICKETS, record, base, self.control.n)

    async def relay(self, relational: Any = None) -> None:
        """Let the relay do all that it can by now."""
        self.now += timedelta(hours=1)
        relay = ReverseRelay(CATALOG, self.documents, relational or self.relational, clock=self.clock)
        await relay.step()

    async def waits_for_the_relay(self) -> int:
        return (await self.journal.relay_pending(TICKETS.name)).waiting

    async def try_again(self) -> None:
        self.now += timedelta(hours=1)
        await retry_due(Replication(CATALOG, self.documents, self.relational, clock=self.clock))

    async def seat_in_documents(self) -> str | None:
        found = await self.documents.read(TICKETS, B)
        return found.entity.seat if found and isinstance(found.entity, Ticket) else None

    async def kinds(self) -> list[LetterKind]:
        return [letter.kind for letter in await letters(self.relational)]


@pytest.fixture
def hall(relational: RelationalStore) -> Hall:
    return Hall(relational, MemoryDocuments())


async def come_back(hall: Hall) -> None:
    """Keep the documents again, so that every row goes to the relay."""
    await hall.flip(REVERSED, copying=True, complete=False)
    await hall.journal.relay_refill(TICKETS, hall.control.n)


async def assert_only_a_person_has_it(hall: Hall) -> None:
    (letter,) = await letters(hall.relational)
    assert letter.kind is LetterKind.CONFLICT
    assert from_document(TICKETS, letter.payload, "") == STRAGGLER
    assert await drain_events(hall.relational) == []


async def test_a_refused_straggler_that_lost_is_silent_when_its_letter_is_tried_again_after_the_way_back(
    hall: Hall,
) -> None:
    await hall.open(REVERSED)
    await hall.book("b", "3")
    await hall.relay()
    assert await hall.seat_in_documents() == "3"
    await hall.flip(DUAL, drained=True)
    await hall.try_again()
    await assert_only_a_person_has_it(hall)


async def test_a_page_from_before_shows_it_after_the_way_back_and_it_stays_silent(hall: Hall) -> None:
    await hall.open(REVERSED)
    await hall.book("b", "3")
    await hall.relay()
    await hall.flip(DUAL, drained=True)
    await merge(hall.relational, STRAGGLER, collection=TICKETS, move=step("", "1"))
    await assert_only_a_person_has_it(hall)


async def test_the_relay_leaves_a_refused_straggler_in_its_document(hall: Hall) -> None:
    await hall.open(POSTGRES)
    await come_back(hall)
    await hall.relay()
    assert (await hall.seat_in_documents(), await hall.kinds()) == ("1", [LetterKind.MERGE])
    assert await hall.waits_for_the_relay() == 1
    await hall.book("a", "9")
    await hall.try_again()
    await hall.relay()
    row = await hall.relational.read(TICKETS, B)
    assert row is not None and row.entity == STRAGGLER.entity
    assert (await hall.waits_for_the_relay(), await hall.kinds()) == (0, [])
    assert await drain_events(hall.relational) == ["event-b-1"]


async def test_a_refused_straggler_whose_row_moves_on_at_that_very_moment_goes_to_a_person(hall: Hall) -> None:
    await hall.open(POSTGRES)
    await come_back(hall)

    class Hasty:
        """PostgreSQL as a relay sees it while somebody books another seat, right after it told of the straggler."""

        def __init__(self) -> None:
            self.journal = self

        def __getattr__(self, name: str) -> Any:
            return getattr(hall.relational if name == "read" else hall.journal, name)

        async def merge(self, *args: Any) -> Any:
            merged = await hall.journal.merge(*args)
            await hall.book("b", "3")
            return merged

    await hall.relay(Hasty())
    await hall.relay()
    assert await hall.seat_in_documents() == "3"
    await hall.flip(DUAL, drained=True)
    await hall.try_again()
    await assert_only_a_person_has_it(hall)
