"""The catalogue's check as a page."""

from typing import Any, cast

from litestar import Request, Response, get

from mystira.content.validation import views
from mystira.content.validation.views import STORIES_AT_ONCE
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.lists import Span, span_asked
from mystira.web.pages import page


@get(f"{ADMIN}/content/validation", opt=allow("viewer", page=True), include_in_schema=False)
async def validation_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what is wrong in the next part of the catalogue."""
    after = span_asked(request.query_params).after
    looked = await views.look(cast(Works, request.app.state.works).open(), Span(limit=STORIES_AT_ONCE, after=after))
    return page(request, "content/validation.html", looked=looked, is_first=not after)


HANDLERS = (validation_page,)
