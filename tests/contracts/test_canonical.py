"""The canonical form: what two stores hold alike has one digest, and what differs in anything has another."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mystira.polyglot.canonical import (
    LEAF_FIRST,
    canonical_body,
    digest_of,
    digest_of_unreadable,
    is_same_body,
    leaf_of,
)
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp, Value
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.store import Key, Record, Unreadable
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.contracts.sample import COLLECTIONS, NOW, SAMPLES, Colour, Part, Sample, record_of

pytestmark = pytest.mark.anyio


def sample(extra: dict[str, Any] | None = None, **fields: Any) -> Record:
    return record_of(Sample(**({"id": "a"} | fields)), extra=extra or {})


def digest(extra: dict[str, Any] | None = None, **fields: Any) -> int:
    return digest_of(SAMPLES, sample(extra, **fields))


ALIKE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"ratio": 1}, {"ratio": 1.0}),
    ({"ratio": -0.0}, {"ratio": 0.0}),
    ({"made_at": NOW}, {"made_at": NOW.astimezone(timezone(timedelta(hours=5)))}),
    ({"title": None}, {}),
    ({"totals": {"a": 1, "b": 2}}, {"totals": {"b": 2, "a": 1}}),
    ({"extra": {"x": 1e3, "y": [1.0]}}, {"extra": {"y": [1], "x": 1000}}),
    ({"extra": {"x": -0.0}}, {"extra": {"x": 0}}),
    ({"extra": {"x": 1e300}}, {"extra": {"x": 10**300}}),
    ({"extra": {"x": 1.2345678901234568e18}}, {"extra": {"x": 1234567890123456800}}),
    ({"extra": {"x": 1.10}}, {"extra": {"x": 1.1}}),
]
UNLIKE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"title": ""}, {"title": None}),
    ({"title": "a"}, {"title": "A"}),
    ({"title": "a"}, {"title": "a "}),
    ({"title": "\u00e9"}, {"title": "e\u0301"}),
    ({"is_open": False}, {"is_open": None}),
    ({"amount": (1 << 53) + 1}, {"amount": 1 << 53}),
    ({"ratio": 0.1}, {"ratio": 0.1 + 2e-17}),
    ({"made_at": NOW}, {"made_at": NOW + timedelta(microseconds=1)}),
    ({"tags": ("a", "b")}, {"tags": ("b", "a")}),
    ({"tags": ("ab",)}, {"tags": ("a", "b")}),
    ({"parts": (Part(part_name="x"),)}, {"parts": (Part(part_name="x", weight_g=1),)}),
    ({"extra": {"x": None}}, {}),
    ({"extra": {"x": True}}, {"extra": {"x": 1}}),
    ({"extra": {"x": "1"}}, {"extra": {"x": 1}}),
    ({"extra": {"x": {}}}, {"extra": {"x": []}}),
    ({"extra": {"x": 10**300}}, {"extra": {"x": 10**301}}),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_other_clothes_of_the_same_value_have_the_same_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest(**one) == digest(**other)
    assert is_same_body(SAMPLES, sample(**one), sample(**other))


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_another_value_has_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert digest(**one) != digest(**other)
    assert not is_same_body(SAMPLES, sample(**one), sample(**other))


def test_key_stamp_and_deletion_count_and_nothing_else_of_the_bookkeeping_does() -> None:
    plain = sample()
    replace = msgspec.structs.replace
    changed = [
        replace(plain, key=Key("ownera", "")),
        replace(plain, key=Key("a", "owner")),
        replace(plain, stamp=Stamp(1, 1)),
        replace(plain, stamp=Stamp(0, 2)),
        replace(plain, entity=None),
    ]
    assert len({digest_of(SAMPLES, record) for record in [plain, *changed]}) == 6
    more: dict[str, Any] = {"op": "other", "recent_ops": ("x",), "parent": Stamp(0, 9), "writer": "relay"}
    more |= {"handled": ("m",), "event_seq": 9, "schema": 2, "token": "t"}
    assert digest_of(SAMPLES, replace(plain, **more)) == digest_of(SAMPLES, plain)


def test_digests_stay_what_they_are() -> None:
    # They are stored: a change of the form would make every record differ until all are counted anew.
    whole = sample(
        title="t", ratio=1.5, made_at=datetime(2026, 1, 1, tzinfo=UTC), colour=Colour.RED, extra={"x": [1.0]}
    )
    assert (digest_of(SAMPLES, whole), leaf_of(whole.key)) == (-3092552222272978178, 87034)


def test_a_tombstone_has_no_body() -> None:
    assert canonical_body(SAMPLES, msgspec.structs.replace(sample(), entity=None)) is None


def test_what_is_no_record_has_a_digest_of_its_own() -> None:
    item = Unreadable(Key("o", "a"), Stamp(0, 1), {"id": "a", "amount": "x"}, "wrong")
    other = item._replace(body={"id": "a", "amount": "y"}, error="")
    assert digest_of_unreadable(item) == digest_of_unreadable(item._replace(error="told otherwise"))
    assert digest_of_unreadable(item) != digest_of_unreadable(other)
    monstrous = item._replace(body={"x": 10**5000})
    assert digest_of_unreadable(monstrous) == digest_of_unreadable(monstrous)


class Inner(Value, frozen=True, kw_only=True):
    names: frozenset[str] = frozenset()


class Floating(Value, frozen=True, kw_only=True):
    at: tuple[float, ...] = ()


class Nested(Entity, frozen=True, kw_only=True):
    inner: Inner = Inner()
    by_name: dict[str, tuple[Floating, ...]] = {}


class Plain(Entity, frozen=True, kw_only=True):
    inner: Inner = Inner()


def test_floats_are_found_however_deep_and_sets_have_no_order() -> None:
    nested = Collection(Nested, container="Nesteds", table="nesteds")
    ints, floats = [Nested(id="a", by_name={"x": (Floating(at=(at,)),)}) for at in (1, 1.0)]
    records = [Record(key=Key("a", "a"), entity=entity, stamp=Stamp(0, 1)) for entity in (ints, floats)]
    assert len({digest_of(nested, record) for record in records}) == 1
    plain = Collection(Plain, container="Plains", table="plains")
    names = [f"n{number}" for number in range(40)]
    sets = [frozenset(names), frozenset(reversed(names))]
    entities = [Plain(id="a", inner=Inner(names=some)) for some in sets]
    records = [Record(key=Key("a", "a"), entity=entity, stamp=Stamp(0, 1)) for entity in entities]
    assert len({digest_of(plain, record) for record in records}) == 1
    body = canonical_body(plain, records[0])
    assert body is not None and body["inner"]["names"] == sorted(names)


class Bare(Entity, frozen=True, kw_only=True):
    """Nothing but its id."""


def test_an_entity_of_one_field_has_a_digest() -> None:
    bare = Collection(Bare, container="Bares", table="bares")
    one, other = (Record(key=Key(id, id), entity=Bare(id=id), stamp=Stamp(0, 1)) for id in "ab")
    assert digest_of(bare, one) != digest_of(bare, other)


def test_leaves_are_spread_evenly() -> None:
    leaves = [leaf_of(Key("p", f"id-{number}")) for number in range(20_000)]
    assert all(LEAF_FIRST <= leaf < 2 * LEAF_FIRST for leaf in leaves)
    assert len(set(leaves)) > 16_000


numbers = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 1.0, 1e3, 1e16, 1e17, 2.0**53, 2.0**62 * 1.2, 2.0**63, 1e22, 1e300, 5e-324, 123456.789]),
)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries(
    texts.filter(lambda name: not name.startswith("_")).map(lambda name: f"x{name}"), values, max_size=3
)
samples = st.builds(
    Sample,
    id=st.just("a"),
    title=st.none() | texts,
    amount=st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    ratio=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    made_at=st.none() | st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    tags=st.lists(texts, max_size=2).map(tuple),
    totals=st.dictionaries(texts, st.integers(-5, 1 << 62), max_size=2),
    parts=st.lists(st.builds(Part, part_name=texts, seen_at=st.none() | st.just(NOW)), max_size=2).map(tuple),
)
PATIENT = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@PATIENT
@given(one=samples, other=samples, extra=extras, more=extras)
def test_digests_are_equal_exactly_where_canonical_bodies_are(
    one: Sample, other: Sample, extra: dict[str, Any], more: dict[str, Any]
) -> None:
    records = [record_of(one, extra=extra), record_of(other, extra=more)]
    bodies = [msgspec.json.encode(canonical_body(SAMPLES, record)) for record in records]
    digests = [digest_of(SAMPLES, record) for record in records]
    assert (bodies[0] == bodies[1]) == (digests[0] == digests[1]) == is_same_body(SAMPLES, *records)


@PATIENT
@given(entity=samples, extra=extras)
def test_a_digest_survives_the_way_into_a_document_and_back(entity: Sample, extra: dict[str, Any]) -> None:
    record = record_of(entity, extra=extra)
    document = msgspec.json.decode(msgspec.json.encode(to_document(SAMPLES, record)))
    shuffled = dict(reversed(document.items()))
    assert digest_of(SAMPLES, from_document(SAMPLES, shuffled, "")) == digest_of(SAMPLES, record)


async def test_a_digest_survives_the_way_through_both_stores(sample_tables: str, tmp_path: Path) -> None:
    def draw_records() -> None:
        with asyncio.Runner() as runner:
            sqlite = runner.run(open_sqlite(tmp_path / "documents.sqlite", COLLECTIONS))
            postgres = runner.run(open_postgres(sample_tables, COLLECTIONS, connections=2))

            @settings(PATIENT, max_examples=80)
            @given(entity=samples, extra=extras)
            @example(entity=Sample(id="a"), extra={"x": 8.98846567431158e307})
            def survives(entity: Sample, extra: dict[str, Any]) -> None:
                for store in (sqlite, postgres):
                    runner.run(_write_and_read(store, record_of(entity, extra=extra)))

            survives()
            sqlite.close()
            runner.run(postgres.close())

    # Hypothesis runs no coroutines, so it has a thread and a loop of its own.
    await asyncio.to_thread(draw_records)


async def _write_and_read(store: SqliteDocuments | PostgresStore, record: Record) -> None:
    base = await store.read(SAMPLES, record.key)
    written = msgspec.structs.replace(record, stamp=Stamp(0, base.stamp.seq + 1 if base else 1))
    await store.write(SAMPLES, written, base)
    found = await store.read(SAMPLES, record.key)
    assert found is not None
    assert digest_of(SAMPLES, found) == digest_of(SAMPLES, written)
    assert is_same_body(SAMPLES, found, written)
    if isinstance(store, PostgresStore):
        stored = "SELECT _digest FROM samples WHERE id = $1"
        async with store.connection() as connection:
            assert await connection.fetchval(stored, record.key.id) == digest_of(SAMPLES, written)
