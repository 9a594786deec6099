"""The Admin API of the desk: the same four routes for every kind, made from its description.

A definition is written with PUT: `If-None-Match: *` adds it under the id in the address, `If-Match` changes the version
that was read. So nothing is lost when a request is sent again after an answer that was.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from mystira.content.desk import actions, views
from mystira.content.desk.actions import By
from mystira.content.desk.model.fields import plain_of, plain_type
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.desk.ports import Uses, nobody_else
from mystira.content.desk.problems import InUse, NotRight, NotThere, ThereAlready
from mystira.content.desk.views import Wanted, orders
from mystira.polyglot.entity import Entity
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.files import content_version, is_known
from mystira.web.lists import LISTING, PageUnknown, cursor_in, cursor_text, span_asked
from mystira.web.openapi import describe
from mystira.web.versions import IF_MATCH, IF_NONE_MATCH, Stale, VersionNeeded, VersionUnreadable, etag, named_version

JSON = "application/json"
KEPT_AN_HOUR = "public, max-age=3600"
WHY_LENGTH_MAX = 500
WHY = {"why": (Annotated[str, msgspec.Meta(max_length=WHY_LENGTH_MAX)], "Why, for the audit.")}

Asking = Request[Any, Any, Any]


class Shapes(NamedTuple):
    """What is sent and answered of one kind."""

    written: type[Body]
    shown: type[msgspec.Struct]
    page: type[msgspec.Struct]


class Why(Body, frozen=True, kw_only=True):
    """The query of a request that changes something."""

    why: str = ""


@cache
def shapes_of(noun: str) -> Shapes:
    """Return the shapes of a kind, made from its fields."""
    kind = KINDS[noun]
    name = kind.entity.__name__
    fields = [(field.name, *plain_type(field)) for field in kind.fields]
    shown = msgspec.defstruct(f"{name}Shown", [("id", str), *fields], frozen=True, kw_only=True)
    page = msgspec.defstruct(
        f"{name}Page", [("items", tuple[shown, ...]), ("after", str | None)], frozen=True, kw_only=True
    )
    written = msgspec.defstruct(
        f"{name}Written", fields, bases=(Body,), frozen=True, kw_only=True, forbid_unknown_fields=True
    )
    shown.__doc__ = f"One {kind.one}. {kind.explains}"
    page.__doc__ = f"A page of {kind.many.lower()}; `after` leads to the next one."
    written.__doc__ = f"What is written of one {kind.one}."
    return Shapes(cast(type[Body], written), shown, page)


def admin_doors(kind: Kind) -> tuple[HTTPRouteHandler, ...]:
    """Return the routes of one kind for those who run the platform."""
    written = shapes_of(kind.noun).written
    path, one_path = f"{ADMIN}/api/{kind.noun}", f"{ADMIN}/api/{kind.noun}/{{id:str}}"

    async def listing(request: Asking) -> Response[bytes]:
        return _json(await _page(request, kind))

    async def one(request: Asking, id: FromPath[str]) -> Response[bytes]:
        work = _works(request).open()
        entity = await views.one(work, kind, id)
        return _json(shown_of(kind, entity), {"ETag": etag(work.version_of(entity))})

    async def write(request: Asking, id: FromPath[str]) -> Response[bytes]:
        plain = actions.plain_body(await read_body(request, written))
        by = await _by(request)
        if request.headers.get("if-none-match", "").strip() == "*":
            return await _changed(request, kind, 201, actions.create, id=id, plain=plain, by=by)
        seen = named_version(request)
        return await _changed(request, kind, 200, actions.change, id=id, plain=plain, seen=seen, by=by)

    async def remove(request: Asking, id: FromPath[str]) -> None:
        seen, by = named_version(request), await _by(request)
        elsewhere = cast(Uses, request.app.state.get("uses", nobody_else))
        await _works(request).run(actions.delete, kind=kind, id=id, seen=seen, by=by, elsewhere=elsewhere)

    _call(listing, f"list_{kind.noun}", f"List {kind.many.lower()}.")
    _call(one, f"show_{kind.noun}", f"Show one {kind.one}.")
    _call(write, f"write_{kind.noun}", f"Add a {kind.one} (If-None-Match: *) or change one (If-Match).")
    _call(remove, f"delete_{kind.noun}", f"Delete a {kind.one} that nobody uses.")
    saying, showing, writing, removing = _descriptions(kind)
    return (
        get(path, opt=allow("viewer") | saying)(listing),
        get(one_path, opt=allow("viewer") | showing)(one),
        put(one_path, opt=allow("operator") | writing)(write),
        delete(one_path, opt=allow("admin") | removing)(remove),
    )


def _descriptions(kind: Kind) -> tuple[dict[str, Any], ...]:
    """Return what the document says of listing, showing, writing and deleting."""
    written, shown, page = shapes_of(kind.noun)
    query: dict[str, Any] = {
        "search": "Part of an id or of a name.",
        "order": (Literal[orders(kind)], "What to sort by."),
        "descending": (bool, "The last one first."),
        **_narrowed(kind),
        **LISTING,
    }
    versions = (Stale, VersionNeeded, VersionUnreadable)
    named = _named(kind)
    return (
        describe(page, query=query, named=named, refusals=(BodyInvalid, PageUnknown)),
        describe(shown, named=named, refusals=(NotThere,), versioned=True),
        describe(
            shown,
            example=msgspec.convert(kind.example, written),
            query=WHY,
            named=named,
            headers=IF_MATCH | IF_NONE_MATCH,
            also={201: "Added."},
            refusals=(NotThere, ThereAlready, NotRight, *versions),
            versioned=True,
        ),
        describe(None, query=WHY, named=named, headers=IF_MATCH, refusals=(NotThere, InUse, BodyInvalid, *versions)),
    )


def _named(kind: Kind) -> dict[str, Any]:
    """Return what the parameters of a kind's routes stand for: the kind's own example."""
    id = kind.only or kind.makes_id(kind.example)
    name = kind.example.get("name", "")
    return {"id": id, "search": name or id, "after": cursor_text((name, id) if name else (id,))}


def _narrowed(kind: Kind) -> dict[str, str]:
    return {field.name: f"Only of this {field.label.lower()}." for field in kind.filters}


def player_doors(kind: Kind) -> tuple[HTTPRouteHandler, ...]:
    """Return the routes of one kind for players: read only, and kept for an hour by whoever has read them."""
    _, shown, page = shapes_of(kind.noun)
    known = {304: "It is still what the ETag in If-None-Match names."}
    asking = {"If-None-Match": "The ETag of what one has."}

    async def listing(request: Asking) -> Response[bytes]:
        return _kept(request, await _page(request, kind))

    async def one(request: Asking, id: FromPath[str]) -> Response[bytes]:
        return _kept(request, shown_of(kind, await views.one(_works(request).open(), kind, id)))

    _call(listing, f"list_{kind.noun}", f"List {kind.many.lower()}.")
    _call(one, f"show_{kind.noun}", f"Show one {kind.one}.")
    named = _named(kind) | {"If-None-Match": '"7"'}
    kept: dict[str, Any] = {"headers": asking, "also": known, "versioned": True}
    saying = describe(page, query=_narrowed(kind) | LISTING, named=named, refusals=(BodyInvalid, PageUnknown), **kept)
    showing = describe(shown, named=named, refusals=(NotThere,), **kept)
    return (
        get(f"/api/v1/{kind.noun}", opt=allow("anyone") | saying)(listing),
        get(f"/api/v1/{kind.noun}/{{id:str}}", opt=allow("anyone") | showing)(one),
    )


def shown_of(kind: Kind, entity: Entity) -> msgspec.Struct:
    """Return a definition as it is answered."""
    # What is stored may be older than today's bounds, so it is shown as it is.
    return shapes_of(kind.noun).shown(id=entity.id, **plain_of(kind.fields, entity))


def wanted_in(request: Asking, kind: Kind) -> Wanted:
    """Return what the query asks of a list; BodyInvalid says what does not fit."""
    given = request.query_params
    order = given.get("order") or "id"
    if order not in orders(kind):
        message = f"sort by {' or '.join(orders(kind))}"
        raise BodyInvalid(summary=f"order: {message}", errors=[{"path": "$.order", "message": message}])
    return Wanted(
        search=given.get("search", "")[:200],
        order=order,
        descending=given.get("descending", "") == "true",
        only={field.name: given.get(field.name, "") for field in kind.filters},
        limit=span_asked(given).limit,
    )


async def _page(request: Asking, kind: Kind) -> msgspec.Struct:
    wanted = wanted_in(request, kind)
    works = _works(request)
    after = cursor_in(works.catalog.of(kind.entity), span_asked(request.query_params).after, views.order_of(wanted))
    found = await views.listed(works.open(), kind, wanted, after)
    items = tuple(shown_of(kind, entity) for entity in found.items)
    return shapes_of(kind.noun).page(items=items, after=cursor_text(found.after))


async def _changed(request: Asking, kind: Kind, status: int, action: Any, **given: Any) -> Response[bytes]:
    works = _works(request)
    entity = await works.run(action, kind=kind, **given)
    # The version that this very change has made may be gone again; what is answered is one that there was.
    work = works.open()
    entity = await views.one(work, kind, entity.id)
    return _json(shown_of(kind, entity), {"ETag": etag(work.version_of(entity))}, status)


async def _by(request: Asking) -> By:
    given = convert({"why": request.query_params.get("why", "")}, Why, strict=True)
    if len(given.why) > WHY_LENGTH_MAX:
        message = f"keep to {WHY_LENGTH_MAX} characters"
        raise BodyInvalid(summary=f"why: {message}", errors=[{"path": "$.why", "message": message}])
    return By((await staff(request)).name, given.why)


def _kept(request: Asking, value: msgspec.Struct) -> Response[bytes]:
    content = msgspec.json.encode(value)
    version = content_version(content)
    headers = {"ETag": f'"{version}"', "Cache-Control": KEPT_AN_HOUR}
    if is_known(request, version):
        return Response(b"", status_code=304, headers=headers, media_type=JSON)
    return Response(content, headers=headers, media_type=JSON)


def _json(value: msgspec.Struct, headers: dict[str, str] | None = None, status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=status, headers=headers, media_type=JSON)


def _call(function: Callable[..., Any], name: str, says: str) -> None:
    """Name a function that is made anew for every kind, for the document and for those who read traces."""
    function.__name__, function.__doc__ = name.replace("-", "_"), says


def _works(request: Asking) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = tuple(door for kind in KINDS.values() for door in admin_doors(kind))
PLAYER_HANDLERS = tuple(door for kind in KINDS.values() for door in player_doors(kind))
