"""What could not be carried over: tried again, looked at, replayed, parked or discarded by a person."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from mystira.polyglot.adopt.stamping import stamp_plain
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterKind, RelayTask
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.replication import Replication
from mystira.polyglot.spill import with_spilled
from mystira.polyglot.store import Record

MERGEABLE = (LetterKind.MERGE, LetterKind.UNREADABLE, LetterKind.DIVERGENT)
RETRIES_AT_ONCE = 100
AGAIN_S = 30.0


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


async def replay(r: Replication, which: LetterFilter, *, actor: str, why: str) -> int:
    """Try the chosen letters again now, together; return how many are gone after that."""
    letters = await r.journal.letters(which)
    for name, chosen in _by_collection(letters).items():
        for letter in chosen:
            if letter.kind is LetterKind.RELAY:
                task = RelayTask(collection=name, key=letter.key, stamp=letter.stamp)
                await r.journal.relay_retry(task, letter.error, r.clock())
                await r.journal.letter_drop(letter)
        await _merge_again(r, r.catalog.named(name), [letter for letter in chosen if letter.kind in MERGEABLE])
    await _note(r, "replay", letters, actor, why)
    left = {_identity(letter) for letter in await r.journal.letters(which)}
    return sum(_identity(letter) not in left for letter in letters)


def _by_collection(letters: Sequence[DeadLetter]) -> dict[str, list[DeadLetter]]:
    sorted_out: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        sorted_out.setdefault(letter.collection, []).append(letter)
    return sorted_out


async def park(r: Replication, which: LetterFilter, *, actor: str, why: str) -> int:
    """Let nobody try the chosen letters by itself any more; return how many there were."""
    letters = await r.journal.letters(which)
    for letter in letters:
        await r.journal.letter_put(msgspec.structs.replace(letter, next_try_at=None))
    await _note(r, "park", letters, actor, why)
    return len(letters)


async def discard(r: Replication, which: LetterFilter, *, actor: str, why: str) -> int:
    """Give the chosen letters up for good; return how many there were. Their payload is lost."""
    letters = await r.journal.letters(which)
    dropped = sum([await r.journal.letter_drop(letter) for letter in letters])
    await _note(r, "discard", letters, actor, why)
    return dropped


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


async def _note(r: Replication, verb: str, letters: Sequence[DeadLetter], actor: str, why: str) -> None:
    for name in sorted({letter.collection for letter in letters}):
        count = sum(letter.collection == name for letter in letters)
        note = Change(collection=name, verb=f"{verb} {count} dead letters", actor=actor, why=why, at=r.clock())
        await r.journal.note(note)


def _identity(letter: DeadLetter) -> tuple[Any, ...]:
    return letter.collection, letter.key, letter.kind, letter.stamp
