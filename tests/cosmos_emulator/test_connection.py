"""The connection itself, without a client: what HTTP/1.1 allows is answered, anything else is refused."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.cosmos.aio import ContainerProxy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mystira.cosmos_emulator.connection import HEADER_BYTES_MAX, Connection
from mystira.cosmos_emulator.wire import BODY_BYTES_MAX, Request, Response
from tests.cosmos_emulator.conftest import Clock, Local
from tests.cosmos_emulator.test_trouble import signed

pytestmark = pytest.mark.anyio

ITEMS = "dbs/house/colls/rooms"


def get(path: str = "", *, close: bool = False, **headers: str) -> bytes:
    link, _, kind = path.rpartition("/")
    told = {"host": "here", **signed("get", path, kind, link), **headers}
    if close:
        told["connection"] = "close"
    return b"".join((f"GET /{path} HTTP/1.1\r\n".encode(), head(told)))


def head(headers: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def upsert(body: bytes, **headers: str) -> bytes:
    told = {
        **signed("post", f"{ITEMS}/docs", "docs", ITEMS),
        "x-ms-documentdb-partitionkey": '["a"]',
        "x-ms-documentdb-is-upsert": "True",
        "connection": "close",
        **headers,
    }
    return f"POST /{ITEMS}/docs HTTP/1.1\r\n".encode() + head(told) + body


async def talk(local: Local, *pieces: bytes) -> bytes:
    """Send pieces one after the other, and return everything that comes until the other side ends."""
    address = urlsplit(local.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


async def test_requests_sent_ahead_are_answered_in_their_order(local: Local) -> None:
    answers = await talk(local, get("dbs") + get("offers") + get("nothing", close=True))
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200", b"404"]
    assert answers.index(b'"Databases"') < answers.index(b'"Offers"')
    assert b"\r\ndate: " in answers and answers.count(b"connection: close") == 1


async def test_a_request_may_come_in_pieces_and_its_body_in_chunks(local: Local, container: ContainerProxy) -> None:
    body = json.dumps({"id": "1", "tenant": "a"}).encode()
    whole = upsert(body, **{"content-length": str(len(body))})
    assert (await talk(local, whole[:9], whole[9:-5], whole[-5:])).startswith(b"HTTP/1.1 201 Created")
    chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (4, body[:4], len(body) - 4, body[4:])
    assert (await talk(local, upsert(chunks, **{"transfer-encoding": "chunked"}))).startswith(b"HTTP/1.1 200 OK")


async def test_a_client_that_waits_before_its_body_is_encouraged(local: Local, container: ContainerProxy) -> None:
    body = b'{"id":"1","tenant":"a"}'
    asked = upsert(b"", **{"content-length": str(len(body)), "expect": "100-continue"})
    assert (await talk(local, asked, body)).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created")


async def test_what_is_too_long_is_refused(local: Local, container: ContainerProxy) -> None:
    long = b'{"id":"1","tenant":"a","x":"' + b"x" * BODY_BYTES_MAX + b'"}'
    answer = await talk(local, upsert(long, **{"content-length": str(len(long))}))
    assert answer.startswith(b"HTTP/1.1 413 ") and not [item async for item in container.read_all_items()]
    assert (await talk(local, get("dbs", x="x" * HEADER_BYTES_MAX))).startswith(b"HTTP/1.1 431 ")


async def test_what_is_no_http_is_refused_and_the_connection_ends(local: Local) -> None:
    for asked in (b"what?\r\n\r\n", b"GET /dbs HTTP/1.1\r\nx\r\n\r\n"):
        answer = await talk(local, asked)
        assert answer.startswith(b"HTTP/1.1 400 ") and json.loads(answer.partition(b"\r\n\r\n")[2])["message"]


async def test_a_wish_for_another_protocol_is_passed_over(local: Local) -> None:
    answer = await talk(local, get("dbs", upgrade="h2c", connection="Upgrade, HTTP2-Settings"))
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200"] and b"\r\nconnection: close\r\n" in answer


async def test_a_head_has_no_body(local: Local) -> None:
    answer = await talk(local, b"HEAD / HTTP/1.1\r\nconnection: close\r\n" + head(signed("head", "", "", "")))
    assert answer.endswith(b"\r\n\r\n") and b"content-length: " in answer


async def test_a_defect_is_told_and_ends_only_its_connection() -> None:
    def fail(request: Request) -> Response:
        raise ZeroDivisionError

    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: told.append(context))
    async with await loop.create_server(lambda: Connection(fail, set(), "http"), "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for _ in range(2):
            answer = await talk(Local(address, Clock()), get("dbs"))
            assert answer.startswith(b"HTTP/1.1 500 ") and b"InternalServerError" in answer
    assert len(told) == 2


BYTES = st.lists(
    st.sampled_from(
        [get("dbs"), b"GET / HTTP/1.1\r\n", b"content-length: 9\r\n", b"x: \xff\r\n", b"\r\n", b"\0", b"A" * 99]
    )
    | st.binary(max_size=30),
    max_size=6,
).map(b"".join)


async def test_no_bytes_make_the_endpoint_fail(local: Local) -> None:
    loop = asyncio.get_running_loop()

    async def send(data: bytes) -> bytes:
        address = urlsplit(local.address)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(data)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BYTES)
    def hammer(data: bytes) -> None:
        answer: Any = asyncio.run_coroutine_threadsafe(send(data), loop).result(10)
        assert b"HTTP/1.1 5" not in answer

    await asyncio.to_thread(hammer)
    assert (await talk(local, get("dbs", close=True))).startswith(b"HTTP/1.1 200 OK")
