"""What the desk asks of rooms that content knows nothing of: whether they use a definition."""

from collections.abc import Awaitable, Callable, Sequence

from mystira.polyglot.entity import Value
from mystira.polyglot.work import Work


class Use(Value, frozen=True, kw_only=True):
    """Somebody who uses a definition, and the page that shows them."""

    says: str
    path: str


Uses = Callable[[Work, str, str], Awaitable[Sequence[Use]]]
"""Tells who uses the definition of this noun with this id. It may ask only a few."""


async def nobody_else(work: Work, noun: str, id: str) -> Sequence[Use]:
    """Know of nobody: for platforms without other rooms."""
    return ()
