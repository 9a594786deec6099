"""The stores of a storm: what a storm needs for its speed, and to see what may never happen."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS, Change, Control, State
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.roster import ROSTERS
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import Conflict, FeedItem, FeedPage, Key, Record
from mystira.polyglot.stores.memory import Document, MemoryDocuments
from mystira.polyglot.stores.memory_queues import MemoryQueues
from mystira.polyglot.stores.memory_relational import MemoryRelational, Row
from mystira.polyglot.stores.ranges import HASHES, FeedRange, hash_of
from tests.storms.bells import Bell
from tests.storms.history import History

SIZE = 1_000
VERSIONS_KEPT = 5
WHOLE = FeedRange(0, HASHES)
MACHINERY = {collection.name for collection in (CONTROLS, ROSTERS, SPILLS)}


class PlainDocuments(MemoryDocuments):
    """Documents without JSON form, charges and times to live, which other tests look after: a storm needs speed."""

    first_ranges = (WHOLE,)

    def __init__(self, clock: Callable[[], float], history: History) -> None:
        super().__init__(clock=clock)
        self.history = history
        self.before: dict[tuple[str, Key], list[Record]] = {}
        self._shown, self._shows, self._lags_until = 0, 0, 0.0
        self.on_committing: Callable[[], None] = lambda: None
        self.broken: list[str] = []
        self._newest: dict[str, int] = {}
        self._looked_at = (-1, -1)
        self._ahead = (False, False)

    def record(self, collection: Collection[Any], document: Document) -> Record:
        return document.body

    item = record

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        container = self._containers.get(collection.container)
        found = container.documents.get(key) if container is not None else None
        return None if found is None else found.body

    def ahead_of(self, journal: "PlainRelational") -> tuple[bool, bool]:
        """Tell whether the feeds of counters and of poisons hold what their followers have not read."""
        looked_at = (self._position, journal.moves)
        if self._looked_at != looked_at:
            self._looked_at = looked_at
            self._ahead = (self._unread("Counters", journal), self._unread("Poisons", journal))
        return self._ahead

    def _unread(self, name: str, journal: MemoryQueues) -> bool:
        container, newest = self._containers.get(name), self._newest.get(name, 0)
        for feed_range in container.ranges if container else ():
            position = journal.position_of.get((name, Stream.FOLLOW, feed_range.id))
            through = int(position.continuation or 0) if position else 0
            if container and through < newest and self._has_news(container.documents, through, feed_range):
                return True
        return False

    @staticmethod
    def _has_news(documents: dict[Key, Document], after: int, bounds: FeedRange) -> bool:
        for document in reversed(documents.values()):
            if document.position <= after:
                return False
            if bounds == WHOLE or bounds.holds(hash_of(document.body.key.partition)):
                return True
        return False

    @staticmethod
    def _since(documents: dict[Key, Document], after: int, bounds: FeedRange) -> list[Document]:
        """Return what a range shows after a position, the oldest first: they are kept in the order of their writes."""
        found: list[Document] = []
        for document in reversed(documents.values()):
            if document.position <= after:
                break
            found.append(document)
        found.reverse()
        if bounds != WHOLE:
            found = [document for document in found if bounds.holds(hash_of(document.body.key.partition))]
        return found

    def plant(self, collection: Collection[Any], record: Record) -> None:
        """Put a document there past every rule, as other software does."""
        self._position += 1
        self._newest[collection.container] = self._position
        self._put(self._container(collection).documents, record)

    def _put(self, documents: dict[Key, Document], record: Record) -> None:
        # With its token once and for all: a document is read far more often than it is written.
        body = msgspec.structs.replace(record, token=str(self._position))
        documents.pop(record.key, None)
        documents[record.key] = Document(self._position, body, None, SIZE)

    def let_the_feed_lag(self, until: float) -> None:
        """Show nothing in the feed for a while that it has not shown yet; reads know better."""
        self._shows, self._lags_until = self._shown, until

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        bounds, after = self._range(collection, range_id), int(continuation or 0)
        newest = self._newest.get(collection.container, 0)
        if after >= newest:
            return FeedPage((), continuation, has_more=False)
        found = self._since(self._container(collection).documents, after, bounds)
        if self._clock() < self._lags_until:
            found = [document for document in found if document.position <= self._shows]
        page = found[:limit]
        if page and page[-1].position > self._shown:
            self._shown = page[-1].position
        items = [FeedItem(document.body, document.position) for document in page]
        return FeedPage(items, str(page[-1].position) if page else continuation, len(found) > limit)

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        documents, name = self._container(collection).documents, collection.name
        found = documents.get(record.key)
        if (found and str(found.position)) != (base and base.token):
            raise Conflict(f"{name}: the document is not what the writer read")
        self._position += 1
        self._newest[collection.container] = self._position
        self._put(documents, record)
        if name not in MACHINERY:
            self.history.add(name, record, base, "docs")
        elif isinstance(record.entity, Control):
            self._watch(base, record.entity)
        if base is not None:
            older = self.before.setdefault((name, record.key), [])
            older.append(base)
            del older[:-VERSIONS_KEPT]

    def _watch(self, base: Record | None, copy: Control) -> None:
        before = base.entity.n if base is not None and isinstance(base.entity, Control) else 0
        if copy.n < before:
            self.broken.append(f"I4: the n of the copy falls from {before} to {copy.n}")
        if copy.state is State.COMMITTING:
            self.on_committing()


class PlainRelational(MemoryRelational):
    """The relational side, watched: stored stamps never decrease."""

    def __init__(self, history: History) -> None:
        super().__init__(checks=False)
        self.versions = history
        self.told_ids: set[str] = set()
        self.moves = 0
        self.bells: dict[str, Bell] = {}
        self.on_change: Callable[[str, Control], None] = lambda verb, row: None
        # Whether writers are to stand down anywhere.
        self.drains = False

    async def change(self, before: Control, after: Control, change: Change, *, drained: bool = False) -> None:
        standing = self.control_of.get(after.id)
        await super().change(before, after, change, drained=drained)
        if standing is not None and after.n <= standing.n:
            self.broken.append(f"I4: the n of the row goes from {standing.n} to {after.n}")
        self.on_change(change.verb, after)
        self.drains = any(control.state is State.DRAIN for control in self.control_of.values())
        if self.drains:
            for bell in self.bells.values():
                bell.ring()

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether a transition is past its deadline."""
        return any(row.deadline is not None and row.deadline <= now for row in self.control_of.values())

    def is_half_done(self) -> bool:
        """Tell whether a transition was left half done."""
        rows = self.control_of.values()
        return any(row.phase is Phase.DUAL_WRITE_POSTGRES_READ and not row.complete for row in rows)

    def tell(self, name: str, key: Key, events: Any) -> None:
        for event in events:
            if event.event_id in self.told_ids and event.event_id not in self._events:
                self.broken.append(f"I18: fact {event.seq} of {key} was published and settled, and is told again")
            self.told_ids.add(event.event_id)
        super().tell(name, key, events)

    broken: list[str]

    def move(self, name: str, move: Move, now: datetime) -> None:
        super().move(name, move, now)
        self.moves += 1

    async def split_range(self, name: str, stream: Stream, range_id: str, successors: Sequence[str]) -> None:
        await super().split_range(name, stream, range_id, successors)
        self.moves += 1

    def put(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        super().put(collection, record, base)
        self.versions.add(collection.name, record, base, "pg")

    def _apply(self, collection: Collection[Any], record: Record, now: Any, done: Any) -> None:
        before: Row | None = self._rows(collection).get(record.key)
        if before is not None and before.record.stamp >= record.stamp:
            self.broken.append(f"I3: {record.key} goes from {before.record.stamp} to {record.stamp}")
        super()._apply(collection, record, now, done)
