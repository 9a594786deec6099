"""Plans: the shapes the service answers, and that the official client puts the partitions together with them."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.cosmos._execution_context.aio import document_producer, multi_execution_aggregator
from azure.cosmos._execution_context.aio.execution_dispatcher import _PipelineExecutionContext
from azure.cosmos._execution_context.query_execution_info import _PartitionedQueryExecutionInfo

from mystira.cosmos_emulator.sql import SqlError, equalities, features, parse, plan, run

FILTER = "({documentdb-formattableorderbyquery-filter})"
REWRITTEN: list[tuple[str, str, dict[str, Any]]] = [
    ("SELECT * FROM c", "", {"distinctType": "None", "hasSelectValue": False}),
    (
        "SELECT * FROM c ORDER BY c.id",
        f'SELECT c._rid, [{{"item": c.id}}] AS orderByItems, c AS payload\nFROM c\nWHERE {FILTER}\nORDER BY c.id',
        {"orderBy": ["Ascending"], "orderByExpressions": ["c.id"]},
    ),
    (
        "SELECT TOP 10 c._ts FROM c WHERE c.a = 1 ORDER BY c.x DESC, c.y",
        'SELECT TOP 10 c._rid, [{"item": c.x}, {"item": c.y}] AS orderByItems, {"_ts": c._ts} AS payload\n'
        f"FROM c\nWHERE ((c.a = 1) AND {FILTER})\nORDER BY c.x DESC, c.y",
        {"orderBy": ["Descending", "Ascending"], "top": 10},
    ),
    (
        "SELECT VALUE c.a FROM c ORDER BY c.x OFFSET 5 LIMIT @n",
        'SELECT c._rid, [{"item": c.x}] AS orderByItems, c.a AS payload\n'
        f"FROM c\nWHERE (IS_DEFINED(c.a) AND {FILTER})\nORDER BY c.x\nOFFSET 0 LIMIT 12",
        {"offset": 5, "limit": 7, "hasSelectValue": True},
    ),
    ("SELECT DISTINCT VALUE c.id FROM c", "", {"distinctType": "Unordered", "hasSelectValue": True}),
    (
        "SELECT DISTINCT TOP 2 VALUE c.a FROM c ORDER BY c.a",
        'SELECT c._rid, [{"item": c.a}] AS orderByItems, c.a AS payload\n'
        f"FROM c\nWHERE (IS_DEFINED(c.a) AND {FILTER})\nORDER BY c.a",
        {"distinctType": "Ordered", "top": 2},
    ),
    ("SELECT * FROM c OFFSET 1 LIMIT 2", "SELECT *\nFROM c\nOFFSET 0 LIMIT 3", {"offset": 1, "limit": 2}),
    ("SELECT VALUE COUNT(1) FROM c", 'SELECT VALUE [{"item": COUNT(1)}]\nFROM c', {"aggregates": ["Count"]}),
    (
        "SELECT VALUE COUNTIF(c.valid) FROM c",
        'SELECT VALUE [{"item": COUNTIF(c.valid)}]\nFROM c',
        {"aggregates": ["CountIf"], "hasSelectValue": True},
    ),
    (
        "SELECT VALUE AVG(c.a) FROM c",
        'SELECT VALUE [{"item": {"sum": SUM(c.a), "count": COUNT(c.a)}}]\nFROM c',
        {"aggregates": ["Average"]},
    ),
    (
        "SELECT VALUE MIN(c.a) FROM c",
        'SELECT VALUE [{"item": MIN(c.a), "item2": {"min": MIN(c.a), "count": COUNT(c.a)}}]\nFROM c',
        {"aggregates": ["Min"]},
    ),
    (
        "SELECT c.id FROM c GROUP BY c.id",
        'SELECT [{"item": c.id}] AS groupByItems, {"id": c.id} AS payload\nFROM c\nGROUP BY c.id',
        {"groupByExpressions": ["c.id"], "groupByAliases": ["id"], "groupByAliasToAggregateType": {"id": None}},
    ),
    (
        "SELECT COUNTIF(c.valid) FROM c GROUP BY c.zipcode OFFSET 0 LIMIT 3",
        'SELECT [{"item": c.zipcode}] AS groupByItems, {"$1": {"item": COUNTIF(c.valid)}} AS payload\n'
        "FROM c\nGROUP BY c.zipcode",
        {"groupByAliases": ["$1"], "groupByAliasToAggregateType": {"$1": "CountIf"}, "limit": 3},
    ),
    (
        "SELECT COUNTIF(c.valid) FROM c",
        'SELECT {"$1": {"item": COUNTIF(c.valid)}} AS payload\nFROM c',
        {"groupByAliases": ["$1"], "aggregates": [], "groupByAliasToAggregateType": {"$1": "CountIf"}},
    ),
    (
        "SELECT VALUE SUM(c.n) FROM c GROUP BY c.k",
        'SELECT [{"item": c.k}] AS groupByItems, [{"item": SUM(c.n)}] AS payload\nFROM c\nGROUP BY c.k',
        {"aggregates": ["Sum"], "hasSelectValue": True},
    ),
]


@pytest.mark.parametrize(("text", "rewritten", "facts"), REWRITTEN, ids=[text for text, _, _ in REWRITTEN])
def test_a_plan_has_the_shape_that_clients_expect(text: str, rewritten: str, facts: dict[str, Any]) -> None:
    planned = plan(parse(text), {"@n": 7})
    assert planned["partitionedQueryExecutionInfoVersion"] == 2
    assert planned["queryRanges"] == [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}]
    info = planned["queryInfo"]
    assert info["rewrittenQuery"] == rewritten
    assert {name: info[name] for name in facts} == facts
    parse(rewritten.replace(FILTER, "(true)") or text)


def test_what_a_client_cannot_do_is_named() -> None:
    query = parse("SELECT c.a, COUNT(1) AS n FROM c GROUP BY c.a")
    assert features(query) == {"Aggregate", "GroupBy"}
    with pytest.raises(SqlError, match="GroupBy"):
        plan(query, {}, supported=["Aggregate", "OrderBy"])
    assert features(parse("SELECT * FROM c JOIN t IN c.tags WHERE t = 1".replace("*", "VALUE c"))) == set()


@pytest.mark.parametrize(
    "text",
    ["SELECT VALUE COUNT(1) + 1 FROM c", "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT VALUE c.a FROM c)"],
)
def test_what_cannot_be_put_together_is_refused(text: str) -> None:
    with pytest.raises(SqlError, match="partition"):
        plan(parse(text))


class Partition:
    """What the client's producer of one range is to its merge."""

    def __init__(self, number: int, rows: list[Any]) -> None:
        self.number = number
        self.rows = deque(rows)

    def get_target_range(self) -> dict[str, str]:
        return {"minInclusive": f"{self.number:02}"}

    async def peek(self) -> Any:
        if not self.rows:
            raise StopAsyncIteration
        return self.rows[0]

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self.rows:
            raise StopAsyncIteration
        return self.rows.popleft()


