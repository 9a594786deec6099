"""The player service: its doors, and what the demo begins with."""

from collections.abc import Callable
from pathlib import Path

from litestar import Litestar

from mystira.accounts import pages as account_pages
from mystira.accounts import views as accounts
from mystira.accounts.actions import add_profile, complete_account, give_consent
from mystira.accounts.pages import SAMPLE_FAMILY, SESSION_COOKIE, authenticate
from mystira.accounts.ports import Mailbox
from mystira.analytics import http as analytics_http
from mystira.content.bundles import http as bundles_http
from mystira.content.commands import import_folder
from mystira.content.desk import http as desk_http
from mystira.content.library import http as library_http
from mystira.content.media import http as media_http
from mystira.content.purchases import http as purchases_http
from mystira.content.purchases import pages as purchase_pages
from mystira.content.purchases.sandbox import pages as sandbox_pages
from mystira.content.purchases.stripe import http as stripe_http
from mystira.content.scenarios import http as scenarios_http
from mystira.play import http as play_http
from mystira.play import pages as play_pages
from mystira.play.library import pages as play_library
from mystira.play.seating import pages as seating
from mystira.play.trophies import pages as trophy_pages
from mystira.polyglot.keyed import keyed_hash
from mystira.services.doors import Doors, make_application
from mystira.services.paying import paying
from mystira.services.platform import Platform
from mystira.web.installable import HANDLERS as INSTALLABLE

SAMPLE_CHILDREN = (("sample-mira", "Mira", "6-9", "fox"), ("sample-tomas", "Tomas", "10-12", "owl"))


def doors(platform: Platform) -> Doors:
    """Return what players reach."""
    return Doors(
        handlers=[
            *analytics_http.HANDLERS,
            *scenarios_http.HANDLERS,
            *desk_http.PLAYER_HANDLERS,
            *media_http.HANDLERS,
            *bundles_http.HANDLERS,
            *library_http.HANDLERS,
            *purchases_http.HANDLERS,
            *purchase_pages.HANDLERS,
            *sandbox_pages.HANDLERS,
            *stripe_http.HANDLERS,
            *play_http.HANDLERS,
            *play_library.HANDLERS,
            *play_pages.HANDLERS,
            *seating.HANDLERS,
            *trophy_pages.HANDLERS,
            *account_pages.HANDLERS,
            *INSTALLABLE,
        ],
        rooms=("play", "accounts", "content"),
        state={"demo": platform.settings.demo, "mailbox": Mailbox(), **paying(platform.settings)},
        authenticate=authenticate,
        session_cookie=SESSION_COOKIE,
    )


def make_player_app(platform: Platform) -> Litestar:
    """Return what players' browsers and apps talk to."""
    return make_application(platform, [doors(platform)])


async def seed(platform: Platform, content: Path, report: Callable[[str], None]) -> None:
    """Bring the sample stories and, in the demo, the sample family; what is there already stays as it is."""
    await import_folder(platform.works, content, report)
    if platform.settings.demo:
        await _sample_family(platform)


async def _sample_family(platform: Platform) -> None:
    works = platform.works
    # The account is made last, so where it is, the family was whole once. What a parent has changed since, above all
    # a consent taken back, stays as it is.
    if await accounts.account(works.open(), SAMPLE_FAMILY) is not None:
        return
    for profile_id, name, age_group, avatar in SAMPLE_CHILDREN:
        details = {"name": name, "age_group": age_group, "avatar": avatar}
        await works.run(add_profile, account_id=SAMPLE_FAMILY, profile_id=profile_id, **details)
        await works.run(give_consent, account_id=SAMPLE_FAMILY, profile_id=profile_id)
    email = "sample.family@example.org"
    email_hash = keyed_hash(platform.key, "email", email)
    await works.run(complete_account, account_id=SAMPLE_FAMILY, email=email, email_hash=email_hash)
