"""Removes tombstones for good, once nothing can need them any more.

A tombstone is what keeps a removed record from coming back, so it goes only when both sides hold the same one and its
events are told. Before that, new keys are made to start above every seq that goes (`Control.floor`), everything older
is carried over, and then `Control.purged` says that what is absent up to there was removed: a late old version of it
is refused by every merge. The follower loses the tombstone first, the leader second; a crash in between is finished by
the next run.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import structlog

from mystira.polyglot.backfill import DONE
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State, heal_copy, next_n
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.journal import LetterFilter, LetterKind, Tombstone
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.positions import Stream
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import DAYS_KEPT, REPORTS_KEPT
from mystira.polyglot.spill import sweep_spills
from mystira.polyglot.store import Conflict, OutcomeUnknown, Record, StoreError
from mystira.polyglot.transition import wait_for_silence
from mystira.polyglot.walking import ended_ranges, every_page

OLDER_THAN_S = 30 * 24 * 3600.0
SPILLS_OLDER_THAN_S = 24 * 3600.0
AT_ONCE = 10_000
CATCH_UP_S = 60.0
TRIES = 6
EVERY_S = 24 * 3600.0


log = structlog.get_logger(__name__)


class NotNow(Problem):
    """{collection} cannot be purged just now: {reason}. Nothing was removed; try again later."""

    kind = Kind.CONFLICT


class _Ready(NamedTuple):
    """A tombstone that may go: its document, where there is one, and whether it has a row."""

    tombstone: Tombstone
    document: Record | None
    has_row: bool
    seq: int


async def purge_in_turn(r: Replication, *, older_than_s: float = OLDER_THAN_S) -> int:
    """Purge every collection that nobody has purged for a day, and its old reports; return how many tombstones went."""
    gone = 0
    for collection in r.catalog:
        # Nobody renews this lease, not even its owner, so there is one purge a day however many processes ask.
        turn = f"{r.name} {r.clock().isoformat()}"
        if await r.journal.lease_range(collection.name, Stream.PURGE, "all", turn, r.clock(), EVERY_S) is None:
            continue
        await r.relational.reports.forget(collection.name, r.clock() - timedelta(days=DAYS_KEPT), REPORTS_KEPT)
        try:
            gone += await purge_tombstones(
                r, collection, older_than_s=older_than_s, actor=r.name, why="removed long enough ago"
            )
        except (NotNow, StoreError) as error:
            # Tombstones do no harm: a day later it is tried again.
            log.info("purge_put_off", collection=collection.name, reason=str(error))
    return gone


async def purge_tombstones(
    r: Replication, collection: Collection[Any], *, older_than_s: float = OLDER_THAN_S, actor: str, why: str
) -> int:
    """Remove the tombstones that were first seen that long ago; return how many are gone.

    The first run only notes what it finds, for tombstones do not know when they were made.
    """
    row = await r.row(collection)
    await _refuse(r, collection, row)
    await r.journal.note_tombstones(collection.name, await _found(r, collection, row), r.clock())
    before = r.clock() - timedelta(seconds=older_than_s)
    # Whatever age is asked for: a replica that lags shows a record as it was before it referred to its spill.
    await sweep_spills(r.documents, collection, min(before, r.clock() - timedelta(seconds=SPILLS_OLDER_THAN_S)))
    old = await r.journal.old_tombstones(collection.name, before, AT_ONCE)
    ready = await _those_ready(r, collection, row, old)
    if not ready:
        return 0
    row = await _make_way(r, collection, row, max(one.seq for one in ready), actor, why)
    # What was looked at before the wait may have been written over since.
    again = await _those_ready(r, collection, row, [one.tombstone for one in ready])
    gone = [one.tombstone for one in again if await _remove(r, collection, row, one)]
    await _forget_removed(r, collection, gone)
    verb = f"purge {len(gone)} tombstones"
    await r.journal.note(Change(collection=row.id, verb=verb, actor=actor, why=why, at=r.clock(), n=row.n))
    return len(gone)


async def _refuse(r: Replication, collection: Collection[Any], row: Control) -> None:
    job = await r.journal.backfill(collection.name)
    if row.state is not State.OPEN:
        raise NotNow(collection=collection.name, reason="it is on its way to another phase")
    if job is not None and job.state != DONE and row.copying:
        raise NotNow(collection=collection.name, reason="its backfill is not done")
    for kind in (LetterKind.MERGE, LetterKind.UNREADABLE):
        # Such a record has no row and lives all the same.
        if await r.journal.letters(LetterFilter(collection=collection.name, kind=kind, limit=1)):
            raise NotNow(collection=collection.name, reason="records that could not be carried over wait for somebody")


async def _found(r: Replication, collection: Collection[Any], row: Control) -> Sequence[Tombstone]:
    """Return the tombstones of the leader: what the follower has beside them is not yet, or no more, the same."""
    if row.leader is Leader.RELATIONAL:
        return await r.journal.tombstones(collection, AT_ONCE)
    records = [item.record async for page in every_page(r.documents, collection) for item in page.items]
    return [Tombstone(one.key, one.stamp) for one in records if isinstance(one, Record) and one.deleted]


async def _those_ready(
    r: Replication, collection: Collection[Any], row: Control, tombstones: Sequence[Tombstone]
) -> list[_Ready]:
    """Return those that both sides agree on; forget the notes of those that are no tombstones any more."""
    ready: list[_Ready] = []
    outdated: list[Tombstone] = []
    removed: list[Tombstone] = []
    for tombstone in tombstones:
        document = await r.documents.read(collection, tombstone.key)
        stands = await r.relational.read(collection, tombstone.key)
        leading = document if row.leader is Leader.DOCUMENTS else stands
        if not _is_this(leading, tombstone):
            (removed if document is None else outdated).append(tombstone)
        elif _is_settled(row, tombstone, document, stands) and await _is_told(r, collection, document):
            counted = max(one.event_seq for one in (document, stands) if one is not None)
            ready.append(_Ready(tombstone, document, stands is not None, max(tombstone.stamp.seq, counted)))
    await _forget_removed(r, collection, removed)
    await r.journal.forget_tombstones(collection.name, [tombstone.key for tombstone in outdated])
    return ready


async def _forget_removed(r: Replication, collection: Collection[Any], removed: Sequence[Tombstone]) -> None:
    """Forget those without a document. The feed tells of no removal, so digests hear it here; after a crash, again."""
    await r.relational.digests.take_out(collection.name, removed)
    await r.journal.forget_tombstones(collection.name, [tombstone.key for tombstone in removed])


def _is_this(record: Record | None, tombstone: Tombstone) -> bool:
    return record is not None and record.deleted and record.stamp == tombstone.stamp


def _is_settled(row: Control, tombstone: Tombstone, document: Record | None, stands: Record | None) -> bool:
    """Tell whether both sides hold this tombstone, or the one side that has none keeps nothing or lost it already."""
    if document is not None and stands is not None:
        same = (document.stamp, document.op) == (stands.stamp, stands.op)
        return same and _is_this(document, tombstone) and _is_this(stands, tombstone)
    keeps_both = row.copying or row.phase is Phase.DUAL_WRITE_POSTGRES_READ
    return not keeps_both or tombstone.stamp.seq <= row.purged


async def _is_told(r: Replication, collection: Collection[Any], document: Record | None) -> bool:
    """Tell whether the events that the document still carries have been copied."""
    if document is None or not (document.events or document.spilled):
        return True
    last = document.events[-1].seq if document.events else document.spilled[-1].last
    through = await r.journal.copied_through(collection.name, [document.key])
    return through.get(document.key, 0) >= last


async def _make_way(
    r: Replication, collection: Collection[Any], row: Control, seq: int, actor: str, why: str
) -> Control:
    """Let new keys start above `seq`, carry everything older over, then declare what is absent removed."""
    if row.floor < seq:
        row = await _change(r, row, "raise the floor", actor, why, floor=seq)
    await _heal(r, row)
    if row.purged >= seq:
        return row
    # Whoever writes above the old floor, or to the documents although they no longer lead, does so under a lease that
    # ends meanwhile.
    await wait_for_silence(r)
    await _carry_over(r, collection)
    await _refuse(r, collection, await r.row(collection))
    row = await _change(r, row, "purge", actor, why, purged=seq)
    await _heal(r, row)
    return row


async def _change(r: Replication, row: Control, verb: str, actor: str, why: str, **changes: Any) -> Control:
    after = row.evolve(n=await next_n(r.documents, row), **changes)
    await r.journal.change(row, after, r.noted(verb, row, after, actor, why))
    return after


async def _heal(r: Replication, row: Control) -> None:
    """Bring the copy to the row, and see it there: writers learn the floor from it."""
    for _ in range(TRIES):
        try:
            if await heal_copy(r.documents, row):
                return
            break
        except (Conflict, OutcomeUnknown):
            await r.sleep(r.tempo.poll_s)
    raise NotNow(collection=row.id, reason="its control copy cannot be brought up to date")


async def _carry_over(r: Replication, collection: Collection[Any]) -> None:
    """Follow the feed until every range has been at its end once: whatever was written before is in the copy."""
    follower = FeedFollower([collection], r.documents, r.relational, clock=r.clock, owner=r.name)
    give_up_at = r.clock() + timedelta(seconds=CATCH_UP_S)
    ended: set[str] = set()
    while True:
        await follower.follow(collection)
        # The successors of a split go on where it stood, so they have to come to their ends too.
        left = set(await r.documents.feed_ranges(collection)) - ended
        positions = await r.journal.positions(collection.name, Stream.FOLLOW)
        ended |= await ended_ranges(r.documents, collection, left, positions)
        if ended.issuperset(await r.documents.feed_ranges(collection)):
            return
        if r.clock() >= give_up_at:
            raise NotNow(collection=collection.name, reason="the follower is behind")
        await r.sleep(r.tempo.poll_s)


async def _remove(r: Replication, collection: Collection[Any], row: Control, one: _Ready) -> bool:
    """Remove one tombstone, the follower's first; tell whether nothing is left of it."""
    key, stamp = one.tombstone
    try:
        if row.leader is Leader.RELATIONAL and one.document is not None:
            await r.documents.remove(collection, one.document)
        if one.has_row and not await r.journal.remove_tombstone(collection, key, stamp, row.n):
            return False
        if row.leader is Leader.DOCUMENTS and one.document is not None:
            await r.documents.remove(collection, one.document)
    except (Conflict, OutcomeUnknown):
        # It was written over at this moment, or a transition began: the next run finds out.
        return False
    return True
