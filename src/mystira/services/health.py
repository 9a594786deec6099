"""What the health of a process consists of: both stores, replication, and the events on their way."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from mystira.polyglot.control import State, first_control
from mystira.polyglot.measures import LAG, SAMPLED
from mystira.polyglot.phases import Leader
from mystira.services.platform import Platform
from mystira.web.health import HealthCheck

KEPT_S = 2.0
SAMPLE_S_MAX = 60.0


def checks_of(platform: Platform) -> list[HealthCheck]:
    """Return what is asked; a store is needed while it leads anything that this process works with."""

    def leads(leader: Leader) -> Callable[[], bool]:
        declared = {collection.phase.leader for collection in platform.works.catalog}
        return lambda: leader in (platform.works.leadership.leaders() or declared)

    return [
        HealthCheck("documents", platform.documents.ping, leads(Leader.DOCUMENTS)),
        HealthCheck("relational", platform.relational.ping, leads(Leader.RELATIONAL)),
        HealthCheck("replication", _kept(lambda: _replication(platform)), for_people=True),
        HealthCheck("bus", _kept(lambda: _bus(platform)), for_people=True),
    ]


def _kept(ask: Callable[[], Awaitable[dict[str, Any]]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Ask again only after a moment: anybody may call, and each answer costs the stores something."""
    last: list[tuple[float, dict[str, Any]]] = []

    async def asked() -> dict[str, Any]:
        if not last or last[0][0] + KEPT_S < time.monotonic():
            last[:] = [(time.monotonic(), await ask())]
        return last[0][1]

    return asked


async def _replication(platform: Platform) -> dict[str, Any]:
    r = platform.replication
    controls = {control.id: control for control in await r.journal.controls()}
    now = r.clock()
    told: dict[str, Any] = {}
    # Only a process that is a worker knows the lag.
    samples = LAG.values if SAMPLED.values.get((), 0.0) > now.timestamp() - SAMPLE_S_MAX else {}
    for collection in r.catalog:
        control = controls.get(collection.name) or first_control(collection)
        is_overdue = control.deadline is not None and control.deadline < now
        told[collection.name] = {
            "phase": control.phase,
            "leader": control.leader,
            "moving": control.state is not State.OPEN,
            "stuck": control.state is not State.OPEN and is_overdue,
            "lag_s": samples.get((collection.name,)),
        }
    return {"stuck": sorted(name for name, one in told.items() if one["stuck"]), "collections": told}


async def _bus(platform: Platform) -> dict[str, Any]:
    pending = await platform.replication.journal.pending()
    oldest_at = pending.oldest_at
    waited_s = (platform.replication.clock() - oldest_at).total_seconds() if oldest_at else 0.0
    return {
        "waiting": pending.waiting,
        "retrying": pending.retrying,
        "parked": pending.parked,
        "oldest_s": round(max(waited_s, 0.0), 1),
    }
