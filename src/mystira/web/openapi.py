"""Describes the API (OpenAPI 3.1) from the very structs that handlers read strictly and answer with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from mystira.polyglot.problem import Problem
from mystira.polyglot.store import Conflict, Unavailable
from mystira.web.access import (
    SAFE_METHODS,
    AddressUnusable,
    CrossSite,
    NotSignedIn,
    RoleTooLow,
    ServicesOff,
    ServiceTokenNeeded,
    access_of,
)
from mystira.web.answers import PROBLEM_JSON, STATUS, title_of
from mystira.web.bodies import BodyInvalid, BodyTooLarge
from mystira.web.examples import example_of
from mystira.web.limits import TooOften
from mystira.web.parameters import parameters_of

SCHEMAS = "#/components/schemas/"
SESSION, TOKEN = "browser_session", "service_token"
WITHOUT_BODY = (204, 304)


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a route takes and answers. `example` is a body as a caller could send it; `streams`: answers without end.

    `query` holds the meaning of each parameter. Its type is that of its field in `asked`, the struct that the query is
    read into; one that is no field of it has its type before it, `(int, "How many.")`, or is text.

    `named` are examples of parameters that stand for something else here than in other routes.

    `sends` is the type of an answer that is a file; `raw` are bodies that are no JSON of ours, by their media type,
    each with how it looks.

    `headers` are those that a caller may send, `also` further answers that are no refusals, and what they mean (with a
    body like `answer`, unless their status allows none); `versioned` answers carry an ETag.
    """

    answer: Any
    body: type[msgspec.Struct] | None = None
    example: msgspec.Struct | None = None
    sends: str = ""
    raw: dict[str, Any] = {}
    query: dict[str, Any] = {}
    asked: type[msgspec.Struct] | None = None
    named: dict[str, Any] = {}
    refusals: tuple[type[Problem], ...] = ()
    streams: bool = False
    headers: dict[str, str] = {}
    also: dict[int, str] = {}
    versioned: bool = False


