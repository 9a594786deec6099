"""Processes tell that they are alive, how busy they are, and what they used the stores for."""

from datetime import timedelta

import pytest

from mystira.polyglot import measures
from mystira.polyglot.beating import Beater
from mystira.polyglot.stores.postgres.heartbeats import (
    add_usage,
    first_hour,
    heartbeats,
    size_bytes,
    usage_between,
)
from mystira.polyglot.timing import measure
from tests.polyglot.counting import COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.moving import real_clock

pytestmark = pytest.mark.anyio


async def test_a_process_is_told_of_with_what_happened_since_it_told_last(rig: Rig) -> None:
    now = real_clock()
    beater = Beater(rig.postgres, process="a", services=["app", "worker"], clock=lambda: now)
    measures.EVENTS.add("delivered", by=30)
    now += timedelta(minutes=1)
    await beater.step()
    (one,) = await heartbeats(rig.postgres)
    assert (one.process, one.services, one.at, one.facts["events"]) == ("a", ("app", "worker"), now, 30)
    now += timedelta(minutes=1)
    await beater.step()
    (one,) = await heartbeats(rig.postgres)
    assert (one.at, one.at - one.started_at, one.facts["events"]) == (now, timedelta(minutes=2), 0)


async def test_who_takes_leave_is_not_missed_and_who_is_silent_for_a_day_is_forgotten(rig: Rig) -> None:
    now = real_clock()
    for name in "ab":
        await Beater(rig.postgres, process=name, services=["app"], clock=lambda: now).step()
    await Beater(rig.postgres, process="a", services=["app"], clock=lambda: now).end()
    assert [one.process for one in await heartbeats(rig.postgres)] == ["b"]
    now += timedelta(days=2)
    await Beater(rig.postgres, process="c", services=["app"], clock=lambda: now).step()
    assert [one.process for one in await heartbeats(rig.postgres)] == ["c"]


async def test_usage_is_added_up_by_collection_and_operation(rig: Rig) -> None:
    measure(rig.sqlite, "documents")
    now = real_clock()
    beater = Beater(rig.postgres, process="a", services=["app"], clock=lambda: now)
    other = Beater(rig.postgres, process="b", services=["app"], clock=lambda: now)
    charged = rig.sqlite.charged[COUNTERS.name]
    await rig.works.run(raise_counter, kind=Counter, id="c", by=1)
    charged = rig.sqlite.charged[COUNTERS.name] - charged
    await beater.step()
    await beater.step()
    used = {
        one.operation: one
        for one in await usage_between(rig.postgres, now - timedelta(hours=1), now)
        if one.collection == COUNTERS.name and one.store == "documents"
    }
    assert used["write"].calls == 1
    assert used["write"].seconds > 0
    assert sum(one.units for one in used.values()) == pytest.approx(charged)
    await other.step()
    again = await usage_between(rig.postgres, now - timedelta(hours=1), now)
    assert sum(one.units for one in again if one.collection == COUNTERS.name) == pytest.approx(2 * charged)
    assert await usage_between(rig.postgres, now + timedelta(hours=2), now + timedelta(hours=3)) == []
    assert await first_hour(rig.postgres) == now.replace(minute=0, second=0, microsecond=0)
    await add_usage(rig.postgres, now, [])
    assert await size_bytes(rig.postgres) > 1_000_000
