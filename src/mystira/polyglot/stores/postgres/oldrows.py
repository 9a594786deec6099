"""Rows in PostgreSQL that nobody keeps any more: removed once they are archived, and made anew from the archive."""

from collections.abc import Sequence
from typing import Any

from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Conflict, Key, Record
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import Rows

_ALONE = f"""
SELECT 1 FROM polyglot.locked_control($1)
WHERE n = $2 AND state = 'OPEN' AND phase = '{Phase.COSMOS_ONLY}' AND NOT copying
"""  # noqa: S608 - the phase is a constant.

# The names come from declarations, the values are parameters.
_THESE = "FROM {table} WHERE ({partition}, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))"
_LOCKED = f"SELECT {{shown}} {_THESE} FOR UPDATE"
_REMOVE = f"DELETE {_THESE}"
_MAKE = "INSERT INTO {table} ({columns}, _doc_seen) VALUES ({places}, ${seen}) ON CONFLICT DO NOTHING RETURNING 1"


async def retire(connections: Connections, rows: Rows, archived: Sequence[Record], n: int) -> int:
    """Remove the rows that are exactly what was archived; Conflict unless documents lead alone at `n`."""
    names = {"table": rows.table, "partition": quoted(rows.keys[0]), "shown": rows.shown}
    wanted = {record.key: record for record in archived}
    async with connections.transaction() as connection:
        await _refuse_kept(connection, rows, n)
        found = await connection.fetch(_LOCKED.format(**names), *_columns(list(wanted)))
        # Compared whole and not by stamp: a row that was changed by hand in SQL keeps its stamp.
        same = [record.key for row in found if (record := rows.record(tuple(row))) == wanted[record.key]]
        await connection.execute(_REMOVE.format(**names), *_columns(same))
    return len(same)


async def restore(connections: Connections, rows: Rows, archived: Sequence[Record], n: int) -> int:
    """Make the rows that are absent anew; Conflict unless documents lead alone at `n`."""
    statement = _MAKE.format(table=rows.table, columns=rows.columns, places=rows.places, seen=rows.width + 1)
    async with connections.transaction() as connection:
        await _refuse_kept(connection, rows, n)
        values = [(*rows.parameters(record), record.stamp.packed) for record in archived]
        return len(await connection.fetchmany(statement, values)) if values else 0


async def _refuse_kept(connection: Any, rows: Rows, n: int) -> None:
    if await connection.fetchval(_ALONE, rows.collection.name, n) is None:
        raise Conflict(f"{rows.collection.name}: its rows are kept, or its control row has changed")


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str]]:
    return [key.partition for key in keys], [key.id for key in keys]
