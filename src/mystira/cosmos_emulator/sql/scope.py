"""What a compiled expression may look at: the row in hand and what is the same for the whole run."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.syntax import Expression, Parameter, Query

# A row is the values of all inputs so far; an expression is compiled to a function of it.
Row = tuple[Any, ...]
Evaluate = Callable[[Row], Any]


class Run(msgspec.Struct, frozen=True):
    """One run of a query: the moment is the same for every row of it."""

    query: Query
    parameters: Mapping[str, Any]
    documents: Iterable[Any]
    ticks: int
    random: Callable[[], float]

    def parameter(self, parameter: Parameter) -> Any:
        """The value given for a parameter."""
        name = parameter.name
        if name not in self.parameters:
            offset = self.query.parameters.get(name, 0)
            raise SqlError(f"The query names {name}, and no value was given for it.", self.query.text, offset)
        return self.parameters[name]


class Scope(msgspec.Struct, frozen=True):
    """Where in the row each name stands; `computed` are expressions whose values already stand there."""

    run: Run
    slots: Mapping[str, int]
    width: int
    computed: Mapping[Expression, int] = {}

    def with_alias(self, alias: str) -> "Scope":
        """The same with one more input at the end of the row."""
        return Scope(self.run, {**self.slots, alias: self.width}, self.width + 1, self.computed)
