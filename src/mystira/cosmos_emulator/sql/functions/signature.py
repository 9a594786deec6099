"""What a function is called and takes; an argument of another kind makes its value undefined."""

from collections.abc import Callable
from typing import Any

import msgspec

from mystira.cosmos_emulator.sql.values import UNDEFINED, Undefined

Kinds = tuple[type, ...]
TEXT: Kinds = (str,)
NUMBER: Kinds = (int, float)
FLAG: Kinds = (bool,)
LIST: Kinds = (list,)
OBJECT: Kinds = (dict,)
ANY: Kinds = (str, int, float, bool, type(None), list, dict)
MAYBE: Kinds = (*ANY, Undefined)


class Function(msgspec.Struct, frozen=True):
    """`optional` may be left out from the end; `rest` may come any number of times.

    `clocked` functions are given the moment and the randomness of the run before their arguments.
    """

    name: str
    required: tuple[Kinds, ...]
    call: Callable[..., Any]
    optional: tuple[Kinds, ...] = ()
    rest: Kinds | None = None
    clocked: bool = False

    def takes(self, count: int) -> bool:
        """Whether it may be called with so many arguments."""
        most = len(self.required) + len(self.optional)
        return len(self.required) <= count and (self.rest is not None or count <= most)

    @property
    def arity(self) -> str:
        """How many arguments it takes, in words."""
        least, most = len(self.required), len(self.required) + len(self.optional)
        if self.rest is not None:
            return f"at least {least} arguments"
        return f"{least} argument{'s' * (least != 1)}" if least == most else f"{least} to {most} arguments"

    def kinds(self, count: int) -> tuple[Kinds, ...]:
        """What each of so many arguments may be."""
        known = (*self.required, *self.optional)
        return known[:count] if self.rest is None else (*known, *[self.rest] * (count - len(known)))


def checked(call: Callable[..., Any], kinds: tuple[Kinds, ...]) -> Callable[..., Any]:
    """The call, undefined where an argument is of the wrong kind."""

    def guarded(*arguments: Any) -> Any:
        for argument, allowed in zip(arguments, kinds, strict=True):
            if type(argument) not in allowed:
                return UNDEFINED
        return call(*arguments)

    return guarded


def whole(value: float) -> int:
    """A number as a place in a text or an array."""
    return int(value)
