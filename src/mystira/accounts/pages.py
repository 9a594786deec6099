"""The family's pages: signing in by mail, the players, and the consent that lets children play."""

import secrets
from typing import Any, cast
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.accounts import actions, views
from mystira.accounts.model import (
    AGE_GROUPS,
    AVATARS,
    LINK_LIVES,
    SESSION_LIVES,
    normal_address,
)
from mystira.accounts.ports import Mailbox
from mystira.accounts.problems import DemoOff, LinkInvalid, ProfileNotFound
from mystira.content import views as content
from mystira.polyglot.keyed import keyed_hash
from mystira.polyglot.work import Work, Works
from mystira.web.access import Connection, Principal, allow, family, principal
from mystira.web.bodies import Body, read_form
from mystira.web.cookies import cookie, expired_cookie
from mystira.web.limits import Limits, refuse_too_often
from mystira.web.pages import page

SESSION_COOKIE = "mystira_session"
ASKING_COOKIE = "mystira_asking"
SAMPLE_FAMILY = "sample-family"
OWN_PROFILE = allow("family", touches="profile", page=True)


class AddressForm(Body, frozen=True, kw_only=True):
    """Who wants to sign in, and where to go afterwards."""

    email: str
    next: str = "/"


class TokenForm(Body, frozen=True, kw_only=True):
    """The secret of a sign-in link."""

    token: str


class ProfileForm(Body, frozen=True, kw_only=True):
    """A player's details."""

    name: str
    age_group: str
    avatar: str = "fox"


class ConsentForm(Body, frozen=True, kw_only=True):
    """What a parent allows besides playing."""

    analytics: bool = False
    ai: bool = False


async def authenticate(connection: Connection) -> Principal | None:
    """Return the family whose browser session the request's cookie opens."""
    secret = connection.cookies.get(SESSION_COOKIE)
    if not secret:
        return None
    works = cast(Works, connection.app.state.works)
    session_id = keyed_hash(connection.app.state.key, "browser-session", secret)
    session = await views.signed_in(works.open(), session_id)
    return None if session is None else Principal(account_id=session.account_id, session_id=session_id)


@get("/sign-in", opt=allow("anyone", page=True), include_in_schema=False)
async def sign_in_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show how to get in."""
    return page(
        request,
        "accounts/sign_in.html",
        demo=request.app.state.demo,
        next=_own_path(request.query_params.get("next", "/")),
    )


@post("/sign-in", opt=allow("anyone", page=True), include_in_schema=False)
async def ask_for_link(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Send a sign-in link; the answer is the same whether or not the address is known."""
    form = await read_form(request, AddressForm)
    limits = cast(Limits, request.app.state.limits)
    await refuse_too_often(request, limits.sign_ins)
    email = normal_address(form.email)
    token, asking = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    key = request.app.state.key
    # Counted for every address alike, so that a refusal tells nothing about whether it has an account.
    await refuse_too_often(request, limits.links, keyed_hash(key, "email", email))
    await _works(request).run(
        actions.ask_for_link,
        email=email,
        email_hash=keyed_hash(key, "email", email),
        token_hash=keyed_hash(key, "link", token),
        browser_hash=keyed_hash(key, "asking-browser", asking),
    )
    _mailbox(request).deliver(email, f"/sign-in/open?token={token}&next={_own_path(form.next)}")
    shown = page(request, "accounts/check_mail.html", email=email, demo=request.app.state.demo)
    shown.cookies.append(cookie(request, ASKING_COOKIE, asking, int(LINK_LIVES.total_seconds())))
    return shown


@get("/sign-in/open", opt=allow("anyone", page=True), include_in_schema=False)
async def open_link_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the button that redeems a link: opening it does nothing, since mail programs open links too."""
    return page(
        request,
        "accounts/open_link.html",
        token=request.query_params.get("token", ""),
        next=_own_path(request.query_params.get("next", "/")),
    )


@post("/sign-in/open", opt=allow("anyone", page=True), include_in_schema=False)
async def redeem_link(request: Request[Any, Any, Any]) -> Redirect:
    """Use a link up and sign this browser in, opening the family's account if it is the first time."""
    form = await read_form(request, TokenForm)
    await refuse_too_often(request, cast(Limits, request.app.state.limits).sign_ins)
    works, key = _works(request), request.app.state.key
    token_hash = keyed_hash(key, "link", form.token)
    link = await views.link_by_token(works.open(), token_hash)
    if link is None:
        raise LinkInvalid
    browser_hash = keyed_hash(key, "asking-browser", request.cookies.get(ASKING_COOKIE, ""))
    await works.run(
        actions.redeem_link, email=link.email, link_id=link.id, token_hash=token_hash, browser_hash=browser_hash
    )
    account_id = await works.run(actions.claim_address, email=link.email, email_hash=link.id)
    await works.run(actions.complete_account, account_id=account_id, email=link.email, email_hash=link.id)
    return await _signed_in(request, account_id, _own_path(request.query_params.get("next", "/")))


@get("/mailbox", opt=allow("anyone", page=True), include_in_schema=False)
async def mailbox_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the demo's mail, which nobody else gets to see."""
    if not request.app.state.demo:
        raise DemoOff
    return page(request, "accounts/mailbox.html", mails=_mailbox(request).newest())


@post("/sign-in/sample-family", opt=allow("anyone", page=True), include_in_schema=False)
async def enter_as_sample_family(request: Request[Any, Any, Any]) -> Redirect:
    """Sign this browser in as the demo's sample family."""
    if not request.app.state.demo:
        raise DemoOff
    return await _signed_in(request, SAMPLE_FAMILY, "/")


