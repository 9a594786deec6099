"""Strict request bodies: the right type, no field too many, no key twice, and every error told at once."""

import json
from typing import Any, TypeVar, cast, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.values import is_text

T = TypeVar("T", bound=msgspec.Struct)

BODY_BYTES_MAX = 256 * 1024
DEPTH_MAX = 32
ERRORS_MAX = 100


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request may hold, and nothing besides."""


class BodyInvalid(Problem):
    """The request cannot be used: {summary}"""


class BodyTooLarge(Problem):
    """The request is larger than {most} bytes."""

    kind = Kind.TOO_LARGE


class Wrong(msgspec.Struct, frozen=True):
    """One error: where it is (`$.players[0].name`), and what to write instead."""

    path: str
    message: str


async def read_body(request: Request[Any, Any, Any], wanted: type[T]) -> T:
    """Return the JSON body as `wanted`; BodyInvalid lists every error with its path."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/merge-patch+json"):
        raise _invalid([Wrong("$", "send JSON with Content-Type: application/json")])
    return convert(_parse(await _bytes(request)), wanted, strict=True)


async def read_form(request: Request[Any, Any, Any], wanted: type[T]) -> T:
    """Return a page's form as `wanted`; a field sent several times is a list."""
    try:
        text = (await _bytes(request)).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=500, errors="strict")
    except ValueError as error:
        raise _invalid([Wrong("$", "this is not a form in UTF-8")]) from error
    return convert(_gathered(pairs, wanted), wanted, strict=False)


def convert(value: Any, wanted: type[T], *, strict: bool) -> T:
    """Return the plain value as `wanted`, or raise BodyInvalid with every error."""
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        found = _errors(value, wanted, "$", strict=strict)
        raise _invalid(found or [Wrong("$", str(error))]) from error


def _invalid(errors: list[Wrong]) -> BodyInvalid:
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return BodyInvalid(
        summary=f"{first.path}: {first.message}{more}",
        errors=[{"path": error.path, "message": error.message} for error in errors[:ERRORS_MAX]],
    )


async def _bytes(request: Request[Any, Any, Any]) -> bytes:
    size = request.headers.get("content-length")
    if size is not None and size.isdecimal() and int(size) > BODY_BYTES_MAX:
        raise BodyTooLarge(most=BODY_BYTES_MAX)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            raise BodyTooLarge(most=BODY_BYTES_MAX)
    return bytes(received)


def _parse(raw: bytes) -> Any:
    _refuse_too_deep(raw)
    twice: list[Wrong] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            names = [name for name, _ in pairs]
            twice.extend(Wrong("$", f"the key {name!r} is there twice") for name in value if names.count(name) > 1)
        return value

    try:
        value = json.loads(raw.decode(), object_pairs_hook=mapping, parse_constant=_refuse_constant)
    except ValueError as error:
        raise _invalid([Wrong("$", f"this is not JSON in UTF-8 ({error})")]) from error
    if twice:
        raise _invalid(twice)
    bad = _first_bad_text(value, "$")
    if bad is not None:
        raise _invalid([Wrong(bad, "text must not hold NUL or half of a surrogate pair")])
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _refuse_too_deep(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    in_text = escaped = False
    for byte in raw:
        if in_text:
            in_text = escaped or byte != 0x22
            escaped = not escaped and byte == 0x5C
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise _invalid([Wrong("$", f"this is nested more than {DEPTH_MAX} levels deep")])
        elif byte in b"]}":
            depth -= 1


def _first_bad_text(value: Any, path: str) -> str | None:
    if isinstance(value, str):
        return None if is_text(value) else path
    if isinstance(value, dict):
        parts = [(f"{path}.{name}", part) for name, part in value.items()]  # pyright: ignore[reportUnknownVariableType]
        parts += [(path, name) for name in value]  # pyright: ignore[reportUnknownVariableType]
    elif isinstance(value, list):
        parts = [(f"{path}[{at}]", part) for at, part in enumerate(value)]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    else:
        return None
    every = cast(list[tuple[str, Any]], parts)
    return next((bad for where, part in every if (bad := _first_bad_text(part, where)) is not None), None)


def _errors(value: Any, wanted: Any, path: str, *, strict: bool) -> list[Wrong]:
    """Return every error: the decoder stops at the first one, so each part is tried on its own."""
    try:
        msgspec.convert(value, wanted, strict=strict)
        return []
    except msgspec.ValidationError as error:
        inside = _inside(value, wanted, path, strict=strict)
        return inside or [Wrong(path, str(error).split(" - at `")[0])]


def _inside(value: Any, wanted: Any, path: str, *, strict: bool) -> list[Wrong]:
    found: list[Wrong] = []
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) and isinstance(value, dict):
        fields = {field.encode_name: field for field in msgspec.structs.fields(wanted)}
        for name in value:  # pyright: ignore[reportUnknownVariableType]
            if name not in fields:
                found.append(Wrong(f"{path}.{name}", f"there is no such field; there are: {', '.join(fields)}"))
        for name, field in fields.items():
            if name in value:
                found += _errors(value[name], field.type, f"{path}.{name}", strict=strict)
            elif field.required:
                found.append(Wrong(f"{path}.{name}", "this is missing"))
        return found
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (list, tuple, set, frozenset) and isinstance(value, list) and arguments:
        for at, part in enumerate(value):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            found += _errors(part, arguments[0], f"{path}[{at}]", strict=strict)
    return found


def _gathered(pairs: list[tuple[str, Any]], wanted: type[msgspec.Struct]) -> dict[str, Any]:
    lists = {
        field.encode_name
        for field in msgspec.structs.fields(wanted)
        if get_origin(field.type) in (list, tuple, set, frozenset)
    }
    values: dict[str, Any] = {}
    for name, value in pairs:
        if not is_text(name) or not is_text(value):
            raise _invalid([Wrong("$", "text must not hold NUL or half of a surrogate pair")])
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise _invalid([Wrong(f"$.{name}", "this is there twice")])
        else:
            values[name] = value
    return values
