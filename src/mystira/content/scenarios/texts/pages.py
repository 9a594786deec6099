"""The whole story as text: edited with findings at their lines, and downloaded as the file that imports to the same."""

from typing import Any, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content import views as content
from mystira.content.actions import check_scenario
from mystira.content.scenarios import actions
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model.comparing import Difference, compare
from mystira.content.scenarios.model.examining import context
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.life import steps
from mystira.content.scenarios.model.writing import document, plain_numbers
from mystira.content.scenarios.pages import LIST, gone_page
from mystira.content.scenarios.problems import ScenarioExists, ScenarioNotFound
from mystira.polyglot.work import Works
from mystira.textfiles.readers import Readers
from mystira.textfiles.reading import BYTES_MAX
from mystira.textfiles.writing import to_yaml
from mystira.web.access import allow, staff
from mystira.web.bodies import Body, read_form
from mystira.web.pages import page
from mystira.web.versions import ANY, Stale, version_in

TEXT = f"{LIST}/{{scenario_id:str}}/text"
# A form writes every byte beyond the plainest ones as three.
FORM_BYTES_MAX = 3 * BYTES_MAX


class TextForm(Body, frozen=True, kw_only=True):
    """The whole story as text, and the version that it was made from; none for a story that is added anew."""

    version: str
    text: str


@get(TEXT, opt=allow("viewer", page=True), include_in_schema=False)
async def text_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show a story as text."""
    return await _shown(request, scenario_id)


@post(TEXT, opt=allow("operator", page=True), include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def save_text(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Keep a story as it was typed; what is wrong is told with its line."""
    form = await read_form(request, TextForm, bytes_max=FORM_BYTES_MAX)
    works, who = cast(Works, request.app.state.works), await staff(request)
    work = works.open()
    told = context(await content.vocabulary(work), media=content.program_media_ids(), is_draft=True)
    readers = cast(Readers, request.app.state.readers)
    checked = await content.settled(work, await check_scenario(readers, form.text.encode(), told))
    if checked.content is None:
        return await _shown(request, scenario_id, typed=form.text, wrong=checked.findings, status=422)
    found, is_new = checked.content, not form.version
    asked = Asked(by=who.name, seen=ANY if is_new else version_in(form.version))
    try:
        await works.run(actions.save_draft, scenario_id=scenario_id, content=found, asked=asked, is_new=is_new)
    except ScenarioNotFound:
        return gone_page(request, scenario_id, text=form.text)
    except (Stale, ScenarioExists):
        now = document((await actions.scenario_of(works.open(), scenario_id)).content)
        stale = compare(now, document(checked.content))
        return await _shown(request, scenario_id, typed=form.text, stale=stale, status=412)
    return Redirect(f"{LIST}/{scenario_id}/text", status_code=303)


@get(f"{LIST}/{{scenario_id:str}}/file", opt=allow("viewer", page=True), include_in_schema=False)
async def download(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Send a story as a file, YAML or JSON."""
    scenario = await actions.scenario_of(cast(Works, request.app.state.works).open(), scenario_id)
    told = document(scenario.content)
    is_json = request.query_params.get("format") == "json"
    body = msgspec.json.format(msgspec.json.encode(plain_numbers(told))) if is_json else to_yaml(told).encode()
    name = f"{scenario.id.encode('ascii', 'ignore').decode()}.{'json' if is_json else 'yaml'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, media_type="application/json" if is_json else "application/yaml", headers=headers)


async def _shown(
    request: Request[Any, Any, Any],
    scenario_id: str,
    *,
    typed: str | None = None,
    wrong: tuple[Finding, ...] = (),
    stale: Difference | None = None,
    status: int = 200,
) -> Response[bytes]:
    work = cast(Works, request.app.state.works).open()
    try:
        scenario = await actions.scenario_of(work, scenario_id)
    except ScenarioNotFound:
        if typed is None:
            raise
        return gone_page(request, scenario_id, text=typed, wrong=wrong)
    told = document(scenario.content)
    found = wrong or (await actions.checked_document(work, told)).findings
    return page(
        request,
        "content/scenario_text.html",
        status=status,
        scenario=scenario,
        steps=steps(scenario),
        text=to_yaml(told) if typed is None else typed,
        is_wrong=bool(wrong),
        found=found,
        stale=stale,
        version=work.version_of(scenario).packed,
    )


HANDLERS = (text_page, save_text, download)
