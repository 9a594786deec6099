"""The unit of work: reads, stages one change with its events, and commits it where the collection is led."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import Random, SystemRandom
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

import msgspec

from mystira.polyglot.adopt.stamping import after_stripping
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.commit import THROTTLE_S_MAX, Sender, Unsettled, is_in_history
from mystira.polyglot.entity import E, Entity, Event, Stamp
from mystira.polyglot.events import store_event
from mystira.polyglot.ids import uuid7
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.leadership import Leadership, Term
from mystira.polyglot.memos import Memos
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.phases import Leader
from mystira.polyglot.query import EVERYTHING, Order, Query, Scalar, Where
from mystira.polyglot.shadow import Shadows
from mystira.polyglot.spans import current_correlation, span
from mystira.polyglot.store import (
    Conflict,
    DocumentStore,
    Key,
    OutcomeUnknown,
    Record,
    Store,
    StoredEvent,
    StoreError,
    Throttled,
)
from mystira.polyglot.versions import Staged, next_version
from mystira.polyglot.watching import Watchers

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS_MAX = 12
HANDLED_PRUNE, HANDLED_MAX = 32, 1_000
NEVER = Stamp()


class Found(msgspec.Struct, Generic[E], frozen=True):
    """One page of what was found; `after` continues behind it, None when it was the last."""

    items: tuple[E, ...]
    after: tuple[Scalar, ...] | None


class AlreadyHandled(Exception):
    """The event that this work answers has left its mark on the record before."""


class Works:
    """Makes units of work; everything random or timed comes from here, so that a seed can replay it."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        documents: DocumentStore,
        relational: RelationalStore,
        leadership: Leadership | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """`committed` is called after each commit: a wake-up for whoever carries changes onward."""
        self.catalog = catalog
        self.documents = documents
        self.relational = relational
        self.clock = clock
        self.random = random or SystemRandom()
        name = uuid7(clock(), self.random)
        self.leadership = leadership or Leadership(documents, relational.journal, clock=clock, name=name)
        self.sleep = sleep
        self.committed = committed
        self.sender = Sender(documents, relational, self.leadership, clock=clock, pause=self.pause, sleep=sleep)
        self.shadows = Shadows(documents, relational, random=self.random, sleep=sleep)
        self.memos = Memos(catalog)
        self.watchers = Watchers()

    def open(self, *, op: str = "", correlation_id: str = "", mark: str = "") -> "Work":
        """Return a new unit of work. `mark` names the event that it answers, for effect-once reactions."""
        return Work(self, op=op, correlation_id=correlation_id or current_correlation(), mark=mark)

    async def close(self) -> None:
        """Give up shadow reads, and let second writes of commits that were answered end; nothing is written after."""
        await self.shadows.close()
        await self.sender.close()
        await self.leadership.leave()

    def store_of(self, term: Term) -> Store:
        """Return the store that leads in this term."""
        return self.documents if term.leader is Leader.DOCUMENTS else self.relational

    async def run(
        self, action: Callable[Concatenate["Work", P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run an action in a unit of work and commit it; after a version conflict run it again, bounded.

        The action may run several times, so it has no effect but its unit of work. What it returns is answered
        only after the commit. Conflict is raised when the record will not hold still.
        """
        return await self.run_as(Command(), action, *args, **kwargs)

    async def run_as(
        self,
        command: "Command",
        action: Callable[Concatenate["Work", P], Awaitable[T]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Like `run`, under a given op, correlation and mark. AlreadyHandled when the mark is there already."""
        is_unsure = False
        try:
            for attempt in range(ATTEMPTS_MAX):
                work = self.open(op=command.op, correlation_id=command.correlation_id, mark=command.mark)
                try:
                    answer = await action(work, *args, **kwargs)
                    await work.commit()
                except Conflict as conflict:
                    is_unsure = is_unsure or isinstance(conflict, Unsettled)
                    if attempt + 1 == ATTEMPTS_MAX:
                        raise
                    # Every attempt has the same op: an earlier one that arrived after all is recognised by the next.
                    command = msgspec.structs.replace(command, op=work.op)
                    await self.pause(attempt, 0.002)
                except Throttled as throttled:
                    if attempt + 1 == ATTEMPTS_MAX or throttled.retry_after_s > THROTTLE_S_MAX:
                        raise
                    await self.sleep(throttled.retry_after_s)
                else:
                    return answer
        except StoreError as error:
            if is_unsure:
                raise OutcomeUnknown(f"an earlier attempt was not answered, then: {error}") from error
            raise
        raise AssertionError("the last attempt either answers or raises")

    async def pause(self, attempt: int, base_s: float) -> None:
        """Wait a random while that grows with the attempts, so that rivals part."""
        await self.sleep(self.random.random() * base_s * (1 << min(attempt, 6)))


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: the op id of the command (a new one when empty), its correlation, the event it answers."""

    op: str = ""
    correlation_id: str = ""
    mark: str = ""


class Work:
    """One unit of work: it changes one aggregate and tells its events, in one commit."""

    def __init__(self, works: Works, *, op: str, correlation_id: str, mark: str) -> None:
        self._works = works
        self.now = works.clock()
        # What this process remembers of records that can never change, under a name for each reader.
        self.memos = works.memos
        self._op = op
        self._correlation_id = correlation_id
        self._mark = mark
        self._seen: dict[tuple[str, Key], Record | None] = {}
        self._terms: dict[str, Term] = {}
        self._staged: Staged | None = None
        self._committed: Record | None = None

    @property
    def op(self) -> str:
        """The id of the command that this work carries out, made when it is first needed: reads need none."""
        if not self._op:
            self._op = self.new_id()
        return self._op

    @property
    def correlation_id(self) -> str:
        """What ties together everything that one request set going."""
        return self._correlation_id or self.op

    def new_id(self) -> str:
        """Return a new id (UUID version 7 as text)."""
        return uuid7(self.now, self._works.random)

    def new_seed(self) -> int:
        """Return 53 random bits, which every store keeps exactly, for what is drawn later and must be replayable."""
        return self._works.random.getrandbits(53)

    async def get(self, entity: type[E], id: str, partition: str | None = None) -> E | None:
        """Return the entity with this id, or None. Collections with a partition of their own need it named."""
        collection = self._works.catalog.of(entity)
        assert partition is not None or collection.partition == "id", f"{collection} needs its {collection.partition}"
        record = await self._read(collection, Key(id if partition is None else partition, id))
        return None if record is None else cast("E | None", record.entity)

    async def knows(self, entity: type[E], id: str) -> bool:
        """Tell whether there is such an entity (its id is its partition), or was one whose tombstone is kept."""
        return await self._read(self._works.catalog.of(entity), Key(id, id)) is not None

    async def get_copy(
        self, entity: type[E], id: str, partition: str | None = None, *, at_least: Stamp = NEVER
    ) -> E | None:
        """Return the entity from the relational copy where one is kept and has come to `at_least`, else the leader's.

        For reads that may be a moment old. The stamp of what was written (`Work.stamp`) makes one's own write visible.
        """
        collection = self._works.catalog.of(entity)
        assert partition is not None or collection.partition == "id", f"{collection} needs its {collection.partition}"
        if (await self._term(collection)).control.has_fresh_copy:
            with suppress(StoreError):
                record = await self._works.relational.read(collection, Key(id if partition is None else partition, id))
                if record is not None and record.stamp >= at_least:
                    return cast("E | None", record.entity)
        return await self.get(entity, id, partition)

    async def find_copy(
        self,
        entity: type[E],
        where: Where = EVERYTHING,
        *order: Order,
        limit: int = 100,
        after: tuple[Scalar, ...] | None = None,
    ) -> Found[E]:
        """Like `find`, from the relational copy where one is kept and can be reached; else the leader's."""
        collection = self._works.catalog.of(entity)
        if (await self._term(collection)).control.has_fresh_copy:
            query = Query(where=where, order=order, limit=limit + 1, after=after)
            with suppress(StoreError):
                return self._page(collection, query, await self._works.relational.search(collection, query))
        return await self.find(entity, where, *order, limit=limit, after=after)

    async def first(self, entity: type[E], where: Where, *order: Order) -> E | None:
        """Return the first entity that fits, or None."""
        found = await self.find(entity, where, *order, limit=1)
        return found.items[0] if found.items else None

    async def find(
        self,
        entity: type[E],
        where: Where = EVERYTHING,
        *order: Order,
        limit: int = 100,
        after: tuple[Scalar, ...] | None = None,
    ) -> Found[E]:
        """Return one page of the entities that fit, in order; the order always ends with the key."""
        collection = self._works.catalog.of(entity)
        # One more than asked for tells whether another page follows.
        query = Query(where=where, order=order, limit=limit + 1, after=after)
        term = await self._term(collection)
        records = await self._works.store_of(term).search(collection, query)
        if term.control.shadow:
            self._works.shadows.sample_page(collection, term.control, query, records)
        for record in records:
            self._seen.setdefault((collection.name, record.key), record)
        return self._page(collection, query, records)

    @staticmethod
    def _page(collection: Collection[E], query: Query, records: Sequence[Record]) -> Found[E]:
        items = tuple(cast("E", record.entity) for record in records[: query.limit - 1])
        return Found(items, collection.cursor_of(query, items[-1]) if len(records) >= query.limit else None)

    async def count(self, entity: type[E], where: Where = EVERYTHING) -> int:
        """Return how many entities fit."""
        collection = self._works.catalog.of(entity)
        return await self._works.store_of(await self._term(collection)).count(collection, where)

    def save(self, entity: Entity, *events: Event) -> None:
        """Stage the new state of one aggregate and the facts that go with it."""
        collection = self._works.catalog.of(type(entity))
        key = Key(collection.partition_of(entity), entity.id)
        self._stage(Staged(collection, key, entity, events))

    def remove(self, entity: Entity, *events: Event) -> None:
        """Stage the end of an aggregate: a stamped tombstone takes its place."""
        collection = self._works.catalog.of(type(entity))
        key = Key(collection.partition_of(entity), entity.id)
        self._stage(Staged(collection, key, None, events))

    def emit(self, *events: Event) -> None:
        """Add facts to the aggregate already staged; a fact is told if and only if its aggregate commits."""
        assert self._staged is not None, "emit follows save or remove: a fact belongs to the aggregate it is about"
        staged = self._staged
        self._staged = msgspec.structs.replace(staged, events=(*staged.events, *events))

    async def commit(self) -> None:
        """Write what is staged, in the leading store, whole or not at all. Nothing staged: nothing happens.

        A lost answer is resolved by reading again; OutcomeUnknown is raised only when that fails as well.
        """
        if self._staged is None or self._committed is not None:
            return
        staged = self._staged
        base = await self._base(staged)
        if base is not None and is_handled(self._mark, base):
            raise AlreadyHandled
        if base is not None and is_in_history(self.op, base):
            self._committed = base
            return
        term = await self._term(staged.collection)
        record = self._record(staged, base, await self._handled(base), term)
        about = {"collection": staged.collection.name, "leader": term.leader}
        with span("commit", self.correlation_id, begins=not self._correlation_id, **about):
            await self._works.sender.send(staged.collection, record, base, term)
            self._committed = record
            self._works.committed()
            self._works.watchers.ring(staged.collection.name, staged.key, record.stamp, record.entity)
            await self._works.sender.follow_up(staged.collection, record, term.control.phase)

    @property
    def stamp(self) -> Stamp:
        """The stamp of what this work has committed: a later read can ask for at least this."""
        assert self._committed is not None, "only a committed work has a stamp"
        return self._committed.stamp

    def version_of(self, entity: Entity) -> Stamp:
        """Return the stamp that this work has read an entity under: whoever edits it names it when saving."""
        collection = self._works.catalog.of(type(entity))
        record = self._seen.get((collection.name, Key(collection.partition_of(entity), entity.id)))
        return record.stamp if record is not None else UNSTAMPED

    async def _term(self, collection: Collection[Any]) -> Term:
        """Return the term in which this work reads a collection: what it reads and writes comes from one leader."""
        term = self._terms.get(collection.name)
        if term is None:
            leadership = self._works.leadership
            term = self._terms[collection.name] = leadership.held(collection) or await leadership.term(collection)
        return term

    async def _read(self, collection: Collection[Any], key: Key) -> Record | None:
        at = (collection.name, key)
        if at not in self._seen:
            term = await self._term(collection)
            record = self._seen[at] = await self._works.store_of(term).read(collection, key)
            if term.control.shadow:
                self._works.shadows.sample_key(collection, term.control, key, record)
        return self._seen[at]

    async def _base(self, staged: Staged) -> Record | None:
        record = await self._read(staged.collection, staged.key)
        if record is None:
            assert staged.entity is not None, "what was never there cannot be removed"
        elif record.stamp == UNSTAMPED and (await self._term(staged.collection)).control.copying:
            # Software that strips stamps wrote it. Only the copy knows which came before, and none may come again.
            return after_stripping(record, await self._works.relational.read(staged.collection, staged.key))
        return record

    def _stage(self, staged: Staged) -> None:
        before = self._staged
        if before is not None:
            assert (before.collection, before.key) == (staged.collection, staged.key), (
                f"one unit of work changes one aggregate: {before.collection} is staged, then {staged.collection}"
            )
            staged = msgspec.structs.replace(staged, events=(*before.events, *staged.events))
        self._staged = staged

    async def _handled(self, base: Record | None) -> tuple[str, ...]:
        """Return the marks the next version carries: a settled delivery cannot come again, so its mark may go."""
        marks = base.handled if base else ()
        if len(marks) >= HANDLED_PRUNE:
            settled = await self._settled(marks)
            marks = tuple(mark for mark in marks if mark not in settled)
        if len(marks) >= HANDLED_MAX:
            # A forgotten mark would let an effect happen twice; waiting for the bus is the lesser evil.
            raise Throttled(0.5)
        return (*marks, self._mark) if self._mark else marks

    async def _settled(self, marks: tuple[str, ...]) -> frozenset[str]:
        try:
            return await self._works.relational.journal.settled_marks(marks)
        except StoreError:
            # Marks may stay longer than needed; an outage of the outbox is no reason to refuse a write.
            return frozenset()

    def _record(self, staged: Staged, base: Record | None, handled: tuple[str, ...], term: Term) -> Record:
        events = self._events(staged, base.event_seq if base else term.control.floor)
        return next_version(staged, base, term.control, op=self.op, handled=handled, events=events)

    def _events(self, staged: Staged, seq: int) -> tuple[StoredEvent, ...]:
        return tuple(
            store_event(
                event, seq=seq + at, event_id=self.new_id(), occurred_at=self.now, correlation_id=self.correlation_id
            )
            for at, event in enumerate(staged.events, start=1)
        )


def is_handled(mark: str, base: Record) -> bool:
    """Tell whether the event that a work answers has left its mark on the record before."""
    return bool(mark) and mark in base.handled
