"""A reader in a process of its own: asks over a socket, as a request comes in, and counts how long each answer took."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

CLIENT = """
import json, random, socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.connect(sys.argv[1])
keys, chance = int(sys.argv[2]), random.Random(1)
for line in sys.stdin:
    taken, end = [], time.perf_counter() + float(line)
    while time.perf_counter() < end:
        time.sleep(chance.random() * 0.004)
        begun = time.perf_counter()
        server.sendall(b"%d\\n" % chance.randrange(keys))
        assert server.recv(1) == b"y"
        taken.append((time.perf_counter() - begun) * 1000)
    print(json.dumps(taken), flush=True)
"""
LINE_MAX = 1 << 24

Get = Callable[[str], Awaitable[bool]]


class Reader:
    """The other end of the client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @staticmethod
    @asynccontextmanager
    async def at(path: Path, get: Get, keys: int) -> AsyncGenerator["Reader"]:
        """Answer at this path, and begin a client there."""

        async def answer(asked: asyncio.StreamReader, told: asyncio.StreamWriter) -> None:
            while line := await asked.readline():
                told.write(b"y" if await get(line.decode().strip()) else b"n")

        server = await asyncio.start_unix_server(answer, path)
        command = (sys.executable, "-c", CLIENT, str(path), str(keys))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=LINE_MAX)
        try:
            yield Reader(process)
        finally:
            process.kill()
            await process.wait()
            server.close()

    async def read_for(self, seconds: float) -> list[float]:
        """Return how long each read took, in milliseconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n".encode())
        return json.loads(await self._process.stdout.readline())
