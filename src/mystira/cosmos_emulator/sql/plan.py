"""How a client runs a query over several partitions: what it merges, and what it asks each partition instead."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.execution import count
from mystira.cosmos_emulator.sql.printer import printed
from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.scope import Run
from mystira.cosmos_emulator.sql.syntax import Aggregate, ArrayLiteral, Column, Columns, Expression, Query, Select

# The client puts its own condition here, to go on where it stopped, or just "true".
FILTER = "({documentdb-formattableorderbyquery-filter})"
AGGREGATE_NAMES = {
    "AVG": "Average",
    "COUNT": "Count",
    "COUNTIF": "CountIf",
    "MAX": "Max",
    "MIN": "Min",
    "SUM": "Sum",
}
EVERY_RANGE = {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}


def features(query: Query) -> frozenset[str]:
    """What a client has to be able to do; where it is nothing, the partitions' answers are just put together."""
    select = query.select
    aggregated = list(syntax.aggregates(select.projection))
    value = isinstance(select.projection, syntax.Value)
    wanted = {
        "Aggregate": bool(aggregated),
        "CountIf": any(each.function == "COUNTIF" for each in aggregated),
        "DCount": _is_global_subquery(select),
        "Distinct": select.distinct,
        "GroupBy": bool(select.group_by),
        "MultipleAggregates": len(aggregated) > 1 and not select.group_by,
        "MultipleOrderBy": len(select.order_by) > 1,
        "NonValueAggregate": bool(aggregated) and not value and not select.group_by,
        "OffsetAndLimit": select.limit is not None,
        "OrderBy": bool(select.order_by),
        "Top": select.top is not None,
    }
    return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


def plan(
    query: Query, parameters: Mapping[str, Any] | None = None, supported: Collection[str] | None = None
) -> dict[str, Any]:
    """The plan as the gateway answers it; what the client does not support is refused, as the service does."""
    missing = sorted(features(query) - set(supported)) if supported is not None else []
    if missing:
        raise SqlError(
            f"This client cannot do {', '.join(missing)} over several partitions. Ask within one.", query.text
        )
    if _is_global_subquery(query.select):
        raise SqlError("A query over the results of a query can be asked only within one partition.", query.text)
    info = _query_info(query, Run(query, parameters or {}, (), 0, float))
    return {"partitionedQueryExecutionInfoVersion": 2, "queryInfo": info, "queryRanges": [EVERY_RANGE]}


def _query_info(query: Query, run: Run) -> dict[str, Any]:
    select = query.select
    offset, limit, top = (
        None if part is None else count(part, run) for part in (select.offset, select.limit, select.top)
    )
    info: dict[str, Any] = {
        "distinctType": _distinct_type(select),
        "top": top,
        "offset": offset,
        "limit": limit,
        "orderBy": ["Descending" if item.descending else "Ascending" for item in select.order_by],
        "orderByExpressions": [printed(item.expression) for item in select.order_by],
        "groupByExpressions": [printed(expression) for expression in select.group_by],
        "groupByAliases": [],
        "aggregates": [],
        "groupByAliasToAggregateType": {},
        "rewrittenQuery": "",
        "hasSelectValue": isinstance(select.projection, syntax.Value),
        "dCountInfo": None,
        "hasNonStreamingOrderBy": False,
    }
    if syntax.is_grouped(select):
        return info | _grouped(query)
    if select.order_by:
        return info | {"rewrittenQuery": printed(_limited(_ordered(select), offset, limit))}
    if limit is not None:
        return info | {"rewrittenQuery": printed(_limited(select, offset, limit))}
    return info


def _is_global_subquery(select: Select) -> bool:
    """Whether FROM reads a query whose results depend on more than one document."""
    origin = select.sources[0].origin if select.sources else None
    if not isinstance(origin, Select):
        return False
    cut = origin.distinct or origin.top or origin.limit or origin.order_by
    return bool(cut) or syntax.is_grouped(origin) or _is_global_subquery(origin)


def _distinct_type(select: Select) -> str:
    if not select.distinct or syntax.is_grouped(select):
        return "None"
    keys = {item.expression for item in select.order_by}
    match select.projection:
        case syntax.Value(expression):
            projected = {expression}
        case syntax.Columns(items):
            projected = {item.expression for item in items}
        case _:
            return "Unordered"
    # Equal results lie side by side only where they are made of nothing but what is sorted by.
    return "Ordered" if projected <= keys else "Unordered"


