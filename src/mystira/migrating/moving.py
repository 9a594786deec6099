"""`plan`, `cutover`, `rollback`, `finish`, `reopen`, `abort`: from one phase to the next."""

import asyncio
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.text import Text

from mystira.migrating.answers import CollectionStatus, Plan
from mystira.migrating.exits import GATE_CLOSED, WrongUse, confirm, refuse
from mystira.migrating.journey import refuse_elsewhere, way
from mystira.migrating.live import PATIENCE_S, carried, counted, moving
from mystira.migrating.place import ASKED, READING, SURE, Asked, Place, Reading, Sure, chosen, perform
from mystira.migrating.showing import facts, gates, show, table
from mystira.migrating.standing import status_of
from mystira.migrating.watching import tell
from mystira.polyglot import backfill
from mystira.polyglot.certificate import Certificate
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import State
from mystira.polyglot.cutover import HOLD_S, REFUSED_MAX, GateClosed, Orders, closed, cut_over, plan_move, roll_back
from mystira.polyglot.cutover import Plan as MovePlan
from mystira.polyglot.gates import GATES
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.transition import certificates_of, change_phase, end_transition
from mystira.terminal import print_json, say_apart

DryRun = Annotated[bool, Parameter(negative="", help="Only show the gates and the steps.")]
Waive = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        consume_multiple=False,
        help="Let this gate be closed; repeat it for others. The certificate tells.",
    ),
]
Hold = Annotated[float, Parameter(help="For how many seconds writes may be held; then it is taken back.")]
Refusing = Annotated[int, Parameter(help="How many writes may be turned away; then it is taken back.")]


class NoCertificate(Problem):
    """{collection} has not changed its leader yet, so there is no certificate. A cut-over or rollback makes one."""

    kind = Kind.NOT_FOUND


def plan(
    collection: str,
    *,
    to: Annotated[str, Parameter(help=f"The phase to plan for: {', '.join(Phase)}.")] = Phase.POSTGRES_ONLY,
    asked: Reading = READING,
) -> None:
    """Show the steps to a phase, their commands, and what the next one would take. Nothing is changed."""
    which = chosen(asked, collection)
    target = _phase_named(to, asked)

    async def work(place: Place) -> Plan:
        row = await place.r.row(which)
        steps = way(row.phase, target)
        verb = steps[0].verb if steps else ""
        filling = await backfill.plan(place.r, which) if verb == "start" else None
        move = await plan_move(place.r, which, steps[0].after) if verb in ("cutover", "rollback") else None
        return Plan(collection=which.name, phase=row.phase, target=target, steps=steps, filling=filling, move=move)

    found = perform(asked, work)
    if asked.json:
        print_json(found)
    else:
        show(_drawn_plan(found))


def cutover(
    collection: str,
    *,
    dry_run: DryRun = False,
    waive: Waive = (),
    hold_s: Hold = HOLD_S,
    refused_max: Refusing = REFUSED_MAX,
    asked: Sure = SURE,
) -> None:
    """Let PostgreSQL lead: from DualWriteCosmosRead to DualWritePostgresRead. Asks first."""
    orders = Orders(waived=waive, hold_s=hold_s, refused_max=refused_max)
    _change_leader("cutover", collection, orders, dry_run, asked)


def rollback(
    collection: str,
    *,
    dry_run: DryRun = False,
    waive: Waive = (),
    hold_s: Hold = HOLD_S,
    refused_max: Refusing = REFUSED_MAX,
    asked: Sure = SURE,
) -> None:
    """Let the documents lead again: from DualWritePostgresRead to DualWriteCosmosRead. Asks first."""
    orders = Orders(waived=waive, hold_s=hold_s, refused_max=refused_max)
    _change_leader("rollback", collection, orders, dry_run, asked)


def finish(collection: str, *, asked: Sure = SURE) -> None:
    """Let PostgreSQL stand alone: from DualWritePostgresRead to PostgresOnly. Asks first."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        step = refuse_elsewhere(await place.r.row(which), "finish")
        if (await place.r.row(which)).phase is step.before:
            question = f"The documents of {which.name} are not kept any more; the way back takes a reopen first."
            await confirm(question, yes=asked.yes)
            await change_phase(place.r, which, step.after, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))


def reopen(
    collection: str,
    *,
    wait: Annotated[bool, Parameter(negative="", help="Stay and help until every document is up to date.")] = False,
    asked: Asked = ASKED,
) -> None:
    """Bring the documents up to date and keep them so: from PostgresOnly to DualWritePostgresRead."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        step = refuse_elsewhere(await place.r.row(which), "reopen")
        async with moving(place, which):
            await change_phase(place.r, which, step.after, **place.by)
        if wait:
            await carried(place, which)
            await counted(place, which)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work, tending=wait))


