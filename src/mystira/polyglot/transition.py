"""Takes a collection from one phase to the next, or back. The control row is the only arbiter.

Where the leader changes, the collection is drained first: nobody may have a write on its way when the row flips, and
both stores must hold the same. Whoever finds a transition past its deadline may abort it; then nothing has changed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.agreement import Comparison
from mystira.polyglot.certificate import Certificate, Gate, as_json, read_certificate, sealed
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
from mystira.polyglot.drains import hear_writers
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.frontier import Sentinels, has_all_come_through
from mystira.polyglot.leadership import abort
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Conflict, OutcomeUnknown, StoreError, Throttled, Unavailable

DEADLINE_S = 60.0
TRIES = 6
FLIP = "flip"


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


class BudgetSpent(StoreError):
    """Too many writes were refused while the collection was held."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of leader is made under: how long it may take, how many writes it may turn away, and the gates
    that were looked at before, for the certificate."""

    deadline_s: float = DEADLINE_S
    refused_max: int | None = None
    gates: tuple[Gate, ...] = ()


UNHURRIED = Terms()


async def change_phase(
    r: Replication, collection: Collection[Any], target: Phase, *, actor: str, why: str, terms: Terms = UNHURRIED
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
    draining = await _drain(r, row, target, actor, why, terms.deadline_s)
    move = _to_relational if target.leader is Leader.RELATIONAL else _to_documents
    try:
        async with asyncio.timeout(terms.deadline_s):
            return await move(_Move(r, collection, draining, actor, why, terms))
    except (StoreError, TimeoutError) as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error)
        return await _settle(r, collection, draining, actor, reason)


class _Move(NamedTuple):
    """One change of leader on its way."""

    r: Replication
    collection: Collection[Any]
    draining: Control
    actor: str
    why: str
    terms: Terms


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
    if _is_half_done(row):
        # Whoever retires the documents does so under a lease that PostgreSQL leads alone;
        # whatever is removed under it is gone by the time the relay looks.
        await wait_for_silence(r)
        await r.journal.relay_refill(collection, row.n)
        row = await r.row(collection)
    await heal_copy(r.documents, row)
    return row


async def pick_up(r: Replication) -> int:
    """Do what dead coordinators left undone; return how many collections that was about.

    An overdue transition is ended: where the row drains and the copy was never told, no writer would ever notice. A
    step to DualWritePostgresRead is finished, whose coordinator died before the relay was filled.
    """
    known = {collection.name for collection in r.catalog}
    rows = [row for row in await r.journal.controls() if row.id in known]
    left = [row for row in rows if is_overdue(r, row) or _is_half_done(row)]
    if any(_is_half_done(row) for row in left):
        # A coordinator that lives is given time; beside it, all this would be done twice, to no harm.
        await wait_for_silence(r)
    done = 0
    for before in left:
        collection = r.catalog.named(before.id)
        row = await r.row(collection)
        if row.n != before.n:
            continue
        if is_overdue(r, row):
            await end_transition(r, collection, actor=r.name, why="nobody finished it in time")
            done += 1
        elif _is_half_done(row):
            await _complete(r, collection, row)
            done += 1
    return done


def is_overdue(r: Replication, row: Control) -> bool:
    """Tell whether a transition is past its deadline: whoever comes by may end it."""
    return row.state is State.DRAIN and row.deadline is not None and row.deadline <= r.clock()


def _is_half_done(row: Control) -> bool:
    return row.phase is Phase.DUAL_WRITE_POSTGRES_READ and not row.complete


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


async def _to_relational(move: _Move) -> Control:
    r, collection, draining = move.r, move.collection, move.draining
    await _tell_copy(r, draining)
    held_from = r.clock()
    # From here on, until its writers have stood down or a lease and the longest request are over, one may still arrive.
    heard = await hear_writers(r, draining)
    # Writers are held meanwhile, so it does not wait for whoever has leased a range: the position guards alone.
    follower = FeedFollower([collection], r.documents, r.relational, clock=r.clock, owner=r.name, lease_s=None)
    sentinels, comparison = Sentinels(r, collection, draining), Comparison(r, collection)
    await _until(move, lambda: _is_drained(r, collection, follower, sentinels, comparison))
    # While the copy drains anyone may reopen it; once it commits, only the row decides.
    await _tell_copy(r, draining.evolve(state=State.COMMITTING))
    flipped = draining.opened(draining.n + 1, phase=draining.target, epoch=next_epoch(draining), complete=True)
    frontier = {range_id: key.id for range_id, key in sentinels.found.items()}
    proofs = {"answered": heard.answered, "silent": heard.silent, "frontier": frontier}
    certificate = await _certificate(move, flipped, held_from, comparison, **proofs)
    return await _flip(move, flipped, certificate)


async def _to_documents(move: _Move) -> Control:
    # Its change of the row has waited for every fenced write, so nobody has one on its way.
    r, collection, draining = move.r, move.collection, move.draining
    held_from = r.clock()
    # Writers are held meanwhile, so it does not wait for whoever has leased a task: two relays do no harm.
    relay = ReverseRelay(r.catalog, r.documents, r.relational, clock=r.clock, lease_s=None)
    comparison = Comparison(r, collection)
    await _until(move, lambda: _is_relayed(r, collection, relay, comparison))
    flipped = draining.opened(
        draining.n + 1, phase=draining.target, epoch=next_epoch(draining), copying=True, complete=True
    )
    return await _flip(move, flipped, await _certificate(move, flipped, held_from, comparison), drained=True)


async def _flip(move: _Move, flipped: Control, certificate: Certificate, *, drained: bool = False) -> Control:
    r, draining = move.r, move.draining
    change = r.noted(FLIP, draining, flipped, move.actor, move.why)
    change = msgspec.structs.replace(change, details=as_json(certificate))
    await r.journal.change(draining, flipped, change, drained=drained)
    await heal_copy(r.documents, flipped)
    return flipped


async def _certificate(
    move: _Move, flipped: Control, held_from: datetime, comparison: Comparison, **proofs: Any
) -> Certificate:
    r, draining = move.r, move.draining
    before = await r.journal.history(draining.id, 1, FLIP)
    certificate = Certificate(
        collection=draining.id,
        before=draining.phase,
        after=flipped.phase,
        n=flipped.n,
        epoch=flipped.epoch,
        at=r.clock(),
        coordinator=r.name,
        actor=move.actor,
        why=move.why,
        held_s=(r.clock() - held_from).total_seconds(),
        refused=sum((await r.journal.acknowledged(draining.id, draining.n)).values()),
        gates=move.terms.gates,
        previous=before[0].details.get("seal", "") if before else "",
        documents=comparison.agreement and comparison.agreement.documents,
        relational=comparison.agreement and comparison.agreement.relational,
        **proofs,
    )
    return sealed(certificate)


async def certificates_of(r: Replication, collection: Collection[Any], limit: int = 1_000) -> list[Certificate]:
    """Return the certificates of a collection's last changes of leader, the oldest first; NotGenuine where tampered."""
    flips = await r.journal.history(collection.name, limit, FLIP)
    return [read_certificate(flip.details) for flip in reversed(flips) if flip.details]


