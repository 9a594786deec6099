"""The family's pages. So far: entering and leaving as the demo's sample family."""

import secrets
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.response import Redirect

from mystira.accounts.actions import close_browser_session, open_browser_session
from mystira.accounts.model import SESSION_LIVES, keyed_hash
from mystira.accounts.problems import DemoOff
from mystira.accounts.views import signed_in
from mystira.polyglot.work import Works
from mystira.web.access import Connection, Principal, allow, family
from mystira.web.cookies import cookie, expired_cookie
from mystira.web.pages import page

SESSION_COOKIE = "mystira_session"
SAMPLE_FAMILY = "sample-family"


async def authenticate(connection: Connection) -> Principal | None:
    """Return the family whose browser session the request's cookie opens."""
    secret = connection.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    works = cast(Works, connection.app.state.works)
    session_id = keyed_hash(connection.app.state.key, "browser-session", secret)
    session = await signed_in(works.open(), session_id)
    return None if session is None else Principal(account_id=session.account_id, session_id=session_id)


@get("/sign-in", opt=allow("anyone", page=True), include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show how to get in."""
    return page(request, "accounts/sign_in.html", demo=request.app.state.demo)


@post("/sign-in/sample-family", opt=allow("anyone", page=True), include_in_schema=False)
async def enter_as_sample_family(request: Request[Any, Any, Any]) -> Redirect:
    """Sign this browser in as the demo's sample family."""
    if not request.app.state.demo:
        raise DemoOff
    works = cast(Works, request.app.state.works)
    secret = secrets.token_urlsafe(32)
    session_id = keyed_hash(request.app.state.key, "browser-session", secret)
    await works.run(open_browser_session, session_id=session_id, account_id=SAMPLE_FAMILY)
    lives_s = int(SESSION_LIVES.total_seconds())
    return Redirect("/", status_code=303, cookies=[cookie(request, SESSION_COOKIE, secret, lives_s)])


@post("/sign-out", opt=allow("family", touches="browser session", page=True), include_in_schema=False)
async def sign_out(request: Request[Any, Any, Any]) -> Redirect:
    """Sign this browser out."""
    who = await family(request)
    works = cast(Works, request.app.state.works)
    await works.run(close_browser_session, session_id=who.session_id)
    return Redirect("/", status_code=303, cookies=[expired_cookie(request, SESSION_COOKIE)])


HANDLERS = (sign_in_page, enter_as_sample_family, sign_out)
