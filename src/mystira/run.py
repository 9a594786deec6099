"""Settings become one running process: the only wiring there is."""

import asyncio
import errno
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mystira.accounts.actions import add_profile
from mystira.adopting import chosen, collections_of
from mystira.content.actions import import_checked
from mystira.content.bundles.manifests.commands import export_bundle
from mystira.content.commands import SAMPLE_CONTENT, FileTold, FileWritten, export_files, import_folder, import_media
from mystira.content.imports.commands import Wanted, import_paths
from mystira.content.imports.jobs import ImportRunner
from mystira.content.media.ports import MediaShelf, MediaStore
from mystira.content.scenarios.model.checking import Checked
from mystira.content.scenarios.model.examining import EXAMINE
from mystira.content.validation.views import Wrong, everything
from mystira.mediafiles.folder_store import FolderStore
from mystira.mediafiles.forms import CLEAN
from mystira.polyglot.adopt.inspecting import Inspection, inspect
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.drains import DrainWatch
from mystira.polyglot.loops import Wake, keep_doing
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.reaction import Reactions
from mystira.polyglot.replication import Replication
from mystira.polyglot.spans import collect
from mystira.polyglot.store import DocumentStore, StoreError
from mystira.polyglot.stores.cosmos.address import SAMPLE, Address
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.schema import migrate, new_revision
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import open_sqlite
from mystira.polyglot.timing import measure
from mystira.polyglot.work import Works
from mystira.services import REACTIONS
from mystira.services.platform import Platform
from mystira.services.worker import beating, settle, telling, working
from mystira.settings import Settings, read_settings, secret_key
from mystira.textfiles.child import RAW
from mystira.textfiles.readers import Limits, Readers, open_readers

if TYPE_CHECKING:
    from mystira.polyglot.stores.cosmos.policy import Finding
    from mystira.services.doors import Doors

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "migrations"
SERVICES = ("app", "admin", "worker")

DRAINS_S = 0.2
# Who administers looks at families through a role that can change nothing.
CLEANING = Limits(time_s=60.0, memory_bytes=1024 * 1024 * 1024)
READER, READER_CONNECTIONS = "mystira_reader", 4

RESTORING = "restoring"
"""The file in the data folder that says that a restore has begun there, and has not ended."""

Report = Callable[[str], None]


class DataUnusable(Problem):
    """{reason}"""

    kind = Kind.UNAVAILABLE


@asynccontextmanager
async def platform(settings: Settings, report: Report) -> AsyncGenerator[Platform]:
    """Open the stores, starting the embedded ones, and close them again whatever happens."""
    _make_folder(settings.data, "MYSTIRA_DATA=/path/to/folder")
    if isinstance(settings.documents, Path):
        _make_folder(settings.documents.parent, "MYSTIRA_DOCUMENTS=sqlite:///path/to/file")
    if (settings.data / RESTORING).exists():
        raise DataUnusable(
            reason=f"A restore into {settings.data} did not finish. Repeat it: mystira restore FOLDER --replace"
        )
    key = secret_key(settings)
    collections = collections_of(settings)
    attached = await attach(settings.data, report) if settings.relational == "embedded" else None
    kept_alive = asyncio.create_task(attached.keep_alive(report)) if attached else None
    try:
        dsn = attached.dsn if attached else settings.relational
        await migrate(dsn, MIGRATIONS, report)
        relational = await open_postgres(dsn, collections)
        reader = await open_postgres(dsn, collections, connections=READER_CONNECTIONS, role=READER)
        try:
            async with (
                _documents(settings, collections) as documents,
                open_readers(EXAMINE) as readers,
                _media(settings) as media,
            ):
                wired = _wired(settings, collections, documents, relational, reader, readers, key, media)
                async with _traced(wired), _answering_drains(wired):
                    yield wired
        finally:
            await reader.close()
            await relational.close()
    finally:
        if kept_alive is not None:
            kept_alive.cancel()
            await asyncio.gather(kept_alive, return_exceptions=True)
        if attached is not None:
            await attached.release()


@asynccontextmanager
async def _documents(
    settings: Settings, collections: Sequence[Collection[Any]], *, alone: bool = False
) -> AsyncGenerator[DocumentStore]:
    if isinstance(settings.documents, Address):
        # The official client takes a while to load, and most processes do without it.
        from mystira.polyglot.stores.cosmos.store import open_cosmos

        async with open_cosmos(settings.documents, collections, alone=alone) as documents:
            yield documents
        return
    documents = await open_sqlite(settings.documents, collections)
    try:
        yield documents
    finally:
        documents.close()


