"""What can be retired: the documents once PostgreSQL leads alone, the rows once the documents do again.

Both are read page by page, removed where they are exactly what was archived, and made anew where they are absent. A
document is removed by If-Match, under a lease that PostgreSQL leads alone; coming back waits out such a lease. Rows
are removed in transactions that hold the fence, so nothing needs to be waited for.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.equality import is_caught_up
from mystira.polyglot.journal import LetterFilter, LetterKind
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.relay import as_relayed
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Conflict, Incoming, Key, OutcomeUnknown, Record, Throttled
from mystira.polyglot.together import together
from mystira.polyglot.walking import every_page

T = TypeVar("T")

TOGETHER = 16
ROWS_AT_ONCE = 500
TRIES = 6


class NotRetirable(Problem):
    """The old copy of {collection} can be neither archived nor restored now: {reason}. Nothing was changed."""

    kind = Kind.CONFLICT


class LedElsewhere(Problem):
    """{collection} left {phase} while this was under way, so it was stopped. The archive in {folder} is whole, and
    what is missing is being filled anew."""

    kind = Kind.CONFLICT


class OldCopy(Protocol):
    """The copy that nobody keeps any more. `phase` is the one in which that is so."""

    phase: Phase
    holds: str

    def is_alone(self, row: Control) -> bool:
        """Tell whether the other store leads alone, and nothing is under way."""
        ...

    async def is_settled(self) -> bool:
        """Tell whether everything in it has been heard, so that it changes no more."""
        ...

    def pages(self) -> AsyncGenerator[Sequence[Incoming]]:
        """Yield everything there is."""
        ...

    async def remove(self, lines: Sequence[bytes]) -> int:
        """Remove what is exactly what was archived; return how many there were."""
        ...

    async def make(self, lines: Sequence[bytes]) -> int:
        """Make what is absent, and lives or is a tombstone in the store that leads; return how many there were."""
        ...


def old_copy(r: Replication, collection: Collection[Any], row: Control, folder: Path) -> OldCopy:
    """Return what can be retired in the phase that the collection is in; NotRetirable where both copies are needed."""
    kinds = (OldDocuments(r, collection, folder), OldRows(r, collection, folder))
    for old in kinds:
        if old.is_alone(row):
            return old
    reason = f"it is in {row.phase}, and both copies are needed in every phase but PostgresOnly and CosmosOnly"
    if row.state is not State.OPEN:
        reason = "it is on its way to another phase"
    elif row.phase is Phase.COSMOS_ONLY:
        reason = "it is in CosmosOnly, and its copy in PostgreSQL is being kept for the next phase"
    raise NotRetirable(collection=collection.name, reason=reason)


class OldDocuments:
    """The documents of a collection in PostgresOnly."""

    phase = Phase.POSTGRES_ONLY
    holds = "documents"

    def __init__(self, r: Replication, collection: Collection[Any], folder: Path) -> None:
        self._r = r
        self._collection = collection
        self._folder = folder
        self._alone_until = 0.0
        self._now = asyncio.get_running_loop().time

    def is_alone(self, row: Control) -> bool:
        """Tell whether PostgreSQL leads alone."""
        return (row.phase, row.state) == (self.phase, State.OPEN)

    async def is_settled(self) -> bool:
        """Tell whether the follower has heard all: what it has not would be pruned later, and then was not archived.

        What was refused is tried again from its document, so that must stay until its letter is gone.
        """
        refused = LetterFilter(collection=self._collection.name, kind=LetterKind.MERGE, limit=1)
        return await is_caught_up(self._r, self._collection) and not await self._r.journal.letters(refused)

    async def pages(self) -> AsyncGenerator[Sequence[Incoming]]:
        """Yield every document; one that is written meanwhile may come twice."""
        async for page in every_page(self._r.documents, self._collection):
            yield [item.record for item in page.items]

    async def remove(self, lines: Sequence[bytes]) -> int:
        """Remove each by If-Match."""
        absent: list[tuple[Key, Stamp]] = []
        done = await _some_together(lines, lambda line: self._remove_one(line, absent))
        if absent:
            # The feed does not tell of a removal. Once the collection came back, it is counted by what the relay makes.
            await self._alone()
            await self._r.relational.digests.take_out(self._collection.name, absent)
        return done

    async def _remove_one(self, line: bytes, absent: list[tuple[Key, Stamp]]) -> bool:
        r, collection = self._r, self._collection
        archived = msgspec.json.decode(line)
        kept = record_of(collection, line)
        try:
            found = await r.documents.read(collection, kept.key)
        except (ValueError, KeyError, TypeError):
            # Somebody else wrote what cannot be read over it; that is not what was archived.
            return False
        if found is None:
            absent.append((kept.key, kept.stamp))
            return False
        if msgspec.json.decode(line_of(collection, found)) != archived:
            return False
        if not await self._touch(lambda: r.documents.remove(collection, found)):
            return False
        absent.append((kept.key, kept.stamp))
        return True

    async def make(self, lines: Sequence[bytes]) -> int:
        """Make each as the relay would have written it."""
        records = [record_of(self._collection, line) for line in lines]
        standing = await self._r.journal.standing(self._collection, [record.key for record in records])
        # Without a row its tombstone was purged since: nobody would ever bring such a document up to date.
        return await _some_together([record for record in records if record.key in standing], self._make_one)

    async def _make_one(self, record: Record) -> bool:
        return await self._touch(lambda: self._r.documents.write(self._collection, as_relayed(record), None))

    async def _touch(self, send: Callable[[], Awaitable[None]]) -> bool:
        """Send one conditional write; False when the document is not what it was taken for."""
        while True:
            await self._alone()
            try:
                async with asyncio.timeout(self._r.tempo.request_s):
                    await send()
            except Conflict:
                return False
            except Throttled as throttled:
                await self._r.sleep(throttled.retry_after_s)
            except TimeoutError as error:
                raise OutcomeUnknown("no answer in time") from error
            else:
                return True

    async def _alone(self) -> None:
        """Return while PostgreSQL leads alone, asked once a lease, which counts from the start of the request.

        The last thing to be awaited before a document is touched.
        """
        while self._now() >= self._alone_until:
            until = self._now() + self._r.tempo.lease_s
            if not self.is_alone(await self._r.row(self._collection)):
                raise LedElsewhere(collection=self._collection.name, phase=self.phase, folder=self._folder)
            self._alone_until = until


class OldRows:
    """The rows of a collection that is back in CosmosOnly; its events, their marks and its history stay."""

    phase = Phase.COSMOS_ONLY
    holds = "rows"

    def __init__(self, r: Replication, collection: Collection[Any], folder: Path) -> None:
        self._r = r
        self._collection = collection
        self._folder = folder

    def is_alone(self, row: Control) -> bool:
        """Tell whether the documents lead alone, and no copy is being filled."""
        return (row.phase, row.state, row.copying) == (self.phase, State.OPEN, False)

    async def is_settled(self) -> bool:
        """Return at once: no merge touches the rows of a collection whose copy is not kept."""
        return True

    async def pages(self) -> AsyncGenerator[Sequence[Incoming]]:
        """Yield every row, in the order of their keys."""
        after: Key | None = None
        while rows := await self._r.relational.scan(self._collection, after, ROWS_AT_ONCE):
            yield rows
            after = rows[-1].key

    async def remove(self, lines: Sequence[bytes]) -> int:
        """Remove these in one transaction."""
        archived = [record_of(self._collection, line) for line in lines]
        return await self._fenced(lambda n: self._r.journal.retire_rows(self._collection, archived, n))

    async def make(self, lines: Sequence[bytes]) -> int:
        """Make these in one transaction."""
        records = [record_of(self._collection, line) for line in lines]
        standing = await self._r.documents.look(self._collection, [record.key for record in records])
        # Without a document its tombstone was purged since: no backfill would ever bring such a row up to date.
        wanted = [record for record in records if record.key in standing]
        return await self._fenced(lambda n: self._r.journal.restore_rows(self._collection, wanted, n))

    async def _fenced(self, act: Callable[[int], Awaitable[int]]) -> int:
        for _ in range(TRIES):
            row = await self._r.row(self._collection)
            if not self.is_alone(row):
                raise LedElsewhere(collection=self._collection.name, phase=self.phase, folder=self._folder)
            try:
                return await act(row.n)
            except Conflict:
                # The control row has changed at this moment; it tells whether that matters.
                await self._r.sleep(self._r.tempo.poll_s)
        raise Conflict(f"{self._collection.name}: its control row will not hold still")


def line_of(collection: Collection[Any], record: Record) -> bytes:
    """Return a record as an archive holds it: the document that it is, or would be."""
    return msgspec.json.encode(to_document(collection, record))


def record_of(collection: Collection[Any], line: bytes, token: str = "") -> Record:
    """Return the record of an archive's line."""
    return from_document(collection, msgspec.json.decode(line), token)


async def _some_together(items: Sequence[T], act: Callable[[T], Coroutine[Any, Any, bool]]) -> int:
    """Return for how many it did something; the first that fails ends it, once those begun with it have ended."""
    done = 0
    for start in range(0, len(items), TOGETHER):
        done += sum(await together(map(act, items[start : start + TOGETHER])))
    return done
