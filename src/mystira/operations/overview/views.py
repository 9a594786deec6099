"""What is up, who leads what, what flows, how much is kept, and what it costs."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mystira.operations.overview.model import Costs, Prices, costs
from mystira.operations.overview.problems import PricesWrong
from mystira.polyglot.control import first_control
from mystira.polyglot.entity import Value
from mystira.polyglot.phases import Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import StoreError
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.heartbeats import (
    Heartbeat,
    first_hour,
    heartbeats,
    size_bytes,
    usage_between,
)

# A process tells of itself every ten seconds; who misses three is down or cut off.
SILENT_AFTER = timedelta(seconds=30)
DAY = timedelta(hours=24)


class ProcessSeen(Value, frozen=True, kw_only=True):
    """One process as it told of itself; `rates` are per minute, since it told before."""

    process: str
    services: tuple[str, ...]
    started_at: datetime
    at: datetime
    is_silent: bool
    rates: dict[str, float]


class Led(Value, frozen=True, kw_only=True):
    """Where one collection is led."""

    collection: str
    phase: Phase
    leader: str


class StoreSeen(Value, frozen=True, kw_only=True):
    """One store: whether it answers (`says` is empty while it does), and its size where that can be told."""

    name: str
    says: str
    size_bytes: int | None


class Overview(Value, frozen=True, kw_only=True):
    """Everything on the first page."""

    stores: tuple[StoreSeen, ...]
    processes: tuple[ProcessSeen, ...]
    missing: tuple[str, ...]
    led: tuple[Led, ...]
    events_minute: float
    requests_minute: float
    errors_minute: float
    costs: Costs | None


def read_prices(path: Path) -> Prices:
    """Return the operators' prices, or the example's where they wrote none; PricesWrong says what is wrong."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Prices)
    except FileNotFoundError:
        return Prices()
    except (OSError, msgspec.MsgspecError) as error:
        raise PricesWrong(path=str(path), reason=str(error)) from error


async def overview(r: Replication, relational: Connections, documents: Path | None, prices: Prices) -> Overview:
    """Look at everything. `documents` is the file of embedded documents; an account in the cloud tells its own size."""
    now = r.clock()
    stores = (
        StoreSeen(name="documents", says=await _says(r.documents.ping), size_bytes=_file_bytes(documents)),
        StoreSeen(name="PostgreSQL", says=await _says(r.relational.ping), size_bytes=await size_bytes(relational)),
    )
    rows = {row.id: row for row in await r.journal.controls()}
    controls = [rows.get(collection.name) or first_control(collection) for collection in r.catalog]
    processes = tuple(_seen(one, now) for one in await heartbeats(relational))
    alive = [one for one in processes if not one.is_silent]
    running = {service for one in alive for service in one.services}
    return Overview(
        stores=stores,
        processes=processes,
        missing=tuple(sorted({service for one in processes for service in one.services} - running)),
        led=tuple(Led(collection=row.id, phase=row.phase, leader=str(row.leader)) for row in controls),
        events_minute=_rate(alive, "events"),
        requests_minute=_rate(alive, "requests"),
        errors_minute=sum(_rate(alive, name) for name in ("failed_events", "failed_requests", "failed_loops")),
        costs=await _costs(relational, now, prices, stores),
    )


async def _costs(
    relational: Connections, now: datetime, prices: Prices, stores: tuple[StoreSeen, StoreSeen]
) -> Costs | None:
    """Price the last day, or as much of it as is known; None before anything was measured."""
    first = await first_hour(relational)
    if first is None:
        return None
    # Use is kept by the hour it was in, so the day begins with a whole one.
    since = max(first, (now - DAY).replace(minute=0, second=0, microsecond=0))
    hours = max((now - since).total_seconds() / 3_600, 1 / 60)
    earlier = None
    if now - first >= 2 * DAY:
        units = sum(one.units for one in await usage_between(relational, first, first + DAY))
        earlier = units / 24
    return costs(
        await usage_between(relational, since, now + DAY),
        hours,
        prices,
        documents_bytes=stores[0].size_bytes,
        relational_bytes=stores[1].size_bytes or 0,
        first_units_hour=earlier,
    )


def _seen(told: Heartbeat, now: datetime) -> ProcessSeen:
    return ProcessSeen(
        process=told.process,
        services=told.services,
        started_at=told.started_at,
        at=told.at,
        is_silent=now - told.at > SILENT_AFTER,
        rates=told.facts,
    )


def _rate(processes: list[ProcessSeen], name: str) -> float:
    return sum(one.rates.get(name, 0.0) for one in processes)


async def _says(ping: Callable[[], Awaitable[object]]) -> str:
    try:
        await ping()
    except StoreError as error:
        return f"cannot be reached: {error}"
    return ""


def _file_bytes(file: Path | None) -> int | None:
    if file is None:
        return None
    # What was written lately lies beside the file until it is moved in.
    return sum(part.stat().st_size for part in (file, Path(f"{file}-wal")) if part.exists())
