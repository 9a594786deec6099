"""What a query says about the documents it can match, so that an index can choose them."""

from collections.abc import Iterator, Mapping
from typing import Any

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.syntax import Expression, Query

Path = tuple[str, ...]


def equalities(query: Query, parameters: Mapping[str, Any]) -> dict[Path, tuple[Any, ...]]:
    """For each path that WHERE fixes, the values one of which a matching document must have there.

    A path that is not told of may have any value. Parameters without a value are passed over: the run refuses them.
    """
    select = query.select
    if not select.sources or select.where is None:
        return {}
    first = select.sources[0]
    if first.iterate or not isinstance(first.origin, syntax.Container):
        return {}
    found: dict[Path, tuple[Any, ...]] = {}
    for path, values in _fixed(select.where, parameters):
        if path[0] == first.alias and len(path) > 1 and len(values) < len(found.get(path[1:], (*values, None))):
            found[path[1:]] = values
    return found


def _fixed(condition: Expression, parameters: Mapping[str, Any]) -> Iterator[tuple[Path, tuple[Any, ...]]]:
    match condition:
        case syntax.Logical("AND", operands):
            for operand in operands:
                yield from _fixed(operand, parameters)
        case syntax.Binary("=", left, right):
            for one, other in ((left, right), (right, left)):
                yield from _among(one, (other,), parameters)
        case syntax.In(value, items):
            yield from _among(value, items, parameters)
        case _:
            return


def _among(
    value: Expression, items: tuple[Expression, ...], parameters: Mapping[str, Any]
) -> Iterator[tuple[Path, tuple[Any, ...]]]:
    path = syntax.path(value)
    if path is None:
        return
    values: list[Any] = []
    for item in items:
        if isinstance(item, syntax.Literal):
            values.append(item.value)
        elif isinstance(item, syntax.Parameter) and item.name in parameters:
            values.append(parameters[item.name])
        else:
            return
    yield path, tuple(values)
