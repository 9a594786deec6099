"""One picture, sound or film: its name, what is told of it, and where its bytes live."""

import re
from datetime import datetime, timedelta
from typing import Literal

from mystira.content.media.problems import MediaNameUnusable
from mystira.mediafiles.forms import TYPE_OF_ENDING, Cleaned, MediaType
from mystira.polyglot.entity import Entity, Value

Home = Literal["hot", "cool", "archive", "music"]
HOMES: tuple[Home, ...] = ("hot", "cool", "archive", "music")
NAME_MAX, TEXT_MAX, TAGS_MAX = 100, 2_000, 30
COOL_AFTER, ARCHIVE_AFTER = timedelta(days=30), timedelta(days=90)

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_.-]+")


class Told(Value, frozen=True, kw_only=True):
    """What people say about a medium; `is_open` lets anybody fetch it, with or without a story that shows it."""

    title: str = ""
    description: str = ""
    alt_text: str = ""
    tags: tuple[str, ...] = ()
    age_rating: str = ""
    is_open: bool = False


class MediaAsset(Entity, frozen=True, kw_only=True):
    """One medium. Its id is the name that stories give; `hash` is that of its cleaned bytes, and names the blob.

    `edition` counts what people changed, and is the version that editors name: that somebody looked at it, or that it
    moved to another home, is no change of theirs. `last_access_day` is told at most once a day (a day is its ISO text).

    `is_open` is what people said, and nothing but people changes it; `is_shown` follows what is published.
    """

    media_type: MediaType
    title: str = ""
    description: str = ""
    alt_text: str = ""
    tags: tuple[str, ...] = ()
    age_rating: str = ""
    is_open: bool = False
    is_shown: bool = False
    hash: str
    thumbnail: str = ""
    content_type: str
    bytes: int
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    home: Home
    last_access_day: str
    edition: int = 1
    added_at: datetime
    changed_at: datetime
    deleted_at: datetime | None = None

    @property
    def is_deleted(self) -> bool:
        """Whether it is only kept for those who may want it back."""
        return self.deleted_at is not None

    @property
    def is_for_all(self) -> bool:
        """Whether anybody may fetch it: people said so, or something published shows it."""
        return self.is_open or self.is_shown


class MediaUse(Entity, frozen=True, kw_only=True):
    """What names media: a story, a bundle, a character. Its id is `kind|id`; one record for each."""

    what: str
    content_id: str
    title: str
    media_ids: tuple[str, ...]


def type_of(media_id: str) -> MediaType | None:
    """Return what an id names by its ending; None for what cannot be the id of a medium."""
    stem, dot, ending = media_id.rpartition(".")
    return TYPE_OF_ENDING.get(f".{ending}") if dot and stem else None


def id_of(name: str, ending: str) -> str:
    """Return the id that a file's name gives: in small letters, without folders, with `ending` where it has none."""
    name = name.replace("\\", "/").rpartition("/")[2].strip().lower()
    stem, dot, own = name.rpartition(".")
    if not dot or f".{own}" not in TYPE_OF_ENDING:
        stem, own = name, ending.removeprefix(".")
    stem = _NOT_IN_NAMES.sub("-", stem).strip("-._")
    if not stem:
        raise MediaNameUnusable(name=name[:80])
    return f"{stem[:NAME_MAX]}.{own}"


def home_of(media_type: MediaType) -> Home:
    """Return where a fresh medium lives: sounds have a home of their own, made for streaming."""
    return "music" if media_type == "audio" else "hot"


def made(media_id: str, cleaned: Cleaned, told: Told, before: MediaAsset | None, now: datetime) -> MediaAsset:
    """Return the medium with these bytes; what was told of one that it replaces stays."""
    kept = before if before is not None and not before.is_deleted else None
    said = {name: getattr(kept if kept is not None else told, name) for name in Told.__struct_fields__}
    return MediaAsset(
        id=media_id,
        media_type=cleaned.media_type,
        **said,
        is_shown=kept is not None and kept.is_shown,
        hash=cleaned.hash,
        thumbnail=cleaned.thumbnail,
        content_type=cleaned.content_type,
        bytes=cleaned.bytes,
        width=cleaned.width,
        height=cleaned.height,
        duration_ms=cleaned.duration_ms,
        home=home_of(cleaned.media_type),
        last_access_day=day(now),
        edition=before.edition + 1 if before is not None else 1,
        added_at=before.added_at if before is not None else now,
        changed_at=now,
    )


def edited(asset: MediaAsset, told: Told, now: datetime) -> MediaAsset:
    """Return the medium with what somebody says of it."""
    said = {name: getattr(told, name) for name in Told.__struct_fields__}
    return asset.evolve(**said, edition=asset.edition + 1, changed_at=now)


def deleted(asset: MediaAsset, now: datetime) -> MediaAsset:
    """Return it as deleted: nobody sees it any more, and it is kept in the archive for a while."""
    # Without a day of access it is among those that went longest without, which is where moving house looks.
    return asset.evolve(deleted_at=now, is_shown=False, last_access_day="", edition=asset.edition + 1, changed_at=now)


def restored(asset: MediaAsset, now: datetime) -> MediaAsset:
    """Return it as it was before it was deleted, to be seen again."""
    return asset.evolve(deleted_at=None, last_access_day=day(now), edition=asset.edition + 1, changed_at=now)


def next_home(asset: MediaAsset, now: datetime) -> Home:
    """Return where it should live by when it was last looked at; what is deleted belongs into the archive."""
    if asset.is_deleted or asset.last_access_day <= day(now - ARCHIVE_AFTER):
        return "archive"
    if asset.last_access_day <= day(now - COOL_AFTER):
        return "cool"
    return home_of(asset.media_type)


def day(at: datetime) -> str:
    """Return the day of a moment as text that sorts."""
    return at.date().isoformat()
