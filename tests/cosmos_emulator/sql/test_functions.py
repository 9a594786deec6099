"""The functions of the language; most examples say what the service's documentation says."""

from typing import Any

import pytest

from mystira.cosmos_emulator.sql import parse, run
from mystira.cosmos_emulator.sql.functions import FUNCTIONS

# Written in queries as they are written here; `nothing` is undefined.
NOTHING = object()
EXAMPLES: dict[str, dict[str, Any]] = {
    "strings": {
        "CONCAT('abc', 'def', 'g')": "abcdefg",
        "CONCAT('a', 1)": NOTHING,
        "CONTAINS('abc', 'BC')": False,
        "CONTAINS('abc', 'BC', true)": True,
        "CONTAINS(c.none, 'a')": NOTHING,
        "startsWith('abc', 'A', true)": True,
        "STARTSWITH('abc', 'b')": False,
        "ENDSWITH('abc', 'BC', false)": False,
        "ENDSWITH('abc', 'BC', true)": True,
        "INDEX_OF('abcb', 'b')": 1,
        "INDEX_OF('abcb', 'b', 2)": 3,
        "INDEX_OF('abc', 'x')": -1,
        "LEFT('abc', 1)": "a",
        "LEFT('abc', -1)": "",
        "RIGHT('abc', 2)": "bc",
        "RIGHT('abc', 0)": "",
        "LENGTH('äöü')": 3,
        "LENGTH(5)": NOTHING,
        "LOWER('ABC') || UPPER('d')": "abcD",
        "LTRIM('  abc ')": "abc ",
        "RTRIM('  abc ')": "  abc",
        "TRIM('  abc ')": "abc",
        "LTRIM('---abc', '-')": "abc",
        "REPLACE('This is a Test', 'Test', 'desk')": "This is a desk",
        "REPLACE('abc', '', 'x')": "abc",
        "REPLICATE('a', 3)": "aaa",
        "REPLICATE('a', -1)": NOTHING,
        "REPLICATE('abcdefghij', 1001)": NOTHING,
        "REVERSE('Abc')": "cbA",
        "SUBSTRING('abc', 1, 1)": "b",
        "SUBSTRING('abc', 1, 100)": "bc",
        "SUBSTRING('abc', 9, 1)": "",
        "StringEquals('abc', 'aBC', true)": True,
        "STRING_EQUALS('abc', 'aBC')": False,
        "RegexMatch('abcd', 'BC')": False,
        "RegexMatch('abcd', 'B C', 'ix')": True,
        "RegexMatch('abcd', '(')": NOTHING,
        "RegexMatch('abcd', 'a', 'q')": NOTHING,
        "StringJoin(['a', 'b'], '-')": "a-b",
        "StringJoin(['a', 1], '-')": NOTHING,
        "StringSplit('a,b,c', ',')": ["a", "b", "c"],
        "'abc' LIKE 'a%'": True,
        "'abc' LIKE '_b_'": True,
        "'abc' LIKE 'b'": False,
        "'a.c' LIKE 'a.c' AND NOT 'abc' LIKE 'a.c'": True,
        "'b5' LIKE '[a-c][^0-4]'": True,
        "'50%' LIKE '50!%' ESCAPE '!'": True,
        "'500' LIKE '50!%' ESCAPE '!'": False,
        "5 LIKE '5'": NOTHING,
        "'a' || 1": NOTHING,
    },
    "arrays": {
        "ARRAY_CONCAT([1], [2, 3], [])": [1, 2, 3],
        "ARRAY_CONCAT([1], 2)": NOTHING,
        "ARRAY_CONTAINS(c.list, 2)": True,
        "ARRAY_CONTAINS(c.list, '2')": False,
        "ARRAY_CONTAINS([{a: 1, b: 2}], {a: 1})": False,
        "ARRAY_CONTAINS([{a: 1, b: 2}], {a: 1}, true)": True,
        "ARRAY_CONTAINS([{a: {x: 1, y: 2}}], {a: {x: 1}}, true)": True,
        "ARRAY_CONTAINS([1], c.none)": NOTHING,
        "ARRAY_CONTAINS_ANY(c.list, 7, 2)": True,
        "ARRAY_CONTAINS_ALL(c.list, 1, 7)": False,
        "ARRAY_CONTAINS_ALL(c.list, 1, 2)": True,
        "ARRAY_LENGTH(c.list)": 3,
        "ARRAY_LENGTH('abc')": NOTHING,
        "ARRAY_SLICE(['a', 'b', 'c'], 1)": ["b", "c"],
        "ARRAY_SLICE(['a', 'b', 'c'], -2, 1)": ["b"],
        "ARRAY_SLICE(['a', 'b', 'c'], 0, 12)": ["a", "b", "c"],
        "ARRAY_SLICE(['a', 'b'], -9)": ["a", "b"],
        "SetIntersect([1, 2, 3, 2], [2, 3, 4])": [2, 3],
        "SetUnion([1, 2, 2], [3, 1])": [1, 2, 3],
        "SetUnion([1], [true])": [1, True],
        "ObjectToArray({a: 1, b: 2})": [{"k": "a", "v": 1}, {"k": "b", "v": 2}],
        "ObjectToArray({a: 1}, 'name', 'value')": [{"name": "a", "value": 1}],
        "[1, c.none, 2]": [1, 2],
        "c.list[1]": 2,
        "c.list[9]": NOTHING,
        "c.list['x']": NOTHING,
        "{a: c.none, b: 1}": {"b": 1},
        "c['object']['x y']": 5,
    },
    "choices": {
        "CHOOSE(2, 'a', 'b')": "b",
        "CHOOSE(3, 'a', 'b')": NOTHING,
        "IIF(true, 1, 2)": 1,
        "IIF(42, 1, 2)": 2,
        "IIF(c.none, 1, 2)": 2,
        "COALESCE(c.none, null, 1)": None,
        "c.none ?? 'other'": "other",
        "null ?? 'other'": None,
        "c.none = 1 ? 'a' : 'b'": "b",
    },
    "types": {
        "IS_ARRAY([])": True,
        "IS_BOOL(false)": True,
        "IS_BOOL(0)": False,
        "IS_DEFINED(c.none)": False,
        "IS_DEFINED(null)": True,
        "IS_NULL(null)": True,
        "IS_NULL(c.none)": False,
        "IS_NUMBER(1.5)": True,
        "IS_NUMBER(true)": False,
        "IS_INTEGER(1)": True,
        "IS_INTEGER(1.5)": False,
        "IS_OBJECT({})": True,
        "IS_PRIMITIVE('a')": True,
        "IS_PRIMITIVE([])": False,
        "IS_STRING(1)": False,
    },
    "numbers": {
        "1 + 2 * 3": 7,
        "4 / 2": 2,
        "1 / 0": NOTHING,
        "-7 % 3": -1,
        "7.5 % 2": 1.5,
        "1 + 'a'": NOTHING,
        "1 + true": NOTHING,
        "9007199254740993 + 0 = 9007199254740992": True,
        "1e300 * 1e300": NOTHING,
        "6 & 3": 2,
        "6 | 3": 7,
        "6 ^ 3": 5,
        "~0": -1,
        "1 << 31": -(2**31),
        "-8 >> 1": -4,
        "-1 >>> 28": 15,
        "ABS(-1)": 1,
        "CEILING(1.2)": 2,
        "FLOOR(-1.2)": -2,
        "ROUND(2.5)": 3,
        "ROUND(-2.5)": -3,
        "ROUND(2.4)": 2,
        "SQRT(9)": 3,
        "SQRT(-1)": NOTHING,
        "SQUARE(3)": 9,
        "POWER(2, 10)": 1024,
        "POWER(10, 10000)": NOTHING,
        "EXP(0)": 1,
        "LOG(1)": 0,
        "LOG(8, 2)": 3,
        "LOG(0)": NOTHING,
        "LOG10(100)": 2,
        "SIGN(-3)": -1,
        "TRUNC(-1.7)": -1,
        "PI() > 3.14 AND PI() < 3.15": True,
        "SIN(0) + TAN(0)": 0,
        "COS(0)": 1,
        "ATN2(0, 1)": 0,
        "ROUND(DEGREES(PI()))": 180,
        "IntAdd(1, 2)": 3,
        "IntAdd(1.5, 2)": NOTHING,
        "IntAdd(9223372036854775807, 1)": NOTHING,
        "IntDiv(-7, 2)": -3,
        "IntDiv(1, 0)": NOTHING,
        "IntMod(-7, 2)": -1,
        "IntMul(3, 4) - IntSub(3, 4)": 13,
        "IntBitLeftShift(1, 3)": 8,
        "IntBitNot(0)": -1,
        "NumberBin(42, 5)": 40,
        "NumberBin(37.9)": 37,
        "RAND() >= 0 AND RAND() < 1": True,
    },
    "conversions": {
        "ToString(1.0000)": "1",
        "ToString(1.5)": "1.5",
        "ToString('a')": "a",
        "ToString(true)": "true",
        "ToString(null)": "null",
        "ToString([1, 'a', {b: null}])": '[1,"a",{"b":null}]',
        "ToString(c.none)": NOTHING,
        "StringToNumber(' -1.50e1 ')": -15,
        "StringToNumber('0x10')": NOTHING,
        "StringToNumber('NaN')": NOTHING,
        "StringToNumber('1e999')": NOTHING,
        "StringToNumber('5 apples')": NOTHING,
        "StringToBoolean(' true ')": True,
        "StringToBoolean('True')": NOTHING,
        "StringToNull('null')": None,
        "StringToNull('1')": NOTHING,
        "StringToArray('[1, \"a\", [true]]')": [1, "a", [True]],
        "StringToArray(\"['a']\")": NOTHING,
        "StringToObject('{\"a\": [1]}')": {"a": [1]},
        "StringToObject('[1]')": NOTHING,
        "StringToNumber(5)": NOTHING,
    },
    "dates": {
        "GetCurrentDateTime()": "2026-03-01T12:00:00.0000000Z",
        "GetCurrentTimestamp()": 1772366400000,
        "GetCurrentTicks()": 17723664000000000,
        "GetCurrentTicksStatic() - GetCurrentTicks()": 0,
        "DateTimeAdd('mm', 1, '2020-01-31T10:00:00Z')": "2020-02-29T10:00:00.0000000Z",
        "DateTimeAdd('yyyy', -1, '2020-02-29T10:00:00Z')": "2019-02-28T10:00:00.0000000Z",
        "DateTimeAdd('hh', 20, '2020-12-31T10:00:00.1234567Z')": "2021-01-01T06:00:00.1234567Z",
        "DateTimeAdd('ns', 150, '2020-07-03T00:00:00.0000000Z')": "2020-07-03T00:00:00.0000001Z",
        "DateTimeAdd('xx', 1, '2020-01-31T10:00:00Z')": NOTHING,
        "DateTimeAdd('yyyy', 9000, '2020-01-31T10:00:00Z')": NOTHING,
        "DateTimeAdd('dd', 1, 'tomorrow')": NOTHING,
        "DateTimeDiff('day', '2020-01-01T01:02:03.1234527Z', '2020-01-03T01:02:03.1234567Z')": 2,
        "DateTimeDiff('yyyy', '2019-02-04T16:00:00.0000000', '2018-03-05T05:00:00.0000000')": -1,
        "DateTimeDiff('mm', '2019-02-04T16:00:00.0000000', '2018-03-05T05:00:00.0000000')": -11,
        "DateTimeDiff('year', '2019-12-31T23:59:59Z', '2020-01-01T00:00:00Z')": 1,
        "DateTimePart('m', '2020-01-02T03:04:05.6789123Z')": 1,
        "DateTimePart('mcs', '2020-01-02T03:04:05.6789123Z')": 678912,
        "DateTimePart('ns', '2020-01-02T03:04:05.6789123Z')": 678912300,
        "DateTimePart('hh', '1960-01-02T03:04:05Z')": 3,
        "DateTimeToTimestamp('2020-07-09T23:20:13.4575530Z')": 1594336813457,
        "DateTimeToTicks('1970-01-01T00:00:01Z')": 10000000,
        "DateTimeToTimestamp('1970-01-01T02:00:00+02:00')": 0,
        "DateTimeToTimestamp('2020-02-30T00:00:00Z')": NOTHING,
        "TimestampToDateTime(1594227912345)": "2020-07-08T17:05:12.3450000Z",
        "TicksToDateTime(15943368134575530)": "2020-07-09T23:20:13.4575530Z",
        "TimestampToDateTime(1e300)": NOTHING,
        "DateTimeFromParts(2020, 9, 4)": "2020-09-04T00:00:00.0000000Z",
        "DateTimeFromParts(2017, 4, 20, 13, 15, 20, 3456789)": "2017-04-20T13:15:20.3456789Z",
        "DateTimeFromParts(2020, 13, 4)": NOTHING,
        "DATETIMEBIN('2021-01-08T18:35:00.0000000', 'dd')": "2021-01-08T00:00:00.0000000Z",
        "DATETIMEBIN('2021-01-08T18:35:00.0000000', 'hh', 5)": "2021-01-08T15:00:00.0000000Z",
        "DATETIMEBIN('2021-01-08T18:35:00.0000000', 'dd', 7)": "2021-01-07T00:00:00.0000000Z",
        "DATETIMEBIN('2021-01-08T18:35:00Z', 'dd', 7, '1601-01-01')": "2021-01-04T00:00:00.0000000Z",
    },
}
DOCUMENT = {"list": [1, 2, {"x": 1}], "object": {"x y": 5}}
CASES = [(text, expected) for examples in EXAMPLES.values() for text, expected in examples.items()]


