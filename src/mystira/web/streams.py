"""Server-sent events: changes are told to whoever looks, until they go, may not look any more, or the server stops."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from litestar.response import Stream

from mystira.polyglot.problem import Kind, Problem

HEARTBEAT_S = 15.0
# A browser that lost its stream comes back after this long; the first thing it is told is how things stand.
RETRY_MS = 2_000
STREAMS_MAX, STREAMS_EACH_MAX = 600, 20


class TooManyStreams(Problem):
    """Too many pages are watching at once. Close one, or look again in a moment."""

    kind = Kind.TOO_MANY


class Told(NamedTuple):
    """One event: its name and its text, which must not need what was told before."""

    event: str
    text: str


class Streams:
    """The open streams of one process: bounded, and ended when the server stops, so that it need not wait for them."""

    def __init__(self, most: int = STREAMS_MAX, most_each: int = STREAMS_EACH_MAX) -> None:
        self._most = most
        self._most_each = most_each
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream."""
        self._closing.set()

    def answer(
        self,
        who: str,
        told: AsyncGenerator[Told],
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
        return Stream(self._lines(who, told, may_look, beat_s), media_type="text/event-stream", headers=headers)

    async def _lines(
        self, who: str, told: AsyncGenerator[Told], may_look: Callable[[], Awaitable[bool]], beat_s: float
    ) -> AsyncGenerator[bytes]:
        self._open[who] += 1
        closing = asyncio.create_task(self._closing.wait())
        coming: asyncio.Task[Told] | None = None
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not closing.done():
                coming = coming or asyncio.create_task(_next(told))
                await asyncio.wait((coming, closing), timeout=beat_s, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield _encoded(coming.result())
                    coming = None
                elif not await may_look():
                    return
                else:
                    yield b":\n\n"
        except StopAsyncIteration:
            return
        finally:
            await _ended(closing, coming)
            await told.aclose()
            self._open[who] -= 1
            self._open += Counter()


async def _next(told: AsyncGenerator[Told]) -> Told:
    return await anext(told)


async def _ended(*tasks: "asyncio.Task[Any] | None") -> None:
    for task in tasks:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await task


def _encoded(told: Told) -> bytes:
    lines = "".join(f"data: {line}\n" for line in told.text.splitlines() or [""])
    return f"event: {told.event}\n{lines}\n".encode()
