"""Whole queries, as the documentation of the service describes them."""

from pathlib import Path
from typing import Any

import pytest

from mystira.cosmos_emulator import sql
from mystira.cosmos_emulator.sql import SqlError, matches, parse, parse_condition, run

FAMILIES: list[dict[str, Any]] = [
    {
        "id": "Andersen",
        "lastName": "Andersen",
        "parents": [{"firstName": "Thomas"}, {"firstName": "Mary Kay"}],
        "children": [{"firstName": "Henriette", "gender": "female", "grade": 5, "pets": [{"givenName": "Fluffy"}]}],
        "address": {"state": "WA", "county": "King", "city": "Seattle"},
        "creationDate": 1431620472,
        "isRegistered": True,
    },
    {
        "id": "Wakefield",
        "parents": [{"familyName": "Wakefield", "givenName": "Robin"}, {"familyName": "Miller", "givenName": "Ben"}],
        "children": [
            {"familyName": "Merriam", "givenName": "Jesse", "gender": "female", "grade": 1, "pets": [{"n": "Goofy"}]},
            {"familyName": "Miller", "givenName": "Lisa", "gender": "female", "grade": 8},
        ],
        "address": {"state": "NY", "county": "Manhattan", "city": "NY"},
        "creationDate": 1431620462,
        "isRegistered": False,
    },
]
MIXED: list[dict[str, Any]] = [
    {"id": "number", "v": 2},
    {"id": "text", "v": "a"},
    {"id": "null", "v": None},
    {"id": "true", "v": True},
    {"id": "array", "v": [1]},
    {"id": "nothing"},
    {"id": "false", "v": False},
    {"id": "object", "v": {"a": 1}},
    {"id": "one", "v": 1.5},
]
SALES: list[dict[str, Any]] = [
    {"id": "1", "city": "Bergen", "kind": "book", "price": 10, "tags": ["a", "b"]},
    {"id": "2", "city": "Bergen", "kind": "book", "price": 20, "tags": ["b"]},
    {"id": "3", "city": "Oslo", "kind": "map", "price": 5, "tags": []},
    {"id": "4", "city": "Oslo", "kind": "book", "tags": ["c", "a"]},
    {"id": "5", "kind": "map", "price": "free"},
]

