"""Twins of values: the same fields, spelled as documents spell them, so that JSON becomes values without a detour.

A decoder fills a twin, and one pass over its attributes makes the value of it; both happen outside Python.
"""

import types
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import msgspec

from mystira.polyglot.fields import camel

TWINS_MAX = 1_000


def twin_of(kind: Any) -> Any:
    """Return the type that a document holds where code has `kind`; the very same where nothing inside has names."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is None:
        is_struct = isinstance(kind, type) and issubclass(cast("type[Any]", kind), msgspec.Struct)
        return _struct(cast("type[msgspec.Struct]", kind)) if is_struct else kind
    if origin is Literal:
        return kind
    if origin is Annotated:
        return Annotated[twin_of(parts[0]), *parts[1:]]
    twins = tuple(part if part is Ellipsis else twin_of(part) for part in parts)
    if twins == parts:
        return kind
    return Union[twins] if origin in (Union, types.UnionType) else origin[twins]  # noqa: UP007 - made at run time.


def from_twin(kind: Any) -> Callable[[Any], Any]:
    """Return what makes values of `kind` from their twins."""
    return lambda twin: msgspec.convert(twin, kind, from_attributes=True)


def default_of(info: msgspec.structs.FieldInfo) -> Any:
    """Return the default of a field as the declaration of another struct takes it."""
    if info.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=info.default_factory)
    return info.default


@lru_cache(maxsize=TWINS_MAX)
def _struct(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    fields: list[Any] = []
    for info in msgspec.structs.fields(kind):
        type_ = twin_of(info.type)
        fields.append((info.name, type_) if info.required else (info.name, type_, default_of(info)))
    rename = {name: camel(name) for name, *_ in fields}
    return msgspec.defstruct(f"{kind.__name__}Twin", fields, rename=rename, kw_only=True, gc=False)