async def through_the_client(text: str, parameters: dict[str, Any], partitions: list[list[Any]]) -> list[Any]:
    """Merge the partitions' answers with the official client's own code, which is all but its fetching."""
    info = _PartitionedQueryExecutionInfo(plan(parse(text), parameters))
    asked = parse(info.get_rewritten_query() or text)
    merge: Any = object.__new__(multi_execution_aggregator._MultiExecutionContextAggregator)
    merge._orderByPQ = merge.PriorityQueue()
    orders = info.get_order_by()
    merge._document_producer_comparator = (
        document_producer._OrderByDocumentProducerComparator(orders)
        if orders
        else document_producer._PartitionKeyRangeDocumentProducerComparator()
    )
    for number, documents in enumerate(partitions):
        if rows := run(asked, parameters, documents):
            await merge._orderByPQ.push_async(Partition(number, rows), merge._document_producer_comparator)
    pipeline = _PipelineExecutionContext(None, {}, merge, info)
    return [row async for row in pipeline._endpoint]


DOCUMENTS: list[dict[str, Any]] = [
    {"id": f"{n:03}", "_rid": f"r{n}", "n": n * 7 % 31, "k": f"k{n % 5}", "f": n % 3 == 0, "t": [n % 2, n % 4]}
    for n in range(60)
]
PARTITIONS = [[each for each in DOCUMENTS if hash(each["n"]) % 4 == part] for part in range(4)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM c ORDER BY c.n, c.id",
        "SELECT c.id, c.n FROM c WHERE c.f ORDER BY c.n DESC, c.id DESC",
        "SELECT TOP 7 VALUE c.id FROM c ORDER BY c.n, c.id",
        "SELECT VALUE c.id FROM c ORDER BY c.n DESC, c.id OFFSET 10 LIMIT 5",
        "SELECT VALUE c.id FROM c ORDER BY c.k, c.id OFFSET @skip LIMIT @take",
        "SELECT DISTINCT VALUE c.k FROM c ORDER BY c.k",
        "SELECT DISTINCT TOP 3 c.k FROM c ORDER BY c.k DESC",
        "SELECT DISTINCT VALUE c.n % 3 FROM c ORDER BY c.n",
        "SELECT VALUE COUNT(1) FROM c WHERE c.n > 3",
        "SELECT VALUE SUM(c.n) FROM c",
        "SELECT VALUE AVG(c.n) FROM c WHERE c.f",
        "SELECT VALUE MIN(c.n) FROM c",
        "SELECT VALUE MAX(c.id) FROM c",
        "SELECT VALUE COUNTIF(c.f) FROM c",
        "SELECT VALUE COUNT(1) FROM c JOIN t IN c.t WHERE t = 1",
        "SELECT VALUE c.missing ?? c.id FROM c ORDER BY c.id",
    ],
)
@pytest.mark.anyio
async def test_the_official_client_finds_over_partitions_what_one_would_answer(text: str) -> None:
    parameters = {"@skip": 3, "@take": 20}
    assert await through_the_client(text, parameters, PARTITIONS) == run(parse(text), parameters, DOCUMENTS)


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["SELECT DISTINCT VALUE c.k FROM c", "SELECT DISTINCT TOP 3 VALUE c.k FROM c"])
async def test_doubles_of_several_partitions_are_found(text: str) -> None:
    found = await through_the_client(text, {}, PARTITIONS)
    assert len(found) == len(set(found)) == len(run(parse(text), {}, DOCUMENTS))


