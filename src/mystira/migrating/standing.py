"""Where a collection stands: everything an operator asks first, gathered from both stores without changing anything."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from mystira.migrating.answers import CollectionStatus, Run, ShadowCounts, Status
from mystira.migrating.journey import next_step
from mystira.polyglot import backfill
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Report
from mystira.polyglot.syncqueue import LettersOf, SyncQueue, letters_of, sync_queue
from mystira.polyglot.transition import FLIP

FLIPS_COUNTED = 1_000
SHADOW_HOURS = 24.0


async def status(r: Replication, collections: Sequence[Collection[Any]]) -> Status:
    """Look at these collections, one after the other."""
    tally = await r.journal.letters_tally()
    found = [await status_of(r, one, letters_of(tally, one.name)) for one in collections]
    return Status(at=r.clock(), collections=tuple(found))


async def status_of(r: Replication, collection: Collection[Any], letters: LettersOf | None = None) -> CollectionStatus:
    """Look at everything there is to know of one collection; its letters are counted unless they were."""
    row = await r.row(collection)
    queue = await sync_queue(r, collection)
    letters = letters or letters_of(await r.journal.letters_tally(), collection.name)
    job = await r.journal.backfill(collection.name)
    last = await last_run(r, collection)
    flips = await r.journal.history(collection.name, FLIPS_COUNTED, FLIP)
    return CollectionStatus(
        collection=collection.name,
        phase=row.phase,
        leader=row.leader,
        state=row.state,
        target=row.target,
        coordinator=row.coordinator,
        deadline=row.deadline,
        n=row.n,
        epoch=row.epoch,
        copy=_copy(row),
        pending=waiting(queue),
        pending_at_least=any(lag.at_least for lag in queue.ranges),
        behind_s=queue.seconds_behind if queue.changes_behind else 0.0,
        retrying=letters.retrying + queue.relay_retrying,
        dead=letters.parked,
        shadow=await _shadow(r, row),
        backfill=None if job is None else await backfill.progress(r, collection),
        verification=last,
        certificates=len(flips),
        certified_at=flips[0].at if flips else None,
        next=next_step(row, job, verified=last is not None, fit=last is not None and not last.differences),
    )


async def last_run(r: Replication, collection: Collection[Any]) -> Run | None:
    """Return the newest verification that was finished."""
    finished = [one for one in await r.relational.reports.recent(collection.name) if one.finished_at is not None]
    return run_of(finished[0]) if finished else None


def run_of(report: Report) -> Run:
    """Return a report as commands tell it."""
    return Run(
        id=report.id,
        collection=report.collection,
        kind=report.kind,
        leader=report.leader,
        actor=report.actor,
        why=report.why,
        started_at=report.started_at,
        finished_at=report.finished_at,
        seen=report.seen,
        healed=report.healed,
        digests_corrected=report.digests_corrected,
        counts=report.counts,
        differences=report.differences,
    )


def waiting(queue: SyncQueue) -> int:
    """Return how many changes are still to be carried over, as far as they were counted."""
    return queue.changes_behind + queue.relay_waiting


def _copy(row: Control) -> str:
    if not row.copying:
        return "none"
    return "whole" if row.complete else "filling"


async def _shadow(r: Replication, row: Control) -> ShadowCounts:
    since = r.clock() - timedelta(hours=SHADOW_HOURS)
    told = await r.journal.shadow_reports(row.id, since)
    compared, wrong = sum(one.compared for one in told), sum(one.mismatches for one in told)
    return ShadowCounts(rate=row.shadow, compared=compared, mismatches=wrong)
