"""The two lists of media metadata: what authors note of media and of characters' media, each in one document."""

from typing import Annotated, Any

import msgspec

from mystira.polyglot.entity import Entity, Value

MEDIA_METADATA, CHARACTER_MEDIA_METADATA = "media-metadata", "character-media-metadata"
"""The fixed ids of the two documents."""
ENTRIES_MAX = 2_000

Short = Annotated[str, msgspec.Meta(max_length=200)]
Long = Annotated[str, msgspec.Meta(max_length=2_000)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=120, pattern=r"^[a-zA-Z0-9_.-]+$")]


class KeyValue(Value, frozen=True, kw_only=True):
    """One classification or modifier."""

    key: Short
    value: Short


class Noted(Value, frozen=True, kw_only=True):
    """What is noted of any medium."""

    id: Id
    title: Short = ""
    file_name: Short = ""
    type: Short = ""
    description: Long = ""
    age_rating: Short = ""


class MediaEntry(Noted, frozen=True, kw_only=True):
    """What is noted of one medium."""

    subject_reference_id: Short = ""
    classification_tags: tuple[KeyValue, ...] = ()
    modifiers: tuple[KeyValue, ...] = ()
    loopable: bool = False


class CharacterMediaEntry(Noted, frozen=True, kw_only=True):
    """What is noted of one medium that shows or sounds like a character."""

    tags: tuple[Short, ...] = ()


class MediaMetadataFile(Entity, frozen=True, kw_only=True):
    """What is noted of media; there is one such document."""

    entries: tuple[MediaEntry, ...] = ()


class CharacterMediaMetadataFile(Entity, frozen=True, kw_only=True):
    """What is noted of characters' media; there is one such document."""

    entries: tuple[CharacterMediaEntry, ...] = ()


MetadataFile = MediaMetadataFile | CharacterMediaMetadataFile


def twice(entries: tuple[Any, ...]) -> str | None:
    """Return an id that two entries have, if there is one."""
    met: set[str] = set()
    for entry in entries:
        if entry.id in met:
            return entry.id
        met.add(entry.id)
    return None
