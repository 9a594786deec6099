"""Characters that authors may take into their stories, and the one list of those that are offered."""

from mystira.polyglot.entity import Entity

CAST = "character-map-file"


class CharacterMap(Entity, frozen=True, kw_only=True):
    """Somebody whom stories can have: what a story file says of a character, kept once for all stories."""

    name: str
    image: str | None = None
    audio: str | None = None
    species: str = ""
    age: int | None = None
    roles: tuple[str, ...] = ()
    archetypes: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    backstory: str = ""


class CharacterMapFile(Entity, frozen=True, kw_only=True):
    """The one list of the characters that are offered, in their order; its id is always `character-map-file`."""

    characters: tuple[str, ...] = ()
