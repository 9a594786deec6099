"""What wakes one waiting task of a simulated process."""

import asyncio

from tests.storms.loop import StormLoop


class Bell:
    """Wakes one task: asyncio.Event and asyncio.timeout in one, at a tenth of the price."""

    def __init__(self, loop: StormLoop) -> None:
        self._loop = loop
        self.rung = False
        self._waiter: asyncio.Future[None] | None = None

    def clear(self) -> None:
        """Forget what rang so far."""
        self.rung = False

    def ring(self) -> None:
        """Wake who waits, and let nobody who is about to wait miss it."""
        self.rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings, but no longer than this; tell whether it rang."""
        if not self.rung:
            self._waiter = self._loop.pause(seconds)
            await self._waiter
        return self.rung
