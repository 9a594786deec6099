"""The short form: real processes, killed while collections walk through their phases, and nothing is lost."""

import subprocess
import sys
import time
from pathlib import Path
from random import SystemRandom

import pytest

from mystira.polyglot.entity import Stamp
from mystira.polyglot.store import Key, Record
from tests.chaos.drive import Wanted, run
from tests.chaos.fleet import ROOT
from tests.chaos.verdict import Promises, lost, misheard
from tests.chaos.world import Heard, Sheet

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_what_was_acknowledged_survives_the_death_of_every_process() -> None:
    outcome = await run(Wanted(seconds=30, kills=3, seed=SystemRandom().getrandbits(31)))
    print(outcome.summary)
    assert not outcome.broken, "\n".join([*outcome.broken, outcome.summary])


def records(kind: type[Sheet] | type[Heard], **tokens: tuple[str, ...] | None) -> dict[str, Record]:
    return {
        id: Record(key=Key(id, id), entity=None if held is None else kind(id=id, tokens=held), stamp=Stamp(0, 1))
        for id, held in tokens.items()
    }


def test_a_lost_a_doubled_and_a_revived_write_are_all_seen() -> None:
    kept = Promises({"a": {"1", "2"}, "b": {"3"}}, {"c"})
    found = lost(kept, records(Sheet, a=("1",), b=("3", "3"), c=("4",)))
    assert [sentence.split(":")[0] for sentence in found] == ["a", "b", "c"]
    assert lost(kept, records(Sheet, a=("1", "2"), b=("3",), c=None)) == []


def test_a_fact_unheard_heard_twice_or_out_of_order_is_seen() -> None:
    sheets = records(Sheet, a=("1",), b=("2",), c=("3", "4"), d=("5",))
    assert len(misheard(sheets, records(Heard, a=(), b=("2", "2"), c=("4", "3"), d=("5",)))) == 3


def test_a_worker_ends_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys\n"
        "asleep = 'from time import sleep; from tests.chaos.workers import die_with_parent as die;'\\\n"
        "    ' die(); print(1, flush=True); sleep(60)'\n"
        "worker = subprocess.Popen([sys.executable, '-c', asleep], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "worker.stdout.readline(); print(worker.pid, flush=True); input()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    give_up_at = time.monotonic() + 10
    while _is_alive(worker) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not _is_alive(worker)


def _is_alive(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
