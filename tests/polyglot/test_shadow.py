"""Shadow reads: what differs is seen and told from lag, and whoever reads never notices."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import msgspec
import pytest

from mystira.polyglot import backfill
from mystira.polyglot.query import (
    EVERYTHING,
    Compare,
    Order,
    Query,
    all_of,
    any_of,
    at_least,
    contains,
    equal,
    is_null,
    less,
    negate,
    one_of,
    prefix,
    shape_of,
)
from mystira.polyglot.shadow import OTHER_SHAPES, BeingMoved, NotARate, ShadowLimits, Shadows, shadow
from mystira.polyglot.store import Key
from tests.polyglot.counting import COUNTERS, SEATS, Counter, Rig, Seat, raise_counter
from tests.polyglot.moving import DUAL, POSTGRES, REVERSED, SOMEBODY, Process, tended

pytestmark = pytest.mark.anyio

LIMITS = ShadowLimits(lag_goal_s=0.05, calibrated_share=0.0)


def watch(process: Process, **limits: Any) -> None:
    """Give the process shadow reads of its own, quick and uncalibrated unless a test says otherwise."""
    process.works.shadows = Shadows(
        process.works.documents,
        process.works.relational,
        random=Random(1),
        limits=msgspec.structs.replace(LIMITS, **limits),
    )


async def set_rate(process: Process, rate: float, collection: Any = COUNTERS) -> None:
    await shadow(process.r, collection, rate, **SOMEBODY)
    process.leadership.forget(collection)


@pytest.fixture
async def a(rig: Rig) -> AsyncIterator[Process]:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Counter, id="c", by=1)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    watch(process)
    await set_rate(process, 1.0)
    yield process
    await process.works.close()


async def read(process: Process, id: str = "c") -> int | None:
    found = await process.works.open().get(Counter, id)
    return found.value if found else None


async def find(process: Process, value: int) -> list[str]:
    return [item.id for item in (await process.works.open().find(Counter, at_least("value", value))).items]


async def kinds(process: Process, collection: Any = COUNTERS) -> dict[str, dict[str, int]]:
    await process.works.shadows.settled()
    return {status.shape: status.kinds for status in process.works.shadows.status(collection)}


async def change_row(rig: Rig, statement: str = "UPDATE counters SET value = 77 WHERE id = 'c'") -> None:
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute(statement)


async def test_answers_that_agree_are_compared_and_nothing_is_found(a: Process) -> None:
    await read(a)
    await read(a, "nobody")
    await find(a, 0)
    assert await kinds(a) == {"by key": {}, "where value >= ?": {}}
    assert [status.compared for status in a.works.shadows.status()] == [2, 1]


async def test_a_row_that_was_changed_in_sql_is_seen_by_key_and_by_query(rig: Rig, a: Process) -> None:
    await change_row(rig)
    assert (await read(a), await find(a, 50)) == (1, [])
    assert await kinds(a) == {"by key": {"divergent": 1}, "where value >= ?": {"divergent": 1}}
    for status in a.works.shadows.status(COUNTERS):
        assert status.mismatches == 1
        assert [(example.kind, example.id) for example in status.examples] == [("divergent", "c")]


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM counters", "missing"),
        ("UPDATE counters SET _stamp = _stamp + 5", "ahead"),
        ("UPDATE counters SET _stamp = _stamp - 1", "stale"),
        ("UPDATE counters SET value = NULL", "unreadable"),
    ],
)
async def test_each_class_of_difference_is_told(rig: Rig, a: Process, statement: str, kind: str) -> None:
    await change_row(rig, statement)
    await read(a)
    assert await kinds(a) == {"by key": {kind: 1}}


async def test_a_row_that_no_document_knows_is_extra(rig: Rig, a: Process) -> None:
    await change_row(rig, "UPDATE counters SET id = 'd'")
    await read(a, "d")
    assert await kinds(a) == {"by key": {"extra": 1}}


async def test_lag_is_not_reported(rig: Rig, a: Process) -> None:
    watch(a, lag_goal_s=1.5)
    await change_row(rig, "UPDATE counters SET _stamp = 0, value = 0")
    rig.relational.plan(None)
    reading = [asyncio.create_task(read(a)), asyncio.create_task(find(a, 1))]
    await asyncio.gather(*reading)
    while not {"read", "search"} <= set(rig.relational.calls):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    # The follower comes within the lag goal.
    await change_row(rig, "UPDATE counters SET _stamp = 1, value = 1")
    assert await kinds(a) == {"by key": {"lagging": 1}, "where value >= ?": {"lagging": 1}}
    assert [status.mismatches for status in a.works.shadows.status()] == [0, 0]


async def test_what_the_leader_changes_meanwhile_is_not_reported(rig: Rig, a: Process) -> None:
    await change_row(rig)
    await read(a)
    await asyncio.sleep(0.02)
    rig.relational.down()
    await a.works.run(raise_counter, kind=Counter, id="c", by=1)
    rig.relational.down(False)
    assert await kinds(a) == {"by key": {"lagging": 1}}


async def test_a_sample_from_before_a_flip_is_not_reported(rig: Rig, a: Process) -> None:
    watch(a, lag_goal_s=1.5)
    await change_row(rig, "UPDATE counters SET _stamp = 0")
    await read(a)
    await asyncio.sleep(0.05)
    await change_row(rig, "UPDATE counters SET _stamp = 1")
    await a.move(COUNTERS, REVERSED)
    await change_row(rig)
    assert await kinds(a) == {"by key": {"lagging": 1}}


class AsInDictionaries:
    """The follower, but its texts are compared as people do: a fault that no comparison of records can see."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def search(self, collection: Any, query: Query) -> Any:
        everything = await self._store.search(collection, Query())
        found = [record for record in everything if self._fits(query.where, record.entity.place.casefold())]
        return sorted(found, key=lambda record: record.entity.place.casefold())[: query.limit]

    @staticmethod
    def _fits(where: Any, place: str) -> bool:
        return not isinstance(where, Compare) or (place < where.value.casefold()) == (where.op == "<")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize(
    ("where", "limit", "kind"),
    [
        (EVERYTHING, 5, "order"),
        (less("place", "a"), 5, "membership"),
        (at_least("place", "B"), 2, "page"),
    ],
)
async def test_a_query_that_means_something_else_there_is_seen(rig: Rig, where: Any, limit: int, kind: str) -> None:
    process = Process(rig, "a")
    for place in ("B", "Z", "a"):
        work = process.works.open()
        work.save(Seat(id=place, place=place))
        await work.commit()
    await process.fill(SEATS)
    await process.move(SEATS, DUAL)
    watch(process)
    await set_rate(process, 1.0, SEATS)
    process.works.shadows._relational = AsInDictionaries(rig.postgres)  # type: ignore[assignment]
    await process.works.open().find(Seat, where, Order("place"), limit=limit)
    (found,) = (await kinds(process, SEATS)).values()
    assert found == {kind: 1}


