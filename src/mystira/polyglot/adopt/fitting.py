"""Brings a value of other software into the form of our documents, as far as its declared type tells how. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from msgspec import inspect

from mystira.polyglot.fields import camel, time_text

_SEPARATORS = re.compile(r"[\s_-]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ZONE = re.compile(r"[+-]\d\d:\d\d")
_LISTS = inspect.ListType | inspect.VarTupleType | inspect.SetType | inspect.FrozenSetType

# What .NET writes for a time that nobody has set.
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


def fold(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return _SEPARATORS.sub("", name).casefold()


def pascal(name: str) -> str:
    """Return the spelling that .NET gives a snake_case name."""
    spelled = camel(name)
    return spelled[:1].upper() + spelled[1:]


def fit(info: Any, value: Any) -> Any:
    """Return the value as our document would hold it; what cannot be told stays as it is."""
    plain = without_null(info)
    if value is None:
        return None
    if isinstance(plain, inspect.StructType) and isinstance(value, dict):
        return _fit_struct(plain, cast(dict[str, Any], value))
    if isinstance(plain, _LISTS) and isinstance(value, list):
        return [fit(plain.item_type, part) for part in cast(list[Any], value)]
    if isinstance(plain, inspect.DictType) and isinstance(value, dict):
        return {name: fit(plain.value_type, part) for name, part in cast(dict[str, Any], value).items()}
    if isinstance(plain, inspect.DateTimeType) and isinstance(value, str):
        return _fit_time(value)
    return _fit_word(words_of(plain), value)


def restyle(info: Any, value: Any, spell: Callable[[str], str]) -> Any:
    """Return a value of ours with the names inside it spelled the other software's way."""
    plain = without_null(info)
    if isinstance(plain, inspect.StructType) and isinstance(value, dict):
        parts = cast(dict[str, Any], value)
        return {
            spell(field.name): restyle(field.type, parts[camel(field.name)], spell)
            for field in plain.fields
            if camel(field.name) in parts
        }
    if isinstance(plain, _LISTS) and isinstance(value, list):
        return [restyle(plain.item_type, part, spell) for part in cast(list[Any], value)]
    if isinstance(plain, inspect.DictType) and isinstance(value, dict):
        return {name: restyle(plain.value_type, part, spell) for name, part in cast(dict[str, Any], value).items()}
    return value


def holds(ours: Any, theirs: Any) -> bool:
    """Tell whether everything of their value can be told from ours, defaults that ours has besides aside."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        mine = cast(dict[str, Any], ours)
        return all(name in mine and holds(mine[name], part) for name, part in cast(dict[str, Any], theirs).items())
    if isinstance(theirs, list) and isinstance(ours, list):
        mine, parts = cast(list[Any], ours), cast(list[Any], theirs)
        return len(mine) == len(parts) and all(map(holds, mine, parts))
    return ours == theirs or (isinstance(ours, str) and isinstance(theirs, str) and _is_same_time(ours, theirs))


def words_of(info: Any) -> list[Any]:
    """Return the values of an enumeration; none for other types."""
    match without_null(info):
        case inspect.EnumType(cls):
            return [member.value for member in cls]
        case inspect.LiteralType(values):
            return list(values)
        case _:
            return []


def item_of(info: Any) -> Any:
    """Return the type of a list's elements; the type itself where it is no list."""
    plain = without_null(info)
    return plain.item_type if isinstance(plain, _LISTS) else plain


def without_null(info: Any) -> Any:
    """Return the type of what is there when it is not null."""
    if not isinstance(info, inspect.UnionType):
        return info
    rest = [part for part in info.types if not isinstance(part, inspect.NoneType)]
    return rest[0] if len(rest) == 1 else info


def _fit_struct(info: inspect.StructType, value: dict[str, Any]) -> dict[str, Any]:
    exact = {camel(field.name): field for field in info.fields}
    folded = {fold(field.name): field for field in info.fields}
    fitted: dict[str, Any] = {}
    # Names that are ours already come last, so that they win over another spelling.
    for name in sorted(value, key=lambda name: name in exact):
        field = exact.get(name) or folded.get(fold(name))
        if field is None:
            fitted[name] = value[name]
        else:
            fitted[camel(field.name)] = fit(field.type, value[name])
    return fitted


def _fit_time(text: str) -> str | None:
    try:
        time = msgspec.convert(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text, datetime)
    except msgspec.ValidationError:
        return text
    # A time without a zone was written by software that knew only one: by convention UTC.
    time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return None if time == _NEVER else time_text(time)


def _fit_word(words: list[Any], value: Any) -> Any:
    if not words or value in words:
        return value
    meant = [word for word in words if fold(str(word)) == fold(str(value))]
    return meant[0] if len(meant) == 1 else value


def _is_same_time(ours: str, theirs: str) -> bool:
    # A zone of its own tells what time it was where somebody was; ours does not.
    if not _DATE.match(theirs) or len(theirs.partition(".")[2]) > len("123456Z") or _ZONE.fullmatch(theirs[-6:]):
        return False
    return _fit_time(theirs) == ours
