"""What the stores cost: measured use times a table of prices that operators write. Pure arithmetic."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from mystira.polyglot.entity import Value

HOURS_A_MONTH = 730.0
GB = 1_000_000_000


class Prices(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is paid, in one currency. The defaults are an example, which docs/costs.md tells."""

    currency: str = "USD"
    documents_million_units: float = 0.25
    documents_gb_month: float = 0.25
    relational_server_month: float = 130.0
    relational_gb_month: float = 0.115


class Used(Protocol):
    """What one kind of call of one collection came to."""

    @property
    def store(self) -> str: ...
    @property
    def collection(self) -> str: ...
    @property
    def calls(self) -> float: ...
    @property
    def seconds(self) -> float: ...
    @property
    def units(self) -> float: ...


class CollectionCost(Value, frozen=True, kw_only=True):
    """One collection, an hour: request units measured, calls of both stores, PostgreSQL's time, and both by the month.

    `relational_month` is its share of the server, by the time that PostgreSQL worked for it; the server itself costs
    the same whoever uses it.
    """

    collection: str
    units_hour: float
    document_calls_hour: float
    relational_calls_hour: float
    relational_share: float
    documents_month: float
    relational_month: float


class Costs(Value, frozen=True, kw_only=True):
    """What everything would cost in a month that goes on like the hours that were measured."""

    hours: float
    currency: str
    collections: tuple[CollectionCost, ...]
    units_month: float
    server_month: float
    storage_month: float
    month: float
    before: float | None
    saved_share: float | None


def costs(
    used: Sequence[Used],
    hours: float,
    prices: Prices,
    *,
    documents_bytes: int | None,
    relational_bytes: int,
    first_units_hour: float | None = None,
) -> Costs:
    """Price what was used in so many hours. `first_units_hour`: units an hour in the first day that is known."""
    busy = sum(one.seconds for one in used if one.store == "relational") or 1.0
    names = sorted({one.collection for one in used})
    rows = [_cost(name, [one for one in used if one.collection == name], hours, busy, prices) for name in names]
    units_month = sum(row.documents_month for row in rows)
    storage = (documents_bytes or 0) / GB * prices.documents_gb_month
    storage += relational_bytes / GB * prices.relational_gb_month
    month = units_month + prices.relational_server_month + storage
    before = None if first_units_hour is None else _monthly_units(first_units_hour, prices)
    return Costs(
        hours=hours,
        currency=prices.currency,
        collections=tuple(sorted(rows, key=lambda row: -row.units_hour)),
        units_month=units_month,
        server_month=prices.relational_server_month,
        storage_month=storage,
        month=month,
        before=before,
        saved_share=None if not before else 1 - units_month / before,
    )


def _cost(name: str, used: Iterable[Used], hours: float, busy: float, prices: Prices) -> CollectionCost:
    units = calls = rows = seconds = 0.0
    for one in used:
        if one.store == "relational":
            rows += one.calls
            seconds += one.seconds
        else:
            units += one.units
            calls += one.calls
    return CollectionCost(
        collection=name,
        units_hour=units / hours,
        document_calls_hour=calls / hours,
        relational_calls_hour=rows / hours,
        relational_share=seconds / busy,
        documents_month=_monthly_units(units / hours, prices),
        relational_month=seconds / busy * prices.relational_server_month,
    )


def _monthly_units(units_hour: float, prices: Prices) -> float:
    return units_hour * HOURS_A_MONTH / 1_000_000 * prices.documents_million_units
