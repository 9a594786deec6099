"""Dead letters in PostgreSQL: what could not be carried over, whole, until it can be or a person decides."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import LETTERS_AT_ONCE, DeadLetter, LetterFilter, LetterGroup, LetterKind
from mystira.polyglot.store import Key
from mystira.polyglot.stores.postgres.connections import Connections

ATTEMPTS_MAX = 8
BACK_OFF_S, BACK_OFF_S_MAX = 0.5, 300.0

_COLUMNS = "collection, partition, id, kind, stamp, op, payload, rival, error, attempts, next_try_at, created_at"

_PLACE = "created_at, collection, partition, id, kind, stamp"
_ORDERS = {False: _PLACE, True: _PLACE.replace(",", " DESC,") + " DESC"}

_PUT = f"""
INSERT INTO polyglot.dead_letters AS at ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, coalesce($12::timestamptz, now()))
ON CONFLICT (collection, partition, id, kind, stamp) DO UPDATE
SET op = $6, payload = $7, rival = $8, error = $9, attempts = $10, next_try_at = $11,
  created_at = coalesce($12::timestamptz, at.created_at)
"""  # noqa: S608 - the columns are a constant.

# A letter of the merge's own: there already, it has failed once more, and waits longer the oftener it fails.
_ADD = f"""
INSERT INTO polyglot.dead_letters AS at ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1,
  CASE WHEN $11::boolean THEN $10::timestamptz + least($12::float8 * 2, $13::float8) * interval '1 s' END, $10)
ON CONFLICT (collection, partition, id, kind, stamp) DO UPDATE
SET op = $6, payload = $7, rival = $8, error = $9, attempts = at.attempts + 1,
  next_try_at = CASE WHEN $11 AND at.attempts + 1 < $14::integer
    THEN $10 + least($12 * 2 ^ (at.attempts + 1), $13) * interval '1 s' END
"""  # noqa: S608 - the columns are a constant.

_DROP = """
DELETE FROM polyglot.dead_letters
WHERE collection = $1 AND partition = $2 AND id = $3 AND kind = $4 AND stamp = $5 RETURNING 1
"""

# By their places in the table: whole letters need not come here to be done away with. One that is changed at that very
# moment has moved elsewhere in the table, and is left.
_DROP_CHOSEN = """
WITH chosen AS (SELECT ctid FROM polyglot.dead_letters WHERE %s ORDER BY %s LIMIT %d),
gone AS (DELETE FROM polyglot.dead_letters AS at USING chosen WHERE at.ctid = chosen.ctid RETURNING at.collection)
SELECT collection, count(*) FROM gone GROUP BY 1
"""
# In the order of an index that parked letters leave, so that no batch looks at those of the batches before it.
_PARK_CHOSEN = """
WITH chosen AS (
  SELECT ctid FROM polyglot.dead_letters WHERE next_try_at IS NOT NULL AND %s ORDER BY next_try_at LIMIT %d
), parked AS (
  UPDATE polyglot.dead_letters AS at SET next_try_at = NULL FROM chosen WHERE at.ctid = chosen.ctid
  RETURNING at.collection
)
SELECT collection, count(*) FROM parked GROUP BY 1
"""

_TALLY = "SELECT collection, kind, next_try_at IS NULL, count(*) FROM polyglot.dead_letters GROUP BY 1, 2, 3"

# What is applied, or known to be older than what stands, needs no second try.
_OUTLIVED = """
DELETE FROM polyglot.dead_letters AS at
USING unnest($2::text[], $3::text[], $4::bigint[]) AS k(partition, id, stamp)
WHERE at.collection = $1 AND at.partition = k.partition AND at.id = k.id AND at.stamp <= k.stamp
  AND at.kind IN ('merge', 'unreadable')
