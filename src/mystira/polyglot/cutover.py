"""Changes the leader of a collection while everybody goes on writing: gates, preparation, a short hold, a certificate.

All that takes long happens before anybody is held: the gates are looked at, ghosts are struck off the roster, and the
follower is brought up to date. Only then is the collection drained.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.certificate import Certificate, Gate
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State, heal_copy, next_n
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.feed import PAGE, FeedFollower
from mystira.polyglot.gates import Limits, closed, look_at_gates
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.roster import read_roster, strike
from mystira.polyglot.store import Conflict, OutcomeUnknown, Throttled, Unavailable
from mystira.polyglot.transition import Terms, certificates_of, change_phase, end_transition, is_overdue

HOLD_S = 10.0
REFUSED_MAX = 1_000
CATCH_UP_ROUNDS = 50
NEAR = 40
ROLL_CALL_S = 0.25


class GateClosed(Problem):
    """{collection} cannot go to {target}: {reasons}"""

    kind = Kind.CONFLICT


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a cut-over or rollback would do now, and whether it would be let through."""

    collection: str
    before: Phase
    after: Phase
    gates: tuple[Gate, ...]
    steps: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether no gate stands in the way."""
        return not closed(self.gates)


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """How a change of leader is to be made: gates waived by name, how long it may hold writers, how many it may refuse.

    Past either budget it is aborted, and nothing has changed. `takes_over` names a coordinator whose move is gone on
    with, for whoever knows that it is dead: what it left is ended, and the move begins anew.
    """

    waived: tuple[str, ...] = ()
    limits: Limits = Limits()
    hold_s: float = HOLD_S
    refused_max: int = REFUSED_MAX
    takes_over: str = ""


STANDING_ORDERS = Orders()


async def cut_over(
    r: Replication, collection: Collection[Any], *, actor: str, why: str, orders: Orders = STANDING_ORDERS
) -> Certificate:
    """Let PostgreSQL lead: from DualWriteCosmosRead to DualWritePostgresRead; GateClosed, or aborted whole."""
    return await _move(r, collection, Phase.DUAL_WRITE_POSTGRES_READ, actor, why, orders)


async def roll_back(
    r: Replication, collection: Collection[Any], *, actor: str, why: str, orders: Orders = STANDING_ORDERS
) -> Certificate:
    """Let the documents lead again: from DualWritePostgresRead to DualWriteCosmosRead."""
    return await _move(r, collection, Phase.DUAL_WRITE_COSMOS_READ, actor, why, orders)


async def plan_move(
    r: Replication, collection: Collection[Any], target: Phase, orders: Orders = STANDING_ORDERS
) -> Plan:
    """Look at the gates and tell the steps; nothing is changed."""
    row = await r.row(collection)
    gates = await look_at_gates(r, collection, target, limits=orders.limits, waived=orders.waived)
    return Plan(collection=collection.name, before=row.phase, after=target, gates=gates, steps=_steps(r, row, orders))


def _steps(r: Replication, row: Control, orders: Orders) -> tuple[str, ...]:
    if row.leader is Leader.DOCUMENTS:
        return (
            f"strike writers that are gone off the roster (about {r.tempo.silence_s:.0f} s, nobody is held)",
            "bring the copy up to date (nobody is held)",
            f"drain: new writes wait up to {r.tempo.hold_s:g} s, and are refused after that",
            f"wait until every writer has stood down, at most {r.tempo.silence_s:.0f} s",
            "send a sentinel through every feed range, and compare what was changed last",
            "compare both stores",
            f"flip; or abort after {orders.hold_s:g} s, or {orders.refused_max} refused writes",
        )
    return (
        "bring the documents up to date (nobody is held)",
        "drain: wait for every fenced write, new ones wait",
        "let the relay deliver all that waits",
        "compare both stores",
        f"flip back; or abort after {orders.hold_s:g} s, or {orders.refused_max} refused writes",
    )


async def _move(
    r: Replication, collection: Collection[Any], target: Phase, actor: str, why: str, orders: Orders
) -> Certificate:
    row = await r.row(collection)
    if is_overdue(r, row):
        row = await end_transition(r, collection, actor=actor, why="nobody finished it in time")
    elif row.state is State.DRAIN and row.target is target and row.coordinator == orders.takes_over:
        # Only who saw the copy drain may flip, so taking over means a new drain, under a new n.
        row = await end_transition(r, collection, actor=actor, why=f"{row.coordinator} died in the middle of it")
    if row.phase is not target:
        plan = await plan_move(r, collection, target, orders)
        if not plan.passes:
            reasons = "; ".join(f"{gate.name}: {gate.reason}. {gate.advice}".rstrip() for gate in closed(plan.gates))
            raise GateClosed(collection=collection.name, target=target, reasons=reasons)
        await _rehearse(r, collection, row, actor, why)
        terms = Terms(deadline_s=orders.hold_s, refused_max=orders.refused_max, gates=plan.gates)
        await change_phase(r, collection, target, actor=actor, why=why, terms=terms)
    certificates = await certificates_of(r, collection, 1)
    return certificates[-1]


async def _rehearse(r: Replication, collection: Collection[Any], row: Control, actor: str, why: str) -> None:
    """Do without a hold what would take long with one: find out who is there, and carry over what waits."""
    if row.leader is Leader.DOCUMENTS and await read_roster(r.documents, row.id):
        await _strike_ghosts(r, row, actor, why)
    carry = _carrier(r, collection, row)
    keeper = DigestKeeper(r._replace(catalog=Catalog([collection])), lease_s=None)
    for _ in range(CATCH_UP_ROUNDS):
        try:
            is_near = await carry()
            await keeper.step()
        except (Unavailable, Throttled, OutcomeUnknown, Conflict):
            # Nobody is held, so a store that stumbles costs only time.
            is_near = False
            await r.sleep(ROLL_CALL_S)
        if is_near:
            return


def _carrier(r: Replication, collection: Collection[Any], row: Control) -> Callable[[], Awaitable[bool]]:
    """Return what carries some over to the store that follows, and tells whether it will not come much nearer.

    While people write there is always a little left; what is left is done while they are held.
    """
    if row.leader is Leader.DOCUMENTS:
        follower = FeedFollower([collection], r.documents, r.relational, clock=r.clock, owner=r.name, lease_s=None)

        async def follow() -> bool:
            return await follower.follow(collection) < PAGE

        return follow
    relay = ReverseRelay(r.catalog, r.documents, r.relational, clock=r.clock, lease_s=None)
    left = [math.inf]

    async def deliver() -> bool:
        await relay.step(collection.name)
        left.append((await r.journal.relay_pending(collection.name)).waiting)
        return left[-1] < NEAR or left[-1] >= left[-2]

    return deliver


async def _strike_ghosts(r: Replication, row: Control, actor: str, why: str) -> None:
    """Let every writer enter itself again: whoever has not when all earlier leases are over is gone."""
    after = row.evolve(n=await next_n(r.documents, row), state=State.OPEN)
    await r.journal.change(row, after, r.noted("call the roster", row, after, actor, why))
    if not await heal_copy(r.documents, after):
        # Somebody has moved it on already; then a ghost costs the drain some patience, and nothing else.
        return
    slept_s, missing = 0.0, await _missing(r, after)
    while missing and slept_s < r.tempo.silence_s:
        await r.sleep(ROLL_CALL_S)
        slept_s += ROLL_CALL_S
        missing = await _missing(r, after)
    await strike(r.documents, row.id, missing)


async def _missing(r: Replication, row: Control) -> dict[str, int]:
    return {writer: n for writer, n in (await read_roster(r.documents, row.id)).items() if n < row.n}
