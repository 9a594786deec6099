"""What comes over the wire and what goes back: requests, answers, refusals, strict JSON."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge",
    449: "RetryWith",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
BODY_BYTES_MAX = 5 * 1024 * 1024
DEPTH_MAX = 128
DIGITS_MAX = 18
LONG_NUMBER = re.compile(rb"[0-9]{300}")


class Refusal(Exception):
    """The request is not done; the status, its finer number and the message say why."""

    def __init__(self, status: int, message: str, substatus: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.substatus = substatus
        self.message = message
        self.headers = dict(headers or {})


class Request(NamedTuple):
    """One request; `segments` is the path without its percent signs, `base` the address the client came by."""

    method: str
    segments: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    base: str

    def says(self, header: str) -> bool:
        """Tell whether a header that is true or false is true."""
        return self.headers.get(header, "").lower() == "true"


class Response(NamedTuple):
    """One answer, with what it would have cost in request units."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    charge: float = 1.0


def answer(status: int, value: Any, headers: Mapping[str, str] | None = None, charge: float = 1.0) -> Response:
    """Return an answer with a JSON body."""
    return Response(status, encode(value), headers or {}, charge)


def refuse(refusal: Refusal) -> Response:
    """Return the answer that tells a refusal."""
    body = {"code": CODES.get(refusal.status, "BadRequest"), "message": refusal.message}
    return answer(refusal.status, body, {"x-ms-substatus": str(refusal.substatus), **refusal.headers})


encode = msgspec.json.encode


def number(text: str) -> int | None:
    """Return the number that a header says, or None when it says none that can be meant."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None


def decode(text: bytes | str, what: str = "The request body") -> Any:
    """Return a JSON value, or refuse what is no JSON: NaN, half a surrogate pair, endless nesting."""
    try:
        value = msgspec.json.decode(text)
        if _suspicious(text):
            check(value, what)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refusal(400, f"{what} is not valid JSON: {error}") from None
    return value


def _suspicious(text: bytes | str) -> bool:
    """Tell whether a text has so many brackets or digits that its value must be looked at."""
    if isinstance(text, str):
        return True
    return text.count(b"[") + text.count(b"{") > DEPTH_MAX or LONG_NUMBER.search(text) is not None


def decode_object(text: bytes | str, what: str = "The request body") -> dict[str, Any]:
    """Return a JSON object, or refuse."""
    value = decode(text, what)
    if not isinstance(value, dict):
        raise Refusal(400, f"{what} must be a JSON object.")
    return cast("dict[str, Any]", value)


def check(value: Any, what: str, depth: int = DEPTH_MAX) -> None:
    """Refuse what cannot be stored and read again: endless nesting, numbers beyond what JSON readers understand."""
    if isinstance(value, dict | list):
        if depth == 0:
            raise Refusal(400, f"{what} is nested more than {DEPTH_MAX} levels deep.")
        inside = cast("dict[str, Any] | list[Any]", value)
        for child in inside.values() if isinstance(inside, dict) else inside:
            if isinstance(child, dict | list | float | int):
                check(child, what, depth - 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Refusal(400, f"{what} has a number that is too large.")
    elif isinstance(value, int) and not -(1 << 1023) < value < 1 << 1023:
        raise Refusal(400, f"{what} has a number that is too large.")
