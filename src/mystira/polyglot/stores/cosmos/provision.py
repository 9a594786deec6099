"""Makes the database and its containers, and tells how those that are there differ from what is declared."""

from collections.abc import Iterable
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosResourceExistsError, CosmosResourceNotFoundError

from mystira.polyglot.collection import Collection
from mystira.polyglot.stores.cosmos.policy import (
    CHANGED,
    DIFFERS,
    FITS,
    MADE,
    Finding,
    Wanted,
    can_be_mended,
    drift,
    wanted,
)


async def provision(
    client: CosmosClient, database: str, collections: Iterable[Collection[Any]], *, dry_run: bool
) -> list[Finding]:
    """Make what is missing and change what can be changed; another partition key can only be reported."""
    home = client.get_database_client(database)
    known = await _containers(home)
    findings = [Finding(database, MADE if known is None else FITS)]
    if known is None and not dry_run:
        try:
            await client.create_database(database)
        except CosmosResourceExistsError:
            # Another process was faster.
            known = await _containers(home)
    for collection in collections:
        found = (known or {}).get(collection.container)
        findings.append(await _container(home, collection, found, dry_run=dry_run))
    return findings


async def _containers(database: DatabaseProxy) -> dict[str, dict[str, Any]] | None:
    try:
        return {found["id"]: found async for found in database.list_containers()}
    except CosmosResourceNotFoundError:
        return None


async def _container(
    database: DatabaseProxy, collection: Collection[Any], found: dict[str, Any] | None, *, dry_run: bool
) -> Finding:
    want = wanted(collection)
    if found is None:
        if not dry_run:
            await _create(database, want)
        return Finding(want.id, MADE)
    differences = tuple(drift(collection, found))
    if not differences:
        return Finding(want.id, FITS)
    if not can_be_mended(found, collection):
        return Finding(want.id, DIFFERS, differences)
    if not dry_run:
        await database.replace_container(
            want.id,
            PartitionKey(want.partition_path),
            indexing_policy=want.indexing,
            default_ttl=want.time_to_live_s,
        )
    return Finding(want.id, CHANGED, differences)


async def _create(database: DatabaseProxy, want: Wanted) -> None:
    try:
        await database.create_container(
            want.id,
            PartitionKey(want.partition_path),
            indexing_policy=want.indexing,
            default_ttl=want.time_to_live_s,
        )
    except CosmosResourceExistsError:
        # Another process was faster; the next run tells whether it made the same.
        return
