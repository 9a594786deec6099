"""Reads from the relational copy while documents lead: fresh enough, or answered by the leader."""

import pytest

from mystira.polyglot import backfill
from mystira.polyglot.entity import Stamp
from mystira.polyglot.query import equal
from mystira.polyglot.store import Key
from tests.polyglot.counting import COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.moving import COSMOS, DUAL, REVERSED, SOMEBODY, Process

pytestmark = pytest.mark.anyio


async def copied(process: Process, id: str = "c", at_least: Stamp | None = None) -> int | None:
    work = process.works.open()
    found = await (work.get_copy(Counter, id, at_least=at_least) if at_least else work.get_copy(Counter, id))
    return found.value if found else None


async def found(process: Process, value: int) -> list[str]:
    return [item.id for item in (await process.works.open().find_copy(Counter, equal("value", value))).items]


async def saved(process: Process, value: int) -> Stamp:
    work = process.works.open()
    counter = await work.get(Counter, "c")
    assert counter is not None
    work.save(counter.evolve(value=value))
    await work.commit()
    return work.stamp


async def mark_copy(rig: Rig) -> None:
    """Give the copy a value that no leader has, so that an answer tells where it came from."""
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute("UPDATE counters SET value = 77 WHERE id = 'c'")


@pytest.fixture
async def a(rig: Rig) -> Process:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Counter, id="c", by=1)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    process.leadership.forget(COUNTERS)
    await mark_copy(rig)
    return process


async def test_a_fresh_copy_answers(a: Process) -> None:
    assert (await copied(a), await found(a, 77)) == (77, ["c"])
    assert (await a.works.open().get(Counter, "c")).value == 1  # type: ignore[union-attr]


async def test_a_copy_behind_the_stamp_asked_for_is_passed_over(rig: Rig, a: Process) -> None:
    rig.relational.down()
    stamp = await saved(a, 5)
    rig.relational.down(False)
    assert await copied(a) == 77
    assert await copied(a, at_least=stamp) == 5
    await a.settle()
    assert await copied(a, at_least=stamp) == 5
    await mark_copy(rig)
    assert await copied(a, at_least=stamp) == 77


async def test_what_one_wrote_is_in_the_copy_at_once(a: Process) -> None:
    stamp = await saved(a, 5)
    assert (await a.rig.postgres.read(COUNTERS, Key("c", "c"))).stamp == stamp  # type: ignore[union-attr]
    assert (await copied(a), await found(a, 5)) == (5, ["c"])


async def test_the_leader_answers_while_postgres_is_down(rig: Rig, a: Process) -> None:
    rig.relational.down()
    assert (await copied(a), await found(a, 1), await found(a, 77)) == (1, ["c"], [])


async def test_the_leader_answers_for_what_the_copy_lacks(rig: Rig, a: Process) -> None:
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute("DELETE FROM counters")
    assert await copied(a) == 1
    assert await copied(a, "nobody") is None


async def test_what_was_removed_is_gone_from_the_copy_as_well(a: Process) -> None:
    work = a.works.open()
    work.remove(await work.get(Counter, "c"))  # type: ignore[arg-type]
    await work.commit()
    assert (await copied(a, at_least=work.stamp), await found(a, 77)) == (None, [])


async def test_a_copy_that_is_not_kept_or_not_complete_never_answers(rig: Rig, a: Process) -> None:
    await a.move(COUNTERS, COSMOS)
    a.leadership.forget(COUNTERS)
    assert (await copied(a), await found(a, 77)) == (1, [])
    await backfill.start(a.r, COUNTERS, **SOMEBODY)
    a.leadership.forget(COUNTERS)
    assert (await copied(a), await found(a, 77)) == (1, [])


async def test_where_postgres_leads_it_answers_itself(rig: Rig, a: Process) -> None:
    stamp = await saved(a, 5)
    await a.settle()
    await a.move(COUNTERS, REVERSED)
    rig.documents.down()
    assert (await copied(a, at_least=stamp), await found(a, 5)) == (5, ["c"])
