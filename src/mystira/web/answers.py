"""Refusals as answers: problem+json for programs, a page or a fragment for people."""

from typing import Any, cast
from urllib.parse import quote

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from mystira.polyglot.problem import Kind, Problem
from mystira.web.access import ADMIN, SAFE_METHODS, Access, NotSignedIn
from mystira.web.away import away_page, is_away
from mystira.web.pages import page

log = structlog.get_logger(__name__)

STATUS = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.STALE: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNPROCESSABLE: 422,
    Kind.UNCONDITIONAL: 428,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
}
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 1


def answer_problem(request: Request[Any, Any, Any], problem: Exception) -> Response[Any]:
    """Answer a refusal that the rooms raised."""
    assert isinstance(problem, Problem)
    if isinstance(problem, NotSignedIn) and _wants_page(request):
        return _to_sign_in(request, str(problem.facts["sign_in"]))
    status = STATUS[problem.kind]
    if status == 503:
        log.warning("unavailable", code=problem.code, detail=str(problem), request_id=request_id(request))
    retry_after_s = problem.facts.get("retry_after_s", RETRY_AFTER_S if status == 503 else None)
    if retry_after_s is not None and is_away(problem) and _is_page_of_staff(request):
        return away_page(request, problem, retry_after_s)
    facts = {name: _plain(value) for name, value in problem.facts.items()}
    return _answer(request, status, problem.code, problem.message, facts, retry_after_s)


def answer_http(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer what the web layer itself refuses: no such page, the wrong method."""
    assert isinstance(error, HTTPException)
    detail = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
    }.get(error.status_code, str(error.detail or "The request cannot be used."))
    code = CODES.get(error.status_code, "bad_request")
    answer = _answer(request, error.status_code, code, detail, {}, None)
    allowed = (error.headers or {}).get("allow")
    if allowed is not None:
        methods = {method.strip() for method in allowed.split(",")}
        answer.headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return answer


def answer_crash(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Answer a defect of ours without showing it; the log has it under the request's id."""
    log.error("request_failed", request_id=request_id(request), path=request.url.path, exc_info=error)
    detail = "Something went wrong on our side. Nothing you did is lost; please try again."
    return _answer(request, 500, "internal_error", detail, {}, None)


def request_id(request: Request[Any, Any, Any]) -> str:
    """Return the id under which everything about this request is found."""
    return cast(str, request.scope["state"].get("request_id", ""))


def _to_sign_in(request: Request[Any, Any, Any], path: str) -> Response[Any]:
    if request.headers.get("hx-request"):
        # A redirect would be followed unseen, and the whole page put where a part of one belongs.
        return Response(b"", status_code=401, headers={"HX-Redirect": path}, media_type="text/html")
    return Redirect(path=path, status_code=302 if request.method in SAFE_METHODS else 303)


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str,
    facts: dict[str, Any],
    retry_after_s: float | None,
) -> Response[Any]:
    headers = {} if retry_after_s is None else {"Retry-After": str(max(1, round(retry_after_s)))}
    if _wants_page(request):
        whole = "admin_error.html" if request.url.path.startswith(ADMIN) else "error.html"
        name = "error_fragment.html" if request.headers.get("hx-request") else whole
        shown = page(request, name, status=status, title=title_of(status), detail=detail, facts=facts)
        shown.headers.update(headers)
        return shown
    content = {
        **facts,
        "type": f"/problems/{quote(code)}",
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id(request),
    }
    return Response(msgspec.json.encode(content), status_code=status, media_type=PROBLEM_JSON, headers=headers)


def _is_page_of_staff(request: Request[Any, Any, Any]) -> bool:
    return _wants_page(request) and request.url.path.startswith(ADMIN) and not request.headers.get("hx-request")


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    handler: Any = request.scope.get("route_handler")
    access = handler.opt.get("access") if handler is not None else None
    if isinstance(access, Access):
        return access.page
    return "text/html" in request.headers.get("accept", "")


def title_of(status: int) -> str:
    """Return the few words that head every refusal with this status."""
    return {
        400: "Not understood",
        401: "Not signed in",
        403: "Not allowed",
        404: "Not found",
        405: "Not possible here",
        409: "Something changed meanwhile",
        413: "Too large",
        422: "Not possible",
        429: "Just a little slower",
        500: "Our mistake",
        503: "Just a moment",
    }.get(status, "Not possible")


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