FAMILY_QUERIES: list[tuple[str, Any]] = [
    ("SELECT * FROM Families f WHERE f.id = 'Andersen'", FAMILIES[:1]),
    ("SELECT f.address.city FROM Families f WHERE f.address.city = f.address.state", [{"city": "NY"}]),
    (
        'SELECT {"Name": f.id, "City": f.address.city} AS Family FROM Families f WHERE f.address.state = "WA"',
        [{"Family": {"Name": "Andersen", "City": "Seattle"}}],
    ),
    ("SELECT VALUE f.address['state'] FROM f", ["WA", "NY"]),
    (
        "SELECT f.id, f.lastName ?? 'none' AS n FROM f",
        [{"id": "Andersen", "n": "Andersen"}, {"id": "Wakefield", "n": "none"}],
    ),
    ("SELECT f.lastName FROM f", [{"lastName": "Andersen"}, {}]),
    ("SELECT VALUE f.lastName FROM f", ["Andersen"]),
    ("SELECT VALUE c.grade FROM c IN Families.children", [5, 1, 8]),
    ("SELECT * FROM Families.address.state", ["WA", "NY"]),
    ("SELECT * FROM Families.children[0] c WHERE c.grade = 1", [FAMILIES[1]["children"][0]]),
    ("SELECT VALUE f.children[1].givenName FROM f", ["Lisa"]),
    ("SELECT COUNT(child) AS n FROM child IN Families.children", [{"n": 3}]),
    ("SELECT f.id FROM Families f JOIN f.children", [{"id": "Andersen"}, {"id": "Wakefield"}]),
    (
        "SELECT f.id, c.grade FROM f JOIN c IN f.children WHERE c.grade < 6",
        [{"id": "Andersen", "grade": 5}, {"id": "Wakefield", "grade": 1}],
    ),
    (
        "SELECT p.givenName ?? p.n AS pet FROM f JOIN c IN f.children JOIN p IN c.pets",
        [{"pet": "Fluffy"}, {"pet": "Goofy"}],
    ),
    ("SELECT VALUE f.id FROM f ORDER BY f.address.city DESC", ["Andersen", "Wakefield"]),
    ("SELECT VALUE f.id FROM f ORDER BY f.creationDate", ["Wakefield", "Andersen"]),
    ("SELECT VALUE f.id FROM f WHERE NOT f.isRegistered", ["Wakefield"]),
    ("SELECT VALUE c.grade > 4 ? 'high' : 'low' FROM c IN f.children", ["high", "low", "high"]),
    ("SELECT VALUE EXISTS(SELECT VALUE c FROM c IN f.children WHERE c.grade > 7) FROM f", [False, True]),
    ("SELECT VALUE ARRAY(SELECT VALUE c.grade FROM c IN f.children) FROM f", [[5], [1, 8]]),
    ("SELECT VALUE (SELECT VALUE COUNT(1) FROM c IN f.children WHERE c.gender = 'female') FROM f", [1, 2]),
    ("SELECT VALUE n FROM f JOIN (SELECT VALUE c.grade FROM c IN f.children WHERE c.grade > 4) AS n", [5, 8]),
    (
        "SELECT VALUE u.x FROM f JOIN u IN (SELECT VALUE [{x: 1, s: 'WA'}, {x: 2}]) WHERE u.s = f.address.state",
        [1],
    ),
    ("SELECT VALUE 1 + 1", [2]),
    ("SELECT 1 + 1, 'a' AS b, 2", [{"$1": 2, "b": "a", "$2": 2}]),
    ("SELECT VALUE [f.lastName, f.address.state] FROM f", [["Andersen", "WA"], ["NY"]]),
    ("select value f.id from f where f.id like '%field%' -- which of them\n /* or so */", ["Wakefield"]),
    ("SELECT VALUE f.id FROM f WHERE f.creationDate BETWEEN 1431620470 AND 1431620480", ["Andersen"]),
    ("SELECT VALUE f.id FROM f WHERE f.address.state NOT IN ('WA', 'CA')", ["Wakefield"]),
    ("SELECT VALUE f.id FROM f WHERE 'Mary Kay' IN (f.parents[0].firstName, f.parents[1].firstName)", ["Andersen"]),
]