def evaluated(text: str) -> Any:
    found = run(parse(f"SELECT VALUE {text} FROM c"), {}, [DOCUMENT], ticks=17723664000000000)
    return found[0] if found else NOTHING


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_a_function_gives_what_is_documented(text: str, expected: Any) -> None:
    found = evaluated(text)
    assert found is NOTHING if expected is NOTHING else (type(found), found) == (type(expected), expected)


def test_every_function_has_an_example() -> None:
    examples = " ".join(text for text, _ in CASES).lower()
    rare = {"acos", "asin", "atan", "cot", "radians", "is_finite_number"}
    rare |= {name for name in FUNCTIONS if name.startswith("intbit") or name.endswith("static")}
    assert {name for name in FUNCTIONS if f"{name}(" not in examples} <= rare


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_function_stumbles_over_any_kind_of_argument(name: str) -> None:
    samples = [
        "c.none",
        "null",
        "true",
        "-1",
        "0",
        "1.5",
        "1e308",
        "''",
        "'abc'",
        "'2020-01-01'",
        "[]",
        "[1, 'a']",
        "{}",
    ]
    function = FUNCTIONS[name]
    for count in range(5):
        if not function.takes(count):
            continue
        for turn in range(len(samples) * 3):
            arguments = ", ".join(
                samples[(turn * (place * 2 + 1) + place * turn // 3) % len(samples)] for place in range(count)
            )
            evaluated(f"{name}({arguments})")


def test_texts_and_arrays_cannot_be_blown_up() -> None:
    grown = "REPLICATE('a', 10000)"
    for _ in range(3):
        grown = f"REPLACE({grown}, 'a', {grown})"
    assert evaluated(f"LENGTH({grown})") is NOTHING
    doubled = "SELECT VALUE [1, 2, 3, 4]"
    for level in range(30):
        doubled = f"SELECT VALUE ARRAY_CONCAT(x{level}, x{level}) FROM ({doubled}) AS x{level}"
    assert run(parse(doubled), {}, ()) == []
