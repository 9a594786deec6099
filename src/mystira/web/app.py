"""Puts rooms' doors together into one application, with everything that holds for all of them."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Litestar, Request, Response, get
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from mystira.polyglot.problem import Problem
from mystira.web.access import Access, Authenticate, AuthenticateStaff, Scraping, access_of, admit, allow, nobody
from mystira.web.answers import answer_crash, answer_http, answer_problem
from mystira.web.bodies import BODY_BYTES_MAX
from mystira.web.envelope import enveloped
from mystira.web.files import STATIC, read_files, static_file
from mystira.web.health import Asking, HealthCheck, end_questions, health, live, ready
from mystira.web.limits import Buckets, Limits, Take
from mystira.web.metrics import measured, metrics
from mystira.web.openapi import document
from mystira.web.pages import Pages
from mystira.web.streams import Streams
from mystira.web.tracing import traced


class RouteInfo(NamedTuple):
    """One way into the application and who may use it."""

    method: str
    path: str
    access: Access


def make_app(
    handlers: Sequence[ControllerRouterHandler],
    *,
    authenticate: Authenticate,
    authenticate_staff: AuthenticateStaff = nobody,
    state: Mapping[str, Any] | None = None,
    checks: Sequence[HealthCheck] = (),
    templates: Mapping[str, Path] | None = None,
    session_cookie: str = "session",
    staff_cookie: str = "staff",
    limits: Limits | None = None,
    take: Take | None = None,
    on_shutdown: Sequence[Callable[[], Awaitable[None]]] = (),
    scraping: Scraping | None = None,
) -> Litestar:
    """Return the application; UndeclaredRoute if any route does not say who may use it.

    Rooms find what they were wired with in `request.app.state`; their templates are `room/name.html`.
    Without `limits` everything may be done any number of times. Without `scraping` nobody sees metrics.
    """
    files, asking = read_files(STATIC), Asking()
    shared = {
        "authenticate": authenticate,
        "authenticate_staff": authenticate_staff,
        "checks": tuple(checks),
        "asking": asking,
        "files": files,
        "pages": Pages(templates or {}, files),
        "limits": limits or Limits(),
        "streams": Streams(),
        "take": take or Buckets(time.monotonic).take,
        "scraping": scraping or Scraping(),
        "service_tokens": {},
    }
    app = Litestar(
        route_handlers=[*handlers, live, ready, health, metrics, openapi_document, static_file],
        guards=[admit],
        state=State({**shared, **(state or {})}),
        exception_handlers={Problem: answer_problem, HTTPException: answer_http, Exception: answer_crash},
        # Litestar's own document knows no bodies that are read strictly, and its pages load scripts from elsewhere.
        openapi_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        on_app_init=[_quiet],
        on_shutdown=[partial(end_questions, asking), *on_shutdown],
        debug=False,
    )
    routes_of(app)
    _describe(app, session_cookie, staff_cookie)
    app.asgi_handler = enveloped(traced(measured(app.asgi_handler)))
    return app


def _describe(app: Litestar, session_cookie: str, staff_cookie: str) -> None:
    """Keep both documents; whoever wires the application says in `named` what the API's parameters stand for."""
    named = app.state.get("named", {})
    app.state["openapi"] = document(app.routes, cookie=session_cookie, named=named)
    app.state["staff_openapi"] = document(app.routes, cookie=staff_cookie, for_staff=True, named=named)


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
    return Response(request.app.state.openapi, media_type="application/json")


def _quiet(config: AppConfig) -> AppConfig:
    config.logging_config = None
    return config
