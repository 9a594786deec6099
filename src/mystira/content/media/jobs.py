"""What happens to media on a schedule: they move house by when somebody last looked, and what nobody names goes."""

from mystira.content.media.actions.assets import keep_who_opened
from mystira.content.media.actions.homes import forget_deleted, move_house, sweep
from mystira.content.media.model.asset import MediaAsset
from mystira.content.media.ports import MediaShelf
from mystira.content.media.reactions import is_seen
from mystira.polyglot.query import Order, all_of, equal, is_null
from mystira.polyglot.work import Works

OPENED_EVERY_S, TIDY_EVERY_S, SWEEP_EVERY_S = 24 * 3_600.0, 3_600.0, 6 * 3_600.0
# A release that knew only one way of being open wrote nothing of the other.
OPEN_BEFORE = all_of(equal("is_open", True), is_null("is_shown"))


async def tidy(works: Works, shelf: MediaShelf) -> int:
    """Move what has not been looked at, and forget what was deleted long ago; nothing is left for a second round."""
    await move_house(works, shelf)
    await forget_deleted(works, shelf)
    return 0


async def sweep_blobs(works: Works, shelf: MediaShelf) -> int:
    """Remove bytes that no record names."""
    await sweep(works, shelf)
    return 0


async def tell_who_opened(works: Works, shelf: MediaShelf) -> int:
    """Tell apart, of media that an older release kept as open, what people ticked and what publishing had opened.

    Once each; whatever cannot be told from the record is kept as people's.
    """
    after = None
    while True:
        found = await works.open().find(MediaAsset, OPEN_BEFORE, Order("id"), after=after)
        for one in found.items:
            is_shown = await is_seen(works.open(), one.id)
            await works.run(keep_who_opened, media_id=one.id, is_shown=is_shown)
        if found.after is None:
            return 0
        after = found.after


JOBS = (
    ("content.tell_who_opened", tell_who_opened, OPENED_EVERY_S),
    ("content.tidy_media", tidy, TIDY_EVERY_S),
    ("content.sweep_blobs", sweep_blobs, SWEEP_EVERY_S),
)
"""Each with what it is called and how often it is done; these need the blobs as well as the records."""
