"""Records from the documents as rows of the relational copy: newer over older, many at once, the unfit ones alone."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from mystira.polyglot.entity import Stamp
from mystira.polyglot.merge import Standing
from mystira.polyglot.store import Conflict, Key, Record
from mystira.polyglot.stores.postgres.connections import REFUSALS, reason
from mystira.polyglot.stores.postgres.inline import Inline
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import Rows

STAGED_FROM = 9
"""From so many rows on, COPY into a staging table and one statement are faster than a statement each."""


class Row(NamedTuple):
    """A record and its parameters: fields and bookkeeping, and at the end the stamp that documents now hold."""

    record: Record
    values: list[Any]


class Refusal(NamedTuple):
    """A record that the database did not take, and why."""

    record: Record
    error: str


class Copies:
    """The statements with which merges read and write one table, written once."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.name = rows.collection.name
        self.inline = Inline(rows)
        columns = f"{rows.columns}, _doc_seen"
        # The merge has judged and locked what stands; these conditions are for what was inserted since it looked.
        # Where the relational side leads, only what continues the row may follow it.
        newer = "t._stamp < excluded._stamp AND ({documents_lead} OR t._stamp = excluded._parent)"
        upsert = f"ON CONFLICT ({rows.key_columns}) DO UPDATE SET {rows.taken_over} WHERE {newer} RETURNING 1"
        seen, leads = rows.width + 1, rows.width + 2
        # All names come from declarations, all values are parameters.
        one = f"INSERT INTO {rows.table} AS t ({columns}) VALUES ({rows.places}, ${seen}) {upsert}"  # noqa: S608
        self._one = one.format(documents_lead=f"${leads}::boolean")
        self.stage = f"staged_{rows.collection.table}"
        stage = quoted(self.stage)
        self._make_stage = (
            f"CREATE TEMP TABLE IF NOT EXISTS {stage} (LIKE {rows.table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        )
        staged = f"INSERT INTO {rows.table} AS t ({columns}) SELECT {columns} FROM {stage} {upsert}"  # noqa: S608
        counted = f"WITH taken AS ({staged}) SELECT count(*) FROM taken"  # noqa: S608
        self._staged = counted.format(documents_lead="$1::boolean")
        keys = [f"t.{quoted(name)}" for name in rows.keys]
        is_key = f"{keys[0]} = k.partition AND {keys[-1]} = k.id"
        self._standing = (
            "SELECT k.partition, k.id, t._stamp, t._op, t._ops, t._doc_seen "  # noqa: S608
            f"FROM unnest($1::text[], $2::text[]) AS k(partition, id) JOIN {rows.table} AS t ON {is_key}"
        )
        self._locked = f"{self._standing} ORDER BY {', '.join(keys)} FOR UPDATE OF t"
        self._see = (
            f"UPDATE {rows.table} AS t SET _doc_seen = k.stamp "  # noqa: S608
            "FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(partition, id, stamp) "
            f"WHERE {is_key} AND t._doc_seen < k.stamp"
        )

    async def standing(self, connection: Any, keys: Sequence[Key], *, lock: bool) -> dict[Key, Standing]:
        """Return what stands of these keys; locked, it stands until the transaction ends."""
        statement = self._locked if lock else self._standing
        rows = await connection.fetch(statement, [key.partition for key in keys], [key.id for key in keys])
        return {
            Key(partition, id): Standing(Stamp.unpack(stamp), op, tuple(ops), Stamp.unpack(seen))
            for partition, id, stamp, op, ops, seen in rows
        }

    async def see(self, connection: Any, stamps: Sequence[tuple[Key, Stamp]]) -> None:
        """Remember the newest stamps that documents are known to hold."""
        if stamps:
            await connection.execute(
                self._see,
                [key.partition for key, _ in stamps],
                [key.id for key, _ in stamps],
                [stamp.packed for _, stamp in stamps],
            )

    async def row_of(self, connection: Any, key: Key) -> Record | None:
        """Return the record that stands."""
        row = await connection.fetchrow(self.rows.read, *self.rows.key(key))
        return None if row is None else self.rows.record(tuple(row))

    def row(self, record: Record) -> Row:
        """Return a record with its parameters; raises ValueError when no store could keep it."""
        return Row(record, [*self.rows.parameters(record), record.stamp.packed])

    async def put(self, connection: Any, rows: Sequence[Row], *, documents_lead: bool, stage: bool) -> None:
        """Write rows over older ones; Conflict when somebody else inserted a newer one since they were judged."""
        if stage and len(rows) >= STAGED_FROM:
            taken = await self._put_staged(connection, rows, documents_lead)
        elif len(rows) == 1:
            taken = await connection.fetchval(self._one, *rows[0].values, documents_lead) or 0
        else:
            found = await connection.fetchmany(self._one, [(*row.values, documents_lead) for row in rows])
            taken = len(found)
        if taken < len(rows):
            raise Conflict(f"{self.name}: a row was inserted while the merge looked at it")

    async def _put_staged(self, connection: Any, rows: Sequence[Row], documents_lead: bool) -> int:
        await connection.execute(self._make_stage)
        columns = [*self.rows.names, "_doc_seen"]
        await connection.copy_records_to_table(self.stage, records=[row.values for row in rows], columns=columns)
        return await connection.fetchval(self._staged, documents_lead)

    async def put_what_fits(self, connection: Any, rows: Sequence[Row], *, documents_lead: bool) -> list[Refusal]:
        """Write rows over older ones, each under a savepoint in the end; return those that do not fit.

        What was refused is tried once more all together with the constraints deferred, for two records may swap a
        unique value, or one may take what another of the same page lets go.
        """
        refused = await self._halve(connection, rows, documents_lead)
        if not refused or len(rows) == 1:
            return refused
        keys = {refusal.record.key for refusal in refused}
        again = [row for row in rows if row.record.key in keys]
        try:
            async with connection.transaction():
                await connection.execute("SET CONSTRAINTS ALL DEFERRED")
                await self.put(connection, again, documents_lead=documents_lead, stage=False)
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except REFUSALS:
            return refused
        return []

    async def _halve(self, connection: Any, rows: Sequence[Row], documents_lead: bool) -> list[Refusal]:
        # One unfit row among many is found in few steps, and every savepoint is gone before the next one.
        if not rows:
            return []
        try:
            async with connection.transaction():
                await self.put(connection, rows, documents_lead=documents_lead, stage=False)
            return []
        except REFUSALS as error:
            if len(rows) == 1:
                return [Refusal(rows[0].record, reason(error))]
        middle = len(rows) // 2
        first = await self._halve(connection, rows[:middle], documents_lead)
        return first + await self._halve(connection, rows[middle:], documents_lead)


@cache
def copies_of(rows: Rows) -> Copies:
    """Return the merges of a table, the same for every store of this process."""
    return Copies(rows)
