"""Control rows and their history in PostgreSQL: the only arbiter of who leads a collection."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.journal import ShadowReport
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Conflict
from mystira.polyglot.stores.postgres.connections import Connections

FENCE_LOCK = 1717923427
"""Half of the advisory lock's key, the collection's hash is the other; the functions of revision 0004 use it too."""

COLUMNS = "phase, n, epoch, state, copying, complete, target, coordinator, deadline, floor, purged, shadow"

_READ = f"SELECT collection, {COLUMNS} FROM polyglot.control WHERE collection = $1"  # noqa: S608 - a constant.

_READ_ALL = f"SELECT collection, {COLUMNS} FROM polyglot.control"  # noqa: S608 - a constant.

_DECLARE = f"""
INSERT INTO polyglot.control (collection, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (collection) DO NOTHING
"""  # noqa: S608 - the columns are a constant.

_CHANGE = f"""
UPDATE polyglot.control SET ({COLUMNS}) = ROW ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
WHERE collection = $1 AND n = $14 RETURNING 1
"""  # noqa: S608 - the columns are a constant.

_NOTE = """
INSERT INTO polyglot.control_history (collection, verb, actor, why, at, n, before, after, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

_HISTORY = """
SELECT collection, verb, actor, why, at, n, before, after, details::text FROM polyglot.control_history
WHERE collection = $1 AND ($3::text IS NULL OR verb = $3) ORDER BY position DESC LIMIT $2
"""

_CHANGES = """
SELECT collection, verb, actor, why, at, n, before, after, details::text FROM polyglot.control_history
WHERE ($2::timestamptz IS NULL OR at < $2) AND ($3::text IS NULL OR collection = $3)
  AND ($4::text IS NULL OR actor = $4)
ORDER BY at DESC FETCH FIRST $1 ROWS WITH TIES
"""

_ACKNOWLEDGE = """
INSERT INTO polyglot.acknowledgement AS at (collection, writer, n, refused) VALUES ($1, $2, $3, $4)
ON CONFLICT (collection, writer) DO UPDATE SET n = $3, refused = $4 WHERE at.n <= $3
"""

_REPORT_SHADOW = """
INSERT INTO polyglot.shadow_report (collection, process, compared, mismatches, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (collection, process) DO UPDATE SET compared = $3, mismatches = $4, at = $5
"""

_SHADOW_REPORTS = """
SELECT collection, process, compared, mismatches, at FROM polyglot.shadow_report
WHERE collection = $1 AND at >= $2 ORDER BY process
"""

_UNCHECKED = """
SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(quote_ident($1)) AND NOT convalidated ORDER BY conname
"""

_ACKNOWLEDGED = "SELECT writer, refused FROM polyglot.acknowledgement WHERE collection = $1 AND n = $2"


async def read_control(connections: Connections, name: str) -> Control | None:
    """Return the collection's control row."""
    async with connections.connection() as connection:
        row = await connection.fetchrow(_READ, name)
    return row and control_of_row(row)


async def read_controls(connections: Connections) -> list[Control]:
    """Return every control row there is."""
    async with connections.connection() as connection:
        return [control_of_row(row) for row in await connection.fetch(_READ_ALL)]


def control_of_row(row: Sequence[Any]) -> Control:
    """Return the control state of a row that holds the collection's name, then COLUMNS."""
    name, phase, n, epoch, state, copying, complete, target, coordinator, deadline, floor, purged, shadow = row
    return Control(
        id=name,
        phase=Phase(phase),
        n=n,
        epoch=epoch,
        state=State(state),
        copying=copying,
        complete=complete,
        target=Phase(target) if target else None,
        coordinator=coordinator,
        deadline=deadline,
        floor=floor,
        purged=purged,
        shadow=shadow,
    )


async def declare(connections: Connections, control: Control) -> Control:
    """Make the row unless there is one; return what stands."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_DECLARE, *_values(control))
        return control_of_row(await connection.fetchrow(_READ, control.id))


async def change(connections: Connections, before: Control, after: Control, why: Change, drained: bool) -> None:
    """Replace the row that has `before.n` under the exclusive lock, and put the change on record."""
    async with connections.transaction() as connection:
        # Fenced writes hold this lock shared until they have committed, so from here on none is under way.
        await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", FENCE_LOCK, before.id)
        if await connection.fetchval(_CHANGE, *_values(after), before.n) is None:
            raise Conflict(f"{before.id}: the control row is no longer at n {before.n}")
        if drained and await _waits_for_relay(connection, before.id):
            raise Conflict(f"{before.id}: the relay has not delivered everything yet")
        if after.phase is Phase.POSTGRES_ONLY:
            # From here on no documents are kept; coming back enqueues every key anew.
            await connection.execute("DELETE FROM polyglot.relay_outbox WHERE collection = $1", before.id)
        if after.state is not State.DRAIN:
            # Nobody asks for the answers to an earlier drain any more.
            await connection.execute(
                "DELETE FROM polyglot.acknowledgement WHERE collection = $1 AND n < $2", before.id, after.n
            )
        await connection.execute(_NOTE, *_line(why))


async def note(connections: Connections, why: Change) -> None:
    """Put a verb on record that changes no control row."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_NOTE, *_line(why))


async def history(connections: Connections, name: str, limit: int, verb: str | None) -> list[Change]:
    """Return what was done to a collection, the newest first; one verb only, if it is named."""
    async with connections.connection() as connection:
        found = await connection.fetch(_HISTORY, name, limit, verb)
    return [_change_of_row(row) for row in found]


async def changes(
    connections: Connections, limit: int, before: datetime | None, collection: str | None, actor: str | None
) -> list[Change]:
    """Return what was done before a moment, the newest first; all that was done at the last one's comes with it."""
    async with connections.connection() as connection:
        found = await connection.fetch(_CHANGES, limit, before, collection, actor)
    return [_change_of_row(row) for row in found]


def _change_of_row(row: Mapping[str, Any]) -> Change:
    return Change(**{**row, "details": msgspec.json.decode(row["details"])})


async def unchecked_constraints(connections: Connections, table: str) -> list[str]:
    """Return the constraints of a table that its rows were not checked against."""
    async with connections.connection() as connection:
        return [row["conname"] for row in await connection.fetch(_UNCHECKED, table)]


async def report_shadow(connections: Connections, report: ShadowReport) -> None:
    """Keep what one process's shadow reads have shown; it replaces what the process told before."""
    values = (report.collection, report.process, report.compared, report.mismatches, report.at)
    async with connections.connection(writes=True) as connection:
        await connection.execute(_REPORT_SHADOW, *values)


async def shadow_reports(connections: Connections, name: str, since: datetime) -> list[ShadowReport]:
    """Return what processes have told of a collection's shadow reads since then."""
    async with connections.connection() as connection:
        return [ShadowReport(**dict(row)) for row in await connection.fetch(_SHADOW_REPORTS, name, since)]


async def acknowledge(connections: Connections, name: str, n: int, writer: str, refused: int) -> None:
    """Keep that a writer has stood down for the drain at `n`, and how many writes it has refused since."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_ACKNOWLEDGE, name, writer, n, refused)


async def acknowledged(connections: Connections, name: str, n: int) -> dict[str, int]:
    """Return the writers that stood down for the drain at `n`, each with the writes that it refused."""
    async with connections.connection() as connection:
        return {row["writer"]: row["refused"] for row in await connection.fetch(_ACKNOWLEDGED, name, n)}


async def _waits_for_relay(connection: Any, name: str) -> bool:
    return await connection.fetchval("SELECT EXISTS (SELECT 1 FROM polyglot.relay_outbox WHERE collection = $1)", name)


def _values(control: Control) -> tuple[Any, ...]:
    return (
        control.id,
        control.phase,
        control.n,
        control.epoch,
        control.state,
        control.copying,
        control.complete,
        control.target,
        control.coordinator,
        control.deadline,
        control.floor,
        control.purged,
        control.shadow,
    )


def _line(why: Change) -> tuple[Any, ...]:
    details = msgspec.json.encode(why.details).decode()
    return why.collection, why.verb, why.actor, why.why, why.at, why.n, why.before, why.after, details
