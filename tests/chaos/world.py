"""What the processes of a chaos run share: the records they write, the stores they open, how fast time goes."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Event
from mystira.polyglot.leadership import Leadership, Tempo
from mystira.polyglot.reaction import Handling, Reaction, Reactions
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Unavailable
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from mystira.polyglot.work import Work, Works

T = TypeVar("T")

TEMPO = Tempo(lease_s=0.6, request_s=0.8, drift_s=1.0, hold_s=1.0)
# A range or a claim that a killed process held is free again after this long.
LEASE_S = 2.0
HOT, COLD = 20, 250


class Written(Event, frozen=True, kw_only=True):
    """A token was added to a sheet."""

    sheet_id: str
    token: str


class Sheet(Entity, frozen=True, kw_only=True):
    """Holds every token that was written to it, in order."""

    tokens: tuple[str, ...] = ()


class Heard(Entity, frozen=True, kw_only=True):
    """Holds every token that was heard of a sheet, in order; hearing one twice would show."""

    tokens: tuple[str, ...] = ()


SHEETS = Collection(Sheet, container="ChaosSheets", table="chaos_sheets")
HEARD = Collection(Heard, container="ChaosHeard", table="chaos_heard")
COLLECTIONS: tuple[Collection[Any], ...] = (SHEETS, HEARD)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run's stores are, and the number that everything random comes from."""

    folder: str
    dsn: str
    seed: int

    @property
    def documents(self) -> str:
        """The one document file of all processes."""
        return str(Path(self.folder) / "documents.sqlite")

    @property
    def acknowledged(self) -> Path:
        """Where each writer keeps what it was promised."""
        return Path(self.folder) / "acknowledged"

    @property
    def at_work(self) -> Path:
        """Where each process leaves its name when it has started."""
        return Path(self.folder) / "at work"


class Opened:
    """One process's view: both stores, units of work, and what replication's verbs need."""

    def __init__(self, place: Place, documents: SqliteDocuments, relational: PostgresStore, name: str) -> None:
        self.documents = documents
        self.relational = relational
        # A process that is started again is another one: what its last life sent may still arrive.
        life = f"{name}/{os.getpid()}"
        self.r = Replication(Catalog(COLLECTIONS), documents, relational, tempo=TEMPO, name=life)
        leadership = Leadership(documents, relational.journal, tempo=TEMPO, name=life)
        self.random = Random(f"{place.seed}/{name}")
        self.works = Works(self.r.catalog, documents=documents, relational=relational, leadership=leadership)

    async def close(self) -> None:
        """Leave both stores."""
        await self.works.close()
        await self.relational.close()
        self.documents.close()


async def open_both(place: Place, name: str) -> Opened:
    """Open both stores, however long one of them is away."""
    # A write to the file that waits longer than a request may last would arrive after a flip.
    locked_s_max = TEMPO.request_s / 2
    documents = await patiently(lambda: open_sqlite(place.documents, COLLECTIONS, locked_s_max=locked_s_max))
    relational = await patiently(lambda: open_postgres(place.dsn, COLLECTIONS, connections=6))
    return Opened(place, documents, relational, name)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again until the store answers."""
    while True:
        try:
            return await ask()
        except Unavailable:
            await asyncio.sleep(0.1)


async def write_token(work: Work, *, id: str, token: str, looks: bool) -> None:
    """Add a token to a sheet. `looks` is for a command that is repeated: it may have been carried out before."""
    sheet = await work.get(Sheet, id) or Sheet(id=id)
    if looks and token in sheet.tokens:
        return
    work.save(sheet.evolve(tokens=(*sheet.tokens, token)), Written(sheet_id=id, token=token))


async def throw_away(work: Work, *, id: str, **_: Any) -> None:
    """End a sheet; done before, nothing happens."""
    sheet = await work.get(Sheet, id)
    if sheet is not None:
        work.remove(sheet)


async def _hear(work: Work, *, id: str, token: str) -> None:
    heard = await work.get(Heard, id) or Heard(id=id)
    work.save(heard.evolve(tokens=(*heard.tokens, token)))


async def _react(handling: Handling, event: Written) -> None:
    await handling.run(_hear, id=event.sheet_id, token=event.token)


REACTIONS = Reactions([Reaction("hear", Written, _react)])


def clock() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)
