"""Carries rows to the documents while PostgreSQL leads, so that rolling back stays possible at any moment.

A task in the relay outbox names a key whose row the documents lack. The relay reads the row as it is now, replaces
the document by If-Match if that is older, and forgets the task only if the row is still what it sent. Before it
overwrites, it looks for a straggler: a write to the documents that nobody here has heard of.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import structlog

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterKind, RelationalStore, RelayTask
from mystira.polyglot.measures import RELAYED
from mystira.polyglot.merge import UNSTAMPED, Standing, is_straggler
from mystira.polyglot.phases import Leader
from mystira.polyglot.spill import drop_spills, with_spilled
from mystira.polyglot.store import Conflict, DocumentStore, Key, OutcomeUnknown, Record, Throttled, Unavailable
from mystira.polyglot.together import together

log = structlog.get_logger(__name__)

BATCH = 50
TOGETHER = 8
LEASE_S = 15.0
ATTEMPTS_MAX = 10
BACK_OFF_S, BACK_OFF_S_MAX = 0.1, 60.0
ROUNDS_MAX = 4


class ReverseRelay:
    """Works through the relay outbox; several may run at once, in one or in many processes.

    Without `lease_s` it takes what it finds: who drains a collection does not wait for a relay that has died.
    """

    def __init__(
        self,
        catalog: Catalog,
        documents: DocumentStore,
        relational: RelationalStore,
        *,
        clock: Callable[[], datetime],
        lease_s: float | None = LEASE_S,
        batch: int = BATCH,
    ) -> None:
        self._catalog = catalog
        self._documents = documents
        self._relational = relational
        self._journal = relational.journal
        self._clock = clock
        self._lease_s = lease_s
        self._batch = batch

    async def step(self, name: str | None = None) -> int:
        """Carry one batch over; return how many tasks were looked at."""
        tasks = await self._journal.relay_claim(self._batch, self._clock(), self._lease_s, name)
        for start in range(0, len(tasks), TOGETHER):
            # Each has a key of its own.
            await together(map(self._try, tasks[start : start + TOGETHER]))
        return len(tasks)

    async def carry(self, collection: Collection[Any], key: Key) -> None:
        """Bring one document to its row now, whether the outbox has a task for it or not."""
        task = RelayTask(collection=collection.name, key=key, stamp=UNSTAMPED)
        sent = await self._carry(collection, task)
        await self._journal.relay_confirm(collection, task, sent)

    async def _try(self, task: RelayTask) -> None:
        collection = self._catalog.named(task.collection)
        try:
            sent = await self._carry(collection, task)
            await self._journal.relay_confirm(collection, task, sent)
            RELAYED.add(task.collection, "ok")
        except (Conflict, OutcomeUnknown, Unavailable, Throttled) as error:
            # The document is in motion or out of reach: that is no fault of this record, however often it happens.
            await self._later(task, error, forever=True)
        except Exception as error:  # noqa: BLE001 - the task is tried again, then set aside; the others go on.
            await self._later(task, error, forever=False)

    async def _later(self, task: RelayTask, error: Exception, *, forever: bool) -> None:
        RELAYED.add(task.collection, "failed")
        log.info("relay_failed", collection=task.collection, attempts=task.attempts + 1, error=type(error).__name__)
        pause_s = min(BACK_OFF_S * (1 << min(task.attempts, 12)), BACK_OFF_S_MAX)
        told = f"{type(error).__name__}: {error}"
        if forever or task.attempts + 1 < ATTEMPTS_MAX:
            await self._journal.relay_retry(task, told, self._clock() + timedelta(seconds=pause_s))
            return
        letter = DeadLetter(
            collection=task.collection,
            key=task.key,
            kind=LetterKind.RELAY,
            stamp=task.stamp,
            error=told,
            attempts=task.attempts + 1,
            created_at=self._clock(),
        )
        await self._journal.letter_put(letter)
        await self._journal.relay_retry(task, told, None)

    async def _carry(self, collection: Collection[Any], task: RelayTask) -> Stamp:
        """Bring one document to its row; return the stamp that the documents now hold for certain."""
        heard: Record | None = None
        for _ in range(ROUNDS_MAX):
            seen = await self._look(collection, task)
            if seen.row is None:
                return task.stamp
            if seen.document is None:
                await self._documents.write(collection, as_relayed(seen.row), None)
                return seen.row.stamp
            if _content(seen.document) != heard and is_unheard(seen.document, seen.standing):
                if seen.document.stamp == UNSTAMPED:
                    # A replica that lags shows what was there before there were stamps; only a write proves it stands.
                    await self._documents.write(collection, seen.document, seen.document)
                whole = await with_spilled(self._documents, self._journal, collection, seen.document)
                if (await self._journal.merge(collection, [whole], self._clock())).parked:
                    # Its letter is tried again from the document, which must still hold it then.
                    raise Conflict(f"{collection.name}: the document holds what was refused; its dead letter tells why")
                heard = _content(seen.document)
            elif (seen.document.stamp, seen.document.op) == (seen.row.stamp, seen.row.op):
                return seen.row.stamp
            else:
                await self._documents.write(collection, as_relayed(seen.row), seen.document)
                await drop_spills(self._documents, seen.document.spilled)
                return seen.row.stamp
        raise Conflict(f"{collection.name}: the record will not hold still")

    async def _look(self, collection: Collection[Any], task: RelayTask) -> "_Seen":
        """Read the document first and the row last: what was heard of the document is then part of the row.

        The other way round, a relay that was paused in between would write an old row over a newer document.
        """
        document = await self._documents.read(collection, task.key)
        standing = (await self._journal.standing(collection, [task.key])).get(task.key)
        row = await self._relational.read(collection, task.key)
        if documents_lead(await self._journal.control(task.collection)):
            # It slept through the way back. The documents are the truth again, and the row may not even be kept.
            raise Conflict(f"{task.collection}: the documents lead")
        return _Seen(document, standing, row)


class _Seen(NamedTuple):
    document: Record | None
    standing: Standing | None
    row: Record | None


def documents_lead(control: Control | None) -> bool:
    """Tell whether a relay has nothing to say any more."""
    return control is None or control.leader is Leader.DOCUMENTS


def is_unheard(document: Record, standing: Standing | None) -> bool:
    """Tell whether a document holds anything that overwriting it would lose: a straggler, or its untold events."""
    if standing is None or document.stamp == UNSTAMPED or document.events or document.spilled:
        return True
    return is_straggler(document, standing)


def _content(document: Record) -> Record:
    # The proof that a document stands gives it another token, and is no news.
    return msgspec.structs.replace(document, token="")


def as_relayed(row: Record) -> Record:
    """Return the row as the relay writes it: its events have been told on the relational side."""
    return msgspec.structs.replace(row, writer="relay", events=(), spilled=(), token="")
