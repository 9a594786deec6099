"""Writes where PostgreSQL leads: one statement with the fence, the change, its events, and the relay's task."""

from functools import cache

from mystira.polyglot.store import Conflict, Record
from mystira.polyglot.stores.postgres.connections import Connections, OutcomeOfLoss
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import DIGESTS, Rows, telling


class Fenced:
    """The statements of one table, written once. They change nothing unless the control row is OPEN at `n`.

    A row is counted in the digests only while documents are kept beside it. Where PostgreSQL leads alone there is
    nothing to compare it with; on the way back whoever keeps the digests counts the rows that changed meanwhile.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._statements = {
            (is_new, events): self._statement(is_new, events) for is_new in (True, False) for events in (0, 1, 2)
        }

    async def write(self, connections: Connections, record: Record, base: Record | None, n: int) -> None:
        """Commit the record where the base's stamp still stands and writers may write; else Conflict."""
        values = self._rows.parameters(record)
        if base is not None:
            values.append(base.stamp.packed)
        values += (self._rows.collection.name, n, record.key.partition, record.key.id)
        if record.events:
            values += self._rows.told(record)
        statement = self._statements[base is None, min(len(record.events), 2)]
        allowed, changed = await connections.first_row(statement, values, OutcomeOfLoss.UNKNOWN)
        if not allowed:
            raise Conflict(f"{self._rows.collection.name}: writers may not write at n {n}")
        if not changed:
            raise Conflict(f"{self._rows.collection.name}: the record is not what the writer read")

    def _statement(self, is_new: bool, events: int) -> str:
        used = self._rows.width + (not is_new)
        name, n, partition, id = (f"${used + number}" for number in range(1, 5))
        stamp = f"${self._rows.names.index('_stamp') + 1}"
        told = f"told AS ({telling(used + 4, is_one=events == 1)}), " if events else ""
        # The names come from declarations, the values are parameters. A claim on the task stays: the relay that has
        # it will find the newer stamp when it confirms, and lets the task go on.
        return (
            f"WITH fence AS MATERIALIZED (SELECT polyglot.fence({name}::text, {n}::bigint) AS allowed), "  # noqa: S608
            f"changed AS ({self._create() if is_new else self._replace()}), {told}"
            "due AS (INSERT INTO polyglot.relay_outbox AS due (collection, partition, id, stamp) "
            f"SELECT {name}::text, {partition}::text, {id}::text, {stamp} FROM changed, fence WHERE allowed = 2 "
            "ON CONFLICT (collection, partition, id) DO UPDATE SET stamp = greatest(due.stamp, excluded.stamp), "
            "attempts = 0, next_try_at = NULL, last_error = NULL, parked_at = NULL) "
            "SELECT allowed > 0, EXISTS (SELECT 1 FROM changed) FROM fence"
        )

    def _create(self) -> str:
        rows = self._rows
        return (
            f"INSERT INTO {rows.table} ({rows.columns}) SELECT {', '.join(self._values().values())} "  # noqa: S608
            f"FROM fence WHERE allowed > 0 ON CONFLICT ({rows.key_columns}) DO NOTHING RETURNING 1"
        )

    def _replace(self) -> str:
        rows = self._rows
        changes = ", ".join(f"{quoted(name)} = {to}" for name, to in self._values().items() if name not in rows.keys)
        return f"UPDATE {rows.table} SET {changes} FROM fence WHERE allowed > 0 AND {rows.is_base} RETURNING 1"  # noqa: S608

    def _values(self) -> dict[str, str]:
        """Return what each column is set to; `allowed` is 2 while documents are kept."""
        places = {name: f"${number}" for number, name in enumerate(self._rows.names, start=1)}
        counted = {name: f"CASE WHEN allowed = 2 THEN {places[name]}::{kind} END" for name, kind in DIGESTS.items()}
        return places | counted


@cache
def fenced_of(rows: Rows) -> Fenced:
    """Return the fenced writes of a table, the same for every store of this process."""
    return Fenced(rows)
