"""What the npm server and ours are both asked, and what the npm server is known to get wrong."""

from typing import Any, NamedTuple

from azure.core import MatchConditions

# What is asked of both servers: the name of the client's method, and what it is given.
Step = tuple[str, tuple[Any, ...], dict[str, Any]]


def step(method: str, *given: Any, **named: Any) -> Step:
    return method, given, named


class Etag(NamedTuple):
    """Stands for the version that an earlier step was answered with."""

    step: int

    def condition(self) -> dict[str, Any]:
        """Return what the client is given for If-Match."""
        return {"etag": self, "match_condition": MatchConditions.IfNotModified}


ITEM: dict[str, Any] = {"id": "1", "tenant": "a", "n": 1, "list": [1, 2], "deep": {"text": "Grüße 🌍"}}
OTHER: dict[str, Any] = {"id": "1", "tenant": "a", "n": 2}
CREATE = step("create_item", ITEM)
READ = step("read_item", "1", "a")


def patch(*operations: dict[str, Any], **named: Any) -> list[Step]:
    return [CREATE, step("patch_item", "1", "a", list(operations), **named), READ]


def batch(*operations: tuple[str, tuple[Any, ...]]) -> Step:
    return step("execute_item_batch", list(operations), "a")


STALE = [CREATE, step("upsert_item", OTHER)]
ITEMS: dict[str, list[Step]] = {
    "create and read": [CREATE, READ],
    "create twice": [CREATE, CREATE],
    "create the same id in another partition": [CREATE, step("create_item", {**ITEM, "tenant": "b"}), READ],
    "upsert what is new": [step("upsert_item", ITEM), READ],
    "upsert what exists": [CREATE, step("upsert_item", OTHER), READ],
    "upsert the current version": [CREATE, step("upsert_item", OTHER, **Etag(0).condition()), READ],
    "upsert a stale version": [*STALE, step("upsert_item", ITEM, **Etag(0).condition()), READ],
    "replace": [CREATE, step("replace_item", "1", OTHER), READ],
    "replace the current version": [CREATE, step("replace_item", "1", OTHER, **Etag(0).condition()), READ],
    "replace a stale version": [*STALE, step("replace_item", "1", ITEM, **Etag(0).condition()), READ],
    "replace what is missing": [step("replace_item", "1", OTHER)],
    "replace with another id": [CREATE, step("replace_item", "1", {**OTHER, "id": "2"}), READ],
    "delete": [CREATE, step("delete_item", "1", "a"), CREATE],
    "delete the current version": [CREATE, step("delete_item", "1", "a", **Etag(0).condition())],
    "delete a stale version": [*STALE, step("delete_item", "1", "a", **Etag(0).condition()), READ],
    "delete what is missing": [step("delete_item", "1", "a"), CREATE, step("delete_item", "1", "b"), READ],
    "read what is missing": [step("read_item", "9", "a")],
    "read in another partition": [CREATE, step("read_item", "1", "b")],
    "patch: add": patch({"op": "add", "path": "/new", "value": {"a": 1}}),
    "patch: add into a list": patch({"op": "add", "path": "/list/1", "value": 9}),
    "patch: add at the end of a list": patch({"op": "add", "path": "/list/-", "value": 9}),
    "patch: add beyond a list": patch({"op": "add", "path": "/list/7", "value": 9}),
    "patch: add below what is missing": patch({"op": "add", "path": "/none/x", "value": 9}),
    "patch: set": patch({"op": "set", "path": "/deep/text", "value": None}),
    "patch: set in a list": patch({"op": "set", "path": "/list/0", "value": "x"}),
    "patch: replace": patch({"op": "replace", "path": "/n", "value": 8}),
    "patch: replace what is missing": patch({"op": "replace", "path": "/none", "value": 8}),
    "patch: remove": patch({"op": "remove", "path": "/deep"}),
    "patch: remove from a list": patch({"op": "remove", "path": "/list/0"}),
    "patch: remove what is missing": patch({"op": "remove", "path": "/none"}),
    "patch: incr": patch({"op": "incr", "path": "/n", "value": 2.5}),
    "patch: incr what is missing": patch({"op": "incr", "path": "/count", "value": 2}),
    "patch: incr what is no number": patch({"op": "incr", "path": "/deep/text", "value": 2}),
    "patch: move": patch({"op": "move", "from": "/deep/text", "path": "/text"}),
    "patch: move what is missing": patch({"op": "move", "from": "/none", "path": "/text"}),
    "patch: several": patch({"op": "incr", "path": "/n", "value": 1}, {"op": "set", "path": "/m", "value": []}),
    "patch: several, one fails": patch({"op": "incr", "path": "/n", "value": 1}, {"op": "remove", "path": "/none"}),
    "patch: too many": patch(*[{"op": "incr", "path": "/n", "value": 1}] * 11),
    "patch: a system property": patch({"op": "set", "path": "/_ts", "value": 1}),
    "patch the current version": patch({"op": "remove", "path": "/n"}, **Etag(0).condition()),
    "patch a stale version": [
        *STALE,
        step("patch_item", "1", "a", [{"op": "remove", "path": "/n"}], **Etag(0).condition()),
        READ,
    ],
    "patch what is missing": [step("patch_item", "1", "a", [{"op": "remove", "path": "/n"}])],
    "patch on a condition": patch({"op": "remove", "path": "/n"}, filter_predicate="FROM c WHERE c.n = 1"),
    "patch on a condition that fails": patch({"op": "remove", "path": "/n"}, filter_predicate="FROM c WHERE c.n = 2"),
    "no id": [step("create_item", {"tenant": "a"}), step("upsert_item", {"tenant": "a"})],
    "batch of creates": [batch(("create", (OTHER,)), ("create", ({**ITEM, "id": "2"},))), READ],
    "batch of others: upsert": [
        CREATE,
        batch(
            ("upsert", (OTHER,)),
        ),
        READ,
    ],
    "batch of others: replace": [CREATE, batch(("replace", ("1", OTHER))), READ],
    "batch of others: read and delete": [CREATE, batch(("read", ("1",)), ("delete", ("1",))), CREATE],
    "batch that fails": [batch(("create", (ITEM,)), ("create", (ITEM,))), CREATE],
}
NPM_ITEMS = {
    "replace with another id": "it says 404, as if the item were missing, where the request is wrong (400).",
    "read what is missing": "it fails with 500 on reading a missing item.",
    "read in another partition": "it fails with 500 on reading a missing item.",
    "patch: add below what is missing": "it adds the value one level higher.",
    "batch of others": "it wants the partition key in every operation (500), and the Python client gives it once.",
    "batch that fails": "its batches are not atomic: what was done before a failure stays.",
}