@asynccontextmanager
async def _media(settings: Settings) -> AsyncGenerator[MediaShelf]:
    """Open what media need; the processes that clean files start when the first one comes."""
    store: MediaStore = FolderStore(settings.media)
    if settings.media_account:
        # The official client takes a while to load, and most processes do without it.
        from mystira.mediafiles.azure_store import open_azure

        store = await open_azure(settings.media_account, settings.media_key)
    try:
        async with open_readers(CLEAN, CLEANING, RAW) as cleaners:
            scratch = settings.data / "uploads"
            yield MediaShelf(store, cleaners, settings.media_limits, scratch, settings.media_keep_days)
    finally:
        await store.close()


@asynccontextmanager
async def _traced(platform: Platform) -> AsyncGenerator[None]:
    if not platform.settings.traces:
        yield
        return
    # Loading this takes a while, and most processes do without it.
    from mystira.polyglot.otlp import OtlpCollector

    collector = OtlpCollector(platform.settings.traces, platform.replication.name)
    collect(collector)
    try:
        yield
    finally:
        collect(None)
        await asyncio.to_thread(collector.close)


@asynccontextmanager
async def _answering_drains(platform: Platform) -> AsyncGenerator[None]:
    """Stand down whenever a collection is drained: whoever may write does, or it would be waited for."""
    works = platform.works
    watch = DrainWatch(works.leadership, works.relational.journal)
    loop = asyncio.create_task(keep_doing("drains", watch.step, Wake(), idle_s=DRAINS_S))
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await works.close()


