"""The functions of the language, by their names in small letters."""

from mystira.cosmos_emulator.sql.functions.arrays import ARRAYS
from mystira.cosmos_emulator.sql.functions.choices import CHOICES
from mystira.cosmos_emulator.sql.functions.conversions import CONVERSIONS
from mystira.cosmos_emulator.sql.functions.dates import DATES
from mystira.cosmos_emulator.sql.functions.numbers import NUMBERS
from mystira.cosmos_emulator.sql.functions.signature import Function
from mystira.cosmos_emulator.sql.functions.strings import STRINGS
from mystira.cosmos_emulator.sql.functions.types import TYPES

AGGREGATES = frozenset({"avg", "count", "countif", "max", "min", "sum"})
FUNCTIONS: dict[str, Function] = {
    function.name.lower(): function
    for functions in (ARRAYS, CHOICES, CONVERSIONS, DATES, NUMBERS, STRINGS, TYPES)
    for function in functions
}
