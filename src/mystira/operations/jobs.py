"""Carries out what was asked for: every worker takes commands up, under a lease that it keeps renewing.

A worker that dies stops renewing, and after the lease another one does the verb once more: verbs may be done twice.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import structlog

from mystira.operations.actions import asking
from mystira.operations.actions.doing import Doing, Outcome, plain
from mystira.operations.actions.verbs import arguments_of, verb_named
from mystira.operations.model import Command, CommandState
from mystira.operations.views import due
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import StoreError
from mystira.polyglot.work import Works

log = structlog.get_logger(__name__)

RENEW_S = 2.0


class _Far(NamedTuple):
    done: int = 0
    total: int | None = None
    doing: str = ""


class CommandRunner:
    """One hand of a worker: it carries out one command at a time. A worker has several, so that none waits for long."""

    def __init__(self, works: Works, r: Replication, *, hand: int = 1, renew_s: float = RENEW_S) -> None:
        self._works = works
        self._r = r
        self._name = f"{r.name}/{hand}"
        self._renew_s = renew_s

    async def step(self) -> int:
        """Carry out one command that is due; return how many there were."""
        work = self._works.open()
        for waiting in await due(work, work.now):
            taken = await self._works.run(asking.take_up, command_id=waiting.id, worker=self._name)
            if taken is not None:
                # Whoever had it before has lost its lease, and so is taken for dead.
                await self._carry_out(taken, died=waiting.worker.partition("/")[0])
                return 1
        return 0

    async def _carry_out(self, command: Command, *, died: str) -> None:
        far = [_Far()]
        doing = asyncio.ensure_future(self._do(command, died, lambda *told: far.__setitem__(0, _Far(*told))))
        renewing = asyncio.ensure_future(self._renew(command, lambda: far[0]))
        try:
            await asyncio.wait((doing, renewing), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                # Its lease was lost: whoever has it now does what is left.
                return
            state, outcome = doing.result()
        finally:
            for task in (doing, renewing):
                task.cancel()
            await asyncio.gather(doing, renewing, return_exceptions=True)
        await self._works.run(
            asking.end,
            command_id=command.id,
            worker=self._name,
            state=state,
            outcome=outcome.says,
            facts=outcome.facts,
            done=far[0].done,
            total=far[0].total,
        )

    async def _do(self, command: Command, died: str, tell: Callable[..., None]) -> tuple[CommandState, Outcome]:
        """Do the verb; what it raises is an outcome, too."""
        try:
            verb = verb_named(command.verb)
            arguments = arguments_of(command.verb, command.arguments, strict=False)
            collection = self._r.catalog.named(command.collection) if command.collection else None
            doing = Doing(self._r, collection, command.who, command.why, tell, died)
            return CommandState.DONE, await verb.do(doing, arguments)
        except StoreError as error:
            return CommandState.FAILED, Outcome(str(error), {"code": error.code})
        except Problem as refusal:
            facts = {"code": refusal.code, **plain_facts(refusal)}
            state = CommandState.FAILED if refusal.kind is Kind.UNAVAILABLE else CommandState.REFUSED
            return state, Outcome(str(refusal), facts)
        except Exception as error:
            log.error("command_failed", command=command.id, verb=command.verb, exc_info=error)
            return CommandState.FAILED, Outcome(f"Something broke on our side: {type(error).__name__}: {error}")

    async def _renew(self, command: Command, far: Callable[[], _Far]) -> None:
        """Keep the lease, and tell how far it is; return when the lease is somebody else's."""
        while True:
            await asyncio.sleep(self._renew_s)
            # The lease outlasts many renewals, so one that fails is made good by the next.
            with suppress(StoreError):
                kept = await self._works.run(asking.go_on, command_id=command.id, worker=self._name, **far()._asdict())
                if kept is None:
                    return


def plain_facts(refusal: Problem) -> dict[str, Any]:
    """Return a refusal's facts as JSON can hold them."""
    return {name: plain(value) for name, value in refusal.facts.items()}
