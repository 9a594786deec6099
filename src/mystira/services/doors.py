"""What a service opens to the outside, and how the doors of several become one application."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.types import ControllerRouterHandler

from mystira.polyglot.sampling import tell_shadows
from mystira.services.health import checks_of
from mystira.services.named import NAMED
from mystira.services.platform import Platform
from mystira.settings import Settings
from mystira.web.access import Authenticate, AuthenticateStaff, Scraping, nobody
from mystira.web.app import make_app
from mystira.web.limits import Limit, Limits

ROOMS = Path(__file__).parents[1]


class Doors(NamedTuple):
    """The handlers of one service, the rooms whose templates they use, what they are wired with, who they know."""

    handlers: Sequence[ControllerRouterHandler] = ()
    rooms: tuple[str, ...] = ()
    state: Mapping[str, Any] = {}
    authenticate: Authenticate = nobody
    session_cookie: str = "session"
    authenticate_staff: AuthenticateStaff = nobody
    staff_cookie: str = "staff"


def make_application(platform: Platform, services: Sequence[Doors]) -> Litestar:
    """Return one application with the doors of all these services; with none, it still tells its health."""
    families = next((doors for doors in services if doors.authenticate is not nobody), Doors())
    staff = next((doors for doors in services if doors.authenticate_staff is not nobody), Doors())
    noting: dict[str, Any] = {}
    state: dict[str, Any] = {
        "works": platform.works,
        "key": platform.key,
        "media": platform.media,
        "noting": noting,
        "named": NAMED,
    }
    for doors in services:
        state |= doors.state
    return make_app(
        # Two services may open the same door, as both show pictures.
        list({id(handler): handler for doors in services for handler in doors.handlers}.values()),
        authenticate=families.authenticate,
        authenticate_staff=staff.authenticate_staff,
        state=state,
        checks=checks_of(platform),
        session_cookie=families.session_cookie,
        staff_cookie=staff.staff_cookie,
        limits=_limits(platform.settings),
        scraping=Scraping(platform.settings.metrics_token, partial(tell_shadows, platform.works.shadows)),
        templates={room: ROOMS / room / "templates" / room for doors in services for room in doors.rooms},
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        writes=Limit("writes", settings.limit_writes, 60),
        sign_ins=Limit("sign-ins", settings.limit_sign_ins, 15 * 60),
        links=Limit("links", settings.limit_links, 15 * 60),
        passwords=Limit("passwords", settings.limit_passwords, 15 * 60),
    )
