"""Backups of what the settings name: taken while services run, restored while none does, and used for upgrades."""

import hmac
import shutil
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mystira.adopting import collections_of
from mystira.polyglot.backups.manifest import Backup, read_manifest
from mystira.polyglot.backups.restoring import StoresInUse, check_targets, restore_documents_and_media, restore_rows
from mystira.polyglot.backups.taking import Sources, check_backup, take
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.control import Change
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.stores.cosmos.address import Address
from mystira.polyglot.stores.postgres import dumping
from mystira.polyglot.stores.postgres.embedded import attach, put_back, set_aside
from mystira.polyglot.stores.postgres.embedded.binaries import install_dir, major_version, programs_of
from mystira.polyglot.stores.postgres.embedded.home import REACHABLE_ROOT, home_of
from mystira.polyglot.stores.postgres.embedded.server import made_by
from mystira.polyglot.stores.postgres.schema import SchemaTooNew, downgrade, revisions, upgrade_to
from mystira.polyglot.stores.postgres.store import open_postgres
from mystira.run import MIGRATIONS, RESTORING, Report
from mystira.services import COLLECTIONS
from mystira.settings import Settings, secret_key

VERB = "backup"
"""The verb in the history of every collection by which the cut-over's gate knows of a backup."""


class NoOldPrograms(Problem):
    """This data belongs to PostgreSQL {found}, and no programs of that version are on this machine. Install them (on
    Debian: apt-get install postgresql-{found}) or name their folder: mystira upgrade --programs FOLDER. With a backup
    at hand this does as well: mystira restore FOLDER --replace."""

    kind = Kind.UNAVAILABLE


class NotEmbedded(Problem):
    """MYSTIRA_RELATIONAL names a PostgreSQL of yours, and that is upgraded by its own means (pg_upgrade, or your
    provider's). Take a backup first: mystira backup."""

    kind = Kind.CONFLICT


