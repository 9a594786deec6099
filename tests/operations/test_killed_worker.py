"""A worker that is killed in the middle of a command: the next one takes it up, and nobody has to know."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mystira.operations.actions import asking
from mystira.operations.model import Command, CommandState
from mystira.polyglot.backfill import start
from mystira.polyglot.control import State
from mystira.polyglot.cutover import GateClosed, Orders, cut_over
from mystira.polyglot.phases import Phase
from mystira.polyglot.transition import change_phase
from mystira.polyglot.work import Work
from mystira.run import platform, settle
from mystira.services.platform import Platform
from mystira.settings import read_settings
from tests.operations.families import make_families
from tests.processes import RunningPlatform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# Nothing is carried over while the collection drains, so its cut-over stays where it is.
HELD_UP = """
CREATE FUNCTION polyglot.held_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM polyglot.control WHERE collection = NEW.collection AND state = 'DRAIN') THEN
    RAISE EXCEPTION 'held up by a test' USING ERRCODE = 'deadlock_detected';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER held_up BEFORE INSERT OR UPDATE ON polyglot.feed_position
FOR EACH ROW EXECUTE FUNCTION polyglot.held_up()
"""
LET_GO = "DROP TRIGGER held_up ON polyglot.feed_position; DROP FUNCTION polyglot.held_up()"
PATIENT = "UPDATE polyglot.control SET deadline = now() + interval '1 day' WHERE collection = 'Accounts'"
WAIVED = ["backup", "scrub", "verification", "digests", "lag"]
SOMEBODY = {"actor": "olga", "why": "a test"}


async def until(
    opened: Platform, command: Command, true: Callable[[Command], bool], worker: RunningPlatform
) -> Command:
    """Wait for what a living worker does; a dead one is waited for no more."""
    while True:
        found = await opened.works.open().get(Command, command.id)
        assert found is not None
        if true(found):
            return found
        assert worker.process.poll() is None, worker.output
        await asyncio.sleep(0.1)


async def test_a_cut_over_whose_worker_is_killed_in_its_drain_is_begun_anew_by_the_next_one(data: Path) -> None:
    async with platform(read_settings({"MYSTIRA_DATA": str(data)}), print) as opened:
        r, accounts = opened.replication, opened.replication.catalog.named("Accounts")
        await make_families(opened, 4)
        await start(r, accounts, **SOMEBODY)
        await settle(opened)
        await change_phase(r, accounts, Phase.DUAL_WRITE_COSMOS_READ, **SOMEBODY)
        await settle(opened)
        await sql(opened, HELD_UP)
        held = {"verb": "cutover", "collection": "Accounts", "arguments": {"hold_s": 60.0, "waived": WAIVED}}
        command = await opened.works.run(asking.ask, **held, who="olga", why="the day has come")
        first = RunningPlatform(data, None, "worker").wait_until_ready()
        while (draining := await r.row(accounts)).state is not State.DRAIN:
            found = await opened.works.open().get(Command, command.id)
            assert found is not None and not found.is_over, found
            await asyncio.sleep(0.1)
        first.stop(signal.SIGKILL)
        # However slow this machine is, nobody finds the drain overdue: it is taken over, or not at all.
        await sql(opened, PATIENT)
        with pytest.raises(GateClosed, match=f"{draining.coordinator} is at it until"):
            await cut_over(r, accounts, orders=Orders(waived=tuple(WAIVED)), **SOMEBODY)
        await sql(opened, LET_GO)
        await leases_end(opened, command)
        second = RunningPlatform(data, None, "worker").wait_until_ready()
        try:
            done = await until(opened, command, lambda one: one.is_over, second)
        finally:
            second.stop()
        assert (done.state, done.tries) == (CommandState.DONE, 2), done
        row = await r.row(accounts)
        assert (row.phase, row.state) == (Phase.DUAL_WRITE_POSTGRES_READ, State.OPEN)
        verbs = [change.verb for change in reversed(await opened.relational.journal.history("Accounts"))]
        assert verbs[verbs.index("drain") :].count("drain") == 2 and verbs[-1] == "flip", verbs
        assert "abort" in verbs[verbs.index("drain") :], "taking over means a new drain"


async def leases_end(opened: Platform, command: Command) -> None:
    """Bring what waiting would bring: whatever the dead process had for itself is free."""

    async def free(work: Work) -> None:
        held = await work.get(Command, command.id)
        assert held is not None
        work.save(held.evolve(leased_until=work.now))

    await opened.works.run(free)
    await sql(opened, "UPDATE polyglot.feed_position SET leased_until = now() WHERE leased_until > now()")


async def sql(opened: Platform, statement: str) -> None:
    async with opened.relational.connection(writes=True) as connection:
        await connection.execute(statement)


async def test_the_next_worker_goes_on_with_what_a_killed_one_has_left(data: Path) -> None:
    async with platform(read_settings({"MYSTIRA_DATA": str(data)}), print) as opened:
        accounts = opened.replication.catalog.named("Accounts")
        await make_families(opened, 16)
        await start(opened.replication, accounts, **SOMEBODY)
        await settle(opened)
        await change_phase(opened.replication, accounts, Phase.DUAL_WRITE_COSMOS_READ, **SOMEBODY)
        slowly = {"verb": "scrub", "collection": "Accounts", "arguments": {"records_per_s": 4.0}}
        command = await opened.works.run(asking.ask, **slowly, who="olga", why="is it whole?")
        first = RunningPlatform(data, None, "worker").wait_until_ready()
        taken = await until(opened, command, lambda one: one.doing != "", first)
        first.stop(signal.SIGKILL)
        left = await opened.works.open().get(Command, command.id)
        assert left is not None and left.state is CommandState.RUNNING, "it was killed in the middle of it"
        await leases_end(opened, command)
        second = RunningPlatform(data, None, "worker").wait_until_ready()
        try:
            done = await until(opened, command, lambda one: one.is_over, second)
        finally:
            second.stop()
        assert (done.state, done.tries) == (CommandState.DONE, 2), done
        assert "Both sides hold the same" in done.outcome and done.worker != taken.worker
        scrubs = [
            one for one in await opened.relational.journal.history("Accounts") if one.verb.startswith("end scrub")
        ]
        assert len(scrubs) == 1, "it was gone on with, not done twice"
