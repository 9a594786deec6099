"""The admin service: the doors for those who run the platform, and what its pages' navigation shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litestar import Litestar

from mystira.accounts import views as accounts
from mystira.accounts.directory import http as directory_http
from mystira.accounts.directory import pages as directory_pages
from mystira.content.bundles import pages as bundles
from mystira.content.bundles.editing import http as bundles_http
from mystira.content.bundles.manifests import http as archives_http
from mystira.content.bundles.manifests import pages as archives
from mystira.content.bundles.views import bundles_of
from mystira.content.desk import http as desk_http
from mystira.content.desk import pages as desk_pages
from mystira.content.desk.ports import Use
from mystira.content.imports import http as imports_http
from mystira.content.imports import pages as imports
from mystira.content.media import http as media_http
from mystira.content.media.library import http as library_http
from mystira.content.media.library import pages as library
from mystira.content.media.notes import http as notes_http
from mystira.content.media.notes import pages as notes
from mystira.content.purchases.refunds import http as refunds_http
from mystira.content.purchases.refunds import pages as refunds
from mystira.content.scenarios import pages as scenarios
from mystira.content.scenarios.editor import http as editor_http
from mystira.content.scenarios.editor import pages as editor
from mystira.content.scenarios.publishing import http as publishing_http
from mystira.content.scenarios.texts import pages as texts
from mystira.content.scenarios.versions import pages as versions
from mystira.content.validation import http as validation_http
from mystira.content.validation import pages as validation
from mystira.operations import http, pages
from mystira.operations.admins import pages as admins
from mystira.operations.admins.pages import ADMIN_COOKIE, authenticate_staff
from mystira.operations.migration import http as migration_http
from mystira.operations.migration import pages as migration
from mystira.operations.migration.views import Gatekeeper
from mystira.operations.overview import pages as overview
from mystira.operations.queue import pages as queue
from mystira.operations.reconciliation import http as reconciliation_http
from mystira.operations.reconciliation import pages as reconciliation_pages
from mystira.operations.records import http as records_http
from mystira.operations.records import pages as records_pages
from mystira.play.calibration import http as calibration_http
from mystira.play.calibration import pages as calibration
from mystira.play.preview import pages as preview
from mystira.play.views import games_of
from mystira.polyglot.work import Work
from mystira.services.doors import Doors, make_application
from mystira.services.paying import paying
from mystira.services.platform import Platform
from mystira.web.pages import Place

NAVIGATION = (
    Place("Overview", "/admin/overview"),
    Place("Migration", "/admin/migration"),
    Place("Sync queue", "/admin/queue"),
    Place("Reconciliation", "/admin/reconciliation"),
    Place("Compare", "/admin/compare"),
    Place("Content", "/admin/content"),
    Place("Accounts", "/admin/accounts"),
    Place("Audit", "/admin/audit"),
)
"""Every page that is reached from every other one. Add yours here, and its handlers below."""


def doors(platform: Platform) -> Doors:
    """Return what those who run the platform reach."""
    return Doors(
        handlers=[
            *admins.HANDLERS,
            *overview.HANDLERS,
            *pages.HANDLERS,
            *http.HANDLERS,
            *migration.HANDLERS,
            *migration_http.HANDLERS,
            *queue.HANDLERS,
            *reconciliation_pages.HANDLERS,
            *reconciliation_http.HANDLERS,
            *records_pages.HANDLERS,
            *records_http.HANDLERS,
            *directory_pages.HANDLERS,
            *directory_http.HANDLERS,
            *media_http.HANDLERS,
            *library.HANDLERS,
            *library_http.HANDLERS,
            *notes.HANDLERS,
            *notes_http.HANDLERS,
            *scenarios.HANDLERS,
            *editor.HANDLERS,
            *editor_http.HANDLERS,
            *publishing_http.HANDLERS,
            *texts.HANDLERS,
            *versions.HANDLERS,
            *desk_pages.HANDLERS,
            *desk_http.HANDLERS,
            *bundles.HANDLERS,
            *bundles_http.HANDLERS,
            *archives.HANDLERS,
            *archives_http.HANDLERS,
            *refunds.HANDLERS,
            *refunds_http.HANDLERS,
            *calibration.HANDLERS,
            *calibration_http.HANDLERS,
            *preview.HANDLERS,
            *validation.HANDLERS,
            *validation_http.HANDLERS,
            *imports.HANDLERS,
            *imports_http.HANDLERS,
        ],
        rooms=("operations", "accounts", "content", "play"),
        state=_state(platform),
        authenticate_staff=authenticate_staff,
        staff_cookie=ADMIN_COOKIE,
    )


def _state(platform: Platform) -> dict[str, Any]:
    documents = platform.settings.documents
    return {
        "replication": platform.replication,
        "gatekeeper": Gatekeeper(platform.replication),
        "reader": platform.reader,
        "navigation": NAVIGATION,
        "uses": _uses,
        "readers": platform.readers,
        "scenario_uses": scenario_uses,
        "service_tokens": platform.settings.service_tokens,
        **paying(platform.settings),
        "data": platform.settings.data,
        "documents_file": documents if isinstance(documents, Path) else None,
    }


async def _uses(work: Work, noun: str, id: str) -> Sequence[Use]:
    """Tell the desk who uses a definition, of the rooms that content knows nothing of."""
    if noun == "age-groups" and await accounts.has_players_of(work, id):
        return (Use(says="players of families", path="/admin/accounts/profiles"),)
    return ()


def make_admin_app(platform: Platform) -> Litestar:
    """Return what the browsers of those who run the platform talk to."""
    return make_application(platform, [doors(platform)])


async def scenario_uses(work: Work, scenario_id: str) -> tuple[str, ...]:
    """Return who needs a story, in words: what is used cannot be deleted."""
    games = await games_of(work, scenario_id)
    bundles = [f"the bundle {one.title}" for one in await bundles_of(work, scenario_id)]
    return ((f"{games:,} {'game' if games == 1 else 'games'}",) if games else ()) + tuple(bundles)
