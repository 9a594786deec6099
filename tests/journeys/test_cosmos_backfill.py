"""Fifty thousand accounts go from Cosmos DB to PostgreSQL and back while people write, and none is lost.

The endpoint has a process of its own, as the service has; platform and writers share another one.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from mystira.accounts.model import Account
from mystira.accounts.storage import ACCOUNTS
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.cosmos_emulator.wire import Request
from mystira.polyglot import backfill
from mystira.polyglot.equality import is_caught_up, is_equal
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Key, Record, StoreError, Unavailable
from mystira.polyglot.stores.cosmos.address import Address, read_address
from mystira.polyglot.stores.cosmos.store import provision_cosmos
from mystira.polyglot.stores.documents import dump
from mystira.polyglot.transition import Terms, change_phase
from mystira.polyglot.walking import every_page
from mystira.polyglot.work import Work
from mystira.run import platform, working
from mystira.services import COLLECTIONS
from mystira.services.platform import Platform
from mystira.settings import Settings, read_settings
from tests.contracts.sample import record_of
from tests.polyglot.moving import SOMEBODY
from tests.processes import UNLIMITED

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = int(os.environ.get("MYSTIRA_TEST_ACCOUNTS", "1000"))
WRITERS = 3
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
PAUSE_S = 0.02
THERE_AND_BACK = (
    Phase.DUAL_WRITE_COSMOS_READ,
    Phase.DUAL_WRITE_POSTGRES_READ,
    Phase.DUAL_WRITE_COSMOS_READ,
    Phase.COSMOS_ONLY,
)


def account(number: int, name: str = "somebody") -> Account:
    id = f"account-{number:06}"
    return Account(id=id, email=f"{id}@example.org", email_hash=f"hash-{id}", display_name=name, created_at=BEGAN)


async def filled(file: Path, number: int) -> None:
    """Make the containers and put the documents there, without asking over the network for each."""
    endpoint = Endpoint(file, ranges=4)
    async with listening(endpoint) as (url, _):
        await provision_cosmos(address_of(url), COLLECTIONS)
        fill(endpoint, number)


def fill(endpoint: Endpoint, number: int) -> None:
    for at in range(number):
        body = dump(ACCOUNTS, record_of(account(at), collection=ACCOUNTS))
        headers = {"x-ms-documentdb-partitionkey": json.dumps([account(at).id])}
        request = Request("POST", ("dbs", "mystira", "colls", "Accounts", "docs"), headers, body, "http://127.0.0.1")
        assert endpoint._route(request).status == 201


def address_of(url: str) -> Address:
    return read_address(f"cosmos://{url.removeprefix('http://')}/mystira?tls=0", WELL_KNOWN_KEY)


@asynccontextmanager
async def serving(file: Path) -> AsyncIterator[str]:
    """Run the endpoint on a file; give the address that it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mystira", "cosmos-emulator", "--port", "0", "--data", str(file)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().rsplit(" ", 1)[-1].strip()
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def on_cosmos(folder: Path, dsn: str, number: int) -> AsyncIterator[Settings]:
    file = folder / "cosmos.sqlite"
    await filled(file, number)
    async with serving(file) as url:
        stores = {
            "MYSTIRA_DATA": str(folder / "data"),
            "MYSTIRA_RELATIONAL": dsn,
            "MYSTIRA_DOCUMENTS": f"cosmos://{url.removeprefix('http://')}/mystira?tls=0",
            "MYSTIRA_COSMOS_KEY": WELL_KNOWN_KEY,
        }
        yield read_settings(stores | UNLIMITED)


async def rename(work: Work, *, number: int, name: str) -> None:
    known = await work.get(Account, account(number).id)
    work.save(known.evolve(display_name=name) if known else account(number, name))


