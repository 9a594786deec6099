"""The server over real connections: slow, endless and broken requests, stopping, and who is behind a proxy."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from litestar import Request, get, post

from mystira.web.access import allow
from mystira.web.app import make_app
from mystira.web.connections import HEAD_BYTES_MAX, BoundedConnection
from mystira.web.limits import client_key
from mystira.web.server import AddressUnusable, PortInUse, Server, take_port

pytestmark = pytest.mark.anyio

GOOD = b"GET /hello HTTP/1.1\r\nHost: x\r\n"


class Serving(NamedTuple):
    server: Server
    port: int
    running: "asyncio.Task[None]"
    begun: asyncio.Event
    go_on: asyncio.Event

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, raw: bytes) -> bytes:
        """Send and return everything that comes back until the server closes."""
        reader, writer = await self.connect()
        writer.write(raw)
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def serving(*proxies: str) -> AsyncIterator[Serving]:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @get("/hello", opt=allow("anyone"))
    async def hello(request: Request[Any, Any, Any]) -> str:
        return f"{client_key(request)} {request.url.scheme}"

    @get("/slow", opt=allow("anyone"))
    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "finished"

    @post("/swallow", opt=allow("anyone"), status_code=200)
    async def swallow(request: Request[Any, Any, Any]) -> str:
        return str(len(await request.body()))

    @post("/ignore", opt=allow("anyone"), status_code=200)
    async def ignore() -> str:
        return "ignored"

    async def nobody(connection: Any) -> None:
        return None

    server = Server(make_app([hello, slow, swallow, ignore], authenticate=nobody), proxies)
    taken = take_port("127.0.0.1", 0)
    port = taken.getsockname()[1]
    running = asyncio.create_task(server.serve(sockets=[taken]))
    await server.ready(running)
    try:
        yield Serving(server, port, running, begun, go_on)
    finally:
        go_on.set()
        server.stop()
        await running


async def test_requests_one_after_the_other_and_all_at_once_are_answered() -> None:
    async with serving() as up:
        close = b"Connection: close\r\n"
        body = b"POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
        got = await up.send(GOOD + b"\r\n" + body + b"\r\n" + b"x" * 200_000 + GOOD + b"\r\n" + GOOD + close + b"\r\n")
        assert got.count(b"HTTP/1.1 200 OK") == 4 and b"200000" in got


async def test_headers_without_end_are_refused() -> None:
    async with serving() as up:
        # One byte too many, so that everything was read before the answer.
        most = HEAD_BYTES_MAX + 1
        for start, more in ((GOOD, b"X-1: y\r\n" * most), (GOOD + b"X: ", b"y" * most), (b"GET /", b"y" * most)):
            raw = start + more[: most - len(start)]
            assert (await up.send(raw)).startswith(b"HTTP/1.1 431 ")
        assert (await up.send(GOOD + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_request_without_end_is_cut_off() -> None:
    async with serving() as up:
        chunked = b"POST /ignore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for endless in (b"1\r\nx\r\n" * 400_000, b"1\r\nx\r\n0\r\n" + b"T: y\r\n" * 400_000):
            _, writer = await up.connect()
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(10):
                    writer.write(chunked + endless)
                    while True:
                        await writer.drain()
                        writer.write(b"x")
                        await asyncio.sleep(0.01)
            writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"\r\n",
        b"GET /hel",
        GOOD,
        b"POST /swallow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        GOOD + b"\r\nGET /he",
    ],
    ids=repr,
)
async def test_what_comes_too_slowly_is_given_up(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "request_s_max", 0.4)
    async with serving() as up:
        reader, writer = await up.connect()
        writer.write(begun)

        async def trickle() -> None:
            while True:
                await asyncio.sleep(0.1)
                writer.write(b"a" if begun.strip() else b"\r\n" if begun else b"")

        trickling = asyncio.create_task(trickle())
        try:
            async with asyncio.timeout(60):
                got = await reader.read()
        except ConnectionError:
            got = b"HTTP/1.1 408 "
        finally:
            trickling.cancel()
            writer.close()
        assert b"HTTP/1.1 408 " in got


async def test_a_slow_answer_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "request_s_max", 0.2)
    async with serving() as up:
        answer = asyncio.create_task(up.send(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        await up.begun.wait()
        await asyncio.sleep(0.6)
        up.go_on.set()
        assert (await answer).endswith(b"finished")


@pytest.mark.parametrize("raw", [b"NONSENSE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_no_request_is_refused_and_protected(raw: bytes) -> None:
    async with serving() as up:
        got = await up.send(raw)
        assert got.startswith(b"HTTP/1.1 400 ") and b"x-content-type-options: nosniff" in got
        assert b"default-src 'none'" in got


async def test_more_connections_than_can_be_kept_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedConnection, "connections_max", 3)
    async with serving() as up:
        kept = [await up.connect() for _ in range(3)]
        await asyncio.sleep(0.1)
        assert (await up.send(b"")).startswith(b"HTTP/1.1 503 ")
        kept[0][1].close()
        await asyncio.sleep(0.1)
        assert (await up.send(GOOD + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        for _, writer in kept:
            writer.close()


async def test_stopping_finishes_what_has_begun_and_refuses_what_is_new() -> None:
    async with serving() as up:
        answer = asyncio.create_task(up.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        await up.begun.wait()
        idle_reader, idle_writer = await up.connect()
        up.server.stop()
        assert await idle_reader.read() == b""
        idle_writer.close()
        with pytest.raises(OSError):
            await up.connect()
        assert not up.running.done()
        up.go_on.set()
        assert (await answer).endswith(b"finished")
        await asyncio.wait_for(up.running, 60)


async def test_only_a_proxy_that_is_named_says_who_the_client_is() -> None:
    forwarded = b"X-Forwarded-For: 192.0.2.1, 192.0.2.7\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    for proxies, said in (((), b"127.0.0.1 http"), (("10.0.0.0/8",), b"127.0.0.1 http")):
        async with serving(*proxies) as up:
            assert (await up.send(GOOD + forwarded)).endswith(said)
    async with serving("127.0.0.0/8") as up:
        got = await up.send(GOOD + forwarded)
        # The last one is what the proxy itself saw; the ones before are what the client wrote.
        assert got.endswith(b"192.0.2.7 https") and b"strict-transport-security" in got
        assert (await up.send(GOOD + b"Connection: close\r\n\r\n")).endswith(b"127.0.0.1 http")


def test_a_port_in_use_is_told_before_anything_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortInUse):
            take_port("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize("host", ["ä..b", "x y", "no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_is_one_sentence(host: str) -> None:
    with pytest.raises(AddressUnusable, match="Choose another address"):
        take_port(host, 0)