"""

_LOST = """
SELECT at.partition, at.id, at.stamp FROM polyglot.dead_letters AS at
JOIN unnest($2::text[], $3::text[], $4::bigint[]) AS k(partition, id, stamp) USING (partition, id, stamp)
WHERE at.collection = $1 AND at.kind = 'conflict'
"""


async def find_letters(connections: Connections, which: LetterFilter) -> list[DeadLetter]:
    """Return dead letters, the oldest first unless the filter says otherwise."""
    condition, values = _condition(which)
    order, limit = _ORDERS[which.newest_first], which.limit or LETTERS_AT_ONCE
    # The condition is made of constants.
    statement = f"SELECT {_COLUMNS} FROM polyglot.dead_letters WHERE {condition} ORDER BY {order} LIMIT {limit:d}"  # noqa: S608
    async with connections.connection() as connection:
        return [_letter(row) for row in await connection.fetch(statement, *values)]


async def count_letters(connections: Connections, which: LetterFilter) -> dict[str, int]:
    """Count dead letters by collection."""
    condition, values = _condition(which)
    statement = f"SELECT collection, count(*) FROM polyglot.dead_letters WHERE {condition} GROUP BY 1"  # noqa: S608
    async with connections.connection() as connection:
        return dict(await connection.fetch(statement, *values))


def _condition(which: LetterFilter) -> tuple[str, list[Any]]:
    """Return what chooses the letters. It names only what is asked for, so that the indexes can be used."""
    partition, id = plain_key(which.key) if which.key else (None, None)
    wanted = {
        "collection = $%d": which.collection,
        "kind = $%d": which.kind,
        "partition = $%d": partition,
        "id = $%d": id,
        "(next_try_at IS NULL) = $%d": which.parked,
        "next_try_at <= $%d": which.due_at,
        "stamp = $%d": None if which.stamp is None else which.stamp.packed,
        "position($%d in error) > 0": None if which.error is None else _plain(which.error),
    }
    asked = {text: value for text, value in wanted.items() if value is not None}
    conditions = [text % number for number, text in enumerate(asked, start=1)]
    values = [*asked.values()]
    for place, beyond in ((which.after, "<" if which.newest_first else ">"), (which.through, "<=")):
        if place is not None:
            numbers = range(len(values) + 1, len(values) + len(place) + 1)
            conditions.append(f"({_PLACE}) {beyond} ({', '.join(f'${number}' for number in numbers)})")
            values += place
    return " AND ".join(conditions) or "true", values


async def put_letter(connections: Connections, letter: DeadLetter) -> None:
    """Keep a dead letter, or replace the one of the same key, kind and stamp."""
    values = (*_values(letter), letter.attempts, letter.next_try_at, letter.created_at)
    async with connections.connection(writes=True) as connection:
        await connection.execute(_PUT, *values)


async def drop_letter(connections: Connections, letter: DeadLetter) -> bool:
    """Forget a dead letter; False when it had gone already."""
    values = (letter.collection, *plain_key(letter.key), letter.kind, letter.stamp.packed)
    async with connections.connection(writes=True) as connection:
        return await connection.fetchval(_DROP, *values) is not None


async def drop_letters(connections: Connections, which: LetterFilter) -> dict[str, int]:
    """Forget the chosen letters, the oldest first; return how many there were, by collection."""
    condition, values = _condition(which)
    # The condition is made of constants.
    statement = _DROP_CHOSEN % (condition, _ORDERS[which.newest_first], which.limit or LETTERS_AT_ONCE)
    async with connections.connection(writes=True) as connection:
        return dict(await connection.fetch(statement, *values))


async def park_letters(connections: Connections, which: LetterFilter) -> dict[str, int]:
    """Let nobody try the chosen letters by itself any more; return how many that changed, by collection."""
    condition, values = _condition(which)
    # The condition is made of constants.
    statement = _PARK_CHOSEN % (condition, which.limit or LETTERS_AT_ONCE)
    async with connections.connection(writes=True) as connection:
        return dict(await connection.fetch(statement, *values))


async def tally_letters(connections: Connections) -> dict[LetterGroup, int]:
    """Count all letters by collection, kind, and whether they wait for a person."""
    async with connections.connection() as connection:
        found = await connection.fetch(_TALLY)
    return {LetterGroup(name, LetterKind(kind), parked): count for name, kind, parked, count in found}


async def add_letters(connection: Any, letters: Sequence[DeadLetter], now: datetime) -> None:
    """Add letters within the caller's transaction; only refused merges are tried again by themselves."""
    await connection.executemany(
        _ADD,
        [
            (*_values(letter), now, letter.kind is LetterKind.MERGE, BACK_OFF_S, BACK_OFF_S_MAX, ATTEMPTS_MAX)
            for letter in letters
        ],
    )


async def drop_outlived(connection: Any, name: str, stamps: Sequence[tuple[Key, Stamp]]) -> None:
    """Forget, within the caller's transaction, the letters of keys that hold these stamps or newer ones by now."""
    await connection.execute(_OUTLIVED, name, *_columns(stamps))


async def lost_among(connection: Any, name: str, stamps: Sequence[tuple[Key, Stamp]]) -> set[tuple[Key, int]]:
    """Return which of these versions lost to others, each with its packed stamp, within the caller's transaction."""
    found = await connection.fetch(_LOST, name, *_columns(stamps))
    return {(Key(partition, id), stamp) for partition, id, stamp in found}


def _columns(stamps: Sequence[tuple[Key, Stamp]]) -> tuple[list[Any], ...]:
    return (
        [key.partition for key, _ in stamps],
        [key.id for key, _ in stamps],
        [stamp.packed for _, stamp in stamps],
    )


def _values(letter: DeadLetter) -> tuple[Any, ...]:
    return (
        letter.collection,
        *plain_key(letter.key),
        letter.kind,
        letter.stamp.packed,
        _plain(letter.op),
        _text(letter.payload),
        _text(letter.rival),
        _plain(letter.error)[:2_000],
    )


def plain_key(key: Key) -> Key:
    """Return a key in the form in which PostgreSQL can keep it beside the records."""
    return Key(_plain(key.partition), _plain(key.id))


def _plain(text: str) -> str:
    # PostgreSQL keeps neither NUL nor half a surrogate pair. A record that holds one in its key can only ever be a
    # letter, and must be found as such.
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()


def _text(payload: dict[str, Any]) -> str:
    # Plain ASCII, so that even half of a surrogate pair is kept, as its escape.
    return json.dumps(payload, default=str)


def _letter(row: Sequence[Any]) -> DeadLetter:
    name, partition, id, kind, stamp, op, payload, rival, error, attempts, next_try_at, created_at = row
    return DeadLetter(
        collection=name,
        key=Key(partition, id),
        kind=LetterKind(kind),
        stamp=Stamp.unpack(stamp),
        op=op,
        payload=json.loads(payload),
        rival=json.loads(rival),
        error=error,
        attempts=attempts,
        next_try_at=next_try_at,
        created_at=created_at,
    )
