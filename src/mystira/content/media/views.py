"""What can be seen of media: the library of those who keep it, and the addresses that players' pages show."""

import hmac
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from mystira.content.media.model.asset import MediaAsset, type_of
from mystira.content.media.model.metadata import (
    CHARACTER_MEDIA_METADATA,
    MEDIA_METADATA,
    CharacterMediaMetadataFile,
    MediaMetadataFile,
    MetadataFile,
)
from mystira.content.vocabulary.model import spellings
from mystira.polyglot.keyed import keyed_hash
from mystira.polyglot.query import Order, Where, all_of, any_of, contains, equal, is_null, negate, one_of
from mystira.polyglot.work import Found, Work

SIGNED_S = 3_600
OFFERED = 300
ASKED_AT_ONCE = 100

MediaOrder = Literal["newest", "id", "title", "largest", "longest unseen"]
ORDERS: dict[MediaOrder, Order] = {
    "newest": Order("added_at", descending=True),
    "id": Order("id"),
    "title": Order("title"),
    "largest": Order("bytes", descending=True),
    "longest unseen": Order("last_access_day"),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which media a list shows: by words of name or title or by a tag, by type and home; deleted ones or the others."""

    search: str = ""
    type: Literal["", "image", "audio", "video"] = ""
    home: Literal["", "hot", "cool", "archive", "music"] = ""
    deleted: bool = False
    order: MediaOrder = "newest"


async def library(work: Work, wanted: Wanted, limit: int, after: Any = None) -> Found[MediaAsset]:
    """Return a page of media."""
    return await work.find(MediaAsset, _chosen(wanted), ORDERS[wanted.order], limit=limit, after=after)


async def newest_ids(work: Work) -> frozenset[str]:
    """Return the ids of the media that were uploaded last: a library may hold more than any page could offer."""
    found = await work.find(MediaAsset, is_null("deleted_at"), ORDERS["newest"], limit=OFFERED)
    return frozenset(asset.id for asset in found.items)


async def those_there(work: Work, media_ids: Collection[str]) -> frozenset[str]:
    """Return those of these media that were uploaded and not deleted."""
    wanted = sorted(media_ids)
    there: set[str] = set()
    for first in range(0, len(wanted), ASKED_AT_ONCE):
        some = one_of("id", wanted[first : first + ASKED_AT_ONCE])
        found = await work.find(MediaAsset, all_of(some, is_null("deleted_at")), limit=ASKED_AT_ONCE)
        there.update(asset.id for asset in found.items)
    return frozenset(there)


async def shown_at(work: Work, key: bytes, media_id: str | None) -> str | None:
    """Return the address under which a page shows an uploaded medium, or None where there is no such medium.

    What is not open to everybody gets an address that is signed and holds for an hour or two.
    """
    media_type = None if media_id is None else type_of(media_id)
    if media_id is None or media_type is None:
        return None
    asset = await work.get(MediaAsset, media_id, media_type)
    if asset is None or asset.is_deleted:
        return None
    return address_of(media_id) if asset.is_for_all else signed_address(key, media_id, work.now)


async def said_instead_of(work: Work, media_id: str | None) -> str:
    """Return what is said to those who cannot see or hear an uploaded medium; "" where nobody has told."""
    media_type = None if media_id is None else type_of(media_id)
    asset = None if media_id is None or media_type is None else await work.get(MediaAsset, media_id, media_type)
    return "" if asset is None or asset.is_deleted else asset.alt_text


def address_of(media_id: str) -> str:
    """Return the address of a medium that anybody may fetch."""
    return f"/media/{quote(media_id)}"


def signed_address(key: bytes, media_id: str, now: datetime, *, small: bool = False) -> str:
    """Return an address that lets whoever has it fetch a medium, until an hour or two from now.

    It stays the same within an hour, so that browsers keep what they have fetched by it.
    """
    until = (int(now.timestamp()) // SIGNED_S + 2) * SIGNED_S
    size = "&size=small" if small else ""
    return f"{address_of(media_id)}?until={until}&signature={_signature(key, media_id, until)}{size}"


def signed_until(key: bytes, media_id: str, query: Mapping[str, str], now: datetime) -> int:
    """Return how many seconds a signature still holds; 0 when there is none, or it is wrong or over."""
    until = query.get("until", "")
    if not (until.isascii() and until.isdigit() and len(until) <= 12):
        return 0
    left = int(until) - int(now.timestamp())
    is_ours = hmac.compare_digest(_signature(key, media_id, int(until)).encode(), query.get("signature", "").encode())
    return left if is_ours and 0 < left <= 2 * SIGNED_S else 0


async def media_metadata(work: Work) -> MediaMetadataFile:
    """Return the list of what is noted of media."""
    return await work.get(MediaMetadataFile, MEDIA_METADATA) or MediaMetadataFile(id=MEDIA_METADATA)


async def character_media_metadata(work: Work) -> CharacterMediaMetadataFile:
    """Return the list of what is noted of characters' media."""
    found = await work.get(CharacterMediaMetadataFile, CHARACTER_MEDIA_METADATA)
    return found or CharacterMediaMetadataFile(id=CHARACTER_MEDIA_METADATA)


async def metadata_file(work: Work, kind: type[MetadataFile]) -> MetadataFile:
    """Return one of both lists."""
    return await (media_metadata(work) if kind is MediaMetadataFile else character_media_metadata(work))


def _chosen(wanted: Wanted) -> Where:
    parts: list[Where] = [negate(is_null("deleted_at")) if wanted.deleted else is_null("deleted_at")]
    if wanted.type:
        parts.append(equal("media_type", wanted.type))
    if wanted.home:
        parts.append(equal("home", wanted.home))
    for word in wanted.search.split():
        titled = (contains("title", one) for one in spellings(word))
        parts.append(any_of(contains("id", word.lower()), *titled, contains("tags", word)))
    return all_of(*parts)


def _signature(key: bytes, media_id: str, until: int) -> str:
    return keyed_hash(key, "media", f"{until}|{media_id}")[:32]