@pytest.mark.anyio
async def test_parts_of_an_unordered_answer_are_cut_to_its_length() -> None:
    assert len(await through_the_client("SELECT * FROM c OFFSET 55 LIMIT 10", {}, PARTITIONS)) == 5
    assert len(await through_the_client("SELECT TOP 9 * FROM c", {}, PARTITIONS)) == 9


def test_equalities_tell_what_an_index_may_look_up() -> None:
    query = parse("SELECT * FROM c WHERE c.id IN ('a', @b) AND 'x' = c.pk['y'] AND (c.n = 1 OR c.m = 2) AND c.id = 'a'")
    assert equalities(query, {"@b": "b"}) == {("id",): ("a",), ("pk", "y"): ("x",)}
    assert equalities(parse("SELECT * FROM c WHERE c.id = @id"), {}) == {}
    assert equalities(parse("SELECT * FROM c WHERE NOT c.id = 'a'"), {}) == {}
    assert equalities(parse("SELECT * FROM c WHERE c = 1"), {}) == {}
    assert equalities(parse("SELECT * FROM t IN c.tags WHERE t.id = 'a'"), {}) == {}
    assert equalities(parse("SELECT * FROM c.inner AS c WHERE c.id = 'a'"), {}) == {}
    joined = parse("SELECT VALUE t FROM c JOIN t IN c.ts WHERE c.id = 'a' AND t.id = 'b'")
    assert equalities(joined, {}) == {("id",): ("a",)}
