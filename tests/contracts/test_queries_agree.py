"""Random specifications over random data: memory, SQLite, PostgreSQL and plain code give the same pages."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mystira.polyglot.collection import Collection
from mystira.polyglot.matching import select
from mystira.polyglot.query import LIMIT_MAX, AllOf, AnyOf, Compare, Contains, Not, OneOf, Order, Prefix, Query, Where
from mystira.polyglot.store import Store
from mystira.polyglot.stores.memory import MemoryDocuments
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.contracts.sample import COLLECTIONS, SAMPLES, Colour, Sample, record_of

pytestmark = pytest.mark.anyio

# A small alphabet makes equal and neighbouring values likely, where the stores could differ.
letters = st.sampled_from(["a", "b", "A", "é", "\u0301", "\uffff", "\U0001f409", " ", "%", "_", "\\", "'", "\x01"])
texts = st.text(letters, max_size=3)
ints = st.one_of(st.integers(-2, 2), st.sampled_from([(1 << 53) + 1, (1 << 53), (1 << 63) - 1, -(1 << 63)]))
floats = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3, 1e300, -1e-300, 1.0]), st.floats(allow_nan=False, allow_infinity=False)
)
times = st.one_of(
    st.sampled_from(
        [datetime(2026, 1, 1, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)]
    ),
    st.integers(0, 3).map(lambda us: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": texts,
    "owner_id": st.sampled_from(["o", "p"]),
    "title": texts,
    "amount": ints,
    "ratio": floats,
    "is_open": st.booleans(),
    "made_at": times,
    "colour": st.sampled_from(["red", "blue"]),
}
samples = st.builds(
    Sample,
    id=st.uuids().map(str),
    owner_id=VALUES["owner_id"],
    title=st.none() | texts,
    amount=st.none() | ints,
    ratio=st.none() | floats,
    is_open=st.none() | st.booleans(),
    made_at=st.none() | times,
    colour=st.none() | st.sampled_from(Colour),
    tags=st.lists(texts, max_size=2).map(tuple),
    numbers=st.lists(ints, max_size=2).map(tuple),
)


@st.composite
def leaves(draw: st.DrawFn) -> Where:
    name = draw(st.sampled_from(sorted(VALUES)))
    kind = draw(st.sampled_from(["compare", "null", "one_of", "prefix", "contains", "element"]))
    if kind == "compare":
        return Compare(name, draw(st.sampled_from(["=", "<", "<=", ">", ">="])), draw(VALUES[name]))
    if kind == "null":
        return Compare(name, "=", None)
    if kind == "one_of":
        return OneOf(name, tuple(draw(st.lists(st.none() | VALUES[name], max_size=3))))
    if kind == "prefix":
        return Prefix(draw(st.sampled_from(["title", "colour", "owner_id"])), draw(texts))
    if kind == "contains":
        return Contains("title", draw(texts))
    return draw(st.one_of(st.builds(Contains, st.just("tags"), texts), st.builds(Contains, st.just("numbers"), ints)))


wheres = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=5,
)
orders = st.lists(
    st.builds(Order, st.sampled_from(sorted(VALUES)), st.booleans()), max_size=3, unique_by=lambda by: by.field
).map(tuple)


@given(st.lists(samples, max_size=12), wheres, orders, st.integers(1, 4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_store_gives_the_same_pages(
    agreeing: tuple[asyncio.Runner, SqliteDocuments, PostgresStore],
    rows: list[Sample],
    where: Where,
    order: tuple[Order, ...],
    limit: int,
) -> None:
    runner, sqlite, postgres = agreeing
    runner.run(_empty(sqlite, postgres))
    stores: tuple[Store, ...] = (MemoryDocuments(), sqlite, postgres)
    runner.run(_compare(stores, rows, Query(where=where, order=order, limit=limit), sorted_by(order)))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20, unique=True))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_store_finds_a_float_by_its_exact_value(
    agreeing: tuple[asyncio.Runner, SqliteDocuments, PostgresStore], ratios: list[float]
) -> None:
    runner, sqlite, postgres = agreeing
    runner.run(_empty(sqlite, postgres))
    rows = [Sample(id=str(number), ratio=ratio) for number, ratio in enumerate(ratios)]
    stores: tuple[Store, ...] = (sqlite, postgres)
    for at, row in enumerate(rows):
        runner.run(_fill(stores, [row]))
        runner.run(_agree(stores, rows[: at + 1], Query(where=Compare("ratio", "=", row.ratio))))
        runner.run(_agree(stores, rows[: at + 1], Query(where=OneOf("ratio", (row.ratio,)))))


def sorted_by(order: tuple[Order, ...]) -> Collection[Any]:
    """The same collection with another order declared: all that there are would be too many for one."""
    return Collection(Sample, container="Samples", table="samples", partition="owner_id", orders=(order,))


async def _compare(stores: tuple[Store, ...], rows: list[Sample], query: Query, collection: Collection[Any]) -> None:
    await _fill(stores, rows)
    seen: list[str] = []
    for _ in range(len(rows) + 1):
        page = await _agree(stores, rows, query, collection)
        seen += (sample.id for sample in page)
        if len(page) < query.limit:
            break
        query = msgspec.structs.replace(query, after=collection.cursor_of(query, page[-1]))
    everything = select(collection, msgspec.structs.replace(query, limit=LIMIT_MAX, after=None), rows)
    assert seen == [sample.id for sample in everything]
    for store in stores:
        assert await store.count(SAMPLES, query.where) == len(everything)


async def _fill(stores: tuple[Store, ...], rows: list[Sample]) -> None:
    for store in stores:
        for row in rows:
            await store.write(SAMPLES, record_of(row), None)


async def _agree(
    stores: tuple[Store, ...], rows: list[Sample], query: Query, collection: Collection[Any] = SAMPLES
) -> list[Sample]:
    expected = select(collection, query, rows)
    for store in stores:
        assert [record.entity for record in await store.search(collection, query)] == expected
    return expected


async def _empty(sqlite: SqliteDocuments, postgres: PostgresStore) -> None:
    await sqlite._writer.write(lambda connection, position: connection.execute('DELETE FROM "Samples"'))
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM samples")


@pytest.fixture
def agreeing(sample_tables: str, tmp_path: Path) -> Iterator[tuple[asyncio.Runner, SqliteDocuments, PostgresStore]]:
    with asyncio.Runner() as runner:
        sqlite = runner.run(open_sqlite(tmp_path / "agree.sqlite", COLLECTIONS))
        postgres = runner.run(open_postgres(sample_tables, COLLECTIONS, connections=2))
        yield runner, sqlite, postgres
        runner.run(postgres.close())
        sqlite.close()
