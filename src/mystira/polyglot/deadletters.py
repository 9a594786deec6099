"""What could not be carried over: tried again, looked at, replayed, parked or discarded by a person."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.adopt.stamping import stamp_plain
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change
from mystira.polyglot.journal import LETTERS_AT_ONCE, DeadLetter, LetterFilter, LetterKind, RelayTask, place_of
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.replication import Replication
from mystira.polyglot.spill import with_spilled
from mystira.polyglot.store import Record

MERGEABLE = (LetterKind.MERGE, LetterKind.UNREADABLE, LetterKind.DIVERGENT)
RETRIES_AT_ONCE = 100
SWEPT_AT_ONCE = 5_000
AGAIN_S = 30.0

Told = Callable[[int], None]
"""Is told after each batch how many letters have been dealt with; what it raises ends the verb there."""


class _Line(NamedTuple):
    """What the history is to tell of a verb: which, who, and why."""

    verb: str
    actor: str
    why: str


async def retry_due(r: Replication) -> int:
    """Try again what is due; return how many were tried.

    With it goes what else waits in its collection: two records that swap a unique value only settle together, and
    they are hardly ever due at the same moment.
    """
    due = await r.journal.letters(LetterFilter(due_at=r.clock(), limit=RETRIES_AT_ONCE))
    for name, letters in _by_collection(due).items():
        which = LetterFilter(collection=name, kind=LetterKind.MERGE, parked=False, limit=RETRIES_AT_ONCE)
        early = [letter for letter in await r.journal.letters(which) if letter not in letters]
        await _merge_again(r, r.catalog.named(name), [*letters, *early])
        await _as_before(r, which, early)
    return len(due)


async def _as_before(r: Replication, which: LetterFilter, early: Sequence[DeadLetter]) -> None:
    """What only went along has not used up one of its tries."""
    left = {_identity(letter) for letter in await r.journal.letters(which)} if early else set[Any]()
    for letter in early:
        if _identity(letter) in left:
            await r.journal.letter_put(letter)


async def replay(r: Replication, which: LetterFilter, *, actor: str, why: str, told: Told = lambda done: None) -> int:
    """Try the chosen letters again, each batch together; return how many are gone after that."""

    async def do(page: LetterFilter, letters: Sequence[DeadLetter]) -> int:
        for name, chosen in _by_collection(letters).items():
            for letter in chosen:
                if letter.kind is LetterKind.RELAY:
                    task = RelayTask(collection=name, key=letter.key, stamp=letter.stamp)
                    await r.journal.relay_retry(task, letter.error, r.clock())
                    await r.journal.letter_drop(letter)
            await _merge_again(r, r.catalog.named(name), [letter for letter in chosen if letter.kind in MERGEABLE])
        # Those that are left still come before all that followed them, so the same page shows every one of them.
        left = {_identity(letter) for letter in await r.journal.letters(page)}
        return sum(_identity(letter) not in left for letter in letters)

    return await _in_batches(r, which, do, _Line("replay", actor, why), told)


async def park(r: Replication, which: LetterFilter, *, actor: str, why: str, told: Told = lambda done: None) -> int:
    """Let nobody try the chosen letters by itself any more; return how many somebody would have tried."""
    return await _sweep(r, which, r.journal.letters_park, _Line("park", actor, why), told)


async def discard(r: Replication, which: LetterFilter, *, actor: str, why: str, told: Told = lambda done: None) -> int:
    """Give the chosen letters up for good; return how many there were. Their payload is lost."""
    return await _sweep(r, which, r.journal.letters_drop, _Line("discard", actor, why), told)


async def _sweep(
    r: Replication,
    which: LetterFilter,
    act: Callable[[LetterFilter], Awaitable[Mapping[str, int]]],
    line: _Line,
    told: Told,
) -> int:
    """Act on the chosen letters that are there by now, many at once: the store chooses them itself, unread."""
    done: Counter[str] = Counter()
    which = await _as_of_now(r, which)
    async with _on_record(r, done, line):
        while which.through is not None and (which.limit is None or done.total() < which.limit):
            left = SWEPT_AT_ONCE if which.limit is None else which.limit - done.total()
            acted_on = await act(msgspec.structs.replace(which, limit=min(left, SWEPT_AT_ONCE)))
            if not acted_on:
                break
            done.update(acted_on)
            told(done.total())
    return done.total()


async def _in_batches(
    r: Replication,
    which: LetterFilter,
    do: Callable[[LetterFilter, Sequence[DeadLetter]], Awaitable[int]],
    line: _Line,
    told: Told,
) -> int:
    """Do something with the chosen letters that are there by now, page by page; return the sum of what it returns."""
    done: Counter[str] = Counter()
    total = 0
    which = await _as_of_now(r, which)
    async with _on_record(r, done, line):
        while which.through is not None and (which.limit is None or done.total() < which.limit):
            left = LETTERS_AT_ONCE if which.limit is None else which.limit - done.total()
            page = msgspec.structs.replace(which, limit=min(left, LETTERS_AT_ONCE))
            letters = await r.journal.letters(page)
            if not letters:
                break
            total += await do(page, letters)
            done.update(letter.collection for letter in letters)
            which = msgspec.structs.replace(which, after=place_of(letters[-1]))
            told(done.total())
    return total


async def _as_of_now(r: Replication, which: LetterFilter) -> LetterFilter:
    """Leave out what is refused from now on, for nobody has chosen it; without a `through` there is nothing at all."""
    newest = await r.journal.letters(msgspec.structs.replace(which, newest_first=True, limit=1))
    return msgspec.structs.replace(which, through=place_of(newest[0]) if newest else None)


@asynccontextmanager
async def _on_record(r: Replication, done: Counter[str], line: _Line) -> AsyncGenerator[None]:
    """Note at the end how much was done of each collection; what was done before a failure is on record as well."""
    try:
        yield
    finally:
        for name, count in sorted(done.items()):
            verb = f"{line.verb} {count} dead letters"
            await r.journal.note(Change(collection=name, verb=verb, actor=line.actor, why=line.why, at=r.clock()))


def _by_collection(letters: Sequence[DeadLetter]) -> dict[str, list[DeadLetter]]:
    sorted_out: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        sorted_out.setdefault(letter.collection, []).append(letter)
    return sorted_out


async def _merge_again(r: Replication, collection: Collection[Any], letters: Sequence[DeadLetter]) -> None:
    """Merge what the documents hold now: it is at least as new as what was refused."""
    records: list[Record] = []
    for letter in letters:
        try:
            record = await r.documents.read(collection, letter.key)
        except ValueError:
            # It is still unreadable, and nobody but its writer can mend that.
            await r.journal.letter_put(msgspec.structs.replace(letter, attempts=letter.attempts + 1))
            continue
        if record is None:
            await r.journal.letter_drop(letter)
        else:
            records.append(await with_spilled(r.documents, r.journal, collection, record))
    if not records:
        return
    records = await _stamped(r, collection, records)
    # Whatever is refused again replaces its letter; a crash in between tries once more after a while.
    for letter in letters:
        if letter.next_try_at is not None:
            later = r.clock() + timedelta(seconds=AGAIN_S)
            await r.journal.letter_put(msgspec.structs.replace(letter, next_try_at=later))
    await r.journal.merge(collection, records, r.clock())
    await _drop_settled(r, collection, letters)


async def _stamped(r: Replication, collection: Collection[Any], records: list[Record]) -> list[Record]:
    """What could not be read when the follower came by was not stamped then; it is now that it can be read."""
    await stamp_plain(r.documents, r.relational, collection, records)
    found = [
        await r.documents.read(collection, record.key) if record.stamp == UNSTAMPED else record for record in records
    ]
    return [record for record in found if record is not None]


async def _drop_settled(r: Replication, collection: Collection[Any], letters: Sequence[DeadLetter]) -> None:
    """A letter whose key has moved on to its own or a newer stamp has nothing left to say."""
    standing = await r.journal.standing(collection, [letter.key for letter in letters])
    for letter in letters:
        stood = standing.get(letter.key)
        if stood is not None and letter.kind is not LetterKind.DIVERGENT and stood.stamp >= letter.stamp:
            await r.journal.letter_drop(letter)


def _identity(letter: DeadLetter) -> tuple[Any, ...]:
    return letter.collection, letter.key, letter.kind, letter.stamp
