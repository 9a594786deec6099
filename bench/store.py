"""Reading and saving through the unit of work, against asyncpg, an ORM, and bare SQLite, doing the same."""

import asyncio
import itertools
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import asyncpg
from sqlalchemy import BigInteger, Boolean, DateTime, Identity, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.measuring import TASKS, Job, Row, compared, rates
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Event
from mystira.polyglot.phases import Phase
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.schema import create_table, migrate
from mystira.polyglot.stores.postgres.store import open_postgres
from mystira.polyglot.stores.sqlite.store import open_sqlite
from mystira.polyglot.work import Work, Works

MIGRATIONS = Path(__file__).parents[1] / "migrations"
PER_TASK = 50


class Renamed(Event, frozen=True, kw_only=True):
    """What each save tells."""

    thing_id: str


class Thing(Entity, frozen=True, kw_only=True):
    """An entity of the usual size."""

    owner_id: str
    title: str
    note: str
    amount: int
    ratio: float
    is_open: bool
    made_at: datetime
    tags: tuple[str, ...] = ()


class Paper(Thing, frozen=True, kw_only=True):
    """The same, led by documents."""


THINGS = Collection(Thing, container="Things", table="bench_things", phase=Phase.POSTGRES_ONLY)
PAPERS = Collection(Paper, container="Papers", table="bench_papers")


def thing(kind: type[Thing], number: int, turn: int) -> Thing:
    """Return an entity with content that differs from turn to turn."""
    return kind(
        id=key_of(number, turn),
        owner_id="owner",
        title=f"title {turn}",
        note="n" * 100,
        amount=turn,
        ratio=0.5,
        is_open=True,
        made_at=datetime(2026, 11, 21, tzinfo=UTC),
        tags=("a", "b"),
    )


def key_of(number: int, turn: int) -> str:
    """Return the key that this task uses in this turn: no two tasks share one, as users rarely do."""
    return f"{number}-{turn % PER_TASK}"


