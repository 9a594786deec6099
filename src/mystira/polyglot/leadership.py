"""What one process may do with each collection now: whose word counts, and until when it may act on it.

Where documents lead, a process leases the control copy that is kept beside them; PostgreSQL is not asked, so its
outage stops nobody. Where PostgreSQL leads, the row's `n` goes with every write, and the fence compares it there.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import (
    Change,
    Control,
    State,
    control_of,
    copy_may_become,
    first_control,
    heal_copy,
    leads,
    read_copy,
    write_copy,
)
from mystira.polyglot.journal import Journal
from mystira.polyglot.measures import REFUSED_WRITES
from mystira.polyglot.phases import Leader
from mystira.polyglot.roster import enter, strike
from mystira.polyglot.store import Conflict, DocumentStore, Held, OutcomeUnknown, Record, StoreError, Unavailable

SETTLE_ROUNDS = 8


class Tempo(msgspec.Struct, frozen=True, kw_only=True):
    """How long things may take, in seconds. A flip waits for a lease, the longest request and the clocks' drift."""

    lease_s: float = 5.0
    request_s: float = 5.0
    drift_s: float = 0.5
    hold_s: float = 2.0
    inline_s: float = 0.05
    poll_s: float = 0.05

    @property
    def silence_s(self) -> float:
        """After this long, nobody who was not told of a drain can still have a write on its way."""
        return self.lease_s + self.request_s + self.drift_s


class Term(NamedTuple):
    """A control state that this process may act on until `until` (seconds of the process's own steady clock)."""

    control: Control
    until: float

    @property
    def leader(self) -> Leader:
        """Which store commits writes and serves reads."""
        return self.control.phase.leader


