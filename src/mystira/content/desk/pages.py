"""The pages of the desk: the dashboard, and for every kind a list, a form, a file to take away and one to bring."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content import views as content
from mystira.content.badges.model import TIERS, Badge
from mystira.content.desk import actions, views
from mystira.content.desk.actions import By
from mystira.content.desk.http import wanted_in
from mystira.content.desk.model.fields import Wrong, from_form, plain_of, to_form
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.desk.model.sheets import write_sheet
from mystira.content.desk.ports import Uses, nobody_else
from mystira.content.desk.problems import InUse, NotRight, NotThere, ThereAlready
from mystira.polyglot.work import Works
from mystira.textfiles.nodes import Node
from mystira.textfiles.reading import Refused, read
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, read_form
from mystira.web.lists import cursor_in, cursor_text, span_asked
from mystira.web.pages import page
from mystira.web.rulers import Mark, ruler
from mystira.web.versions import Stale, version_in

DESK = f"{ADMIN}/content"
LOOKING: dict[str, Any] = {"opt": allow("viewer", page=True), "include_in_schema": False}
WRITING: dict[str, Any] = {"opt": allow("operator", page=True), "include_in_schema": False}

Asking = Request[Any, Any, Any]


class DefinitionForm(Body, frozen=True, kw_only=True):
    """A definition as a page sends it: the version that was seen, why, and each input by its name."""

    version: str = ""
    why: str = ""
    value: dict[str, str] = {}


class SheetForm(Body, frozen=True, kw_only=True):
    """A file as a page sends it."""

    text: str
    why: str = ""


@get(DESK, **LOOKING)
async def dashboard(request: Asking) -> Response[bytes]:
    """Show how the catalogue stands: how many of what there are, and what somebody should see to."""
    work = _works(request).open()
    paths = {route.path for route in request.app.routes}
    others = [(name, f"{DESK}/{noun}") for name, noun in OTHERS if f"{DESK}/{noun}" in paths]
    return page(
        request,
        "content/dashboard.html",
        standing=await views.standing(work),
        stories=await views.stories(work),
        attention=await views.attention(work),
        others=others,
    )


@get(f"{DESK}/{{noun:str}}", **LOOKING)
async def list_page(request: Asking, noun: FromPath[str]) -> Response[bytes]:
    """List the definitions of a kind; of a kind with only one, show that."""
    kind = views.kind_named(noun)
    if kind.only:
        return await _form(request, kind, kind.only)
    works, wanted = _works(request), wanted_in(request, kind)
    span = span_asked(request.query_params)
    after = cursor_in(works.catalog.of(kind.entity), span.after, views.order_of(wanted))
    work = works.open()
    found = await views.listed(work, kind, wanted, after)
    return page(
        request,
        "content/definitions.html",
        kind=kind,
        kinds=KINDS,
        wanted=wanted,
        orders=views.orders(kind),
        rows=[(item, plain_of(kind.fields, item)) for item in found.items],
        total=await work.count(kind.entity),
        after=cursor_text(found.after),
        choices=await views.choices(work, kind),
        pictures={id: image.media for id, image in (await views.badge_pictures(work)).items()},
        charts=await _charts(request, kind),
    )


@get(f"{DESK}/{{noun:str}}/new", **WRITING)
async def new_page(request: Asking, noun: FromPath[str]) -> Response[bytes]:
    """Ask for a new definition."""
    return await _form(request, views.kind_named(noun), "")


@post(f"{DESK}/{{noun:str}}/new", **WRITING)
async def create(request: Asking, noun: FromPath[str]) -> Response[Any]:
    """Keep a new definition, or show the form again with everything that was typed and what is wrong with it."""
    return await _save(request, views.kind_named(noun), "")


@get(f"{DESK}/{{noun:str}}/file", **LOOKING)
async def sheet(request: Asking, noun: FromPath[str]) -> Response[bytes]:
    """Give all definitions of a kind as one file."""
    kind = views.kind_named(noun)
    items = await views.every(_works(request).open(), kind)
    name = kind.file.rpartition("/")[2]
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(write_sheet(kind, items).encode(), media_type="application/yaml", headers=headers)


@get(f"{DESK}/{{noun:str}}/import", **WRITING)
async def import_page(request: Asking, noun: FromPath[str]) -> Response[bytes]:
    """Ask for a file."""
    return page(request, "content/import.html", kind=views.kind_named(noun), text="", why="", came=None)


@post(f"{DESK}/{{noun:str}}/import", status_code=200, **WRITING)
async def bring(request: Asking, noun: FromPath[str]) -> Response[bytes]:
    """Bring the definitions of a file, or show everything that is wrong with it, each with its line."""
    kind = views.kind_named(noun)
    form = await read_form(request, SheetForm)
    came = await _brought(request, kind, form)
    text = form.text if came.found else ""
    told = {"text": text, "why": form.why if came.found else ""}
    return page(request, "content/import.html", status=422 if came.found else 200, kind=kind, came=came, **told)


@get(f"{DESK}/{{noun:str}}/{{id:str}}", **LOOKING)
async def definition_page(request: Asking, noun: FromPath[str], id: FromPath[str]) -> Response[bytes]:
    """Show one definition, to look at or to change."""
    return await _form(request, views.kind_named(noun), id)


@post(f"{DESK}/{{noun:str}}/{{id:str}}", **WRITING)
async def change(request: Asking, noun: FromPath[str], id: FromPath[str]) -> Response[Any]:
    """Keep a changed definition, or show the form again with everything that was typed."""
    return await _save(request, views.kind_named(noun), id)


@post(f"{DESK}/{{noun:str}}/{{id:str}}/delete", opt=allow("admin", page=True), include_in_schema=False)
async def delete(request: Asking, noun: FromPath[str], id: FromPath[str]) -> Response[Any]:
    """Delete a definition that nobody uses; say who does where somebody does."""
    kind = views.kind_named(noun)
    form = await read_form(request, DefinitionForm)
    by = By((await staff(request)).name, form.why)
    elsewhere = cast(Uses, request.app.state.get("uses", nobody_else))
    try:
        await _works(request).run(
            actions.delete, kind=kind, id=id, seen=version_in(form.version), by=by, elsewhere=elsewhere
        )
    except (InUse, Stale) as refused:
        status = 409 if isinstance(refused, InUse) else 412
        return await _form(request, kind, id, refused=refused, status=status, why_delete=form.why)
    return Redirect(f"{DESK}/{kind.noun}", status_code=303)


async def _save(request: Asking, kind: Kind, id: str) -> Response[Any]:
    form = await read_form(request, DefinitionForm)
    by = By((await staff(request)).name, form.why)
    plain = from_form(kind.fields, form.value)
    works = _works(request)
    try:
        if form.version:
            seen = version_in(form.version)
            await works.run(actions.change, kind=kind, id=id, plain=plain, seen=seen, by=by)
        else:
            await works.run(actions.create, kind=kind, id=id or kind.makes_id(plain), plain=plain, by=by)
    except NotRight as refused:
        wrong = [Wrong(error["path"].removeprefix("$."), error["message"]) for error in refused.facts["errors"]]
        return await _form(request, kind, id, typed=form, wrong=wrong, refused=refused, status=422)
    except (Stale, ThereAlready) as refused:
        return await _form(request, kind, id, typed=form, refused=refused, status=412)
    except NotThere as gone:
        # What somebody wrote about a definition that was deleted meanwhile can be added anew, as it is.
        typed = msgspec.structs.replace(form, version="")
        return await _form(request, kind, "", typed=typed, refused=gone, status=404)
    return Redirect(f"{DESK}/{kind.noun}", status_code=303)


async def _form(
    request: Asking,
    kind: Kind,
    id: str,
    *,
    typed: DefinitionForm | None = None,
    wrong: Sequence[Wrong] = (),
    refused: Exception | None = None,
    status: int = 200,
    why_delete: str = "",
) -> Response[bytes]:
    """Show a form. What was typed stays; after a stale one, what is kept now stands beside what was typed."""
    work = _works(request).open()
    entity = await work.get(kind.entity, id) if id else None
    if entity is None and id and not kind.only:
        await views.one(work, kind, id)
    now = to_form(kind.fields, plain_of(kind.fields, entity)) if entity is not None else {}
    values = now if typed is None else typed.value
    is_stale = isinstance(refused, Stale)
    version = str(work.version_of(entity).packed) if entity is not None else ""
    # After any other refusal the form goes on from the version that it began with: a rival may have come meanwhile.
    if typed is not None and not is_stale:
        version = typed.version
    uses = request.app.state.get("uses", nobody_else)
    return page(
        request,
        "content/definition.html",
        status=status,
        kind=kind,
        id=id,
        values=values,
        now=now if is_stale else None,
        version=version,
        why=typed.why if typed else "",
        why_delete=why_delete,
        wrong={one.field: one.message for one in reversed(wrong)},
        refused=refused,
        choices=await views.choices(work, kind),
        media=await content.media_offered(work),
        pictures={id: image.media for id, image in (await views.badge_pictures(work)).items()},
        uses=await views.uses(work, kind, id, uses) if entity is not None and not kind.only else (),
    )


async def _brought(request: Asking, kind: Kind, form: SheetForm) -> actions.Imported:
    try:
        root: Node = await asyncio.to_thread(read, form.text.encode())
    except Refused as refused:
        why = refused.why
        return actions.Imported(found=(actions.Found(line=why.line, id="", message=why.message),))
    by = By((await staff(request)).name, form.why)
    return await actions.import_sheet(_works(request), kind, root, by)


async def _charts(request: Asking, kind: Kind) -> list[Any]:
    if kind.noun != "badges":
        return []
    work = _works(request).open()
    groups = await views.names(work, KINDS["age-groups"])
    axes = await views.names(work, KINDS["compass-axes"])
    badges = cast(list[Badge], await views.every(work, kind))
    chosen = request.query_params.get("age_group", "")
    charts: list[Any] = []
    for group, name in groups.items():
        mine = [badge for badge in badges if badge.age_group == group]
        if mine and chosen in ("", group):
            rows = [(axes.get(axis, axis), _marks(mine, axis)) for axis in sorted({badge.axis for badge in mine})]
            charts.append(ruler(f"{name} ({group})", rows))
    return charts


def _marks(badges: Sequence[Badge], axis: str) -> list[Mark]:
    ladder = sorted((badge for badge in badges if badge.axis == axis), key=lambda badge: TIERS.index(badge.tier))
    return [Mark(badge.threshold / 1000, badge.tier, badge.tier) for badge in ladder]


def _works(request: Asking) -> Works:
    return cast(Works, request.app.state.works)


OTHERS = (
    ("Stories", "scenarios"),
    ("Bundles", "bundles"),
    ("Purchases", "purchases"),
    ("Media", "media"),
    ("Calibration", "calibration"),
)
"""What others build below the desk; shown where it is there."""
HANDLERS = (
    *(dashboard, list_page, new_page, create, sheet, import_page, bring),
    *(definition_page, change, delete),
)
