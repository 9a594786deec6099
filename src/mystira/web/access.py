"""Who may use a route, and whose things it touches: declared on every route, denied by default."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from mystira.polyglot.problem import Kind, Problem
from mystira.web.limits import refuse_too_often

Role = Literal["viewer", "operator", "admin"]
Who = Literal["anyone", "family", "scraper", "service", "viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""Those who run the platform, each of whom may do what the ones before may."""
ADMIN = "/admin"
"""Where everything is that those who run the platform use."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Connection = ASGIConnection[Any, Any, Any, Any]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking: a signed-in family and the browser session it uses."""

    account_id: str
    session_id: str


class Staff(msgspec.Struct, frozen=True, kw_only=True):
    """One of those who run the platform: their name, their role, and the session they use."""

    name: str
    role: Role
    session_id: str

    def may(self, role: str) -> bool:
        """Tell whether what is open to `role` is open to them."""
        return role in ROLES and ROLES.index(self.role) >= ROLES.index(role)


Authenticate = Callable[[Connection], Awaitable[Principal | None]]
AuthenticateStaff = Callable[[Connection], Awaitable[Staff | None]]


async def nobody(connection: Connection) -> None:
    """Know nobody: for an application that has no doors of that sort."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may use a route; `touches` names the kind of thing whose owner is checked, if there is one."""

    who: Who
    touches: str | None = None
    page: bool = False

    @property
    def is_for_staff(self) -> bool:
        """Whether only those who run the platform get in."""
        return self.who in ROLES

    @property
    def is_for_players(self) -> bool:
        """Whether players' browsers and apps have anything to do with it."""
        return self.who in ("anyone", "family")


class Scraping(NamedTuple):
    """Who may see metrics: whoever has the token, and nobody without one. `refresh` is called before they are shown."""

    token: str = ""
    refresh: Callable[[], None] = lambda: None


class NotSignedIn(Problem):
    """Please sign in first."""

    kind = Kind.UNAUTHENTICATED


class TokenNeeded(Problem):
    """This is for the monitoring only. Set MYSTIRA_METRICS_TOKEN and send `Authorization: Bearer` with that token."""

    kind = Kind.UNAUTHENTICATED


class ServicesOff(Problem):
    """This is for our own services, and none is let in here. Set MYSTIRA_SERVICE_TOKENS to let one in."""

    kind = Kind.FORBIDDEN


class ServiceTokenNeeded(Problem):
    """This is for our own services only. Send `Authorization: Bearer` with a token of MYSTIRA_SERVICE_TOKENS."""

    kind = Kind.UNAUTHENTICATED


class RoleTooLow(Problem):
    """This needs the role {needed}, and you are {role}. Ask an administrator."""

    kind = Kind.FORBIDDEN


class CrossSite(Problem):
    """This request came from another site, so nothing was done. Open the page here and try again."""

    kind = Kind.FORBIDDEN


class AddressUnusable(Problem):
    """This address holds a character that no name here can have. Check it, then try again."""


class UndeclaredRoute(TypeError):
    """A route does not say who may use it."""


def allow(who: Who, *, touches: str | None = None, page: bool = False) -> dict[str, Any]:
    """Return what a handler's `opt` must hold: who may use it, and whose things it touches."""
    return {"access": Access(who=who, touches=touches, page=page)}


def access_of(handler: BaseRouteHandler) -> Access:
    """Return what a handler declares; UndeclaredRoute names the one that declares nothing."""
    access = handler.opt.get("access")
    if not isinstance(access, Access):
        raise UndeclaredRoute(f"{handler} does not declare who may use it: add opt=allow(...)")
    return access


async def admit(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let a request through to its handler, or refuse it: the guard of every route."""
    if connection.scope["method"] == "OPTIONS":  # pyright: ignore[reportGeneralTypeIssues,reportTypedDictNotRequiredAccess]
        return
    access = access_of(handler)
    _refuse_unusable_address(connection)
    if connection.scope["method"] not in SAFE_METHODS:  # pyright: ignore[reportGeneralTypeIssues,reportTypedDictNotRequiredAccess]
        _refuse_cross_site(connection)
        await refuse_too_often(connection, connection.app.state.limits.writes)
    if access.who == "scraper":
        _refuse_without_token(connection)
    if access.who == "service":
        service(connection)
    if access.who == "family" and await principal(connection) is None:
        raise NotSignedIn(
            sign_in=f"/sign-in?next={quote(_page_of(connection), safe='/%')}" if access.page else "/sign-in"
        )
    if access.is_for_staff:
        await _admit_staff(connection, access)


async def _admit_staff(connection: Connection, access: Access) -> None:
    found = await staff_asking(connection)
    if found is None:
        onward = f"?next={quote(_page_of(connection), safe='/%')}" if access.page else ""
        raise NotSignedIn(sign_in=f"{ADMIN}/sign-in{onward}")
    if not found.may(access.who):
        raise RoleTooLow(needed=access.who, role=found.role)


async def principal(connection: Connection) -> Principal | None:
    """Return who is asking, looked up once a request."""
    state = connection.scope["state"]
    if "principal" not in state:
        state["principal"] = await connection.app.state.authenticate(connection)
    return state["principal"]


async def staff_asking(connection: Connection) -> Staff | None:
    """Return who of those who run the platform is asking, looked up once a request."""
    state = connection.scope["state"]
    if "staff" not in state:
        state["staff"] = await connection.app.state.authenticate_staff(connection)
    return state["staff"]


async def staff(connection: Connection) -> Staff:
    """Return who of those who run the platform is asking; only for routes that admit them alone."""
    found = await staff_asking(connection)
    if found is None:
        raise NotSignedIn(sign_in=f"{ADMIN}/sign-in")
    return found


async def family(connection: Connection) -> Principal:
    """Return the family that is asking; only for routes that admit families."""
    found = await principal(connection)
    if found is None:
        raise NotSignedIn(sign_in="/sign-in")
    return found


def service(connection: Connection) -> str:
    """Return which of our own services is asking, by its token; only for routes that admit services."""
    tokens: Mapping[str, str] = connection.app.state.service_tokens
    if not tokens:
        raise ServicesOff
    given = connection.headers.get("authorization", "").encode()
    # Every token is compared, so that the time tells nothing about them.
    found = [name for name, token in tokens.items() if hmac.compare_digest(given, f"Bearer {token}".encode())]
    if not found:
        raise ServiceTokenNeeded
    return found[0]


def _refuse_cross_site(connection: Connection) -> None:
    # Cookies travel with any request to this host, so a browser must say that the request began here.
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise CrossSite
        return
    origin = connection.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != connection.headers.get("host"):
        raise CrossSite


def _refuse_without_token(connection: Connection) -> None:
    token = connection.app.state.scraping.token
    given = connection.headers.get("authorization", "")
    if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise TokenNeeded


def _page_of(connection: Connection) -> str:
    """Return the page to come back to: this one, or for what only a button can ask for, the page with the button."""
    if connection.scope["method"] in SAFE_METHODS:  # pyright: ignore[reportGeneralTypeIssues,reportTypedDictNotRequiredAccess]
        return connection.url.path
    _, _, place = connection.headers.get("referer", "").partition("://")
    host, _, path = place.partition("/")
    return "/" + path.partition("?")[0] if host == connection.headers.get("host") else "/"


def _refuse_unusable_address(connection: Connection) -> None:
    # No store keeps a NUL, so nothing that is named with one can be looked up.
    scope = connection.scope
    if "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
        raise AddressUnusable
