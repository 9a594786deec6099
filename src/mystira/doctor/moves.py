"""Looks at every collection's way between the stores: what stands still, waits too long, or was given up."""

from mystira.doctor.findings import Finding, fine, worth_knowing, wrong
from mystira.polyglot.control import Control, State, control_of, read_copy
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.syncqueue import sync_queue

BEHIND_S = 60.0
EVENTS_MANY = 10_000


async def examine_moves(r: Replication) -> list[Finding]:
    """Look at transitions, at what waits between the stores, at dead letters and events."""
    rows = [await r.row(collection) for collection in r.catalog]
    stuck = [finding for row in rows if (finding := await _transition(r, row)) is not None]
    moving = stuck or [fine("transitions", "none is under way, and none was left half done")]
    return [*moving, await _lag(r), await _letters(r), await _events(r)]


async def _transition(r: Replication, row: Control) -> Finding | None:
    name = row.id
    if row.state is not State.OPEN:
        if row.deadline is not None and row.deadline > r.clock():
            return worth_knowing("transitions", f"{name} is being moved to {row.target}", "Wait a moment, look again.")
        advice = f"Take it back: mystira migrate abort {name}"
        return wrong("transitions", f"{name} is stuck on its way to {row.target}", advice)
    if row.phase is Phase.DUAL_WRITE_POSTGRES_READ and not row.complete:
        advice = f"A running worker ends it; without one: mystira migrate reopen {name} --wait"
        return worth_knowing("transitions", f"{name} was reopened, and that was left half done", advice)
    copy = await read_copy(r.documents, name)
    if copy is not None and control_of(copy).n > row.n:
        found = f"{name}: the copy of its control row is ahead of the row"
        return worth_knowing(
            "transitions", found, "Somebody ended a move while PostgreSQL was away; the next step heals it."
        )
    return None


async def _lag(r: Replication) -> Finding:
    late: list[str] = []
    waiting = 0
    for collection in r.catalog:
        queue = await sync_queue(r, collection)
        waiting += queue.changes_behind + queue.relay_waiting
        if queue.changes_behind and queue.seconds_behind > BEHIND_S:
            late.append(f"{collection.name} ({queue.seconds_behind:.0f} s)")
    if late:
        advice = "Look whether a worker runs, and what its log says: docs/runbooks/lag-growing.md"
        return worth_knowing("lag", f"nobody carries over what waits in {', '.join(late)}", advice)
    changes = "1 change waits" if waiting == 1 else f"{waiting} changes wait"
    return fine("lag", f"{changes} between the stores")


async def _letters(r: Replication) -> Finding:
    some = await r.journal.letters(LetterFilter(parked=True, limit=1))
    if some:
        advice = "See what they are: mystira migrate dead-letters list"
        return worth_knowing("dead letters", "there are some that nobody tries any more", advice)
    return fine("dead letters", "there are none")


async def _events(r: Replication) -> Finding:
    pending = await r.journal.pending()
    found = f"{pending.waiting} wait, {pending.retrying} are tried again, {pending.parked} were set aside"
    if pending.parked:
        advice = "The log of the worker tells which reaction failed. Later events of the same records wait for them."
        return worth_knowing("events", found, advice)
    if pending.waiting > EVENTS_MANY:
        return worth_knowing("events", found, "Look whether a worker runs.")
    return fine("events", found)
