"""Idempotency-Key: a caller's own name for a request, so that sending it again asks once."""

import hashlib
from typing import TYPE_CHECKING, Any

from mystira.polyglot.problem import Kind, Problem

if TYPE_CHECKING:
    # Actions refuse keys too, and a command line that runs them serves no pages.
    from litestar import Request

KEY_LENGTH_MAX = 200
IDEMPOTENCY_KEY = {"Idempotency-Key": "A key of your own: sending the same again with it brings the first answer."}


class KeyMissing(Problem):
    """Send an Idempotency-Key of 1 to {most} characters, so that sending this again asks once."""

    kind = Kind.INVALID


class KeyReused(Problem):
    """This idempotency key was used for something else. Use a new key for a new request."""

    kind = Kind.UNPROCESSABLE


class KeysDiffer(Problem):
    """The header Idempotency-Key names another request than the body does. Send one of them, or the same in both."""

    kind = Kind.UNPROCESSABLE


def needed_key(request: "Request[Any, Any, Any]") -> str:
    """Return the key that a request must have; KeyMissing without one."""
    key = request.headers.get("idempotency-key", "").strip()
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise KeyMissing(most=KEY_LENGTH_MAX)
    return key


def key_of_either(request: "Request[Any, Any, Any]", sent: str) -> str:
    """Return the key that a request has in its header or in its body, "" for none; KeysDiffer for two."""
    key = request.headers.get("idempotency-key", "").strip()
    if key and sent and key != sent:
        raise KeysDiffer
    if len(key) > KEY_LENGTH_MAX:
        raise KeyMissing(most=KEY_LENGTH_MAX)
    return key or sent


def key_id(caller: str, route: str, key: str) -> str:
    """Return what one caller's key stands for on one route."""
    return hashlib.sha256("\0".join((caller, route, key)).encode()).hexdigest()[:32]
