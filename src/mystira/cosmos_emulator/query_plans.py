"""Query plans: how a client asks the ranges of a container one by one and puts the results together."""

from typing import Any

from mystira.cosmos_emulator import charges, sql
from mystira.cosmos_emulator.query_routes import read, refused
from mystira.cosmos_emulator.wire import Refusal, Request, Response, answer


def plan(request: Request) -> Response:
    """Return the plan of a query, unless the client cannot do what it asks for."""
    asked = read(request)
    try:
        planned = sql.plan(asked.query)
    except sql.SqlError as error:
        raise refused(error) from None
    supported = {name.strip() for name in request.headers.get("x-ms-cosmos-supported-query-features", "").split(",")}
    missing = sorted(_features(planned["queryInfo"]) - supported)
    if missing:
        raise Refusal(400, f"This client cannot put together over several partitions: {', '.join(missing)}.")
    return answer(200, planned, charge=charges.PLAN)


def _features(info: dict[str, Any]) -> set[str]:
    """Return what a client must be able to do, beyond asking range by range."""
    found = {
        "Aggregate": info.get("aggregates"),
        "Distinct": info.get("distinctType") not in (None, "None"),
        "GroupBy": info.get("groupByExpressions"),
        "MultipleOrderBy": len(info.get("orderBy") or ()) > 1,
        "OffsetAndLimit": info.get("limit") is not None,
        "OrderBy": info.get("orderBy"),
        "Top": info.get("top") is not None,
    }
    return {name for name, needed in found.items() if needed}
