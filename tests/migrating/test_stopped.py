"""Ctrl-C at the terminal, in processes of their own: a watch ends, and a cut-over is taken back while writers go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mystira.accounts.actions import complete_account
from mystira.polyglot.control import State
from mystira.polyglot.phases import Phase
from mystira.services.platform import Platform
from tests.migrating.place import Place
from tests.processes import ROOT

pytestmark = pytest.mark.slow

# While a collection drains, nothing is carried over: so its cut-over stays where it is until somebody ends it.
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
WAIVED = [word for gate in ("backup", "scrub", "verification", "digests") for word in ("--waive", gate)]


def started(place: Place, log: Path, *words: str) -> subprocess.Popen[bytes]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "mystira", "migrate", *words],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env=given | place.environment,
            cwd=ROOT,
        )


def wait_until(true: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    while not true():
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)


def test_a_watch_goes_on_until_ctrl_c(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    watching = started(place, log, "status", "--watch")
    wait_until(lambda: "Accounts" in log.read_text(), watching, log)
    watching.send_signal(signal.SIGINT)
    assert watching.wait() == 130, log.read_text()
    assert "Traceback" not in log.read_text()


def test_ctrl_c_in_the_middle_of_a_cut_over_takes_it_back_and_writers_go_on(place: Place, tmp_path: Path) -> None:
    place.migrate("start", "Accounts", "--wait")
    place.with_platform(lambda opened: sql(opened, HELD_UP))
    log = tmp_path / "log"
    try:
        moving = started(place, log, "cutover", "Accounts", "--yes", *WAIVED)
        wait_until(lambda: place.with_platform(state) is State.DRAIN, moving, log)
        moving.send_signal(signal.SIGINT)
        assert moving.wait() == 130, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        place.with_platform(lambda opened: sql(opened, LET_GO))
    status = place.answer("status", "status", "Accounts")["collections"][0]
    assert (status["phase"], status["state"]) == (Phase.DUAL_WRITE_COSMOS_READ, State.OPEN)
    history = place.answer("history", "history", "Accounts")["changes"]
    assert ("abort", "stopped at the terminal") in [(one["verb"], one["why"]) for one in history]
    place.with_platform(write)


async def state(opened: Platform) -> State:
    row = await opened.relational.journal.control("Accounts")
    assert row is not None
    return row.state


async def sql(opened: Platform, statements: str) -> None:
    async with opened.relational.connection(writes=True) as connection:
        await connection.execute(statements)


async def write(opened: Platform) -> None:
    await opened.works.run(complete_account, account_id="late", email="late@example.org", email_hash="late")
