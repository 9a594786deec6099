"""A trivial request through the whole web stack against a bare Litestar handler, over real HTTP."""

import asyncio
import sys
from typing import Any

from tests.processes import free_port

from bench.measuring import Row, compared, rates

SERVER = """
import asyncio, sys
import uvloop
from litestar import Litestar, get
from mystira.web.access import allow
from mystira.web.app import make_app
from mystira.web.server import Server, take_port

async def nobody(connection):
    return None

@get("/hello", opt=allow("anyone"))
async def hello() -> dict[str, str]:
    return {"hello": "world"}

async def main():
    app = make_app([hello], authenticate=nobody) if sys.argv[1] == "ours" else Litestar([hello])
    taken = take_port("127.0.0.1", int(sys.argv[2]))
    print("ready", flush=True)
    await Server(app).serve_on(taken)

uvloop.run(main())
"""
REQUEST = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"


async def measure(seconds: float) -> list[Row]:
    """Measure requests a second on kept-alive connections."""
    servers = {name: await _Server.start(name) for name in ("ours", "bare Litestar")}
    try:
        found = await rates({name: server.request for name, server in servers.items()}, seconds)
    finally:
        for server in servers.values():
            await server.stop()
    return [compared("a trivial request", found, "ours", "bare Litestar", 0.6)]


class _Server:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self._port = port
        self._connections: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    @staticmethod
    async def start(kind: str) -> "_Server":
        port = free_port()
        name = "ours" if kind == "ours" else "bare"
        command = (sys.executable, "-c", SERVER, name, str(port))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None and await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(1)
        return _Server(process, port)

    async def request(self, number: int, turn: int) -> None:
        """Ask once on this task's own connection."""
        if number not in self._connections:
            self._connections[number] = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._connections[number]
        writer.write(REQUEST)
        head: Any = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert b"world" in await reader.readexactly(length)

    async def stop(self) -> None:
        """End the server."""
        for _, writer in self._connections.values():
            writer.close()
        self._process.terminate()
        await self._process.wait()
