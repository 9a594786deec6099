"""A cluster that lies outside of its data directory belongs to that very directory, not to the next one at its place.

Whoever deletes the directory and begins anew would otherwise find the old PostgreSQL under new documents. Both sides
hold the same mark; a cluster whose mark the directory does not hold is set aside, never deleted.
"""

import os
from pathlib import Path
from uuid import uuid4

from mystira.polyglot.stores.postgres.embedded.home import Home

MARK = "postgres.id"


def owned_by(data: Path, home: Home) -> bool:
    """Tell whether the cluster is this directory's own: inside it, of the same mark, or older than the marks."""
    if _is_inside(data, home) or not home.cluster.exists():
        return True
    theirs = _read(home.root / MARK)
    return theirs is None or theirs == _read(data / MARK)


def mark(data: Path, home: Home) -> None:
    """Let directory and cluster hold the same mark, the directory first: a crash in between leaves no stranger."""
    if _is_inside(data, home):
        return
    known = _read(data / MARK)
    if known is None:
        known = uuid4().hex
        _write(data / MARK, known)
    if _read(home.root / MARK) != known:
        _write(home.root / MARK, known)


def _is_inside(data: Path, home: Home) -> bool:
    return home.root.is_relative_to(os.path.realpath(data))


def _read(path: Path) -> str | None:
    return path.read_text().strip() if path.exists() else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.half")
    with half.open("w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
