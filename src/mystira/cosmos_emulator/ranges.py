"""Ranges of partition keys: the pieces of a container that clients walk one by one, and how they are cut and joined."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import apsw

from mystira.cosmos_emulator.hashing import number_v1
from mystira.cosmos_emulator.partition import Definition
from mystira.cosmos_emulator.rids import Rid
from mystira.cosmos_emulator.schema import row, rows, transaction
from mystira.cosmos_emulator.wire import Refusal, decode, encode

FIRST, LAST = "", "FF"
DIGITS = 32
# No effective partition key is higher than this: its two highest bits are always zero.
SPACE = 0x40 << 120


class Range(NamedTuple):
    """The effective partition keys from `low` up to, not including, `high`."""

    id: int
    low: str
    high: str
    parents: tuple[str, ...]
    seq: int
    ts: int

    def holds(self, place: str) -> bool:
        """Tell whether a key lies here."""
        return self.low <= place < self.high

    def shown(self, container: Rid) -> dict[str, Any]:
        """Return its JSON."""
        name = f"{container}-range-{self.id}"
        return {
            "id": str(self.id),
            "_rid": name,
            "_self": f"dbs/{Rid(container.database)}/colls/{container}/pkranges/{name}/",
            "_etag": f'"{self.seq}"',
            "_ts": self.ts,
            "_lsn": self.seq,
            "minInclusive": self.low,
            "maxExclusive": self.high,
            "ridPrefix": self.id,
            "throughputFraction": 1,
            "status": "online",
            "parents": list(self.parents),
        }


def create(connection: apsw.Connection, container: int, key: Definition, count: int, now: int) -> None:
    """Cut the whole space of a new container into pieces of the same size."""
    edges = [FIRST, *(_edge(key, number, count) for number in range(1, count)), LAST]
    for number in range(count):
        _insert(connection, container, Range(number, edges[number], edges[number + 1], (), 1, now))


def living(connection: apsw.Connection, container: int) -> tuple[Range, ...]:
    """Return the ranges that hold the container now, in order."""
    found = rows(
        connection,
        "SELECT id, low, high, parents, seq, ts FROM ranges WHERE container = ? AND NOT gone ORDER BY low",
        container,
    )
    return tuple(Range(one[0], one[1], one[2], tuple(decode(one[3])), one[4], one[5]) for one in found)


def split(connection: apsw.Connection, container: int, among: Iterable[Range], which: str | None, now: int) -> None:
    """Put two ranges in the place of one, cut where the items are halved; without a name it is the widest one."""
    chosen = _named(among, which) if which is not None else max(among, key=lambda one: _number(one.high, one.low))
    middle = _middle(connection, container, chosen)
    halves = ((chosen.low, middle), (middle, chosen.high))
    _succeed(connection, container, [chosen], halves, now)


def merge(connection: apsw.Connection, container: int, among: Iterable[Range], low: str, high: str, now: int) -> None:
    """Put one range in the place of two that lie side by side."""
    first, second = sorted((_named(among, low), _named(among, high)), key=lambda one: one.low)
    if first.high != second.low:
        raise Refusal(400, f"The ranges {low} and {high} do not lie side by side.")
    _succeed(connection, container, [first, second], ((first.low, second.high),), now)


def _succeed(
    connection: apsw.Connection, container: int, gone: list[Range], edges: Iterable[tuple[str, str]], now: int
) -> None:
    number, seq = row(connection, "SELECT max(id), max(seq) FROM ranges WHERE container = ?", container)
    # Clients learn here about every ancestor, because they may have missed those in between.
    parents = tuple(sorted({name for one in gone for name in (*one.parents, str(one.id))}, key=int))
    with transaction(connection):
        for one in gone:
            connection.execute("UPDATE ranges SET gone = 1 WHERE container = ? AND id = ?", (container, one.id))
        for low, high in edges:
            number += 1
            _insert(connection, container, Range(number, low, high, parents, seq + 1, now))


def _insert(connection: apsw.Connection, container: int, made: Range) -> None:
    connection.execute(
        "INSERT INTO ranges (container, id, low, high, parents, seq, ts) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (container, made.id, made.low, made.high, encode(made.parents), made.seq, made.ts),
    )


def _named(among: Iterable[Range], name: str) -> Range:
    found = next((one for one in among if str(one.id) == name), None)
    if found is None:
        raise Refusal(404, f"There is no range {name} now.")
    return found


def _edge(key: Definition, number: int, count: int) -> str:
    if key.version < 2:
        return number_v1((number << 32) // count)
    return f"{SPACE * number // count:0{DIGITS}X}"


def _middle(connection: apsw.Connection, container: int, chosen: Range) -> str:
    where = "FROM items WHERE container = ?1 AND place > ?2 AND place < ?3"
    count = row(connection, f"SELECT count(DISTINCT place) {where}", container, chosen.low, chosen.high)[0]
    if count:
        sql = f"SELECT DISTINCT place {where} ORDER BY place LIMIT 1 OFFSET ?4"
        return str(row(connection, sql, container, chosen.low, chosen.high, count // 2)[0])
    between = f"{_number(chosen.low) + _number(chosen.high, chosen.low) // 2:0{DIGITS}X}"
    if not chosen.low < between < chosen.high:
        raise Refusal(400, f"The range {chosen.id} is too small to be split.")
    return between


def _number(edge: str, since: str = FIRST) -> int:
    whole = SPACE if edge == LAST else int(edge[:DIGITS].ljust(DIGITS, "0") or "0", 16)
    return whole - (_number(since) if since else 0)
