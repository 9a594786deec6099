"""COUNT, SUM, MIN, MAX, AVG and COUNTIF over the rows of a group."""

from collections.abc import Callable, Iterable
from typing import Any

from mystira.cosmos_emulator.sql.values import NUMBERS, UNDEFINED, number, order_key


def _count(values: list[Any]) -> Any:
    return len(values)


def _count_if(values: list[Any]) -> Any:
    return sum(value is True for value in values)


def _sum(values: list[Any]) -> Any:
    if any(type(value) not in NUMBERS for value in values):
        return UNDEFINED
    return number(sum(values))


def _average(values: list[Any]) -> Any:
    total = _sum(values)
    return number(total / len(values)) if values and total is not UNDEFINED else UNDEFINED


def _extreme(choose: Callable[..., Any]) -> Callable[[list[Any]], Any]:
    def chosen(values: list[Any]) -> Any:
        if not values or any(type(value) in (list, dict) for value in values):
            return UNDEFINED
        return choose(values, key=order_key)

    return chosen


AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "AVG": _average,
    "COUNT": _count,
    "COUNTIF": _count_if,
    "MAX": _extreme(max),
    "MIN": _extreme(min),
    "SUM": _sum,
}


def aggregated(function: str, values: Iterable[Any]) -> Any:
    """The aggregate of the values; those that are undefined do not count."""
    return AGGREGATES[function]([value for value in values if value is not UNDEFINED])
