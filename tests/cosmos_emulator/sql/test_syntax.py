"""What the grammar accepts, what it refuses and where, and that no text at all can break it."""

import inspect
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mystira.cosmos_emulator.sql import SqlError, parse, run
from mystira.cosmos_emulator.sql.printer import printed
from mystira.cosmos_emulator.sql.syntax import (
    ArrayLiteral,
    Between,
    Binary,
    Call,
    Column,
    Columns,
    Conditional,
    Container,
    Expression,
    In,
    Index,
    Like,
    Literal,
    Member,
    Name,
    ObjectLiteral,
    OrderItem,
    Parameter,
    Select,
    Source,
    Star,
    Subquery,
    Unary,
    UndefinedLiteral,
    Value,
)

# The text, and the offset and a word of the refusal.
REFUSED: list[tuple[str, int, str]] = [
    ("", 0, "SELECT"),
    ("SELECT", 6, "value"),
    ("SELECT *", 7, "one input"),
    ("SELECT * FROM", 13, "container"),
    ("SELECT * FROM c WHERE", 21, "value"),
    ("SELECT * FROM c WHERE c.a = = 1", 28, "value"),
    ("SELECT * FROM c WHERE d.a = 1", 22, "d is not known"),
    ("SELECT * FROM c WHERE C.a = 1", 22, "C is not known"),
    ("SELECT * FROM c AS x WHERE c.a = 1", 27, "c is not known"),
    ("SELECT * FROM c WHERE c.a = 'open", 28, "no end"),
    ("SELECT * FROM c WHERE c.a = '\\q'", 29, "escape"),
    ("SELECT * FROM c WHERE c.a # 1", 26, "means nothing"),
    ("SELECT * FROM c WHERE /* c.a", 22, "comment"),
    ("SELECT c.value FROM c", 9, '["value"]'),
    ("SELECT c.a AS order FROM c", 14, "keyword"),
    ("SELECT * FROM c WHERE (c.a = 1", 30, "parenthesis"),
    ("SELECT * FROM c WHERE c.a = 1)", 29, "end of the query"),
    ("SELECT * FROM c ORDER c.a", 22, "BY"),
    ("SELECT * FROM c ORDER BY c.a + 1", 25, "properties"),
    ("SELECT VALUE t FROM c JOIN t IN c.tags ORDER BY t", 48, "JOIN"),
    ("SELECT * FROM c OFFSET 1", 24, "LIMIT"),
    ("SELECT * FROM c OFFSET 1.5 LIMIT 2", 23, "whole number"),
    ("SELECT TOP -1 * FROM c", 11, "whole number"),
    ("SELECT TOP 1 * FROM c OFFSET 1 LIMIT 1", 13, "together"),
    ("SELECT nosuch(c.a) FROM c", 7, "nosuch"),
    ("SELECT LEFT(c.a) FROM c", 7, "LEFT takes 2 arguments, not 1"),
    ("SELECT COUNT() FROM c", 7, "COUNT takes 1"),
    ("SELECT COUNT(SUM(c.a)) FROM c", 7, "another aggregate"),
    ("SELECT * FROM c WHERE COUNT(1) > 1", 22, "only after SELECT"),
    ("SELECT c.a, COUNT(1) FROM c", 7, "c.a is neither"),
    ("SELECT c.a FROM c GROUP BY c.b", 7, "c.a is neither"),
    ("SELECT * FROM c GROUP BY c.b", 7, "neither"),
    ("SELECT c.a FROM c GROUP BY c.a ORDER BY c.a", 7, "GROUP BY and ORDER BY"),
    ("SELECT * FROM c JOIN t IN c.t", 7, "one input"),
    ("SELECT VALUE 1 FROM c JOIN c IN c.t", 27, "twice"),
    ("SELECT VALUE 1 FROM c JOIN a IN b.t JOIN b IN c.t", 32, "b is not known"),
    ("SELECT VALUE udf.f(c) FROM c", 13, "User-defined"),
    ("SELECT VALUE 1e999", 13, "too large"),
    ("SELECT VALUE {a 1}", 16, ":"),
    ("SELECT VALUE c.a NOT 1 FROM c", 21, "IN, BETWEEN or LIKE"),
    ("SELECT VALUE c.a BETWEEN 1 FROM c", 27, "AND"),
    ("SELECT VALUE c.a ? 1 FROM c", 21, ":"),
    ("SELECT VALUE EXISTS(c.a) FROM c", 20, "SELECT"),
    ("SELECT VALUE '\ud800'", 14, "surrogate"),
]


@pytest.mark.parametrize(("text", "offset", "word"), REFUSED, ids=[repr(text) for text, _, _ in REFUSED])
def test_a_malformed_query_is_refused_at_the_place(text: str, offset: int, word: str) -> None:
    with pytest.raises(SqlError) as refused:
        parse(text)
    assert word in refused.value.message
    assert refused.value.offset == offset


