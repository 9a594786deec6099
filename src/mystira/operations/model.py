"""What somebody asked a worker to do, from asking to the outcome."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mystira.operations.problems import WhyMissing
from mystira.polyglot.entity import Entity

WHY_LENGTH_MAX = 500
LEASE = timedelta(seconds=30)
TRIES_MAX = 5
PATIENCE = timedelta(seconds=10)


class CommandState(StrEnum):
    """REFUSED: a rule was against it, and nothing was done. FAILED: something broke on the way."""

    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


UNDER_WAY = (CommandState.ASKED, CommandState.RUNNING)


class Command(Entity, frozen=True, kw_only=True):
    """One thing asked for: what, by whom, why, and what came of it. `outcome` is a sentence, `facts` the details.

    `worker` carries it out until `leased_until`; after that its worker is taken for dead, and another one goes on.
    """

    verb: str
    collection: str = ""
    arguments: dict[str, Any] = {}
    who: str
    why: str
    state: CommandState = CommandState.ASKED
    asked_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: str = ""
    leased_until: datetime | None = None
    tries: int = 0
    done: int = 0
    total: int | None = None
    doing: str = ""
    outcome: str = ""
    facts: dict[str, Any] = {}

    @property
    def is_over(self) -> bool:
        """Whether it has an outcome."""
        return self.state not in UNDER_WAY

    def is_due(self, now: datetime) -> bool:
        """Whether somebody should begin it, or go on with it."""
        if self.state is CommandState.ASKED:
            return True
        return self.state is CommandState.RUNNING and (self.leased_until is None or self.leased_until <= now)

    def left_alone(self, now: datetime) -> str:
        """Return what to do where nobody works on it though somebody should; empty while all is well."""
        if self.state is CommandState.ASKED and now - self.asked_at > PATIENCE:
            return "No worker has taken this up yet. Where none runs, start one: mystira run worker"
        if self.state is CommandState.RUNNING and self.is_due(now):
            return (
                "Its worker has ended, and the next one begins it anew. Where none runs, start one: mystira run worker"
            )
        return ""

    def taken_up(self, worker: str, now: datetime) -> "Command":
        """Return it as this worker carries it out; one whose workers keep dying is given up."""
        if self.tries >= TRIES_MAX:
            given_up = f"{self.tries} workers ended in the middle of it. Their logs tell why; mend that, then ask anew."
            return self.ended(CommandState.FAILED, given_up, {}, now)
        return self.evolve(
            state=CommandState.RUNNING,
            worker=worker,
            leased_until=now + LEASE,
            started_at=self.started_at or now,
            tries=self.tries + 1,
        )

    def ended(self, state: CommandState, outcome: str, facts: dict[str, Any], now: datetime) -> "Command":
        """Return it with its outcome."""
        return self.evolve(
            state=state, outcome=outcome, facts=facts, ended_at=now, leased_until=None, doing="", worker=self.worker
        )


def checked_why(why: str) -> str:
    """Return the reason in good order; WhyMissing where there is none."""
    why = " ".join(why.split())
    if not 3 <= len(why) <= WHY_LENGTH_MAX:
        raise WhyMissing(most=WHY_LENGTH_MAX)
    return why
