"""Where the bytes of media live: four homes of blobs, named by their hash; and what a process needs to fill them."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from mystira.content.media.model.asset import Home
from mystira.mediafiles.forms import MediaLimits
from mystira.mediafiles.kept import Kept
from mystira.textfiles.readers import Readers


class MediaStore(Protocol):
    """Blobs by home and hash. Nothing is ever changed: whoever writes a blob again writes the same bytes.

    A blob goes only by `remove_unless_newer`, so one that was written since it was looked at is never lost. What the
    store cannot do at all raises StoreDown.
    """

    async def put(self, home: Home, hash: str, source: Path) -> None:
        """Keep a file's bytes; a blob that is there already becomes new again."""
        ...

    async def look(self, home: Home, hash: str) -> Kept | None:
        """Return what is known of a blob, or None where there is none."""
        ...

    def read(self, home: Home, hash: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end`, a piece at a time."""
        ...

    async def copy(self, home: Home, hash: str, to: Home) -> None:
        """Keep a blob in another home too; it is new there."""
        ...

    async def wake(self, home: Home, hash: str) -> bool:
        """Tell whether a blob can be read now; if it sleeps, begin what makes it readable."""
        ...

    async def remove_unless_newer(self, home: Home, hash: str, than: datetime) -> bool:
        """Remove a blob unless it was written after `than`; tell whether it is gone."""
        ...

    def every(self, home: Home) -> AsyncIterator[Kept]:
        """Yield everything that a home holds."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class MediaShelf(NamedTuple):
    """The blobs, the processes that clean files, what a file may be, and a folder for files on their way."""

    store: MediaStore
    cleaners: Readers
    limits: MediaLimits
    scratch: Path
    keep_days: int
    """How long deleted media are kept in the archive."""
