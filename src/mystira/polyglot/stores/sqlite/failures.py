"""What went wrong with a document file, in sentences that say what to do."""

import apsw

_SENTENCES: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "the disk is full; free some space"),
    (apsw.ReadOnlyError, "the file cannot be written; check its owner and permissions, and those of its folder"),
    (apsw.PermissionsError, "the file may not be opened; check its owner and permissions"),
    (apsw.CantOpenError, "the file cannot be opened; check that its folder exists and may be written"),
    (apsw.BusyError, "another process has kept the file locked for too long; see whether one hangs"),
    (apsw.LockedError, "another process has kept the file locked for too long; see whether one hangs"),
    (apsw.NotADBError, "the file is not a document store; move it away or name another one"),
    (apsw.CorruptError, "the file is damaged; put a backup in its place"),
    (apsw.NoMemError, "there is not enough memory; stop something else"),
    (apsw.IOError, "the disk reports an error; look at the system's log"),
    (apsw.ConnectionClosedError, "the store was closed; open it again"),
)


def sentence(path: str, error: apsw.Error) -> str:
    """Return what happened to the file at `path`, and SQLite's own words for the log."""
    said = next((text for kind, text in _SENTENCES if isinstance(error, kind)), "SQLite refused")
    return f"{path}: {said} ({type(error).__name__}: {error})"
