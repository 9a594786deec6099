"""What must be true when a run has come to rest, each broken promise in one sentence."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.equality import is_caught_up, is_equal
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Problem
from mystira.polyglot.query import EVERYTHING
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
from mystira.polyglot.transition import FLIP
from tests.chaos.workers import step_to
from tests.chaos.world import COLLECTIONS, HEARD, SHEETS, Heard, Place, Sheet

SETTLE_S_MAX = 150.0
CUT_OVER, ROLLBACK = "cut-over", "rollback"
DUAL = (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)
NEAREST = {Phase.COSMOS_ONLY: DUAL[0], Phase.POSTGRES_ONLY: DUAL[1]}


class Promises(NamedTuple):
    """What the writers were told: tokens by sheet, and the sheets that were thrown away."""

    tokens: dict[str, set[str]]
    gone: set[str]

    @property
    def count(self) -> int:
        """How many acknowledged writes there were."""
        return sum(len(tokens) for tokens in self.tokens.values()) + len(self.gone)


def promises(place: Place) -> Promises:
    """Read every writer's log; a line that was cut short was not a promise yet."""
    kept = Promises({}, set())
    for path in sorted(place.acknowledged.iterdir()):
        for line in path.read_text().split("\n")[:-1]:
            id, token = line.split(" ")
            if token == "-":
                kept.gone.add(id)
            else:
                kept.tokens.setdefault(id, set()).add(token)
    return kept


async def settle(r: Replication) -> list[str]:
    """Bring every collection to a phase in which both stores hold it, and wait until nothing moves any more."""
    give_up_at = time.monotonic() + SETTLE_S_MAX
    waiting = ["nothing was looked at"]
    while waiting and time.monotonic() < give_up_at:
        waiting = []
        for collection in COLLECTIONS:
            try:
                waiting += await _unsettled(r, collection)
            except Problem as problem:
                waiting.append(f"{collection.name}: {type(problem).__name__}: {problem}")
        events = await r.journal.pending()
        if events.waiting + events.parked:
            waiting.append(f"facts wait: {events}")
        await asyncio.sleep(0.2)
    return [f"never came to rest: {sentence}" for sentence in waiting]


async def _unsettled(r: Replication, collection: Collection[Any]) -> list[str]:
    row = await r.row(collection)
    if row.state is not State.OPEN or row.phase not in DUAL or not row.complete:
        return await _bring_back(r, collection, row)
    relay = await r.journal.relay_pending(collection.name)
    found = {
        "tasks of the relay": relay.waiting + relay.parked,
        "changes to follow": not await is_caught_up(r, collection),
        "unequal records": not await is_equal(r, collection),
    }
    return [f"{collection.name} in {row.phase}: {what}" for what, is_there in found.items() if is_there]


async def _bring_back(r: Replication, collection: Collection[Any], row: Control) -> list[str]:
    await step_to(r, collection, row, NEAREST.get(row.phase, row.phase))
    return [f"{collection.name} stood at {row.phase}/{row.state}, complete: {row.complete}"]


async def broken(r: Replication, place: Place) -> list[str]:
    """Return every promise that was not kept."""
    found: list[str] = []
    for letter in await r.journal.letters(LetterFilter()):
        found.append(f"a dead letter: {letter}")
    for collection in COLLECTIONS:
        found += [sentence async for sentence in _differences(r, collection)]
    led = {collection.name: await _led(r, collection) for collection in COLLECTIONS}
    sheets, heard = led[SHEETS.name], led[HEARD.name]
    return found + lost(promises(place), sheets) + misheard(sheets, heard)


async def verbs(r: Replication) -> Counter[str]:
    """Count what was done to the control rows; flips by where they led."""
    changes = [change for collection in COLLECTIONS for change in await r.journal.history(collection.name, 9_999)]
    return Counter(_verb(change) for change in changes)


def _verb(change: Change) -> str:
    if change.verb != FLIP:
        return change.verb
    return ROLLBACK if change.after.startswith(DUAL[0]) else CUT_OVER


async def _led(r: Replication, collection: Collection[Any]) -> dict[str, Record]:
    row = await r.row(collection)
    documents = {record.key.id: record async for record in _documents(r, collection)}
    if row.phase is DUAL[0]:
        return documents
    rows = {id: await r.relational.read(collection, Key(id, id)) for id in documents}
    return {id: record for id, record in rows.items() if record is not None}


async def _documents(r: Replication, collection: Collection[Any]) -> AsyncGenerator[Record]:
    for range_id in await r.documents.feed_ranges(collection):
        continuation, more = "", True
        while more:
            page = await r.documents.feed(collection, range_id, continuation, 500)
            for item in page.items:
                assert isinstance(item.record, Record)
                yield item.record
            continuation, more = page.continuation, page.has_more


async def _differences(r: Replication, collection: Collection[Any]) -> AsyncGenerator[str]:
    live = 0
    async for document in _documents(r, collection):
        row = await r.relational.read(collection, document.key)
        live += not document.deleted
        if row is None or _content(row) != _content(document):
            yield f"{collection.name} {document.key.id}: the document {document} has the row {row}"
    rows = await r.relational.count(collection, EVERYTHING)
    if rows != live:
        yield f"{collection.name}: {live} documents live, {rows} rows"


def _content(record: Record) -> tuple[Any, ...]:
    return record.stamp, record.op, record.entity, record.handled, record.event_seq, record.recent_ops


def lost(kept: Promises, sheets: dict[str, Record]) -> list[str]:
    """Return what the writers were promised and the sheets do not hold exactly once."""
    found: list[str] = []
    for id, tokens in kept.tokens.items():
        there = tokens_of(sheets.get(id))
        if len(set(there)) < len(there):
            twice = [token for token, number in Counter(there).items() if number > 1]
            found.append(f"{id}: written twice: {twice}")
        if lost := tokens - set(there):
            is_thrown_away = id.startswith("gone-") and id in sheets and sheets[id].deleted
            found += [] if is_thrown_away else [f"{id}: acknowledged and lost: {sorted(lost)}"]
    for id in kept.gone:
        if id not in sheets or not sheets[id].deleted:
            found.append(f"{id}: came back after it was thrown away")
    return found


def misheard(sheets: dict[str, Record], heard: dict[str, Record]) -> list[str]:
    """Return the sheets whose facts were not heard once each, in order."""
    found: list[str] = []
    for id in sorted(sheets.keys() | heard.keys()):
        told = tokens_of(sheets.get(id))
        if id.startswith("gone-") and not told:
            # Its one fact was told before it went.
            told = (id.removeprefix("gone-"),)
        if tokens_of(heard.get(id)) != told:
            found.append(f"{id}: was told {told}, and heard {tokens_of(heard.get(id))}")
    return found


def tokens_of(record: Record | None) -> Sequence[str]:
    """Return the tokens of a live record."""
    entity = record.entity if record else None
    return entity.tokens if isinstance(entity, Sheet | Heard) else ()
