"""The embedded PostgreSQL: first in starts it, last out stops it, and what kill -9 leaves a start heals."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.embedded.home import home_of
from mystira.polyglot.stores.postgres.embedded.problems import EmbeddedFailed, StillInUse
from mystira.polyglot.stores.postgres.embedded.server import running_pid

pytestmark = pytest.mark.anyio
IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root can act as other users and mount a small disk")

HOLDER = """
import asyncio, sys
from pathlib import Path
from mystira.polyglot.stores.postgres.embedded import attach
async def main():
    held = await attach(Path(sys.argv[1]), lambda text: None)
    import asyncpg
    connection = await asyncpg.connect(held.dsn)
    print(await connection.fetchval("select 40 + 2"), flush=True)
    await connection.close()
    await asyncio.to_thread(sys.stdin.readline)
    await held.release()
asyncio.run(main())
"""


def hold(data: Path, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )


def is_holding(process: "subprocess.Popen[str]") -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "42\n"


def let_go(process: "subprocess.Popen[str]") -> None:
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    folder.mkdir()
    yield folder
    asyncio.run(remove(folder))


def test_the_first_starts_it_others_join_and_the_last_one_stops_it(data: Path) -> None:
    first, second = hold(data), hold(data)
    assert is_holding(first) and is_holding(second)
    home = home_of(data)
    pid = running_pid(home)
    let_go(first)
    assert running_pid(home) == pid is not None
    let_go(second)
    assert running_pid(home) is None


async def test_whoever_is_attached_starts_it_again_when_it_was_killed(data: Path) -> None:
    told: list[str] = []
    first, second = await attach(data, told.append), await attach(data, told.append)
    watching = [asyncio.create_task(held.keep_alive(told.append, every_s=0.05)) for held in (first, second)]
    pid = running_pid(first.home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    give_up_at = time.monotonic() + 60
    while (again := running_pid(first.home)) in (None, pid) or not await can_connect(first.dsn):
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.05)
    assert again is not None
    assert len([line for line in told if "died" in line]) == 1
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    await first.release()
    await second.release()
    assert running_pid(first.home) is None


async def can_connect(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


@pytest.mark.parametrize("turn", range(3))
def test_many_that_start_at_once_share_one(data: Path, turn: int) -> None:
    holders = [hold(data) for _ in range(4)]
    assert all(is_holding(holder) for holder in holders)
    for holder in holders:
        let_go(holder)
    assert running_pid(home_of(data)) is None


def test_an_orphan_is_adopted_and_stopped_by_the_last_one(data: Path) -> None:
    first = hold(data)
    assert is_holding(first)
    first.kill()
    first.wait()
    pid = running_pid(home_of(data))
    assert pid is not None
    second = hold(data)
    assert is_holding(second)
    assert running_pid(home_of(data)) == pid
    let_go(second)
    assert running_pid(home_of(data)) is None


async def test_committed_rows_survive_kill_9_of_the_server(data: Path) -> None:
    held = await attach(data, print)
    connection = await asyncpg.connect(held.dsn)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (7)")
    pid = running_pid(held.home)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    again = await attach(data, print)
    assert running_pid(again.home) not in (None, pid)
    connection = await asyncpg.connect(again.dsn)
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()
    await again.release()
    await held.release()


async def test_a_stale_pid_that_belongs_to_somebody_else_is_no_obstacle(data: Path) -> None:
    held = await attach(data, print)
    await held.release()
    stranger = subprocess.Popen(["sleep", "60"])
    pid_file = held.home.cluster / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{held.home.cluster}\n0\n5432\n{held.home.sockets}\n\n\n")
    if held.home.uid is not None:
        os.chown(pid_file, held.home.uid, held.home.uid)
    again = await attach(data, print)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    await again.release()


async def test_a_creation_that_was_killed_begins_again(data: Path) -> None:
    half = home_of(data).root / "cluster.half"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    held = await attach(data, print)
    assert not half.exists()
    await held.release()


async def test_data_of_another_version_is_refused_with_a_sentence(data: Path) -> None:
    held = await attach(data, print)
    await held.release()
    version = held.home.cluster / "PG_VERSION"
    was = version.read_text()
    version.write_text("12\n")
    with pytest.raises(EmbeddedFailed, match="belongs to PostgreSQL 12"):
        await attach(data, print)
    version.write_text(was)


async def test_what_is_in_use_is_not_removed(data: Path) -> None:
    held = await attach(data, print)
    with pytest.raises(StillInUse):
        await remove(data)
    await held.release()
    await remove(data)
    assert not held.home.root.exists()


async def test_only_its_owner_reaches_the_socket_and_nothing_listens_on_the_network(data: Path) -> None:
    held = await attach(data, print)
    assert held.home.sockets.stat().st_mode & 0o077 == 0
    connection = await asyncpg.connect(held.dsn)
    assert await connection.fetchval("SHOW listen_addresses") == ""
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()
    await held.release()


async def test_a_path_of_200_characters_works(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 100) / ("e" * (200 - len(str(tmp_path)) - 102))
    long.mkdir(parents=True)
    assert len(str(long)) >= 200
    held = await attach(long, print)
    await held.release()
    await remove(long)


@as_root
async def test_root_in_a_private_home_changes_no_permission_of_it(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    held = await attach(private / "data", print)
    assert private.stat().st_mode & 0o777 == 0o700
    assert held.home.uid not in (None, 0)
    assert private not in held.home.root.parents
    connection = await asyncpg.connect(held.dsn)
    await connection.close()
    await held.release()
    await remove(private / "data")
    assert not held.home.root.exists()


@as_root
async def test_a_new_folder_at_the_same_place_does_not_find_the_postgresql_of_the_old_one(tmp_path: Path) -> None:
    private, told = tmp_path / "private", list[str]()
    private.mkdir(mode=0o700)
    data = private / "data"
    for table, message in (("old", "Creating the embedded"), ("new", "of an earlier folder at this place is kept in")):
        for _ in range(2):
            held = await attach(data, told.append)
            connection = await asyncpg.connect(held.dsn)
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (n int)")
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            assert [row["tablename"] for row in tables] == [table]
            await connection.close()
            await held.release()
        assert [message in line for line in told].count(True) == 1
        shutil.rmtree(data)
    (kept,) = held.home.root.glob("cluster-*")
    assert f" {kept}." in "".join(told) and (kept / "PG_VERSION").exists()
    await remove(data)


@as_root
async def test_a_cluster_from_before_there_were_marks_stays_its_folders_own(tmp_path: Path) -> None:
    private, told = tmp_path / "private", list[str]()
    private.mkdir(mode=0o700)
    data = private / "data"
    held = await attach(data, told.append)
    await held.release()
    (data / "postgres.id").unlink()
    (held.home.root / "postgres.id").unlink()
    for _ in range(2):
        again = await attach(data, told.append)
        await again.release()
    assert len(told) == 1 and not list(held.home.root.glob("cluster-*"))
    await remove(data)


@as_root
def test_an_ordinary_user_runs_it_as_himself() -> None:
    if not _can_run(65534):
        pytest.skip(f"an ordinary user cannot reach {sys.executable} here; tests/setup tries it with another Python")
    home = Path("/var/tmp") / f"mystira-user-{os.getpid()}"
    home.mkdir()
    os.chown(home, 65534, 65534)
    try:
        holder = hold(home / "data", user=65534, group=65534, extra_groups=[], cwd="/", env={"PATH": "/usr/bin:/bin"})
        assert is_holding(holder)
        pid = running_pid(home_of(home / "data")._replace(root=home / "data" / "postgres", uid=None))
        assert pid is not None and Path(f"/proc/{pid}").stat().st_uid == 65534
        let_go(holder)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _can_run(uid: int) -> bool:
    try:
        command = [sys.executable, "-c", "import mystira"]
        return subprocess.run(command, user=uid, group=uid, extra_groups=[], check=False).returncode == 0
    except PermissionError:
        return False


@as_root
async def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        for folder in (*small.parents,):
            if folder.stat().st_mode & 0o001 == 0:
                folder.chmod(folder.stat().st_mode | 0o001)
        with pytest.raises(EmbeddedFailed, match=r"is full\. Free some space"):
            await attach(small / "data", print)
        await remove(small / "data")
    finally:
        subprocess.run(["umount", str(small)], check=False)


def test_a_second_start_is_quick(data: Path) -> None:
    async def once() -> float:
        begun = time.perf_counter()
        held = await attach(data, print)
        taken_s = time.perf_counter() - begun
        await held.release()
        return taken_s

    first, second = asyncio.run(once()), asyncio.run(once())
    print(f"first start {first:.2f} s, second start {second:.2f} s")
    assert (home_of(data).cluster / "PG_VERSION").exists()
