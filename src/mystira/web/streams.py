"""Server-sent events: changes are told to whoever looks, until they go, may not look any more, or the server stops."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager, suppress

from litestar.response import Stream

from mystira.polyglot.problem import Kind, Problem

HEARTBEAT_S = 15.0
# A browser that lost its stream comes back after this long; the first thing it is told is how things stand.
RETRY_MS = 2_000
STREAMS_MAX, STREAMS_EACH_MAX = 600, 20

Coming = Callable[[], Awaitable[bytes]]
"""Returns the next event when there is one. Whoever gives up waiting may ask again and has missed nothing."""


class TooManyStreams(Problem):
    """Too many pages are watching at once. Close one, or look again in a moment."""

    kind = Kind.TOO_MANY


class Gone(Exception):
    """There is nothing any more that could be told of: the stream ends."""


def told(event: str, text: str) -> bytes:
    """Return one event, written once for all who are told; its text must not need what was told before."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {event}\n{lines}\n".encode()


class Streams:
    """The open streams of one process: bounded, and ended when the server stops, so that it need not wait for them."""

    def __init__(self, most: int = STREAMS_MAX, most_each: int = STREAMS_EACH_MAX) -> None:
        self._most = most
        self._most_each = most_each
        self._open: Counter[str] = Counter()
        self._beats: set[asyncio.Timeout] = set()
        self._is_closing = False

    def close(self) -> None:
        """End every stream."""
        self._is_closing = True
        for beat in self._beats:
            if not beat.expired():
                beat.reschedule(0)

    def answer(
        self,
        who: str,
        telling: AbstractContextManager[Coming],
        may_look: Callable[[], Awaitable[bool]],
        *,
        beat_s: float = HEARTBEAT_S,
    ) -> Stream:
        """Return the answer that streams what is told to `who`; TooManyStreams when there are too many already.

        `may_look` is asked at every heartbeat: who has signed out is told nothing more.
        """
        if self._open.total() >= self._most or self._open[who] >= self._most_each:
            raise TooManyStreams(retry_after_s=5)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return Stream(self._lines(who, telling, may_look, beat_s), media_type="text/event-stream", headers=headers)

    async def _lines(
        self,
        who: str,
        telling: AbstractContextManager[Coming],
        may_look: Callable[[], Awaitable[bool]],
        beat_s: float,
    ) -> AsyncGenerator[bytes]:
        self._open[who] += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            with telling as coming, suppress(Gone):
                while not self._is_closing:
                    event = await self._within(beat_s, coming)
                    if event is not None:
                        yield event
                    elif self._is_closing or not await may_look():
                        return
                    else:
                        yield b":\n\n"
        finally:
            self._open[who] -= 1
            self._open += Counter()

    async def _within(self, beat_s: float, coming: Coming) -> bytes | None:
        """Return the next event; None at the next heartbeat, or when the streams are closed."""
        beat = asyncio.timeout(beat_s)
        try:
            async with beat:
                self._beats.add(beat)
                return await coming()
        except TimeoutError:
            if not beat.expired():
                raise
            return None
        finally:
            self._beats.discard(beat)
