"""Starts, finds and stops the postgres process of one cluster. Callers hold the cluster's lock."""

import errno
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mystira.polyglot.stores.postgres.embedded.binaries import major_version
from mystira.polyglot.stores.postgres.embedded.home import SOCKET_NAME, Home
from mystira.polyglot.stores.postgres.embedded.problems import EmbeddedFailed

START_S_MAX = 60.0
STOP_S_MAX = 30.0
LOG_BYTES_MAX = 10_000_000
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_wal_size": "1GB",
    "wal_compression": "on",
}


def ensure_running(home: Home, report: Callable[[str], None]) -> None:
    """Return when PostgreSQL answers: found healthy, or started, or made first."""
    pid = running_pid(home)
    if pid is not None:
        if _wait_until_ready(home, pid):
            return
        report("The embedded PostgreSQL does not answer; starting it again.")
        stop(home)
    _end_strays(home)
    if not (home.cluster / "PG_VERSION").is_file():
        report("Creating the embedded PostgreSQL (once, a few seconds).")
        _create(home)
    _check_version(home)
    # Nothing runs here now, so these locks are stale, even if their pid lives on as a zombie or somebody else.
    for stale in (home.cluster / "postmaster.pid", home.sockets / SOCKET_NAME, home.sockets / f"{SOCKET_NAME}.lock"):
        stale.unlink(missing_ok=True)
    _start(home)


def running_pid(home: Home) -> int | None:
    """Return the pid of this cluster's postgres. A pid that now belongs to another program does not count."""
    try:
        pid = int((home.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _works_in(pid, home.cluster) else None


def stop(home: Home) -> None:
    """Stop PostgreSQL cleanly, and hard if it does not listen. Not running: nothing happens."""
    pid = running_pid(home)
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if pid is None or not _works_in(pid, home.cluster):
            break
        _signal(pid, how)
        _wait_until_gone(pid, home.cluster)
    _end_strays(home)


def _create(home: Home) -> None:
    half = home.root / "cluster.half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    command = [str(home.install / "bin" / "initdb"), "-D", str(half), "-U", "mystira", "--auth=trust"]
    command += ["--locale=C", "--encoding=UTF8", "--no-instructions"]
    # initdb insists on a user with a name; the server does not. So initdb runs as nobody, in a folder that is lent.
    lender = pwd.getpwnam("nobody").pw_uid if home.uid is not None else None
    if lender is not None:
        os.chown(half, lender, lender)
    made = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=_environment(),
        user=lender,
        group=lender,
        extra_groups=None if lender is None else [],
    )
    if made.returncode != 0:
        shutil.rmtree(half, ignore_errors=True)
        raise EmbeddedFailed(reason=_explain(made.stderr, home))
    if home.uid is not None:
        for path in (half, *half.rglob("*")):
            os.chown(path, home.uid, home.uid, follow_symlinks=False)
    half.rename(home.cluster)


def _start(home: Home) -> None:
    if home.log.exists() and home.log.stat().st_size > LOG_BYTES_MAX:
        home.log.unlink()
    command = [str(home.install / "bin" / "postgres"), "-D", str(home.cluster), "-k", str(home.sockets)]
    command += [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    begun = home.log.stat().st_size if home.log.exists() else 0
    with home.log.open("ab") as log:
        # A session of its own keeps Ctrl-C on the terminal from stopping it before its users are done.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            user=home.uid,
            group=home.uid,
            extra_groups=None if home.uid is None else [],
        )
    if not _wait_until_ready(home, process.pid, process):
        process.kill()
        process.wait()
        said = home.log.read_bytes()[begun:].decode(errors="replace")
        raise EmbeddedFailed(reason=_explain(said, home))


def _wait_until_ready(home: Home, pid: int, process: "subprocess.Popen[bytes] | None" = None) -> bool:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None if process else not _works_in(pid, home.cluster):
            return False
        if _answers(home):
            return True
        time.sleep(0.01)
    return False


def _answers(home: Home) -> bool:
    """Tell whether the server takes connections: a real start-up packet, answered by anything but an error."""
    body = b"\x00\x03\x00\x00user\x00mystira\x00database\x00postgres\x00\x00"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(home.sockets / SOCKET_NAME))
            client.sendall((len(body) + 4).to_bytes(4) + body)
            return client.recv(1) == b"R"
        except OSError:
            return False


def made_by(home: Home) -> str:
    """Return the major version whose programs made this cluster; empty where there is none."""
    version = home.cluster / "PG_VERSION"
    return version.read_text().strip() if version.is_file() else ""


def _check_version(home: Home) -> None:
    found, ours = made_by(home), major_version(home.install)
    if found != ours:
        raise EmbeddedFailed(
            reason=f"the data in {home.cluster} belongs to PostgreSQL {found}, the programs here are {ours}. "
            f"Bring it over with `mystira upgrade` (docs/backups.md tells how), or install version {found} of the "
            "programs again."
        )


def _end_strays(home: Home) -> None:
    """End what a killed postmaster left behind: its children may still hold the cluster."""
    for pid in _pids():
        if _works_in(pid, home.cluster):
            _signal(pid, signal.SIGKILL)
            _wait_until_gone(pid, home.cluster)


def _pids() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _works_in(pid: int, cluster: Path) -> bool:
    # postgres changes into its cluster at start, which tells it from any program that was given its old pid.
    try:
        _reap(pid)
        return os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(cluster)
    except OSError:
        return False


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _signal(pid: int, how: int) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def _wait_until_gone(pid: int, cluster: Path) -> None:
    deadline = time.monotonic() + STOP_S_MAX
    while time.monotonic() < deadline and _works_in(pid, cluster):
        time.sleep(0.01)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _explain(said: str, home: Home) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    if os.strerror(errno.ENOSPC) in said:
        return f"the disk that holds {home.root} is full. Free some space, then try again."
    if os.strerror(errno.EDQUOT) in said:
        return f"the disk quota for {home.root} is used up. Free some space, then try again."
    told = next((line for line in reversed(lines) if "FATAL" in line or "error" in line), lines[-1] if lines else "")
    return f"it said: {told or 'nothing'} (more is in {home.log})."
