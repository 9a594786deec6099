"""The scrub: rereads every record of both stores at a set pace, and finds what digests cannot see.

A row that somebody changed in SQL, or a document that was changed behind the change feed's back, shows in no digest
that is kept as writes go by; and a digest may be wrong itself, which is corrected and reported. The scrub reads all
documents and looks up their rows, then reads all rows and looks up their documents. What does not match is rechecked
as every candidate is. How far it has come is kept in its report, so that another process can go on after a crash.
Of several workers one scrubs a collection, under a lease that it renews with every page.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import structlog

from mystira.polyglot.canonical import digest_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.differences import difference_of, sides_of
from mystira.polyglot.digest import Differing, Digested, Side, differing
from mystira.polyglot.positions import Stream
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Progress, Report, RunKind
from mystira.polyglot.store import Incoming, Key, RangeGone, Record, StoreError
from mystira.polyglot.verify import (
    CANDIDATES_MAX,
    LOOKED_AT_ONCE,
    NothingToCompare,
    Scrutiny,
    begin,
    compared_control,
    finish,
    is_compared,
    recheck,
    unthrottled,
)

log = structlog.get_logger(__name__)

LEASE_S = 20.0
"""After so long a worker that fell silent is taken for dead, and another one goes on with what it left."""

RENEW_S = LEASE_S / 4
PACE = 50.0


class ScrubRunning(Problem):
    """{collection} is being reread by another worker already. Wait for that; its report tells how far it is."""

    kind = Kind.CONFLICT


class _Page(NamedTuple):
    items: Sequence[Incoming]
    are_documents: bool
    progress: Progress
    at_end: bool = False


async def scrub(
    r: Replication, collection: Collection[Any], *, actor: str, why: str, scrutiny: Scrutiny | None = None
) -> Report:
    """Reread everything and keep a report; an unfinished scrub of the collection goes on where it stopped.

    ScrubRunning while another worker does the same.
    """
    await _lease(r, collection)
    renewing = asyncio.create_task(_renew(r, collection))
    try:
        return await _scrub(r, collection, actor, why, scrutiny or Scrutiny())
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        with suppress(StoreError, ScrubRunning):
            await _lease(r, collection, 0.0)


async def scrub_in_turn(r: Replication, *, every_s: float, records_per_s: float = PACE) -> int:
    """Slowly scrub every collection that nobody has begun to scrub for so long; return how many were."""
    done = 0
    for collection in r.catalog:
        row = await r.row(collection)
        if not is_compared(row) or not row.complete or not await _is_due(r, collection, every_s):
            continue
        try:
            await scrub(r, collection, actor=r.name, why="its turn", scrutiny=Scrutiny(records_per_s=records_per_s))
            done += 1
        except (ScrubRunning, NothingToCompare) as put_off:
            log.info("scrub_put_off", collection=collection.name, reason=put_off.message)
    return done


async def _is_due(r: Replication, collection: Collection[Any], every_s: float) -> bool:
    for report in await r.relational.reports.recent(collection.name):
        if report.kind is RunKind.SCRUB:
            # One that a dead worker left is gone on with, however young it is.
            return report.finished_at is None or (r.clock() - report.started_at).total_seconds() >= every_s
    return True


async def _renew(r: Replication, collection: Collection[Any]) -> None:
    """Keep the lease while a page, a rest or a recount takes longer than it; a lost one ends the scrub's next page."""
    while True:
        await asyncio.sleep(RENEW_S)
        with suppress(StoreError, ScrubRunning):
            await _lease(r, collection)


async def _lease(r: Replication, collection: Collection[Any], lease_s: float = LEASE_S) -> None:
    if await r.journal.lease_range(collection.name, Stream.SCRUB, "all", r.name, r.clock(), lease_s) is None:
        raise ScrubRunning(collection=collection.name)


