"""Looks at the stores: reachable, of which version, at which schema, with which time, leased by whom."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import asyncpg

from mystira.doctor.findings import Finding, fine, worth_knowing, wrong
from mystira.polyglot.leadership import Tempo
from mystira.polyglot.store import StoreError
from mystira.polyglot.stores.cosmos.address import Address
from mystira.polyglot.stores.postgres.positions import held_leases
from mystira.polyglot.stores.postgres.schema import current_revision, revisions
from mystira.polyglot.stores.postgres.store import PostgresStore
from mystira.services.platform import Platform
from mystira.settings import Settings

OLDEST_POSTGRES = 15
CONNECTIONS_LEFT_MIN = 20
# A response tells its time to the second.
ROUGHLY_S = 2.0
ANSWER_S_MAX = 5.0

_CONNECTED = """
SELECT count(*), current_setting('max_connections')::integer, count(*) FILTER (WHERE application_name = 'mystira')
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""


class Postgres(NamedTuple):
    """What PostgreSQL says of itself; `processes` of the platform are connected to it beside this one."""

    findings: list[Finding]
    is_migrated: bool
    processes: int


async def examine_postgres(dsn: str, migrations: Path) -> Postgres:
    """Look at the database without changing it; the caller knows that it answers."""
    schema = _schema(await current_revision(dsn), revisions(migrations))
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "mystira doctor"})
    try:
        version = connection.get_server_version()
        before = datetime.now(UTC)
        told = await connection.fetchval("SELECT clock_timestamp()")
        middle = before + (datetime.now(UTC) - before) / 2
        used, most, processes = await _connected(connection)
    finally:
        await connection.close()
    findings = [_version(version.major), schema, _clock("PostgreSQL", (told - middle).total_seconds(), 0.0)]
    return Postgres([*findings, _connections(used, most)], schema.health == "ok", processes)


async def examine_documents(opened: Platform) -> list[Finding]:
    """Look at the document store that the settings name."""
    try:
        await opened.documents.ping()
    except StoreError as error:
        advice = "Start it, or mend MYSTIRA_DOCUMENTS. Collections that documents lead cannot be read until then."
        return [wrong("documents", f"do not answer: {error}", advice)]
    return [_documents(opened.settings), _clock_of_documents(opened.settings)]


async def examine_leases(relational: PostgresStore, processes: int) -> Finding:
    """Look at who reads the change feeds, and whether anybody is left of them."""
    now = datetime.now(UTC)
    leases = await held_leases(relational, now)
    owners = {lease.owner for lease in leases}
    if leases and not processes:
        left_s = max((lease.until - now).total_seconds() for lease in leases)
        found = f"{len(leases)} leases are held by {len(owners)} processes that are gone"
        return worth_knowing("leases", found, f"They end by themselves within {left_s:.0f} s; nothing is to be done.")
    if not processes:
        return fine("leases", "none: no service is running")
    return fine("leases", f"{len(leases)}, held by {len(owners)} processes")


def _schema(found: str | None, known: list[str]) -> Finding:
    newest = known[-1]
    if found == newest:
        return fine("schema", f"revision {found}")
    if found is not None and found not in known:
        advice = "Install the version of Mystira that made it, or a newer one."
        return wrong("schema", f"revision {found}, and this version knows up to {newest}", advice)
    found = "there is none yet" if found is None else f"revision {found}, and this version brings {newest}"
    return worth_knowing("schema", found, "The next start brings it up to date. Take a backup before.")


def _version(major: int) -> Finding:
    if major < OLDEST_POSTGRES:
        return wrong("PostgreSQL", f"version {major}", f"Use version {OLDEST_POSTGRES} or newer.")
    return fine("PostgreSQL", f"version {major}")


async def _connected(connection: Any) -> tuple[int, int, int]:
    return tuple(await connection.fetchrow(_CONNECTED))


def _connections(used: int, most: int) -> Finding:
    found = f"{used} of {most} are used"
    if most - used < CONNECTIONS_LEFT_MIN:
        return worth_knowing("connections", found, "Raise PostgreSQL's max_connections, or run fewer processes.")
    return fine("connections", found)


def _clock(name: str, apart_s: float, roughly_s: float) -> Finding:
    """Leases forgive half a second of drift; what is not known better than to `roughly_s` is forgiven that as well."""
    found = f"{name} is {abs(apart_s):.2f} s {'ahead' if apart_s > 0 else 'behind'}"
    allowed_s = Tempo().drift_s + roughly_s
    advice = "Set the clocks by NTP on every machine: deadlines and lags are told wrongly until then."
    if abs(apart_s) > 10 * allowed_s:
        return wrong("clock", found, advice)
    return worth_knowing("clock", found, advice) if abs(apart_s) > allowed_s else fine("clock", found)


def _documents(settings: Settings) -> Finding:
    if isinstance(settings.documents, Address):
        return fine("documents", f"{settings.documents} answers")
    file = settings.documents
    size = file.stat().st_size if file.exists() else 0
    return fine("documents", f"{file} answers, {size / 1024**2:.1f} MB, SQLite {apsw.sqlite_lib_version()}")


def _clock_of_documents(settings: Settings) -> Finding:
    address = settings.documents
    if not isinstance(address, Address):
        return fine("clock", "the documents are on this machine, and have its time")
    told = _time_of(address)
    if told is None:
        return worth_knowing("clock", "Cosmos DB does not tell its time", "Look whether something stands in between.")
    return _clock("Cosmos DB", (told - datetime.now(UTC)).total_seconds(), ROUGHLY_S)


def _time_of(address: Address) -> datetime | None:
    """Return the time that stands on an answer, any answer: nobody needs to be signed in for that."""
    kind = HTTPSConnection if address.tls else HTTPConnection
    connection = kind(address.host, address.port, timeout=ANSWER_S_MAX)
    try:
        connection.request("GET", "/")
        return parsedate_to_datetime(connection.getresponse().headers["Date"])
    except (OSError, HTTPException, TypeError, ValueError):
        return None
    finally:
        connection.close()
