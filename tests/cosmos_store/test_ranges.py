"""Feed ranges through splits and merges, provisioning, and ids that the service forbids."""

import pytest

from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Query, contains, prefix
from mystira.polyglot.store import Key, RangeGone, Unavailable
from mystira.polyglot.stores.cosmos.keys import can_be_id, stored_id, told_id
from mystira.polyglot.stores.cosmos.policy import CHANGED, DIFFERS, FITS
from mystira.polyglot.stores.cosmos.store import CosmosDocuments, open_cosmos, provision_cosmos
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of
from tests.cosmos_store.conftest import Account

pytestmark = pytest.mark.anyio


async def put(store: CosmosDocuments, *numbers: int) -> None:
    for number in numbers:
        await store.write(SAMPLES, record_of(Sample(id=str(number), owner_id=f"o{number}")), None)


async def follow(store: CosmosDocuments, ends: dict[str, str]) -> list[int]:
    """Read every range to its end, going on in the successors of those that were split."""
    seen: list[int] = []
    waiting = list(ends)
    while waiting:
        range_id = waiting.pop()
        try:
            page = await store.feed(SAMPLES, range_id, ends[range_id], 3)
        except RangeGone as gone:
            ends |= dict.fromkeys(gone.successors, ends.pop(range_id))
            waiting += gone.successors
            continue
        seen += (int(item.record.key.id) for item in page.items)
        ends[range_id] = page.continuation
        if page.has_more:
            waiting.append(range_id)
    return sorted(seen)


async def test_nothing_is_lost_or_told_twice_through_a_split_and_a_merge(
    store: CosmosDocuments, account: Account
) -> None:
    ends = dict.fromkeys(await store.feed_ranges(SAMPLES), "")
    await put(store, *range(20))
    assert await follow(store, ends) == list(range(20))
    told = await account.ask("split", database="house", container="Samples")
    await put(store, *range(20, 40))
    assert await follow(store, ends) == list(range(20, 40))
    assert len(ends) == 4
    first, second, *_ = sorted(told["ranges"], key=lambda one: one["minInclusive"])
    await account.ask("merge", database="house", container="Samples", ranges=[first["id"], second["id"]])
    await put(store, *range(40, 60))
    assert await follow(store, ends) == list(range(40, 60))


async def test_what_differs_is_told_and_mended_except_the_partition_key(
    store: CosmosDocuments, account: Account
) -> None:
    from azure.cosmos import PartitionKey
    from azure.cosmos.aio import CosmosClient

    async with CosmosClient(account.url, account.address.key) as client:
        database = client.get_database_client("house")
        await database.replace_container("Samples", PartitionKey("/ownerId"), default_ttl=5)
        await database.delete_container("Briefs")
        await database.create_container("Briefs", PartitionKey("/note"))
    for dry_run, after in ((True, CHANGED), (False, CHANGED), (False, FITS)):
        found = {one.name: one for one in await provision_cosmos(account.address, COLLECTIONS, dry_run=dry_run)}
        assert found["Samples"].state == after
        assert found["Briefs"].state == DIFFERS and "/note instead of /id" in found["Briefs"].details[0]
        assert found["Tickets"].state == FITS
        if after == CHANGED:
            assert "time to live 5 instead of None" in found["Samples"].details


async def test_a_container_that_cannot_be_sorted_as_declared_is_refused_with_the_index_to_add(
    store: CosmosDocuments, account: Account
) -> None:
    fewer = [Collection(Sample, container="Samples", table="samples", partition="owner_id"), *COLLECTIONS[1:]]
    await provision_cosmos(account.address, fewer)
    with pytest.raises(Unavailable, match=r"Samples cannot be sorted.*cosmos provision.*compositeIndexes") as refused:
        async with open_cosmos(account.address, COLLECTIONS):
            pass
    assert '[{"path":"/madeAt","order":"ascending"},{"path":"/ownerId","order":"ascending"}' in str(refused.value)
    await provision_cosmos(account.address, COLLECTIONS)
    async with open_cosmos(account.address, COLLECTIONS):
        pass


async def test_ids_with_forbidden_characters_are_kept_and_found(store: CosmosDocuments) -> None:
    ids = ["a/b", "a\\b", "a?b", "a#b", "50%"]
    for id in ids:
        await store.write(SAMPLES, record_of(Sample(id=id)), None)
    for id in ids:
        found = await store.read(SAMPLES, Key("owner", id))
        assert found is not None and found.entity == Sample(id=id)
    hits = await store.search(SAMPLES, Query(where=prefix("id", "a/")))
    assert [record.key.id for record in hits] == ["a/b"]
    hits = await store.search(SAMPLES, Query(where=contains("id", "#")))
    assert [record.key.id for record in hits] == ["a#b"]


@pytest.mark.parametrize("id", ["", ".", "..", "ends in a space ", "x" * 1_024, "\uf02f"])
async def test_an_id_that_would_not_come_back_is_refused(store: CosmosDocuments, id: str) -> None:
    assert not can_be_id(id)
    with pytest.raises(ValueError, match="cannot be the id"):
        await store.write(SAMPLES, record_of(Sample(id=id)), None)
    assert await store.read(SAMPLES, Key("owner", id)) is None
    assert told_id(stored_id("a/b?c#d\\e")) == "a/b?c#d\\e"


async def test_a_whole_number_that_a_double_does_not_hold_is_refused(store: CosmosDocuments) -> None:
    for amount in ((1 << 53) + 1, -(1 << 60)):
        with pytest.raises(ValueError, match=r"Samples\.amount"):
            await store.write(SAMPLES, record_of(Sample(id="a", amount=amount)), None)
    assert await store.read(SAMPLES, Key("owner", "a")) is None
