"""The way of a collection through the four phases: which command takes which step, and what it means. Pure."""

import msgspec

from mystira.polyglot.backfill import DONE, PAUSED
from mystira.polyglot.control import Control, State
from mystira.polyglot.journal import Backfill
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Kind, Problem


class WrongPhase(Problem):
    """{collection} is in {phase}, and `{verb}` does not begin there. {advice}"""

    kind = Kind.CONFLICT


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step from a phase to its neighbour, and the command that takes it."""

    before: Phase
    after: Phase
    verb: str
    effect: str


WAYS = (
    Step(
        before=Phase.COSMOS_ONLY,
        after=Phase.DUAL_WRITE_COSMOS_READ,
        verb="start",
        effect="PostgreSQL gets a copy, which is filled and then kept; nobody is held.",
    ),
    Step(
        before=Phase.DUAL_WRITE_COSMOS_READ,
        after=Phase.DUAL_WRITE_POSTGRES_READ,
        verb="cutover",
        effect="PostgreSQL leads from then on and the documents follow; writes are held for a moment.",
    ),
    Step(
        before=Phase.DUAL_WRITE_POSTGRES_READ,
        after=Phase.POSTGRES_ONLY,
        verb="finish",
        effect="PostgreSQL stands alone; the documents stay as they are and grow old.",
    ),
    Step(
        before=Phase.POSTGRES_ONLY,
        after=Phase.DUAL_WRITE_POSTGRES_READ,
        verb="reopen",
        effect="the relay brings every document up to date, and keeps it so; nobody is held.",
    ),
    Step(
        before=Phase.DUAL_WRITE_POSTGRES_READ,
        after=Phase.DUAL_WRITE_COSMOS_READ,
        verb="rollback",
        effect="the documents lead again and PostgreSQL follows; writes are held for a moment.",
    ),
    Step(
        before=Phase.DUAL_WRITE_COSMOS_READ,
        after=Phase.COSMOS_ONLY,
        verb="stop",
        effect="the documents stand alone; PostgreSQL's copy is not kept any more.",
    ),
)


def way(before: Phase, target: Phase) -> tuple[Step, ...]:
    """Return the steps from one phase to another, in their order."""
    order = list(Phase)
    at, end = order.index(before), order.index(target)
    onward = 1 if end > at else -1
    pairs = [(order[i], order[i + onward]) for i in range(at, end, onward)]
    return tuple(step for pair in pairs for step in WAYS if (step.before, step.after) == pair)


def step_of(verb: str) -> Step:
    """Return the step that a command takes."""
    return next(step for step in WAYS if step.verb == verb)


def refuse_elsewhere(row: Control, verb: str) -> Step:
    """Return the verb's step, unless the collection is neither where it begins nor where it ends."""
    step = step_of(verb)
    if row.phase in (step.before, step.after):
        return step
    to_begin, to_end = way(row.phase, step.before), way(row.phase, step.after)
    advice = "It has gone further than that already."
    if len(to_begin) < len(to_end):
        advice = f"Take the step before it first: mystira migrate {to_begin[0].verb} {row.id}"
    raise WrongPhase(collection=row.id, phase=row.phase, verb=verb, advice=advice)


def next_step(row: Control, job: Backfill | None, *, verified: bool, fit: bool) -> str:
    """Return what an operator on the way to PostgreSQL would do next, in one sentence with the command."""
    name = row.id
    if row.state is not State.OPEN:
        return f"It is being moved to {row.target}. Wait, or take it back: mystira migrate abort {name}"
    match row.phase:
        case Phase.COSMOS_ONLY:
            return _next_at_first(row, job)
        case Phase.DUAL_WRITE_COSMOS_READ if not verified:
            return f"Reread both stores: mystira migrate verify {name} --scrub"
        case Phase.DUAL_WRITE_COSMOS_READ if not fit:
            return f"See how the stores differ: mystira migrate diff {name}"
        case Phase.DUAL_WRITE_COSMOS_READ:
            return f"See what a cut-over would do: mystira migrate cutover {name} --dry-run"
        case Phase.DUAL_WRITE_POSTGRES_READ if not row.complete:
            return "The documents are being made ready; wait a moment."
        case Phase.DUAL_WRITE_POSTGRES_READ:
            return f"Stay as long as you like. On: mystira migrate finish {name}. Back: mystira migrate rollback {name}"
        case Phase.POSTGRES_ONLY:
            return f"It has arrived. The way back begins with: mystira migrate reopen {name}"


def _next_at_first(row: Control, job: Backfill | None) -> str:
    if not row.copying or job is None:
        return f"See what a copy would take: mystira migrate plan {row.id}; then mystira migrate start {row.id}"
    if row.complete:
        return f"The copy is whole. Let it be kept: mystira migrate start {row.id}"
    if job.state == PAUSED:
        return f"The filling is paused. Go on: mystira migrate resume {row.id}"
    assert job.state != DONE or not row.complete
    return f"The copy is being filled. Watch it: mystira migrate status {row.id} --watch"
