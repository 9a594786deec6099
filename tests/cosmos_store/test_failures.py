"""Whatever goes wrong on the way to Cosmos DB is told as one of the failures that every store shares."""

import asyncio

import pytest

from mystira.polyglot.query import EVERYTHING
from mystira.polyglot.store import Conflict, Key, OutcomeUnknown, StoreError, Throttled, Unavailable
from mystira.polyglot.stores.cosmos.address import read_address
from mystira.polyglot.stores.cosmos.store import CosmosDocuments, open_cosmos
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of
from tests.cosmos_store.conftest import REQUEST_S, Account

pytestmark = pytest.mark.anyio

KEY = Key("owner", "a")


async def write(store: CosmosDocuments, title: str = "one") -> None:
    base = await store.read(SAMPLES, KEY)
    await store.write(SAMPLES, record_of(Sample(id="a", title=title), base=base), base)


@pytest.mark.parametrize("status", [408, 503, 0])
async def test_a_write_without_an_answer_has_an_unknown_outcome_and_is_not_sent_again(
    store: CosmosDocuments, account: Account, status: int
) -> None:
    await write(store)
    base = await store.read(SAMPLES, KEY)
    await account.ask("faults", count=1, status=status, applied=True, methods=["PUT"])
    with pytest.raises(OutcomeUnknown):
        # Sent a second time, it would find its own ETag changed and be told of a conflict.
        await store.write(SAMPLES, record_of(Sample(id="a", title="two"), base=base), base)
    found = await store.read(SAMPLES, KEY)
    assert found is not None and found.entity == Sample(id="a", title="two")


@pytest.mark.parametrize("status", [408, 503])
async def test_a_read_without_an_answer_is_unavailable(store: CosmosDocuments, account: Account, status: int) -> None:
    await account.ask("faults", count=5, status=status)
    for asked in (store.read(SAMPLES, KEY), store.count(SAMPLES, EVERYTHING), store.latest(SAMPLES, 3)):
        with pytest.raises(Unavailable):
            await asked


async def test_a_read_whose_connection_broke_is_asked_again(store: CosmosDocuments, account: Account) -> None:
    await write(store)
    await account.ask("faults", count=1, status=0, methods=["GET"])
    assert await store.read(SAMPLES, KEY) is not None


async def test_throttling_says_when_to_come_back_and_the_client_does_not_wait(
    store: CosmosDocuments, account: Account
) -> None:
    for call in (lambda: store.write(SAMPLES, record_of(Sample(id="a")), None), lambda: store.read(SAMPLES, KEY)):
        await account.ask("faults", count=1, status=429, retryAfterMs=3_600_000)
        with pytest.raises(Throttled) as throttled:
            await call()
        assert throttled.value.retry_after_s == 3_600
    assert await store.read(SAMPLES, KEY) is None


async def test_what_is_charged_is_told_and_added_up(store: CosmosDocuments) -> None:
    await store.write(SAMPLES, record_of(Sample(id="a")), None)
    written = store.last_charge
    assert written > 0
    assert await store.read(SAMPLES, Key("owner", "nothing")) is None
    assert 0 < store.last_charge < written
    with pytest.raises(Conflict):
        await store.write(SAMPLES, record_of(Sample(id="a")), None)
    assert store.charged["Samples"] == pytest.approx(written + 2)


async def test_a_silent_server_is_given_up_in_time(account: Account, store: CosmosDocuments) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with await asyncio.start_server(never, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match="does not answer"):
            async with (
                asyncio.timeout(60),
                open_cosmos(read_address(f"cosmos://a2V5@127.0.0.1:{port}/d?tls=0"), COLLECTIONS, open_s=1.0),
            ):
                pass


async def test_a_dead_server_is_told() -> None:
    with pytest.raises(Unavailable, match="check the address"):
        async with asyncio.timeout(60), open_cosmos(read_address("cosmos://a2V5@127.0.0.1:9/d?tls=0"), COLLECTIONS):
            pass


async def test_a_server_that_dies_is_told_by_every_call(account: Account) -> None:
    from mystira.cosmos_emulator.endpoint import Endpoint
    from mystira.cosmos_emulator.serving import listening
    from mystira.polyglot.stores.cosmos.store import provision_cosmos

    async with listening(Endpoint()) as (url, _):
        address = Account(url).address
        await provision_cosmos(address, COLLECTIONS)
        opening = open_cosmos(address, COLLECTIONS, request_s=REQUEST_S)
        store = await opening.__aenter__()
        await write(store)
    for asked in (store.read(SAMPLES, KEY), store.write(SAMPLES, record_of(Sample(id="b")), None), store.ping()):
        with pytest.raises(StoreError) as told:
            await asyncio.wait_for(asked, 60)
        assert isinstance(told.value, Unavailable | OutcomeUnknown)
    await opening.__aexit__(None, None, None)


async def test_a_wrong_key_names_the_setting(account: Account, store: CosmosDocuments) -> None:
    address = account.address._replace(key="d3Jvbmc=")
    with pytest.raises(Unavailable, match="MYSTIRA_COSMOS_KEY"):
        async with open_cosmos(address, COLLECTIONS):
            pass


async def test_a_database_that_is_not_there_names_the_command(account: Account) -> None:
    with pytest.raises(Unavailable, match="mystira cosmos provision"):
        async with open_cosmos(account.address, COLLECTIONS):
            pass
