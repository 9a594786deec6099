"""How a whole platform tells its health, with both stores, replication and events."""

import pytest

from mystira.play.model.session import GameSession
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import Unavailable
from tests.journeys.conftest import Running
from tests.journeys.test_api import start

pytestmark = pytest.mark.anyio


async def away() -> None:
    raise Unavailable("gone")


async def test_health_tells_stores_replication_and_events(family: Running) -> None:
    await start(family)
    answer = await family.client.get("/health")
    parts = answer.json()["parts"]
    assert (answer.status_code, answer.json()["status"]) == (200, "well")
    assert (parts["documents"], parts["relational"]) == ("ok", "ok")
    sessions = parts["replication"]["collections"][family.platform.works.catalog.of(GameSession).name]
    assert sessions == {
        "phase": "CosmosOnly",
        "leader": "documents",
        "moving": False,
        "stuck": False,
        "lag_s": sessions["lag_s"],
    }
    assert parts["replication"]["stuck"] == []
    assert parts["bus"].keys() == {"waiting", "retrying", "parked", "oldest_s"}


async def test_a_store_that_only_follows_may_be_away_and_one_that_leads_may_not(family: Running) -> None:
    await start(family)
    checks = {check.name: check for check in family.app.state.checks}
    # Some collections are born with rows; here is a process that works with those that documents lead.
    known = family.platform.works.leadership._known
    for name in [name for name, control in known.items() if control.leader is Leader.RELATIONAL]:
        assert checks["relational"].is_needed()
        del known[name]
    assert checks["documents"].is_needed()
    assert not checks["relational"].is_needed()
    family.app.state["checks"] = tuple(
        check._replace(ask=away) if check.name == "relational" else check for check in checks.values()
    )
    assert (await family.client.get("/health/ready")).status_code == 200
    assert (await family.client.get("/health")).json()["status"] == "degraded"
    family.app.state["checks"] = tuple(
        check._replace(ask=away) if check.name == "documents" else check for check in checks.values()
    )
    assert (await family.client.get("/health/ready")).status_code == 503
