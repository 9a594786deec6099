"""The catalogue's check over the Admin API, a page at a time."""

from typing import Any, cast

from litestar import Request, get

from mystira.content.validation import views
from mystira.content.validation.views import STORIES_AT_ONCE, Looked
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.bodies import BodyInvalid
from mystira.web.lists import LISTING, PageUnknown, Span, span_asked
from mystira.web.openapi import describe


@get(
    f"{ADMIN}/api/validation",
    opt=allow("viewer") | describe(Looked, query=LISTING, refusals=(PageUnknown, BodyInvalid)),
)
async def validation(request: Request[Any, Any, Any]) -> Looked:
    """Check every reference of the next stories (25 at most), and with the first ones those of everything else."""
    asked = span_asked(request.query_params)
    span = Span(limit=min(asked.limit, STORIES_AT_ONCE), after=asked.after)
    return await views.look(cast(Works, request.app.state.works).open(), span)


HANDLERS = (validation,)
