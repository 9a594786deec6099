"""Moves media from home to home by when somebody last looked at them, and forgets what nobody wants back."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from mystira.content.media.model.asset import (
    ARCHIVE_AFTER,
    COOL_AFTER,
    HOMES,
    Home,
    MediaAsset,
    day,
    next_home,
)
from mystira.content.media.ports import MediaShelf
from mystira.polyglot.query import Order, Where, all_of, any_of, at_most, equal, greater
from mystira.polyglot.work import Work, Works

AT_ONCE = 100
# Whoever writes a blob notes it within this time, or it belongs to nobody.
SPARED = timedelta(days=1)


async def move_house(works: Works, shelf: MediaShelf) -> int:
    """Move every medium whose home is not where it belongs by now; return how many moved.

    First the bytes are copied, then the record points to them; the old ones stay for the sweeper, so whoever is being
    sent them gets all of them, and a crash at any point loses nothing.
    """
    moved = 0
    for home, where in _candidates(works.clock()):
        async for asset in _every(works, all_of(equal("home", home), where)):
            to = next_home(asset, works.clock())
            if to != asset.home and await shelf.store.wake(asset.home, asset.hash):
                await shelf.store.copy(asset.home, asset.hash, to)
                moved += await works.run(
                    _point_to, media_id=asset.id, media_type=asset.media_type, hash=asset.hash, to=to
                )
    return moved


async def forget_deleted(works: Works, shelf: MediaShelf) -> int:
    """Forget media that were deleted long enough ago; return how many. Their bytes are the sweeper's."""
    before = works.clock() - timedelta(days=shelf.keep_days)
    forgotten = 0
    async for asset in _every(works, all_of(equal("home", "archive"), equal("last_access_day", ""))):
        if asset.deleted_at is not None and asset.deleted_at <= before:
            forgotten += await works.run(_forget, media_id=asset.id, media_type=asset.media_type, before=before)
    return forgotten


async def sweep(works: Works, shelf: MediaShelf) -> int:
    """Remove bytes that no record names, a day after they were written last; return how many blobs went."""
    removed = 0
    for home in HOMES:
        async for kept in shelf.store.every(home):
            before = works.clock() - SPARED
            if kept.written_at > before or await _is_named(works.open(), home, kept.hash):
                continue
            removed += await shelf.store.remove_unless_newer(home, kept.hash, before)
    return removed


def _candidates(now: datetime) -> tuple[tuple[Home, Where], ...]:
    cool, archive = day(now - COOL_AFTER), day(now - ARCHIVE_AFTER)
    return (
        ("hot", at_most("last_access_day", cool)),
        ("music", at_most("last_access_day", cool)),
        ("cool", any_of(at_most("last_access_day", archive), greater("last_access_day", cool))),
        ("archive", greater("last_access_day", archive)),
    )


async def _every(works: Works, where: Where) -> AsyncIterator[MediaAsset]:
    after = None
    while True:
        found = await works.open().find(MediaAsset, where, Order("id"), limit=AT_ONCE, after=after)
        for asset in found.items:
            yield asset
        if found.after is None:
            return
        after = found.after


async def _point_to(work: Work, *, media_id: str, media_type: str, hash: str, to: Home) -> int:
    asset = await work.get(MediaAsset, media_id, media_type)
    if asset is None or asset.hash != hash or asset.home == to:
        return 0
    work.save(asset.evolve(home=to))
    return 1


async def _forget(work: Work, *, media_id: str, media_type: str, before: datetime) -> int:
    asset = await work.get(MediaAsset, media_id, media_type)
    if asset is None or asset.deleted_at is None or asset.deleted_at > before:
        return 0
    work.remove(asset)
    return 1


async def _is_named(work: Work, home: Home, hash: str) -> bool:
    named = all_of(equal("home", home), equal("hash", hash))
    # Small pictures stay where they are at hand, wherever the large ones go.
    return await work.first(MediaAsset, any_of(named, equal("thumbnail", hash)) if home == "hot" else named) is not None
