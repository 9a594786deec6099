"""The Admin API of one record: both sides, what differs, its last operations."""

from typing import Any, cast

from litestar import Request, get

from mystira.operations.problems import CollectionUnknown
from mystira.operations.reconciliation.http import asked, replication
from mystira.operations.records import views
from mystira.operations.records.views import Looked
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid
from mystira.web.openapi import describe

QUERY = {
    "collection": "The collection.",
    "id": "The record's id, as it is.",
    "partition": "Its partition, where that is not the id itself; left out, every one is looked through.",
}


class Sought(Body, frozen=True, kw_only=True):
    """Which record."""

    collection: str
    id: str
    partition: str | None = None


@get(
    f"{ADMIN}/api/records",
    opt=allow("viewer") | describe(Looked, asked=Sought, query=QUERY, refusals=(CollectionUnknown, BodyInvalid)),
)
async def show_record(request: Request[Any, Any, Any]) -> Looked:
    """Show one record in both stores. What is personal is masked unless the role is admin."""
    return await look(request, asked(request, Sought))


async def look(request: Request[Any, Any, Any], sought: Sought) -> Looked:
    """Look a record up with the eyes of whoever is asking."""
    who = await staff(request)
    work = cast(Works, request.app.state.works).open()
    reveal = who.may("admin")
    return await views.look(replication(request), work, sought.collection, sought.id, sought.partition, reveal=reveal)


HANDLERS = (show_record,)
