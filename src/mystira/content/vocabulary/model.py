"""Master data with stable slugs, and how names written by people find them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal

from mystira.polyglot.entity import Entity

WordKind = Literal["age_group", "axis", "archetype", "echo_type", "theme"]

AGE_GROUP_ALIASES = {
    "toddlers": "1-2",
    "preschoolers": "3-5",
    "school": "6-9",
    "preteens": "10-12",
    "teens": "13-18",
    "adults": "19-150",
    "19+": "19-150",
}


class AgeGroupDefinition(Entity, frozen=True, kw_only=True):
    """An age group; its id is what everything stores and serves. Ages are whole years, both included."""

    name: str
    minimum_age: int
    maximum_age: int


class CompassAxis(Entity, frozen=True, kw_only=True):
    """A direction of the moral compass."""

    name: str
    description: str = ""


class ArchetypeDefinition(Entity, frozen=True, kw_only=True):
    """A kind of character."""

    name: str
    description: str = ""


class EchoTypeDefinition(Entity, frozen=True, kw_only=True):
    """A kind of trace that choices leave."""

    name: str
    description: str = ""


class FantasyThemeDefinition(Entity, frozen=True, kw_only=True):
    """A kind of world."""

    name: str
    description: str = ""


class Vocabulary:
    """Finds ids by slug or by name, whatever the case and the punctuation."""

    def __init__(self, words: Mapping[WordKind, Mapping[str, str]], maximum_ages: Mapping[str, int]) -> None:
        """`words` holds, for each kind, the name of every id; `maximum_ages` the oldest age of each age group."""
        self.words = words
        self.maximum_ages = maximum_ages
        self._found: dict[WordKind, dict[str, str]] = {}
        for kind, names in words.items():
            self._found[kind] = {slug(text): id for id, name in names.items() for text in (name, id)}
        if "age_group" in words:
            ids = words["age_group"]
            known = {slug(alias): id for alias, id in AGE_GROUP_ALIASES.items() if id in ids}
            self._found["age_group"] |= known | {slug(id): id for id in ids}

    def resolve(self, kind: WordKind, text: str) -> str | None:
        """Return the id that the text means, or None."""
        if kind == "age_group" and text.strip() in AGE_GROUP_ALIASES:
            return AGE_GROUP_ALIASES[text.strip()]
        return self._found.get(kind, {}).get(slug(text))


def spellings(text: str) -> tuple[str, ...]:
    """Return how a word that somebody looks for may be spelled: both stores compare letter by letter."""
    return tuple(dict.fromkeys((text, text[:1].upper() + text[1:], text.title(), text.lower())))


def slug(name: str) -> str:
    """Return the stable id for a name: `Empathy & Perspective-Taking` is `empathy-perspective-taking`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def is_spelt_by_slug(name: str) -> bool:
    """Tell whether every letter and digit of a name is in its slug: those of many scripts are not."""
    letters = [one for one in unicodedata.normalize("NFKD", name) if one.isalnum()]
    return bool(letters) and all(one.isascii() for one in letters)


def names_of(
    definitions: Iterable[
        AgeGroupDefinition | CompassAxis | ArchetypeDefinition | EchoTypeDefinition | FantasyThemeDefinition
    ],
) -> dict[str, str]:
    """Return the name of every id."""
    return {definition.id: definition.name for definition in definitions}
