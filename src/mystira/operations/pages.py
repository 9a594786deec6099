"""The audit: what was asked for and what was done, by whom, when and why.

How a page is added to the administration (docs/admin.md shows one whole):

1. Write the handlers in the room they belong to: `pages.py`, `@get(f"{ADMIN}/things", opt=allow("viewer", page=True))`.
   The first word of `allow` is the least role that gets in; "operator" where something is changed.
2. Answer with `page(request, "room/things.html", ...)`. The template extends "admin.html" and fills its blocks `title`
   and `body`; its macros are in "admin_parts.html" (chips, bars, tables that scroll inside themselves). Charts come
   from `web/charts.py`, and need "_charts.html" in the block `head`.
3. Put the handlers and the entry of the navigation into `services/admin.py`, and the room's name into its `rooms`.
4. What changes something is a verb in `actions/verbs.py`, asked for by POST /admin/commands (a form with `verb`,
   `collection`, `why`, `arg.NAME`), so that it is audited and a worker does it. Show it with `macros.ask`.
5. A part that must be live is a page of its own without a layout, inside `<div data-live="/admin/things/live">`: the
   address answers with server-sent events, each the whole part anew (`web/live.py`), so a reconnect is always right.
6. Families' data comes from `request.app.state.reader`: PostgreSQL refuses every write through it. Personal fields
   (`collection.personal`) are masked unless the role is admin.
7. Take a picture of each state with `shoot` (tests/browser/looks.py): it fails for what is too wide at 360 px, too
   small to touch, or not accessible.
"""

from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from mystira.operations import views
from mystira.operations.actions.verbs import VERBS
from mystira.operations.http import Asked, ask_for, audited
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.bodies import Body, read_form
from mystira.web.live import live
from mystira.web.pages import page


class AskForm(Body, frozen=True, kw_only=True):
    """A verb as a page's form sends it; what is left empty was left out."""

    verb: str
    collection: str
    why: str
    id: str = ""
    arg: dict[str, str] = {}
    waived: list[str] = []


@get(ADMIN, opt=allow("viewer", page=True), include_in_schema=False)
async def first_page(request: Request[Any, Any, Any]) -> Redirect:
    """Go to the first page of the navigation."""
    return Redirect(request.app.state.navigation[0].path)


@get(f"{ADMIN}/audit", opt=allow("viewer", page=True), include_in_schema=False)
async def audit_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what was asked for and what was done, the newest first."""
    chosen, found = await audited(request)
    return page(request, "operations/audit.html", found=found, collection=chosen.collection, who=chosen.who)


@post(f"{ADMIN}/commands", opt=allow("operator", page=True), include_in_schema=False)
async def ask(request: Request[Any, Any, Any]) -> Redirect:
    """Keep what a form asks for, and go where its outcome will be."""
    form = await read_form(request, AskForm)
    arguments: dict[str, Any] = {name: value for name, value in form.arg.items() if value}
    if form.waived:
        arguments["waived"] = form.waived
    asked = Asked(verb=form.verb, collection=form.collection, why=form.why, id=form.id, arguments=arguments)
    command = await ask_for(request, asked, strict=False)
    return Redirect(f"{ADMIN}/commands/{command.id}", status_code=303)


@get(f"{ADMIN}/commands/{{command_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def command_page(request: Request[Any, Any, Any], command_id: FromPath[str]) -> Response[bytes]:
    """Show how far a command is, or what came of it; or what somebody did themselves, which is no verb."""
    told = await _command(cast(Works, request.app.state.works), command_id)
    return page(request, "operations/command.html", verb=VERBS.get(told["command"].verb), **told)


@get(f"{ADMIN}/commands/{{command_id:str}}/live", opt=allow("viewer", page=True), include_in_schema=False)
async def live_command(request: Request[Any, Any, Any], command_id: FromPath[str]) -> Stream:
    """Show how far a command is, as it goes on."""
    works = cast(Works, request.app.state.works)
    await _command(works, command_id)
    return await live(request, "operations/_command.html", lambda: _command(works, command_id), every_s=0.5)


async def _command(works: Works, command_id: str) -> dict[str, Any]:
    work = works.open()
    command = await views.command(work, command_id)
    return {"command": command, "left_alone": command.left_alone(work.now)}


HANDLERS = (first_page, audit_page, ask, command_page, live_command)
