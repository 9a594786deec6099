"""The Admin API of the media library; files are taken in one at a time, many at once, or as a ZIP."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from mystira.content.media import views
from mystira.content.media.actions.assets import delete_medium, edit_medium, medium, restore_medium, version_of
from mystira.content.media.actions.uploading import Incoming, Outcome, scratch, take_in
from mystira.content.media.model.asset import TAGS_MAX, TEXT_MAX, MediaAsset, Told
from mystira.content.media.ports import MediaShelf
from mystira.content.media.problems import MediaInUse, MediaNotFound, NoRoomForMedia
from mystira.content.media.storage import MEDIA_ASSETS
from mystira.content.media.uploads.actions import take_in_once
from mystira.polyglot.entity import Stamp
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.keys import IDEMPOTENCY_KEY, KeyReused, key_id
from mystira.web.lists import LISTING, PageUnknown, cursor_in, cursor_text, span_asked
from mystira.web.openapi import describe
from mystira.web.repeats import repeat_key
from mystira.web.uploads import DiskFull, Received, UploadTooLarge, UploadUnreadable, field, receive_files, takes_files
from mystira.web.versions import Stale, VersionNeeded, VersionUnreadable, etag, named_version

# What the setting allows is less; this only tells the server which paths to be patient with.
UPLOAD_BYTES_MAX = 100_000_000_000
IF_MATCH = {"If-Match": "The ETag of what you read."}
QUERY = {
    "search": "Words of the name or title, or a whole tag.",
    "type": "Only media of this type.",
    "home": "Only media that live here.",
    "deleted": "true for those that are kept only to be brought back.",
    "order": "Which come first.",
    **LISTING,
}
UPLOADING = "media"
UPLOAD_HEADERS = {"X-File-Name": "The name of the file, percent-encoded, where it is the body itself and no form."}
UPLOADS = {
    "multipart/form-data": {
        "files": ["The bytes of a file, with its name."],
        "why": "For the harbour stories.",
        "replace": "false",
    },
    "application/octet-stream": "The bytes of one file, or of a ZIP of files.",
}
STALE = (MediaNotFound, Stale, VersionNeeded, VersionUnreadable)

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Line = Annotated[str, msgspec.Meta(max_length=200)]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class MediaEdit(Body, frozen=True, kw_only=True):
    """What is said of a medium, all of it, and why it is changed."""

    title: Line = ""
    description: Text = ""
    alt_text: Line = ""
    tags: Annotated[tuple[Tag, ...], msgspec.Meta(max_length=TAGS_MAX)] = ()
    age_rating: Line = ""
    is_open: bool = False
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""

    def told(self) -> Told:
        """Return what is said, without why."""
        return Told(**{name: getattr(self, name) for name in Told.__struct_fields__})


class MediaPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the library, and what leads to the next one."""

    media: Sequence[MediaAsset]
    after: str | None


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every file; one that was refused stopped no other."""

    files: Sequence[Outcome]


EXAMPLE = MediaEdit(title="The lantern at dusk", alt_text="A lantern on a wet quay", tags=("harbour",), why="Alt text")


@get(
    f"{ADMIN}/api/media",
    opt=allow("viewer") | describe(MediaPage, asked=views.Wanted, query=QUERY, refusals=(BodyInvalid, PageUnknown)),
)
async def list_media(request: Request[Any, Any, Any]) -> MediaPage:
    """List the media library."""
    return await page_asked(request)


@get(
    f"{ADMIN}/api/media/{{media_id:str}}",
    opt=allow("viewer") | describe(MediaAsset, refusals=(MediaNotFound,), versioned=True),
)
async def show_medium(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[MediaAsset]:
    """Show one medium."""
    return versioned(await medium(works_of(request).open(), media_id))


@post(
    f"{ADMIN}/api/media",
    status_code=200,
    request_max_body_size=None,
    opt=allow("operator")
    | takes_files(UPLOAD_BYTES_MAX)
    | describe(
        Uploaded,
        raw=UPLOADS,
        headers={**UPLOAD_HEADERS, **IDEMPOTENCY_KEY},
        refusals=(BodyInvalid, KeyReused, UploadTooLarge, UploadUnreadable, DiskFull, NoRoomForMedia),
    ),
)
async def upload(request: Request[Any, Any, Any]) -> Uploaded:
    """Take in files: a form with any number of them (fields `why`, `replace`), or one file or ZIP as the body.

    The same file sent again is told as known. The same upload with the same key brings the first answer.
    """
    shelf, key = shelf_of(request), repeat_key(request)
    with scratch(shelf) as folder:
        incoming = await incoming_of(request, await receive_files(request, folder, shelf.limits.upload_bytes))
        return Uploaded(files=[one async for one in _taken_in(request, incoming, key)])


@put(
    f"{ADMIN}/api/media/{{media_id:str}}",
    opt=allow("operator") | describe(MediaAsset, example=EXAMPLE, headers=IF_MATCH, refusals=STALE, versioned=True),
)
async def change_medium(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[MediaAsset]:
    """Change everything that is said of a medium."""
    seen, body = named_version(request), await read_body(request, MediaEdit)
    who = await staff(request)
    changed = await works_of(request).run(
        edit_medium, media_id=media_id, told=body.told(), seen=seen, by=who.name, why=body.why
    )
    return versioned(changed)


@delete(
    f"{ADMIN}/api/media/{{media_id:str}}",
    status_code=200,
    opt=allow("admin")
    | describe(
        MediaAsset,
        query={"why": "Why it is deleted."},
        headers=IF_MATCH,
        refusals=(MediaInUse, *STALE),
        versioned=True,
    ),
)
async def remove_medium(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[MediaAsset]:
    """Delete a medium that nothing shows. It can be brought back for a while."""
    return versioned(await _done(request, delete_medium, media_id, named_version(request)))


@post(
    f"{ADMIN}/api/media/{{media_id:str}}/restore",
    status_code=200,
    opt=allow("operator")
    | describe(MediaAsset, query={"why": "Why it is wanted."}, headers=IF_MATCH, refusals=STALE, versioned=True),
)
async def bring_back(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[MediaAsset]:
    """Bring back a medium that was deleted."""
    return versioned(await _done(request, restore_medium, media_id, named_version(request)))


async def page_asked(request: Request[Any, Any, Any]) -> MediaPage:
    """Return the page of the library that a query asks for."""
    wanted, span = wanted_of(request), span_asked(request.query_params)
    after = cursor_in(MEDIA_ASSETS, span.after, views.ORDERS[wanted.order])
    found = await views.library(works_of(request).open(), wanted, span.limit, after)
    return MediaPage(media=found.items, after=cursor_text(found.after))


def wanted_of(request: Request[Any, Any, Any]) -> views.Wanted:
    """Return which media a query asks for."""
    names = views.Wanted.__struct_fields__
    given = {name: value for name, value in request.query_params.items() if name in names and value}
    return convert(given, views.Wanted, strict=False)


async def incoming_of(request: Request[Any, Any, Any], received: Received) -> list[Incoming]:
    """Return the files that an upload brought, with who sends them; UploadUnreadable when there are none."""
    who = await staff(request)
    if not received.files:
        raise UploadUnreadable(reason="there is no file in it")
    why, replace = field(received.fields, "why", 500), received.fields.get("replace", "") in ("true", "on", "1")
    return [Incoming(path=one.path, name=one.name, by=who.name, why=why, replace=replace) for one in received.files]


async def _taken_in(request: Request[Any, Any, Any], incoming: Sequence[Incoming], key: str) -> AsyncIterator[Outcome]:
    works, shelf = works_of(request), shelf_of(request)
    if key:
        upload_id = key_id(incoming[0].by, UPLOADING, key)
        async for outcome in take_in_once(works, shelf, incoming, upload_id):
            yield outcome
        return
    for one in incoming:
        async for outcome in take_in(works, shelf, one):
            yield outcome


def versioned(asset: MediaAsset) -> Response[MediaAsset]:
    """Answer with a medium and its version."""
    return Response(asset, headers={"ETag": etag(version_of(asset))})


def works_of(request: Request[Any, Any, Any]) -> Works:
    """Return the units of work of this application."""
    return cast(Works, request.app.state.works)


def shelf_of(request: Request[Any, Any, Any]) -> MediaShelf:
    """Return what this application takes media in with."""
    return cast(MediaShelf, request.app.state.media)


async def _done(request: Request[Any, Any, Any], action: Any, media_id: str, seen: Stamp) -> MediaAsset:
    who, why = await staff(request), request.query_params.get("why", "")[:500]
    done: MediaAsset = await works_of(request).run(action, media_id=media_id, seen=seen, by=who.name, why=why)
    return done


HANDLERS = (list_media, show_medium, upload, change_medium, remove_medium, bring_back)
