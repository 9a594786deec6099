"""The in-process bus: takes facts from the durable outbox and gives them to the reactions, in order per key.

A fact leaves the outbox only when every reaction has committed its effect; a crash in between delivers it again,
and the marks on the records make the second time a no-op. A reaction that keeps failing parks its fact, which holds
back later facts of the same key only.
"""

import asyncio
from datetime import timedelta

import structlog

from mystira.polyglot.events import EventTypes
from mystira.polyglot.journal import Journal, OutboxEvent
from mystira.polyglot.measures import EVENTS, PUBLISH_LAG
from mystira.polyglot.reaction import Reactions
from mystira.polyglot.together import together
from mystira.polyglot.work import Works

log = structlog.get_logger(__name__)

BATCH = 50
LEASE_S = 30.0
ATTEMPTS_MAX = 10
BACK_OFF_S_MAX = 60.0


class OutboxPump:
    """Delivers the outbox to this process's reactions; several processes may pump at once."""

    def __init__(
        self, works: Works, journal: Journal, reactions: Reactions, *, at_once: int = 8, lease_s: float = LEASE_S
    ) -> None:
        self._works = works
        self._journal = journal
        self._reactions = reactions
        self._types = EventTypes(reactions.events)
        self._at_once = asyncio.Semaphore(at_once)
        self._lease_s = lease_s

    async def step(self) -> int:
        """Deliver one batch; return how many facts were settled, retried or parked."""
        events = await self._journal.claim_events(BATCH, self._works.clock(), self._lease_s)
        if events:
            delivered = await together(self._deliver(event) for event in events)
            settled = [event for event, done in zip(events, delivered, strict=True) if done]
            if settled:
                await self._journal.settle(settled)
        return len(events)

    async def _deliver(self, stored: OutboxEvent) -> bool:
        event = self._types.load(stored)
        if event is None:
            return True
        async with self._at_once:
            try:
                await self._reactions.deliver(self._works, event)
            except Exception as error:  # noqa: BLE001 - the fact stays in the outbox: retried, then parked for a person.
                await self._failed(stored, f"{type(error).__name__}: {error}")
                return False
        EVENTS.add("delivered")
        PUBLISH_LAG.observe(max((self._works.clock() - stored.occurred_at).total_seconds(), 0.0))
        return True

    async def _failed(self, stored: OutboxEvent, error: str) -> None:
        now = self._works.clock()
        log.warning("reaction_failed", fact=stored.type, event_id=stored.event_id, attempts=stored.attempts + 1)
        if stored.attempts + 1 >= ATTEMPTS_MAX:
            EVENTS.add("parked")
            await self._journal.park(stored, error, now)
        else:
            EVENTS.add("retried")
            pause_s = min(0.2 * (1 << stored.attempts), BACK_OFF_S_MAX)
            await self._journal.retry(stored, error, now + timedelta(seconds=pause_s))
