"""Every error of a value at once: the decoder stops at the first one, so each part is tried on its own."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec

from mystira.polyglot.values import is_float, is_storable, is_text

NAME_LENGTH_SHOWN = 60
LISTS = (list, tuple, set, frozenset)


class Wrong(msgspec.Struct, frozen=True):
    """One error: where it is (`$.players[0].name`), and what to write instead."""

    path: str
    message: str


def unfit_parts(value: Any, path: str = "$") -> Iterator[Wrong]:
    """Yield the texts and numbers that no store could keep."""
    # Paths are made only on the way to a culprit: with long names, one for each part would be very much text.
    if is_storable(value):
        return
    if isinstance(value, dict):
        parts = cast(dict[Any, Any], value)
        yield from (wrong for name in parts for wrong in unfit_parts(name, path))
        yield from (wrong for name, part in parts.items() for wrong in unfit_parts(part, inside(path, name)))
    elif isinstance(value, list | tuple):
        for at, part in enumerate(cast(list[Any], value)):
            yield from unfit_parts(part, f"{path}[{at}]")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from unfit_parts(getattr(value, name), inside(path, name))
    elif isinstance(value, str) and not is_text(value):
        yield Wrong(path, "text must not hold NUL or half of a surrogate pair")
    elif isinstance(value, int | float) and not is_float(value):
        yield Wrong(path, "this number is too large")
    else:
        yield Wrong(path, "this cannot be kept; write something more usual")


def mismatches(value: Any, wanted: Any, path: str = "$", *, strict: bool) -> Iterator[Wrong]:
    """Yield everything that keeps the value from being what is wanted, each with its own path."""
    try:
        msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        found = False
        for wrong in _parts(value, plain_type(wanted, value), path, strict=strict):
            found = True
            yield wrong
        if not found:
            yield Wrong(path, str(error).rpartition(" - at `")[0] or str(error))


def plain_type(wanted: Any, value: Any = None) -> Any:
    """Return the type without what is written around it: the arm of a union that the value is meant for."""
    origin = get_origin(wanted)
    if origin is Annotated:
        return plain_type(get_args(wanted)[0], value)
    if origin not in (Union, UnionType):
        return wanted
    arms = [plain_type(arm, value) for arm in get_args(wanted) if arm is not NoneType]
    fitting = [arm for arm in arms if _has_shape_of(arm, value)] if len(arms) > 1 else arms
    return fitting[0] if len(fitting) == 1 else wanted


def is_list(wanted: Any) -> bool:
    """Tell whether several values are wanted."""
    return get_origin(plain_type(wanted, [])) in LISTS


def inside(path: str, name: Any) -> str:
    """Return the path of a part; a very long name is cut, for it comes from outside."""
    text = str(name)
    return f"{path}.{text if len(text) <= NAME_LENGTH_SHOWN else text[:NAME_LENGTH_SHOWN] + '…'}"


def _parts(value: Any, wanted: Any, path: str, *, strict: bool) -> Iterator[Wrong]:
    origin, arguments = get_origin(wanted) or wanted, get_args(wanted)
    if isinstance(value, dict):
        named = cast(dict[str, Any], value)
        if _is_struct(wanted):
            yield from _fields(named, wanted, path, strict=strict)
        elif origin is dict and arguments:
            for name, part in named.items():
                yield from mismatches(name, arguments[0], inside(path, name), strict=strict)
                yield from mismatches(part, arguments[1], inside(path, name), strict=strict)
    elif isinstance(value, list) and origin in LISTS and arguments:
        listed = cast(list[Any], value)
        is_fixed = origin is tuple and arguments[-1] is not Ellipsis
        kinds = arguments if is_fixed else (arguments[0],) * len(listed)
        for at, (part, kind) in enumerate(zip(listed, kinds, strict=False)):
            yield from mismatches(part, kind, f"{path}[{at}]", strict=strict)


def _fields(value: dict[str, Any], wanted: type[msgspec.Struct], path: str, *, strict: bool) -> Iterator[Wrong]:
    config = wanted.__struct_config__
    fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
    if config.forbid_unknown_fields:
        known = (*fields, config.tag_field) if config.tag_field else tuple(fields)
        for name in value:
            if name not in known:
                yield Wrong(inside(path, name), f"there is no such field; there are: {', '.join(known)}")
    for name, field in fields.items():
        if name in value:
            yield from mismatches(value[name], field.type, inside(path, name), strict=strict)
        elif field.required:
            yield Wrong(inside(path, name), "this is missing")


def _has_shape_of(arm: Any, value: Any) -> bool:
    """Tell whether a value of this shape can only be meant for this arm: a tag decides between structs."""
    if isinstance(value, list):
        return (get_origin(arm) or arm) in LISTS
    if not isinstance(value, dict):
        return False
    if not _is_struct(arm):
        return (get_origin(arm) or arm) is dict
    config = arm.__struct_config__
    return config.tag_field is None or cast(dict[str, Any], value).get(config.tag_field) == config.tag


def _is_struct(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)
