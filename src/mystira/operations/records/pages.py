"""The page that compares one record in both stores."""

from typing import Any

from litestar import Request, Response, get

from mystira.operations.actions.verbs import VERBS
from mystira.operations.reconciliation.http import asked, replication
from mystira.operations.records.http import Sought, look
from mystira.operations.records.views import Looked
from mystira.polyglot.problem import Kind, Problem
from mystira.web.access import ADMIN, allow, staff
from mystira.web.pages import page


@get(f"{ADMIN}/compare", opt=allow("viewer", page=True), include_in_schema=False)
async def compare_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Search a record by its collection and its id, and show both sides."""
    await staff(request)
    given = request.query_params
    sought = Sought(collection="", id="")
    looked, refused = Looked(), ""
    if given.get("id"):
        sought = asked(request, Sought)
        try:
            looked = await look(request, sought)
        except Problem as problem:
            if problem.kind is Kind.UNAVAILABLE:
                raise
            refused = str(problem)
    return page(
        request,
        "operations/compare.html",
        status=404 if refused else 200,
        sought=sought,
        looked=looked,
        refused=refused,
        collections=sorted(collection.name for collection in replication(request).catalog),
        verb=VERBS["repair-record"],
    )


HANDLERS = (compare_page,)
