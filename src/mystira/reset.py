"""Deletes everything that is kept, refusing while it is in use."""

import shutil
from pathlib import Path

from mystira.polyglot.stores.postgres.embedded import remove


async def clear(data: Path) -> None:
    """Remove the data folder and what belongs to it elsewhere; StillInUse while any process runs on it."""
    await remove(data)
    shutil.rmtree(data)
