"""What is different between two states of a story: facts about it, characters, scenes, and what is inside of each."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from mystira.content.scenarios.model.writing import plain_numbers
from mystira.polyglot.entity import Value


class FieldChange(Value, frozen=True, kw_only=True):
    """One field: its path inside the part that it belongs to, and what it said before and after, as text."""

    path: str
    before: str | None
    after: str | None


class PartChange(Value, frozen=True, kw_only=True):
    """One scene or character that is in both, and how it has changed."""

    id: str
    title: str
    fields: tuple[FieldChange, ...]


class PartName(Value, frozen=True, kw_only=True):
    """One scene or character that is only in one of them."""

    id: str
    title: str


class PartsChanged(Value, frozen=True, kw_only=True):
    """What became of all scenes, or of all characters. `moved`: the same ones stand in another order."""

    added: tuple[PartName, ...] = ()
    removed: tuple[PartName, ...] = ()
    changed: tuple[PartChange, ...] = ()
    moved: bool = False


class Difference(Value, frozen=True, kw_only=True):
    """Everything that is different between two states of a story."""

    about: tuple[FieldChange, ...]
    characters: PartsChanged
    scenes: PartsChanged

    @property
    def is_none(self) -> bool:
        """Whether both say the same."""
        return self == Difference(about=(), characters=PartsChanged(), scenes=PartsChanged())


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Compare two documents (`writing.document`, or what an author has typed)."""
    one, other = plain_numbers(before), plain_numbers(after)
    return Difference(
        about=_fields(_about(one), _about(other)),
        characters=_parts(one.get("characters", ()), other.get("characters", ()), "name"),
        scenes=_parts(one.get("scenes", ()), other.get("scenes", ()), "title"),
    )


def _about(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in ("scenes", "characters")}


def _parts(before: Sequence[Any], after: Sequence[Any], title: str) -> PartsChanged:
    old = {str(part.get("id", at)): part for at, part in enumerate(before)}
    new = {str(part.get("id", at)): part for at, part in enumerate(after)}
    both = [id for id in new if id in old]
    changed = (PartChange(id=id, title=str(new[id].get(title, id)), fields=_fields(old[id], new[id])) for id in both)
    return PartsChanged(
        added=tuple(PartName(id=id, title=str(new[id].get(title, id))) for id in new if id not in old),
        removed=tuple(PartName(id=id, title=str(old[id].get(title, id))) for id in old if id not in new),
        changed=tuple(one for one in changed if one.fields),
        moved=[id for id in old if id in new] != both,
    )


def _fields(before: Any, after: Any) -> tuple[FieldChange, ...]:
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    return tuple(
        FieldChange(path=path, before=old.get(path), after=new.get(path))
        for path in dict.fromkeys((*old, *new))
        if old.get(path) != new.get(path)
    )


def _leaves(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        pairs = cast(Mapping[str, Any], value).items()
        return [leaf for name, part in pairs for leaf in _leaves(part, f"{path}.{name}" if path else str(name))]
    if isinstance(value, list | tuple):
        parts = cast(Sequence[Any], value)
        if all(isinstance(part, str) for part in parts):
            return [(path, ", ".join(parts))]
        # Branches without an id of their own are known by their place, so that adding one at the end changes no other.
        names = [str(part["id"]) if "id" in part else str(at) for at, part in enumerate(parts, 1)]
        return [leaf for name, part in zip(names, parts, strict=True) for leaf in _leaves(part, f"{path}[{name}]")]
    return [(path, value if isinstance(value, str) else msgspec.json.encode(value).decode())]
