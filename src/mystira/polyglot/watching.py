"""Watching one record: whoever watches hears of this process's commits at once, and of other processes' soon.

Everybody who watches the same record shares one look at it: it is shown once for all of them. What this process commits
is at hand and need not be read; what others commit is read when nothing was heard of the record for a while.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.store import Key, StoreError

T = TypeVar("T")
S = TypeVar("S")
Seen = tuple[Stamp, T]

NEVER = Stamp()

# How late a change that another process committed may be seen.
EVERY_S = 2.0


class Watched:
    """One record that somebody watches: their bells, and what the last look at it brought."""

    def __init__(self, every_s: float) -> None:
        self.bells: set[asyncio.Event] = set()
        self.looking = asyncio.Lock()
        self.is_stale = True
        self.looked_at = 0.0
        self.number = 0
        self.committed: tuple[Stamp, Any] | None = None
        self.seen: tuple[Stamp, Any] = (NEVER, None)
        self.shown: Any = None
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._tick = self._loop.call_later(every_s, self._come_round)

    def ring(self) -> None:
        """Let everybody look again, the first of them for all."""
        self.is_stale = True
        for bell in self.bells:
            bell.set()

    def end(self) -> None:
        """Stop the clock: nobody watches any more."""
        self._tick.cancel()

    def _come_round(self) -> None:
        # Nobody rings for what another process writes, so a record is looked at when it was not for a while.
        due = self.looked_at + self._every_s
        if due <= self._loop.time():
            self.ring()
            due = self._loop.time() + self._every_s
        self._tick = self._loop.call_at(due, self._come_round)


class Watchers:
    """The records that are watched in this process. Ringing for one that nobody watches costs a look-up."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._watched: dict[tuple[str, Key], Watched] = {}

    def ring(self, collection: str, key: Key, stamp: Stamp, entity: Entity | None) -> None:
        """Tell everyone who watches this record what it has become; one that has ended is looked for, and not found."""
        watched = self._watched.get((collection, key))
        if watched is None:
            return
        if entity is None:
            watched.committed = None
        elif watched.committed is None or stamp > watched.committed[0]:
            watched.committed = (stamp, entity)
        watched.ring()

    @contextmanager
    def watch(
        self, collection: str, key: Key, read: Callable[[], Awaitable[Seen[T]]], show: Callable[[T], Awaitable[S]]
    ) -> Generator[Callable[[], Awaitable[S]]]:
        """Watch a record: what this gives returns how it is shown, each time it is called, once that has changed.

        `read` returns the record's stamp and its entity. All who watch a record must read and show it alike, for one
        of them does it for all.
        """
        at = (collection, key)
        watched = self._watched.get(at)
        if watched is None:
            watched = self._watched[at] = Watched(self._every_s)
        # Who comes later starts with how things stand now, whatever the others have seen.
        watched.is_stale, watched.committed = True, None
        watch = Watch(watched, read, show)
        watched.bells.add(watch.bell)
        try:
            yield watch.next
        finally:
            watched.bells.discard(watch.bell)
            if not watched.bells:
                watched.end()
                del self._watched[at]

    def __len__(self) -> int:
        """Return how many records are watched."""
        return len(self._watched)


class Watch(Generic[T, S]):
    """One who watches a record."""

    def __init__(
        self, watched: Watched, read: Callable[[], Awaitable[Seen[T]]], show: Callable[[T], Awaitable[S]]
    ) -> None:
        self.bell = asyncio.Event()
        self.bell.set()
        self._watched = watched
        self._read = read
        self._show = show
        self._told = 0

    async def next(self) -> S:
        """Return how the record is shown, once it reads differently; several changes may come as one.

        Whoever gives up waiting may ask again and has missed nothing. An outage of the store is waited out: who
        watches has nothing better to do.
        """
        watched, bell = self._watched, self.bell
        while True:
            if bell.is_set():
                bell.clear()
                try:
                    await self._look()
                except StoreError:
                    continue
                except BaseException:
                    bell.set()
                    raise
            if watched.number != self._told:
                self._told = watched.number
                return cast(S, watched.shown)
            await bell.wait()

    async def _look(self) -> None:
        """Read the record and show it, unless somebody else has just done so."""
        watched = self._watched
        async with watched.looking:
            if not watched.is_stale:
                return
            # Said before it is read: what changes meanwhile rings again, and is looked at again.
            watched.is_stale, watched.looked_at = False, asyncio.get_running_loop().time()
            committed, watched.committed = watched.committed, None
            try:
                # A commit whose news comes late tells less than what another process's look has shown already.
                if committed is not None and committed[0] > watched.seen[0]:
                    seen = committed
                else:
                    seen = await self._read()
                if not watched.number or seen != watched.seen:
                    watched.shown = await self._show(seen[1])
                    watched.seen = seen
                    watched.number += 1
            except BaseException:
                watched.is_stale = True
                raise
