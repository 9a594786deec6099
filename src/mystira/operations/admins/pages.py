"""The way in for those who run the platform, and the way out."""

import secrets
from typing import Any, cast
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.response import Redirect

from mystira.operations.admins import actions, views
from mystira.operations.admins.model import PASSWORD_LENGTH_MAX, SESSION_LIVES, Admin
from mystira.operations.admins.problems import SignInRefused
from mystira.polyglot.keyed import keyed_hash
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, Connection, Role, Staff, allow, staff, staff_asking
from mystira.web.bodies import Body, read_form
from mystira.web.cookies import cookie, expired_cookie
from mystira.web.limits import Limits, client_key, refuse_too_often
from mystira.web.pages import page
from mystira.web.passwords import is_password

ADMIN_COOKIE = "mystira_admin"


class SignInForm(Body, frozen=True, kw_only=True):
    """Who somebody says they are, and where to go afterwards."""

    name: str
    password: str
    next: str = ADMIN


async def authenticate_staff(connection: Connection) -> Staff | None:
    """Return who of those who run the platform is signed in by the request's cookie; a player's opens nothing."""
    secret = connection.cookies.get(ADMIN_COOKIE)
    if not secret:
        return None
    session_id = keyed_hash(connection.app.state.key, "admin-session", secret)
    admin = await views.signed_in(cast(Works, connection.app.state.works).open(), session_id)
    return None if admin is None else Staff(name=admin.id, role=cast(Role, admin.role), session_id=session_id)


@get(f"{ADMIN}/sign-in", opt=allow("anyone", page=True), include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Ask for name and password."""
    onward = _own_path(request.query_params.get("next", ADMIN))
    return page(request, "operations/sign_in.html", next=onward, refused="", entered="")


@post(f"{ADMIN}/sign-in", opt=allow("anyone", page=True), include_in_schema=False)
async def sign_in(request: Request[Any, Any, Any]) -> Response[Any]:
    """Sign this browser in, or say that name and password do not go together, whichever of them is wrong."""
    form = await read_form(request, SignInForm)
    limits = cast(Limits, request.app.state.limits)
    name = form.name.strip().lower()[:40]
    await refuse_too_often(request, limits.sign_ins)
    await refuse_too_often(request, limits.passwords, f"{name} {client_key(request)}")
    works = cast(Works, request.app.state.works)
    admin = await works.open().get(Admin, name)
    known = admin if admin is not None and admin.disabled_at is None else None
    is_right = len(form.password) <= PASSWORD_LENGTH_MAX and await is_password(
        known.password_hash if known else None, form.password
    )
    if known is None or not is_right:
        refused = str(SignInRefused())
        return page(
            request,
            "operations/sign_in.html",
            status=422,
            next=_own_path(form.next),
            refused=refused,
            entered=form.name,
        )
    await _close(request)
    secret = secrets.token_urlsafe(32)
    session_id = keyed_hash(request.app.state.key, "admin-session", secret)
    await works.run(actions.open_session, session_id=session_id, name=known.id)
    lives_s = int(SESSION_LIVES.total_seconds())
    given = cookie(request, ADMIN_COOKIE, secret, lives_s, ADMIN)
    return Redirect(_own_path(form.next), status_code=303, cookies=[given])


@post(f"{ADMIN}/sign-out", opt=allow("viewer", touches="own session", page=True), include_in_schema=False)
async def sign_out(request: Request[Any, Any, Any]) -> Redirect:
    """Sign this browser out."""
    await staff(request)
    await _close(request)
    return Redirect(f"{ADMIN}/sign-in", status_code=303, cookies=[expired_cookie(request, ADMIN_COOKIE, ADMIN)])


async def _close(request: Request[Any, Any, Any]) -> None:
    before = await staff_asking(request)
    if before is not None:
        await cast(Works, request.app.state.works).run(actions.close_session, session_id=before.session_id)


def _own_path(text: str) -> str:
    """Return a page of the administration to go on to; anything else leads to its beginning."""
    plain = text.partition("?")[0].partition("#")[0]
    is_own = plain == ADMIN or plain.startswith(f"{ADMIN}/")
    return quote(plain, safe="/%") if is_own and plain.isprintable() and ".." not in plain else ADMIN


HANDLERS = (sign_in_page, sign_in, sign_out)