@post("/sign-out", opt=allow("family", touches="browser session", page=True), include_in_schema=False)
async def sign_out(request: Request[Any, Any, Any]) -> Redirect:
    """Sign this browser out."""
    who = await family(request)
    await _works(request).run(actions.close_browser_session, session_id=who.session_id)
    return Redirect("/", status_code=303, cookies=[expired_cookie(request, SESSION_COOKIE)])


@get("/family", opt=OWN_PROFILE, include_in_schema=False)
async def family_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the family's players and what each may do."""
    who = await family(request)
    work = _works(request).open()
    return page(
        request,
        "accounts/family.html",
        account=await views.account(work, who.account_id),
        profiles=await views.profiles(work, who.account_id),
        age_groups=AGE_GROUPS,
        avatars=await _avatars(work),
    )


@post("/family/profiles", opt=OWN_PROFILE, include_in_schema=False)
async def add_profile(request: Request[Any, Any, Any]) -> Redirect:
    """Add a player; a child goes on to the consent page."""
    form = await read_form(request, ProfileForm)
    who = await family(request)
    profile = await _works(request).run(
        actions.add_profile,
        account_id=who.account_id,
        name=form.name,
        age_group=form.age_group,
        avatar=form.avatar,
    )
    onward = f"/family/profiles/{profile.id}/consent" if profile.is_child else "/family"
    return Redirect(onward, status_code=303)


@get("/family/profiles/{profile_id:str}", opt=OWN_PROFILE, include_in_schema=False)
async def profile_page(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Response[bytes]:
    """Show a player's details to change them."""
    profile = await _own(request, profile_id)
    avatars = await _avatars(_works(request).open())
    return page(request, "accounts/profile.html", profile=profile, age_groups=AGE_GROUPS, avatars=avatars)


@post("/family/profiles/{profile_id:str}", opt=OWN_PROFILE, include_in_schema=False)
async def edit_profile(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Redirect:
    """Change a player's details."""
    form = await read_form(request, ProfileForm)
    who = await family(request)
    await _works(request).run(
        actions.edit_profile,
        account_id=who.account_id,
        profile_id=profile_id,
        name=form.name,
        age_group=form.age_group,
        avatar=form.avatar,
    )
    return Redirect("/family", status_code=303)


@post("/family/profiles/{profile_id:str}/remove", opt=OWN_PROFILE, include_in_schema=False)
async def remove_profile(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Redirect:
    """Take a player out of the family's list."""
    who = await family(request)
    await _works(request).run(actions.remove_profile, account_id=who.account_id, profile_id=profile_id)
    return Redirect("/family", status_code=303)


@get("/family/profiles/{profile_id:str}/consent", opt=OWN_PROFILE, include_in_schema=False)
async def consent_page(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Response[bytes]:
    """Explain to a parent what consent means, on one page."""
    profile = await _own(request, profile_id)
    consent = await views.consent_of(_works(request).open(), profile_id)
    return page(request, "accounts/consent.html", profile=profile, consent=consent)


@post("/family/profiles/{profile_id:str}/consent", opt=OWN_PROFILE, include_in_schema=False)
async def give_consent(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Redirect:
    """Let a child play."""
    form = await read_form(request, ConsentForm)
    who = await family(request)
    await _works(request).run(
        actions.give_consent,
        account_id=who.account_id,
        profile_id=profile_id,
        analytics=form.analytics,
        ai=form.ai,
    )
    return Redirect("/family", status_code=303)


@post("/family/profiles/{profile_id:str}/consent/revoke", opt=OWN_PROFILE, include_in_schema=False)
async def take_consent_back(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Redirect:
    """Stop a child from playing until consent is given again."""
    who = await family(request)
    await _works(request).run(actions.take_consent_back, account_id=who.account_id, profile_id=profile_id)
    return Redirect("/family", status_code=303)


async def _signed_in(request: Request[Any, Any, Any], account_id: str, onward: str) -> Redirect:
    before = await principal(request)
    if before is not None:
        # Its cookie is replaced, so nobody could sign that session out any more.
        await _works(request).run(actions.close_browser_session, session_id=before.session_id)
    secret = secrets.token_urlsafe(32)
    session_id = keyed_hash(request.app.state.key, "browser-session", secret)
    await _works(request).run(actions.open_browser_session, session_id=session_id, account_id=account_id)
    lives_s = int(SESSION_LIVES.total_seconds())
    given = [cookie(request, SESSION_COOKIE, secret, lives_s), expired_cookie(request, ASKING_COOKIE)]
    return Redirect(onward, status_code=303, cookies=given)


async def _own(request: Request[Any, Any, Any], profile_id: str) -> views.PlayerProfile:
    who = await family(request)
    profile = await views.profile(_works(request).open(), who.account_id, profile_id)
    if profile is None:
        raise ProfileNotFound
    return profile


async def _avatars(work: Work) -> dict[str, tuple[str, ...]]:
    """Return the pictures to choose from: what everybody has under "", and what an age group has besides."""
    return {"": AVATARS} | await content.avatars_offered(work)


def _own_path(text: str) -> str:
    """Return a path of this site to go on to; anything else leads home, so that no link can lead away."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return quote(text.partition("?")[0].partition("#")[0], safe="/%") if is_own else "/"


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


def _mailbox(request: Request[Any, Any, Any]) -> Mailbox:
    return cast(Mailbox, request.app.state.mailbox)


HANDLERS = (
    sign_in_page,
    ask_for_link,
    open_link_page,
    redeem_link,
    mailbox_page,
    enter_as_sample_family,
    sign_out,
    family_page,
    add_profile,
    profile_page,
    edit_profile,
    remove_profile,
    consent_page,
    give_consent,
    take_consent_back,
)
