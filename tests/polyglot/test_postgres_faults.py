"""PostgreSQL going away in the middle of things: what is known is said, and nothing happens twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mystira.polyglot.store import OutcomeUnknown, Unavailable
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of
from tests.polyglot.counting import COLLECTIONS as COUNTING
from tests.polyglot.counting import Ledger, Rig, raise_counter

pytestmark = pytest.mark.anyio


class Proxy:
    """Stands between a client and PostgreSQL's socket; can swallow the next answer and cut the line."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self.drop_next_answer = False
        self._writing = False

    async def start(self, folder: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, folder / ".s.PGSQL.5432")

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, back]
        await asyncio.gather(self._carry(reader, back), self._answer(there, writer), return_exceptions=True)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            # The name of the fact travels with the parameters of a write, and of nothing else.
            self._writing = self.drop_next_answer and b"Raised" in chunk
            target.write(chunk)
        target.close()

    async def _answer(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            # Ready for the next query, outside a transaction: the server has committed, but nobody will hear of it.
            if self._writing and chunk.endswith(b"Z\x00\x00\x00\x05I"):
                self._writing = self.drop_next_answer = False
                target.transport.abort()
                return
            target.write(chunk)
        target.close()


@pytest.fixture
async def proxied(rig: Rig, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[tuple[Rig, Proxy]]:
    from urllib.parse import parse_qs, quote, urlsplit

    folder = Path("/tmp") / f"p{id(rig)}"
    folder.mkdir(mode=0o700)
    host = parse_qs(urlsplit(postgres_dsn).query)["host"][0]
    proxy = Proxy(f"{host}/.s.PGSQL.5432")
    await proxy.start(folder)
    dsn = f"postgresql://mystira@/postgres?host={quote(str(folder), safe='')}"
    store = await open_postgres(dsn, COUNTING, connections=2)
    rig.works = rig.works_on(store)
    yield rig, proxy
    store.pool.terminate()
    await proxy.stop()
    (folder / ".s.PGSQL.5432").unlink(missing_ok=True)
    folder.rmdir()


async def test_an_answer_lost_after_the_commit_is_resolved_and_counted_once(proxied: tuple[Rig, Proxy]) -> None:
    rig, proxy = proxied
    await rig.works.run(raise_counter, kind=Ledger, id="c", by=1)
    for _ in range(5):
        proxy.drop_next_answer = True
        await rig.works.run(raise_counter, kind=Ledger, id="c", by=1)
        assert not proxy.drop_next_answer
    assert await rig.value(Ledger) == 6
    await rig.settle()
    assert (await rig.tally()).total == 6


async def test_a_lost_connection_during_a_write_is_an_unknown_outcome(postgres_store: PostgresStore) -> None:
    async with postgres_store.connection() as holder:
        await holder.execute("BEGIN")
        await holder.execute("LOCK TABLE samples IN ACCESS EXCLUSIVE MODE")
        writing = asyncio.create_task(postgres_store.write(SAMPLES, record_of(Sample(id="a")), None))
        await asyncio.sleep(0.2)
        await holder.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with pytest.raises(OutcomeUnknown):
            await writing
        await holder.execute("ROLLBACK")


async def test_a_lost_connection_during_a_read_changes_nothing_and_is_told(postgres_store: PostgresStore) -> None:
    with pytest.raises(Unavailable):
        async with postgres_store.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    await postgres_store.ping()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await open_postgres("postgresql://127.0.0.1:1/none", COLLECTIONS)