def test_the_position_counts_lines_and_columns_from_one() -> None:
    with pytest.raises(SqlError, match=r"\(line 3, column 7\)") as refused:
        parse("SELECT *\nFROM c\nWHERE ?")
    assert (refused.value.line, refused.value.column, refused.value.offset) == (3, 7, 22)


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("a.x OR a.y AND NOT a.z = 1", "(a.x OR (a.y AND (NOT (a.z = 1))))"),
        ("a.x & 2 = 2", "((a.x & 2) = 2)"),
        ("1 | 2 ^ 3 & 4 << 1 + 1", "(1 | (2 ^ (3 & (4 << (1 + 1)))))"),
        ("-a.x * 2", "((-a.x) * 2)"),
        ("a.x ?? a.y ?? 1", "((a.x ?? a.y) ?? 1)"),
        ("a.x = 1 ? 2 : a.y ? 3 : 4", "((a.x = 1) ? 2 : (a.y ? 3 : 4))"),
        ("a.x < 1 AND a.x BETWEEN 1 AND 2 AND true", "((a.x < 1) AND (a.x BETWEEN 1 AND 2) AND true)"),
        ("a.x LIKE 'a' || '%' ESCAPE '!'", '(a.x LIKE ("a" || "%") ESCAPE "!")'),
        ("a.x <> 1", "(a.x != 1)"),
        ("a['x y'].z[0]", 'a["x y"].z[0]'),
        ("starts_with", None),
        ("startswith(a.x, 'b', TRUE)", 'STARTSWITH(a.x, "b", true)'),
        ("'it''s'", None),
        ("0xFF + .5 + 1e3", "((255 + 0.5) + 1000)"),
        ('a["x"][("x")][(@p)]', 'a.x[("x")][@p]'),
        ('"\\u00e9\\ud83d\\ude00\\n"', '"é😀\\n"'),
    ],
)
def test_operators_bind_as_they_should(written: str, understood: str | None) -> None:
    text = f"SELECT VALUE {written} FROM a"
    if understood is None:
        with pytest.raises(SqlError):
            parse(text)
    else:
        assert printed(parse(text).select) == f"SELECT VALUE {understood}\nFROM a"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT VALUE " + "[" * 5000 + "]" * 5000,
        "SELECT VALUE " + "{a:" * 5000 + "1" + "}" * 5000,
        "SELECT VALUE " + "- " * 5000 + "1",
        "SELECT VALUE " + "NOT " * 5000 + "true",
        "SELECT VALUE " + "1 + " * 5000 + "1",
        "SELECT VALUE " + "true ? 1 : " * 5000 + "1",
        "SELECT VALUE " + "(SELECT VALUE " * 2000 + "1" + ")" * 2000,
        "SELECT VALUE " + "ABS(" * 5000 + "1" + ")" * 5000,
        "SELECT VALUE c" + ".a" * 5000 + " FROM c",
        "SELECT * FROM c" + ".a" * 5000,
        "SELECT * FROM " + "(SELECT VALUE 1 FROM " * 3000,
        "SELECT VALUE '" + "x" * 600_000 + "'",
    ],
    ids=lambda text: text[13:30],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(SqlError):
        parse(text)


def test_the_limit_of_nesting_is_the_same_wherever_it_is_called_from() -> None:
    parse("SELECT VALUE " + "(" * 90 + "1" + ")" * 90)
    with pytest.raises(SqlError, match="100 levels") as refused:
        parse("SELECT VALUE " + "(" * 120 + "1" + ")" * 120)
    assert 13 + 90 < refused.value.offset <= 13 + 100


def test_a_query_that_is_called_from_deep_inside_is_still_only_refused() -> None:
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            with pytest.raises(SqlError, match="nested"):
                parse("SELECT VALUE " + "(" * 90 + "1" + ")" * 90)

    deep(sys.getrecursionlimit() - len(inspect.stack()) - 150)


def test_long_lists_are_not_deep() -> None:
    alternatives = " OR ".join(f"c.id = '{number}'" for number in range(3000))
    documents = [{"id": "2999"}, {"id": "3000"}]
    assert run(parse(f"SELECT VALUE c.id FROM c WHERE {alternatives}"), {}, documents) == ["2999"]
    members = ", ".join(map(str, range(10_000)))
    assert run(parse(f"SELECT VALUE 9999 IN ({members})"), {}, ()) == [True]


