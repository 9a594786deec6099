"""The unit of work: one aggregate, one commit, whatever fails on the way."""

import asyncio

import pytest

from mystira.polyglot.query import equal
from mystira.polyglot.store import Conflict, StoreError
from mystira.polyglot.work import Command
from tests.polyglot.counting import COUNTERS, Counter, Ledger, Raised, Rig, Tally, raise_counter

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("kind", [Counter, Ledger], ids=["documents lead", "postgres leads"])


@BOTH
async def test_a_change_and_its_event_commit_together(rig: Rig, kind: type[Counter]) -> None:
    assert await rig.works.run(raise_counter, kind=kind, id="c", by=3) == 3
    await rig.settle()
    assert await rig.value(kind) == 3
    assert await rig.tally() == Tally(id="all", heard=1, total=3)


@BOTH
async def test_nothing_staged_commits_nothing(rig: Rig, kind: type[Counter]) -> None:
    work = rig.works.open()
    assert await work.get(kind, "c") is None
    await work.commit()
    assert await rig.value(kind) == 0


@BOTH
async def test_an_action_that_raises_changes_nothing(rig: Rig, kind: type[Counter]) -> None:
    async def stumble(work) -> None:
        work.save(kind(id="c", value=9), Raised(counter_id="c", by=9))
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        await rig.works.run(stumble)
    await rig.settle()
    assert (await rig.value(kind), (await rig.tally()).heard) == (0, 0)


async def test_a_second_aggregate_is_refused(rig: Rig) -> None:
    work = rig.works.open()
    work.save(Counter(id="a"))
    with pytest.raises(AssertionError, match="one aggregate"):
        work.save(Counter(id="b"))


async def test_an_event_without_its_aggregate_is_refused(rig: Rig) -> None:
    with pytest.raises(AssertionError, match="emit follows save"):
        rig.works.open().emit(Raised(counter_id="c", by=1))


@BOTH
async def test_rivals_all_get_through_one_after_the_other(rig: Rig, kind: type[Counter]) -> None:
    answers = await asyncio.gather(*(rig.works.run(raise_counter, kind=kind, id="c", by=1) for _ in range(8)))
    assert sorted(answers) == list(range(1, 9))
    await rig.settle()
    assert await rig.tally() == Tally(id="all", heard=8, total=8)


@BOTH
@pytest.mark.parametrize("how", ["before", "after"])
async def test_each_store_call_failing_in_turn_leaves_all_or_nothing_and_the_retry_answers_the_same(
    rig: Rig, kind: type[Counter], how: str
) -> None:
    store = rig.documents if kind is Counter else rig.relational
    await rig.value(kind)
    store.plan(None)
    await rig.works.run(raise_counter, kind=kind, id="measured", by=5, key="k")
    calls = len(store.calls)
    assert calls >= 2
    for at in range(1, calls + 3):
        id = f"c{at}"
        store.plan(at, how)
        try:
            first = await rig.works.run(raise_counter, kind=kind, id=id, by=5, key="k")
        except StoreError:
            first = None
        store.plan(None)
        assert await rig.value(kind, id) in (0, 5)
        again = await rig.works.run(raise_counter, kind=kind, id=id, by=5, key="k")
        assert again == 5 and first in (None, 5)
        await rig.settle()
        assert await rig.value(kind, id) == 5
    tally = await rig.tally()
    assert tally.total == 5 * tally.heard == 5 * (calls + 3)


@BOTH
async def test_a_lost_answer_is_recognised_even_after_another_write_followed(rig: Rig, kind: type[Counter]) -> None:
    store = rig.documents if kind is Counter else rig.relational
    command = Command(op="the-command")
    store.plan(2, "after")
    await rig.works.run_as(command, raise_counter, kind=kind, id="c", by=1)
    await rig.works.run(raise_counter, kind=kind, id="c", by=10)
    await rig.works.run_as(command, raise_counter, kind=kind, id="c", by=1)
    assert await rig.value(kind) == 11


@BOTH
async def test_a_write_whose_answer_was_lost_is_not_made_again(rig: Rig, kind: type[Counter]) -> None:
    store = rig.documents if kind is Counter else rig.relational
    await rig.value(kind)
    store.plan(2, "after")
    assert await rig.works.run(raise_counter, kind=kind, id="c", by=1) == 1
    assert store.calls == ["read", "write", "read"]
    assert await rig.value(kind) == 1


@BOTH
async def test_what_is_removed_stays_away_and_comes_back_above(rig: Rig, kind: type[Counter]) -> None:
    await rig.works.run(raise_counter, kind=kind, id="c", by=1)

    async def remove(work) -> None:
        found = await work.get(kind, "c")
        work.remove(found, Raised(counter_id="c", by=0))

    await rig.works.run(remove)
    assert await rig.works.open().get(kind, "c") is None
    assert await rig.works.open().count(kind) == 0
    assert await rig.works.run(raise_counter, kind=kind, id="c", by=2) == 2
    await rig.settle()
    assert (await rig.tally()).heard == 3


@BOTH
async def test_pages_follow_each_other_without_an_empty_last_one(rig: Rig, kind: type[Counter]) -> None:
    for number in range(6):
        await rig.works.run(raise_counter, kind=kind, id=str(number), by=number % 2)
    first = await rig.works.open().find(kind, limit=3)
    second = await rig.works.open().find(kind, limit=3, after=first.after)
    assert [found.id for found in (*first.items, *second.items)] == list("012345")
    assert second.after is None
    assert await rig.works.open().count(kind, equal("value", 1)) == 3
    one = await rig.works.open().first(kind, equal("value", 1))
    assert one is not None and one.id == "1"


async def test_a_conflict_without_end_is_raised(rig: Rig) -> None:
    async def always_late(work) -> None:
        await work.get(Counter, "c")
        await rig.works.run(raise_counter, kind=Counter, id="c", by=1)
        work.save(Counter(id="c", value=-1))

    with pytest.raises(Conflict):
        await rig.works.run(always_late)
    assert await rig.value(Counter) > 1


async def test_throttling_is_waited_out(rig: Rig) -> None:
    await rig.works.run(raise_counter, kind=Counter, id="other", by=1)
    rig.sqlite.throttle(0.5)
    assert await rig.works.run(raise_counter, kind=Counter, id="c", by=1) == 1
    assert len(rig.slept) == 1
    assert rig.sqlite.charged[COUNTERS.name] > 0


async def test_the_same_seed_gives_the_same_ids(rig: Rig) -> None:
    from random import Random

    rig.works.random = Random(1)
    first = [rig.works.open().new_id() for _ in range(3)]
    rig.works.random = Random(1)
    assert [rig.works.open().new_id() for _ in range(3)] == first
    assert len(set(first)) == 3
