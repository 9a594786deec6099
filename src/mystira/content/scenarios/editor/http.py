"""The Admin API of stories: written, taken through their life, compared and exported; every write names its version."""

import re
from typing import Any, Literal, cast

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from mystira.content import views as content
from mystira.content.actions import check_scenario
from mystira.content.scenarios import actions, views
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model.comparing import Difference, compare
from mystira.content.scenarios.model.editing import first_document
from mystira.content.scenarios.model.examining import context
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.life import steps
from mystira.content.scenarios.model.writing import document, plain_numbers
from mystira.content.scenarios.problems import (
    ScenarioExists,
    ScenarioInUse,
    ScenarioMustWait,
    ScenarioNotFound,
    ScenarioPlayable,
    ScenarioUnfinished,
    ScenarioWrong,
    StepUnknown,
    VersionNotFound,
    WhyMissing,
)
from mystira.content.scenarios.versions.pages import Sides
from mystira.content.scenarios.views import By, ScenarioRow, ScenariosPage, Shelf, VersionsPage, Wanted, row
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Works
from mystira.textfiles.readers import Readers
from mystira.textfiles.writing import to_yaml
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.versions import (
    ANY,
    IF_MATCH,
    IF_NONE_MATCH,
    Stale,
    VersionNeeded,
    VersionUnreadable,
    etag,
    named_version,
)

API = f"{ADMIN}/api/scenarios"
ONE = f"{API}/{{scenario_id:str}}"
DOCUMENT_BYTES_MAX = 5_000_000
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,199}")


class ScenarioSent(Body, frozen=True, kw_only=True):
    """A story as its file says it (docs/story-files.md), and why it is changed."""

    document: dict[str, Any]
    why: str = ""


class StepAsked(Body, frozen=True, kw_only=True):
    """Why a step is taken; giving back, archiving and deleting need it."""

    why: str = ""


class ListAsked(Body, frozen=True, kw_only=True):
    """Which stories, in which order."""

    state: Shelf = ""
    search: str = ""
    order: By = "title"


class ExportAsked(Body, frozen=True, kw_only=True):
    """Which state of a story, as what."""

    format: Literal["yaml", "json"] = "yaml"
    version: int | None = None


class ScenarioShown(Value, frozen=True, kw_only=True):
    """A story as it is written now, what was found in it, and what can be done with it."""

    scenario: ScenarioRow
    document: dict[str, Any]
    findings: tuple[Finding, ...]
    steps: tuple[str, ...]


class Exported(Value, frozen=True, kw_only=True):
    """A story as the text of a file: importing it gives the same story."""

    name: str
    text: str


SAMPLE = ScenarioSent(document=first_document("The attic", "Something rustles.", ["courage"]), why="a first draft")
WRITING = (Stale, VersionNeeded, VersionUnreadable)
LIST = describe(
    ScenariosPage,
    asked=ListAsked,
    query={
        "state": "Only the stories that stand here.",
        "search": "What the title or the id begins with.",
        "order": "title or changed_at (the last one first).",
        **LISTING,
    },
    refusals=(PageUnknown, BodyInvalid),
)
PUT = describe(
    ScenarioShown,
    example=SAMPLE,
    headers={**IF_MATCH, **IF_NONE_MATCH},
    also={201: "Made."},
    refusals=(*WRITING, ScenarioExists, ScenarioNotFound, ScenarioWrong),
    versioned=True,
)
STEP = describe(
    ScenarioShown,
    example=StepAsked(why="looked at, and good"),
    headers=IF_MATCH,
    refusals=(
        *WRITING,
        ScenarioMustWait,
        ScenarioNotFound,
        ScenarioUnfinished,
        StepUnknown,
        VersionNotFound,
        WhyMissing,
    ),
    versioned=True,
)
DELETE = describe(
    None,
    query={"why": "Why it is deleted."},
    headers=IF_MATCH,
    refusals=(*WRITING, ScenarioInUse, ScenarioNotFound, ScenarioPlayable, WhyMissing),
)


@get(API, opt=allow("viewer") | LIST)
async def list_scenarios(request: Request[Any, Any, Any]) -> ScenariosPage:
    """List stories."""
    asked, span = _asked_of(request, ListAsked), span_asked(request.query_params)
    wanted = Wanted(state=asked.state, search=asked.search, order=asked.order, after=span.after, limit=span.limit)
    return await views.scenarios(_works(request).open(), wanted)


