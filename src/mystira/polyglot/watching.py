"""Watching one record: whoever watches hears of this process's commits at once, and of other processes' soon.

Everybody who watches the same record shares one look at it: it is read, and shown, once for all of them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from mystira.polyglot.store import Key, StoreError

T = TypeVar("T")
S = TypeVar("S")

# How late a change that another process committed may be seen.
EVERY_S = 2.0


class Watched:
    """One record that somebody watches: their bells, and what the last look at it brought."""

    def __init__(self) -> None:
        self.bells: set[asyncio.Event] = set()
        self.looking = asyncio.Lock()
        self.is_stale = True
        self.looked_at = 0.0
        self.number = 0
        self.seen: Any = None
        self.shown: Any = None


class Watchers:
    """The records that are watched in this process. Ringing for one that nobody watches costs a look-up."""

    def __init__(self) -> None:
        self._watched: dict[tuple[str, Key], Watched] = {}

    def ring(self, collection: str, key: Key) -> None:
        """Tell everyone who watches this record that it may have changed."""
        watched = self._watched.get((collection, key))
        if watched is not None:
            watched.is_stale = True
            for bell in watched.bells:
                bell.set()

    def join(self, collection: str, key: Key) -> tuple[Watched, asyncio.Event]:
        """Return what is known of this record to those who watch it, and a bell of one's own, until `leave`."""
        watched = self._watched.setdefault((collection, key), Watched())
        bell = asyncio.Event()
        watched.bells.add(bell)
        # Who comes later starts with how things stand now, whatever the others have seen.
        watched.is_stale = True
        return watched, bell

    def leave(self, collection: str, key: Key, bell: asyncio.Event) -> None:
        """Give a bell back."""
        bells = self._watched[collection, key].bells
        bells.discard(bell)
        if not bells:
            del self._watched[collection, key]

    def __len__(self) -> int:
        """Return how many records are watched."""
        return len(self._watched)


async def changes(
    watchers: Watchers,
    collection: str,
    key: Key,
    read: Callable[[], Awaitable[T]],
    show: Callable[[T], Awaitable[S]],
    *,
    every_s: float = EVERY_S,
) -> AsyncGenerator[S]:
    """Yield how a record is shown, and again whenever it reads differently; several changes may come as one.

    All who watch a record must read and show it alike, for one of them does it for all. An outage of the store is
    waited out: who watches has nothing better to do.
    """
    watched, bell = watchers.join(collection, key)
    told = 0
    try:
        while True:
            bell.clear()
            with suppress(StoreError):
                await _look(watched, read, show, every_s)
            if watched.number != told:
                told = watched.number
                yield cast(S, watched.shown)
            try:
                async with asyncio.timeout(every_s):
                    await bell.wait()
            except TimeoutError:
                continue
    finally:
        watchers.leave(collection, key, bell)


async def _look(
    watched: Watched, read: Callable[[], Awaitable[T]], show: Callable[[T], Awaitable[S]], every_s: float
) -> None:
    """Read the record and show it, unless somebody else has just done so."""
    now_s = asyncio.get_running_loop().time
    async with watched.looking:
        # A little early is in time: those who began to wait together also wake together.
        if not watched.is_stale and now_s() < watched.looked_at + every_s * 0.9:
            return
        # Said before it is read: what changes meanwhile rings again, and is read again.
        watched.is_stale, watched.looked_at = False, now_s()
        try:
            seen = await read()
            if not watched.number or seen != watched.seen:
                watched.shown = await show(seen)
                watched.seen = seen
                watched.number += 1
        except BaseException:
            watched.is_stale = True
            raise
