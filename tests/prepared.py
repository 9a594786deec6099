"""A data folder on which the platform has started before: made once for all workers, copied by whoever needs one.

A copy holds the schema, the sample stories and their media. What belongs to one place alone is missing, and made there
at its first start: the secret, and the sample family, whose address is kept as a hash made with it.
"""

import asyncio
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from mystira.content.commands import SAMPLE_CONTENT, import_media
from mystira.polyglot.stores.postgres.embedded import remove
from mystira.polyglot.stores.postgres.embedded.home import home_of, prepare
from mystira.run import platform
from mystira.services.app import seed
from mystira.services.worker import settle
from mystira.settings import read_settings

ROOT = Path(__file__).parents[1]
SEEDED = "seeded.sqlite"
"""The documents as they are when the sample stories have just been brought, and no fact of that was carried on yet."""


def prepared(shared: Path) -> Path:
    """Return the folder to copy from, in a folder that all workers share; the first who asks makes it."""
    whole, half = shared / "prepared", shared / "prepared.half"
    with (shared / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(half, ignore_errors=True)
            # In a process of its own, for in this thread the event loop of a browser may live.
            subprocess.run([sys.executable, "-m", "tests.prepared", str(half)], cwd=ROOT, check=True)
            half.rename(whole)
    return whole


def copy_of(whole: Path, data: Path) -> Path:
    """Copy what is prepared into this data folder, which does not exist yet."""
    shutil.copytree(whole / "data", data)
    home = home_of(data)
    prepare(home)
    shutil.copytree(whole / "cluster", home.cluster)
    if home.uid is not None:
        for path in (home.cluster, *home.cluster.rglob("*")):
            os.chown(path, home.uid, home.uid)
    return data


async def _make(half: Path) -> None:
    data = half / "data"
    settings = read_settings({"MYSTIRA_DATA": str(data), "MYSTIRA_DEMO": "0"})
    async with platform(settings, print) as opened:
        await seed(opened, SAMPLE_CONTENT, print)
        _copy_documents(data / "documents.sqlite", half / SEEDED)
        await import_media(opened.works, opened.media, SAMPLE_CONTENT / "media", print)
        await settle(opened)
    (data / "secret").unlink()
    await set_apart(half)


async def set_apart(half: Path) -> None:
    """Take the stopped cluster of this folder's data to where `copy_of` looks for it."""
    shutil.move(home_of(half / "data").cluster, half / "cluster")
    with (half / "cluster" / "postgresql.auto.conf").open("a") as settings_of_the_cluster:
        # Tests kill processes, never the machine: what was written is there without waiting for the disk.
        settings_of_the_cluster.write("fsync = off\n")
    await remove(half / "data")


def _copy_documents(kept: Path, copy: Path) -> None:
    with closing(sqlite3.connect(kept)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


if __name__ == "__main__":
    asyncio.run(_make(Path(sys.argv[1])))
