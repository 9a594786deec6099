"""Digests in PostgreSQL: triggers note what each change of a row or document did to its leaf, the tree is folded later.

A writer that changed its leaf's sum itself would wait for everybody else who has a record in the same leaf, and all for
the root. So each change is appended to a list, in the transaction of the change, and whoever reads a node adds what the
list holds of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mystira.polyglot.canonical import BITS_A_LEVEL, LEAF_BITS, digest_of, digest_of_unreadable, leaf_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.digest import Digested, Node, Noted, Side
from mystira.polyglot.entity import Stamp
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Move
from mystira.polyglot.store import Conflict, Key, Unreadable
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.positions import move_position
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import Rows

FOLD_LOCK = 1717923428
TAKE_LOCK = 1717923429
"""Halves of advisory locks' keys, beside FENCE_LOCK."""

_KEPT = f"""
SELECT c.collection, coalesce(r.number, 0) FROM polyglot.control AS c
LEFT JOIN polyglot.digest_removals AS r ON r.collection = c.collection
WHERE c.copying OR c.phase = '{Phase.DUAL_WRITE_POSTGRES_READ}'
"""  # noqa: S608 - the phase is a constant.

_WHILE_NOBODY_TAKES_OUT = "SELECT pg_advisory_xact_lock_shared($1, hashtext($2))"
_WHILE_NOBODY_TAKES = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_REMOVALS = "SELECT coalesce((SELECT number FROM polyglot.digest_removals WHERE collection = $1), 0)"

_COUNT_REMOVAL = """
INSERT INTO polyglot.digest_removals AS r (collection, number) VALUES ($1, 1)
ON CONFLICT (collection) DO UPDATE SET number = r.number + 1
"""

# After a split two workers may hold the same page in two versions, so the later one in the feed wins, not the later
# commit. What is the same (a document whose events were pruned) is left alone.
_TAKE = """
INSERT INTO polyglot.document_digests AS d (collection, _leaf, partition, id, stamp, _digest, position)
SELECT $1, k.leaf, k.partition, k.id, k.stamp, k.digest, k.position
FROM unnest($2::integer[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
  AS k(leaf, partition, id, stamp, digest, position)
ON CONFLICT (collection, _leaf, partition, id) DO UPDATE
SET stamp = excluded.stamp, _digest = excluded._digest, position = excluded.position
WHERE d.position < excluded.position AND (d.stamp, d._digest) <> (excluded.stamp, excluded._digest)
"""

_TAKE_OUT = """
DELETE FROM polyglot.document_digests AS d
USING unnest($2::integer[], $3::text[], $4::text[], $5::bigint[]) AS k(leaf, partition, id, stamp)
WHERE collection = $1 AND d._leaf = k.leaf AND d.partition = k.partition AND d.id = k.id AND d.stamp <= k.stamp
"""

_FORGET = (
    "DELETE FROM polyglot.document_digests WHERE collection = $1",
    "DELETE FROM polyglot.feed_position WHERE collection = $1 AND stream = 'digest'",
)

_CORRECT_DOCUMENT = """
INSERT INTO polyglot.document_digests AS d (collection, _leaf, partition, id, stamp, _digest, position)
VALUES ($1, $2, $3, $4, $5, $6, 0)
ON CONFLICT (collection, _leaf, partition, id) DO UPDATE SET stamp = excluded.stamp, _digest = excluded._digest
WHERE d.stamp <= excluded.stamp RETURNING true
"""

# Only one folds at a time, for all of them change the root. Who is not the one has nothing to do.
_FOLD = f"""
WITH mine AS MATERIALIZED (SELECT pg_try_advisory_xact_lock({FOLD_LOCK}) AS alone),
taken AS (
  DELETE FROM polyglot.digest_deltas WHERE ctid = ANY (ARRAY(
    SELECT d.ctid FROM mine, polyglot.digest_deltas AS d WHERE mine.alone LIMIT $1))
  RETURNING collection, side, leaf, number, added, removed),
sums AS (
  SELECT t.collection, t.side, t.leaf >> above.bits AS node, sum(t.number) AS number,
    sum(t.added) - sum(t.removed) AS total
  FROM taken AS t, generate_series(0, {LEAF_BITS}, {BITS_A_LEVEL}) AS above(bits) GROUP BY 1, 2, 3),
folded AS (
  INSERT INTO polyglot.digest_nodes AS n (collection, side, node, number, total)
  SELECT collection, side, node, number, total FROM sums
  ON CONFLICT (collection, side, node) DO UPDATE
  SET number = n.number + excluded.number, total = n.total + excluded.total)
SELECT count(*) FROM taken
"""  # noqa: S608 - numbers and constants.

