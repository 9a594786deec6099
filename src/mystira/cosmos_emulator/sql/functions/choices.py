"""Functions that choose one of their arguments; the others may be undefined."""

from typing import Any

from mystira.cosmos_emulator.sql.functions.signature import MAYBE, NUMBER, Function
from mystira.cosmos_emulator.sql.values import UNDEFINED


def _choose(place: float, *choices: Any) -> Any:
    return choices[int(place) - 1] if 1 <= place < len(choices) + 1 else UNDEFINED


def _coalesce(*choices: Any) -> Any:
    return next((choice for choice in choices if choice is not UNDEFINED), UNDEFINED)


def _iif(test: Any, then: Any, otherwise: Any) -> Any:
    return then if test is True else otherwise


CHOICES = (
    Function("CHOOSE", (NUMBER, MAYBE), _choose, rest=MAYBE),
    Function("COALESCE", (MAYBE, MAYBE), _coalesce, rest=MAYBE),
    Function("IIF", (MAYBE, MAYBE, MAYBE), _iif),
)
