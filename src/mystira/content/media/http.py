"""Sends media to browsers, whole or in parts; and the metadata lists to players' apps."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from mystira.content.media import views
from mystira.content.media.actions.assets import medium, note_access
from mystira.content.media.model.asset import Home, MediaAsset, day
from mystira.content.media.model.metadata import CharacterMediaMetadataFile, MediaMetadataFile
from mystira.content.media.ports import MediaShelf
from mystira.content.media.problems import MediaAsleep, MediaClosed, MediaNotFound, MediaStoreDown
from mystira.mediafiles.kept import StoreDown
from mystira.polyglot.problem import Problem
from mystira.polyglot.store import StoreError
from mystira.polyglot.work import Works
from mystira.web.access import allow
from mystira.web.files import StaticFile, is_known
from mystira.web.openapi import describe
from mystira.web.ranges import Span, http_date, may_continue, span_of

DAY_S = 86_400
# Requirements document 2: pictures for a week, music for a month; films are kept as long as music.
KEPT_S = {"image": 7 * DAY_S, "audio": 30 * DAY_S, "video": 30 * DAY_S}
UPLOAD_KEPT_S = DAY_S
KEPT_AN_HOUR = "public, max-age=3600"
ASLEEP_RETRY_S = 3_600
SMALL = "small"


@get("/media/{media_id:str}", opt=allow("anyone"), include_in_schema=False)
async def send_medium(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[Any]:
    """Send a medium that is open, or whose address is signed; `instead` names a picture of ours for when there is none.

    Answers 206 with the part that a Range asks for, 304 to whoever has it already, 416 to what cannot be met.
    """
    work = _works(request).open()
    try:
        asset = await medium(work, media_id)
        if asset.is_deleted:
            raise MediaNotFound(media_id=media_id)
        keep = _may_see(request, asset)
    except (MediaNotFound, MediaClosed) as problem:
        return _instead(request, problem)
    if asset.last_access_day < day(work.now):
        _note_later(request, asset.id)
    is_small = request.query_params.get("size") == SMALL and asset.thumbnail != ""
    home: Home = "hot" if is_small else asset.home
    return await _sent(request, asset, home, asset.thumbnail if is_small else asset.hash, keep)


@get("/api/v1/media-metadata", opt=allow("anyone") | describe(MediaMetadataFile))
async def media_metadata(request: Request[Any, Any, Any]) -> Response[Any]:
    """Return what is noted of media: titles, kinds, whether they loop."""
    return _configuration(await views.media_metadata(_works(request).open()))


@get("/api/v1/character-media-metadata", opt=allow("anyone") | describe(CharacterMediaMetadataFile))
async def character_media_metadata(request: Request[Any, Any, Any]) -> Response[Any]:
    """Return what is noted of characters' media."""
    return _configuration(await views.character_media_metadata(_works(request).open()))


def _configuration(found: Any) -> Response[Any]:
    return Response(found, headers={"Cache-Control": KEPT_AN_HOUR})


def _may_see(request: Request[Any, Any, Any], asset: MediaAsset) -> str:
    """Return how long and by whom the answer may be kept; MediaClosed for whoever may not see it."""
    if asset.is_for_all:
        return f"public, max-age={KEPT_S[asset.media_type]}"
    works = _works(request)
    if not views.signed_until(request.app.state.key, asset.id, request.query_params, works.clock()):
        raise MediaClosed
    # Whoever was let in keeps what they have seen for a day; nobody on the way to them does.
    return f"private, max-age={UPLOAD_KEPT_S}"


async def _sent(request: Request[Any, Any, Any], asset: MediaAsset, home: Home, hash: str, keep: str) -> Response[Any]:
    headers = {
        "ETag": f'"{hash}"',
        "Cache-Control": keep,
        "Last-Modified": http_date(asset.changed_at),
        "Accept-Ranges": "bytes",
    }
    if is_known(request, hash):
        return Response(b"", status_code=304, headers=headers, media_type=asset.content_type)
    size = await _size_now(request, asset, home, hash)
    span = span_of(request.headers.get("range", ""), size)
    if span is not None and not may_continue(request.headers.get("if-range", ""), f'"{hash}"', asset.changed_at):
        span = None
    if span is not None and span.start == span.end:
        headers["Content-Range"] = f"bytes */{size}"
        return Response(b"", status_code=416, headers=headers, media_type=asset.content_type)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    part = span or Span(0, size)
    headers["Content-Length"] = str(part.end - part.start)
    # What only asks about it is told everything, and sent nothing.
    is_head = request.scope["state"].get("is_head", False)
    pieces = _nothing() if is_head else _shelf(request).store.read(home, hash, part.start, part.end)
    # A small picture is one of ours, whatever it was made from.
    kind = "image/webp" if home == "hot" and hash == asset.thumbnail else asset.content_type
    return Stream(pieces, status_code=206 if span is not None else 200, headers=headers, media_type=kind)


async def _size_now(request: Request[Any, Any, Any], asset: MediaAsset, home: Home, hash: str) -> int:
    """Return how many bytes can be sent now; MediaAsleep while they are being brought back from the archive."""
    store = _shelf(request).store
    try:
        if home == "archive" and not await store.wake(home, hash):
            raise MediaAsleep(media_id=asset.id, retry_after_s=ASLEEP_RETRY_S)
        if hash == asset.hash:
            return asset.bytes
        kept = await store.look(home, hash)
    except StoreDown as down:
        raise MediaStoreDown(reason=str(down)) from down
    if kept is None:
        raise MediaNotFound(media_id=asset.id)
    return kept.size


def _instead(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    name = request.query_params.get("instead", "")
    files: dict[str, StaticFile] = request.app.state.files
    if name not in files:
        raise problem
    return Redirect(f"/static/{name}?v={files[name].version}", status_code=302, headers={"Cache-Control": "no-cache"})


def _note_later(request: Request[Any, Any, Any], media_id: str) -> None:
    """Note the access beside the answer, which does not wait for it; once a day, as the record itself tells."""
    noting: dict[str, asyncio.Task[None]] = request.app.state.noting
    if media_id not in noting and len(noting) < 1_000:
        task = asyncio.create_task(_note(_works(request), media_id))
        noting[media_id] = task
        task.add_done_callback(lambda _: noting.pop(media_id, None))


async def _note(works: Works, media_id: str) -> None:
    try:
        await works.run(note_access, media_id=media_id)
    except (StoreError, MediaNotFound):
        # Whoever looks at it next notes it.
        return


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


def _shelf(request: Request[Any, Any, Any]) -> MediaShelf:
    return cast(MediaShelf, request.app.state.media)


HANDLERS = (send_medium, media_metadata, character_media_metadata)
