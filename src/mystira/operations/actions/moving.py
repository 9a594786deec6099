"""Verbs that fill a copy and lead a collection from one phase to the next."""

from typing import Annotated

from msgspec import Meta

from mystira.operations.actions.doing import Arguments, Doing, Nothing, Outcome, plain
from mystira.polyglot import backfill
from mystira.polyglot.certificate import Certificate
from mystira.polyglot.cutover import HOLD_S, REFUSED_MAX, Orders, cut_over, roll_back
from mystira.polyglot.phases import Phase
from mystira.polyglot.shadow import shadow
from mystira.polyglot.transition import change_phase, end_transition

Budget = Annotated[float, Meta(gt=0, le=1_000_000)] | None
Units = Annotated[Budget, Meta(title="Request units a second of each worker")]
Latency = Annotated[Budget, Meta(title="Rest when PostgreSQL takes longer, in milliseconds")]


class Budgets(Arguments, frozen=True, kw_only=True):
    """What the filling may take; left out, nothing limits it."""

    units_per_s: Units = None
    latency_ms: Latency = None


class Share(Arguments, frozen=True, kw_only=True):
    """Which share of the reads goes to the follower as well."""

    rate: Annotated[float, Meta(ge=0, le=1, title="Share of the reads, from 0 to 1")]


class Moving(Arguments, frozen=True, kw_only=True):
    """How a change of leader is made: gates that may be closed, seconds that writes may be held, writes turned away."""

    waived: tuple[str, ...] = ()
    hold_s: Annotated[float, Meta(ge=1, le=60, title="Hold writes for so many seconds at most")] = HOLD_S
    refused_max: Annotated[int, Meta(ge=0, le=1_000_000, title="Turn away so many writes at most")] = REFUSED_MAX

    def orders(self, doing: Doing) -> Orders:
        """The same, as polyglot takes it; a move whose worker has died is begun anew."""
        return Orders(
            waived=self.waived, hold_s=self.hold_s, refused_max=self.refused_max, takes_over=doing.predecessor
        )


async def start(doing: Doing, budgets: Budgets) -> Outcome:
    """Fill the copy; where it is whole already, keep it from now on."""
    await backfill.start(doing.r, doing.of, units_per_s=budgets.units_per_s, latency_ms=budgets.latency_ms, **doing.by)
    row = await doing.r.row(doing.of)
    if row.phase is Phase.COSMOS_ONLY and row.complete:
        return await _change(doing, Phase.DUAL_WRITE_COSMOS_READ)
    if row.complete:
        return Outcome(f"The copy of {doing.of.name} is whole and kept already.")
    return Outcome(f"The copy of {doing.of.name} is being filled. Ask once more when it is whole, to keep it.")


async def pause(doing: Doing, _: Nothing) -> Outcome:
    """Stop filling for now."""
    job = await backfill.pause(doing.r, doing.of, **doing.by)
    return Outcome(f"The filling is {job.state}.", plain(job))


async def resume(doing: Doing, _: Nothing) -> Outcome:
    """Go on with a filling."""
    job = await backfill.resume(doing.r, doing.of, **doing.by)
    return Outcome(f"The filling is {job.state}.", plain(job))


async def throttle(doing: Doing, budgets: Budgets) -> Outcome:
    """Set what the filling may take; what is left out is not limited."""
    job = await backfill.throttle(
        doing.r, doing.of, units_per_s=budgets.units_per_s, latency_ms=budgets.latency_ms, **doing.by
    )
    return Outcome("The filling keeps to these limits from its next page on.", plain(job))


async def shadow_reads(doing: Doing, share: Share) -> Outcome:
    """Set which share of the reads goes to the follower as well."""
    row = await shadow(doing.r, doing.of, share.rate, **doing.by)
    return Outcome(f"{row.shadow:.2%} of the reads are compared from now on.")


async def cutover(doing: Doing, moving: Moving) -> Outcome:
    """Let PostgreSQL lead."""
    doing.tell(0, None, "looking at the gates, then bringing the copy up to date, then holding writers for a moment")
    return _moved(await cut_over(doing.r, doing.of, orders=moving.orders(doing), **doing.by))


async def rollback(doing: Doing, moving: Moving) -> Outcome:
    """Let the documents lead again."""
    doing.tell(0, None, "looking at the gates, then letting the relay deliver all that waits")
    return _moved(await roll_back(doing.r, doing.of, orders=moving.orders(doing), **doing.by))


async def stop(doing: Doing, _: Nothing) -> Outcome:
    """Let the documents stand alone again."""
    return await _change(doing, Phase.COSMOS_ONLY)


async def finish(doing: Doing, _: Nothing) -> Outcome:
    """Let PostgreSQL stand alone."""
    return await _change(doing, Phase.POSTGRES_ONLY)


async def reopen(doing: Doing, _: Nothing) -> Outcome:
    """Bring the documents up to date again, and keep them so."""
    return await _change(doing, Phase.DUAL_WRITE_POSTGRES_READ)


async def abort(doing: Doing, _: Nothing) -> Outcome:
    """Take back whatever change of leader is under way."""
    row = await end_transition(doing.r, doing.of, **doing.by)
    return Outcome(f"{doing.of.name} is in {row.phase}, and nothing is under way.")


async def _change(doing: Doing, target: Phase) -> Outcome:
    row = await change_phase(doing.r, doing.of, target, **doing.by)
    return Outcome(f"{doing.of.name} is in {row.phase} now.", {"phase": row.phase.value, "n": row.n})


def _moved(certificate: Certificate) -> Outcome:
    says = (
        f"{certificate.collection} went from {certificate.before} to {certificate.after}. "
        f"Writers were held for {certificate.held_s:.1f} s, and {certificate.refused} writes were turned away."
    )
    return Outcome(says, {"certificate": plain(certificate)})
