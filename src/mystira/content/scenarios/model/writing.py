"""A story back as the file that it came from: what a file may leave out is left out, thousandths are decimals again."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from mystira.content.scenarios.model.scenario import ScenarioContent

THOUSANDTHS = ("strength", "delta", "min_strength")
# A file must say these, even where they are what they would be anyway.
SAID = ("strength",)


def document(content: ScenarioContent) -> dict[str, Any]:
    """Return the story as plain values, in the order of a file's fields; importing it gives the same content."""
    told = _fields(content)
    # The start is found again: it is the scene that nothing leads to.
    del told["start"]
    for scene in told["scenes"]:
        for number, branch in enumerate(scene.get("branches", ()), start=1):
            if branch["id"] == f"{scene['id']}:{number}":
                del branch["id"]
    return told


def plain_numbers(value: Any) -> Any:
    """Return a document with its decimals as JSON knows numbers."""
    if isinstance(value, Decimal):
        return float(value)
    return _each(value, plain_numbers)


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field in msgspec.structs.fields(value):
        given = getattr(value, field.name)
        if field.required or field.name in SAID or given != field.default:
            told[field.name] = _number(given) if field.name in THOUSANDTHS else _plain(given)
    return told


def _plain(value: Any) -> Any:
    return _fields(value) if isinstance(value, msgspec.Struct) else _each(value, _plain)


def _each(value: Any, do: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: do(part) for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [do(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _number(thousandths: int) -> Decimal:
    return (Decimal(thousandths) / 1000).normalize() + 0
