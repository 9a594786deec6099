"""The Admin API of moving data: where everything stands."""

from typing import Any, cast

from litestar import Request, get

from mystira.operations.migration import views
from mystira.polyglot.replication import Replication
from mystira.web.access import ADMIN, allow
from mystira.web.openapi import describe


@get(f"{ADMIN}/api/migration/status", opt=allow("viewer") | describe(views.Board))
async def status(request: Request[Any, Any, Any]) -> views.Board:
    """Show where every collection stands."""
    return await views.board(cast(Replication, request.app.state.replication))


HANDLERS = (status,)
