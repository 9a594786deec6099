"""Backups: what is refused, what is damaged, what is left out, and what comes back from documents of another kind."""

import os
import shutil
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mystira.accounts.actions import add_profile
from mystira.accounts.model import UserProfile
from mystira.accounts.storage import COLLECTIONS as SOME
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.keeping.backups import NoOldPrograms, NothingToBackUp, back_up, bring_back, upgrade_postgres
from mystira.polyglot.backups.manifest import BackupDamaged, BackupFolderUnusable, read_manifest
from mystira.polyglot.backups.restoring import NotEmpty, StoresInUse, unpack_files
from mystira.polyglot.gates import look_at_gates
from mystira.polyglot.phases import Phase
from mystira.polyglot.query import Order, equal
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.embedded.home import home_of
from mystira.polyglot.stores.postgres.embedded.problems import EmbeddedFailed
from mystira.polyglot.stores.postgres.embedded.server import made_by
from mystira.run import RESTORING, DataUnusable, platform, provisioning, settle
from mystira.settings import Settings, read_settings

pytestmark = pytest.mark.anyio

OLD_PROGRAMS = Path("/usr/lib/postgresql/15")


def quiet(text: str) -> None:
    """Listen to what is told, and say nothing."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Settings]:
    settings = read_settings({"MYSTIRA_DATA": str(tmp_path / "here"), "MYSTIRA_DEMO": "0"})
    yield settings
    await remove(settings.data)


async def add(settings: Settings, *names: str) -> None:
    async with platform(settings, quiet) as opened:
        for name in names:
            details = {"name": name, "age_group": "6-9", "avatar": "fox"}
            await opened.works.run(add_profile, account_id="family", profile_id=name, **details)
        await settle(opened)


async def names(settings: Settings) -> list[str]:
    async with platform(settings, quiet) as opened:
        found = await opened.works.open().find(UserProfile, equal("account_id", "family"), Order("created_at"))
        return sorted(profile.id for profile in found.items)


async def test_a_restore_replaces_only_when_it_is_told_to_and_brings_the_old_state_back(
    here: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    here.media.mkdir(parents=True)
    (here.media / "fox.svg").write_text("<svg/>")
    await add(here, "mira")
    backup = await back_up(here, folder, quiet, actor="tests", why="before the move")
    assert backup.documents == "sqlite" and backup.file("media.tar.gz") is not None
    assert not [path for path in folder.rglob("*") if "secret" in path.name]
    async with platform(here, quiet) as opened:
        gates = await look_at_gates(opened.replication, SOME[0], Phase.DUAL_WRITE_COSMOS_READ)
        assert [gate.passed for gate in gates if gate.name == "backup"] == [True]
        with pytest.raises(StoresInUse):
            await bring_back(here, folder, quiet, replace=False)
    await add(here, "tomas")
    shutil.rmtree(here.media)
    with pytest.raises(NotEmpty):
        await bring_back(here, folder, quiet, replace=False)
    assert await names(here) == ["mira", "tomas"]
    await bring_back(here, folder, quiet, replace=True)
    assert await names(here) == ["mira"]
    assert (here.media / "fox.svg").read_text() == "<svg/>"


async def test_every_table_of_the_schema_is_in_a_backup(here: Settings, tmp_path: Path) -> None:
    await add(here, "mira")
    backup = await back_up(here, tmp_path / "backup", quiet, actor="tests")
    attached = await attach(here.data, quiet)
    connection = await asyncpg.connect(attached.dsn)
    rows = await connection.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', "
        "'information_schema') AND tablename <> 'alembic_version'"
    )
    await connection.close()
    await attached.release()
    assert {table.title for table in backup.tables} == {row["name"] for row in rows}
    assert backup.led and backup.counts["documents"] > 0


async def test_a_damaged_backup_is_told_before_anything_is_changed(here: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    await add(here, "mira")
    backup = await back_up(here, folder, quiet, actor="tests")
    with pytest.raises(BackupFolderUnusable, match="something in it"):
        await back_up(here, folder, quiet, actor="tests")
    for packed in (backup.files[0], backup.files[-1]):
        whole = (folder / packed.name).read_bytes()
        (folder / packed.name).write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
        with pytest.raises(BackupDamaged, match=packed.name):
            await bring_back(here, folder, quiet, replace=True)
        (folder / packed.name).write_bytes(whole)
    (folder / "manifest.json").unlink()
    with pytest.raises(BackupDamaged, match="never finished"):
        await bring_back(here, folder, quiet, replace=True)
    assert await names(here) == ["mira"]


def test_an_archive_brings_files_back_with_their_times_and_nothing_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "media" / "ab").mkdir(parents=True)
    file = tmp_path / "media" / "ab" / "picture"
    file.write_bytes(b"a picture")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    (tmp_path / "media" / "elsewhere").symlink_to(tmp_path)
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "media", arcname=".")
    (tmp_path / "back").mkdir()
    unpack_files(tmp_path, "whole.tar.gz", tmp_path / "back")
    brought = tmp_path / "back" / "ab" / "picture"
    assert brought.read_bytes() == b"a picture" and brought.stat().st_mtime == 1_700_000_000
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["ab"]
    for name in ("../outside", str(tmp_path / "outside")):
        evil = tarfile.TarInfo(name)
        evil.size = file.stat().st_size
        with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive, file.open("rb") as content:
            archive.addfile(evil, content)
        with pytest.raises(BackupDamaged, match="lies elsewhere"):
            unpack_files(tmp_path, "evil.tar.gz", tmp_path / "back")
        assert not (tmp_path / "outside").exists()


async def test_where_nothing_is_nothing_is_backed_up_and_nothing_made(here: Settings, tmp_path: Path) -> None:
    with pytest.raises(NothingToBackUp):
        await back_up(here, tmp_path / "backup", quiet, actor="tests")
    assert not here.data.exists() and not (tmp_path / "backup").exists()


async def test_nothing_starts_on_a_restore_that_was_cut_off(here: Settings) -> None:
    here.data.mkdir()
    (here.data / RESTORING).touch()
    with pytest.raises(DataUnusable, match="mystira restore FOLDER --replace"):
        async with platform(here, quiet):
            pass


async def test_a_postgresql_of_ones_own_is_emptied_and_filled_again(tmp_path: Path) -> None:
    server, folder = tmp_path / "server", tmp_path / "backup"
    server.mkdir()
    attached = await attach(server, quiet)
    try:
        connection = await asyncpg.connect(attached.dsn)
        await connection.execute("CREATE DATABASE own")
        await connection.close()
        dsn = attached.dsn.replace("/postgres?", "/own?")
        settings = read_settings({"MYSTIRA_DATA": str(tmp_path / "data"), "MYSTIRA_RELATIONAL": dsn})
        await add(settings, "mira")
        await back_up(settings, folder, quiet, actor="tests")
        await add(settings, "tomas")
        with pytest.raises(NotEmpty):
            await bring_back(settings, folder, quiet, replace=False)
        await bring_back(settings, folder, quiet, replace=True)
        assert await names(settings) == ["mira"]
    finally:
        await attached.release()
        await remove(server)


async def test_documents_of_cosmos_db_come_back_into_another_account(here: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    async with listening(Endpoint(ranges=2)) as (first, _), listening(Endpoint(ranges=3)) as (second, _):
        before, after = (
            read_settings(
                {
                    "MYSTIRA_DATA": str(tmp_path / name),
                    "MYSTIRA_DOCUMENTS": f"cosmos://{url.removeprefix('http://')}/house?tls=0",
                    "MYSTIRA_COSMOS_KEY": WELL_KNOWN_KEY,
                }
            )
            for name, url in (("before", first), ("after", second))
        )
        for settings in (before, after):
            await provisioning(settings, dry_run=False)
        try:
            await add(before, "mira", "tomas")
            backup = await back_up(before, folder, quiet, actor="tests")
            assert backup.documents == "feeds" and read_manifest(folder) == backup
            (tmp_path / "after").mkdir()
            shutil.copy(before.data / "secret", after.data / "secret")
            assert (await bring_back(after, folder, quiet, replace=False)).same_secret
            assert await names(after) == ["mira", "tomas"]
            await add(after, "lina")
            assert await names(after) == ["lina", "mira", "tomas"]
        finally:
            for settings in (before, after):
                await remove(settings.data)


@pytest.mark.skipif(not (OLD_PROGRAMS / "bin" / "postgres").exists(), reason="there is no PostgreSQL 15 to come from")
async def test_data_of_an_older_postgresql_is_brought_over_whole(here: Settings, tmp_path: Path) -> None:
    here.data.mkdir()
    attached = await attach(here.data, quiet, OLD_PROGRAMS)
    try:
        assert made_by(home_of(here.data)) == "15"
        # Those who are attached to a running server do not ask which programs started it.
        await add(here, "mira")
    finally:
        await attached.release()
    with pytest.raises(EmbeddedFailed, match="mystira upgrade"):
        await names(here)
    with pytest.raises(NoOldPrograms, match="--programs"):
        await upgrade_postgres(here, tmp_path / "backup", quiet, tmp_path)
    assert await upgrade_postgres(here, tmp_path / "backup", quiet, OLD_PROGRAMS) == ("15", "18")
    assert await upgrade_postgres(here, tmp_path / "again", quiet, None) == ("18", "18")
    assert await names(here) == ["mira"]
