"""Looks through a table as it is: page after page, or by key, whatever somebody may have done to its rows."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from mystira.polyglot.entity import PACKED_MAX, Stamp
from mystira.polyglot.store import Incoming, Key, Unreadable
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import DIGESTS, Rows


class Looks:
    """The statements of one table, written once."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        keys = [f"t.{quoted(name)}" for name in rows.keys]
        columns = ", ".join(f"t.{quoted(name)}" for name in rows.names if name not in DIGESTS)
        order = f"ORDER BY {', '.join(keys)} LIMIT ${len(keys) + 1}"
        after = f"({', '.join(keys)}) > ({', '.join(f'${number}' for number in range(1, len(keys) + 1))})"
        # The names come from declarations, the values are parameters.
        self._first = f"SELECT {columns} FROM {rows.table} AS t ORDER BY {', '.join(keys)} LIMIT $1"  # noqa: S608
        self._next = f"SELECT {columns} FROM {rows.table} AS t WHERE {after} {order}"  # noqa: S608
        self._look = (
            f"SELECT {columns} FROM unnest($1::text[], $2::text[]) AS k(partition, id) "  # noqa: S608
            f"JOIN {rows.table} AS t ON {keys[0]} = k.partition AND {keys[-1]} = k.id"
        )

    async def scan(self, connections: Connections, after: Key | None, limit: int) -> list[Incoming]:
        """Return the next rows in the order of their keys."""
        statement = self._first if after is None else self._next
        values = () if after is None else self._rows.key(after)
        async with connections.connection() as connection:
            return [self._item(row) for row in await connection.fetch(statement, *values, limit)]

    async def look(self, connections: Connections, keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys."""
        if not keys:
            return {}
        async with connections.connection() as connection:
            rows = await connection.fetch(self._look, [key.partition for key in keys], [key.id for key in keys])
        items = [self._item(row) for row in rows]
        return {item.key: item for item in items}

    def _item(self, row: Any) -> Incoming:
        try:
            return self._rows.record(tuple(row))
        except (ValueError, TypeError, AssertionError) as error:
            # An assertion is about a stamp that nobody can have given.
            stamp = row["_stamp"]
            return Unreadable(
                Key(str(row[self._rows.keys[0]]), row["id"]),
                Stamp.unpack(stamp) if 0 <= stamp <= PACKED_MAX else Stamp(),
                dict(row),
                f"{type(error).__name__}: {error}",
            )


@cache
def looks_of(rows: Rows) -> Looks:
    """Return the looks through a table, the same for every store of this process."""
    return Looks(rows)
