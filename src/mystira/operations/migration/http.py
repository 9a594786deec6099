"""The Admin API of moving data: where everything stands."""

from typing import Any, cast

from litestar import Request, get

from mystira.operations.migration import views
from mystira.polyglot.replication import Replication
from mystira.web.access import ADMIN, allow
from mystira.web.openapi import describe


@get(f"{ADMIN}/api/migration/status", opt=allow("viewer") | describe(views.Board))
async def status(request: Request[Any, Any, Any]) -> views.Board:
    """Show where every collection stands, and what the gates of its next change of leader say."""
    state = request.app.state
    return await views.board(cast(Replication, state.replication), cast(views.Gatekeeper, state.gatekeeper), look=True)


HANDLERS = (status,)