class Leadership:
    """Keeps this process's terms. One object per process; collections are told apart by name."""

    def __init__(
        self,
        documents: DocumentStore,
        journal: Journal,
        *,
        tempo: Tempo | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        name: str,
    ) -> None:
        """`name` tells this process, in this life, from every other one."""
        self.name = name
        self.tempo = tempo or Tempo()
        self._documents = documents
        self._journal = journal
        self._clock = clock
        self._steady = steady
        self._sleep = sleep
        self._terms: dict[str, Term] = {}
        self._known: dict[str, Control] = {}
        self._renewing: dict[str, asyncio.Lock] = {}
        self._entered: dict[str, int] = {}
        self._on_way: dict[str, dict[object, float]] = {}
        self._refused: dict[str, int] = {}
        self._left = False

    def held(self, collection: Collection[Any]) -> Term | None:
        """Return the term while it lasts."""
        term = self._terms.get(collection.name)
        return term if term is not None and lasts(term, self._steady()) else None

    def forget(self, collection: Collection[Any]) -> None:
        """Ask again before anything else is done: somebody refused what this process believed."""
        self._terms.pop(collection.name, None)

    async def term(self, collection: Collection[Any]) -> Term:
        """Return a term that holds now; waits through a short hold, then raises Held."""
        give_up_at = self._steady() + self.tempo.hold_s
        while True:
            term = self.held(collection) or await self._renewed(collection)
            # Its answer may have come so late, to a process that slept, that the term has ended on the way.
            if term is not None and lasts(term, self._steady()):
                return term
            if self._steady() >= give_up_at:
                self._refused[collection.name] = self.refused(collection.name) + 1
                REFUSED_WRITES.add(collection.name)
                raise Held(f"{collection.name} is being moved", self.tempo.hold_s)
            await self._sleep(self.tempo.poll_s)

    @contextmanager
    def sending(self, collection: Collection[Any]) -> Generator[None]:
        """Mark a write to the documents as on its way; one without an answer may still arrive for a while."""
        on_way, mark, began_at = self._on_way.setdefault(collection.name, {}), object(), self._steady()
        on_way[mark] = math.inf
        try:
            yield
        except BaseException as error:
            if isinstance(error, StoreError) and not isinstance(error, OutcomeUnknown):
                del on_way[mark]
            else:
                on_way[mark] = began_at + self.tempo.request_s + self.tempo.drift_s
            raise
        del on_way[mark]

    async def stand_down(self, name: str, n: int) -> bool:
        """Give up the term once the copy is seen draining at `n`; tell whether no write is on its way any more.

        From then on this process writes nothing that was allowed before: it has to lease a copy that is OPEN again.
        """
        async with self._lock(name):
            # A renewal that began before has ended, so the term it brought is given up as well.
            copy = await read_copy(self._documents, name)
            if copy is None or control_of(copy).n != n or control_of(copy).state is State.OPEN:
                return False
            self._terms.pop(name, None)
        on_way, now = self._on_way.get(name, {}), self._steady()
        for mark in [mark for mark, until in on_way.items() if until <= now]:
            del on_way[mark]
        return not on_way

    def refused(self, name: str) -> int:
        """Return how many units of work have been turned away because the collection was being moved."""
        return self._refused.get(name, 0)

    async def leave(self) -> None:
        """End for good: nobody needs to wait for this process any more, unless a write of it may still arrive."""
        self._left = True
        for name, n in self._entered.items():
            async with self._lock(name):
                self._terms.pop(name, None)
            if self._on_way.get(name):
                continue
            try:
                await strike(self._documents, name, {self.name: n})
            except StoreError:
                # A drain waits this process's lease out, then.
                continue

    def _lock(self, name: str) -> asyncio.Lock:
        return self._renewing.setdefault(name, asyncio.Lock())

    async def _renewed(self, collection: Collection[Any]) -> Term | None:
        if self._left:
            raise Unavailable(f"{collection.name}: this process is closing")
        async with self._lock(collection.name):
            term = self.held(collection)
            if term is None:
                term = await self._ask(collection)
                if term is not None:
                    self._terms[collection.name] = term
            return term

    async def _ask(self, collection: Collection[Any]) -> Term | None:
        """Return a new term, or None while a transition holds the collection."""
        for _ in range(SETTLE_ROUNDS):
            # A term counts from the start of the request that gave it, never from its answer.
            asked_at = self._steady()
            try:
                if self._believed(collection) is Leader.RELATIONAL:
                    return await self._ask_row(collection, asked_at)
                return await self._ask_copy(collection, asked_at)
            except (Conflict, OutcomeUnknown):
                # Another process moved it; what row and copy say now is read again.
                continue
        return None

    def leaders(self) -> set[Leader]:
        """Return which stores lead what this process has worked with, as it last heard; empty before it has."""
        return {control.leader for control in self._known.values()}

    def _believed(self, collection: Collection[Any]) -> Leader:
        known = self._known.get(collection.name)
        return collection.phase.leader if known is None else known.leader

    async def _ask_row(self, collection: Collection[Any], asked_at: float) -> Term | None:
        try:
            row = await self._journal.declare(first_control(collection))
        except Unavailable:
            # It may have moved to the documents meanwhile; if it has not, asking the copy ends here again.
            return await self._ask_copy(collection, asked_at)
        if row.leader is Leader.DOCUMENTS:
            return await self._ask_copy(collection, asked_at)
        return await self._row_term(row, asked_at)

    async def _ask_copy(self, collection: Collection[Any], asked_at: float) -> Term | None:
        try:
            copy = await read_copy(self._documents, collection.name)
        except Unavailable:
            return await self._without_documents(collection, asked_at)
        if copy is None:
            row = await self._journal.declare(first_control(collection))
            await write_copy(self._documents, None, row)
            raise Conflict(f"{collection.name}: its control copy was made just now")
        told = control_of(copy)
        if told.leader is Leader.RELATIONAL:
            return await self._follow_row(collection, told, asked_at)
        if told.state is State.OPEN:
            return await self._lease(copy, asked_at)
        if await self._past_deadline(copy):
            raise Conflict(f"{collection.name}: an unfinished transition was ended")
        return None

    async def _without_documents(self, collection: Collection[Any], asked_at: float) -> Term | None:
        """The documents do not answer: only where PostgreSQL leads can anybody go on."""
        row = await self._journal.control(collection.name)
        if row is None or row.leader is Leader.DOCUMENTS:
            raise Unavailable(f"{collection.name}: the documents, which lead, cannot be reached")
        return await self._row_term(row, asked_at)

    async def _row_term(self, row: Control, asked_at: float) -> Term | None:
        """PostgreSQL leads; a drain that nobody finishes holds its writers no longer than its deadline."""
        if row.state is State.DRAIN and row.deadline is not None and row.deadline <= self._clock():
            row = await abort(self._journal, self._documents, row, None, self._aborted(row))
        return self._open_term(row, asked_at)

    def _open_term(self, control: Control, asked_at: float) -> Term | None:
        known = self._known.get(control.id)
        if known is not None and control.n < known.n:
            raise Unavailable(f"{control.id}: the control row has gone back in time; an operator must look")
        self._known[control.id] = control
        return Term(control, asked_at + self.tempo.lease_s) if control.state is State.OPEN else None

    async def _lease(self, copy: Record, asked_at: float) -> Term | None:
        told = control_of(copy)
        if self._entered.get(told.id) != told.n:
            await enter(self._documents, told.id, self.name, told.n)
            self._entered[told.id] = told.n
            # A drain may have begun and called the roster just before: only a copy read from now on gives a lease.
            raise Conflict(f"{told.id}: this process has entered itself")
        if not self._documents.reads_are_current:
            # A replica may lag behind a drain, so a write that needs the copy unchanged must prove what was read.
            asked_at = self._steady()
            await write_copy(self._documents, copy, told)
        return self._open_term(told, asked_at)

    async def _follow_row(self, collection: Collection[Any], told: Control, asked_at: float) -> Term | None:
        row = await self._journal.control(collection.name)
        if row is None or row.n < told.n:
            raise Unavailable(f"{collection.name}: PostgreSQL knows less than the documents do; an operator must look")
        if row.leader is Leader.DOCUMENTS:
            await heal_copy(self._documents, row)
            raise Conflict(f"{collection.name}: the documents lead again")
        return await self._row_term(row, asked_at)

    async def _past_deadline(self, copy: Record) -> bool:
        """Settle a transition that nobody finishes; tell whether the copy may have changed."""
        told = control_of(copy)
        try:
            row = await self._journal.control(told.id)
        except StoreError:
            return await self._reopen(copy)
        if row is not None and row.n > told.n:
            return await heal_copy(self._documents, row)
        if row is None or row.n < told.n:
            raise Unavailable(f"{told.id}: PostgreSQL knows less than the documents do; an operator must look")
        if told.deadline is None or self._clock() < told.deadline:
            return False
        await abort(self._journal, self._documents, row, told, self._aborted(told))
        return True

    async def _reopen(self, copy: Record) -> bool:
        """PostgreSQL is away: while the copy only drains, anyone may reopen it, for a flip needs it unchanged."""
        told = control_of(copy)
        if told.state is not State.DRAIN or told.deadline is None or self._clock() < told.deadline:
            return False
        await write_copy(self._documents, copy, told.opened(told.n + 1))
        return True

    def _aborted(self, control: Control) -> Change:
        why = "nobody finished it in time"
        return Change(collection=control.id, verb="abort", actor=self.name, why=why, at=self._clock())


def lasts(term: Term, now: float) -> bool:
    """Tell whether a term may still be acted on."""
    return now < term.until


async def abort(
    journal: Journal, documents: DocumentStore, row: Control, copy: Control | None, change: Change
) -> Control:
    """End a transition where it began, the row first, then the copy; return the row then.

    Conflict when it ended otherwise meanwhile. What `change` says of `n`, before and after is filled in here.
    """
    if row.state is State.DRAIN:
        opened = row.opened(max(row.n, copy.n if copy else 0) + 1)
        note = msgspec.structs.replace(change, n=opened.n, before=leads(row), after=leads(opened))
        await journal.change(row, opened, note)
        row = opened
    if row.leader is Leader.RELATIONAL:
        # Nobody leases the copy now, and the documents may be out of reach.
        return row
    standing = await read_copy(documents, row.id)
    if standing is not None and copy_may_become(standing, row):
        await write_copy(documents, standing, row)
    return row
