"""Changes of a story's document (its file as plain values), one part at a time; what is wrong a check will find."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from mystira.content.scenarios.model.checking import SCENARIO_FIELDS
from mystira.content.scenarios.problems import SceneNotFound

Document = dict[str, Any]

FIRST_TEXT = "Write what happens here."
LAST_TEXT = "Write how it ends."
ABOUT = tuple(name for name in SCENARIO_FIELDS if name not in ("characters", "scenes"))
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?[0-9]{0,18}[.,][0-9]{1,18}")


def first_document(title: str, description: str, core_axes: Sequence[str]) -> Document:
    """Return the smallest story that can be published, for an author to go on from."""
    start = {"id": "start", "title": "The beginning", "type": "narrative", "description": FIRST_TEXT}
    end = {"id": "end", "title": "The end", "type": "special", "description": LAST_TEXT}
    return {
        "title": title,
        "description": description,
        "core_axes": list(core_axes),
        "scenes": [{**start, "next_scene": "end"}, end],
    }


def with_about(told: Document, about: Mapping[str, Any]) -> Document:
    """Return the story with these facts about it; what is empty is left out."""
    rest = {name: value for name, value in told.items() if name not in ABOUT}
    return {**{name: about[name] for name in ABOUT if about.get(name) not in ("", None, [], {})}, **rest}


def with_characters(told: Document, characters: Sequence[Document]) -> Document:
    """Return the story with these characters."""
    rest = {name: value for name, value in told.items() if name != "characters"}
    return {**rest, **({"characters": list(characters)} if characters else {})}


def with_only(title: str, part: str, typed: Any) -> Document | None:
    """Return a story of nothing but what somebody typed in one of its forms; None where they typed nothing."""
    first = first_document(title, FIRST_TEXT, ())
    match part:
        case "about" if typed:
            return with_about(first, typed)
        case "characters" if typed:
            return with_characters(first, typed)
        case "scene" | "new" if typed:
            scene = {name: value for name, value in typed.items() if name != "led_from"}
            return {**first, "scenes": [scene]}
        case _:
            return None


def scene_in(told: Document, scene_id: str) -> Document:
    """Return one scene; SceneNotFound where it is gone."""
    for scene in told["scenes"]:
        if scene["id"] == scene_id:
            return scene
    raise SceneNotFound(scene=scene_id[:100])


def with_scene(told: Document, scene_id: str, scene: Document) -> Document:
    """Return the story with a scene changed. Where it gets another id, whatever leads to it does so still.

    A scene that somebody has removed meanwhile comes back: what was written of it is not lost.
    """
    ids = {one["id"] for one in told["scenes"]}
    if scene_id not in ids:
        return {**told, "scenes": [*told["scenes"], scene]}
    changed = [scene if one["id"] == scene_id else one for one in told["scenes"]]
    new_id = scene.get("id", scene_id)
    if new_id not in ids:
        changed = [_redirected(one, scene_id, new_id) for one in changed]
    return {**told, "scenes": changed}


def without_scene(told: Document, scene_id: str) -> Document:
    """Return the story without a scene; what led to it is found by the check, and stays to be led elsewhere."""
    scene_in(told, scene_id)
    return {**told, "scenes": [one for one in told["scenes"] if one["id"] != scene_id]}


def with_new_scene(told: Document, scene: Document, led_from: str = "") -> Document:
    """Return the story with one scene more, behind the one that leads to it."""
    if not led_from:
        return {**told, "scenes": [*told["scenes"], scene]}
    before = scene_in(told, led_from)
    at = told["scenes"].index(before)
    leading = _leading(before, scene.get("id", ""))
    return {**told, "scenes": [*told["scenes"][:at], leading, scene, *told["scenes"][at + 1 :]]}


def new_scene(id: str, title: str, kind: str) -> Document:
    """Return a scene to begin with."""
    scene = {"id": id, "title": title, "type": kind, "description": FIRST_TEXT if kind != "special" else LAST_TEXT}
    return {**scene, "difficulty": 10} if kind == "roll" else scene


def number_in(text: str) -> Any:
    """Return the number that a form's text is, or the text, for the check to say what is wrong with it."""
    text = text.strip()
    if _INT.fullmatch(text):
        return int(text)
    return Decimal(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else text


def lines_in(text: str) -> list[str]:
    """Return a form's lines as a list, without those that are empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def rows_in(entries: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Return a form's rows (`0.choice`, `0.next_scene`, `1.choice`), in order, without those to be removed."""
    rows: dict[int, dict[str, str]] = {}
    for name, value in entries.items():
        number, _, field = name.partition(".")
        if number.isdecimal() and len(number) < 6:
            rows.setdefault(int(number), {})[field] = value.strip()
    return (rows[number] for number in sorted(rows) if not rows[number].get("remove"))


def branch_in(row: Mapping[str, str]) -> Document:
    """Return a branch as a form's row says it; an empty one for a row that says nothing."""
    said = {name: row.get(name, "") for name in ("id", "choice", "next_scene")}
    echo = {"echo_type": row.get("echo_type"), "description": row.get("echo"), "strength": _number(row, "strength")}
    compass = {"axis": row.get("axis"), "delta": _number(row, "delta"), "developmental_link": row.get("link")}
    told = filled({**said, "echo_log": filled(echo), "compass_change": filled(compass)})
    return told if set(told) - {"id"} else {}


def reveal_in(row: Mapping[str, str]) -> Document:
    """Return a reveal as a form's row says it; an empty one for a row that names no echo."""
    if not row.get("echo_type"):
        return {}
    numbers = {name: _number(row, name) for name in ("min_strength", "max_age_scenes")}
    texts = {name: row.get(name) for name in ("echo_type", "trigger_scene_id", "reveal_mechanic")}
    return filled({**texts, **numbers, "required": True if row.get("required") else None})


def character_in(row: Mapping[str, str]) -> Document:
    """Return a character as a form's row says it; an empty one for a row that says nothing."""
    metadata = {name: lines_in(row.get(name, "")) for name in ("role", "archetype", "traits")}
    more = {name: row.get(name) for name in ("species", "backstory")}
    texts = {name: row.get(name) for name in ("id", "name", "image", "audio")}
    return filled({**texts, "metadata": filled({**metadata, **more, "age": _number(row, "age")})})


def filled(values: Mapping[str, Any]) -> Document:
    """Return what says something."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _number(row: Mapping[str, str], name: str) -> Any:
    return number_in(row[name]) if row.get(name) else None


def _leading(scene: Document, target: str) -> Document:
    if scene["type"] in ("choice", "roll") or scene.get("branches"):
        return {**scene, "branches": [*scene.get("branches", ()), {"choice": "Go on", "next_scene": target}]}
    return {**scene, "next_scene": target}


def _redirected(scene: Document, old: str, new: str) -> Document:
    changed = dict(scene)
    if changed.get("next_scene") == old:
        changed["next_scene"] = new
    for name, field in (("branches", "next_scene"), ("echo_reveals", "trigger_scene_id")):
        if name in changed:
            changed[name] = [{**one, field: new} if one.get(field) == old else one for one in changed[name]]
    return changed