async def serve(settings: Settings, report: Report, services: Sequence[str] = ()) -> None:
    """Run these services, or all of them in one process, until it is told to stop (Ctrl-C or SIGTERM)."""
    from mystira.services.app import seed
    from mystira.services.doors import make_application
    from mystira.web.server import Server, take_port

    chosen = tuple(services) or SERVICES
    taken = take_port(settings.host, settings.port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(which, stop.set)
    try:
        async with platform(settings, report) as running:
            if "app" in chosen:
                await seed(running, SAMPLE_CONTENT, report)
            if "admin" in chosen:
                await _refuse_without_reader(running)
            server = Server(make_application(running, _doors(running, chosen)), settings.proxies)
            async with beating(running, chosen), working(running) if "worker" in chosen else telling(running):
                serving = asyncio.create_task(server.serve_on(taken))
                stopping = asyncio.create_task(stop.wait())
                await server.ready(serving)
                bringing = asyncio.create_task(_sample_media(running, report)) if "app" in chosen else None
                if "app" in chosen and settings.demo and not settings.is_private:
                    report("Everybody who reaches this address can read the demo's mail. MYSTIRA_DEMO=0 ends that.")
                told = f" with {' and '.join(chosen)}" if services else ""
                report(f"Mystira is ready at {settings.address}{told} (Ctrl-C stops it).")
                await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
                report("Stopping.")
                server.stop()
                stopping.cancel()
                await serving
                if bringing is not None:
                    bringing.cancel()
                    await asyncio.gather(bringing, return_exceptions=True)
    finally:
        taken.close()
    report("Everything is stopped.")


async def _sample_media(running: Platform, report: Report) -> None:
    """Bring what the sample stories show, while they can be played already; the next start goes on where this ends."""
    try:
        await import_media(running.works, running.media, SAMPLE_CONTENT / "media", report)
    except StoreError as error:
        report(f"The pictures of the sample stories wait for the next start: {error}")


def _doors(platform: Platform, services: Sequence[str]) -> "list[Doors]":
    from mystira.services import admin, app

    open_to = {"app": app.doors, "admin": admin.doors}
    return [open_to[service](platform) for service in services if service in open_to]


async def _refuse_without_reader(platform: Platform) -> None:
    try:
        await platform.reader.ping()
    except StoreError as error:
        reason = (
            f"the admin service looks at families as {READER}, and PostgreSQL refuses that ({error}). Let the owner "
            f"of the database run: GRANT {READER} TO {{the user of MYSTIRA_RELATIONAL}}"
        )
        raise DataUnusable(reason=reason) from error


@asynccontextmanager
async def opened_works(settings: Settings, report: Report) -> AsyncGenerator[Works]:
    """Open the platform's stores for a command, whether it is running or not."""
    async with platform(settings, report) as opened:
        yield opened.works


async def provisioning(settings: Settings, *, dry_run: bool) -> "list[Finding]":
    """Make the database and the containers that MYSTIRA_DOCUMENTS names, or only tell what would be made."""
    if not isinstance(settings.documents, Address):
        raise DataUnusable(reason=f"MYSTIRA_DOCUMENTS names no Cosmos DB. Write it like {SAMPLE}")
    from mystira.polyglot.stores.cosmos.store import provision_cosmos

    return await provision_cosmos(settings.documents, collections_of(settings), dry_run=dry_run)


async def inspecting(
    settings: Settings, names: Sequence[str], mapping: Path | None, limit: int | None
) -> list[Inspection]:
    """Look at what other software wrote into these collections, and change nothing."""
    collections = chosen(settings, names, mapping)
    if isinstance(settings.documents, Path) and not settings.documents.exists():
        raise DataUnusable(reason=f"There is no {settings.documents}: check MYSTIRA_DOCUMENTS.")
    async with _documents(settings, collections, alone=True) as documents:
        return [await inspect(documents, collection, limit) for collection in collections]


async def importing(
    settings: Settings, files: Sequence[Path], wanted: Wanted, report: Report
) -> AsyncGenerator[FileTold]:
    """Import files, folders and archives into the platform's stores, whether it is running or not."""
    async with platform(settings, report) as opened:
        await import_folder(opened.works, SAMPLE_CONTENT, report)
        folder = settings.data / "imports"
        runner = ImportRunner(opened.works, opened.readers, opened.media, folder, name=opened.replication.name)
        async for told in import_paths(opened.works, opened.readers, runner, folder, files, wanted, report):
            yield told
        await settle(opened)


async def exporting(settings: Settings, ids: Sequence[str], folder: Path, report: Report) -> list[FileWritten]:
    """Write stories, or without ids all of them, as files that import to the same."""
    async with platform(settings, report) as opened:
        return await export_files(opened.works, ids, folder)


async def packing(settings: Settings, bundle_ids: Sequence[str], folder: Path, report: Report) -> list[FileWritten]:
    """Write bundles as archives that import to the same bundles; return each with what it holds."""
    written: list[FileWritten] = []
    async with platform(settings, report) as opened:
        _make_folder(folder, "--folder /path/to/folder")
        for id in bundle_ids:
            path = folder / f"{id}.zip"
            packed = await export_bundle(opened.works, opened.media.store, id, path)
            written.append(FileWritten(file=str(path), **packed._asdict()))
    return written


async def validating(settings: Settings, report: Report) -> list[Wrong]:
    """Check every reference of the whole catalogue."""
    async with platform(settings, report) as opened:
        return [one async for looked in everything(opened.works) for one in looked.wrong]


async def playing_apart(checked: Checked, play: Callable[[Works, str], Awaitable[None]]) -> None:
    """Play a checked file on stores of its own that vanish afterwards; no running platform is touched."""
    with TemporaryDirectory(prefix="mystira-play-") as folder:
        settings = read_settings({"MYSTIRA_DATA": folder})
        async with platform(settings, lambda text: None) as opened:
            scenario = await import_checked(opened.works, checked, publish=True)
            await opened.works.run(
                add_profile,
                account_id="terminal",
                profile_id="terminal-player",
                name="You",
                age_group="19-150",
                avatar="fox",
            )
            await play(opened.works, scenario.id)
            await settle(opened)
        await remove(settings.data)


async def draft_revision(settings: Settings, name: str, report: Report) -> Path | None:
    """Write the next schema revision: what the collections need beyond the migrated schema."""
    _make_folder(settings.data, "MYSTIRA_DATA=/path/to/folder")
    attached = await attach(settings.data, report) if settings.relational == "embedded" else None
    try:
        dsn = attached.dsn if attached else settings.relational
        await migrate(dsn, MIGRATIONS, report)
        return await new_revision(dsn, MIGRATIONS, name, collections_of(settings))
    finally:
        if attached is not None:
            await attached.release()


def _wired(
    settings: Settings,
    collections: Sequence[Collection[Any]],
    documents: DocumentStore,
    relational: PostgresStore,
    reader: PostgresStore,
    readers: Readers,
    key: bytes,
    media: MediaShelf,
) -> Platform:
    wake = Wake()
    measure(documents, "documents")
    measure(relational, "relational")
    works = Works(
        Catalog(collections),
        documents=documents,
        relational=relational,
        committed=wake.ring,
    )
    # The name tells this process from others in leases; it is made anew at each start, as its leases are.
    replication = Replication(works.catalog, documents, relational, name=f"mystira-{secrets.token_hex(4)}")
    return Platform(
        settings, works, documents, relational, reader, Reactions(REACTIONS), wake, readers, key, replication, media
    )


def _make_folder(folder: Path, setting: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f"writable.{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = f"The disk that holds {folder} is full. Free some space, then start again."
        else:
            reason = f"{folder} cannot be written ({error.strerror}). Choose another folder: {setting}"
        raise DataUnusable(reason=reason) from error
