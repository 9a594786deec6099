"""What only PostgreSQL can show of the journal: locks, round trips, staging, and rows inserted in between."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from mystira.polyglot.control import Control
from mystira.polyglot.store import Conflict, Key, Refused
from mystira.polyglot.stores.postgres import relay
from mystira.polyglot.stores.postgres.controls import FENCE_LOCK
from mystira.polyglot.stores.postgres.copying import Copies
from mystira.polyglot.stores.postgres.store import PostgresStore
from tests.contracts.journals import DUAL, NOW, POSTGRES, REVERSED, begin, brief, counts, flip, merge, step, told
from tests.contracts.sample import BRIEFS

pytestmark = pytest.mark.anyio

EXCLUSIVE = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
SHARED = "SELECT pg_advisory_xact_lock_shared($1, hashtext($2))"


@pytest.fixture
async def other(postgres_dsn: str, postgres_store: PostgresStore) -> AsyncIterator[Any]:
    """A connection of somebody else's."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def until_somebody_waits(other: Any) -> None:
    statement = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(60):
        while not await other.fetchval(statement):
            await asyncio.sleep(0.01)


async def test_a_writer_that_waited_for_a_flip_is_refused_after_it(postgres_store: PostgresStore, other: Any) -> None:
    control = await begin(postgres_store, POSTGRES)
    flipping = other.transaction()
    await flipping.start()
    await other.execute(EXCLUSIVE, FENCE_LOCK, BRIEFS.name)
    writing = asyncio.create_task(postgres_store.journal.write(BRIEFS, brief(1), None, control.n))
    await until_somebody_waits(other)
    await other.execute("UPDATE polyglot.control SET n = n + 1 WHERE collection = $1", BRIEFS.name)
    await flipping.commit()
    with pytest.raises(Conflict, match="may not write"):
        await writing
    assert await postgres_store.read(BRIEFS, Key("a", "a")) is None


async def test_a_merge_that_waited_for_a_flip_judges_by_the_new_leader(
    postgres_store: PostgresStore, other: Any
) -> None:
    await begin(postgres_store, DUAL)
    await merge(postgres_store, brief(3))
    flipping = other.transaction()
    await flipping.start()
    await other.execute(EXCLUSIVE, FENCE_LOCK, BRIEFS.name)
    merging = asyncio.create_task(merge(postgres_store, brief(9, "not on top of 3")))
    await until_somebody_waits(other)
    await other.execute(
        "UPDATE polyglot.control SET phase = $2, n = n + 1 WHERE collection = $1", BRIEFS.name, REVERSED
    )
    await flipping.commit()
    assert counts(await merging) == {"conflicts": 1}


async def test_a_flip_waits_for_a_writer_under_way(postgres_store: PostgresStore, other: Any) -> None:
    control = await begin(postgres_store, POSTGRES)
    writing = other.transaction()
    await writing.start()
    assert await other.fetchval("SELECT polyglot.fence($1, $2)", BRIEFS.name, control.n) == 1
    flipping = asyncio.create_task(flip(postgres_store, control, REVERSED))
    await until_somebody_waits(other)
    await asyncio.sleep(0.05)
    assert not flipping.done()
    await writing.commit()
    await flipping


async def test_collections_do_not_wait_for_each_other(postgres_store: PostgresStore, other: Any) -> None:
    control = await begin(postgres_store, POSTGRES)
    flipping = other.transaction()
    await flipping.start()
    await other.execute(EXCLUSIVE, FENCE_LOCK, "Samples")
    await asyncio.wait_for(postgres_store.journal.write(BRIEFS, brief(1), None, control.n), 60)
    await flipping.rollback()


async def test_a_conflict_tells_the_stamp_from_the_fence(postgres_store: PostgresStore) -> None:
    control = await begin(postgres_store, POSTGRES)
    with pytest.raises(Conflict, match="may not write at n 5"):
        await postgres_store.journal.write(BRIEFS, brief(1), None, 5)
    with pytest.raises(Conflict, match="not what the writer read"):
        await postgres_store.journal.write(BRIEFS, brief(2), brief(1), control.n)


async def test_a_row_inserted_while_a_straggler_was_judged_is_never_overwritten(
    postgres_store: PostgresStore, other: Any
) -> None:
    control = await begin(postgres_store, REVERSED)
    inserting = other.transaction()
    await inserting.start()
    await other.execute(SHARED, FENCE_LOCK, BRIEFS.name)
    await other.execute(
        "INSERT INTO briefs (id, note, _stamp, _parent, _op, _ops, _writer, _deleted, _schema, _handled, _event_seq, "
        "_extra) VALUES ('a', 'mine', 1, 0, 'mine', '{}', 'app', false, 1, '{}', 0, '{}')"
    )
    # The merge sees no row yet, and meets it when it writes: 9 does not continue 1.
    merging = asyncio.create_task(merge(postgres_store, brief(9, "theirs")))
    await until_somebody_waits(other)
    await inserting.commit()
    with pytest.raises(Conflict):
        await merging
    assert counts(await merge(postgres_store, brief(9, "theirs"))) == {"conflicts": 1}
    found = await postgres_store.read(BRIEFS, Key("a", "a"))
    assert found is not None and found.op == "mine" and control.n == 1


