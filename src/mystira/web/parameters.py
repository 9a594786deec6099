"""Describes what addresses and headers may hold: types from the structs that queries are read into, and examples."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from mystira.web.examples import example_of

Told = Mapping[str, str | tuple[Any, str]]
"""What each parameter means, by its name, with its type before it where no struct tells that."""


def parameters_of(
    places: Mapping[str, Told], asked: type[msgspec.Struct] | None, named: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the parameters of an operation; what is text has its example from `named`, the rest from its type."""
    fields = {} if asked is None else {field.encode_name: field for field in msgspec.structs.fields(asked)}
    found: list[dict[str, Any]] = []
    for place, parameters in places.items():
        for name, told in parameters.items():
            field = fields.get(name) if place == "query" else None
            kind, meaning = told if isinstance(told, tuple) else (str if field is None else field.type, told)
            schema = schema_of(kind)
            about = {"description": meaning} if meaning else {}
            required = place == "path" or (field is not None and field.required)
            example = _example(name, schema, named)
            found.append({"name": name, "in": place, "required": required, "schema": schema, **about, **example})
    return found


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the schema of one parameter, whole: an address cannot hold null, and names no components."""
    (schema,), components = msgspec.json.schema_components((kind,), ref_template="{name}")
    choices = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    (only,) = choices
    return cast(dict[str, Any], components[only["$ref"]] if "$ref" in only else only)


def _example(name: str, schema: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    is_text = schema.get("type") == "string" and not {"enum", "format"} & schema.keys()
    items = schema.get("items", {})
    if is_text or items.get("type") == "string":
        return {"example": [named[name]] if items else named[name]} if name in named else {}
    return {"example": example_of(schema, {}, name)}
