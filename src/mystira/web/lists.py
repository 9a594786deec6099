"""Pages of a list: so many, from where the page before has ended, named by a text that means nothing to its reader."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.problem import Problem
from mystira.polyglot.query import Order, Query, Scalar
from mystira.web.bodies import BodyInvalid, convert

SHOWN, SHOWN_MAX = 50, 200
LISTING: dict[str, str | tuple[Any, str]] = {
    "limit": (Annotated[int, msgspec.Meta(ge=1, le=SHOWN_MAX)], f"How many; {SHOWN} where nothing is said."),
    "after": "Go on behind this page: what it gave as `after`.",
}
"""The query of every list, for its description."""


class PageUnknown(Problem):
    """This page does not exist any more. Go back to the first one."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    limit: int = SHOWN
    after: str = ""


def span_asked(given: Mapping[str, str]) -> Span:
    """Return which part of a list a query asks for; BodyInvalid says what is wrong with it."""
    asked = convert({name: given[name] for name in ("limit", "after") if given.get(name)}, Span, strict=False)
    if not 1 <= asked.limit <= SHOWN_MAX:
        message = f"write a number from 1 to {SHOWN_MAX}"
        raise BodyInvalid(summary=f"limit: {message}", errors=[{"path": "$.limit", "message": message}])
    return asked


def cursor_text(values: Sequence[Scalar] | None) -> str | None:
    """Return where a page has ended as text, None where it was the last."""
    return None if values is None else base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()


def cursor_in(collection: Collection[Any], text: str, *order: Order) -> tuple[Scalar, ...] | None:
    """Return where the page before has ended; PageUnknown for a text that no page of this order has given."""
    if not text:
        return None
    types = {field.name: field.type for field in msgspec.structs.fields(collection.entity)}
    wanted: Callable[..., Any] = msgspec.convert
    try:
        values = msgspec.json.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=list[Any])
        full = collection.complete(Query(order=order)).order
        return tuple(wanted(value, types[by.field]) for by, value in zip(full, values, strict=True))
    except ValueError as error:
        raise PageUnknown from error
