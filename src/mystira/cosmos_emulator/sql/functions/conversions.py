"""Functions between texts and other values; what cannot be read is undefined."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from mystira.cosmos_emulator.sql.functions.signature import ANY, TEXT, Function, Kinds
from mystira.cosmos_emulator.sql.values import UNDEFINED, number

_BLANKS = " \t\r\n"
_LONG_NUMBER = re.compile(r"-?[0-9]{300,}")


def _text(value: Any) -> Any:
    if type(value) is str:
        return value
    plain = number(value) if type(value) is float else value
    try:
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return UNDEFINED


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def _read(text: str) -> Any:
    # Python refuses very long whole numbers, and no double could hold them anyway.
    if _LONG_NUMBER.search(text):
        return UNDEFINED
    try:
        return json.loads(text, parse_constant=_no_json, parse_float=_finite)
    except (ValueError, RecursionError):
        return UNDEFINED


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _reads(*kinds: type) -> Callable[[str], Any]:
    allowed: Kinds = kinds

    def reader(text: str) -> Any:
        value = _read(text.strip(_BLANKS))
        if type(value) not in allowed:
            return UNDEFINED
        return number(value) if type(value) in (int, float) else value

    return reader


CONVERSIONS = (
    Function("StringToArray", (TEXT,), _reads(list)),
    Function("StringToBoolean", (TEXT,), _reads(bool)),
    Function("StringToNull", (TEXT,), _reads(type(None))),
    Function("StringToNumber", (TEXT,), _reads(int, float)),
    Function("StringToObject", (TEXT,), _reads(dict)),
    Function("ToString", (ANY,), _text),
)
