"""The document store on Azure Cosmos DB."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec
from azure.core import MatchConditions
from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosResourceNotFoundError

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS
from mystira.polyglot.entity import Stamp
from mystira.polyglot.measures import spend
from mystira.polyglot.orders import composite_index
from mystira.polyglot.query import EVERYTHING, Query, Where
from mystira.polyglot.roster import ROSTERS
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import Conflict, FeedItem, FeedPage, Incoming, Key, Record, Unavailable
from mystira.polyglot.stores.cosmos import feed
from mystira.polyglot.stores.cosmos.address import Address
from mystira.polyglot.stores.cosmos.charges import Charge
from mystira.polyglot.stores.cosmos.client import make_client
from mystira.polyglot.stores.cosmos.credentials import signed_in
from mystira.polyglot.stores.cosmos.documents import loaded, loaded_item, loaded_looked, outgoing, place_of
from mystira.polyglot.stores.cosmos.failures import Failed, headers_of, translated, was_cut_off
from mystira.polyglot.stores.cosmos.feed import Edges
from mystira.polyglot.stores.cosmos.policy import Finding, lacking_orders
from mystira.polyglot.stores.cosmos.provision import provision
from mystira.polyglot.stores.cosmos.query import Compiled, confined_to, merged
from mystira.polyglot.together import together

REQUEST_S = 5.0
OPEN_S = 10.0
LOOKS_AT_ONCE = 16
STRONG = "Strong"

T = TypeVar("T")


class _Container(NamedTuple):
    proxy: ContainerProxy
    told: dict[str, Any]

    @property
    def rid(self) -> str:
        return self.told["_rid"]


class CosmosDocuments:
    """Documents in the containers of one database. A call answers or fails within `request_s` seconds."""

    def __init__(
        self, database: DatabaseProxy, containers: Mapping[str, _Container], *, strong: bool, request_s: float
    ) -> None:
        self.reads_are_current = strong
        self.last_charge = 0.0
        self.charged: defaultdict[str, float] = defaultdict(float)
        self._database = database
        self._containers = containers
        self._request_s = request_s

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the document of this key, a tombstone included."""
        document = await self._read(collection, key)
        return None if document is None else loaded(collection, document)

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Create the document, or replace it where the base's ETag still stands."""
        document = outgoing(collection, record)
        container = self._proxy(collection)

        async def put(charge: Charge) -> None:
            if base is None:
                await container.create_item(document, no_response=True, response_hook=charge)
                return
            await container.replace_item(
                document["id"],
                document,
                etag=base.token,
                match_condition=MatchConditions.IfNotModified,
                no_response=True,
                response_hook=charge,
            )

        await self._ask(collection, put, writes=True)

    async def remove(self, collection: Collection[Any], record: Record) -> None:
        """Delete the document if it is still what was read."""
        place = place_of(collection, record.key)
        if place is None:
            raise Conflict(f"{collection.name}: no document can have this key")
        partition, id = place

        async def delete(charge: Charge) -> None:
            await self._proxy(collection).delete_item(
                id,
                partition,
                etag=record.token,
                match_condition=MatchConditions.IfNotModified,
                response_hook=charge,
            )

        await self._ask(collection, delete, writes=True)

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys, whether it can be read or not."""
        at_once = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def one(key: Key) -> tuple[dict[str, Any] | None, float]:
            async with at_once:
                return await self._read(collection, key), self.last_charge

        found = await together(one(key) for key in keys)
        self.last_charge = sum(charge for _, charge in found)
        return {
            key: loaded_looked(collection, key, document)
            for key, (document, _) in zip(keys, found, strict=True)
            if document is not None
        }

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live documents in the query's order."""
        query = collection.complete(query)
        compiled = Compiled(collection)
        text = compiled.search(query)
        found = await self._query(collection, text, compiled.parameters, confined_to(query.where, collection.partition))
        return [loaded(collection, document) for document in merged(collection, query.order, found)[: query.limit]]

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live documents there are."""
        collection.check(where)
        compiled = Compiled(collection)
        text, partition = compiled.count(where), confined_to(where, collection.partition)
        if where != EVERYTHING:
            return sum(await self._query(collection, text, compiled.parameters, partition))
        # To count a large container takes longer than a call may: each of its ranges has that time for itself.
        ranges = await self._ask(collection, lambda charge: feed.living(self._proxy(collection)))
        charges, found = 0.0, 0
        for edges in ranges:
            found += sum(await self._query(collection, text, compiled.parameters, None, (edges,)))
            charges += self.last_charge
        self.last_charge = charges
        return found

    async def latest(self, collection: Collection[Any], limit: int) -> Sequence[tuple[Key, Stamp]]:
        """Return what was changed last, tombstones included: the newest first, as far as the service's seconds tell."""
        text = f"SELECT TOP {int(limit)} * FROM c ORDER BY c._ts DESC"  # noqa: S608 - it holds a number only.
        found = await self._query(collection, text, [], None)
        newest = sorted(found, key=lambda document: document["_ts"], reverse=True)[:limit]
        items = [loaded_item(collection, document) for document in newest]
        return [(item.key, item.stamp) for item in items]

    async def ping(self) -> None:
        """Raise Unavailable unless the database answers."""

        async def ask(charge: Charge) -> None:
            await self._database.read(response_hook=charge)

        await self._bounded("ping", ask, Charge())

    async def feed_ranges(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the ranges that together cover every partition key, as far as this process has learnt of splits."""
        found = await self._ask(collection, lambda charge: feed.living(self._proxy(collection)))
        return [edges.id for edges in found]

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        """Return the next changes of one range, the newest version of each document only."""
        edges = feed.edges_named(collection.container, range_id)
        container = self._containers[collection.name]

        async def ask(charge: Charge) -> FeedPage:
            found = await feed.changes(container.proxy, container.rid, edges, continuation, limit, charge)
            items = [FeedItem(loaded_item(collection, one), int(one["_lsn"])) for one in found.documents]
            return FeedPage(items, found.position, found.has_more, charge.units)

        return await self._ask(collection, ask)

    def _proxy(self, collection: Collection[Any]) -> ContainerProxy:
        return self._containers[collection.name].proxy

    async def _read(self, collection: Collection[Any], key: Key) -> dict[str, Any] | None:
        place = place_of(collection, key)
        if place is None:
            return None
        partition, id = place

        async def ask(charge: Charge) -> dict[str, Any] | None:
            try:
                return await self._proxy(collection).read_item(id, partition, response_hook=charge)
            except CosmosResourceNotFoundError as error:
                if error.sub_status:
                    raise
                charge(headers_of(error))
                return None

        return await self._ask(collection, ask)

    async def _query(
        self,
        collection: Collection[Any],
        text: str,
        parameters: list[dict[str, Any]],
        partition: str | None,
        within: Sequence[Edges] = (),
    ) -> list[Any]:
        container = self._proxy(collection)

        async def part(charge: Charge, **scope: Any) -> list[Any]:
            pages = container.query_items(text, parameters=parameters, response_hook=charge, **scope)
            return [found async for found in pages]

        async def ask(charge: Charge) -> list[Any]:
            if partition is not None:
                return await part(charge, partition_key=partition)
            # Range by range: put together by the client, an order may not hold null beside other values.
            ranges = within or await feed.living(container)
            parts = await together(part(charge, feed_range=edges.feed_range) for edges in ranges)
            return [found for one in parts for found in one]

        return await self._ask(collection, ask)

    async def _ask(
        self, collection: Collection[Any], call: Callable[[Charge], Awaitable[T]], *, writes: bool = False
    ) -> T:
        charge = Charge()
        try:
            return await self._bounded(collection.name, call, charge, writes=writes)
        finally:
            self.last_charge = charge.units
            self.charged[collection.name] += charge.units
            spend(collection.name, charge.units)

    async def _bounded(
        self, where: str, call: Callable[[Charge], Awaitable[T]], charge: Charge, *, writes: bool = False
    ) -> T:
        try:
            async with asyncio.timeout(self._request_s):
                try:
                    return await call(charge)
                except Failed as error:
                    if writes or not was_cut_off(error):
                        raise
                    # A read can be asked again: the server had closed a connection that was idle for long.
                    return await call(charge)
        except Failed as error:
            charge(headers_of(error))
            raise translated(error, where, writes=writes) from error


def declared(collections: Iterable[Collection[Any]]) -> tuple[Collection[Any], ...]:
    """Return the collections and those that the framework keeps beside them."""
    return (*collections, CONTROLS, ROSTERS, SPILLS)


@asynccontextmanager
async def open_cosmos(
    address: Address,
    collections: Iterable[Collection[Any]],
    *,
    credential: AsyncTokenCredential | None = None,
    request_s: float = REQUEST_S,
    open_s: float = OPEN_S,
    consistency: str | None = None,
    alone: bool = False,
) -> AsyncGenerator[CosmosDocuments]:
    """Open the containers of these collections; Unavailable when the account or a container is not there.

    `alone` does without the framework's own, for looking at what other software wrote.
    """
    async with _connected(address, credential, request_s, open_s, consistency) as client:
        database = client.get_database_client(address.database)
        account = await _within(address, open_s, client.client_connection.GetDatabaseAccount)
        level = consistency or (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel")
        wanted = tuple(collections) if alone else declared(collections)
        containers = await _within(address, open_s, lambda: _containers(database, wanted))
        missing = [one.container for one in wanted if one.name not in containers]
        if missing:
            raise Unavailable(
                f"{address} has no container {', '.join(missing)}; make what is missing: mystira cosmos provision"
            )
        if not alone:
            _refuse_unsortable(address, wanted, containers)
        yield CosmosDocuments(database, containers, strong=level == STRONG, request_s=request_s)


async def _containers(database: DatabaseProxy, wanted: Sequence[Collection[Any]]) -> dict[str, _Container]:
    """Return those that are there, asked one by one: whoever signs in with Entra ID may not list them."""

    async def one(collection: Collection[Any]) -> tuple[str, _Container] | None:
        proxy = database.get_container_client(collection.container)
        try:
            return collection.name, _Container(proxy, await proxy.read())
        except CosmosResourceNotFoundError:
            return None

    return dict(found for found in await together(one(collection) for collection in wanted) if found is not None)


def _refuse_unsortable(
    address: Address, wanted: Sequence[Collection[Any]], containers: Mapping[str, _Container]
) -> None:
    """Raise Unavailable where a declared order has no index: the first page in that order would fail, much later."""
    for collection in wanted:
        lacking = lacking_orders(collection, containers[collection.name].told)
        if lacking:
            indexes = [composite_index(collection.by_name, order) for order in lacking]
            raise Unavailable(
                f"{address}: {collection.container} cannot be sorted as its collection declares. Run `mystira cosmos "
                f"provision`, which adds to compositeIndexes: {msgspec.json.encode(indexes).decode()}"
            )


async def provision_cosmos(
    address: Address,
    collections: Iterable[Collection[Any]],
    *,
    dry_run: bool = False,
    credential: AsyncTokenCredential | None = None,
) -> list[Finding]:
    """Make what is missing at this address, or say what is. It needs the key: Entra ID's roles allow no such thing."""
    async with _connected(address, credential, REQUEST_S, OPEN_S, None) as client:
        try:
            return await provision(client, address.database, declared(collections), dry_run=dry_run)
        except Failed as error:
            raise translated(error, str(address), writes=False) from error


@asynccontextmanager
async def _connected(
    address: Address, credential: AsyncTokenCredential | None, request_s: float, open_s: float, consistency: str | None
) -> AsyncGenerator[CosmosClient]:
    async with AsyncExitStack() as stack:
        given = credential or await stack.enter_async_context(signed_in(address))
        client = make_client(address, given, read_s=request_s, consistency=consistency)
        stack.push_async_callback(client.close)
        await _within(address, open_s, client.__aenter__)
        yield client


async def _within(address: Address, open_s: float, call: Callable[[], Awaitable[T]]) -> T:
    try:
        async with asyncio.timeout(open_s):
            return await call()
    except Failed as error:
        raise translated(error, str(address), writes=False) from error
