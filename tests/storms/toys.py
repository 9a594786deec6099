"""Small schedules that behave as badly as a schedule can, for the tests of the loop and of the runner."""

import asyncio

from tests.storms.loop import StormLoop


async def loses_a_write(loop: StormLoop, seed: int) -> None:
    """Two writers and a relay; it loses a write when a reply is lost and later the relay restarts, in this order."""
    lost: list[int] = []

    async def writer(name: str) -> None:
        for number in range(20):
            await asyncio.sleep(loop.choose("latency", [0.1, 0.2, 0.5]))
            loop.choose("throttled", 0.2)
            if loop.choose("reply lost", 0.1):
                lost.append(number)
                loop.trace(f"{name} lost {number}")

    async def relay() -> None:
        for _ in range(20):
            await asyncio.sleep(0.3)
            assert not (loop.choose("relay restarts", 0.1) and lost), "a write is gone"

    async with asyncio.TaskGroup() as group:
        for job in (writer("left"), writer("right"), relay()):
            group.create_task(job)


async def passes(loop: StormLoop, seed: int, *arguments: str) -> None:
    await asyncio.sleep(1)
    loop.count(f"passed {' '.join(arguments)}")


async def fails_rarely(loop: StormLoop, seed: int) -> None:
    loop.count("ran")
    assert seed not in (61, 62, 140), f"{seed} is one of them"


async def hangs(loop: StormLoop, seed: int) -> None:
    await loop.create_future()


async def computes_forever(loop: StormLoop, seed: int) -> None:
    while seed == 1:
        pass


async def fails_unwatched(loop: StormLoop, seed: int) -> None:
    """Passes whenever it is traced, and so never fails a second time."""
    if not loop.tracing:
        raise ValueError("nobody looks")


async def computes(loop: StormLoop, seed: int) -> None:
    """Some thousand callbacks of the kind that a storm is made of, with a kill and a few faults in it."""
    queue, lock = asyncio.Queue[int](4), asyncio.Lock()

    async def writes(name: str) -> None:
        for number in range(100):
            async with lock:
                await asyncio.sleep(loop.choose("latency", (0.001, 0.01)))
            loop.choose("reply lost", 0.02)
            await queue.put(number)
            loop.trace(f"{name} wrote {number}")

    async def reads() -> None:
        while True:
            async with asyncio.timeout(5):
                await queue.get()

    for name in ("a", "b", "c", "d"):
        loop.start(name, writes(name))
    loop.start("reader", reads())
    await asyncio.sleep(0.5)
    loop.kill(loop.choose("victim", ("nobody", "reader")))
    await asyncio.sleep(1)
    loop.freeze("c", 2)
    await asyncio.sleep(3)
