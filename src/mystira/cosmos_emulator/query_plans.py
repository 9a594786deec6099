"""Query plans: how a client asks the ranges of a container one by one and puts the results together."""

from mystira.cosmos_emulator import charges, sql
from mystira.cosmos_emulator.query_routes import read, refused
from mystira.cosmos_emulator.wire import Request, Response, answer


def plan(request: Request) -> Response:
    """Return the plan of a query, unless the client cannot do what it asks for."""
    asked = read(request)
    supported = request.headers.get("x-ms-cosmos-supported-query-features")
    names = None if supported is None else {name.strip() for name in supported.split(",")}
    try:
        planned = sql.plan(asked.query, asked.parameters, names)
    except sql.SqlError as error:
        raise refused(error) from None
    return answer(200, planned, charge=charges.PLAN)
