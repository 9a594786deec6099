"""What every verb is given, and what it gives back."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.replication import Replication

Tell = Callable[[int, int | None, str], None]
"""Says how far it is: so many of so many (None: nobody knows), and what is being done."""


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a verb takes besides the collection and the reason."""


class Nothing(Arguments, frozen=True, kw_only=True):
    """The verb takes nothing else."""


class Doing(NamedTuple):
    """One command being carried out. `collection` is None only for verbs that take none.

    `predecessor` is the process that died while it carried this out, if one did.
    """

    r: Replication
    collection: Collection[Any] | None
    who: str
    why: str
    tell: Tell
    predecessor: str = ""

    @property
    def of(self) -> Collection[Any]:
        """The collection that it is about."""
        assert self.collection is not None, "this verb needs a collection"
        return self.collection

    @property
    def by(self) -> dict[str, Any]:
        """Who and why, as the verbs of polyglot take them."""
        return {"actor": self.who, "why": self.why}


class Outcome(NamedTuple):
    """What came of it: a sentence, and details that JSON can hold."""

    says: str
    facts: dict[str, Any] = {}


Do = Callable[[Doing, Any], Awaitable[Outcome]]


def plain(value: Any) -> Any:
    """Return any of our values as JSON can hold it."""
    return msgspec.to_builtins(value, str_keys=True)
