"""Specifications mean the same on every store, case by case."""

from datetime import timedelta

import pytest

from mystira.polyglot.collection import BadQuery
from mystira.polyglot.query import (
    EVERYTHING,
    Compare,
    Order,
    Query,
    Where,
    all_of,
    any_of,
    at_least,
    at_most,
    contains,
    equal,
    greater,
    is_null,
    less,
    negate,
    one_of,
    prefix,
)
from mystira.polyglot.store import Store
from tests.contracts.sample import NOW, SAMPLES, Colour, Sample, record_of

pytestmark = pytest.mark.anyio

ROWS = (
    Sample(
        id="a", title="apple", amount=1, ratio=0.5, is_open=True, made_at=NOW, tags=("red", "fruit"), numbers=(1, 2)
    ),
    Sample(
        id="b", title="Apple", amount=2, ratio=-0.5, is_open=False, made_at=NOW - timedelta(days=1), tags=("fruit",)
    ),
    Sample(id="c", title=None, amount=None, ratio=None, is_open=None, made_at=None),
    Sample(id="d", title="", amount=-5, ratio=0.0, colour=Colour.RED, size="large"),
    Sample(id="e", title="éclair", amount=(1 << 53) - 1, ratio=1e10, colour=Colour.BLUE, tags=("é",)),
    Sample(id="f", title="apple pie \U0001f967", amount=1, made_at=NOW + timedelta(microseconds=1), numbers=(2,)),
    Sample(id="g", owner_id="other", title="\uffff", amount=1),
    Sample(id="h", owner_id="other", title="\U00010000", amount=0),
)


@pytest.fixture
async def filled(store: Store) -> Store:
    for row in ROWS:
        await store.write(SAMPLES, record_of(row), None)
    return store


@pytest.mark.parametrize(
    "where, ids",
    [
        (EVERYTHING, "abcdefgh"),
        (any_of(), ""),
        (equal("title", "apple"), "a"),
        (equal("title", ""), "d"),
        (equal("title", None), "c"),
        (is_null("made_at"), "cdegh"),
        (negate(equal("title", "apple")), "bcdefgh"),
        (negate(is_null("title")), "abdefgh"),
        (less("amount", 1), "dh"),
        (at_most("amount", 1), "adfgh"),
        (greater("amount", 1), "be"),
        (at_least("amount", 1), "abefg"),
        (negate(less("amount", 1)), "abcefg"),
        (equal("amount", (1 << 53) - 1), "e"),
        (equal("amount", (1 << 53) - 2), ""),
        (greater("ratio", -0.5), "ade"),
        (equal("ratio", 0), "d"),
        (less("ratio", 1), "abd"),
        (equal("is_open", True), "a"),
        (equal("is_open", False), "b"),
        (negate(equal("is_open", True)), "bcdefgh"),
        (less("made_at", NOW), "b"),
        (at_most("made_at", NOW), "ab"),
        (greater("made_at", NOW), "f"),
        (equal("made_at", NOW), "a"),
        (one_of("id", ["a", "h", "zz"]), "ah"),
        (one_of("title", ["apple", None]), "ac"),
        (one_of("title", []), ""),
        (negate(one_of("title", ["apple", None])), "bdefgh"),
        (one_of("amount", [1, -5]), "adfg"),
        (prefix("title", "apple"), "af"),
        (prefix("title", ""), "abdefgh"),
        (prefix("title", "é"), "e"),
        (prefix("title", "%"), ""),
        (negate(prefix("title", "apple")), "bcdegh"),
        (contains("title", "pp"), "abf"),
        (contains("title", ""), "abdefgh"),
        (contains("title", "\U0001f967"), "f"),
        (contains("title", "_"), ""),
        (contains("tags", "fruit"), "ab"),
        (contains("tags", "fru"), ""),
        (contains("tags", "é"), "e"),
        (contains("numbers", 2), "af"),
        (negate(contains("numbers", 2)), "bcdegh"),
        (equal("colour", "red"), "d"),
        (equal("colour", Colour.RED), "d"),
        (one_of("colour", [Colour.RED, Colour.BLUE]), "de"),
        (one_of("is_open", [True, None]), "acdefgh"),
        (one_of("made_at", [NOW]), "a"),
        (one_of("ratio", [0.5, -0.5]), "ab"),
        (one_of("title", ["absent"] * 5_000 + ["apple"]), "a"),
        (one_of("amount", list(range(5_000))), "abfgh"),
        (any_of(*(equal("amount", number) for number in range(1_500))), "abfgh"),
        (all_of(*(negate(equal("amount", number)) for number in range(1_500))), "cde"),
        (prefix("title", "\U00010000"), "h"),
        (prefix("title", "Apple"), "b"),
        (equal("size", "large"), "d"),
        (less("title", "b"), "abdf"),
        (greater("title", "é"), "egh"),
        (greater("title", "\uffff"), "h"),
        (equal("owner_id", "other"), "gh"),
        (all_of(equal("owner_id", "owner"), greater("amount", 0)), "abef"),
        (any_of(equal("id", "a"), all_of(equal("amount", 1), negate(equal("id", "f")))), "ag"),
        (negate(any_of(less("amount", 1), greater("amount", 1))), "acfg"),
        (negate(all_of(equal("amount", 1), equal("title", "apple"))), "bcdefgh"),
        (negate(negate(greater("amount", 1))), "be"),
    ],
    ids=lambda value: str(value)[:80],
)
async def test_a_specification_finds(filled: Store, where: Where, ids: str) -> None:
    found = await filled.search(SAMPLES, Query(where=where, order=(Order("id"),)))
    assert "".join(record.key.id for record in found) == ids
    assert await filled.count(SAMPLES, where) == len(ids)