def _limited(select: Select, offset: int | None, limit: int | None) -> Select:
    """A partition delivers what may be needed of it; the client skips and cuts what all of them delivered."""
    if limit is None or select.limit is None:
        return select
    return msgspec.structs.replace(select, offset=syntax.Literal(0), limit=syntax.Literal((offset or 0) + limit))


def _ordered(select: Select) -> Select:
    """Each row is told with what it is sorted by."""
    alias = syntax.Name(select.sources[0].alias)
    projection, condition = select.projection, select.where
    conditions = [] if condition is None else [condition]
    match projection:
        case syntax.Star():
            payload: Expression = alias
        case syntax.Value():
            payload = projection.expression
            # A row without a payload is no result; the client would stumble over it.
            conditions.append(syntax.Call("IS_DEFINED", (payload,)))
        case syntax.Columns():
            payload = syntax.ObjectLiteral(tuple((item.name, item.expression) for item in projection.items))
    conditions.append(syntax.Name(FILTER))
    columns = (
        Column(syntax.Member(alias, "_rid"), "_rid"),
        Column(_items(tuple(item.expression for item in select.order_by)), "orderByItems"),
        Column(payload, "payload"),
    )
    rewritten = msgspec.structs.replace(
        select,
        projection=Columns(columns),
        where=conditions[0] if len(conditions) == 1 else syntax.Logical("AND", tuple(conditions)),
    )
    if select.distinct:
        # With its _rid no row is like another: the client finds the doubles, and cuts only then.
        rewritten = msgspec.structs.replace(rewritten, distinct=False, top=None, offset=None, limit=None)
    return rewritten


def _items(expressions: tuple[Expression, ...]) -> Expression:
    return ArrayLiteral(tuple(syntax.ObjectLiteral((("item", expression),)) for expression in expressions))


def _grouped(query: Query) -> dict[str, Any]:
    """Aggregates arrive in parts that can be put together; what is cut off is cut off by the client."""
    select, projection = query.select, query.select.projection
    whole = msgspec.structs.replace(select, distinct=False, top=None, offset=None, limit=None)
    if isinstance(projection, syntax.Value):
        kind, part = _part(query, projection.expression)
        payload = ArrayLiteral((part,)) if kind else part
        found: dict[str, Any] = {"aggregates": [kind] if kind else []}
        if kind and not select.group_by:
            rewritten = msgspec.structs.replace(whole, projection=syntax.Value(payload))
            return found | {"rewrittenQuery": printed(rewritten)}
    else:
        items = projection.items if isinstance(projection, Columns) else ()
        parts = {item.name: _part(query, item.expression) for item in items}
        payload = syntax.ObjectLiteral(tuple((name, part) for name, (_, part) in parts.items()))
        kinds = {name: kind for name, (kind, _) in parts.items()}
        found = {"groupByAliases": list(kinds), "groupByAliasToAggregateType": kinds}
    columns = (Column(payload, "payload"),)
    if select.group_by:
        columns = (Column(_items(select.group_by), "groupByItems"), *columns)
    return found | {"rewrittenQuery": printed(msgspec.structs.replace(whole, projection=Columns(columns)))}


def _part(query: Query, expression: Expression) -> tuple[str | None, Expression]:
    """The kind of an aggregate and what a partition tells of it; other expressions stay as they are."""
    if not isinstance(expression, Aggregate):
        if next(syntax.aggregates(expression), None) is not None:
            raise SqlError("Over several partitions, aggregates cannot be part of other expressions.", query.text)
        return None, expression
    argument = expression.argument
    counted = ("count", Aggregate("COUNT", argument))
    match expression.function:
        case "AVG":
            summed = syntax.ObjectLiteral((("sum", Aggregate("SUM", argument)), counted))
            return "Average", syntax.ObjectLiteral((("item", summed),))
        case "MIN" | "MAX" as name:
            # The count says whether the partition had any value at all.
            extreme = syntax.ObjectLiteral(((name.lower(), expression), counted))
            return AGGREGATE_NAMES[name], syntax.ObjectLiteral((("item", expression), ("item2", extreme)))
        case name:
            return AGGREGATE_NAMES[name], syntax.ObjectLiteral((("item", expression),))
