"""Walks all documents of a collection: its change feed, from the beginning, to where it ends now."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.positions import RangePosition
from mystira.polyglot.store import DocumentStore, FeedPage, RangeGone

PAGE = 500


async def every_page(
    documents: DocumentStore, collection: Collection[Any], page: int = PAGE
) -> AsyncGenerator[FeedPage]:
    """Yield the feed page by page, range after range; what is written meanwhile may come by once more, or twice.

    Where a range is split under way, its successors go on where it stood.
    """
    ranges = [(range_id, "") for range_id in await documents.feed_ranges(collection)]
    while ranges:
        range_id, continuation = ranges.pop()
        more = True
        while more:
            try:
                found = await documents.feed(collection, range_id, continuation, page)
            except RangeGone as gone:
                ranges += [(successor, continuation) for successor in gone.successors]
                break
            yield found
            continuation, more = found.continuation, found.has_more


async def ended_ranges(
    documents: DocumentStore, collection: Collection[Any], ranges: Iterable[str], positions: Sequence[RangePosition]
) -> set[str]:
    """Return those of these ranges in which nothing comes after the stored position."""
    at = {position.range_id: position.continuation for position in positions}
    ended: set[str] = set()
    for range_id in ranges:
        try:
            page = await documents.feed(collection, range_id, at.get(range_id, ""), 1)
        except RangeGone:
            continue
        if not page.items:
            ended.add(range_id)
    return ended