class ProblemShown(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """A refusal (RFC 9457). `code` is stable, `detail` is for people; further members are the refusal's facts."""

    kind: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def describe(
    answer: Any,
    *,
    example: msgspec.Struct | None = None,
    sends: str = "",
    raw: Mapping[str, Any] | None = None,
    query: Mapping[str, str | tuple[Any, str]] | None = None,
    asked: type[msgspec.Struct] | None = None,
    named: Mapping[str, Any] | None = None,
    refusals: Sequence[type[Problem]] = (),
    streams: bool = False,
    headers: dict[str, str] | None = None,
    also: dict[int, str] | None = None,
    versioned: bool = False,
) -> dict[str, Any]:
    """Return what a handler's `opt` holds for the document; the example's type is the body's."""
    body = None if example is None else type(example)
    described = Described(
        answer=answer,
        body=body,
        example=example,
        sends=sends,
        raw=dict(raw or {}),
        query=dict(query or {}),
        asked=asked,
        named=dict(named or {}),
        refusals=tuple(refusals),
        streams=streams,
        headers=headers or {},
        also=also or {},
        versioned=versioned,
    )
    return {"described": described}


def described_by(handler: Any) -> Described | None:
    """Return what a handler says of itself."""
    return cast(Described | None, handler.opt.get("described"))


def document(
    routes: Iterable[Any], *, cookie: str, for_staff: bool = False, named: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the OpenAPI document of every described route, of those for players or of all others.

    `named` holds an example of what each parameter that is text stands for, by the parameter's name.
    """
    doors = [
        (route, handler, described)
        for route in routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if (described := described_by(handler)) is not None and access_of(handler).is_for_players is not for_staff
    ]
    types = {repr(kind): kind for _, _, described in doors for kind in (described.answer, described.body) if kind}
    kinds = [ProblemShown, *types.values()]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=SCHEMAS + "{name}")
    components["ProblemShown"]["additionalProperties"] = True
    schema_of = {
        repr(kind): {"schema": schema, "example": example_of(schema, components)}
        for kind, schema in zip(kinds, schemas, strict=True)
    }
    paths: dict[str, Any] = {}
    for route, handler, described in doors:
        for method in sorted(handler.http_methods):
            paths.setdefault(route.path_format, {})[str(method).lower()] = _operation(
                route, handler, described, schema_of, named or {}
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mystira", "version": "1.0.0", "description": "Interactive stories for children."},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                SESSION: {"type": "apiKey", "in": "cookie", "name": cookie},
                **({TOKEN: {"type": "http", "scheme": "bearer"}} if for_staff else {}),
            },
        },
    }


def _operation(
    route: HTTPRoute,
    handler: HTTPRouteHandler,
    described: Described,
    schema_of: dict[str, Any],
    named: Mapping[str, Any],
) -> dict[str, Any]:
    function = cast(Any, handler.fn)
    room = function.__module__.split(".")[-2]
    access = access_of(handler)
    operation: dict[str, Any] = {
        "operationId": f"{room}_{function.__name__}",
        "tags": [room],
        "summary": " ".join((function.__doc__ or "").split()),
        "security": [] if access.who == "anyone" else [{TOKEN if access.who == "service" else SESSION: []}],
        "parameters": parameters_of(
            {"path": dict.fromkeys(route.path_parameters, ""), "query": described.query, "header": described.headers},
            described.asked,
            {**named, **described.named},
        ),
        "responses": {
            **{
                str(status): _answer(status, meaning, described, schema_of)
                for status, meaning in {handler.status_code: "Done.", **described.also}.items()
            },
            **_refusals(handler, described),
        },
    }
    if described.body is not None:
        content = {**schema_of[repr(described.body)], "example": msgspec.to_builtins(described.example)}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if described.raw:
        kinds = {kind: {"schema": _raw_schema(example), "example": example} for kind, example in described.raw.items()}
        operation["requestBody"] = {"required": True, "content": kinds}
    return operation


def _raw_schema(example: Any) -> dict[str, Any]:
    """Return what can be said of a body that is no JSON of ours: which fields its form has, and that it holds bytes."""
    match example:
        case dict():
            fields = cast(dict[str, Any], example)
            return {"type": "object", "properties": {name: _raw_schema(one) for name, one in fields.items()}}
        case list():
            return {"type": "array", "items": {"type": "string", "format": "binary"}}
        case int():
            return {"type": "integer"}
        case _:
            return {"type": "string"}


def _answer(status: int, meaning: str, described: Described, schema_of: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": meaning}
    if described.sends:
        answer["content"] = {described.sends: {"schema": {"type": "string"}, "example": "The bytes of the file."}}
    elif status not in WITHOUT_BODY:
        shown = schema_of[repr(described.answer)]
        answer["content"] = {_media_type(described): {"schema": shown["schema"]} if described.streams else shown}
    if described.versioned:
        answer["headers"] = {"ETag": {"description": "The version.", "schema": {"type": "string"}}}
    return answer


def _media_type(described: Described) -> str:
    return "text/event-stream" if described.streams else "application/json"


def _refusals(handler: HTTPRouteHandler, described: Described) -> dict[str, Any]:
    """Return every refusal by status: what holds for all routes of its sort, and what it names itself."""
    found: list[type[Problem]] = [AddressUnusable, Unavailable, *described.refusals]
    if described.body is not None:
        found += [BodyInvalid, BodyTooLarge]
    access = access_of(handler)
    if access.who == "service":
        found += [ServiceTokenNeeded, ServicesOff]
    elif access.who != "anyone":
        found.append(NotSignedIn)
    if access.is_for_staff:
        found.append(RoleTooLow)
    if not handler.http_methods & SAFE_METHODS:
        found += [CrossSite, TooOften, Conflict]
    by_status: dict[int, dict[str, str]] = {}
    for problem in found:
        meaning = " ".join((problem.__doc__ or "").split())
        by_status.setdefault(STATUS[problem.kind], {})[problem.code] = meaning
    return {
        str(status): {
            "description": "\n\n".join(f"`{code}`: {meaning}" for code, meaning in sorted(meanings.items())),
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": f"{SCHEMAS}ProblemShown"},
                    "examples": {code: _shown(status, code, said) for code, said in sorted(meanings.items())},
                }
            },
        }
        for status, meanings in sorted(by_status.items())
    }


def _shown(status: int, code: str, detail: str) -> dict[str, Any]:
    """Return how a refusal looks; what stands in braces is filled in by then."""
    shown = ProblemShown(
        kind=f"/problems/{code}",
        title=title_of(status),
        status=status,
        detail=detail,
        code=code,
        request_id="3f6c1e",
    )
    return {"value": msgspec.to_builtins(shown)}
