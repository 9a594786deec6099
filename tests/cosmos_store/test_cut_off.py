"""A connection that ends after a write was sent: the write is told as unknown and never sent a second time."""

import asyncio

import pytest

from mystira.polyglot.store import Key, OutcomeUnknown
from mystira.polyglot.stores.cosmos.store import open_cosmos, provision_cosmos
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of
from tests.cosmos_store.conftest import Account

pytestmark = pytest.mark.anyio


class Cutter:
    """Passes bytes on to the endpoint; once armed, it ends connections on which a replacement was sent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.armed = False
        self.replacements = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pass(behind_reader, writer))
        while asked := await reader.read(1 << 16):
            behind.write(asked)
            if self.armed and asked.startswith(b"PUT "):
                self.replacements += 1
                back.cancel()
                await asyncio.sleep(0.2)
                break
        writer.close()
        behind.close()
        await asyncio.gather(back, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while told := await reader.read(1 << 16):
            writer.write(told)
        writer.close()


async def test_a_write_whose_connection_ends_is_sent_once(account: Account) -> None:
    await provision_cosmos(account.address, COLLECTIONS)
    cutter = Cutter(account.address.port)
    async with await asyncio.start_server(cutter.serve, "127.0.0.1", 0) as between:
        address = account.address._replace(port=between.sockets[0].getsockname()[1])
        async with open_cosmos(address, COLLECTIONS) as store:
            await store.write(SAMPLES, record_of(Sample(id="a")), None)
            base = await store.read(SAMPLES, Key("owner", "a"))
            cutter.armed = True
            with pytest.raises(OutcomeUnknown):
                await store.write(SAMPLES, record_of(Sample(id="a", title="two"), base=base), base)
            assert cutter.replacements == 1
            found = await store.read(SAMPLES, Key("owner", "a"))
            assert found is not None and found.entity == Sample(id="a", title="two")