def abort(collection: str, *, asked: Asked = ASKED) -> None:
    """Take back a cut-over or rollback that is under way, at once. Nothing has changed then."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        if (await place.r.row(which)).state is State.OPEN:
            say_apart(f"{which.name} is not being moved, so there is nothing to take back.")
        await end_transition(place.r, which, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))


def drawn_certificate(one: Certificate) -> RenderableType:
    """Return what a certificate says, for people."""
    waived = ", ".join(gate.name for gate in one.gates if gate.waived)
    silent = f", {len(one.silent)} waited out" if one.silent else ""
    return facts(
        [
            ("Collection", one.collection),
            ("Moved", f"from {one.before} to {one.after}, epoch {one.epoch}, at {one.at:%Y-%m-%d %H:%M:%S} UTC"),
            ("Asked by", f"{one.actor}: {one.why}" if one.why else one.actor),
            ("Writes held", f"{one.held_s:.2f} s, {one.refused} turned away"),
            ("Writers", f"{len(one.answered)} stood down by themselves{silent}"),
            (
                "Both stores",
                f"{one.documents.count} keys, digest {one.documents.sum}" if one.documents else "not counted",
            ),
            ("Gates waived", waived or "none"),
            ("Seal", one.seal),
        ]
    )


def _change_leader(verb: str, name: str, orders: Orders, dry_run: bool, asked: Sure) -> None:
    which = chosen(asked, name)
    for gate in orders.waived:
        if gate not in GATES:
            refuse(WrongUse(advice=f"There is no gate {gate}. There are: {', '.join(GATES)}."), json=asked.json)

    async def work(place: Place) -> tuple[MovePlan | None, Certificate | None]:
        step = refuse_elsewhere(await place.r.row(which), verb)
        if (await place.r.row(which)).phase is step.after:
            say_apart(f"{which.name} is in {step.after} already.")
            return None, await _last_certificate(place, which)
        await _readied(place, which)
        planned = await plan_move(place.r, which, step.after, orders)
        if dry_run or not planned.passes:
            return planned, None
        await confirm(f"{which.name}: {step.effect}", yes=asked.yes)
        return planned, await _moved(place, which, verb, orders)

    planned, certificate = perform(asked, work, tending=True)
    if certificate is not None:
        print_json(certificate) if asked.json else show(drawn_certificate(certificate))
    elif planned is not None:
        _tell_plan(planned, dry_run, asked)


def _phase_named(name: str, asked: Reading) -> Phase:
    found = next((phase for phase in Phase if phase.lower() == name.lower()), None)
    if found is None:
        refuse(WrongUse(advice=f"There is no phase {name}. There are: {', '.join(Phase)}."), json=asked.json)
    return found


async def _readied(place: Place, which: Collection[Any]) -> None:
    """Give what only waits to be counted or carried over a moment: without a service, only this process does it."""
    await counted(place, which)
    await carried(place, which, PATIENCE_S)


async def _moved(place: Place, which: Collection[Any], verb: str, orders: Orders) -> Certificate:
    try:
        async with moving(place, which):
            change = cut_over if verb == "cutover" else roll_back
            return await change(place.r, which, orders=orders, **place.by)
    except asyncio.CancelledError:
        # Ctrl-C: the writers need not wait until the deadline finds it out.
        await end_transition(place.r, which, actor=place.by["actor"], why="stopped at the terminal")
        raise


async def _last_certificate(place: Place, which: Collection[Any]) -> Certificate:
    found = await certificates_of(place.r, which, 1)
    if not found:
        raise NoCertificate(collection=which.name)
    return found[-1]


def _tell_plan(planned: MovePlan, dry_run: bool, asked: Sure) -> None:
    shut = closed(planned.gates)
    if not dry_run:
        names = "; ".join(f"{gate.name}: {gate.reason}. {gate.advice}".rstrip() for gate in shut)
        problem = GateClosed(collection=planned.collection, target=planned.after, reasons=names)
        if asked.json:
            refuse(problem, json=True, gates=planned.gates)
        show(gates(planned.gates))
        names = ", ".join(gate.name for gate in shut)
        say_apart(f"{planned.collection} stays in {planned.before}: closed are {names}. Nothing was changed.")
        raise SystemExit(GATE_CLOSED)
    print_json(planned) if asked.json else show(_drawn_move(planned))
    if shut:
        raise SystemExit(GATE_CLOSED)


def _drawn_move(planned: MovePlan) -> RenderableType:
    shut = closed(planned.gates)
    names = ", ".join(gate.name for gate in shut)
    verdict = (
        f"It would be refused: closed are {names}." if shut else "Every gate is open. Leave out --dry-run to do it."
    )
    steps = [Text(f"{number}. {step}") for number, step in enumerate(planned.steps, start=1)]
    return Group(gates(planned.gates), Text(), *steps, Text(), Text(verdict, "bold"))


def _drawn_plan(found: Plan) -> RenderableType:
    if not found.steps:
        return Text(f"{found.collection} is in {found.target} already.")
    drawn = table("Step", "From", "To", "Command", "What it means")
    for number, step in enumerate(found.steps, start=1):
        command = Text(f"mystira migrate {step.verb} {found.collection}", "bold")
        drawn.add_row(str(number), step.before.value, step.after.value, command, step.effect)
    if found.filling is not None:
        job = found.filling
        words = (
            f"{job.documents_low:,} to {job.documents_high:,} documents are to be copied, in {job.ranges} feed ranges."
        )
        return Group(drawn, Text(), Text(words if job.is_needed else "The copy is whole already."))
    if found.move is not None:
        return Group(drawn, Text(), gates(found.move.gates))
    return drawn