SALES_QUERIES: list[tuple[str, Any]] = [
    ("SELECT VALUE COUNT(1) FROM c", [5]),
    ("SELECT VALUE COUNT(c.price) FROM c", [4]),
    ("SELECT VALUE SUM(c.price) FROM c WHERE c.city = 'Bergen'", [30]),
    ("SELECT VALUE AVG(c.price) FROM c WHERE c.city = 'Bergen'", [15]),
    ("SELECT VALUE SUM(c.price) FROM c", []),
    ("SELECT SUM(c.price) AS s, MAX(c.price) AS most, MIN(c.price) AS least FROM c", [{"most": "free", "least": 5}]),
    ("SELECT VALUE MAX(c.none) FROM c", []),
    ("SELECT COUNT(1) AS n, AVG(c.price) AS a FROM c WHERE false", [{"n": 0}]),
    ("SELECT VALUE COUNTIF(c.price > 5) FROM c", [2]),
    (
        "SELECT c.city, COUNT(1) AS n, SUM(c.price) AS total FROM c GROUP BY c.city",
        [{"city": "Bergen", "n": 2, "total": 30}, {"city": "Oslo", "n": 2, "total": 5}, {"n": 1}],
    ),
    (
        "SELECT c.kind, c.city FROM c WHERE IS_DEFINED(c.city) GROUP BY c.city, c.kind OFFSET 1 LIMIT 1",
        [{"kind": "map", "city": "Oslo"}],
    ),
    (
        "SELECT VALUE {k: UPPER(c.kind), mean: AVG(c.price) * 2} FROM c GROUP BY c.kind",
        [{"k": "BOOK", "mean": 30}, {"k": "MAP"}],
    ),
    (
        "SELECT LOWER(c.city) AS city, COUNT(1) AS n FROM c WHERE c.city != null GROUP BY lower(c.city)",
        [{"city": "bergen", "n": 2}, {"city": "oslo", "n": 2}],
    ),
    ("SELECT DISTINCT VALUE c.kind FROM c", ["book", "map"]),
    (
        "SELECT DISTINCT c.kind, c.city FROM c WHERE c.price < 100",
        [{"kind": "book", "city": "Bergen"}, {"kind": "map", "city": "Oslo"}],
    ),
    ("SELECT DISTINCT TOP 2 VALUE t FROM c JOIN t IN c.tags", ["a", "b"]),
    ("SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.city FROM c)", [2]),
    ("SELECT TOP 2 VALUE c.id FROM c ORDER BY c.price DESC", ["5", "2"]),
    ("SELECT TOP 0 * FROM c", []),
    ("SELECT VALUE c.id FROM c ORDER BY c.id DESC OFFSET 1 LIMIT 2", ["4", "3"]),
    ("SELECT VALUE c.id FROM c ORDER BY c.city, c.price DESC", ["5", "2", "1", "3", "4"]),
    ("SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.tags, 'a')", ["1", "4"]),
    (
        "SELECT t, COUNT(1) AS n FROM c JOIN t IN c.tags GROUP BY t",
        [{"t": "a", "n": 2}, {"t": "b", "n": 2}, {"t": "c", "n": 1}],
    ),
    ("SELECT VALUE COUNT(1) FROM c JOIN t IN c.tags JOIN u IN c.tags", [9]),
    (
        'SELECT c._rid, [{"item": c.price}] AS orderByItems, c.id AS payload FROM c '
        "WHERE ((c.kind = 'map') AND (true)) ORDER BY c.price",
        [{"orderByItems": [{"item": 5}], "payload": "3"}, {"orderByItems": [{"item": "free"}], "payload": "5"}],
    ),
    ('SELECT VALUE [{"item": {"sum": SUM(c.price), "count": COUNT(c.price)}}] FROM c', [[{"item": {"count": 4}}]]),
]


@pytest.mark.parametrize(("text", "expected"), FAMILY_QUERIES, ids=[text for text, _ in FAMILY_QUERIES])
def test_families_are_found_as_the_documentation_says(text: str, expected: Any) -> None:
    assert run(parse(text), {}, FAMILIES) == expected


@pytest.mark.parametrize(("text", "expected"), SALES_QUERIES, ids=[text for text, _ in SALES_QUERIES])
def test_sales_are_counted_and_grouped(text: str, expected: Any) -> None:
    assert run(parse(text), {}, SALES) == expected


def values(condition: str) -> list[str]:
    return run(parse(f"SELECT VALUE c.id FROM c WHERE {condition}"), {}, MIXED)


def test_each_type_has_its_place_in_an_order() -> None:
    expected = ["nothing", "null", "false", "true", "one", "number", "text", "array", "object"]
    assert run(parse("SELECT VALUE c.id FROM c ORDER BY c.v"), {}, MIXED) == expected
    assert run(parse("SELECT VALUE c.id FROM c ORDER BY c.v DESC"), {}, MIXED) == expected[::-1]


def test_types_that_differ_are_unequal_and_neither_less_nor_greater() -> None:
    assert values("c.v < 5") == ["number", "one"]
    assert values("c.v >= 'a'") == ["text"]
    assert values("c.v != 2") == ["text", "null", "true", "array", "false", "object", "one"]
    assert values("c.v = null") == ["null"]
    assert values("c.v <= null") == ["null"]
    assert values("c.v = [1]") == ["array"]
    assert values("c.v = {a: 1}") == ["object"]
    assert values("c.v = true") == ["true"]
    assert values("c.v = 1") == []


def test_logic_has_three_values() -> None:
    assert values("NOT (c.v > 1)") == []
    assert values("c.v OR c.id = 'text'") == ["text", "true"]
    assert values("NOT (c.v AND c.id = 'null')") == [each["id"] for each in MIXED if each["id"] != "null"]
    assert values("NOT c.v") == ["false"]
    assert values("c.none = c.none OR true") == [each["id"] for each in MIXED]
    assert values("undefined") == []


