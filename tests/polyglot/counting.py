"""A counter that tells when it was raised, a tally that hears it, and stores whose calls can be made to fail."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import asyncpg

from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Event
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.phases import Phase
from mystira.polyglot.query import Order
from mystira.polyglot.reaction import Handling, Reaction, Reactions
from mystira.polyglot.store import OutcomeUnknown, Unavailable
from mystira.polyglot.stores.postgres.schema import create_table
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from mystira.polyglot.work import Work, Works


class Raised(Event, frozen=True, kw_only=True):
    counter_id: str
    by: int


class Counter(Entity, frozen=True, kw_only=True):
    value: int = 0
    keys: tuple[str, ...] = ()


class Ledger(Counter, frozen=True, kw_only=True):
    """The same, led by PostgreSQL."""


class Tally(Entity, frozen=True, kw_only=True):
    heard: int = 0
    total: int = 0


class Seat(Entity, frozen=True, kw_only=True):
    """Only PostgreSQL keeps the places apart."""

    place: str | None = None


COUNTERS = Collection(Counter, container="Counters", table="counters")
LEDGERS = Collection(Ledger, container="Ledgers", table="ledgers", phase=Phase.POSTGRES_ONLY)
TALLIES = Collection(Tally, container="Tallies", table="tallies")
SEATS = Collection(Seat, container="Seats", table="seats", unique=(("place",),), orders=((Order("place"),),))
COLLECTIONS = (COUNTERS, LEDGERS, TALLIES, SEATS)


async def raise_counter(work: Work, *, kind: type[Counter], id: str, by: int, key: str = "") -> int:
    """Raise a counter once for each key, and answer its value after that."""
    counter = await work.get(kind, id) or kind(id=id)
    if key and key in counter.keys:
        return counter.value
    changed = counter.evolve(value=counter.value + by, keys=(*counter.keys, key) if key else counter.keys)
    work.save(changed, Raised(counter_id=id, by=by))
    return changed.value


async def add_to_tally(work: Work, *, by: int) -> None:
    tally = await work.get(Tally, "all") or Tally(id="all")
    work.save(tally.evolve(heard=tally.heard + 1, total=tally.total + by))


CALLS = ("read", "write", "search", "count", "feed", "feed_ranges")


class Plan:
    """Which call from now fails, and whether it does its work before that; or that every call does."""

    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[str] = []
        self.fail_at: int | None = None
        self.how = "before"


class Failing:
    """A store whose n-th call from now fails, before or after it did its work; a journal's writes count as well."""

    def __init__(self, store: Any, counted: tuple[str, ...] = CALLS, planned: Plan | None = None) -> None:
        self._store = store
        self._counted = counted
        self.planned = planned or Plan()
        if hasattr(store, "journal"):
            self.journal = Failing(store.journal, ("write",), self.planned)

    @property
    def calls(self) -> list[str]:
        return self.planned.calls

    def plan(self, at: int | None, how: str = "before") -> None:
        self.planned.calls, self.planned.fail_at, self.planned.how = [], at, how

    def down(self, is_down: bool = True) -> None:
        self.planned.is_down = is_down

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **named: Any) -> Any:
            planned = self.planned
            if planned.is_down:
                raise Unavailable("planned outage")
            if name not in self._counted:
                return await method(*args, **named)
            planned.calls.append(name)
            fails = len(planned.calls) == planned.fail_at
            if fails and planned.how == "before":
                raise (OutcomeUnknown if name == "write" else Unavailable)("planned, nothing was done")
            answer = await method(*args, **named)
            if fails:
                raise (OutcomeUnknown if name == "write" else Unavailable)("planned, it was done")
            return answer

        return call


class Rig:
    """Both stores with planned failures, and the loops as single steps."""

    def __init__(self, documents: SqliteDocuments, relational: PostgresStore) -> None:
        self.sqlite = documents
        self.postgres = relational
        self.documents = Failing(documents)
        self.relational = Failing(relational)
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.slept: list[float] = []
        self.works = self.works_on(self.relational)
        self.before_tally: Callable[[], None] = lambda: None
        self.reactions = Reactions([Reaction("tally", Raised, self._hear)])

    def works_on(self, relational: Any) -> Works:
        """Units of work on the rig's documents and this relational side."""
        return Works(
            Catalog(COLLECTIONS),
            documents=self.documents,  # type: ignore[arg-type]
            relational=relational,
            clock=lambda: self.now,
            random=Random(7),
            sleep=self._sleep,
        )

    async def close(self) -> None:
        await self.postgres.close()
        self.sqlite.close()

    async def value(self, kind: type[Counter], id: str = "c") -> int:
        found = await self.works.open().get(kind, id)
        return found.value if found else 0

    async def tally(self) -> Tally:
        return await self.works.open().get(Tally, "all") or Tally(id="all")

    def follower(self) -> FeedFollower:
        return FeedFollower(COLLECTIONS, self.documents, self.postgres, clock=lambda: self.now)  # type: ignore[arg-type]

    async def settle(self) -> None:
        """Follow and deliver until nothing is left. All facts meet on one tally, so some may have to come again."""
        follower, pump = self.follower(), OutboxPump(self.works, self.postgres.journal, self.reactions)
        for _ in range(10):
            while await follower.step() + await pump.step():
                continue
            if not (await self.postgres.journal.pending()).waiting:
                return
            self.now += timedelta(seconds=1)

    async def _hear(self, handling: Handling, event: Raised) -> None:
        self.before_tally()
        await handling.run(add_to_tally, by=event.by)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)


async def make_tables(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    for collection in COLLECTIONS:
        if await connection.fetchval("SELECT to_regclass($1)", collection.table) is None:
            for statement in create_table(collection):
                await connection.execute(statement)
    await connection.close()


async def make_rig(path: Path, dsn: str) -> Rig:
    await make_tables(dsn)
    return Rig(await open_sqlite(path, COLLECTIONS), await open_postgres(dsn, COLLECTIONS))
