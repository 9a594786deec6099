"""Random specifications over random data: SQLite, PostgreSQL and plain code give the same pages."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mystira.polyglot.matching import select
from mystira.polyglot.query import AllOf, AnyOf, Compare, Contains, Not, OneOf, Order, Prefix, Query, Where
from mystira.polyglot.stores.postgres.store import PostgresStore
from mystira.polyglot.stores.sqlite.store import SqliteDocuments
from tests.contracts.sample import SAMPLES, Colour, Sample, record_of

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
    runner.run(_compare(sqlite, postgres, rows, where, order, limit))


async def _compare(
    sqlite: SqliteDocuments,
    postgres: PostgresStore,
    rows: list[Sample],
    where: Where,
    order: tuple[Order, ...],
    limit: int,
) -> None:
    async with postgres.connection() as connection:
        await connection.execute("DELETE FROM samples")
    await _empty(sqlite)
    for row in rows:
        await sqlite.write(SAMPLES, record_of(row), None)
        await postgres.write(SAMPLES, record_of(row), None)
    query = Query(where=where, order=order, limit=limit)
    for _ in range(len(rows) + 1):
        expected = [sample.id for sample in select(SAMPLES, query, rows)]
        in_sqlite = await sqlite.search(SAMPLES, query)
        in_postgres = await postgres.search(SAMPLES, query)
        assert [record.key.id for record in in_sqlite] == expected
        assert [record.key.id for record in in_postgres] == expected
        assert [record.entity for record in in_sqlite] == [record.entity for record in in_postgres]
        if len(expected) < limit:
            break
        last = in_sqlite[-1].entity
        assert isinstance(last, Sample)
        query = Query(where=where, order=order, limit=limit, after=SAMPLES.cursor_of(query, last))
    total = len(select(SAMPLES, Query(where=where, limit=1_000), rows))
    assert await sqlite.count(SAMPLES, where) == await postgres.count(SAMPLES, where) == total


async def _empty(sqlite: SqliteDocuments) -> None:
    await sqlite._writer.write(lambda connection: connection.execute('DELETE FROM "Samples"'))


@pytest.fixture
def agreeing(sample_tables: str, tmp_path: Any) -> Any:
    from mystira.polyglot.stores.postgres.store import open_postgres
    from mystira.polyglot.stores.sqlite.store import open_sqlite
    from tests.contracts.sample import COLLECTIONS

    with asyncio.Runner() as runner:
        sqlite = runner.run(open_sqlite(tmp_path / "agree.sqlite", COLLECTIONS))
        postgres = runner.run(open_postgres(sample_tables, COLLECTIONS, connections=2))
        yield runner, sqlite, postgres
        runner.run(postgres.close())
        sqlite.close()