async def test_a_large_page_is_staged_and_leaves_nothing_behind(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[int] = []
    put_staged = Copies._put_staged

    async def counting(self: Copies, connection: Any, rows: Any, documents_lead: bool) -> int:
        staged.append(len(rows))
        return await put_staged(self, connection, rows, documents_lead)

    monkeypatch.setattr(Copies, "_put_staged", counting)
    await begin(postgres_store, DUAL)
    for turn in (1, 2, 3):
        page = [brief(turn, f"turn {turn}", id=str(at)) for at in range(40)]
        assert counts(await merge(postgres_store, *page)) == {"applied": 40}
    await merge(postgres_store, *(brief(9, id=str(at)) for at in range(8)))
    assert staged == [40, 40, 40]


async def test_a_merge_in_line_takes_few_round_trips(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(postgres_store, DUAL)
    await merge(postgres_store, brief(1))
    async with postgres_store.connection() as connection:
        asked: list[str] = []
        connection.add_query_logger(lambda record: asked.append(record.query))
    await merge(postgres_store, brief(2), inline=True)
    assert len(asked) == 2, asked


async def test_only_the_merge_beside_a_save_may_be_forgotten_in_a_crash(
    postgres_store: PostgresStore,
) -> None:
    await begin(postgres_store, DUAL)

    async def relaxed(*items: Any, **more: Any) -> bool:
        asked: list[Any] = []
        async with postgres_store.connection() as connection:
            connection.add_query_logger(asked.append)
        await merge(postgres_store, *items, **more)
        async with postgres_store.connection() as connection:
            connection.remove_query_logger(asked.append)
            assert await connection.fetchval("SHOW synchronous_commit") != "off"
        return any("synchronous_commit" in record.query and record.args[1] is not False for record in asked)

    assert await relaxed(brief(1), inline=True)
    assert not await relaxed(brief(2, events=told("a", 1)))
    assert not await relaxed(brief(3), move=step("", "1"))


async def test_a_written_event_too_many_refuses_the_whole_write(postgres_store: PostgresStore) -> None:
    control = await begin(postgres_store, REVERSED)
    await postgres_store.journal.write(BRIEFS, brief(1, events=told("a", 1)), None, control.n)
    with pytest.raises(Refused):
        await postgres_store.journal.write(BRIEFS, brief(1, id="b", events=told("a", 1)), None, control.n)
    assert await postgres_store.read(BRIEFS, Key("b", "b")) is None


async def test_pages_that_overlap_in_any_order_end_at_the_newest(postgres_store: PostgresStore) -> None:
    await begin(postgres_store, DUAL)
    pages = [[brief(seq, id=str(at)) for at in range(30)] for seq in range(1, 9)]
    answers = await asyncio.gather(
        *(merge(postgres_store, *(page if number % 2 else page[::-1])) for number, page in enumerate(pages)),
        return_exceptions=True,
    )
    assert all(not isinstance(answer, BaseException) or isinstance(answer, Conflict) for answer in answers)
    await merge(postgres_store, *pages[-1])
    for at in range(30):
        found = await postgres_store.read(BRIEFS, Key(str(at), str(at)))
        assert found is not None and found.stamp.seq == 8


async def test_a_refill_of_many_pages_misses_nobody(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "REFILL_PAGE", 3)
    await begin(postgres_store, REVERSED, complete=False)
    for number in range(10):
        await postgres_store.write(BRIEFS, brief(1, id=str(number)), None)
    await postgres_store.journal.relay_refill(BRIEFS, 1)
    assert len(await postgres_store.journal.relay_claim(100, NOW, 60)) == 10
    control = await postgres_store.journal.control(BRIEFS.name)
    assert isinstance(control, Control) and control.complete


async def test_a_claim_takes_no_more_than_asked_for_even_by_a_plan_of_when_all_was_empty(
    postgres_store: PostgresStore, other: Any
) -> None:
    await other.execute("VACUUM ANALYZE polyglot.event_outbox")
    for _ in range(8):
        # After some calls the server keeps a plan, and keeps it when there is more.
        assert await postgres_store.journal.claim_events(5, NOW, 30) == []
    await other.execute(
        "INSERT INTO polyglot.event_outbox (event_id, collection, partition, id, seq, type, body, occurred_at, "
        "correlation_id) SELECT n, 'Briefs', n, n, 1, 'Happened', '{}', now(), '' FROM generate_series(1, 200) AS n"
    )
    assert len(await postgres_store.journal.claim_events(5, NOW, 30)) == 5
