"""Writes where PostgreSQL leads: one statement with the fence, the change, its events, and the relay's task."""

from collections.abc import Mapping
from enum import IntEnum
from functools import cache

from mystira.polyglot.store import Conflict, Record
from mystira.polyglot.stores.postgres.connections import Connections, OutcomeOfLoss
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import DIGESTS, Rows, telling


class Allowed(IntEnum):
    """What `polyglot.fence` answers where writers may write: alone, or with documents beside the rows; else it is 0."""

    ALONE = 1
    WITH_DOCUMENTS = 2


# What S608 warns of cannot happen: names in these statements come from declarations, and all values are parameters.
class Fenced:
    """The statements of one table, written once. They change nothing unless the control row is OPEN at `n`.

    A row is counted in the digests only while documents are kept beside it. Where PostgreSQL leads alone there is
    nothing to compare it with; on the way back whoever keeps the digests counts the rows that changed meanwhile.

    What the fence says of one `n` it says for ever, so the journal remembers it. Once documents are known to be kept,
    a save leaves `_leaf` alone: then no trigger looks on, which would cost twice as much, and the save notes by itself
    what it did to its leaf. A row that is not counted yet stays so until whoever fills the digests comes to it.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._statements = {
            (is_new, events): self._statement(is_new, events) for is_new in (True, False) for events in (0, 1, 2)
        }
        self._unwatched = {events: self._statement(False, events, is_unwatched=True) for events in (0, 1, 2)}

    async def write(
        self, connections: Connections, record: Record, base: Record | None, n: int, known: Allowed | None
    ) -> Allowed:
        """Commit the record where the base's stamp still stands and writers may write; else Conflict.

        Returns what the fence says of `n`: `known` from then on.
        """
        values = self._rows.parameters(record, digested=known is not Allowed.ALONE)
        if base is not None:
            values.append(base.stamp.packed)
        values += (self._rows.collection.name, n, record.key.partition, record.key.id)
        if record.events:
            values += self._rows.told(record)
        events = min(len(record.events), 2)
        allowed, changed = known, False
        if base is not None and known is Allowed.WITH_DOCUMENTS:
            allowed, changed = await connections.first_row(self._unwatched[events], values, OutcomeOfLoss.UNKNOWN)
        if not changed:
            # Nothing is known yet; or something of the row was changed meanwhile, which may be its bookkeeping alone.
            statement = self._statements[base is None, events]
            allowed, changed = await connections.first_row(statement, values, OutcomeOfLoss.UNKNOWN)
        if not allowed:
            raise Conflict(f"{self._rows.collection.name}: writers may not write at n {n}")
        if not changed:
            raise Conflict(f"{self._rows.collection.name}: the record is not what the writer read")
        return Allowed(allowed)

    def _statement(self, is_new: bool, events: int, *, is_unwatched: bool = False) -> str:
        used = self._rows.width + (not is_new)
        name, n, partition, id = (f"${used + number}" for number in range(1, 5))
        stamp = f"${self._rows.names.index('_stamp') + 1}"
        told = f"told AS ({telling(used + 4, is_one=events == 1)}), " if events else ""
        noted = f"noted AS ({self._note(name)}), " if is_unwatched else ""
        replace = self._replace_unwatched() if is_unwatched else self._replace()
        # A claim on the task stays: the relay that has it will find the newer stamp when it confirms, and lets the task
        # go on.
        return (
            f"WITH fence AS MATERIALIZED (SELECT polyglot.fence({name}::text, {n}::bigint) AS allowed), "  # noqa: S608
            f"changed AS ({self._create() if is_new else replace}), {told}{noted}"
            "due AS (INSERT INTO polyglot.relay_outbox AS due (collection, partition, id, stamp) "
            f"SELECT {name}::text, {partition}::text, {id}::text, {stamp} FROM changed, fence WHERE allowed = 2 "
            "ON CONFLICT (collection, partition, id) DO UPDATE SET stamp = greatest(due.stamp, excluded.stamp), "
            "attempts = 0, next_try_at = NULL, last_error = NULL, parked_at = NULL) "
            "SELECT allowed, EXISTS (SELECT 1 FROM changed) FROM fence"
        )

    def _create(self) -> str:
        rows = self._rows
        return (
            f"INSERT INTO {rows.table} ({rows.columns}) SELECT {', '.join(self._values().values())} "  # noqa: S608
            f"FROM fence WHERE allowed > 0 ON CONFLICT ({rows.key_columns}) DO NOTHING RETURNING 1"
        )

    def _replace(self) -> str:
        changes, base = self._changes(self._values()), self._rows.is_base
        return f"UPDATE {self._rows.table} SET {changes} FROM fence WHERE allowed > 0 AND {base} RETURNING 1"  # noqa: S608

    def _replace_unwatched(self) -> str:
        """Change the row but not its leaf, and return what it was counted as.

        Only from PostgreSQL 18 on is an old value there to be returned, so `was` reads it. Should another version of
        the row come to stand meanwhile, it stands in another place than `was` did, and nothing is changed: then the
        watched statement decides.
        """
        table, values = self._rows.table, self._places()
        del values["_leaf"]
        values["_digest"] = f"CASE WHEN was._leaf IS NOT NULL THEN {values['_digest']}::bigint END"
        was = f"(SELECT ctid AS place, _leaf, _digest FROM {table} WHERE {self._rows.is_base}) AS was"  # noqa: S608
        return (
            f"UPDATE {table} AS t SET {self._changes(values)} FROM fence, {was} "  # noqa: S608
            "WHERE allowed = 2 AND t.ctid = was.place RETURNING was._leaf, was._digest"
        )

    def _note(self, name: str) -> str:
        """Note what the change did to its leaf, as the trigger does of every other change."""
        places = self._places()
        return (
            "INSERT INTO polyglot.digest_deltas (collection, side, leaf, number, added, removed) "  # noqa: S608
            f"SELECT {name}::text, 'row', {places['_leaf']}::integer, (_digest IS NULL)::integer, "
            f"{places['_digest']}::bigint, coalesce(_digest, 0) FROM changed WHERE _leaf IS NOT NULL"
        )

    def _changes(self, values: Mapping[str, str]) -> str:
        return ", ".join(f"{quoted(name)} = {to}" for name, to in values.items() if name not in self._rows.keys)

    def _places(self) -> dict[str, str]:
        return {name: f"${number}" for number, name in enumerate(self._rows.names, start=1)}

    def _values(self) -> dict[str, str]:
        """Return what each column is set to; `allowed` is 2 while documents are kept."""
        places = self._places()
        counted = {name: f"CASE WHEN allowed = 2 THEN {places[name]}::{kind} END" for name, kind in DIGESTS.items()}
        return places | counted


@cache
def fenced_of(rows: Rows) -> Fenced:
    """Return the fenced writes of a table, the same for every store of this process."""
    return Fenced(rows)
