"""Watching one record: whoever watches hears of this process's commits at once, and of other processes' soon."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from mystira.polyglot.store import Key, StoreError

T = TypeVar("T")

# How late a change that another process committed may be seen.
EVERY_S = 2.0


class Watchers:
    """The bells of those who watch a record in this process. Ringing one that nobody waits for costs a look-up."""

    def __init__(self) -> None:
        self._bells: dict[tuple[str, Key], set[asyncio.Event]] = {}

    def ring(self, collection: str, key: Key) -> None:
        """Tell everyone who watches this record that it may have changed."""
        for bell in self._bells.get((collection, key), ()):
            bell.set()

    def join(self, collection: str, key: Key) -> asyncio.Event:
        """Return a bell of one's own for this record, until `leave`."""
        bell = asyncio.Event()
        self._bells.setdefault((collection, key), set()).add(bell)
        return bell

    def leave(self, collection: str, key: Key, bell: asyncio.Event) -> None:
        """Give a bell back."""
        bells = self._bells[collection, key]
        bells.discard(bell)
        if not bells:
            del self._bells[collection, key]

    def __len__(self) -> int:
        """Return how many records are watched."""
        return len(self._bells)


async def changes(
    watchers: Watchers, collection: str, key: Key, read: Callable[[], Awaitable[T]], *, every_s: float = EVERY_S
) -> AsyncGenerator[T]:
    """Yield what is read of a record, and again whenever it is different; several changes may come as one.

    An outage of the store is waited out: who watches has nothing better to do.
    """
    bell = watchers.join(collection, key)
    try:
        seen: list[T] = []
        while True:
            bell.clear()
            with suppress(StoreError):
                now = await read()
                if seen != [now]:
                    seen = [now]
                    yield now
            try:
                async with asyncio.timeout(every_s):
                    await bell.wait()
            except TimeoutError:
                continue
    finally:
        watchers.leave(collection, key, bell)
