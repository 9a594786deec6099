"""Where an embedded PostgreSQL lives and whom it runs as.

PostgreSQL refuses to run as root, so root lends it a user id that belongs to nobody. When that id cannot reach the
data directory (a checkout under a 0700 home), the cluster and a copy of the programs go to /var/lib/mystira, named by
the data directory; no permission of a folder that is not ours is ever changed.
"""

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from mystira.polyglot.stores.postgres.embedded.binaries import install_dir, major_version
from mystira.polyglot.stores.postgres.embedded.problems import EmbeddedFailed

REACHABLE_ROOT = Path("/var/lib/mystira")
FIRST_UID, UIDS = 61_200, 4_000
SOCKET_PATH_MAX = 107
SOCKET_NAME = ".s.PGSQL.5432"


class Home(NamedTuple):
    """The places of one cluster; `uid` is None when it runs as the current user."""

    root: Path
    sockets: Path
    install: Path
    uid: int | None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.root / "cluster"

    @property
    def log(self) -> Path:
        """What PostgreSQL says, for when it does not start."""
        return self.root / "postgres.log"


def home_of(data: Path, install: Path | None = None) -> Home:
    """Return the places that belong to this data directory, whether they exist or not."""
    data = Path(os.path.realpath(data))
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    install = install or install_dir()
    sockets = _sockets(name)
    if os.geteuid() != 0:
        return Home(data / "postgres", sockets, install, None)
    uid = _free_uid(int(name, 16))
    root = data / "postgres" if _anyone_can_reach(data) else REACHABLE_ROOT / name
    if not _anyone_can_reach(install / "bin" / "postgres"):
        copied = REACHABLE_ROOT / f"programs-{major_version(install)}-{_fingerprint(install)}"
        install = copied / install.parent.name / install.name
    return Home(root, sockets, install, uid)


def prepare(home: Home, install: Path | None = None) -> None:
    """Make the places exist, owned by whom they should be; `install` as in `home_of`."""
    home.root.mkdir(parents=True, exist_ok=True)
    if home.uid is not None:
        _open_to_passage(home)
    if not (home.install / "bin").is_dir():
        _copy_programs(home.install.parents[1], install or install_dir())
    _private_sockets(home)


def _open_to_passage(home: Home) -> None:
    # Only folders made for this purpose are opened, and only for passing through.
    home.root.chmod(0o711)
    if REACHABLE_ROOT in home.root.parents:
        REACHABLE_ROOT.chmod(0o711)


def _copy_programs(target: Path, install: Path) -> None:
    half = target.with_name(f"{target.name}.half-{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    half.parent.mkdir(parents=True, exist_ok=True)
    half.parent.chmod(0o711)
    half.mkdir()
    # The programs find the libraries that came with them by their place beside the package.
    for part in (install, *install.parents[1].glob(f"{install.parent.name}.libs")):
        shutil.copytree(part, half / part.relative_to(install.parents[1]), symlinks=True)
    for path in (half, *half.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        half.rename(target)
    except OSError:
        # Another process was faster; its copy is as good.
        shutil.rmtree(half, ignore_errors=True)


def _private_sockets(home: Home) -> None:
    home.sockets.mkdir(mode=0o700, exist_ok=True)
    found = home.sockets.lstat()
    owner = os.geteuid() if home.uid is None else home.uid
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise EmbeddedFailed(reason=f"{home.sockets} belongs to somebody else. Remove it, then try again.")
    home.sockets.chmod(0o700)
    os.chown(home.sockets, owner, -1 if home.uid is None else home.uid)


def _sockets(name: str) -> Path:
    runtime = Path("/run") if os.geteuid() == 0 and os.access("/run", os.W_OK) else Path("/tmp")  # noqa: S108 - a private folder in it, checked.
    path = runtime / f"mystira-{os.geteuid()}-{name[:12]}"
    assert len(os.fsencode(path / SOCKET_NAME)) <= SOCKET_PATH_MAX
    return path


def _free_uid(seed: int) -> int:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for at in range(UIDS) if (uid := FIRST_UID + (seed + at) % UIDS) not in taken)


def _anyone_can_reach(path: Path) -> bool:
    existing = next(at for at in (path, *path.parents) if at.exists())
    return all(at.stat().st_mode & stat.S_IXOTH for at in (existing, *existing.parents))


def _fingerprint(install: Path) -> str:
    about = (install / "bin" / "postgres").stat()
    return hashlib.sha256(f"{about.st_size}:{about.st_mtime_ns}".encode()).hexdigest()[:8]
