"""What the Cosmos DB store costs above the bare official client: the same documents, the same endpoint, in turns."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy, CosmosClient

from bench.cosmos import running
from bench.store import PAPERS, Paper, thing
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot.entity import Stamp
from mystira.polyglot.query import Query, equal
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.cosmos.address import read_address
from mystira.polyglot.stores.cosmos.store import CosmosDocuments, open_cosmos, provision_cosmos

OVERHEAD_MAX = 0.15
EMULATOR = (sys.executable, "-m", "mystira", "cosmos-emulator", "--port", "0")
DOCUMENTS, AT_ONCE, ROUNDS = 64, 8, 15
SOME = 20

Call = Callable[[str], Awaitable[None]]


class Cost(NamedTuple):
    """One line of the table: this process's own time on the processor for one call, ours and the bare client's.

    The overheads are medians of what each pair of neighbouring rounds gave: load that comes and goes meets both halves
    of a pair alike.
    """

    name: str
    ours_us: float
    bare_us: float
    overhead: float
    waited: float


class Spent(NamedTuple):
    """What one call took in a round, on this process's processor and by the clock."""

    cpu_us: float
    wall_us: float


async def measure(seconds: float) -> list[Cost]:
    """Measure one kind of call after the other, ours and the bare client's in alternating rounds."""
    async with _both() as (store, bare):
        calls = {
            "point read": (_read(store), _bare_read(bare)),
            "replace under If-Match, read before": (_replace(store), _bare_replace(bare)),
            f"query for {SOME} documents by their ids": (_search(store), _bare_search(bare)),
            "feed, a page of 64": (_feed(store), _bare_feed(bare)),
        }
        return [await _compared(name, ours, theirs, seconds) for name, (ours, theirs) in calls.items()]


@asynccontextmanager
async def _both() -> AsyncGenerator[tuple[CosmosDocuments, ContainerProxy]]:
    async with running(EMULATOR) as server:
        address = read_address(f"cosmos://{WELL_KNOWN_KEY}@{server.address.removeprefix('http://')}/bench?tls=0")
        await provision_cosmos(address, [PAPERS])
        async with open_cosmos(address, [PAPERS]) as store, CosmosClient(server.address, WELL_KNOWN_KEY) as client:
            for number in range(DOCUMENTS):
                await store.write(PAPERS, _record(_key(number), None), None)
            yield store, client.get_database_client("bench").get_container_client(PAPERS.container)


def _key(number: int) -> str:
    return f"paper-{number % DOCUMENTS}"


def _record(id: str, base: Record | None) -> Record:
    stamp = base.stamp.next(0) if base else Stamp(0, 1)
    return Record(key=Key(id, id), entity=thing(Paper, 0, 0).evolve(id=id), stamp=stamp, op=f"op-{stamp.packed}")


async def _compared(name: str, ours: Call, bare: Call, seconds: float) -> Cost:
    await _spent(ours, 0.2), await _spent(bare, 0.2)
    pairs: list[tuple[Spent, Spent]] = []
    for turn in range(ROUNDS):
        # Whoever goes second finds a machine that is warm, so they take turns in that too.
        calls = (ours, bare) if turn % 2 else (bare, ours)
        first, second = [await _spent(call, seconds / ROUNDS / 2) for call in calls]
        pairs.append((first, second) if turn % 2 else (second, first))
    return Cost(
        name,
        statistics.median(own.cpu_us for own, _ in pairs),
        statistics.median(peer.cpu_us for _, peer in pairs),
        statistics.median(own.cpu_us / peer.cpu_us for own, peer in pairs) - 1,
        statistics.median(own.wall_us / peer.wall_us for own, peer in pairs) - 1,
    )


async def _spent(call: Call, seconds: float) -> Spent:
    """Return what one call takes: the endpoint has a process of its own, so none of its own time is counted."""
    began, before, done = time.perf_counter(), time.process_time(), 0
    until = began + seconds

    async def one_after_another(task: int) -> None:
        nonlocal done
        # Each task has documents of its own, so that nobody meets a conflict.
        for turn in range(1_000_000):
            if time.perf_counter() >= until:
                return
            await call(_key(task + turn * AT_ONCE))
            done += 1

    await asyncio.gather(*(one_after_another(task) for task in range(AT_ONCE)))
    return Spent((time.process_time() - before) / done * 1e6, (time.perf_counter() - began) / done * 1e6)


def _read(store: CosmosDocuments) -> Call:
    async def read(id: str) -> None:
        assert await store.read(PAPERS, Key(id, id)) is not None

    return read


def _bare_read(container: ContainerProxy) -> Call:
    async def read(id: str) -> None:
        assert (await container.read_item(id, id))["id"] == id

    return read


def _replace(store: CosmosDocuments) -> Call:
    async def replace(id: str) -> None:
        base = await store.read(PAPERS, Key(id, id))
        await store.write(PAPERS, _record(id, base), base)

    return replace


def _bare_replace(container: ContainerProxy) -> Call:
    async def replace(id: str) -> None:
        base: Any = await container.read_item(id, id)
        body = {name: value for name, value in base.items() if name[:1] != "_" or name == "_polyglot"}
        unchanged = MatchConditions.IfNotModified
        await container.replace_item(id, body, etag=base["_etag"], match_condition=unchanged, no_response=True)

    return replace


def _search(store: CosmosDocuments) -> Call:
    query = Query(where=equal("owner_id", "owner"), limit=SOME)

    async def search(_: str) -> None:
        assert len(await store.search(PAPERS, query)) == SOME

    return search


def _bare_search(container: ContainerProxy) -> Call:
    text = f"SELECT TOP {SOME} * FROM c WHERE c.ownerId = @owner ORDER BY c.id"

    async def search(_: str) -> None:
        found = container.query_items(text, parameters=[{"name": "@owner", "value": "owner"}])
        assert len([one async for one in found]) == SOME

    return search


def _feed(store: CosmosDocuments) -> Call:
    async def feed(_: str) -> None:
        for range_id in await store.feed_ranges(PAPERS):
            await store.feed(PAPERS, range_id, "", DOCUMENTS)

    return feed


def _bare_feed(container: ContainerProxy) -> Call:
    async def feed(_: str) -> None:
        async for one in container.read_feed_ranges():
            found = container.query_items_change_feed(feed_range=one, start_time="Beginning")
            assert [document async for document in found]

    return feed


def overhead_table(kept: Mapping[str, Any]) -> str:
    """Return the measurements as people read them."""
    lines = [
        f"The Cosmos DB store beside the bare official client, on {kept['date']} ({kept['machine']}; {kept['load']}):",
        f"what a call takes of this process's own processor time, medians of {ROUNDS} pairs of rounds in turns; the",
        "endpoint has a process of its own. Overheads are medians of the pairs' ratios; by the clock the time of the",
        "endpoint counts on both sides.",
        "",
        "| What | Ours, µs | Bare client, µs | Overhead | Overhead by the clock | Goal |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for one in (Cost(**cost) for cost in kept["costs"]):
        met = "met" if one.overhead <= OVERHEAD_MAX else "missed"
        goal = f"{OVERHEAD_MAX:.0%} ({met})"
        told = f"| {one.overhead:+.0%} | {one.waited:+.0%} | {goal} |"
        lines.append(f"| {one.name} | {one.ours_us:,.0f} | {one.bare_us:,.0f} {told}")
    return "\n".join(lines) + "\n"