HEAP = """
SELECT VALUE * FROM c c.a WHERE AND NOT IN ( ) [ ] { } , . JOIN t AS GROUP BY ORDER OFFSET LIMIT TOP DISTINCT 1 2.5 'x'
@p = < + - || ? : ?? LIKE BETWEEN EXISTS ARRAY COUNT(1) ABS undefined --
"""
WORDS = st.sampled_from(HEAP.split())
DOCUMENTS = [{"id": "1", "a": 1, "t": [1, "x", {}]}, {"id": "2", "a": "x"}, {"id": "3"}]


def survives(text: str) -> None:
    try:
        run(parse(text), {"@p": 1}, DOCUMENTS)
    except SqlError as refused:
        assert 0 <= refused.offset <= len(text)
        assert refused.line >= 1 and refused.column >= 1


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_either_a_query_or_refused(text: str) -> None:
    survives(text)
    survives(f"SELECT VALUE {text} FROM c")


@settings(max_examples=800, deadline=None)
@given(st.lists(WORDS, max_size=20))
def test_any_heap_of_words_is_either_a_query_or_refused(words: list[str]) -> None:
    survives(" ".join(words))
    survives("SELECT * FROM c WHERE " + " ".join(words))
    survives("SELECT VALUE " + " ".join(words) + " FROM c")


NAMES = st.sampled_from(["c", "name", "end", "x_1", "value", "two words", "é", "$x", ""])
LITERALS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 10**9), st.floats(-1e9, 1e9, allow_subnormal=False), st.text(max_size=5)
).filter(lambda value: not isinstance(value, float) or not value.is_integer())


def nested(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    pair = st.tuples(inner, inner)
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    operators = st.sampled_from(["=", "!=", "<", ">=", "+", "-", "*", "%", "||", "&", ">>>", "??"])
    return st.one_of(
        st.builds(Member, inner, NAMES),
        st.builds(Index, inner, inner),
        st.builds(Unary, st.sampled_from(["NOT", "+", "-", "~"]), inner),
        st.builds(Binary, operators, inner, inner),
        st.builds(Conditional, inner, inner, inner),
        st.builds(Between, inner, inner, inner),
        st.builds(In, inner, several),
        st.builds(Like, inner, inner, st.none() | inner),
        pair.map(lambda two: Call("CONTAINS", two)),
        st.builds(ArrayLiteral, st.just(()) | several),
        st.lists(st.tuples(st.text(max_size=3), inner), max_size=3).map(lambda found: ObjectLiteral(tuple(found))),
        inner.map(lambda found: Subquery("EXISTS", Select(Value(found)))),
        inner.map(lambda found: Subquery("", Select(Value(found)))),
    )


EXPRESSIONS = st.recursive(
    st.builds(Literal, LITERALS)
    | st.just(Name("c"))
    | st.just(UndefinedLiteral())
    | st.sampled_from(["@a", "@b1"]).map(Parameter),
    nested,
    max_leaves=12,
)
PATHS = st.lists(NAMES, max_size=3).map(lambda names: path_of(Name("c"), names))
SELECTS = st.builds(
    Select,
    projection=st.one_of(
        st.just(Star()),
        st.builds(Value, EXPRESSIONS),
        st.lists(st.builds(Column, EXPRESSIONS, st.just("n")), min_size=1, max_size=2).map(
            lambda columns: Columns(tuple(columns))
        ),
    ),
    distinct=st.booleans(),
    top=st.none() | st.just(Literal(3)),
    sources=st.sampled_from(
        [(Source("c", Container("c"), False),), (Source("c", Member(Container("root"), "two words"), True),)]
    ),
    where=st.none() | EXPRESSIONS,
    order_by=st.just(()),
)


def path_of(source: Expression, names: list[str]) -> Expression:
    for name in names:
        source = Member(source, name)
    return source


@settings(max_examples=500, deadline=None)
@given(SELECTS)
def test_what_is_printed_reads_as_the_same_query(select: Select) -> None:
    assert parse(printed(select)).select == select


@given(st.lists(st.builds(OrderItem, PATHS, st.booleans()), min_size=1, max_size=3))
def test_orders_are_printed_and_read_again(items: list[OrderItem]) -> None:
    sources = (Source("c", Container("c"), False),)
    ordered = Select(Star(), sources=sources, order_by=tuple(items), offset=Literal(0), limit=Parameter("@n"))
    assert parse(printed(ordered)).select == ordered


def test_groups_and_joins_are_printed_and_read_again() -> None:
    text = (
        'SELECT DISTINCT c.a, COUNT(1) AS n, {"x": SUM(t.b)} AS o\nFROM root AS c\nJOIN t IN c.items\n'
        "JOIN (SELECT VALUE u\nFROM u IN t.us) AS w\nWHERE (c.a > 1)\nGROUP BY c.a\nOFFSET 1 LIMIT 2"
    )
    assert printed(parse(text).select) == text