async def test_where_postgres_leads_the_documents_are_asked(rig: Rig, a: Process) -> None:
    await a.move(COUNTERS, REVERSED)
    a.leadership.forget(COUNTERS)
    document = await rig.sqlite.read(COUNTERS, Key("c", "c"))
    assert document is not None
    await rig.sqlite.write(COUNTERS, msgspec.structs.replace(document, entity=Counter(id="c", value=9)), document)
    assert await read(a) == 1
    assert await kinds(a) == {"by key": {"divergent": 1}}


async def test_at_rate_nought_nobody_asks_and_nothing_is_drawn(rig: Rig, a: Process) -> None:
    await set_rate(a, 0.0)
    await read(a)
    random = a.works.shadows._random
    before = random.getstate()
    rig.relational.plan(None)
    for _ in range(20):
        assert (await read(a), await find(a, 1)) == (1, ["c"])
    assert (rig.relational.calls, random.getstate()) == ([], before)


async def test_the_share_is_about_the_rate(a: Process) -> None:
    await set_rate(a, 0.25)
    for _ in range(400):
        await read(a)
        await a.works.shadows.settled()
    (status,) = a.works.shadows.status()
    assert 60 < status.compared < 140


async def test_where_nobody_follows_nobody_is_asked(rig: Rig, a: Process) -> None:
    await a.move(COUNTERS, REVERSED, POSTGRES)
    a.leadership.forget(COUNTERS)
    await read(a)
    assert await kinds(a) == {}


