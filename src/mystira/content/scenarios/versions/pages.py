"""A story's versions, and two of its states side by side."""

from typing import Any, cast

from litestar import Request, Response, get
from litestar.params import FromPath

from mystira.content.scenarios import actions, views
from mystira.content.scenarios.model.comparing import compare
from mystira.content.scenarios.model.life import steps
from mystira.content.scenarios.model.writing import document
from mystira.content.scenarios.pages import LIST
from mystira.polyglot.work import Works
from mystira.web.access import allow
from mystira.web.bodies import Body, convert
from mystira.web.lists import Span
from mystira.web.pages import page

VERSIONS = f"{LIST}/{{scenario_id:str}}/versions"


class Shown(Body, frozen=True, kw_only=True):
    """Which versions are listed, and which two states are compared."""

    before: int | None = None
    after: int | None = None
    older_than: str = ""


class Sides(Body, frozen=True, kw_only=True):
    """Which two states are compared: numbers of versions; none is the draft, or for `before` the latest version."""

    before: int | None = None
    after: int | None = None


@get(VERSIONS, opt=allow("viewer", page=True), include_in_schema=False)
async def versions_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """List a story's versions, and show what is different between two of them."""
    given = {name: value for name, value in request.query_params.items() if value}
    asked = convert(given, Shown, strict=False)
    work = cast(Works, request.app.state.works).open()
    scenario = await actions.scenario_of(work, scenario_id)
    before = asked.before or scenario.latest_version or None
    listed = await views.versions(work, scenario, Span(after=asked.older_than))
    difference = None
    if before is not None:
        one = await views.content_at(work, scenario, before)
        other = await views.content_at(work, scenario, asked.after)
        difference = compare(document(one), document(other))
    return page(
        request,
        "content/scenario_versions.html",
        scenario=scenario,
        steps=steps(scenario),
        versions=listed.items,
        older=listed.after,
        numbers=dict.fromkeys(filter(None, (before, asked.after, *(one.number for one in listed.items)))),
        before=before,
        after=asked.after,
        difference=difference,
    )


HANDLERS = (versions_page,)
