"""A command's way through its states; each function is one unit of work."""

from typing import Any

from mystira.operations.model import LEASE, Command, CommandState, checked_why
from mystira.operations.problems import CommandDiffers
from mystira.operations.views import command as command_of
from mystira.polyglot.work import Work


async def ask(
    work: Work,
    *,
    verb: str,
    collection: str,
    arguments: dict[str, Any],
    who: str,
    why: str,
    command_id: str = "",
) -> Command:
    """Keep what is asked for, for a worker to do. Asking again under the same id asks once."""
    why = checked_why(why)
    if command_id:
        known = await work.get(Command, command_id)
        if known is not None:
            if (known.verb, known.collection, known.arguments, known.who) != (verb, collection, arguments, who):
                raise CommandDiffers
            return known
    asked = Command(
        id=command_id or work.new_id(),
        verb=verb,
        collection=collection,
        arguments=arguments,
        who=who,
        why=why,
        asked_at=work.now,
    )
    work.save(asked)
    return asked


async def take_up(work: Work, *, command_id: str, worker: str) -> Command | None:
    """Make a worker the one that carries a command out; None where another one was faster."""
    found = await command_of(work, command_id)
    if not found.is_due(work.now):
        return None
    taken = found.taken_up(worker, work.now)
    work.save(taken)
    return None if taken.is_over else taken


async def go_on(
    work: Work, *, command_id: str, worker: str, done: int, total: int | None, doing: str
) -> Command | None:
    """Keep how far a command is, and renew its lease; None where it is not this worker's any more."""
    found = await command_of(work, command_id)
    if found.worker != worker or found.is_over:
        return None
    further = found.evolve(done=done, total=total, doing=doing, leased_until=work.now + LEASE)
    work.save(further)
    return further


async def end(
    work: Work,
    *,
    command_id: str,
    worker: str,
    state: CommandState,
    outcome: str,
    facts: dict[str, Any],
    done: int,
    total: int | None,
) -> None:
    """Keep what came of a command, unless another worker has taken it over."""
    found = await command_of(work, command_id)
    if found.worker == worker and not found.is_over:
        work.save(found.evolve(done=done, total=total).ended(state, outcome, facts, work.now))
