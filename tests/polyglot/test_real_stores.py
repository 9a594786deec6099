"""The storms' short list on real stores: writers, moving phases and trouble, on PostgreSQL and a Cosmos DB endpoint.

The storms proper (tests/storms) run thousands of schedules on simulated stores. Here real drivers, real transactions
and the official client take part, so that time passes really and no two runs are alike: a seed chooses the trouble.
"""

import asyncio
import json
import os
from itertools import count
from random import Random
from typing import Any

import pytest

from mystira.cosmos_emulator import admin
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.cosmos_emulator.wire import Request
from mystira.polyglot import backfill
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.leadership import Tempo
from mystira.polyglot.problem import Problem
from mystira.polyglot.store import StoreError
from tests.polyglot.counting import COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.moving import (
    COSMOS,
    DUAL,
    POSTGRES,
    REVERSED,
    SOMEBODY,
    Process,
    assert_equal,
    documents_of,
    tended,
)
from tests.polyglot.on_cosmos import on_cosmos

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SEEDS = int(os.environ.get("MYSTIRA_TEST_REAL_SEEDS", "3"))
WRITERS, KEYS = 3, ("a", "b", "c", "d")
WALKS = (
    (DUAL, REVERSED, POSTGRES, REVERSED, DUAL),
    (DUAL, REVERSED, DUAL, REVERSED, DUAL),
    (DUAL, COSMOS, DUAL, REVERSED, DUAL),
)
# Real drivers on a busy machine need their time.
TEMPO = Tempo(lease_s=0.5, request_s=1.0, drift_s=0.05, hold_s=3.0, inline_s=0.2, poll_s=0.02)
TROUBLES = 30
TROUBLE = ("throttled", "unavailable", "applied", "lost", "lost and applied", "split", "merge", "pg down", "calm")


class Ones:
    """Writers that raise counters by one, each under a key of its own, again and again until they are answered."""

    def __init__(self) -> None:
        self.answered = 0
        self.stop = asyncio.Event()

    async def write(self, process: Process, name: str, random: Random) -> None:
        numbers = count()
        while not self.stop.is_set():
            id, key = random.choice(KEYS), f"{name}-{next(numbers)}"
            while not await self._raised(process, id, key):
                await asyncio.sleep(0.02)
            self.answered += 1
            await asyncio.sleep(random.random() * 0.05)

    async def _raised(self, process: Process, id: str, key: str) -> bool:
        try:
            await process.works.run(raise_counter, kind=Counter, id=id, by=1, key=key)
        except StoreError:
            # Whether it was done is not known; the same key may be asked for again.
            return False
        return True


def order(endpoint: Endpoint, what: str, **asked: Any) -> None:
    headers = {"authorization": f"Bearer {WELL_KNOWN_KEY}"}
    request = Request("POST", (admin.PREFIX, what), headers, json.dumps(asked).encode(), "http://127.0.0.1")
    answer = endpoint.answer(request)
    assert answer is not None and answer.status == 200, answer


def ranges_of(endpoint: Endpoint) -> list[str]:
    container = endpoint._catalogue.container(endpoint._catalogue.database("rig"), COUNTERS.container)
    return [str(one.id) for one in sorted(container.ranges, key=lambda one: one.low)]


async def make_trouble(rig: Rig, endpoint: Endpoint, random: Random, met: set[str]) -> None:
    place: dict[str, Any] = {"database": "rig", "container": COUNTERS.container}
    for what in random.choices(TROUBLE, k=TROUBLES):
        await asyncio.sleep(random.random() * 0.6)
        met.add(what)
        ranges = ranges_of(endpoint)
        match what:
            case "throttled":
                order(endpoint, "faults", count=random.randint(1, 5), status=429, retryAfterMs=20)
            case "unavailable" | "applied":
                order(endpoint, "faults", count=random.randint(1, 3), status=503, applied=what == "applied")
            case "lost" | "lost and applied":
                order(endpoint, "faults", count=1, status=0, applied=what != "lost")
            case "split" if len(ranges) < 6:
                order(endpoint, "split", **place)
            case "merge" if len(ranges) > 2:
                at = random.randrange(len(ranges) - 1)
                order(endpoint, "merge", **place, ranges=ranges[at : at + 2])
            case "pg down":
                rig.relational.down()
                await asyncio.sleep(random.random() * 0.2)
                rig.relational.down(False)
            case _:
                await asyncio.sleep(random.random())


async def walk(process: Process, phases: Any) -> None:
    """Move through the phases, filling the copy before it is needed; whatever is refused or given up is asked again."""
    for phase in phases:
        while True:
            try:
                row = await process.r.row(COUNTERS)
                if row.phase is COSMOS and not row.complete:
                    await backfill.start(process.r, COUNTERS, **SOMEBODY)
                    await backfill.run_to_end(process.r, COUNTERS, process.backfiller)
                if row.phase is phase:
                    break
                await process.move(COUNTERS, phase)
                break
            except (Problem, StoreError):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_nothing_is_lost_and_nothing_is_twice(clean_postgres: str, seed: int) -> None:
    random, met = Random(seed), set[str]()
    async with on_cosmos(clean_postgres) as (rig, endpoint):
        a, b = (Process(rig, name, tempo=TEMPO, page=7) for name in ("a", "b"))
        ones = Ones()
        async with tended(a, b):
            writers = [
                asyncio.create_task(ones.write((a, b)[at % 2], f"w{at}", Random(seed * 10 + at)))
                for at in range(WRITERS)
            ]
            trouble = asyncio.create_task(make_trouble(rig, endpoint, random, met))
            await walk(Process(rig, "operator", tempo=TEMPO, page=7), WALKS[seed % len(WALKS)])
            await trouble
            ones.stop.set()
            await asyncio.gather(*writers)
            order(endpoint, "faults", count=0)
        await Process(rig, "after").settle()
        await assert_equal(rig, COUNTERS)
        counters = [r.entity for r in (await documents_of(rig, COUNTERS)).values() if isinstance(r.entity, Counter)]
        keys = [key for counter in counters for key in counter.keys]
        assert len(keys) == len(set(keys)) == sum(counter.value for counter in counters)
        assert len(keys) >= ones.answered > 0
        assert (await rig.tally()).total == len(keys)
        assert await rig.postgres.journal.letters(LetterFilter()) == []
        print(f"seed {seed}: {ones.answered} answered, met {', '.join(sorted(met))}")
