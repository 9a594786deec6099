"""The one commit point of a write, and the best-effort second write behind it.

The commit goes to the store that leads. When its answer is lost, reading again tells what happened. Only then, and
never instead, the relational copy of a document is brought up to date at once: the "dual write". Its failure is
harmless, for the change feed delivers the same record.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.leadership import Leadership, Term
from mystira.polyglot.measures import WRITE_CONFLICTS
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.spans import span
from mystira.polyglot.spill import is_full, put_aside
from mystira.polyglot.store import (
    Conflict,
    DocumentStore,
    OutcomeUnknown,
    Record,
    StoreError,
    Throttled,
    Unavailable,
)

RESENDS_MAX = 5
THROTTLE_S_MAX = 1.0
SECOND_WRITES_MAX = 64
BREATHER_S = 1.0


class Unsettled(Conflict):
    """The collection was moved while this was being saved. Please look again and repeat what you did."""


class Sender:
    """Sends staged records to the store that leads, and knows what became of them."""

    def __init__(
        self,
        documents: DocumentStore,
        relational: RelationalStore,
        leadership: Leadership,
        *,
        clock: Callable[[], datetime],
        pause: Callable[[int, float], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._documents = documents
        self._relational = relational
        self._leadership = leadership
        self._clock = clock
        self._pause = pause
        self._sleep = sleep
        self._second_writes: set[asyncio.Task[None]] = set()
        self._breathe_until = 0.0

    async def close(self) -> None:
        """Let running second writes end."""
        while self._second_writes:
            await asyncio.wait(self._second_writes)

    async def send(self, collection: Collection[Any], record: Record, base: Record | None, term: Term) -> None:
        """Commit the record under the term it was made in, or raise; a lost answer is found out by reading.

        Conflict also when the leader has changed since the base was read: the action runs again, under the same op.
        Once a send was not answered, nobody is told that nothing was written: Conflict is Unsettled then.
        """
        record = await self._lightened(collection, record, base, term)
        for attempt in range(RESENDS_MAX):
            term = await (self._still_unsure if attempt else self._still)(collection, term)
            try:
                await self._write(collection, record, base, term)
            except Throttled as throttled:
                if throttled.retry_after_s > THROTTLE_S_MAX:
                    if attempt:
                        raise OutcomeUnknown(f"{collection.name}: refused after an unanswered send") from throttled
                    raise
                await self._sleep(throttled.retry_after_s)
            except OutcomeUnknown:
                if await self._arrived(collection, record, base, term):
                    return
                await self._pause(attempt, 0.01)
            except Unavailable as error:
                if attempt:
                    raise OutcomeUnknown(f"{collection.name}: the store went away after an unanswered send") from error
                raise
            except Conflict as conflict:
                if term.leader is Leader.RELATIONAL:
                    # The fence may have refused; whoever knows better is asked before the next attempt.
                    self._leadership.forget(collection)
                if not attempt:
                    WRITE_CONFLICTS.add(collection.name)
                    raise
                # An earlier send of this very write may have arrived late, so a conflict is not yet a refusal.
                if await self._arrived(collection, record, base, term):
                    return
                raise Unsettled(str(conflict)) from conflict
            else:
                return
        raise OutcomeUnknown(f"{collection.name}: no answer to {RESENDS_MAX} sends")

    async def follow_up(self, collection: Collection[Any], record: Record, phase: Phase) -> None:
        """Bring the relational copy up to date if that is quick; it goes on alone when the caller leaves."""
        if phase is not Phase.DUAL_WRITE_COSMOS_READ or len(self._second_writes) >= SECOND_WRITES_MAX:
            return
        now = asyncio.get_running_loop().time()
        if now < self._breathe_until:
            return
        task = asyncio.create_task(self._second_write(collection, record))
        self._second_writes.add(task)
        task.add_done_callback(self._second_writes.discard)
        done, _ = await asyncio.wait({task}, timeout=self._leadership.tempo.inline_s)
        if not done:
            self._breathe_until = now + BREATHER_S

    async def _second_write(self, collection: Collection[Any], record: Record) -> None:
        try:
            with span("second write", collection=collection.name):
                await self._relational.journal.merge(collection, [record], self._clock(), inline=True)
        except StoreError:
            # The feed delivers this record whatever happens here; PostgreSQL is left alone for a moment.
            self._breathe_until = asyncio.get_running_loop().time() + BREATHER_S

    async def _lightened(self, collection: Collection[Any], record: Record, base: Record | None, term: Term) -> Record:
        """Return the record to commit: events that wait for PostgreSQL too long make room for the new ones."""
        if base is None or term.leader is Leader.RELATIONAL or not is_full(base.events):
            return record
        try:
            async with asyncio.timeout(self._leadership.tempo.request_s):
                spilled = await put_aside(self._documents, collection, record.key, base.events, self._clock())
        except (TimeoutError, OutcomeUnknown) as error:
            # The record itself was not sent yet.
            raise Unavailable(f"{collection.name}: the events that wait could not be put aside") from error
        fresh = record.events[len(base.events) :]
        return msgspec.structs.replace(record, events=fresh, spilled=(*record.spilled, spilled))

    async def _still(self, collection: Collection[Any], term: Term) -> Term:
        """Return a term that lasts, from the same leader in the same epoch above the same floor, or raise Conflict."""
        now = self._leadership.held(collection) or await self._leadership.term(collection)
        if (now.leader, now.control.epoch) != (term.leader, term.control.epoch):
            raise Conflict(f"{collection.name}: the leader has changed")
        if now.control.floor != term.control.floor:
            raise Conflict(f"{collection.name}: tombstones are being purged, and new keys start higher")
        return now

    async def _still_unsure(self, collection: Collection[Any], term: Term) -> Term:
        """Like `_still`, while an earlier send may have been carried out."""
        try:
            return await self._still(collection, term)
        except Conflict as moved:
            raise Unsettled(str(moved)) from moved
        except StoreError as error:
            raise OutcomeUnknown(f"{collection.name}: a send was not answered, and nobody tells who leads") from error

    async def _write(self, collection: Collection[Any], record: Record, base: Record | None, term: Term) -> None:
        if term.leader is Leader.RELATIONAL:
            await self._relational.journal.write(collection, record, base, term.control.n)
            return
        try:
            # A request without an end could arrive after a flip that no longer waits for it.
            with self._leadership.sending(collection):
                async with asyncio.timeout(self._leadership.tempo.request_s):
                    await self._documents.write(collection, record, base)
        except TimeoutError as error:
            raise OutcomeUnknown(f"{collection.name}: no answer in time") from error

    async def _arrived(self, collection: Collection[Any], record: Record, base: Record | None, term: Term) -> bool:
        """Tell whether this write is in the record's history; raise Conflict if another's is instead."""
        now = await self._still_unsure(collection, term)
        store = self._documents if now.leader is Leader.DOCUMENTS else self._relational
        try:
            found = await store.read(collection, record.key)
        except StoreError as error:
            raise OutcomeUnknown(f"{collection.name}: neither the write nor a read was answered") from error
        if found is not None and is_in_history(record.op, found):
            return True
        if (found and found.stamp) != (base and base.stamp):
            raise Conflict(f"{collection.name}: another write came first")
        return False


def is_in_history(op: str, record: Record) -> bool:
    """Tell whether a write is among the last that made this record what it is."""
    return op == record.op or op in record.recent_ops