async def test_large_whole_numbers_are_told_apart(store: Store) -> None:
    for id, amount in (("a", (1 << 60) + 1), ("b", 1 << 60)):
        await store.write(SAMPLES, record_of(Sample(id=id, amount=amount)), None)
    found = await store.search(SAMPLES, Query(where=equal("amount", (1 << 60) + 1)))
    assert [record.key.id for record in found] == ["a"]


@pytest.mark.parametrize(
    "order, ids",
    [
        ((Order("id"),), "abcdefgh"),
        ((Order("id", descending=True),), "hgfedcba"),
        ((Order("title"),), "cdbafegh"),
        ((Order("title", descending=True),), "hgefabdc"),
        ((Order("amount"), Order("title")), "cdhafgbe"),
        ((Order("amount", descending=True), Order("title")), "ebafghdc"),
        ((Order("made_at"),), "ghcdebaf"),
        ((Order("made_at", descending=True),), "fabghcde"),
        ((Order("is_open"), Order("id")), "cdefghba"),
        ((Order("ratio"), Order("id")), "cfghbdae"),
        ((Order("owner_id", descending=True), Order("id")), "abcdefgh"),
    ],
    ids=str,
)
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_an_order_is_the_same_page_by_page(filled: Store, order: tuple[Order, ...], ids: str, limit: int) -> None:
    seen = ""
    query = Query(order=order, limit=limit)
    while True:
        page = await filled.search(SAMPLES, query)
        seen += "".join(record.key.id for record in page)
        if len(page) < limit:
            break
        assert page[-1].entity is not None
        query = Query(order=order, limit=limit, after=SAMPLES.cursor_of(query, page[-1].entity))
    assert seen == ids


async def test_paging_while_others_write_neither_repeats_nor_skips_what_stays(filled: Store) -> None:
    query = Query(order=(Order("title"),), limit=2)
    seen: list[str] = []
    for number in range(20):
        page = await filled.search(SAMPLES, query)
        seen += (record.key.id for record in page)
        if len(page) < 2:
            break
        await filled.write(SAMPLES, record_of(Sample(id=f"new{number}", title="\x01first")), None)
        assert page[-1].entity is not None
        query = Query(order=(Order("title"),), limit=2, after=SAMPLES.cursor_of(query, page[-1].entity))
    assert [id for id in seen if not id.startswith("new")] == list("cdbafegh")


@pytest.mark.parametrize(
    "query",
    [
        Query(where=equal("nothing", 1)),
        Query(where=equal("amount", "1")),
        Query(where=equal("amount", True)),
        Query(where=equal("title", 1)),
        Query(where=equal("is_open", 1)),
        Query(where=equal("made_at", "2026-01-01")),
        Query(where=equal("made_at", NOW.replace(tzinfo=None))),
        Query(where=equal("tags", "red")),
        Query(where=equal("title", "\x00")),
        Query(where=contains("tags", "\ud800")),
        Query(where=Compare("amount", "<", None)),
        Query(where=prefix("amount", "1")),
        Query(where=contains("amount", 1)),
        Query(where=equal("amount", 1 << 63)),
        Query(where=equal("ratio", float("nan"))),
        Query(order=(Order("tags"),)),
        Query(limit=0),
        Query(limit=100_000),
        Query(after=("x",)),
    ],
    ids=str,
)
async def test_a_specification_that_does_not_fit_is_refused_alike(store: Store, query: Query) -> None:
    with pytest.raises(BadQuery):
        await store.search(SAMPLES, query)