async def _scrub(r: Replication, collection: Collection[Any], actor: str, why: str, scrutiny: Scrutiny) -> Report:
    report = await _unfinished(r, collection) or await begin(r, collection, RunKind.SCRUB, actor=actor, why=why)
    progress, suspects, unsaved, at_end = report.progress, set[Key](), 0, False
    while not at_end:
        began = r.clock()
        await _lease(r, collection)
        items, are_documents, progress, at_end = await _next_page(r, collection, progress, scrutiny.page)
        suspects |= await _suspects(r, collection, items, are_documents)
        unsaved += len(items)
        if at_end or not suspects or len(suspects) >= CANDIDATES_MAX or unsaved >= scrutiny.unsaved_max:
            report = await recheck(
                r, collection, msgspec.structs.replace(report, progress=progress), suspects, scrutiny, seen=unsaved
            )
            suspects, unsaved = set[Key](), 0
        if scrutiny.records_per_s is not None:
            elapsed_s = (r.clock() - began).total_seconds()
            await r.sleep(max(0.0, len(items) / scrutiny.records_per_s - elapsed_s))
    # Nodes that somebody changed by hand would hide what differs below them.
    await r.relational.digests.recount(collection)
    return await finish(r, msgspec.structs.replace(report, digests_corrected=await correct_digests(r, collection)))


async def correct_digests(r: Replication, collection: Collection[Any]) -> int:
    """Correct the digests that are not those of the very version they name; return how many were wrong."""
    corrected = 0
    batch: list[Differing] = []
    async for found in differing(r.relational.digests, collection):
        batch.append(found)
        if len(batch) == LOOKED_AT_ONCE:
            corrected += await _correct(r, collection, batch)
            batch = []
    return corrected + await _correct(r, collection, batch)


async def _correct(r: Replication, collection: Collection[Any], batch: Sequence[Differing]) -> int:
    keys = [found.key for found in batch]
    documents = await unthrottled(r, lambda: r.documents.look(collection, keys))
    rows = await r.relational.look(collection, keys)
    corrected = 0
    for found in batch:
        sides = (Side.DOCUMENT, found.document, documents), (Side.ROW, found.row, rows)
        for side, counted, held in sides:
            record = held.get(found.key)
            # With another stamp it only lags, or what it counts has been written over meanwhile.
            if counted is None or not isinstance(record, Record) or record.stamp != counted.stamp:
                continue
            right = Digested(record.stamp, digest_of(collection, record))
            if right != counted and await r.relational.digests.correct(collection, side, found.key, right):
                corrected += 1
    return corrected


async def _unfinished(r: Replication, collection: Collection[Any]) -> Report | None:
    for report in await r.relational.reports.recent(collection.name):
        if report.kind is RunKind.SCRUB:
            # Only the newest one is worth going on with; who has begun anew wants to know what is so now.
            return report if report.finished_at is None else None
    return None


async def _next_page(r: Replication, collection: Collection[Any], progress: Progress, limit: int) -> _Page:
    """Read on: the feed ranges one after the other from their beginnings, then the rows in the order of their keys."""
    if progress.ranges is None:
        progress = Progress(ranges=dict.fromkeys(await r.documents.feed_ranges(collection), ""))
    if progress.ranges:
        return await _next_documents(r, collection, dict(progress.ranges), limit)
    rows = await r.relational.scan(collection, progress.row, limit)
    last = rows[-1].key if rows else progress.row
    return _Page(rows, False, Progress(ranges={}, row=last), at_end=len(rows) < limit)


async def _next_documents(r: Replication, collection: Collection[Any], left: dict[str, str], limit: int) -> _Page:
    range_id, continuation = next(iter(left.items()))
    del left[range_id]
    try:
        page = await unthrottled(r, lambda: r.documents.feed(collection, range_id, continuation, limit))
    except RangeGone as gone:
        return _Page((), True, Progress(ranges=dict.fromkeys(gone.successors, continuation) | left))
    if page.has_more:
        left = {range_id: page.continuation} | left
    return _Page([item.record for item in page.items], True, Progress(ranges=left))


async def _suspects(
    r: Replication, collection: Collection[Any], items: Sequence[Incoming], are_documents: bool
) -> set[Key]:
    """Return the keys of a page that do not match what the other store holds just now."""
    if not items:
        return set()
    control = await compared_control(r, collection)
    keys = [item.key for item in items]
    if are_documents:
        others = await r.relational.look(collection, keys)
    else:
        others = await unthrottled(r, lambda: r.documents.look(collection, keys))
    suspects: set[Key] = set()
    for item in items:
        other = others.get(item.key)
        document, row = (item, other) if are_documents else (other, item)
        sides = sides_of(control.leader, document, row)
        if difference_of(collection, item.key, sides, control) is not None:
            suspects.add(item.key)
    return suspects
