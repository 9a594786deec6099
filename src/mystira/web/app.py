"""Puts rooms' doors together into one application, with everything that holds for all of them."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from litestar import Litestar, Request, Response, Router, get, static_files
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send

from mystira.polyglot.problem import Problem
from mystira.web.access import Access, Authenticate, access_of, admit, allow
from mystira.web.answers import answer_crash, answer_http, answer_problem
from mystira.web.bodies import BODY_BYTES_MAX
from mystira.web.health import HealthCheck, live, ready
from mystira.web.pages import STATIC, Pages

_SANE_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), interest-cohort=()"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class RouteInfo(NamedTuple):
    """One way into the application and who may use it."""

    method: str
    path: str
    access: Access


def make_app(
    handlers: Sequence[ControllerRouterHandler],
    *,
    authenticate: Authenticate,
    state: Mapping[str, Any] | None = None,
    checks: Sequence[HealthCheck] = (),
    templates: Mapping[str, Path] | None = None,
    on_shutdown: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Litestar:
    """Return the application; UndeclaredRoute if any route does not say who may use it.

    Rooms find what they were wired with in `request.app.state`; their templates are `room/name.html`.
    """
    documents = Router("/openapi", route_handlers=[], opt=allow("anyone"))
    openapi = OpenAPIConfig(title="Mystira", version="1.0.0", openapi_router=documents, render_plugins=[])
    shared = {"authenticate": authenticate, "checks": tuple(checks), "pages": Pages(templates or {})}
    app = Litestar(
        route_handlers=[*handlers, live, ready, openapi_document, _static_files()],
        guards=[admit],
        state=State({**shared, **(state or {})}),
        exception_handlers={
            Problem: answer_problem,
            HTTPException: answer_http,
            Exception: answer_crash,
        },
        openapi_config=openapi,
        request_max_body_size=BODY_BYTES_MAX,
        on_app_init=[_quiet],
        on_shutdown=list(on_shutdown),
        debug=False,
    )
    routes_of(app)
    app.asgi_handler = _outermost(app.asgi_handler)
    return app


def routes_of(app: Litestar) -> list[RouteInfo]:
    """Return every way in, for a test to walk and for people to read."""
    found: list[RouteInfo] = []
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.http_methods == {"OPTIONS"}:
                    # Litestar's own answer to "which methods are there?", the same for every path.
                    continue
                access = access_of(handler)
                found += (RouteInfo(str(method), route.path, access) for method in sorted(handler.http_methods))
        else:
            handler: Any = getattr(route, "route_handler", None)
            found.append(RouteInfo("*", route.path, access_of(handler)))
    return found


@get("/openapi.json", opt=allow("anyone"), include_in_schema=False, sync_to_thread=False)
def openapi_document(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Describe the API (OpenAPI 3.1)."""
    return Response(request.app.openapi_schema.to_schema(), media_type="application/json")


def _static_files() -> Any:
    router = cast(Any, static_files).create_static_files_router
    return router(
        path="/static",
        directories=[STATIC],
        opt=allow("anyone"),
        cache_control=None,
        include_in_schema=False,
    )


def _quiet(config: AppConfig) -> AppConfig:
    config.logging_config = None
    return config


def _outermost(app: ASGIApp) -> ASGIApp:
    """Give every request its id and every answer the headers that protect it: one thin layer, no stock ones."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        sane = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = sane if _SANE_ID.fullmatch(sane) else secrets.token_hex(8).encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        is_versioned = scope["path"].startswith("/static/") and scope["query_string"].startswith(b"v=")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                headers += ((b"x-request-id", request_id), *_HEADERS)
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.append(_POLICY)
                if is_versioned:
                    headers.append((b"cache-control", b"public, max-age=31536000, immutable"))
                message["headers"] = headers
            await send(message)

        await app(scope, receive, answer)

    return handle
