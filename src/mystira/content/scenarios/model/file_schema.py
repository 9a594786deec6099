"""The JSON Schema of a scenario file, generated from the model; for editors, and for the page that serves it."""

from typing import Any

import msgspec

from mystira.content.scenarios.model.scenario import Attribution, ScenarioContent

DIALECT = "https://json-schema.org/draft/2020-12/schema"
THOUSANDTHS = {"EchoLog": ("strength",), "CompassChange": ("delta",), "EchoReveal": ("min_strength",)}
# "multipleOf": 0.001 would be truer, but validators compute it in binary and refuse -0.7.
DECIMAL = {"type": "number", "minimum": -1, "maximum": 1}

# What the checker demands beyond the model's types: limits by struct and field.
LIMITS: dict[str, dict[str, dict[str, Any]]] = {
    "ScenarioContent": {
        "title": {"minLength": 1, "maxLength": 200},
        "description": {"minLength": 1, "maxLength": 2000},
        "core_axes": {"minItems": 1, "maxItems": 4},
        "archetypes": {"maxItems": 8},
        "scenes": {"minItems": 1},
    },
    "Attribution": {name: {"minLength": 1, "maxLength": 200} for name in Attribution.__struct_fields__},
    "Character": {"id": {"pattern": "^[a-z0-9_]+$"}},
    "Scene": {"id": {"pattern": "^[A-Za-z0-9_]+$"}, "difficulty": {"minimum": 1, "maximum": 20}},
}


def scenario_schema() -> dict[str, Any]:
    """Return the schema of a file: snake_case, decimals from -1 to 1, nothing that the importer adds itself."""
    (root,), parts = msgspec.json.schema_components((ScenarioContent,), ref_template="#/$defs/{name}")
    for name, part in parts.items():
        part["additionalProperties"] = False
        part.pop("title", None)
        for field in THOUSANDTHS.get(name, ()):
            part["properties"][field] = dict(DECIMAL)
        for field, limits in LIMITS.get(name, {}).items():
            _limit(part["properties"][field], limits)
    # Where a file may leave things out: the importer finds the start, numbers the branches, and needs these.
    parts["ScenarioContent"]["properties"].pop("start")
    parts["ScenarioContent"]["required"].remove("start")
    parts["Branch"]["required"].remove("id")
    parts["EchoLog"]["required"] = ["echo_type", "description", "strength"]
    return {"$schema": DIALECT, "title": "Mystira scenario", **root, "$defs": parts}


def _limit(field: dict[str, Any], limits: dict[str, Any]) -> None:
    # An optional field allows null beside its type; the limits belong to the type.
    for one in field.get("anyOf", [field]):
        if one.get("type") != "null":
            one.update(limits)