class NothingToBackUp(Problem):
    """There is nothing of Mystira in {where} yet. Set MYSTIRA_DATA (or MYSTIRA_RELATIONAL) to what the platform runs
    on."""

    kind = Kind.NOT_FOUND


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore came to; `same_secret` is false where sign-ins that were kept are no longer understood."""

    backup: Backup
    seconds: float
    same_secret: bool


async def back_up(settings: Settings, folder: Path, report: Report, *, actor: str, why: str = "") -> Backup:
    """Take a backup of both stores and note it in the history of every collection."""
    if settings.relational == "embedded" and not made_by(home_of(settings.data)):
        raise NothingToBackUp(where=settings.data)
    async with _sources(settings, report) as sources:
        async with dumping.connected(sources.dsn) as connection:
            if await dumping.revision(connection) is None:
                raise NothingToBackUp(where="this PostgreSQL")
        backup = await take(sources, folder)
        if backup.revision == revisions(MIGRATIONS)[-1]:
            await _note(sources.dsn, folder, backup, actor, why)
    return backup


async def bring_back(settings: Settings, folder: Path, report: Report, *, replace: bool) -> Restored:
    """Restore a backup into the stores that the settings name; with `replace`, what they hold goes."""
    began = time.monotonic()
    backup = _readable(folder)
    report("The backup is whole; restoring.")
    if settings.relational != "embedded":
        async with _sources(settings, report) as sources:
            await check_targets(sources, backup, replace=replace)
            async with dumping.connected(sources.dsn) as connection:
                found = await dumping.revision(connection)
            if found is not None:
                await downgrade(sources.dsn, MIGRATIONS, "base")
            await _restore(settings, sources, folder, backup)
    else:
        await _into_a_new_cluster(settings, folder, backup, report, replace=replace)
    is_same = hmac.compare_digest(_mark(settings), backup.secret)
    return Restored(backup=backup, seconds=time.monotonic() - began, same_secret=is_same)


async def upgrade_postgres(settings: Settings, folder: Path, report: Report, programs: Path | None) -> tuple[str, str]:
    """Bring the embedded PostgreSQL's data to the version of the programs here; return the versions, before and now.

    The data as it was stays in the backup in `folder`.
    """
    if settings.relational != "embedded":
        raise NotEmbedded
    found, ours = made_by(home_of(settings.data)), major_version(install_dir())
    if found in ("", ours):
        return ours, ours
    old = programs or programs_of(found, REACHABLE_ROOT)
    if old is None or not (old / "bin" / "postgres").is_file() or major_version(old) != found:
        raise NoOldPrograms(found=found)
    report(f"Taking a backup with the programs of PostgreSQL {found}.")
    async with _sources(settings, report, old) as sources:
        async with dumping.connected(sources.dsn) as connection:
            others = await dumping.others_connected(connection)
        if others:
            raise StoresInUse(connections=others)
        backup = await take(sources, folder)
    report(f"Restoring it with the programs of PostgreSQL {ours}.")
    async with _in_a_new_cluster(settings, report) as sources:
        await upgrade_to(sources.dsn, MIGRATIONS, backup.revision)
        # The documents are where they were, and nobody has written to them since.
        await restore_rows(sources, folder, backup)
    return found, ours


def _readable(folder: Path) -> Backup:
    backup = read_manifest(folder)
    check_backup(folder, backup)
    if backup.revision not in revisions(MIGRATIONS):
        raise SchemaTooNew(found=backup.revision, known=revisions(MIGRATIONS)[-1])
    return backup


async def _into_a_new_cluster(
    settings: Settings, folder: Path, backup: Backup, report: Report, *, replace: bool
) -> None:
    if not replace and made_by(home_of(settings.data)):
        async with _sources(settings, report) as sources:
            await check_targets(sources, backup, replace=False)
    async with _in_a_new_cluster(settings, report) as sources:
        await check_targets(sources, backup, replace=replace)
        await _restore(settings, sources, folder, backup)


async def _restore(settings: Settings, sources: Sources, folder: Path, backup: Backup) -> None:
    with _marked(settings.data):
        await upgrade_to(sources.dsn, MIGRATIONS, backup.revision)
        await restore_rows(sources, folder, backup)
        await restore_documents_and_media(sources, folder, backup)


@asynccontextmanager
async def _in_a_new_cluster(settings: Settings, report: Report) -> AsyncGenerator[Sources]:
    """Work on a cluster that is made anew; if that fails, the one there was comes back."""
    aside = await set_aside(settings.data)
    try:
        async with _sources(settings, report) as sources:
            yield sources
    except BaseException:
        if aside is not None:
            await put_back(settings.data, aside)
        raise
    if aside is not None:
        shutil.rmtree(aside)


@contextmanager
def _marked(data: Path) -> Generator[None]:
    """Keep services from starting on what is half restored, however this process ends."""
    mark = data / RESTORING
    mark.touch()
    yield
    mark.unlink()


@asynccontextmanager
async def _sources(settings: Settings, report: Report, install: Path | None = None) -> AsyncGenerator[Sources]:
    """Open what a backup is taken of. No revision is run: it is taken of the data as it is."""
    settings.data.mkdir(parents=True, exist_ok=True)
    attached = await attach(settings.data, report, install) if settings.relational == "embedded" else None
    try:
        dsn = attached.dsn if attached else settings.relational
        known = Sources(Catalog(collections_of(settings)), dsn, Path(), settings.media, _mark(settings))
        if isinstance(settings.documents, Address):
            from mystira.polyglot.stores.cosmos.store import open_cosmos

            async with open_cosmos(settings.documents, known.catalog) as documents:
                yield known._replace(documents=documents)
        else:
            settings.documents.parent.mkdir(parents=True, exist_ok=True)
            yield known._replace(documents=settings.documents)
    finally:
        if attached is not None:
            await attached.release()


async def _note(dsn: str, folder: Path, backup: Backup, actor: str, why: str) -> None:
    details = {"folder": str(folder), "manifest": backup.sha256}
    relational = await open_postgres(dsn, COLLECTIONS, connections=1)
    try:
        standing = {led.collection: led.n for led in backup.led}
        for collection in COLLECTIONS:
            told = Change(
                collection=collection.name,
                verb=VERB,
                actor=actor,
                why=why,
                at=backup.taken_at,
                n=standing.get(collection.name, 1),
                after=backup.sha256,
                details=details,
            )
            await relational.journal.note(told)
    finally:
        await relational.close()


def _mark(settings: Settings) -> str:
    return hmac.new(secret_key(settings), b"mystira-backup", "sha256").hexdigest()


def default_folder() -> Path:
    """Return where a backup goes that was given no folder: beside whoever asks, named by the moment."""
    return Path(f"mystira-backup-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}")
