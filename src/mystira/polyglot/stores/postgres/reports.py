"""Reports of verification in PostgreSQL: one row a run, one row a difference."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.differences import Difference, DifferenceClass, FieldDifference
from mystira.polyglot.repair_plan import Plan, plan_of_text
from mystira.polyglot.reports import PAGE, Progress, Report, RunKind
from mystira.polyglot.store import Key
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.letters import plain_key

_COLUMNS = (
    *("run_id", "collection", "kind", "leader", "actor", "why", "started_at", "finished_at", "seen", "healed"),
    *("digests_corrected", "counts", "progress"),
)
_NAMES = ", ".join(_COLUMNS)
_PLACES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))

# The columns are constants.
_PUT = f"""
INSERT INTO polyglot.verification ({_NAMES}) VALUES ({_PLACES})
ON CONFLICT (run_id) DO UPDATE SET ({_NAMES}) = ROW ({_PLACES})
"""  # noqa: S608

_GET = f"SELECT {_NAMES} FROM polyglot.verification WHERE run_id = $1"  # noqa: S608

_RECENT = f"""
SELECT {_NAMES} FROM polyglot.verification WHERE collection = $1 ORDER BY started_at DESC, run_id DESC LIMIT $2
"""  # noqa: S608

_FORGET = """
WITH mine AS (
  SELECT run_id, started_at, row_number() OVER (ORDER BY started_at DESC, run_id DESC) AS newest,
    row_number() OVER (PARTITION BY kind, finished_at IS NULL ORDER BY started_at DESC, run_id DESC) AS newest_of_kind,
    kind = 'scrub' AND finished_at IS NOT NULL AS is_scrub
  FROM polyglot.verification WHERE collection = $1),
gone AS (
  DELETE FROM polyglot.verification AS v USING mine WHERE v.run_id = mine.run_id AND mine.started_at < $2
    AND mine.newest > $3 AND NOT (mine.is_scrub AND mine.newest_of_kind = 1)
  RETURNING v.run_id),
found AS (DELETE FROM polyglot.verification_difference AS d USING gone WHERE d.run_id = gone.run_id RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM found)
"""

_ADD = """
INSERT INTO polyglot.verification_difference (run_id, partition, id, kind, leader_stamp, follower_stamp, fields)
SELECT $1, d.* FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[]) AS d
ON CONFLICT (run_id, partition, id) DO UPDATE SET kind = excluded.kind, leader_stamp = excluded.leader_stamp,
  follower_stamp = excluded.follower_stamp, fields = excluded.fields
"""

_TALLY = "SELECT kind, count(*) FROM polyglot.verification_difference WHERE run_id = $1 GROUP BY kind"

_PAGE = """
SELECT partition, id, kind, leader_stamp, follower_stamp, fields FROM polyglot.verification_difference
WHERE run_id = $1 {after} {of_kind} ORDER BY partition, id LIMIT $5
"""
# A condition that may be left out is written out both ways: inside one statement it would keep the index from helping.
_AFTER = {True: "AND (partition, id) > ($2, $3)", False: "AND $2::text IS NULL AND $3::text IS NULL"}
_OF_KIND = {True: "AND kind = $4", False: "AND $4::text IS NULL"}
_PAGES = {
    (after, of_kind): _PAGE.format(after=_AFTER[after], of_kind=_OF_KIND[of_kind])
    for after in _AFTER
    for of_kind in _OF_KIND
}

_KEEP_PLAN = "UPDATE polyglot.verification SET plan = $2 WHERE run_id = $1"
_PLAN = "SELECT plan FROM polyglot.verification WHERE run_id = $1"

_text = msgspec.json.Encoder()
_fields = msgspec.json.Decoder(tuple[FieldDifference, ...])
_counts = msgspec.json.Decoder(dict[DifferenceClass, int])
_progress = msgspec.json.Decoder(Progress)


class PostgresReports:
    """What `polyglot.reports.Reports` promises. Reachable as `PostgresStore.reports`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def put(self, report: Report) -> None:
        """Keep a report, or replace the one with its id."""
        values = [report.id, *(getattr(report, name) for name in _COLUMNS[1:])]
        values[-2:] = (_text.encode(value).decode() for value in values[-2:])
        async with self._connections.connection(writes=True) as connection:
            await connection.execute(_PUT, *values)

    async def get(self, run_id: str) -> Report | None:
        """Return a report."""
        async with self._connections.connection() as connection:
            row = await connection.fetchrow(_GET, run_id)
        return None if row is None else _report(row)

    async def recent(self, collection: str, limit: int = 20) -> Sequence[Report]:
        """Return the reports of a collection, the newest first."""
        async with self._connections.connection() as connection:
            return [_report(row) for row in await connection.fetch(_RECENT, collection, limit)]

    async def forget(self, collection: str, before: datetime, kept: int) -> int:
        """Remove the reports that were begun before, but the newest ones and the newest scrub that was finished."""
        async with self._connections.connection(writes=True) as connection:
            gone, _ = await connection.fetchrow(_FORGET, collection, before, kept)
        return gone

    async def add(self, run_id: str, found: Sequence[Difference]) -> None:
        """Keep differences of a run; one of the same key is replaced."""
        rows = {plain_key(one.key): one for one in found}
        columns = [
            [key.partition for key in rows],
            [key.id for key in rows],
            [one.kind for one in rows.values()],
            [one.leader_stamp for one in rows.values()],
            [one.follower_stamp for one in rows.values()],
            [_text.encode(one.fields).decode() for one in rows.values()],
        ]
        async with self._connections.connection(writes=True) as connection:
            await connection.execute(_ADD, run_id, *columns)

    async def tally(self, run_id: str) -> Mapping[DifferenceClass, int]:
        """Count the differences of a run by class."""
        async with self._connections.connection() as connection:
            rows = await connection.fetch(_TALLY, run_id)
        return {DifferenceClass(kind): count for kind, count in rows}

    async def page(
        self, run_id: str, after: Key | None = None, limit: int = PAGE, kind: DifferenceClass | None = None
    ) -> Sequence[Difference]:
        """Return the next differences of a run in the order of their keys."""
        partition, id = (None, None) if after is None else plain_key(after)
        async with self._connections.connection() as connection:
            statement = _PAGES[after is not None, kind is not None]
            rows = await connection.fetch(statement, run_id, partition, id, kind, limit)
        return [_difference(row) for row in rows]

    async def keep_plan(self, plan: Plan) -> None:
        """Keep the plan for a report's repair, in place of the one before; without the report nothing is kept."""
        async with self._connections.connection(writes=True) as connection:
            await connection.execute(_KEEP_PLAN, plan.report, _text.encode(plan).decode())

    async def plan(self, run_id: str) -> Plan | None:
        """Return the plan that was kept last for a report."""
        async with self._connections.connection() as connection:
            text = await connection.fetchval(_PLAN, run_id)
        return None if text is None else plan_of_text(text.encode())


def _report(row: Sequence[Any]) -> Report:
    run_id, collection, kind, leader, *plain, counts, progress = row
    return Report(
        id=run_id,
        collection=collection,
        kind=RunKind(kind),
        leader=leader,
        **dict(zip(_COLUMNS[4:-2], plain, strict=True)),
        counts=_counts.decode(counts),
        progress=_progress.decode(progress),
    )


def _difference(row: Sequence[Any]) -> Difference:
    partition, id, kind, leader_stamp, follower_stamp, fields = row
    return Difference(
        key=Key(partition, id),
        kind=DifferenceClass(kind),
        leader_stamp=leader_stamp,
        follower_stamp=follower_stamp,
        fields=_fields.decode(fields),
    )
