"""The Admin API of the two lists of notes: read and written whole, by those who name the version they saw."""

from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, put

from mystira.content.media.model.metadata import (
    ENTRIES_MAX,
    CharacterMediaEntry,
    CharacterMediaMetadataFile,
    KeyValue,
    MediaEntry,
    MediaMetadataFile,
    MetadataFile,
    Noted,
)
from mystira.content.media.notes.actions import write_notes
from mystira.content.media.problems import EntryTwice, TooManyEntries
from mystira.content.media.views import metadata_file
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, read_body
from mystira.web.openapi import describe
from mystira.web.versions import IF_MATCH, Stale, VersionNeeded, VersionUnreadable, etag, named_version

MEDIA, CHARACTERS = f"{ADMIN}/api/media-metadata", f"{ADMIN}/api/character-media-metadata"
BYTES_MAX = 10_000_000
WHY_LENGTH_MAX = 500
Many = msgspec.Meta(max_length=ENTRIES_MAX)


class KeyValueWritten(KeyValue, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One classification or modifier."""


class MediaEntryWritten(MediaEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is noted of one medium."""

    classification_tags: tuple[KeyValueWritten, ...] = ()  # pyright: ignore[reportIncompatibleVariableOverride]
    modifiers: tuple[KeyValueWritten, ...] = ()  # pyright: ignore[reportIncompatibleVariableOverride]


class CharacterMediaEntryWritten(CharacterMediaEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is noted of one medium that shows or sounds like a character."""


class MediaNotesWritten(Body, frozen=True, kw_only=True):
    """Everything that is noted of media, and why it changes."""

    entries: Annotated[tuple[MediaEntryWritten, ...], Many]
    why: str = ""


class CharacterMediaNotesWritten(Body, frozen=True, kw_only=True):
    """Everything that is noted of characters' media, and why it changes."""

    entries: Annotated[tuple[CharacterMediaEntryWritten, ...], Many]
    why: str = ""


RAIN = MediaEntryWritten(
    id="rain-on-leaves",
    title="Rain on leaves",
    file_name="rain-on-leaves.mp3",
    type="audio",
    classification_tags=(KeyValueWritten(key="mood", value="calm"),),
    loopable=True,
)
FOX = CharacterMediaEntryWritten(id="tod-laughing", title="Tod laughs", file_name="tod-laughing.mp3", tags=("fox",))
REFUSALS = (Stale, VersionNeeded, VersionUnreadable, EntryTwice, TooManyEntries)


def _writing(answer: type[MetadataFile], example: Body) -> dict[str, Any]:
    return describe(answer, example=example, headers=IF_MATCH, refusals=REFUSALS, versioned=True)


@get(MEDIA, opt=allow("viewer") | describe(MediaMetadataFile, versioned=True))
async def show_media_notes(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show everything that is noted of media."""
    return await _shown(request, MediaMetadataFile)


@put(
    MEDIA,
    opt=allow("operator") | _writing(MediaMetadataFile, MediaNotesWritten(entries=(RAIN,), why="a new sound")),
    request_max_body_size=BYTES_MAX,
)
async def write_media_notes(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Write everything that is noted of media: what is left out is gone, which needs the role admin."""
    sent = await read_body(request, MediaNotesWritten, bytes_max=BYTES_MAX)
    entries = msgspec.convert(sent.entries, tuple[MediaEntry, ...], from_attributes=True)
    return await _written(request, MediaMetadataFile, entries, sent.why)


@get(CHARACTERS, opt=allow("viewer") | describe(CharacterMediaMetadataFile, versioned=True))
async def show_character_media_notes(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show everything that is noted of characters' media."""
    return await _shown(request, CharacterMediaMetadataFile)


@put(
    CHARACTERS,
    opt=allow("operator")
    | _writing(CharacterMediaMetadataFile, CharacterMediaNotesWritten(entries=(FOX,), why="a new voice")),
    request_max_body_size=BYTES_MAX,
)
async def write_character_media_notes(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Write everything that is noted of characters' media: what is left out is gone, which needs the role admin."""
    sent = await read_body(request, CharacterMediaNotesWritten, bytes_max=BYTES_MAX)
    entries = msgspec.convert(sent.entries, tuple[CharacterMediaEntry, ...], from_attributes=True)
    return await _written(request, CharacterMediaMetadataFile, entries, sent.why)


async def _written(
    request: Request[Any, Any, Any], kind: type[MetadataFile], entries: tuple[Noted, ...], why: str
) -> Response[bytes]:
    seen, who = named_version(request), await staff(request)
    why = " ".join(why.split())[:WHY_LENGTH_MAX]
    said = {"by": who.name, "why": why}
    may = who.may("admin")
    await _works(request).run(write_notes, kind=kind, entries=entries, may_remove=may, seen=seen, **said)
    return await _shown(request, kind)


async def _shown(request: Request[Any, Any, Any], kind: type[MetadataFile]) -> Response[bytes]:
    work = _works(request).open()
    found = await metadata_file(work, kind)
    # A list that nobody has written yet has a version too, so that the first one to write it can name one.
    headers = {"ETag": etag(work.version_of(found)), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(found), media_type="application/json", headers=headers)


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (show_media_notes, write_media_notes, show_character_media_notes, write_character_media_notes)
