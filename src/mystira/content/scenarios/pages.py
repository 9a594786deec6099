"""Stories for those who run the platform: the list, a new one, and the steps of a story's life with their reasons."""

from collections.abc import Sequence
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content import views as content
from mystira.content.scenarios import actions, views
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model.checking import unreadable
from mystira.content.scenarios.model.editing import first_document
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.life import stage, steps
from mystira.content.scenarios.model.scenario import story_id
from mystira.content.scenarios.problems import ScenarioExists, ScenarioNotFound, StepUnknown
from mystira.content.scenarios.views import SHELVES, By, Shelf, Wanted
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.textfiles.nodes import Unreadable
from mystira.web.access import ADMIN, allow, staff
from mystira.web.answers import STATUS
from mystira.web.bodies import Body, convert, read_form
from mystira.web.pages import page
from mystira.web.versions import version_in

LIST = f"{ADMIN}/content/scenarios"
NEW = f"{ADMIN}/content/new-scenario"
STEP = f"{LIST}/{{scenario_id:str}}/steps/{{step:str}}"
DELETING = f"{LIST}/{{scenario_id:str}}/delete"

EXPLAINED: dict[str, tuple[str, str]] = {
    "submit": ("Hand in for review", "It waits for somebody to look at it. Changing it takes it back."),
    "publish": ("Publish", "It becomes the next version, and players see it at once. Games under way keep theirs."),
    "return": ("Give back", "It is a draft again. Say what is missing, for whoever wrote it."),
    "archive": ("Archive", "Players see it no more. Games under way can be finished, and it can be published again."),
    "delete": ("Delete", "It is gone for good. Only what nobody has played and no bundle holds can be deleted."),
}


class ListForm(Body, frozen=True, kw_only=True):
    """Which stories a page lists."""

    state: Shelf = ""
    search: str = ""
    order: By = "title"
    after: str = ""


class NewForm(Body, frozen=True, kw_only=True):
    """A new story."""

    title: str
    description: str
    core_axes: list[str] = []


class StepForm(Body, frozen=True, kw_only=True):
    """A step of a story's life, and the version that somebody saw when they asked for it."""

    version: str
    why: str = ""


@get(LIST, opt=allow("viewer", page=True), include_in_schema=False)
async def list_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List stories."""
    given = {name: value for name, value in request.query_params.items() if value}
    asked = convert(given, ListForm, strict=False)
    wanted = Wanted(state=asked.state, search=asked.search, order=asked.order, after=asked.after)
    found = await views.scenarios(_works(request).open(), wanted)
    return page(request, "content/scenarios.html", found=found, asked=asked, shelves=SHELVES)


@get(NEW, opt=allow("operator", page=True), include_in_schema=False)
async def new_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Ask for what a story begins with."""
    axes = await content.axis_names(_works(request).open())
    form = NewForm(title="", description="")
    return page(request, "content/scenario_new.html", axes=axes, form=form, wrong=())


@post(NEW, opt=allow("operator", page=True), include_in_schema=False)
async def make_new(request: Request[Any, Any, Any]) -> Response[Any]:
    """Begin a story."""
    form = await read_form(request, NewForm)
    works, who = _works(request), await staff(request)
    checked = await actions.checked_document(
        works.open(), first_document(form.title, form.description, form.core_axes), is_draft=True
    )
    if checked.content is None:
        axes = await content.axis_names(works.open())
        shown = {"axes": axes, "form": form, "wrong": checked.errors}
        return page(request, "content/scenario_new.html", status=422, **shown)
    new_id, asked = story_id(checked.content.title), Asked(by=who.name)
    try:
        made = await works.run(
            actions.save_draft, scenario_id=new_id, content=checked.content, asked=asked, is_new=True
        )
    except ScenarioExists as taken:
        wrong = unreadable(Unreadable(taken.code, taken.message)).findings
        shown = {"axes": await content.axis_names(works.open()), "form": form, "wrong": wrong}
        return page(request, "content/scenario_new.html", status=STATUS[taken.kind], **shown)
    return Redirect(f"{LIST}/{made.id}", status_code=303)


@get(STEP, opt=allow("operator", page=True), include_in_schema=False)
async def step_page(
    request: Request[Any, Any, Any], scenario_id: FromPath[str], step: FromPath[str]
) -> Response[bytes]:
    """Say what a step means, and ask for it."""
    return await _asking(request, scenario_id, step)


@post(STEP, opt=allow("operator", page=True), include_in_schema=False)
async def take_step(request: Request[Any, Any, Any], scenario_id: FromPath[str], step: FromPath[str]) -> Response[Any]:
    """Take a step of a story's life."""
    if step not in actions.STEPS:
        return await _asking(request, scenario_id, step)
    form = await read_form(request, StepForm)
    try:
        await actions.STEPS[step](_works(request), scenario_id=scenario_id, asked=await _asked(request, form))
    except ScenarioNotFound:
        return gone_page(request, scenario_id, why=form.why)
    except Problem as refusal:
        return await _asking(request, scenario_id, step, why=form.why, refusal=refusal)
    return Redirect(f"{LIST}/{scenario_id}", status_code=303)


@get(DELETING, opt=allow("admin", page=True), include_in_schema=False)
async def deleting_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Ask whether a story is to be deleted."""
    return await _asking(request, scenario_id, "delete")


@post(DELETING, opt=allow("admin", page=True), include_in_schema=False)
async def delete(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Delete a story that is not used."""
    form = await read_form(request, StepForm)
    asked, uses = await _asked(request, form), request.app.state.scenario_uses
    try:
        await _works(request).run(actions.delete, scenario_id=scenario_id, asked=asked, uses=uses)
    except ScenarioNotFound:
        return gone_page(request, scenario_id, why=form.why)
    except Problem as refusal:
        return await _asking(request, scenario_id, "delete", why=form.why, refusal=refusal)
    return Redirect(LIST, status_code=303)


def gone_page(
    request: Request[Any, Any, Any],
    scenario_id: str,
    *,
    text: str = "",
    why: str = "",
    wrong: Sequence[Finding] = (),
) -> Response[bytes]:
    """Tell that a story was deleted while a form of it was open; what was typed can be added as a story anew."""
    told = {"scenario_id": scenario_id, "text": text, "why": why, "wrong": wrong}
    return page(request, "content/scenario_gone.html", status=STATUS[ScenarioNotFound.kind], **told)


async def _asking(
    request: Request[Any, Any, Any], scenario_id: str, step: str, *, why: str = "", refusal: Problem | None = None
) -> Response[bytes]:
    if step not in EXPLAINED:
        raise StepUnknown(step=step[:60], steps=", ".join(actions.STEPS))
    work = _works(request).open()
    scenario = await actions.scenario_of(work, scenario_id)
    title, explains = EXPLAINED[step]
    return page(
        request,
        "content/scenario_step.html",
        status=200 if refusal is None else STATUS[refusal.kind],
        scenario=scenario,
        stage=stage(scenario),
        is_possible=step == "delete" or step in steps(scenario),
        step=step,
        title=title,
        explains=explains,
        version=work.version_of(scenario).packed,
        needs_why=step in ("return", "archive", "delete"),
        why=why,
        refused=None if refusal is None else refusal.message,
        findings=() if refusal is None else refusal.facts.get("findings", ()),
    )


async def _asked(request: Request[Any, Any, Any], form: StepForm) -> Asked:
    who = await staff(request)
    return Asked(by=who.name, why=" ".join(form.why.split()), seen=version_in(form.version))


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (list_page, new_page, make_new, step_page, take_step, deleting_page, delete)