PEOPLE: tuple[dict[str, Any], ...] = (
    {"id": "1", "tenant": "a", "n": 3, "name": "Zoe", "tags": ["x", "y"], "home": {"city": "Bergen", "no": 4}},
    {"id": "2", "tenant": "a", "n": 1, "name": "adam", "tags": ["y"], "home": {"city": "Oslo", "no": 12}},
    {"id": "3", "tenant": "a", "n": 2.5, "name": "eve", "tags": [], "alive": True},
    {"id": "4", "tenant": "a", "n": -7, "name": "Bob", "tags": ["x", "z", "z"], "alive": False},
    {"id": "5", "tenant": "a", "n": 10, "name": "Ümit", "tags": ["q"], "home": {"city": "Bergen", "no": 7}},
    {"id": "6", "tenant": "a", "n": 3, "name": "eve", "alive": None, "friends": [{"name": "Zoe", "since": 2020}]},
    {"id": "7", "tenant": "b", "n": 4, "name": "Eve", "tags": ["x"]},
    {"id": "8", "tenant": "b", "n": 5, "name": "", "tags": ["y", "x"]},
)


# Every query is asked within the partition a. The npm server sees that only in the text, so each says it there too.
QUERIES = """
SELECT * FROM c WHERE c.tenant = 'a'
SELECT c.id, c.name AS who FROM c WHERE c.tenant = 'a'
SELECT c.home.city FROM c WHERE c.tenant = 'a'
SELECT VALUE c.home.city FROM c WHERE c.tenant = 'a'
SELECT VALUE {"name": c.name, "first": c.tags[0]} FROM c WHERE c.tenant = 'a'
SELECT VALUE [c.n, c.alive] FROM c WHERE c.tenant = 'a'
SELECT VALUE c.n FROM c WHERE c.tenant = 'a' AND c.n > 2
SELECT VALUE c.n FROM c WHERE c.tenant = 'a' AND c.n BETWEEN 1 AND 3
SELECT VALUE c.n FROM c WHERE c.tenant = 'a' AND c.n IN (1, 3, 'x')
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.n NOT IN (1, 3)
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND (c.n < 0 OR c.name = 'eve')
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND NOT (c.n = 3)
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.alive
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND NOT c.alive
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.alive = null
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.alive != true
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND IS_DEFINED(c.alive)
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND IS_NULL(c.alive)
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.name > 'a'
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.n > 'a'
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.home = {"city": "Oslo", "no": 12}
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.tags = []
SELECT VALUE c.n FROM c WHERE c.tenant = 'a' ORDER BY c.n
SELECT VALUE c.n FROM c WHERE c.tenant = 'a' ORDER BY c.n DESC
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' ORDER BY c.name
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND IS_DEFINED(c.alive) ORDER BY c.alive
SELECT VALUE c.home.no FROM c WHERE c.tenant = 'a' ORDER BY c.home.no
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' ORDER BY c.n OFFSET 1 LIMIT 3
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' ORDER BY c.n OFFSET 90 LIMIT 3
SELECT TOP 2 c.id FROM c WHERE c.tenant = 'a' ORDER BY c.n DESC
SELECT VALUE COUNT(1) FROM c WHERE c.tenant = 'a'
SELECT VALUE COUNT(c.home) FROM c WHERE c.tenant = 'a'
SELECT VALUE SUM(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE AVG(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE MIN(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE MAX(c.name) FROM c WHERE c.tenant = 'a'
SELECT VALUE SUM(c.name) FROM c WHERE c.tenant = 'a'
SELECT VALUE COUNT(1) FROM c WHERE c.tenant = 'a' AND c.n > 99
SELECT COUNT(1) AS many, MAX(c.n) AS most FROM c WHERE c.tenant = 'a'
SELECT c.name, COUNT(1) AS many FROM c WHERE c.tenant = 'a' GROUP BY c.name
SELECT c.home.city, SUM(c.n) AS n FROM c WHERE c.tenant = 'a' GROUP BY c.home.city
SELECT DISTINCT VALUE c.name FROM c WHERE c.tenant = 'a'
SELECT DISTINCT c.n FROM c WHERE c.tenant = 'a'
SELECT DISTINCT VALUE c.home.city FROM c WHERE c.tenant = 'a'
SELECT VALUE t FROM c JOIN t IN c.tags WHERE c.tenant = 'a'
SELECT c.id, t FROM c JOIN t IN c.tags WHERE c.tenant = 'a' AND t != 'x'
SELECT c.id, f.since FROM c JOIN f IN c.friends WHERE c.tenant = 'a' AND f.name = 'Zoe'
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND ARRAY_CONTAINS(c.tags, 'x')
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND ARRAY_CONTAINS(c.friends, {"name": "Zoe"}, true)
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND EXISTS(SELECT VALUE t FROM t IN c.tags WHERE t = 'z')
SELECT VALUE ARRAY(SELECT VALUE t FROM t IN c.tags WHERE t != 'x') FROM c WHERE c.tenant = 'a'
SELECT VALUE ARRAY_LENGTH(c.tags) FROM c WHERE c.tenant = 'a'
SELECT VALUE ARRAY_SLICE(c.tags, 1, 1) FROM c WHERE c.tenant = 'a'
SELECT VALUE ARRAY_CONCAT(c.tags, ['end']) FROM c WHERE c.tenant = 'a'
SELECT VALUE UPPER(c.name) FROM c WHERE c.tenant = 'a'
SELECT VALUE LOWER(c.name) FROM c WHERE c.tenant = 'a'
SELECT VALUE LENGTH(c.name) FROM c WHERE c.tenant = 'a'
SELECT VALUE REVERSE(c.name) FROM c WHERE c.tenant = 'a'
SELECT VALUE SUBSTRING(c.name, 1, 2) FROM c WHERE c.tenant = 'a'
SELECT VALUE LEFT(c.name, 2) FROM c WHERE c.tenant = 'a'
SELECT VALUE RIGHT(c.name, 2) FROM c WHERE c.tenant = 'a'
SELECT VALUE INDEX_OF(c.name, 'e') FROM c WHERE c.tenant = 'a'
SELECT VALUE REPLACE(c.name, 'e', 'ee') FROM c WHERE c.tenant = 'a'
SELECT VALUE REPLICATE(c.name, 2) FROM c WHERE c.tenant = 'a'
SELECT VALUE CONCAT(c.name, '-', c.id) FROM c WHERE c.tenant = 'a'
SELECT VALUE c.name || '!' FROM c WHERE c.tenant = 'a'
SELECT VALUE TRIM(CONCAT(' ', c.name, ' ')) FROM c WHERE c.tenant = 'a'
SELECT VALUE ToString(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE StringToNumber(c.id) FROM c WHERE c.tenant = 'a'
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND CONTAINS(c.name, 'e')
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND CONTAINS(c.name, 'E', true)
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND STARTSWITH(c.name, 'a')
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND ENDSWITH(c.name, 'e')
SELECT VALUE c.id FROM c WHERE c.tenant = 'a' AND c.name LIKE '%e'
SELECT VALUE c.n + 1 FROM c WHERE c.tenant = 'a'
SELECT VALUE c.n * 2 - 1 FROM c WHERE c.tenant = 'a'
SELECT VALUE c.n / 4 FROM c WHERE c.tenant = 'a'
SELECT VALUE c.n % 2 FROM c WHERE c.tenant = 'a'
SELECT VALUE -c.n FROM c WHERE c.tenant = 'a'
SELECT VALUE c.name + 1 FROM c WHERE c.tenant = 'a'
SELECT VALUE ABS(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE FLOOR(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE CEILING(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE ROUND(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE POWER(c.n, 2) FROM c WHERE c.tenant = 'a'
SELECT VALUE SQRT(c.n) FROM c WHERE c.tenant = 'a' AND c.n > 0
SELECT VALUE SIGN(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE TRUNC(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE IS_NUMBER(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE IS_STRING(c.n) FROM c WHERE c.tenant = 'a'
SELECT VALUE IS_ARRAY(c.tags) FROM c WHERE c.tenant = 'a'
SELECT VALUE IS_OBJECT(c.home) FROM c WHERE c.tenant = 'a'
SELECT VALUE IS_BOOL(c.alive) FROM c WHERE c.tenant = 'a'
SELECT VALUE IS_PRIMITIVE(c.home) FROM c WHERE c.tenant = 'a'
SELECT VALUE (c.n > 2 ? 'big' : 'small') FROM c WHERE c.tenant = 'a'
SELECT VALUE c.alive ?? 'unknown' FROM c WHERE c.tenant = 'a'
SELECT VALUE c.n & 3 FROM c WHERE c.tenant = 'a' AND c.n = 3
SELECT VALUE r.name FROM r WHERE r.tenant = 'a'
SELECT VALUE c["name"] FROM c WHERE c["tenant"] = 'a'
SELECT VALUE c.name FROM c WHERE c.tenant = 'a' AND c.n >= @n AND c.name != @name
""".strip().splitlines()
PARAMETERS: list[dict[str, Any]] = [{"name": "@n", "value": 2}, {"name": "@name", "value": "eve"}]
# These go over all partitions, in the ranges of ours and in the one of the npm server.
QUERIES_ACROSS = """
SELECT * FROM c
SELECT * FROM c WHERE c.n > 2
SELECT VALUE c.id FROM c WHERE c.tenant IN ('a', 'b') AND c.id = '7'
SELECT VALUE c.n FROM c ORDER BY c.n
SELECT VALUE c.n FROM c ORDER BY c.n DESC
SELECT c.id, c.name FROM c ORDER BY c.id
SELECT TOP 3 c.id FROM c ORDER BY c.id DESC
SELECT VALUE COUNT(1) FROM c
SELECT VALUE SUM(c.n) FROM c
SELECT VALUE AVG(c.n) FROM c
SELECT VALUE MIN(c.name) FROM c
SELECT VALUE MAX(c.n) FROM c WHERE ARRAY_CONTAINS(c.tags, 'y')
SELECT VALUE t FROM c JOIN t IN c.tags
""".strip().splitlines()
MALFORMED = """
SELECT
SELECT FROM
SELECT * FROM c WHERE
SELECT * FROM c WHERE c.n === 1
SELECT * FROM c WHERE (c.n = 1
SELECT * FROM c ORDER BY
SELECT VALUE 'x FROM c
UPDATE c SET n = 1
""".strip().splitlines()
NPM_QUERIES = {
    "NOT IN": "it does not know NOT IN.",
    "OFFSET": "it does not know OFFSET and LIMIT.",
    "GROUP BY": "it does not know GROUP BY.",
    "DISTINCT": "it does not know DISTINCT.",
    "LIKE": "it does not know LIKE.",
    "StringToNumber": "it does not know StringToNumber.",
    "REPLACE(": "it replaces only the first of several.",
    "'E', true": "its CONTAINS cannot ignore the case.",
}