@get(ONE, opt=allow("viewer") | describe(ScenarioShown, refusals=(ScenarioNotFound,), versioned=True))
async def show_scenario(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show a story as it is written now."""
    return await _shown(request, scenario_id)


@put(ONE, opt=allow("operator") | PUT, request_max_body_size=DOCUMENT_BYTES_MAX)
async def put_scenario(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Write a story: a new one (If-None-Match: *), or the next draft of the one that you saw (If-Match)."""
    is_new = request.headers.get("if-none-match", "").strip() == "*"
    seen = ANY if is_new else named_version(request)
    if not _ID.fullmatch(scenario_id):
        raise BodyInvalid(summary="the id may have small letters, digits and -, at most 200", errors=[])
    sent = await read_body(request, ScenarioSent, bytes_max=DOCUMENT_BYTES_MAX)
    works, who = _works(request), await staff(request)
    work = works.open()
    told = context(await content.vocabulary(work), media=content.program_media_ids(), is_draft=True)
    readers = cast(Readers, request.app.state.readers)
    checked = await content.settled(work, await check_scenario(readers, msgspec.json.encode(sent.document), told))
    if checked.content is None:
        raise ScenarioWrong(first=checked.errors[0].message, count=len(checked.errors), findings=checked.findings)
    asked = Asked(by=who.name, why=sent.why, seen=seen)
    if not is_new:
        await actions.scenario_of(works.open(), scenario_id)
    await works.run(actions.save_draft, scenario_id=scenario_id, content=checked.content, asked=asked, is_new=is_new)
    return await _shown(request, scenario_id, status=201 if is_new else 200)


@post(f"{ONE}/steps/{{step:str}}", opt=allow("operator") | STEP, status_code=200)
async def take_step(
    request: Request[Any, Any, Any], scenario_id: FromPath[str], step: FromPath[str]
) -> Response[bytes]:
    """Take a step of a story's life: submit, publish, return or archive."""
    seen = named_version(request)
    sent, who = await read_body(request, StepAsked), await staff(request)
    if step not in actions.STEPS:
        raise StepUnknown(step=step[:60], steps=", ".join(actions.STEPS))
    asked = Asked(by=who.name, why=" ".join(sent.why.split()), seen=seen)
    await actions.STEPS[step](_works(request), scenario_id=scenario_id, asked=asked)
    return await _shown(request, scenario_id)


@delete(ONE, opt=allow("admin") | DELETE, status_code=204)
async def delete_scenario(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> None:
    """Delete a story that is not published, and that nobody has played."""
    who, why = await staff(request), request.query_params.get("why", "")
    asked = Asked(by=who.name, why=" ".join(why.split()), seen=named_version(request))
    uses = request.app.state.scenario_uses
    await _works(request).run(actions.delete, scenario_id=scenario_id, asked=asked, uses=uses)


@get(
    f"{ONE}/versions",
    opt=allow("viewer") | describe(VersionsPage, query=LISTING, refusals=(ScenarioNotFound, PageUnknown, BodyInvalid)),
)
async def list_versions(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> VersionsPage:
    """List a story's versions, the newest first."""
    work, span = _works(request).open(), span_asked(request.query_params)
    return await views.versions(work, await actions.scenario_of(work, scenario_id), span)


@get(
    f"{ONE}/difference",
    opt=allow("viewer")
    | describe(
        Difference,
        asked=Sides,
        query={"before": "A version; the latest one if left out.", "after": "A version; the draft if left out."},
        refusals=(ScenarioNotFound, VersionNotFound, BodyInvalid),
    ),
)
async def show_difference(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Difference:
    """Compare two states of a story."""
    asked, work = _asked_of(request, Sides), _works(request).open()
    scenario = await actions.scenario_of(work, scenario_id)
    before = scenario.latest_version if asked.before is None else asked.before
    one = await views.content_at(work, scenario, before)
    return compare(document(one), document(await views.content_at(work, scenario, asked.after)))


@get(
    f"{ONE}/export",
    opt=allow("viewer")
    | describe(
        Exported,
        asked=ExportAsked,
        query={"format": "As which sort of file.", "version": "A version; the draft if left out."},
        refusals=(ScenarioNotFound, VersionNotFound, BodyInvalid),
    ),
)
async def export_scenario(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Exported:
    """Return a story as the text of a file."""
    asked, work = _asked_of(request, ExportAsked), _works(request).open()
    scenario = await actions.scenario_of(work, scenario_id)
    told = document(await views.content_at(work, scenario, asked.version))
    if asked.format == "json":
        text = msgspec.json.format(msgspec.json.encode(plain_numbers(told))).decode()
        return Exported(name=f"{scenario_id}.json", text=text)
    return Exported(name=f"{scenario_id}.yaml", text=to_yaml(told))


async def _shown(request: Request[Any, Any, Any], scenario_id: str, *, status: int = 200) -> Response[bytes]:
    work = _works(request).open()
    scenario = await actions.scenario_of(work, scenario_id)
    told = document(scenario.content)
    checked = await actions.checked_document(work, told, is_draft=True)
    shown = ScenarioShown(
        scenario=row(scenario), document=plain_numbers(told), findings=checked.findings, steps=steps(scenario)
    )
    headers = {"ETag": etag(work.version_of(scenario)), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(shown), status_code=status, media_type="application/json", headers=headers)


def _asked_of(request: Request[Any, Any, Any], shape: Any) -> Any:
    given = {name: request.query_params[name] for name in shape.__struct_fields__ if request.query_params.get(name)}
    return convert(given, shape, strict=False)


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (
    *(list_scenarios, show_scenario, put_scenario, take_step, delete_scenario),
    *(list_versions, show_difference, export_scenario),
)