class Writers:
    """They rename old accounts and open new ones as long as they may, and remember only what was answered."""

    def __init__(self, opened: Platform) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.acknowledged: dict[int, str] = {}
        self.writes = self.refused = 0
        self.tasks = [asyncio.create_task(self._write_on(opened, writer)) for writer in range(WRITERS)]

    async def _write_on(self, opened: Platform, writer: int) -> None:
        random = Random(writer)
        for turn in range(1_000_000):
            # Each writer has accounts of its own, so that the last answer is what must be found.
            number = random.randrange(int(MANY * 1.02)) // WRITERS * WRITERS + writer
            name = f"{writer} at {turn}"
            await asyncio.sleep(PAUSE_S)
            await self.may.wait()
            try:
                await opened.works.run(rename, number=number, name=name)
            except StoreError:
                # Held while a phase changes, or too busy: whoever asked would try again later.
                self.refused += 1
                continue
            self.acknowledged[number] = name
            self.writes += 1

    async def more(self, number: int) -> None:
        """Return when so many more writes were answered."""
        enough = self.writes + number
        async with asyncio.timeout(600):
            while self.writes < enough:
                assert not any(task.done() for task in self.tasks)
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        ended = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


async def names_in_documents(opened: Platform) -> dict[str, str]:
    found: dict[str, str] = {}
    async for page in every_page(opened.documents, ACCOUNTS):
        for item in page.items:
            # A cut-over leaves tombstones of its own, which stand for nobody.
            if isinstance(item.record, Record) and isinstance(item.record.entity, Account):
                found[item.record.key.id] = item.record.entity.display_name
    return found


async def test_accounts_go_there_and_back_with_writers_and_none_is_lost(tmp_path: Path, clean_postgres: str) -> None:
    def tell(what: str) -> None:
        print(f"{monotonic() - began:7.1f} s  {writers.writes:6} writes, {writers.refused} refused  {what}", flush=True)

    async with (
        on_cosmos(tmp_path, clean_postgres, MANY) as settings,
        platform(settings, print) as opened,
        working(opened),
    ):
        began = monotonic()
        r = opened.replication
        writers = Writers(opened)
        await started(opened)
        while (told := await backfill.progress(r, ACCOUNTS)).state == backfill.RUNNING:
            await writers.more(1)
        tell(f"{told.seen} documents copied")
        refused = writers.refused
        for phase in THERE_AND_BACK:
            await change_phase(r, ACCOUNTS, phase, terms=Terms(deadline_s=600.0), **SOMEBODY)
            tell(phase.value)
            await writers.more(10)
            if phase is Phase.DUAL_WRITE_COSMOS_READ:
                writers.may.clear()
                await settled(opened)
                tell("both stores were compared, account by account: they are equal")
                writers.may.set()
        assert refused == 0, "filling a copy turns nobody away"
        await writers.stop()
        found = await names_in_documents(opened)
        missing = {account(n).id for n in {*range(MANY), *writers.acknowledged}} - set(found)
        # Who was stopped may have written once more than it was told.
        older = {n for n, name in writers.acknowledged.items() if turn_of(found.get(account(n).id, "")) < turn_of(name)}
        tell(f"{len(found)} accounts found, {len(missing)} missing, {len(older)} with an older name than was answered")
        assert (missing, older) == (set(), set())
        assert await opened.relational.journal.letters(LetterFilter()) == []


async def started(opened: Platform) -> None:
    """Start, and again where counting the documents took a busy machine longer than a request may take."""
    while True:
        try:
            await backfill.start(opened.replication, ACCOUNTS, **SOMEBODY)
        except Unavailable:
            continue
        return


async def settled(opened: Platform) -> None:
    """Return once both stores hold the same; whoever was writing has stopped.

    Everything is compared only when nothing is on its way any more: that is a walk through all documents.
    """
    r = opened.replication
    while not (await is_caught_up(r, ACCOUNTS) and await is_equal(r, ACCOUNTS)):
        await asyncio.sleep(0.5)


def turn_of(name: str) -> int:
    return int(name.rpartition(" ")[2]) if " at " in name else -1


async def test_a_missing_account_would_be_noticed(tmp_path: Path, clean_postgres: str) -> None:
    async with on_cosmos(tmp_path, clean_postgres, 3) as settings, platform(settings, print) as opened:
        record = await opened.documents.read(ACCOUNTS, Key(account(1).id, account(1).id))
        assert record is not None
        await opened.documents.remove(ACCOUNTS, record)
        assert set(await names_in_documents(opened)) == {account(0).id, account(2).id}
