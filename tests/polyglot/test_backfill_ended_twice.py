"""A filling that is ended once more after the leader has changed: only where documents lead does that say anything."""

import asyncio

import msgspec
import pytest

from mystira.polyglot import backfill
from mystira.polyglot.transition import change_phase
from tests.polyglot.counting import COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.moving import DUAL, POSTGRES, REVERSED, SOMEBODY, Process, assert_equal

pytestmark = pytest.mark.anyio


async def test_a_filling_whose_end_was_not_told_says_nothing_of_the_documents(rig: Rig) -> None:
    a, b = Process(rig, "a"), Process(rig, "b")
    for id in ("c000", "c001"):
        await rig.works.run(raise_counter, kind=Counter, id=id, by=1)
    await a.fill(COUNTERS)
    job = await rig.postgres.journal.backfill(COUNTERS.name)
    assert job is not None
    await rig.postgres.journal.backfill_put(msgspec.structs.replace(job, state=backfill.RUNNING, finished_at=None))
    await a.move(COUNTERS, DUAL, REVERSED, POSTGRES)
    await a.works.run(raise_counter, kind=Counter, id="c001", by=7)
    stepped: list[bool] = []

    async def b_comes_by(seconds: float) -> None:
        await asyncio.sleep(seconds)
        await b.backfiller.step()
        stepped.append((await b.r.row(COUNTERS)).complete)

    await change_phase(a.r._replace(sleep=b_comes_by), COUNTERS, REVERSED, **SOMEBODY)
    assert stepped == [False]
    await a.settle()
    await assert_equal(rig, COUNTERS)
    ended = await rig.postgres.journal.backfill(COUNTERS.name)
    assert ended is not None and ended.state == backfill.DONE
