"""The file of a kind: a YAML list, one definition a line, every value written as JSON writes it.

JSON's way of writing is YAML of every version, so nothing turns into something else on the way back.
"""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from mystira.content.desk.model.fields import plain_of, record_values, wrongs
from mystira.content.desk.model.kinds import Kind
from mystira.polyglot.entity import Entity, Value
from mystira.textfiles.nodes import Node

EMPTY: tuple[Any, ...] = (None, "", [], {})


class Found(Value, frozen=True, kw_only=True):
    """What is wrong in a file: in which line, with which definition, and what to do."""

    line: int
    id: str
    message: str


class Row(Value, frozen=True, kw_only=True):
    """One definition of a file in plain form, and the line where it begins."""

    line: int
    id: str
    plain: dict[str, Any]


def write_sheet(kind: Kind, entities: Sequence[Entity]) -> str:
    """Return the file of these definitions; what is empty is left out."""
    return "".join(_line(kind, entity) for entity in entities)


def read_sheet(kind: Kind, root: Node) -> tuple[list[Row], list[Found]]:
    """Return the definitions of a file, and everything that is wrong with each of them by itself."""
    if root.kind != "list":
        return [], [Found(line=root.line, id="", message="The file must be a list: begin each definition with `- `.")]
    rows: list[Row] = []
    found: list[Found] = []
    for node in cast(list[Node], root.value):
        if node.kind != "map":
            found.append(Found(line=node.line, id="", message="Write a definition as `{id: …, name: …}`."))
            continue
        row = _row(kind, node)
        if any(row.id == other.id for other in rows):
            found.append(Found(line=row.line, id=row.id, message=f"The id {row.id} is there twice."))
        rows.append(row)
        found += [
            Found(line=row.line, id=row.id, message=f"{wrong.field}: {wrong.message}")
            for wrong in wrongs(kind.fields, row.plain)
        ]
        found += [Found(line=row.line, id=row.id, message=message) for message in wrong_ids(kind, row.id, row.plain)]
    return rows, found


def entity_of(kind: Kind, id: str, plain: dict[str, Any]) -> Entity:
    """Return the record of a plain form in which nothing is wrong; None is as good as left out."""
    given = {name: value for name, value in plain.items() if value is not None}
    return msgspec.convert({"id": id, **record_values(kind.fields, given)}, kind.entity)


def wrong_ids(kind: Kind, id: str, plain: dict[str, Any]) -> list[str]:
    """Return what is wrong with the id of something new."""
    made = kind.makes_id(plain)
    if not id or len(id) > 120 or not all(one.isascii() and (one.isalnum() or one in "-_") for one in id):
        return ["id: Write small letters, digits and hyphens, or leave the id out."]
    if not kind.free_id and id != made:
        return [f"id: It must be {made}."]
    return []


def _row(kind: Kind, node: Node) -> Row:
    plain = {str(key.value): _plain(value) for key, value in cast(list[tuple[Node, Node]], node.value)}
    id = plain.pop("id", None)
    return Row(line=node.line, id=str(id if id is not None else kind.makes_id(plain)), plain=plain)


def _plain(node: Node) -> Any:
    if node.kind == "list":
        return [_plain(part) for part in node.value]
    if node.kind == "map":
        return {str(key.value): _plain(value) for key, value in node.value}
    return float(node.value) if node.kind == "float" else node.value


def _line(kind: Kind, entity: Entity) -> str:
    plain = {"id": entity.id, **plain_of(kind.fields, entity)}
    told = [f"{name}: {_json(value)}" for name, value in plain.items() if value not in EMPTY]
    return f"- {{{', '.join(told)}}}\n"


def _json(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return msgspec.json.encode(value).decode()
