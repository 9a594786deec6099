"""The counts over HTTP."""

from typing import Any, cast

from litestar import Request, get
from litestar.params import FromPath

from mystira.analytics.model import StoryCount
from mystira.analytics.views import story_count
from mystira.polyglot.work import Works
from mystira.web.access import allow
from mystira.web.openapi import describe


@get("/api/v1/stories/{scenario_id:str}/count", opt=allow("anyone") | describe(StoryCount))
async def count(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> StoryCount:
    """Show how often a story was finished, and the seconds played until then."""
    return await story_count(cast(Works, request.app.state.works).open(), scenario_id)


HANDLERS = (count,)
