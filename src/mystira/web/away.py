"""The administration while a store does not answer: which one it is, what goes on without it, and what to do."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from litestar import Request
from litestar.enums import MediaType
from litestar.response import Stream

from mystira.polyglot.problem import Problem
from mystira.polyglot.store import OutcomeUnknown, Unavailable
from mystira.web.access import SAFE_METHODS
from mystira.web.health import lacking
from mystira.web.pages import new_nonce, page_headers, rendered

STATUS = 503
STORES = {"documents": "The document store", "relational": "PostgreSQL"}
"""What people call the stores that are asked for their health."""


def is_away(problem: Problem) -> bool:
    """Tell whether it means that a store did not answer."""
    return isinstance(problem, Unavailable | OutcomeUnknown)


def away_page(request: Request[Any, Any, Any], problem: Problem, retry_after_s: float) -> Stream:
    """Answer with the page that says so. Which store it is has to be asked, so the text follows the head."""
    nonce = new_nonce()

    async def text() -> AsyncGenerator[bytes]:
        missing = await lacking(request)
        yield rendered(
            request,
            "admin_away.html",
            nonce,
            status=STATUS,
            missing=missing,
            title=says_who(missing),
            detail=problem.message,
            was_sent=request.method not in SAFE_METHODS,
        )

    headers = page_headers(nonce) | {"Retry-After": str(max(1, round(retry_after_s)))}
    return Stream(text(), status_code=STATUS, media_type=MediaType.HTML, headers=headers)


def says_who(missing: Iterable[str]) -> str:
    """Return a sentence that names who does not answer."""
    named = [STORES.get(name, name) for name in missing]
    if not named:
        return "A store did not answer"
    return f"{named[0]} does not answer" if len(named) == 1 else "Neither store answers"
