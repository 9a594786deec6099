"""The sync queue's pages: what waits, letters by filter, one letter field by field, and what can be done about it."""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from mystira.operations.actions.letters import Letters, filter_of
from mystira.operations.actions.verbs import VERBS
from mystira.operations.problems import CollectionUnknown
from mystira.operations.queue import views
from mystira.operations.reconciliation.http import asked, replication
from mystira.operations.reconciliation.views import collection_named
from mystira.polyglot.journal import LetterKind
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body
from mystira.web.openapi import describe
from mystira.web.pages import page

PAGE = f"{ADMIN}/queue"
LETTER_VERBS = ("replay", "park", "discard")
QUERY = {
    "collection": "Only letters of this collection.",
    "kind": "Only letters of this kind.",
    "error": "Only letters whose error holds this.",
    "parked": "`true`: only those that wait for a person; `false`: only those that are tried again by themselves.",
    "after": "The place that the page before ended at.",
}
PLACE = '["2026-11-21T17:30:00Z", "Accounts", "sample-family", "sample-family", "conflict", 7]'


class Chosen(Body, frozen=True, kw_only=True):
    """Which letters, as an address names them."""

    collection: str | None = None
    kind: LetterKind | None = None
    error: str | None = None
    parked: bool | None = None
    after: str = ""

    @property
    def arguments(self) -> dict[str, str]:
        """What a verb is given so that it takes just these letters."""
        given = {"kind": self.kind and self.kind.value, "error": self.error, "parked": self.parked}
        return {name: str(value).lower() if value is not None else "" for name, value in given.items()}


@get(PAGE, opt=allow("viewer", page=True), include_in_schema=False)
async def queue_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what waits in each collection, and the letters that a filter chooses, the newest first."""
    r, chosen = replication(request), asked(request, Chosen)
    return page(
        request,
        "operations/queue.html",
        waiting=await views.waiting(r),
        found=await _letters(request, chosen),
        keys=await views.keys_waiting(r, r.catalog.named(chosen.collection)) if chosen.collection else None,
        chosen=chosen,
        kinds=list(LetterKind),
        collections=sorted(collection.name for collection in r.catalog),
        verbs=[(name, VERBS[name]) for name in LETTER_VERBS],
    )


@get(f"{PAGE}/letter", opt=allow("viewer", page=True), include_in_schema=False)
async def letter_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show one letter: what it holds, field by field, what stood against it, and what can be done."""
    r, place = replication(request), views.place_of_text(request.query_params.get("at", ""))
    letter = await views.letter_at(r, place) if place is not None else None
    if letter is None:
        raise NotFoundException
    who = await staff(request)
    return page(
        request,
        "operations/letter.html",
        letter=letter,
        fields=views.fields_of(r.catalog.named(letter.collection), letter, reveal=who.may("admin")),
        verbs=[(name, VERBS[name]) for name in LETTER_VERBS],
    )


@get(f"{ADMIN}/api/queue", opt=allow("viewer") | describe(tuple[views.Waiting, ...]))
async def queue(request: Request[Any, Any, Any]) -> tuple[views.Waiting, ...]:
    """Tell what waits in each collection."""
    return await views.waiting(replication(request))


@get(
    f"{ADMIN}/api/queue/{{collection:str}}",
    opt=allow("viewer") | describe(views.KeysWaiting, refusals=(CollectionUnknown,)),
)
async def keys(request: Request[Any, Any, Any], collection: FromPath[str]) -> views.KeysWaiting:
    """List the keys of a collection whose changes wait for the other store, those that have failed first."""
    r = replication(request)
    return await views.keys_waiting(r, collection_named(r, collection))


@get(
    f"{ADMIN}/api/letters",
    opt=allow("viewer")
    | describe(views.LetterPage, asked=Chosen, query=QUERY, named={"after": PLACE}, refusals=(CollectionUnknown,)),
)
async def letters(request: Request[Any, Any, Any]) -> views.LetterPage:
    """List dead letters, the newest first, without what they hold."""
    return await _letters(request, asked(request, Chosen))


async def _letters(request: Request[Any, Any, Any], chosen: Chosen) -> views.LetterPage:
    names = [collection.name for collection in replication(request).catalog]
    if chosen.collection is not None and chosen.collection not in names:
        raise CollectionUnknown(collection=chosen.collection[:80], collections=", ".join(names))
    which = filter_of(chosen.collection, Letters(kind=chosen.kind, error=chosen.error, parked=chosen.parked))
    after = views.place_of_text(chosen.after)
    return await views.letters(replication(request), msgspec.structs.replace(which, after=after))


HANDLERS = (queue_page, letter_page, queue, keys, letters)