async def measure(seconds: float) -> list[Row]:
    """Measure everything about stores; takes about ten times `seconds`."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        attached = await attach(data, print)
        try:
            await migrate(attached.dsn, MIGRATIONS, lambda text: None)
            return await _measure(attached.dsn, Path(folder), seconds)
        finally:
            await attached.release()
            await remove(data)


async def _measure(dsn: str, folder: Path, seconds: float) -> list[Row]:
    connection = await asyncpg.connect(dsn)
    for statement in create_table(THINGS):
        await connection.execute(statement)
    await connection.close()
    relational = await open_postgres(dsn, [THINGS, PAPERS], connections=TASKS)
    documents = await open_sqlite(folder / "documents.sqlite", [PAPERS])
    works = Works(Catalog([THINGS, PAPERS]), documents=documents, relational=relational)
    for kind, number, turn in itertools.product((Thing, Paper), range(TASKS), range(PER_TASK)):
        await works.run(_put, kind, number, turn)
    raw, orm = await _Raw.open(dsn), _Orm(dsn)
    bare = _BareSqlite(folder / "documents.sqlite")
    gets = await rates({"work": _getter(works, Thing), "asyncpg": raw.get, "orm": orm.get}, seconds)
    saves = await rates({"work": _saver(works, Thing), "asyncpg": raw.save, "orm": orm.save}, seconds)
    doc_gets = await rates({"work": _getter(works, Paper), "apsw": bare.get}, seconds)
    doc_saves = await rates({"work": _saver(works, Paper), "apsw": bare.save}, seconds)
    bare.close()
    documents.close()
    await raw.pool.close()
    await orm.engine.dispose()
    await relational.close()
    return [
        compared("get by key, PostgreSQL", gets, "work", "asyncpg", 0.6),
        compared("get by key, PostgreSQL", gets, "work", "orm", 3.0),
        compared("save with event, PostgreSQL", saves, "work", "asyncpg", 0.6),
        compared("save with event, PostgreSQL", saves, "work", "orm", 3.0),
        compared("get by key, documents", doc_gets, "work", "apsw", None),
        compared("save with event, documents", doc_saves, "work", "apsw", None),
    ]


async def _put(work: Work, kind: type[Thing], number: int, turn: int) -> None:
    await work.get(kind, key_of(number, turn))
    work.save(thing(kind, number, turn), Renamed(thing_id=key_of(number, turn)))


def _getter(works: Works, kind: type[Thing]) -> Job:
    async def get(number: int, turn: int) -> None:
        assert await works.open().get(kind, key_of(number, turn)) is not None

    return get


def _saver(works: Works, kind: type[Thing]) -> Job:
    async def save(number: int, turn: int) -> None:
        await works.run(_put, kind, number, turn)

    return save


class _Raw:
    """asyncpg by hand: one statement to read, one to change the row and add the outbox row."""

    READ = "SELECT * FROM bench_things WHERE id = $1"
    SAVE = """
    WITH changed AS (
      UPDATE bench_things SET title = $2, note = $3, amount = $4, ratio = $5, is_open = $6, made_at = $7, tags = $8,
        _stamp = $9, _op = $10, _event_seq = _event_seq + 1 WHERE id = $1 AND _stamp = $11 RETURNING _event_seq)
    INSERT INTO polyglot.event_outbox
      (event_id, collection, partition, id, seq, type, body, occurred_at, correlation_id)
    SELECT $10, 'Things', $1, $1, _event_seq, 'Renamed', $12, $7, '' FROM changed RETURNING 1
    """

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self.pool = pool

    @staticmethod
    async def open(dsn: str) -> "_Raw":
        async def leave(connection: Any) -> None:
            return

        return _Raw(await asyncpg.create_pool(dsn, min_size=TASKS, max_size=TASKS, reset=leave))

    async def get(self, number: int, turn: int) -> None:
        """Read one row."""
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(self.READ, key_of(number, turn))
        assert row is not None and json.loads(row["tags"])

    async def save(self, number: int, turn: int) -> None:
        """Read a row, then change it where its stamp still stands, with an outbox row."""
        new = thing(Thing, number, turn)
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(self.READ, new.id)
            assert row is not None
            told = json.dumps({"thing_id": new.id})
            values = (
                new.id,
                new.title,
                new.note,
                new.amount,
                new.ratio,
                new.is_open,
                new.made_at,
                json.dumps(new.tags),
            )
            done = await connection.fetchval(self.SAVE, *values, row["_stamp"] + 1, str(uuid4()), row["_stamp"], told)
        assert done == 1


class _Base(DeclarativeBase):
    pass


class _ThingRow(_Base):
    __tablename__ = "bench_things"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    amount: Mapped[int] = mapped_column(BigInteger)
    ratio: Mapped[float]
    is_open: Mapped[bool] = mapped_column(Boolean)
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    tags: Mapped[Any] = mapped_column(JSONB)
    stamp: Mapped[int] = mapped_column("_stamp", BigInteger)
    parent: Mapped[int] = mapped_column("_parent", BigInteger)
    op: Mapped[str] = mapped_column("_op", Text)
    ops: Mapped[Any] = mapped_column("_ops", ARRAY(Text))
    writer: Mapped[str] = mapped_column("_writer", Text)
    deleted: Mapped[bool] = mapped_column("_deleted", Boolean)
    schema: Mapped[int] = mapped_column("_schema", Integer)
    handled: Mapped[Any] = mapped_column("_handled", ARRAY(Text))
    event_seq: Mapped[int] = mapped_column("_event_seq", BigInteger)
    extra: Mapped[Any] = mapped_column("_extra", JSONB)
    __mapper_args__ = {"version_id_col": stamp}


class _OutboxRow(_Base):
    __tablename__ = "event_outbox"
    __table_args__ = {"schema": "polyglot"}
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[str] = mapped_column(Text)
    collection: Mapped[str] = mapped_column(Text)
    partition: Mapped[str] = mapped_column(Text)
    id: Mapped[str] = mapped_column(Text)
    seq: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(Text)
    body: Mapped[Any] = mapped_column(JSONB)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    correlation_id: Mapped[str] = mapped_column(Text)


class _Orm:
    """SQLAlchemy 2's ORM on asyncpg, as its documentation would have it."""

    def __init__(self, dsn: str) -> None:
        self.engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), pool_size=TASKS, max_overflow=0
        )
        self._session = async_sessionmaker(self.engine, expire_on_commit=False)

    async def get(self, number: int, turn: int) -> None:
        """Read one entity."""
        async with self._session() as session:
            assert await session.get(_ThingRow, key_of(number, turn)) is not None

    async def save(self, number: int, turn: int) -> None:
        """Read an entity, change it, add an outbox entity, commit."""
        new = thing(Thing, number, turn)
        async with self._session() as session:
            row = await session.get(_ThingRow, new.id)
            assert row is not None
            row.title, row.note, row.amount, row.made_at = new.title, new.note, new.amount, new.made_at
            row.op, row.event_seq = str(uuid4()), row.event_seq + 1
            session.add(
                _OutboxRow(
                    event_id=row.op,
                    collection="Things",
                    partition=new.id,
                    id=new.id,
                    seq=row.event_seq,
                    type="Renamed",
                    body={"thing_id": new.id},
                    occurred_at=new.made_at,
                    correlation_id="",
                )
            )
            await session.commit()


class _BareSqlite:
    """apsw by hand on the same file: one row by key, one durable transaction per save."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.set_busy_timeout(10_000)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    async def get(self, number: int, turn: int) -> None:
        """Read one document."""
        key = key_of(number, turn)
        found = self._connection.execute('SELECT body FROM "Papers" WHERE partition = ? AND id = ?', (key, key)).get
        assert json.loads(found)
        await asyncio.sleep(0)

    async def save(self, number: int, turn: int) -> None:
        """Read a document and write it back in a transaction of its own."""
        key = key_of(number, turn)
        self._connection.execute("BEGIN IMMEDIATE")
        found = self._connection.execute('SELECT body FROM "Papers" WHERE partition = ? AND id = ?', (key, key)).get
        document = json.loads(found)
        document["title"] = f"title {turn}"
        self._connection.execute(
            'UPDATE "Papers" SET body = ? WHERE partition = ? AND id = ?', (json.dumps(document), key, key)
        )
        self._connection.execute("COMMIT")
        await asyncio.sleep(0)
