"""What Python knows of numbers, texts, lists and sorting, the query language has to say as well."""

import math
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mystira.cosmos_emulator.sql import parse, run

NUMBERS = st.integers(-(2**31), 2**31) | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 99)}, optional={"v": VALUES, "w": SCALARS, "t": st.lists(SCALARS, max_size=3)}
    ),
    max_size=8,
)
NOTHING = object()


def value(text: str, **parameters: Any) -> Any:
    found = run(parse(f"SELECT VALUE {text}"), {f"@{name}": given for name, given in parameters.items()}, ())
    return found[0] if found else NOTHING


def same(left: Any, right: Any) -> bool:
    """Equality of JSON, written independently: by a text in which true is not 1 and 1 is 1.0."""
    return written(left) == written(right)


def written(found: Any) -> str:
    if isinstance(found, bool) or found is None:
        return str(found)
    if isinstance(found, int | float):
        return str(Fraction(found))
    if isinstance(found, str):
        return repr(found)
    if isinstance(found, list):
        return "[" + ",".join(map(written, found)) + "]"
    return "{" + ",".join(f"{name!r}:{written(found[name])}" for name in sorted(found)) + "}"


@given(NUMBERS, NUMBERS)
def test_arithmetic_is_that_of_doubles(a: float, b: float) -> None:
    assert value("@a + @b", a=a, b=b) == float(a) + float(b)
    assert value("@a - @b", a=a, b=b) == float(a) - float(b)
    assert math.isclose(value("@a * @b", a=a, b=b), float(a) * float(b))
    if b:
        assert math.isclose(value("@a / @b", a=a, b=b), a / b)
        assert value("@a % @b", a=a, b=b) == math.fmod(a, b)
    assert (value("@a < @b", a=a, b=b), value("@a >= @b", a=a, b=b)) == (a < b, a >= b)


@given(VALUES, VALUES)
def test_equality_is_deep_and_knows_types(a: Any, b: Any) -> None:
    assert value("@a = @b", a=a, b=b) is same(a, b)
    assert value("@a != @b", a=a, b=b) is not same(a, b)
    assert value("@a = @a", a=a) is True
    assert value("@a IN (@b, 1, null)", a=a, b=b) is (same(a, b) or same(a, 1) or a is None)
    assert value("ARRAY_CONTAINS(@l, @a)", a=a, l=[b, 1]) is (same(a, b) or same(a, 1))


@given(st.text(), st.text(max_size=3), st.integers(0, 12), st.integers(0, 12))
def test_texts_are_cut_and_searched_as_in_python(text: str, part: str, start: int, length: int) -> None:
    assert value("CONTAINS(@t, @p)", t=text, p=part) is (part in text)
    assert value("STARTSWITH(@t, @p)", t=text, p=part) is text.startswith(part)
    assert value("INDEX_OF(@t, @p)", t=text, p=part) == text.find(part)
    assert value("SUBSTRING(@t, @a, @b)", t=text, a=start, b=length) == text[start : start + length]
    assert value("LEFT(@t, @a) || RIGHT(@t, LENGTH(@t) - @a)", t=text, a=min(start, len(text))) == text
    assert value("REVERSE(REVERSE(@t))", t=text) == text
    assert value("@t < @p", t=text, p=part) is (text < part)


@given(st.text("ab%_", max_size=6), st.text("ab%_", max_size=6))
def test_like_agrees_with_a_matcher_written_out(text: str, pattern: str) -> None:
    def fits(at: int, of: int) -> bool:
        if of == len(pattern):
            return at == len(text)
        if pattern[of] == "%":
            return any(fits(later, of + 1) for later in range(at, len(text) + 1))
        return at < len(text) and pattern[of] in ("_", text[at]) and fits(at + 1, of + 1)

    assert value("@t LIKE @p", t=text, p=pattern) is fits(0, 0)


def rank(found: Any) -> tuple[int, Any]:
    """The order of the service: undefined, null, booleans, numbers, texts."""
    if found is NOTHING:
        return 0, 0
    if found is None:
        return 1, 0
    if isinstance(found, bool):
        return 2, found
    return (4, found) if isinstance(found, str) else (3, found)


