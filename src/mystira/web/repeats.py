"""Requests that are sent again: a program's own key, under which the same request brings the same thing once."""

import hashlib
from typing import Any

import msgspec
from litestar import Request

from mystira.web.bodies import Body, BodyInvalid

KEY_LENGTH_MAX = 200
REPEATABLE = {"Idempotency-Key": "A key of your own: the same request sent again with it brings the same thing."}
"""The header of every route that makes something, for its description."""


def repeat_key(request: Request[Any, Any, Any]) -> str:
    """Return the key under which this request may be sent again, "" for none."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > KEY_LENGTH_MAX:
        message = f"keep it to {KEY_LENGTH_MAX} characters"
        raise BodyInvalid(
            summary=f"Idempotency-Key: {message}", errors=[{"path": "Idempotency-Key", "message": message}]
        )
    return key


def hash_of(asked: Body) -> str:
    """Return a hash of what a request asks for, which tells whether another one asks for the same."""
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
