"""The pages of the media library: previews, uploads that tell of each file, and one medium with its form."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from mystira.content.media import views
from mystira.content.media.actions.assets import (
    delete_medium,
    edit_medium,
    medium,
    restore_medium,
    users_of,
    version_of,
)
from mystira.content.media.actions.uploading import Incoming, Outcome, scratch, take_in
from mystira.content.media.library.http import (
    UPLOAD_BYTES_MAX,
    Line,
    MediaEdit,
    Text,
    incoming_of,
    page_asked,
    shelf_of,
    wanted_of,
    works_of,
)
from mystira.content.media.model.asset import TAGS_MAX, MediaAsset, Told
from mystira.content.media.problems import MediaInUse
from mystira.polyglot.problem import Problem
from mystira.web.access import ADMIN, allow, staff
from mystira.web.answers import STATUS
from mystira.web.bodies import Body, BodyInvalid, convert, read_form
from mystira.web.pages import Pages, page
from mystira.web.uploads import receive_files, takes_files
from mystira.web.versions import Stale, version_in

HERE = f"{ADMIN}/content/media"
LABELS = {
    "title": "Title",
    "description": "Description",
    "alt_text": "Text instead of it",
    "tags": "Tags",
    "age_rating": "Age rating",
    "is_open": "Open to everybody",
}


class EditForm(Body, frozen=True, kw_only=True):
    """What a medium's form sends; `tags` is one line with commas, `version` the edition that was looked at."""

    version: str
    title: Line = ""
    description: Text = ""
    alt_text: Line = ""
    tags: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    age_rating: Line = ""
    is_open: bool = False
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""


class VerbForm(Body, frozen=True, kw_only=True):
    """What deleting and bringing back send."""

    version: str
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""


@get(HERE, opt=allow("viewer", page=True), include_in_schema=False)
async def library_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the library."""
    return await _library(request, ())


@post(
    f"{HERE}/files",
    status_code=200,
    request_max_body_size=None,
    opt=allow("operator", page=True) | takes_files(UPLOAD_BYTES_MAX),
    include_in_schema=False,
)
async def upload_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Take files in, and tell of each: as they are done to a page that shows progress, else all of them at the end."""
    kept = ExitStack()
    with kept:
        folder = kept.enter_context(scratch(shelf_of(request)))
        received = await receive_files(request, folder, shelf_of(request).limits.upload_bytes)
        outcomes = _outcomes(request, await incoming_of(request, received))
        if "x-progress" in request.headers:
            # The folder goes with the last line, or when nobody reads any more.
            return Stream(_lines(request, outcomes, kept.pop_all()), media_type="text/html")
        return await _library(request, tuple([one async for one in outcomes]))


