"""Processes of a storm: a killed one leaves no trace from that instant on, a frozen one goes on where it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.storms.loop import StormLoop


@asynccontextmanager
async def opened(effects: list[str]) -> AsyncIterator[None]:
    await asyncio.sleep(0.1)
    effects.append("opened")
    try:
        yield
    finally:
        effects.append("closed")


async def small_program(effects: list[str]) -> None:
    """Has every kind of cleaning up that a process killed at once must not do."""
    lock = asyncio.Lock()

    async def child() -> None:
        try:
            async with lock, opened(effects):
                await asyncio.sleep(0.1)
                effects.append("child")
        except BaseException:
            effects.append("child failed")
            raise

    try:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(child())
        effects.append("grouped")
        await asyncio.gather(child(), asyncio.wait_for(child(), 3))
        await asyncio.shield(asyncio.sleep(0.1))
    finally:
        effects.append("finally")
    effects.append("done")


def effects_of(seed: int, kill_after: int | None) -> tuple[list[str], bool, StormLoop]:
    """What the program did by the time everybody else had long finished, and whether it lived."""
    effects: list[str] = []

    async def main() -> None:
        loop.start("program", small_program(effects))
        if kill_after is not None:
            loop.kill("program", after_steps=kill_after)
        await asyncio.sleep(20)

    loop = StormLoop(seed)
    loop.run_until_complete(main())
    return effects, loop.alive("program"), loop


@pytest.mark.parametrize("seed", range(5))
def test_a_process_killed_at_any_await_has_done_what_it_did_before_and_nothing_after(seed: int) -> None:
    whole, alive, _ = effects_of(seed, None)
    assert alive and whole[-2:] == ["finally", "done"]
    lengths: list[int] = []
    for steps in range(1_000):
        effects, alive, loop = effects_of(seed, steps)
        if alive:
            break
        assert effects == whole[: len(effects)]
        lengths.append(len(effects))
        # Only now, when nobody looks any more, its finally blocks run.
        loop.close()
    assert alive and effects == whole
    assert steps > 30, "the program has many more awaits than that"
    assert lengths == sorted(lengths) and lengths[0] == 0
    # It was killed inside each of its blocks: in the context, in the group, and after it.
    assert {whole[length - 1] for length in set(lengths) if length} >= {"opened", "closed", "grouped"}


def test_a_kill_takes_effect_between_two_callbacks_of_the_same_instant() -> None:
    told: list[str] = []

    async def tells() -> None:
        await asyncio.sleep(1)
        told.append("alive")

    async def main(loop: StormLoop) -> None:
        loop.start("victim", tells())
        await asyncio.sleep(1)
        loop.kill("victim")
        told.append("killed")
        await asyncio.sleep(1)

    ends: set[tuple[str, ...]] = set()
    for seed in range(20):
        told.clear()
        with StormLoop(seed) as loop:
            loop.run_until_complete(main(loop))
        ends.add(tuple(told))
    assert ends == {("killed",), ("alive", "killed")}


def test_children_inherit_their_process_and_nobody_else_dies_with_it() -> None:
    told: list[str] = []

    async def tells(name: str) -> None:
        await asyncio.sleep(1)
        told.append(name)

    async def parent(loop: StormLoop) -> None:
        child = asyncio.create_task(tells("child"))
        loop.call_later(1, told.append, "child's timer")
        with loop.process("other"):
            other = asyncio.create_task(tells("other"))
        await asyncio.gather(child, other, tells("gathered"))

    async def main(loop: StormLoop) -> None:
        with loop.process("parent"):
            asyncio.create_task(parent(loop)).set_name("parent")
        await asyncio.sleep(0.5)
        loop.kill("parent")
        loop.kill("never started")
        await asyncio.sleep(2)
        assert (loop.alive("parent"), loop.alive("other"), loop.alive("never started")) == (False, True, False)
        # Started again it is a new process: what is left of the old one stays dead.
        await loop.start("parent", tells("parent again"))

    with StormLoop(1) as loop:
        loop.run_until_complete(main(loop))
    assert told == ["other", "parent again"]


def test_who_waits_is_woken_as_himself_whoever_wakes_him() -> None:
    told: list[str] = []

    async def main(loop: StormLoop) -> None:
        answer = loop.create_future()

        async def asks() -> None:
            told.append(await answer)

        loop.start("dead", asks())
        loop.start("living", asks())
        await asyncio.sleep(0)
        await asyncio.sleep(1)
        loop.kill("dead")
        answer.set_result("answered")
        await asyncio.sleep(1)

    with StormLoop(1) as loop:
        loop.run_until_complete(main(loop))
    assert told == ["answered"]


def test_who_kills_himself_runs_to_his_next_await() -> None:
    told: list[str] = []

    async def kills_himself(loop: StormLoop) -> None:
        try:
            loop.kill("self")
            told.append("not yet")
            await asyncio.sleep(0)
        finally:
            told.append("finally")

    async def main(loop: StormLoop) -> None:
        loop.start("self", kills_himself(loop))
        await asyncio.sleep(1)
        assert told == ["not yet"]

    with StormLoop(1) as loop:
        loop.run_until_complete(main(loop))


def test_a_database_is_told_of_the_dead_and_goes_on_itself() -> None:
    told: list[str] = []

    async def main(loop: StormLoop) -> None:
        lock = asyncio.Lock()

        async def lets_go(name: str) -> None:
            await asyncio.sleep(0.1)
            told.append(f"{name} lost its connection")
            lock.release()

        async def writer() -> None:
            await lock.acquire()
            loop.kill("writer")
            await asyncio.sleep(0)

        loop.on_kill(lambda name: loop.create_task(lets_go(name)))
        loop.start("writer", writer())
        await asyncio.sleep(1)
        async with lock:
            told.append("locked again")

    with StormLoop(1) as loop:
        loop.run_until_complete(main(loop))
    assert told == ["writer lost its connection", "locked again"]


def test_a_frozen_process_goes_on_past_its_timeout_and_does_not_notice() -> None:
    told: list[tuple[str, float]] = []

    async def holds_a_lease(loop: StormLoop) -> None:
        until = loop.time() + 5
        try:
            async with asyncio.timeout(6):
                await asyncio.sleep(2)
                told.append(("late" if loop.time() > until else "in time", loop.time()))
                await asyncio.sleep(100)
        except TimeoutError:
            told.append(("timed out", loop.time()))

    async def others(loop: StormLoop) -> None:
        for _ in range(3):
            await asyncio.sleep(3)
            told.append(("others", loop.time()))

    async def main(loop: StormLoop, frozen_s: float) -> None:
        told.clear()
        loop.start("holder", holds_a_lease(loop))
        await asyncio.sleep(1)
        if frozen_s:
            loop.freeze("holder", frozen_s)
        loop.start("others", others(loop))
        await asyncio.sleep(11)

    expected = {
        0.0: {("in time", 2.0), ("timed out", 6.0)},
        4.5: {("late", 5.5), ("timed out", 6.0)},
        9.0: {("timed out", 10.0)},
    }
    for frozen_s, tells in expected.items():
        for seed in range(10):
            with StormLoop(seed) as loop:
                loop.run_until_complete(main(loop, frozen_s))
            # Asleep past both its timers it may find either due first.
            assert set(told) - {("late", 10.0)} == tells | {("others", 4.0), ("others", 7.0), ("others", 10.0)}


def test_a_longer_sleep_wins_and_a_kill_ends_it() -> None:
    told: list[float] = []

    async def ticks(loop: StormLoop) -> None:
        while True:
            await asyncio.sleep(1)
            told.append(loop.time())

    async def main(loop: StormLoop) -> None:
        loop.start("ticks", ticks(loop))
        await asyncio.sleep(1.5)
        loop.freeze("ticks", 1)
        loop.freeze("ticks", 5)
        loop.freeze("ticks", 2)
        await asyncio.sleep(5.5)
        loop.freeze("ticks", 5)
        await asyncio.sleep(1)
        loop.kill("ticks")
        await asyncio.sleep(10)

    with StormLoop(1) as loop:
        loop.run_until_complete(main(loop))
    # It slept from 1.5 to 6.5, ticked once more, and was asleep again when it was killed.
    assert told == [1.0, 6.5]
