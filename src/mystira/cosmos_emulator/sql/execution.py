"""A query is run: inputs, conditions, groups, order, projection, and then the part that was asked for."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.compiler import compiled, object_of
from mystira.cosmos_emulator.sql.grouping import Grouping, computed_slots
from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.scope import Evaluate, Row, Run, Scope
from mystira.cosmos_emulator.sql.syntax import Aggregate, Expression, Query, Select, Source
from mystira.cosmos_emulator.sql.values import ARRAY, UNDEFINED, identity, order_key

Rows = Iterable[Row]
Step = Callable[[Rows], Rows]


def run(
    query: Query,
    parameters: Mapping[str, Any],
    documents: Iterable[dict[str, Any]],
    *,
    ticks: int | None = None,
    randomness: Callable[[], float] = random.random,
) -> list[Any]:
    """The results of a query over documents; parameters are named with their @.

    Results share their parts with the documents: whoever changes one changes both. `ticks` (100 ns since 1970) is
    the moment that the functions of the current time see.
    """
    moment = time.time_ns() // 100 if ticks is None else ticks
    running = Run(query, parameters, documents, moment, randomness)
    try:
        return list(compiled_select(query.select, Scope(running, {}, 0))(()))
    except RecursionError:
        raise SqlError("The query or a document is nested too deeply.", query.text) from None


def matches(query: Query, document: dict[str, Any]) -> bool:
    """Whether a document fulfils a condition that was read with parse_condition."""
    return bool(run(query, {}, (document,)))


def compiled_select(select: Select, scope: Scope) -> Callable[[Row], Iterator[Any]]:
    """The function that gives a query's results for a row of the query around it."""
    steps, inner = _inputs(select, scope)
    if select.where is not None:
        steps.append(_filtered(compiled(select.where, inner)))
    if syntax.is_grouped(select):
        grouping = _grouping(select, inner)
        steps.append(grouping.groups)
        inner = grouping.scope
    for item in reversed(select.order_by):
        steps.append(_sorted(compiled(item.expression, inner), item.descending))
    projection = _projection(select, inner)
    skipped, most = _part(select, scope)

    def results(row: Row) -> Iterator[Any]:
        rows: Rows = (row,)
        for step in steps:
            rows = step(rows)
        values = (value for each in rows if (value := projection(each)) is not UNDEFINED)
        distinct = _distinct(values) if select.distinct else values
        return islice(distinct, skipped, None if most is None else skipped + most)

    return results


def _inputs(select: Select, scope: Scope) -> tuple[list[Step], Scope]:
    steps: list[Step] = []
    for source in select.sources:
        steps.append(_input(source, scope))
        scope = scope.with_alias(source.alias)
    return steps, scope


def _input(source: Source, scope: Scope) -> Step:
    origin = source.origin
    if isinstance(origin, Select):
        values = compiled_select(origin, scope)
    elif isinstance(origin, syntax.Container):
        values = _documents(scope)
    else:
        values = _values_of(origin, scope)
    return _unfolded(values) if source.iterate else _joined(values)


def _documents(scope: Scope) -> Callable[[Row], Iterable[Any]]:
    documents = scope.run.documents
    return lambda row: documents


def _values_of(origin: Expression, scope: Scope) -> Callable[[Row], Iterable[Any]]:
    container = _container(origin)
    if container is None:
        value = compiled(origin, scope)
        return lambda row: (value(row),)
    # A path into the documents is evaluated with each document at the end of the row.
    value = compiled(origin, scope.with_alias(container.name))
    return lambda row: (value((*row, document)) for document in scope.run.documents)


def _container(origin: Expression) -> syntax.Container | None:
    while isinstance(origin, syntax.Member | syntax.Index):
        origin = origin.source
    return origin if isinstance(origin, syntax.Container) else None


def _joined(values: Callable[[Row], Iterable[Any]]) -> Step:
    def step(rows: Rows) -> Rows:
        return ((*row, value) for row in rows for value in values(row) if value is not UNDEFINED)

    return step


def _unfolded(values: Callable[[Row], Iterable[Any]]) -> Step:
    def step(rows: Rows) -> Rows:
        return ((*row, item) for row in rows for value in values(row) if type(value) is ARRAY for item in value)

    return step


def _filtered(condition: Evaluate) -> Step:
    return lambda rows: (row for row in rows if condition(row) is True)


def _sorted(key: Evaluate, descending: bool) -> Step:
    # Sorting is stable, so sorting by the last key first leaves the rows in the order of all keys.
    return lambda rows: sorted(rows, key=lambda row: order_key(key(row)), reverse=descending)


def _grouping(select: Select, scope: Scope) -> Grouping:
    slots = computed_slots(select)
    keys = [compiled(expression, scope) for expression in slots if not isinstance(expression, Aggregate)]
    arguments = [compiled(expression.argument, scope) for expression in slots if isinstance(expression, Aggregate)]
    return Grouping(select, scope, keys, arguments)


def _projection(select: Select, scope: Scope) -> Evaluate:
    projection = select.projection
    match projection:
        case syntax.Star():
            return compiled(syntax.Name(select.sources[0].alias), scope)
        case syntax.Value():
            return compiled(projection.expression, scope)
        case syntax.Columns():
            return object_of([(item.name, compiled(item.expression, scope)) for item in projection.items])


def _distinct(values: Iterable[Any]) -> Iterator[Any]:
    seen: set[Any] = set()
    for value in values:
        known = identity(value)
        if known not in seen:
            seen.add(known)
            yield value


def _part(select: Select, scope: Scope) -> tuple[int, int | None]:
    """How many results are skipped, and how many follow at most."""
    offset = 0 if select.offset is None else count(select.offset, scope.run)
    limits = [count(limit, scope.run) for limit in (select.top, select.limit) if limit is not None]
    return offset, min(limits, default=None)


def count(expression: Expression, running: Run) -> int:
    """The number after TOP, OFFSET or LIMIT."""
    value = expression.value if isinstance(expression, syntax.Literal) else None
    place = 0
    if isinstance(expression, syntax.Parameter):
        value, place = running.parameter(expression), running.query.parameters.get(expression.name, 0)
    if type(value) is not int or value < 0 or value >= 2**31:
        raise SqlError("TOP, OFFSET and LIMIT take a whole number from 0 on.", running.query.text, place)
    return value