class Slow:
    """The follower, but each answer takes its time."""

    def __init__(self, store: Any, seconds: float) -> None:
        self._store = store
        self._seconds = seconds

    async def read(self, *args: Any) -> Any:
        await asyncio.sleep(self._seconds)
        return await self._store.read(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_a_slow_follower_slows_no_reader_and_never_has_more_than_it_was_given(rig: Rig, a: Process) -> None:
    slow: Any = Slow(rig.postgres, 3_600.0)
    a.works.shadows = Shadows(
        a.works.documents,
        slow,
        random=Random(1),
        limits=msgspec.structs.replace(LIMITS, in_flight_max=6, asking_max=2, timeout_s=0.05),
    )
    for _ in range(50):
        assert await read(a) == 1
        await asyncio.sleep(0)
    await a.works.shadows.settled()
    (status,) = a.works.shadows.status()
    assert (status.timed_out, status.dropped, status.compared) == (6, 44, 0)


async def test_a_follower_that_is_away_is_counted_and_reaches_nobody(rig: Rig, a: Process) -> None:
    rig.relational.down()
    assert (await read(a), await find(a, 1)) == (1, ["c"])
    await a.works.shadows.settled()
    assert [(status.failed, status.compared) for status in a.works.shadows.status()] == [(1, 0), (1, 0)]


async def test_closing_gives_up_what_is_under_way(rig: Rig, a: Process) -> None:
    watch(a, lag_goal_s=60.0)
    await change_row(rig)
    await read(a)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        await a.works.shadows.close()
    await read(a)
    assert [task for task in asyncio.all_tasks() if "_carry_out" in str(task.get_coro())] == []
    (status,) = a.works.shadows.status()
    assert (status.compared, status.failed) == (0, 0)


async def test_asking_the_leader_twice_tells_the_noise_of_the_method(rig: Rig, a: Process) -> None:
    watch(a, calibrated_share=1.0)
    await change_row(rig)
    for _ in range(10):
        await read(a)
        await find(a, 0)
        await a.works.run(raise_counter, kind=Counter, id="c", by=1)
    await a.works.shadows.settled()
    for status in a.works.shadows.status():
        assert (status.compared, status.calibrated, status.mismatches) == (0, 10 + 10 * (status.shape == "by key"), 0)
        assert status.noise.keys() <= {"lagging"}


async def test_under_load_nothing_is_found_on_clean_data(rig: Rig, a: Process) -> None:
    watch(a, in_flight_max=500, lag_goal_s=1.0)
    async with tended(a):
        for _ in range(2):
            await asyncio.gather(*(_play(a, number) for number in range(8)))
            await a.works.shadows.settled()
            if (await a.r.row(COUNTERS)).phase is DUAL:
                assert a.works.shadows.status()[0].compared > 50
                await a.move(COUNTERS, REVERSED)
    assert [kind for status in a.works.shadows.status() for kind in status.kinds if kind != "lagging"] == []


async def _play(process: Process, number: int) -> None:
    random = Random(number)
    for _ in range(15):
        await process.works.run(raise_counter, kind=Counter, id=f"c{random.randrange(5)}", by=1)
        await read(process, f"c{random.randrange(5)}")
        await find(process, random.randrange(20))


async def test_the_rate_is_set_on_record_and_heard_by_every_process(rig: Rig, a: Process) -> None:
    b = Process(rig, "b")
    watch(b)
    await read(b)
    await shadow(a.r, COUNTERS, 0.0, **SOMEBODY)
    await shadow(a.r, COUNTERS, 0.5, **SOMEBODY)
    await shadow(a.r, COUNTERS, 0.5, **SOMEBODY)
    assert (await a.verbs(COUNTERS))[-3:] == ["shadow reads 1", "shadow reads 0", "shadow reads 0.5"]
    await asyncio.sleep(a.r.tempo.lease_s)
    assert (await b.leadership.term(COUNTERS)).control.shadow == 0.5
    await b.works.close()


async def test_setting_a_rate_begins_to_count_anew(rig: Rig, a: Process) -> None:
    await change_row(rig)
    await read(a)
    await kinds(a)
    await set_rate(a, 0.999)
    await read(a)
    assert await kinds(a) == {"by key": {"divergent": 1}}


async def test_what_is_no_rate_is_refused_and_so_is_a_collection_on_its_way(a: Process) -> None:
    for rate in (-0.1, 1.5, float("nan")):
        with pytest.raises(NotARate):
            await shadow(a.r, COUNTERS, rate, **SOMEBODY)
    moving = asyncio.create_task(a.move(COUNTERS, REVERSED))
    while (await a.r.row(COUNTERS)).state == "OPEN":
        await asyncio.sleep(0.005)
    with pytest.raises(BeingMoved):
        await shadow(a.r, COUNTERS, 0.5, **SOMEBODY)
    await moving
    assert (await a.r.row(COUNTERS)).shadow == 1.0


async def test_shapes_are_bounded(a: Process) -> None:
    watch(a, shapes_max=1)
    await read(a)
    await find(a, 1)
    assert (await kinds(a)).keys() == {"by key", OTHER_SHAPES}


def test_a_shape_tells_the_question_without_its_values() -> None:
    where = all_of(equal("name", "Ada"), any_of(equal("age", 7), equal("age", 8), is_null("age")), negate(less("x", 1)))
    query = Query(where=where, order=(Order("age", descending=True), Order("name")), after=("Ada", 7))
    assert shape_of(query) == (
        "where name = ? and (age = ? or age is null) and not (x < ?), by age descending, name, next page"
    )
    where = all_of(one_of("a", [1, 2]), prefix("b", "secret"), contains("c", "secret"), any_of(), negate(all_of()))
    assert shape_of(Query(where=where)) == (
        "where a among ? and b starts with ? and c contains ? and (never) and not (always)"
    )
    assert shape_of(Query()) == "all"


async def test_a_copy_that_is_being_filled_is_not_asked(rig: Rig) -> None:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Counter, id="c", by=1)
    watch(process)
    await backfill.start(process.r, COUNTERS, **SOMEBODY)
    await set_rate(process, 1.0)
    await read(process)
    assert await kinds(process) == {}
    await backfill.run_to_end(process.r, COUNTERS, process.backfiller)
    process.leadership.forget(COUNTERS)
    await read(process)
    assert await kinds(process) == {"by key": {}}