def test_parameters_stand_for_values_of_any_kind() -> None:
    text = "SELECT TOP @n VALUE c.id FROM c WHERE c.price IN (@a, @b) OR ARRAY_CONTAINS(@ids, c.id) ORDER BY c.id"
    found = run(parse(text), {"@n": 3, "@a": 5, "@b": 20, "@ids": ["5", "4", True]}, SALES)
    assert found == ["2", "3", "4"]
    paged = parse("SELECT VALUE c.id FROM c OFFSET @skip LIMIT @take")
    assert run(paged, {"@skip": 1, "@take": 2}, SALES) == ["2", "3"]
    assert run(parse("SELECT VALUE c[@name] FROM c"), {"@name": "city"}, SALES) == ["Bergen", "Bergen", "Oslo", "Oslo"]
    assert run(parse("SELECT VALUE @o.a[1]"), {"@o": {"a": [1, 2]}}, ()) == [2]


def test_true_is_not_one_in_a_list() -> None:
    documents = [{"v": 1}, {"v": True}, {"v": "1"}]
    assert [repr(found) for found in run(parse("SELECT VALUE c.v FROM c WHERE c.v IN (1)"), {}, documents)] == ["1"]
    found = run(parse("SELECT VALUE c.v FROM c WHERE ARRAY_CONTAINS([true], c.v)"), {}, documents)
    assert [repr(each) for each in found] == ["True"]
    assert len(run(parse("SELECT DISTINCT VALUE c.v FROM c"), {}, documents)) == 3


def test_one_is_one_point_nought_in_a_group() -> None:
    documents = [{"v": 1}, {"v": 1.0}, {"v": {"a": 1, "b": 2}}, {"v": {"b": 2, "a": 1}}, {"v": True}, {"v": "1"}]
    assert run(parse("SELECT VALUE COUNT(1) FROM c GROUP BY c.v"), {}, documents) == [2, 2, 1, 1]
    assert len(run(parse("SELECT DISTINCT VALUE c.v FROM c"), {}, documents)) == 4


def test_a_parameter_without_a_value_is_pointed_at() -> None:
    with pytest.raises(SqlError, match="@x") as refused:
        run(parse("SELECT *\nFROM c WHERE c.a = @x"), {}, SALES)
    assert (refused.value.line, refused.value.column) == (2, 20)


@pytest.mark.parametrize("value", [-1, 1.5, "2", None, True, 2**40])
def test_top_takes_whole_numbers_only(value: Any) -> None:
    with pytest.raises(SqlError, match="whole number"):
        run(parse("SELECT TOP @n * FROM c"), {"@n": value}, SALES)


def test_one_value_cannot_be_several() -> None:
    with pytest.raises(SqlError, match="ARRAY"):
        run(parse("SELECT VALUE (SELECT VALUE t FROM t IN c.tags) FROM c"), {}, SALES)


def test_rows_are_taken_only_as_far_as_they_are_asked_for() -> None:
    taken: list[int] = []

    def documents() -> Any:
        for number in range(1000):
            taken.append(number)
            yield {"n": number}

    assert run(parse("SELECT TOP 2 VALUE c.n FROM c WHERE c.n > 5"), {}, documents()) == [6, 7]
    assert len(taken) == 8


def test_a_condition_of_a_patch_says_whether_it_applies() -> None:
    condition = parse_condition("from c where c.price > 9 and c.city = 'Bergen'")
    assert [each["id"] for each in SALES if matches(condition, each)] == ["1", "2"]
    with pytest.raises(SqlError):
        parse_condition("SELECT * FROM c")
    with pytest.raises(SqlError):
        parse_condition("FROM c WHERE COUNT(1) = 1")


def test_the_example_of_the_readme_runs() -> None:
    readme = (Path(sql.__file__).parent / "README.md").read_text()
    exec(readme.split("```python")[1].split("```")[0], {})
