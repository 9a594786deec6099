"""The merge beside a save, in two round trips: look, judge, then write over exactly what was looked at.

Only the usual case is taken: documents lead, the record is newer, it fits, and nothing waits in the dead letters.
Everything else is left to the whole merge, which locks before it judges.
"""

from typing import Any

import asyncpg

from mystira.polyglot import merge
from mystira.polyglot.control import State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import Merged
from mystira.polyglot.merge import Standing, Verdict
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import Record
from mystira.polyglot.stores.documents import can_exist
from mystira.polyglot.stores.postgres.connections import REFUSALS, Connections
from mystira.polyglot.stores.postgres.controls import COLUMNS, control_of_row
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import Rows

_NOTHING = -1
"""Stands for the stamp of a row that is not there."""


class Inline:
    """The statements of one table, written once."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        keys = [f"t.{quoted(name)}" for name in rows.keys]
        of_key = f"{keys[0]} = $2::text AND {keys[-1]} = $3::text"
        self._look = (
            f"SELECT {', '.join('c.' + name.strip() for name in ('collection, ' + COLUMNS).split(','))}, "  # noqa: S608
            "EXISTS (SELECT 1 FROM polyglot.dead_letters WHERE collection = $1), t._stamp, t._op, t._ops, t._doc_seen "
            f"FROM polyglot.control AS c LEFT JOIN {rows.table} AS t ON {of_key} WHERE c.collection = $1"
        )
        self._write = self._statement()

    async def merge(self, connections: Connections, record: Record) -> Merged | None:
        """Take the record in, without its events; None when this is not the usual case, and nothing was done."""
        if not can_exist(record.key) or record.stamp == Stamp():
            return None
        async with connections.connection(writes=True) as connection:
            found = await connection.fetchrow(self._look, self._rows.collection.name, *record.key)
            if found is None:
                return None
            *columns, has_letters, stamp, op, ops, seen = found
            control = control_of_row(columns)
            # Every transition raises `n`, which the write below compares.
            is_open = control.leader is Leader.DOCUMENTS and control.state is State.OPEN
            if has_letters or not control.copying or not is_open:
                return None
            standing = None
            if stamp is not None:
                standing = Standing(Stamp.unpack(stamp), op, tuple(ops), Stamp.unpack(seen))
            if merge.is_purged(record, standing, control.absent_through):
                return None
            if merge.judge(record, standing, control.leader) is not Verdict.APPLY:
                return None
            return await self._put(connection, record, control.n, _NOTHING if stamp is None else stamp)

    async def _put(self, connection: Any, record: Record, n: int, base: int) -> Merged | None:
        try:
            values = [*self._rows.parameters(record), record.stamp.packed, n, base, self._rows.collection.name]
            taken = await connection.fetchval(self._write, *values)
        except (ValueError, *REFUSALS, asyncpg.DeadlockDetectedError):
            return None
        return Merged(applied=1) if taken else None

    def _statement(self) -> str:
        rows = self._rows
        seen, n, base, name = (f"${rows.width + number}" for number in range(1, 5))
        # Nothing is lost here that the feed would not bring again, so nobody waits for the disk.
        relaxed = "set_config('synchronous_commit', 'off', true)"
        return (  # The names come from declarations, the values are parameters.
            f"WITH fence AS MATERIALIZED (SELECT n, {relaxed} FROM polyglot.locked_control({name}::text) "  # noqa: S608
            f"WHERE n = {n}::bigint), "
            f"changed AS (INSERT INTO {rows.table} AS t ({rows.columns}, _doc_seen) "
            f"SELECT {rows.places}, {seen} FROM fence "
            f"ON CONFLICT ({rows.key_columns}) DO UPDATE SET {rows.taken_over} WHERE t._stamp = {base}::bigint "
            "RETURNING 1) SELECT EXISTS (SELECT 1 FROM changed)"
        )
