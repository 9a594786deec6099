"""A worker that is killed in the middle of a command: the next one takes it up, and nobody has to know."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mystira.operations.actions import asking
from mystira.operations.model import Command, CommandState
from mystira.polyglot.backfill import start
from mystira.polyglot.phases import Phase
from mystira.polyglot.transition import change_phase
from mystira.run import platform, settle
from mystira.services.platform import Platform
from mystira.settings import read_settings
from tests.operations.families import make_families
from tests.processes import RunningPlatform

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

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


async def test_the_next_worker_goes_on_with_what_a_killed_one_has_left(tmp_path: Path) -> None:
    data = tmp_path / "data"
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
