"""What happens to media on a schedule: they move house by when somebody last looked, and what nobody names goes."""

from mystira.content.media.actions.homes import forget_deleted, move_house, sweep
from mystira.content.media.ports import MediaShelf
from mystira.polyglot.work import Works

TIDY_EVERY_S, SWEEP_EVERY_S = 3_600.0, 6 * 3_600.0


async def tidy(works: Works, shelf: MediaShelf) -> int:
    """Move what has not been looked at, and forget what was deleted long ago; nothing is left for a second round."""
    await move_house(works, shelf)
    await forget_deleted(works, shelf)
    return 0


async def sweep_blobs(works: Works, shelf: MediaShelf) -> int:
    """Remove bytes that no record names."""
    await sweep(works, shelf)
    return 0


JOBS = (("content.tidy_media", tidy, TIDY_EVERY_S), ("content.sweep_blobs", sweep_blobs, SWEEP_EVERY_S))
"""Each with what it is called and how often it is done; these need the blobs as well as the records."""
