"""A worker in a process of its own: replication's loops begin and end there when they are told to."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

Looping = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def working(dsn: str, folder: Path, core: int | None = None) -> AsyncGenerator[Looping]:
    """Start the process, on one core if it is named; give what keeps its loops going while it is entered."""
    command = (sys.executable, "-m", "bench.looping", dsn, str(folder))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    if core is not None:
        os.sched_setaffinity(process.pid, {core})

    async def tell(what: str) -> None:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{what}\n".encode())
        said = (await process.stdout.readline()).decode().strip()
        assert said == what, f"the worker's process said {said!r}"

    @asynccontextmanager
    async def looping() -> AsyncGenerator[None]:
        await tell("on")
        try:
            yield
        finally:
            await tell("off")

    try:
        yield looping
    finally:
        process.kill()
        await process.wait()


async def main(dsn: str, folder: str) -> None:
    """Obey the lines that come in, and say so when it is done."""
    # This module is what the one that measures imports.
    from bench.replication import opened

    async with opened(dsn, Path(folder)) as stage:
        while (await asyncio.to_thread(sys.stdin.readline)).strip() == "on":
            async with stage.looping():
                print("on", flush=True)
                assert (await asyncio.to_thread(sys.stdin.readline)).strip() == "off"
            print("off", flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(*sys.argv[1:]))
