"""Strict request bodies: the right type, no field too many, no key twice, and every error told at once."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, get_origin
from urllib.parse import parse_qsl

import msgspec

from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.values import is_text
from mystira.web.wrongs import NAME_LENGTH_SHOWN, Wrong, inside, is_list, mismatches, unfit_parts

if TYPE_CHECKING:
    # A command line reads bodies of its own, and serves no pages.
    from litestar import Request

T = TypeVar("T", bound=msgspec.Struct)

BODY_BYTES_MAX = 256 * 1024
DEPTH_MAX = 32
ERRORS_MAX = 100

# A text that never ends runs to the end; the parser refuses it afterwards.
_BRACKETS_AND_TEXTS = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request may hold, and nothing besides."""


class BodyInvalid(Problem):
    """The request cannot be used: {summary}"""


class BodyTooLarge(Problem):
    """The request is larger than {most} bytes."""

    kind = Kind.TOO_LARGE


async def read_body(request: "Request[Any, Any, Any]", wanted: type[T], *, bytes_max: int = BODY_BYTES_MAX) -> T:
    """Return the JSON body as `wanted`; BodyInvalid lists every error with its path."""
    described = request.route_handler.opt.get("described")
    assert described is None or described.body is wanted, f"the document says that {described.body} is read here"
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/merge-patch+json"):
        raise _invalid([Wrong("$", "send JSON with Content-Type: application/json")])
    return convert(_parse(await read_bytes(request, bytes_max)), wanted, strict=True)


async def read_form(request: "Request[Any, Any, Any]", wanted: type[T], *, bytes_max: int = BODY_BYTES_MAX) -> T:
    """Return a page's form as `wanted`: a field sent several times is a list, `field.name` an entry of a mapping.

    Lines end with "\\n", whatever a browser made of them: what nobody changed must not look as if somebody had.
    A handler that takes more than usual says so by its own `request_max_body_size`, too.
    """
    try:
        text = (await read_bytes(request, bytes_max)).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=500, errors="strict")
    except ValueError as error:
        raise _invalid([Wrong("$", "this is not a form in UTF-8")]) from error
    plain = [(name, value.replace("\r\n", "\n")) for name, value in pairs]
    return convert(_gathered(plain, wanted), wanted, strict=False)


def convert(value: Any, wanted: type[T], *, strict: bool) -> T:
    """Return the plain value as `wanted`, or raise BodyInvalid with every error."""
    try:
        made = msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        raise _invalid(mismatches(value, wanted, strict=strict)) from error
    # A form's text can turn into a number that its plain value did not show ("nan").
    _refuse(unfit_parts(made))
    return made


def _refuse(errors: Iterable[Wrong]) -> None:
    found = list(islice(errors, ERRORS_MAX))
    if found:
        raise _invalid(found)


def _invalid(errors: Iterable[Wrong]) -> BodyInvalid:
    told = list(islice(errors, ERRORS_MAX))
    first = told[0]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return BodyInvalid(
        summary=f"{first.path}: {first.message}{more}",
        errors=[{"path": error.path, "message": error.message} for error in told],
    )


async def read_bytes(request: "Request[Any, Any, Any]", most: int = BODY_BYTES_MAX) -> bytes:
    """Return the body as it came, or BodyTooLarge before more of it is kept than may be sent."""
    size = request.headers.get("content-length")
    if size is not None and size.isdecimal() and int(size) > most:
        raise BodyTooLarge(most=most)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > most:
            raise BodyTooLarge(most=most)
    return bytes(received)


def _parse(raw: bytes) -> Any:
    _refuse_too_deep(raw)
    twice: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs) and len(twice) < ERRORS_MAX:
            twice.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return value

    try:
        value = json.loads(raw.decode(), object_pairs_hook=mapping, parse_constant=_refuse_constant)
    except ValueError as error:
        raise _invalid([Wrong("$", f"this is not JSON in UTF-8 ({error})")]) from error
    _refuse(Wrong("$", f"the key {name[:NAME_LENGTH_SHOWN]!r} is there twice") for name in twice)
    _refuse(unfit_parts(value))
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _refuse_too_deep(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") <= DEPTH_MAX:
        return
    depth = 0
    for token in _BRACKETS_AND_TEXTS.finditer(raw):
        first = token[0][0]
        if first in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise _invalid([Wrong("$", f"this is nested more than {DEPTH_MAX} levels deep")])
        elif first in b"]}":
            depth -= 1


def _gathered(pairs: list[tuple[str, Any]], wanted: type[msgspec.Struct]) -> dict[str, Any]:
    types = {field.encode_name: field.type for field in msgspec.structs.fields(wanted)}
    mappings = {name for name, kind in types.items() if get_origin(kind) is dict}
    values: dict[str, Any] = {}
    for name, value in pairs:
        if not is_text(name) or not is_text(value):
            raise _invalid([Wrong("$", "text must not hold NUL or half of a surrogate pair")])
        if name in types and is_list(types[name]):
            values.setdefault(name, []).append(value)
            continue
        field, dot, entry = name.partition(".")
        is_entry = bool(dot) and field in mappings
        place = values.setdefault(field, {}) if is_entry else values
        at = entry if is_entry else name
        if name in mappings or at in place:
            raise _invalid([Wrong(inside("$", name), "this is there twice, or without the name of its entry")])
        place[at] = value
    return values