@get(f"{HERE}/{{media_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def medium_page(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[bytes]:
    """Show one medium: itself, what is said of it, what shows it."""
    asset = await medium(works_of(request).open(), media_id)
    return await _medium(request, asset, _typed(asset))


@post(f"{HERE}/{{media_id:str}}", opt=allow("operator", page=True), include_in_schema=False)
async def edit_page(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[Any]:
    """Change what is said of a medium; a form that is too old comes back with every word, beside what is there now."""
    form = await read_form(request, EditForm)
    who = await staff(request)
    told: Told | None = None
    try:
        told = _told(form)
        await works_of(request).run(
            edit_medium, media_id=media_id, told=told, seen=version_in(form.version), by=who.name, why=form.why
        )
    except (Stale, BodyInvalid) as problem:
        asset = await medium(works_of(request).open(), media_id)
        return await _medium(request, asset, form, problem, () if told is None else _differences(asset, told))
    return _back_to(media_id, "saved")


@post(f"{HERE}/{{media_id:str}}/delete", opt=allow("admin", page=True), include_in_schema=False)
async def delete_page(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[Any]:
    """Delete a medium, or say what shows it."""
    return await _verb(request, media_id, delete_medium, "deleted")


@post(f"{HERE}/{{media_id:str}}/restore", opt=allow("operator", page=True), include_in_schema=False)
async def restore_page(request: Request[Any, Any, Any], media_id: FromPath[str]) -> Response[Any]:
    """Bring a deleted medium back."""
    return await _verb(request, media_id, restore_medium, "restored")


async def _verb(request: Request[Any, Any, Any], media_id: str, action: Any, done: str) -> Response[Any]:
    form = await read_form(request, VerbForm)
    who = await staff(request)
    try:
        await works_of(request).run(action, media_id=media_id, seen=version_in(form.version), by=who.name, why=form.why)
    except (Stale, MediaInUse) as problem:
        asset = await medium(works_of(request).open(), media_id)
        return await _medium(request, asset, _typed(asset), problem, why=form.why)
    return _back_to(media_id, done)


async def _library(request: Request[Any, Any, Any], outcomes: tuple[Outcome, ...]) -> Response[bytes]:
    found, wanted = await page_asked(request), wanted_of(request)
    works, key = works_of(request), request.app.state.key
    now = works.clock()
    query = {name: value for name, value in msgspec.to_builtins(wanted).items() if value}
    return page(
        request,
        "content/media.html",
        found=found.media,
        next=f"{HERE}?{urlencode({**query, 'after': found.after})}" if found.after else "",
        wanted=wanted,
        is_filtered=wanted != views.Wanted(),
        orders=tuple(views.ORDERS),
        small={one.id: views.signed_address(key, one.id, now, small=True) for one in found.media if one.thumbnail},
        outcomes=outcomes,
        limits=shelf_of(request).limits,
    )


async def _medium(
    request: Request[Any, Any, Any],
    asset: MediaAsset,
    typed: EditForm,
    problem: Problem | None = None,
    differences: tuple[tuple[str, str, str], ...] = (),
    why: str = "",
) -> Response[bytes]:
    works = works_of(request)
    return page(
        request,
        "content/medium.html",
        status=STATUS[problem.kind] if problem is not None else 200,
        asset=asset,
        version=version_of(asset).packed,
        typed=typed,
        problem=problem,
        differences=differences,
        why=why,
        done=request.query_params.get("done", ""),
        users=await users_of(works.open(), asset.id),
        address="" if asset.is_deleted else views.signed_address(request.app.state.key, asset.id, works.clock()),
        keep_days=shelf_of(request).keep_days,
    )


async def _outcomes(request: Request[Any, Any, Any], incoming: list[Incoming]) -> AsyncGenerator[Outcome]:
    for one in incoming:
        async for outcome in take_in(works_of(request), shelf_of(request), one):
            yield outcome


async def _lines(
    request: Request[Any, Any, Any], outcomes: AsyncGenerator[Outcome], kept: ExitStack
) -> AsyncGenerator[bytes]:
    pages: Pages = request.app.state.pages
    with kept:
        async for outcome in outcomes:
            yield pages.render("content/_outcome.html", {"one": outcome}).encode()


def _typed(asset: MediaAsset) -> EditForm:
    said: dict[str, Any] = {name: getattr(asset, name) for name in Told.__struct_fields__}
    said["tags"] = ", ".join(asset.tags)
    return EditForm(version=str(version_of(asset).packed), **said)


def _told(form: EditForm) -> Told:
    """Return what a form says; BodyInvalid for tags that are too many or too long."""
    said = {name: getattr(form, name) for name in Told.__struct_fields__}
    tags = list(dict.fromkeys(tag for part in form.tags.split(",") if (tag := part.strip())))[: TAGS_MAX + 1]
    return convert({**said, "tags": tags}, MediaEdit, strict=False).told()


def _differences(asset: MediaAsset, told: Told) -> tuple[tuple[str, str, str], ...]:
    """Return (what, how it is now, how it was typed) for everything that differs."""

    def shown(value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        return value if isinstance(value, str) else ", ".join(value)

    pairs = [(label, getattr(asset, name), getattr(told, name)) for name, label in LABELS.items()]
    return tuple((label, shown(now), shown(typed)) for label, now, typed in pairs if now != typed)


def _back_to(media_id: str, done: str) -> Redirect:
    return Redirect(f"{HERE}/{quote(media_id)}?done={done}", status_code=303)


HANDLERS = (library_page, upload_page, medium_page, edit_page, delete_page, restore_page)