_NODES = """
SELECT node, sum(number)::bigint, sum(total) FROM (
  SELECT node, number, total FROM polyglot.digest_nodes WHERE collection = $1 AND side = $2 AND node = ANY ($3)
  UNION ALL
  SELECT leaf >> $4, number, added::numeric - removed FROM polyglot.digest_deltas
  WHERE collection = $1 AND side = $2 AND leaf >> $4 = ANY ($3)) AS of_node
GROUP BY node
"""

_RECOUNT = f"""
INSERT INTO polyglot.digest_nodes (collection, side, node, number, total)
SELECT $1::text, $2::text, leaf.number >> above.bits, sum(leaf.held), sum(leaf.total)
FROM (
  SELECT _leaf AS number, count(*) AS held, sum(_digest) AS total
  FROM {{table}} WHERE {{condition}} GROUP BY 1) AS leaf,
  generate_series(0, {LEAF_BITS}, {BITS_A_LEVEL}) AS above(bits)
GROUP BY 3
"""  # noqa: S608 - numbers, and names from declarations.

_DOCUMENT_MEMBERS = """
SELECT partition, id, stamp, _digest FROM polyglot.document_digests WHERE collection = $1 AND _leaf = ANY ($2)
"""


class PostgresDigests:
    """What `polyglot.digest.Digests` promises. Reachable as `PostgresStore.digests`."""

    def __init__(self, connections: Connections, rows: Mapping[str, Rows]) -> None:
        self._connections = connections
        self._rows = rows

    async def kept(self) -> Mapping[str, int]:
        """Return the collections whose documents and rows are both kept, and how often documents were taken out."""
        async with self._connections.connection() as connection:
            return dict(await connection.fetch(_KEPT))

    async def take(self, name: str, items: Sequence[Noted], removals: int, move: Move, now: datetime) -> None:
        """Count what one page of the feed shows, and move the stream's position; what came later in the feed wins."""
        async with self._connections.transaction() as connection:
            await connection.execute(_WHILE_NOBODY_TAKES_OUT, TAKE_LOCK, name)
            if await connection.fetchval(_REMOVALS, name) != removals:
                raise Conflict(f"{name}: documents were taken out since the page was read")
            await move_position(connection, name, move, now)
            if items:
                await connection.execute(_TAKE, name, *_columns(items))

    async def take_out(self, name: str, removed: Sequence[tuple[Key, Stamp]]) -> None:
        """Stop counting documents that were removed for good at these stamps, of which the feed does not tell."""
        if not removed:
            return
        values = [(leaf_of(key), *key, stamp.packed) for key, stamp in removed]
        async with self._connections.transaction() as connection:
            # From here on no page that still shows them is under way, and the count refuses those that come.
            await connection.execute(_WHILE_NOBODY_TAKES, TAKE_LOCK, name)
            await connection.execute(_COUNT_REMOVAL, name)
            await connection.execute(_TAKE_OUT, name, *map(list, zip(*values, strict=True)))

    async def forget_documents(self, name: str) -> None:
        """Forget all digests of a collection's documents, and the stream's positions: it begins anew."""
        async with self._connections.transaction() as connection:
            await connection.execute(_WHILE_NOBODY_TAKES, TAKE_LOCK, name)
            await connection.execute(_COUNT_REMOVAL, name)
            for statement in _FORGET:
                await connection.execute(statement, name)

    async def fill(self, collection: Collection[Any], limit: int) -> int:
        """Count rows that were written before there were digests; return how many, 0 once there are none left."""
        rows = self._rows[collection.name]
        find = (
            f"SELECT {rows.shown} FROM {rows.table} "  # noqa: S608 - names come from declarations.
            "WHERE _leaf IS NULL LIMIT $1 FOR UPDATE SKIP LOCKED"
        )
        keys = [f"t.{quoted(name)}" for name in rows.keys]
        count = (
            f"UPDATE {rows.table} AS t SET _leaf = k.leaf, _digest = k.digest "  # noqa: S608
            "FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[]) AS k(partition, id, leaf, digest) "
            f"WHERE {keys[0]} = k.partition AND {keys[-1]} = k.id"
        )
        async with self._connections.transaction() as connection:
            found = [_digested(rows, tuple(row)) for row in await connection.fetch(find, limit)]
            if found:
                values = [(*key, leaf_of(key), digest) for key, digest in found]
                await connection.execute(count, *map(list, zip(*values, strict=True)))
        return len(found)

    async def unfilled(self, collection: Collection[Any], limit: int) -> int:
        """Return how many rows are not counted yet, `limit` at most."""
        table = self._rows[collection.name].table
        statement = f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE _leaf IS NULL LIMIT $1) AS uncounted"  # noqa: S608
        async with self._connections.connection() as connection:
            return await connection.fetchval(statement, limit)

    async def correct(self, collection: Collection[Any], side: Side, key: Key, held: Digested) -> bool:
        """Replace a digest that turned out to be wrong, unless the side holds another stamp meanwhile; tell whether."""
        values = (held.stamp.packed, held.digest)
        async with self._connections.connection(writes=True) as connection:
            if side is Side.DOCUMENT:
                at = (collection.name, leaf_of(key), *key)
                return bool(await connection.fetchval(_CORRECT_DOCUMENT, *at, *values))
            rows = self._rows[collection.name]
            names = ", ".join(quoted(name) for name in rows.keys)
            statement = (
                f"UPDATE {rows.table} SET _leaf = $1, _digest = $2 "  # noqa: S608
                f"WHERE ({names}) = ({_places(rows)}) AND _stamp = ${len(rows.keys) + 3} RETURNING true"
            )
            parameters = (leaf_of(key), held.digest, *rows.key(key), held.stamp.packed)
            return bool(await connection.fetchval(statement, *parameters))

    async def recount(self, collection: Collection[Any]) -> None:
        """Make the nodes of both sides anew from what they count; writers go on meanwhile."""
        name, table = collection.name, self._rows[collection.name].table
        async with (
            self._connections.connection(writes=True) as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            # No snapshot is taken before this lock is granted, so nobody folds what this transaction sees unfolded.
            await connection.execute("LOCK TABLE polyglot.digest_nodes IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute("DELETE FROM polyglot.digest_deltas WHERE collection = $1", name)
            await connection.execute("DELETE FROM polyglot.digest_nodes WHERE collection = $1", name)
            counted = _RECOUNT.format(table="polyglot.document_digests", condition="collection = $1")
            await connection.execute(counted, name, Side.DOCUMENT)
            await connection.execute(_RECOUNT.format(table=table, condition="_digest IS NOT NULL"), name, Side.ROW)

    async def fold(self, limit: int) -> int:
        """Add changes that were only noted so far to the nodes; return how many. Only speed depends on it."""
        async with self._connections.connection(writes=True) as connection:
            return await connection.fetchval(_FOLD, limit)

    async def nodes(self, collection: Collection[Any], side: Side, wanted: Sequence[int]) -> Mapping[int, Node]:
        """Return these nodes of one level, changes that are not folded included; what is absent holds nothing."""
        if not wanted:
            return {}
        below = LEAF_BITS + 1 - wanted[0].bit_length()
        async with self._connections.connection() as connection:
            found = await connection.fetch(_NODES, collection.name, side, wanted, below)
        return {node: Node(number, int(total) % (1 << 64)) for node, number, total in found}

    async def members(self, collection: Collection[Any], side: Side, leaves: Sequence[int]) -> Mapping[Key, Digested]:
        """Return what is counted in these leaves."""
        async with self._connections.connection() as connection:
            if side is Side.DOCUMENT:
                found = await connection.fetch(_DOCUMENT_MEMBERS, collection.name, leaves)
            else:
                rows = self._rows[collection.name]
                names = f"{quoted(rows.keys[0])}, id, _stamp, _digest"
                statement = f"SELECT {names} FROM {rows.table} WHERE _leaf = ANY ($1) AND _digest IS NOT NULL"  # noqa: S608
                found = await connection.fetch(statement, leaves)
        return {
            Key(str(partition), id): Digested(Stamp.unpack(stamp), digest) for partition, id, stamp, digest in found
        }


def _columns(items: Sequence[Noted]) -> tuple[list[Any], ...]:
    # In the order of the table's key: after a split two workers may have the same ones.
    ordered = sorted(((leaf_of(item.key), item) for item in items), key=lambda one: (one[0], one[1].key))
    values = [(leaf, *one.key, one.stamp.packed, one.digest, one.position) for leaf, one in ordered]
    return tuple(map(list, zip(*values, strict=True)))


def _digested(rows: Rows, row: tuple[Any, ...]) -> tuple[Key, int]:
    values = dict(zip(rows.names, row, strict=False))
    key = Key(str(values[rows.keys[0]]), values["id"])
    try:
        return key, digest_of(rows.collection, rows.record(row))
    except (ValueError, TypeError):
        # Somebody wrote a row that is no record: it is counted as it is, and differs from every document.
        told = {name: str(value) for name, value in values.items()}
        return key, digest_of_unreadable(Unreadable(key, Stamp.unpack(values["_stamp"]), told, ""))


def _places(rows: Rows) -> str:
    return ", ".join(f"${number}" for number in range(3, len(rows.keys) + 3))
