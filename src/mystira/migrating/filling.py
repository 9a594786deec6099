"""`start`, `pause`, `resume`, `throttle`, `stop`: the relational copy of a collection that documents lead."""

from typing import Annotated

from cyclopts import Parameter

from mystira.migrating.answers import CollectionStatus
from mystira.migrating.exits import WrongUse, confirm, refuse
from mystira.migrating.journey import refuse_elsewhere
from mystira.migrating.live import counted, filled
from mystira.migrating.place import ASKED, SURE, Asked, Place, Sure, chosen, perform
from mystira.migrating.standing import status_of
from mystira.migrating.watching import tell
from mystira.polyglot import backfill
from mystira.polyglot.backfill import NotStarted
from mystira.polyglot.phases import Phase
from mystira.polyglot.transition import change_phase

Units = Annotated[float | None, Parameter(help="Request units that each worker may use in a second.")]
Latency = Annotated[
    float | None, Parameter(help="Rest when a page takes PostgreSQL longer than this, in milliseconds.")
]


def start(
    collection: str,
    *,
    wait: Annotated[bool, Parameter(negative="", help="Stay, help, and show how far it is.")] = False,
    units_per_s: Units = None,
    latency_ms: Latency = None,
    asked: Asked = ASKED,
) -> None:
    """Give a collection a copy in PostgreSQL: fill it, and once it is whole keep it (DualWriteCosmosRead).

    Running services fill it; come back with the same command when it is whole, or add --wait.
    """
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        r = place.r
        refuse_elsewhere(await r.row(which), "start")
        if (await r.row(which)).phase is Phase.COSMOS_ONLY:
            await backfill.start(r, which, units_per_s=units_per_s, latency_ms=latency_ms, **place.by)
            if wait:
                await filled(place, which)
            if (await r.row(which)).complete:
                await change_phase(r, which, Phase.DUAL_WRITE_COSMOS_READ, **place.by)
        if wait and (await r.row(which)).has_whole_copy:
            await counted(place, which)
        return await status_of(r, which)

    tell(asked, perform(asked, work, tending=wait))


def pause(collection: str, *, asked: Asked = ASKED) -> None:
    """Stop the filling for now. What changes meanwhile is still followed."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        await backfill.pause(place.r, which, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))


def resume(collection: str, *, asked: Asked = ASKED) -> None:
    """Go on with a filling that was paused."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        await backfill.resume(place.r, which, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))


def throttle(
    collection: str,
    *,
    units_per_s: Units = None,
    latency_ms: Latency = None,
    off: Annotated[bool, Parameter(negative="", help="Lift both limits.")] = False,
    asked: Asked = ASKED,
) -> None:
    """Limit what the filling may take; a limit that is not named stays as it is."""
    which = chosen(asked, collection)
    if not off and units_per_s is None and latency_ms is None:
        refuse(WrongUse(advice="Name a limit: --units-per-s 100, --latency-ms 50, or --off for none."), json=asked.json)

    async def work(place: Place) -> CollectionStatus:
        job = await place.r.journal.backfill(which.name)
        if job is None:
            raise NotStarted(collection=which.name)
        units, latency = (None, None) if off else (units_per_s or job.units_per_s, latency_ms or job.latency_ms)
        await backfill.throttle(place.r, which, units_per_s=units, latency_ms=latency, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))


def stop(collection: str, *, asked: Sure = SURE) -> None:
    """Let the documents stand alone again: from DualWriteCosmosRead to CosmosOnly. Asks first."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        step = refuse_elsewhere(await place.r.row(which), "stop")
        if (await place.r.row(which)).phase is step.before:
            question = f"PostgreSQL's copy of {which.name} is not kept any more; another start fills it anew."
            await confirm(question, yes=asked.yes)
            await change_phase(place.r, which, step.after, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))