def next_epoch(control: Control) -> int:
    """Return the epoch of the next leader: its stamps are above all that the one before it gave."""
    return control.epoch + 1


async def wait_for_silence(r: Replication) -> None:
    """Wait until nobody who was not told of the drain can still have a write on its way."""
    await r.sleep(r.tempo.silence_s)


async def _is_drained(
    r: Replication, collection: Collection[Any], follower: FeedFollower, sentinels: Sentinels, comparison: Comparison
) -> bool:
    # Planted first, so that the follower meets them at once and writers are held no longer than it takes.
    await sentinels.plant()
    await follower.follow(collection)
    if not (follower.is_at_end(collection) and await has_all_come_through(r, collection, sentinels)):
        return False
    return await comparison.agrees()


async def _is_relayed(r: Replication, collection: Collection[Any], relay: ReverseRelay, comparison: Comparison) -> bool:
    await relay.step(collection.name)
    waiting = await r.journal.relay_pending(collection.name)
    return waiting.waiting + waiting.parked == 0 and await comparison.agrees()


async def _until(move: _Move, done: Callable[[], Awaitable[bool]]) -> None:
    while not await _patiently(done):
        await _refuse_overspent(move)
        await move.r.sleep(move.r.tempo.poll_s)


async def _patiently(done: Callable[[], Awaitable[bool]]) -> bool:
    """Ask, and take a store that does not answer for "not yet": the deadline ends it, not one lost packet."""
    try:
        return await done()
    except (Unavailable, Throttled, OutcomeUnknown):
        return False


async def _refuse_overspent(move: _Move) -> None:
    allowed = move.terms.refused_max
    if allowed is None:
        return
    refused = sum((await move.r.journal.acknowledged(move.draining.id, move.draining.n)).values())
    if refused > allowed:
        raise BudgetSpent(f"{refused} writes were turned away, and only {allowed} may be")


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
