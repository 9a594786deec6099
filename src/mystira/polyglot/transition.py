"""Takes a collection from one phase to the next, or back. The control row is the only arbiter.

Where the leader changes, the collection is drained first: nobody may have a write on its way when the row flips, and
both stores must hold the same. Whoever finds a transition past its deadline may abort it; then nothing has changed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import (
    Control,
    State,
    control_of,
    copy_may_become,
    heal_copy,
    next_n,
    read_copy,
    write_copy,
)
from mystira.polyglot.equality import is_caught_up, is_equal
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.leadership import abort
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Conflict, OutcomeUnknown, StoreError

DEADLINE_S = 60.0
TRIES = 6


class NotTheNextPhase(Problem):
    """{collection} is in {phase}: from there one step leads to its neighbours, not to {target}."""

    kind = Kind.UNPROCESSABLE


class NotReady(Problem):
    """{collection} cannot go to {target} yet: {reason}."""

    kind = Kind.CONFLICT


class TransitionRunning(Problem):
    """{collection} is on its way to {target} already ({coordinator}). Wait for it, or abort it."""

    kind = Kind.CONFLICT


class TransitionAborted(Problem):
    """{collection} stays in {phase}: {reason}. Nothing was changed."""

    kind = Kind.CONFLICT


async def change_phase(
    r: Replication, collection: Collection[Any], target: Phase, *, actor: str, why: str, deadline_s: float = DEADLINE_S
) -> Control:
    """Bring a collection to a neighbouring phase; return its control row then. Repeating it changes nothing.

    Refused with a Problem that says why; after TransitionAborted everything is as it was before.
    """
    row = await r.row(collection)
    if row.state is not State.OPEN:
        if row.deadline is not None and r.clock() < row.deadline:
            raise TransitionRunning(collection=collection.name, target=row.target, coordinator=row.coordinator)
        row = await end_transition(r, collection, actor=actor, why="nobody finished it in time")
    if row.phase is target:
        return await _complete(r, collection, row)
    if not row.phase.is_next_to(target):
        raise NotTheNextPhase(collection=collection.name, phase=row.phase, target=target)
    if target.leader is row.leader:
        return await _step(r, collection, row, target, actor, why)
    _refuse_incomplete(row, target)
    draining = await _drain(r, row, target, actor, why, deadline_s)
    move = _to_relational if target.leader is Leader.RELATIONAL else _to_documents
    try:
        async with asyncio.timeout(deadline_s):
            return await move(r, collection, draining, actor, why)
    except (StoreError, TimeoutError) as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error)
        return await _settle(r, collection, draining, actor, reason)


async def end_transition(r: Replication, collection: Collection[Any], *, actor: str, why: str) -> Control:
    """Abort whatever transition is under way; return the row then. Without one, nothing happens."""
    row = await r.row(collection)
    copy = await read_copy(r.documents, row.id)
    told = None if copy is None else control_of(copy)
    return await abort(r.journal, r.documents, row, told, r.noted("abort", row, row, actor, why))


def _refuse_incomplete(row: Control, target: Phase) -> None:
    if not row.complete:
        raise NotReady(collection=row.id, target=target, reason="the other store does not hold everything yet")


async def _step(
    r: Replication, collection: Collection[Any], row: Control, target: Phase, actor: str, why: str
) -> Control:
    """The leader stays: one change of the row, and of what follows it."""
    if target is Phase.DUAL_WRITE_COSMOS_READ:
        _refuse_incomplete(row, target)
    dual = target in (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)
    complete = target is Phase.DUAL_WRITE_COSMOS_READ
    after = row.opened(await next_n(r.documents, row), phase=target, copying=dual, complete=complete)
    await r.journal.change(row, after, r.noted("step", row, after, actor, why))
    return await _complete(r, collection, after)


async def _complete(r: Replication, collection: Collection[Any], row: Control) -> Control:
    """Do what belongs to the phase that the row is in already, as far as a crash left it undone."""
    if row.phase is Phase.DUAL_WRITE_POSTGRES_READ and not row.complete:
        await r.journal.relay_refill(collection, row.n)
        row = await r.row(collection)
    await heal_copy(r.documents, row)
    return row


async def _drain(r: Replication, row: Control, target: Phase, actor: str, why: str, deadline_s: float) -> Control:
    draining = row.evolve(
        n=await next_n(r.documents, row),
        state=State.DRAIN,
        target=target,
        coordinator=r.name,
        deadline=r.clock() + timedelta(seconds=deadline_s),
    )
    await r.journal.change(row, draining, r.noted("drain", row, draining, actor, why))
    return draining


async def _to_relational(
    r: Replication, collection: Collection[Any], draining: Control, actor: str, why: str
) -> Control:
    await _tell_copy(r, draining)
    # From here on, for as long as a lease and the longest request last, a write may still arrive.
    await wait_for_silence(r)
    follower = FeedFollower([collection], r.documents, r.relational, clock=r.clock, owner=r.name)
    await _until(r, lambda: _is_drained(r, collection, follower))
    # While the copy drains anyone may reopen it; once it commits, only the row decides.
    await _tell_copy(r, draining.evolve(state=State.COMMITTING))
    flipped = draining.opened(draining.n + 1, phase=draining.target, epoch=next_epoch(draining), complete=True)
    await r.journal.change(draining, flipped, r.noted("flip", draining, flipped, actor, why))
    await heal_copy(r.documents, flipped)
    return flipped


async def _to_documents(
    r: Replication, collection: Collection[Any], draining: Control, actor: str, why: str
) -> Control:
    relay = ReverseRelay(r.catalog, r.documents, r.relational, clock=r.clock)
    await _until(r, lambda: _is_relayed(r, collection, relay))
    flipped = draining.opened(
        draining.n + 1, phase=draining.target, epoch=next_epoch(draining), copying=True, complete=True
    )
    await r.journal.change(draining, flipped, r.noted("flip", draining, flipped, actor, why), drained=True)
    await heal_copy(r.documents, flipped)
    return flipped


def next_epoch(control: Control) -> int:
    """Return the epoch of the next leader: its stamps are above all that the one before it gave."""
    return control.epoch + 1


async def wait_for_silence(r: Replication) -> None:
    """Wait until nobody who was not told of the drain can still have a write on its way."""
    await r.sleep(r.tempo.silence_s)


async def _is_drained(r: Replication, collection: Collection[Any], follower: FeedFollower) -> bool:
    await follower.follow(collection)
    return await is_caught_up(r, collection) and await is_equal(r, collection)


async def _is_relayed(r: Replication, collection: Collection[Any], relay: ReverseRelay) -> bool:
    await relay.step(collection.name)
    waiting = await r.journal.relay_pending(collection.name)
    return waiting.waiting + waiting.parked == 0 and await is_equal(r, collection)


async def _until(r: Replication, done: Callable[[], Awaitable[bool]]) -> None:
    while not await done():
        await r.sleep(r.tempo.poll_s)


async def _tell_copy(r: Replication, control: Control) -> None:
    """Bring the copy to a state and see it there; Conflict when it must not go there any more."""
    for _ in range(TRIES):
        copy = await read_copy(r.documents, control.id)
        if copy is not None and control_of(copy) == control:
            return
        if not copy_may_become(copy, control):
            break
        try:
            await write_copy(r.documents, copy, control)
        except (Conflict, OutcomeUnknown):
            await r.sleep(r.tempo.poll_s)
            continue
        return
    raise Conflict(f"{control.id}: its control copy was moved by somebody else")


async def _settle(r: Replication, collection: Collection[Any], draining: Control, actor: str, reason: str) -> Control:
    """After trouble: find out whether the flip was committed all the same, else abort it."""
    row = await r.row(collection)
    if row.n == draining.n:
        try:
            row = await end_transition(r, collection, actor=actor, why=reason)
        except Conflict:
            # It ended at the same moment, by the flip or by a writer who found it overdue: the row tells which.
            row = await r.row(collection)
    if row.phase is draining.target:
        await heal_copy(r.documents, row)
        return row
    raise TransitionAborted(collection=collection.name, phase=row.phase, reason=reason)
