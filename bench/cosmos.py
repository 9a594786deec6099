"""The local Cosmos DB beside the npm server: with the official client, with bare HTTP, and how fast each starts."""

import asyncio
import base64
import hmac
import json
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from tests.cosmos_emulator.peer import npm_server

from bench.measuring import Job, Row, compared, rates
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY

OURS, NPM = "ours", "npm server"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    OURS: (sys.executable, "-m", "mystira", "cosmos-emulator", "--port", "0"),
    NPM: ("node", str(npm_server.HERE / "server.js")),
}
STARTS = 5
ITEMS, TENANTS = 1000, 20
UPSERTS_GOAL = 2.0
LINK = "dbs/bench/colls/items"
QUERY = {"query": "SELECT * FROM c WHERE c.tenant = @tenant ORDER BY c.n", "parameters": [{"name": "@tenant"}]}


class Server(NamedTuple):
    """A server in a process of its own."""

    process: asyncio.subprocess.Process
    address: str

    def cpu_s(self) -> float:
        """Return the time on the processor that it has taken so far, with all of its threads."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class Measured(NamedTuple):
    """Rates, and the seconds from the command to the first answer."""

    rows: list[Row]
    starts: dict[str, float]


async def measure(seconds: float) -> Measured:
    """Measure both servers in one run; the npm server needs node and npm."""
    reason = npm_server.missing()
    if reason is not None:
        raise SystemExit(reason)
    starts: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(STARTS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            async with running(command):
                starts[name].append(time.perf_counter() - began)
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(running(command)) for name, command in COMMANDS.items()}
        clients = {name: await stack.enter_async_context(_client(server)) for name, server in servers.items()}
        for client in clients.values():
            await _fill(client)
        rows = await _with_the_client(clients, seconds)
        rows += await _with_bare_http(servers, seconds)
    return Measured(rows, {name: statistics.median(taken) for name, taken in starts.items()})


@asynccontextmanager
async def running(command: tuple[str, ...]) -> AsyncGenerator[Server]:
    """Start a server, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int((await process.stdout.readline()).rpartition(b":")[2])
        yield Server(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        await process.wait()


def _client(server: Server) -> CosmosClient:
    # The npm server calls itself by an HTTPS address that nobody listens on.
    return CosmosClient(server.address, WELL_KNOWN_KEY, enable_endpoint_discovery=False)


def _item(number: int) -> dict[str, Any]:
    number %= ITEMS
    home = {"city": "Bergen", "street": "Nygårdsgaten", "number": number}
    return {"id": str(number), "tenant": f"t{number % TENANTS}", "n": number, "tags": ["x", "y"], "home": home}


async def _fill(client: CosmosClient) -> None:
    database = await client.create_database("bench")
    container = await database.create_container("items", PartitionKey("/tenant"))
    for number in range(ITEMS):
        await container.create_item(_item(number))


async def _with_the_client(clients: Mapping[str, CosmosClient], seconds: float) -> list[Row]:
    containers = {name: _container(client) for name, client in clients.items()}
    rows: list[Row] = []
    for what, make, goal in (
        ("point read", _client_read, None),
        ("upsert", _client_upsert, UPSERTS_GOAL),
        ("query", _client_query, None),
    ):
        found = await rates({name: make(container) for name, container in containers.items()}, seconds)
        rows.append(compared(f"{what}, official client", found, OURS, NPM, goal))
    return rows


def _container(client: CosmosClient) -> ContainerProxy:
    return client.get_database_client("bench").get_container_client("items")


def _number(task: int, turn: int) -> int:
    return task * 61 + turn * 7


def _client_read(container: ContainerProxy) -> Job:
    async def read(task: int, turn: int) -> None:
        item = _item(_number(task, turn))
        assert (await container.read_item(item["id"], item["tenant"]))["n"] == item["n"]

    return read


def _client_upsert(container: ContainerProxy) -> Job:
    async def upsert(task: int, turn: int) -> None:
        item = _item(_number(task, turn))
        assert (await container.upsert_item(item))["n"] == item["n"]

    return upsert


def _client_query(container: ContainerProxy) -> Job:
    async def query(task: int, turn: int) -> None:
        tenant = f"t{_number(task, turn) % TENANTS}"
        asked: Any = {"query": QUERY["query"], "parameters": [{"name": "@tenant", "value": tenant}]}
        found = [item async for item in container.query_items(**asked, partition_key=tenant)]
        assert len(found) == ITEMS // TENANTS

    return query


async def _with_bare_http(servers: Mapping[str, Server], seconds: float) -> list[Row]:
    rows: list[Row] = []
    for what, requests, goal in (
        ("point read", [_bare_read(number) for number in range(ITEMS)], None),
        ("upsert", [_bare_upsert(number) for number in range(ITEMS)], UPSERTS_GOAL),
        ("query", [_bare_query(number) for number in range(TENANTS)], None),
    ):
        bare = {name: _Bare(server, requests) for name, server in servers.items()}
        found = await rates({name: one.request for name, one in bare.items()}, seconds)
        rows.append(compared(f"{what}, bare HTTP", found, OURS, NPM, goal))
        spent = {name: one.per_cpu_second() for name, one in bare.items()}
        rows.append(compared(f"{what}, per CPU second of the server", spent, OURS, NPM, goal))
        for one in bare.values():
            one.close()
    return rows


def _bare_read(number: int) -> bytes:
    item = _item(number)
    return _request("GET", f"{LINK}/docs/{item['id']}", f"{LINK}/docs/{item['id']}", item["tenant"], b"")


def _bare_upsert(number: int) -> bytes:
    item = _item(number)
    return _request("POST", f"{LINK}/docs", LINK, item["tenant"], json.dumps(item).encode(), _UPSERT)


def _bare_query(number: int) -> bytes:
    tenant = f"t{number}"
    asked = {"query": QUERY["query"], "parameters": [{"name": "@tenant", "value": tenant}]}
    return _request("POST", f"{LINK}/docs", LINK, tenant, json.dumps(asked).encode(), _QUERY)


_UPSERT = {"x-ms-documentdb-is-upsert": "True", "content-type": "application/json"}
_QUERY = {"x-ms-documentdb-isquery": "True", "content-type": "application/query+json"}


def _request(
    method: str, path: str, link: str, tenant: str, body: bytes, headers: Mapping[str, str] | None = None
) -> bytes:
    date = formatdate(usegmt=True)
    signed = f"{method.lower()}\ndocs\n{link}\n{date.lower()}\n\n".encode()
    signature = base64.b64encode(hmac.digest(base64.b64decode(WELL_KNOWN_KEY), signed, sha256)).decode()
    told = {
        "Host": "127.0.0.1",
        "Content-Length": str(len(body)),
        "Authorization": quote(f"type=master&ver=1.0&sig={signature}", safe=""),
        "x-ms-date": date,
        "x-ms-version": "2020-07-15",
        "x-ms-documentdb-partitionkey": json.dumps([tenant]),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} /{path} HTTP/1.1\r\n{head}\r\n".encode() + body


class _Bare:
    """Kept-alive connections that send ready requests and look only at the status and the length of an answer."""

    def __init__(self, server: Server, requests: list[bytes]) -> None:
        self._server = server
        self._requests = requests
        self._connections: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._done = 0
        self._since_s = server.cpu_s()

    async def request(self, task: int, turn: int) -> None:
        """Ask once on this task's own connection."""
        if task not in self._connections:
            port = urlsplit(self._server.address).port
            self._connections[task] = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self._connections[task]
        writer.write(self._requests[_number(task, turn) % len(self._requests)])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith((b"http/1.1 200", b"http/1.1 201")), head
        if b"transfer-encoding: chunked" in head:
            await reader.readuntil(b"0\r\n\r\n")
        else:
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        self._done += 1

    def per_cpu_second(self) -> float:
        """Return how many requests the server answered in each second of its own time on the processor."""
        return self._done / (self._server.cpu_s() - self._since_s)

    def close(self) -> None:
        """Let go of the connections."""
        for _, writer in self._connections.values():
            writer.close()


def cosmos_table(kept: Mapping[str, Any]) -> str:
    """Return the measurements as people read them."""
    lines = [
        f"The local Cosmos DB beside `@vercel/cosmosdb-server`, on {kept['date']} ({kept['machine']};",
        f"{kept['seconds_each']:g} s each, in turns, medians). {ITEMS:,} items; a query returns {ITEMS // TENANTS}.",
        "What is said per CPU second leaves the client out, and most of what else goes on.",
        "",
        "| What | Ours, per second | npm server | Ratio | Goal |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in (Row(**one) for one in kept["rows"]):
        goal = "" if row.goal is None else f"{row.goal:g}{' (met)' if row.ratio >= row.goal else ' (missed)'}"
        lines.append(f"| {row.name} | {row.ours_per_s:,.0f} | {row.peer_per_s:,.0f} | {row.ratio:.2f} | {goal} |")
    started = " and ".join(f"{kept['starts'][name]:.2f} s ({name})" for name in (OURS, NPM))
    return "\n".join([*lines, "", f"From the command to the address that it prints: {started}."]) + "\n"
