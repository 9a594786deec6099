"""Examples for the API's description, made from the schemas themselves, so that none can contradict its schema."""

from collections.abc import Mapping
from typing import Any, cast

DEPTH_MAX = 8
TEXTS = {"date-time": "2026-11-21T17:30:00Z", "byte": "", "decimal": "1"}

Schema = Mapping[str, Any]


def example_of(schema: Schema, components: Mapping[str, Schema], name: str = "text", depth: int = 0) -> Any:
    """Return a value that fits the schema: its default or first choice, one entry of each list, names for texts."""
    if "$ref" in schema:
        reference = str(schema["$ref"]).rpartition("/")[2]
        return example_of(components[reference], components, name, depth)
    if "enum" in schema:
        # Many choices begin with none at all, which shows nothing.
        choices: list[Any] = schema["enum"]
        return next((one for one in choices if one), choices[0])
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        # What is there tells a reader more than null does.
        choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return example_of(choices[0], components, name, depth)
    match schema.get("type"):
        case "object":
            return _mapping(schema, components, depth)
        case "array" if "prefixItems" in schema:
            return [example_of(one, components, name, depth + 1) for one in schema["prefixItems"]]
        case "array":
            items: Schema | None = schema.get("items")
            return [example_of(items, components, name, depth + 1)] if items and depth < DEPTH_MAX else []
        case "string":
            return TEXTS.get(schema.get("format", ""), name)
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return None


def _mapping(schema: Schema, components: Mapping[str, Schema], depth: int) -> dict[str, Any]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    made = {name: example_of(one, components, name, depth + 1) for name, one in properties.items()}
    others = schema.get("additionalProperties")
    if not properties and isinstance(others, Mapping) and depth < DEPTH_MAX:
        made["name"] = example_of(cast(Schema, others), components, "text", depth + 1)
    return made