@settings(deadline=None)
@given(DOCUMENTS, st.booleans(), st.booleans())
def test_orders_are_those_of_sorted(documents: list[dict[str, Any]], first: bool, second: bool) -> None:
    ways = ["DESC" if down else "ASC" for down in (first, second)]
    found = run(parse(f"SELECT * FROM c ORDER BY c.w {ways[0]}, c.id {ways[1]}"), {}, documents)
    expected = sorted(documents, key=lambda each: each["id"], reverse=second)
    expected.sort(key=lambda each: rank(each.get("w", NOTHING)), reverse=first)
    assert found == expected


@settings(deadline=None)
@given(DOCUMENTS, SCALARS)
def test_conditions_filter_as_a_comprehension_does(documents: list[dict[str, Any]], wanted: Any) -> None:
    def ids(condition: str) -> list[int]:
        return run(parse(f"SELECT VALUE c.id FROM c WHERE {condition}"), {"@w": wanted}, documents)

    has = [each for each in documents if "w" in each]
    assert ids("c.w = @w") == [each["id"] for each in has if same(each["w"], wanted)]
    assert ids("NOT (c.w = @w)") == [each["id"] for each in has if not same(each["w"], wanted)]
    assert ids("NOT IS_DEFINED(c.w)") == [each["id"] for each in documents if "w" not in each]
    assert ids("c.w < @w OR c.w > @w OR c.w = @w") == [
        each["id"] for each in has if rank(each["w"])[0] == rank(wanted)[0]
    ]
    assert ids("EXISTS(SELECT VALUE t FROM t IN c.t WHERE t = @w)") == [
        each["id"] for each in documents if any(same(item, wanted) for item in each.get("t", []))
    ]


@settings(deadline=None)
@given(DOCUMENTS)
def test_groups_and_doubles_are_those_of_a_dictionary(documents: list[dict[str, Any]]) -> None:
    groups: dict[str, int] = {}
    for each in documents:
        key = written(each["w"]) if "w" in each else "-"
        groups[key] = groups.get(key, 0) + 1
    found = run(parse("SELECT c.w, COUNT(1) AS n FROM c GROUP BY c.w"), {}, documents)
    assert {(written(each["w"]) if "w" in each else "-"): each["n"] for each in found} == groups
    distinct = run(parse("SELECT DISTINCT VALUE c.v FROM c"), {}, documents)
    assert [written(each) for each in distinct] == list(
        dict.fromkeys(written(each["v"]) for each in documents if "v" in each)
    )


@settings(deadline=None)
@given(DOCUMENTS)
def test_joins_are_nested_loops(documents: list[dict[str, Any]]) -> None:
    found = run(parse("SELECT c.id, t, u FROM c JOIN t IN c.t JOIN u IN c.t"), {}, documents)
    assert found == [{"id": c["id"], "t": t, "u": u} for c in documents for t in c.get("t", []) for u in c.get("t", [])]


@settings(deadline=None)
@given(st.lists(NUMBERS), st.integers(0, 5), st.integers(0, 5))
def test_aggregates_and_cuts_are_those_of_lists(numbers: list[float], skip: int, take: int) -> None:
    documents = [{"n": number} for number in numbers]

    def one(text: str) -> Any:
        found = run(parse(f"SELECT VALUE {text} FROM c"), {}, documents)
        return found[0] if found else NOTHING

    assert one("COUNT(c.n)") == len(numbers)
    assert math.isclose(one("SUM(c.n)"), sum(numbers), abs_tol=1e-6)
    assert (one("MIN(c.n)"), one("MAX(c.n)")) == ((min(numbers), max(numbers)) if numbers else (NOTHING, NOTHING))
    if numbers:
        assert math.isclose(one("AVG(c.n)"), sum(numbers) / len(numbers), abs_tol=1e-6)
    cut = run(parse("SELECT VALUE c.n FROM c ORDER BY c.n OFFSET @s LIMIT @t"), {"@s": skip, "@t": take}, documents)
    assert cut == sorted(numbers)[skip : skip + take]
