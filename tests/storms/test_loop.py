"""The storm loop: asyncio's parts work on it, time is virtual, the order is the seed's, and what hangs is told."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.storms.loop import _LEAKED, Deadlock, Runaway, StormLoop, Unretrieved

ROOT = Path(__file__).parents[2]


async def every_part_of_asyncio(loop: StormLoop) -> list[str]:
    """Uses each part once, several tasks at a time, and tells what happened in which order."""
    told: list[str] = []
    lock, event, queue, limit = asyncio.Lock(), asyncio.Event(), asyncio.Queue[int](2), asyncio.Semaphore(2)
    changed = asyncio.Condition()

    async def guarded(name: str) -> None:
        async with lock, limit:
            await asyncio.sleep(0.5)
            told.append(name)

    async def put() -> None:
        for number in range(6):
            await queue.put(number)

    async def take() -> list[int]:
        return [await queue.get() for _ in range(6)]

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0.1)
            yield number

    async def wait_for_change() -> None:
        async with changed:
            await changed.wait()
        told.append("changed")

    async with asyncio.TaskGroup() as group:
        for name in "abcdef":
            group.create_task(guarded(name))
        group.create_task(put())
        taken = group.create_task(take())
        group.create_task(wait_for_change())
        loop.call_later(0.25, event.set)
        await event.wait()
        async with changed:
            changed.notify_all()
    told += [str(taken.result()), str([number async for number in numbers()])]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.sleep(2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 1)
    assert await asyncio.wait_for(asyncio.sleep(0.1, "in time"), 1) == "in time"
    inner = asyncio.create_task(asyncio.sleep(1, "shielded"))
    outer = asyncio.create_task(asyncio.wait_for(asyncio.shield(inner), 0.5))
    assert isinstance((await asyncio.gather(outer, return_exceptions=True))[0], TimeoutError)
    told.append(await inner)
    waiting = {asyncio.create_task(asyncio.sleep(n % 3, n), name=f"n{n}") for n in range(9)}
    done, waiting = await asyncio.wait(waiting, timeout=1.5)
    told += [task.get_name() for task in done] + [task.get_name() for task in waiting]
    told += [task.get_name() for task in asyncio.all_tasks()]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            for name in "ghi":
                group.create_task(guarded(name))
            group.create_task(asyncio.wait_for(asyncio.sleep(3), 0.1))
    loop.trace(", ".join(told))
    return told


def test_every_part_of_asyncio_works_in_virtual_time() -> None:
    with StormLoop(1) as loop:
        told = loop.run_until_complete(every_part_of_asyncio(loop))
    assert sorted(told[:7]) == ["a", "b", "c", "changed", "d", "e", "f"]
    assert told[7:10] == ["[0, 1, 2, 3, 4, 5]", "[0, 1, 2]", "shielded"]
    assert sorted(told[10:19]) == [f"n{n}" for n in range(9)]
    assert loop.time() > 7


def test_the_seed_gives_the_order_and_fifo_gives_asyncios_own() -> None:
    async def order() -> str:
        told: list[str] = []

        async def tell(name: str) -> None:
            await asyncio.sleep(1)
            told.append(name)

        await asyncio.gather(*(tell(name) for name in "abcdefgh"))
        return "".join(told)

    orders = [StormLoop(seed).run_until_complete(order()) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3
    assert StormLoop(1, fifo=True).run_until_complete(order()) == asyncio.run(order()) == "abcdefgh"


def test_every_order_comes_up() -> None:
    async def order() -> str:
        told: list[str] = []
        loop = asyncio.get_running_loop()
        for name in "abc":
            loop.call_soon(told.append, name)
        await asyncio.sleep(1)
        return "".join(told)

    assert len({StormLoop(seed).run_until_complete(order()) for seed in range(100)}) == 6


def test_time_jumps_to_the_next_timer_and_not_to_a_cancelled_one() -> None:
    loop = StormLoop()
    at: list[float] = []

    async def main() -> None:
        loop.call_later(3, lambda: at.append(loop.time()))
        cancelled = loop.call_later(2, at.append, -1.0)
        assert (cancelled.when(), cancelled.cancelled()) == (2, False)
        cancelled.cancel()
        loop.call_at(7, lambda: at.append(loop.time()))
        await asyncio.sleep(10)

    loop.run_until_complete(main())
    assert (at, loop.time()) == ([3, 7], 10)

    async def hangs() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 1)
        await asyncio.wait_for(asyncio.sleep(1), 60)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"at 2\.0000 s"), StormLoop() as loop:
        loop.run_until_complete(hangs())


def program(seed: int) -> str:
    """A run with everything in it that could betray the process it runs in."""
    with StormLoop(seed) as loop:

        async def worker(name: str) -> None:
            for number in range(5):
                fault = loop.choose("fault", ["none", "slow", "lost"])
                loop.trace(f"{name} {number} {fault}")
                await asyncio.sleep({"none": 0.0, "slow": 0.3, "lost": 0.1}[fault])

        async def main() -> None:
            await every_part_of_asyncio(loop)
            for name in ("left", "right", "middle"):
                loop.start(name, worker(name))
            await asyncio.sleep(0)
            loop.kill("left", after_steps=3)
            loop.freeze("right", 0.5)
            await asyncio.sleep(2)

        loop.run_until_complete(main())
        loop.trace(f"{loop.step} steps, {loop.decisions}")
    return "\n".join(map(str, loop.traced))


def test_the_same_seed_gives_the_same_trace_in_other_processes_under_other_hash_seeds() -> None:
    for seed in (1, 2):
        # Runs before it in the same process must not show either.
        here = [program(seed), program(seed)]
        code = f"from tests.storms.test_loop import program; print(program({seed}))"
        there = [
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                check=True,
                capture_output=True,
                text=True,
            ).stdout.removesuffix("\n")
            for hash_seed in ("1", "4711")
        ]
        assert [*here, *there] == [here[0]] * 4
        assert "left was killed" in here[0] and "right sleeps until" in here[0] and "? fault#" in here[0]
    assert program(1) != program(2)


def test_a_hang_names_the_waiting_tasks_and_where_they_wait() -> None:
    lock = asyncio.Lock()

    async def holds_forever() -> None:
        async with lock:
            await asyncio.Event().wait()

    async def waits_for_it() -> None:
        await lock.acquire()

    async def main(loop: StormLoop) -> None:
        killed = loop.start("writer", holds_forever())
        await asyncio.sleep(1)
        loop.start("reader", waits_for_it())
        await asyncio.sleep(1)
        loop.kill("writer")
        await killed

    with pytest.raises(Deadlock) as raised, StormLoop(1) as loop:
        loop.run_until_complete(main(loop))
    report = str(raised.value)
    assert "at 2.0000 s" in report
    assert "main: test_loop.py:" in report and ".main, waits for writer-2, which was killed" in report
    assert "writer-2, killed: test_loop.py:" in report and "holds_forever > asyncio Event.wait" in report
    assert "reader-3: test_loop.py:" in report and "waits_for_it > asyncio Lock.acquire" in report


def test_a_loop_without_end_is_stopped() -> None:
    async def spins() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Runaway, match=r"More than 1000 steps[^\n]*\n  main: test_loop.py:\d+ .*spins"):
        StormLoop(1, steps_max=1000).run_until_complete(spins())


async def fails() -> None:
    raise ValueError("lost")


def test_exceptions_that_nobody_retrieves_fail_the_run() -> None:
    async def leaves_a_task() -> None:
        asyncio.create_task(fails(), name="left").set_name("left")
        await asyncio.sleep(1)

    async def leaves_a_future() -> None:
        asyncio.get_running_loop().create_future().set_exception(ValueError("lost"))

    async def leaves_a_future_in_a_cycle() -> None:
        cycle: list[object] = [asyncio.get_running_loop().create_future()]
        cycle[0].set_exception(ValueError("lost"))  # type: ignore[attr-defined]
        cycle.append(cycle)

    async def raises_in_a_callback() -> None:
        asyncio.get_running_loop().call_soon(int, "lost")
        await asyncio.sleep(1)

    for main in (leaves_a_task, leaves_a_future, leaves_a_future_in_a_cycle, raises_in_a_callback):
        with pytest.raises(Unretrieved, match="lost"), StormLoop(1) as loop:
            loop.run_until_complete(main())


def test_an_exception_on_its_way_to_someone_is_not_lost() -> None:
    async def main(loop: StormLoop) -> None:
        async def asks(server: str) -> None:
            with pytest.raises(ValueError, match="lost"):
                await loop.start(server, fails())

        await asks("server")
        loop.start("client", asks("server"))
        loop.kill("client", after_steps=1)
        loop.start("failed", fails())
        await asyncio.sleep(1)
        loop.kill("failed")
        # Ends while the answer is still under way.
        loop.start("hasty", asks("server"))

    for seed in range(20):
        with StormLoop(seed) as loop:
            loop.run_until_complete(main(loop))


def test_what_reaches_outside_is_refused() -> None:
    async def main(loop: StormLoop) -> None:
        with pytest.raises(NotImplementedError, match=r"StormLoop.run_in_executor: a storm has one thread"):
            await asyncio.to_thread(time.sleep, 1)
        with pytest.raises(NotImplementedError, match=r"StormLoop.call_soon_threadsafe"):
            loop.call_soon_threadsafe(print)
        with pytest.raises(NotImplementedError, match=r"StormLoop.create_connection"):
            await asyncio.open_connection("localhost", 80)
        with pytest.raises(NotImplementedError, match=r"StormLoop.add_signal_handler"):
            loop.add_signal_handler(2, print)

    with StormLoop(1) as loop:
        loop.run_until_complete(main(loop))


def test_a_storm_does_not_run_inside_a_running_loop() -> None:
    async def inside() -> None:
        StormLoop().run_until_complete(asyncio.Future(loop=StormLoop()))

    with pytest.raises(RuntimeError, match="from plain code"):
        asyncio.run(inside())


def test_what_still_waits_at_the_end_is_put_away_without_a_sound(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            asyncio.create_task(fails()).set_name("left")
            await asyncio.sleep(1)
            loop.trace("told by the dead")

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            loop.trace("told by a generator")

    async def main() -> None:
        asyncio.create_task(asyncio.wait_for(stubborn(), 50)).set_name("outer")
        _begun, _never_begun = asyncio.create_task(stubborn()), loop.start("dead", stubborn())
        loop.kill("dead")
        await asyncio.sleep(1)
        asyncio.create_task(asyncio.wait_for(stubborn(), 50)).set_name("begins too late")
        async for _ in numbers():
            break

    loop = StormLoop(1)
    with loop:
        loop.run_until_complete(main())
    assert [line.text for line in loop.traced] == ["dead was killed"]
    assert loop.is_closed() and not loop.is_running()
    gc.collect()
    assert (capfd.readouterr(), list(recwarn), _LEAKED) == (("", ""), [], [])


def test_asyncios_own_list_of_tasks_is_given_back() -> None:
    async def start() -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(100), name="outside")

    async def known() -> list[str]:
        assert not isinstance(asyncio.get_running_loop(), StormLoop) or not gc.isenabled()
        return sorted(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())

    with asyncio.Runner() as runner:
        kept = runner.run(start())
        with StormLoop() as loop:
            loop.start("early", asyncio.sleep(1))
            assert loop.run_until_complete(known()) == ["early-1"]
            assert loop.run_until_complete(known()) == ["early-1"]
        assert runner.run(known()) == ["outside"] and not kept.done() and gc.isenabled()


def test_the_order_of_all_tasks_does_not_show_what_ran_before() -> None:
    def order() -> list[str]:
        async def main() -> list[str]:
            kept = [asyncio.create_task(asyncio.sleep(n % 16 * 10)) for n in range(100)]
            await asyncio.sleep(1)
            return [task.get_name() for task in asyncio.all_tasks() if task in kept]

        with StormLoop(1) as loop:
            return loop.run_until_complete(main())

    async def crowd() -> None:
        for _ in range(5_000):
            asyncio.create_task(asyncio.sleep(10)).set_name("one of many")

    before = order()
    crowded = StormLoop(1)
    crowded.run_until_complete(crowd())
    assert order() == before
    crowded.close()


@pytest.mark.slow
def test_a_callback_costs_little_more_than_asyncio_takes_for_it() -> None:
    async def spin() -> None:
        for _ in range(5_000):
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(spin() for _ in range(20)))

    def work(loop: asyncio.AbstractEventLoop) -> float:
        began = time.process_time()
        with contextlib.closing(loop):
            loop.run_until_complete(main())
        return time.process_time() - began

    # Beside asyncio's own loop in the same moment: how busy the machine is changes nothing.
    ours, theirs = (min(work(make()) for _ in range(3)) for make in (lambda: StormLoop(1), asyncio.new_event_loop))
    assert ours < 3 * theirs
