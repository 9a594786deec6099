"""Key authentication: every request is signed over its verb, what it is about, and its date."""

import base64
import hmac
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from urllib.parse import unquote

from mystira.cosmos_emulator import rids
from mystira.cosmos_emulator.wire import Refusal, Request

# The key that every emulator of this service has; it protects nothing and is meant to be public.
WELL_KNOWN_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="

# Paths of so many parts are databases and containers; what they hold is deeper.
MANAGED = (1, 2, 3, 4)


def check(request: Request, key: bytes, token: str | None = None) -> None:
    """Refuse a request that was neither signed with the key nor carries the one token that stands for Entra ID."""
    headers = request.headers
    authorization = headers.get("authorization", "")
    if token is not None and authorization == f"type=aad&ver=1.0&sig={token}":
        if request.method != "GET" and len(request.segments) in MANAGED:
            raise Refusal(403, f"{request.method} of a database or container is not for Entra ID: use the key.", 5300)
        return
    dates = (headers.get("x-ms-date", ""), headers.get("date", ""))
    _check(key, request.method, request.segments, dates, authorization)


# Dates count seconds, so what a busy client asks of one container carries one signature many times.
@lru_cache(maxsize=4096)
def _check(key: bytes, method: str, segments: tuple[str, ...], dates: tuple[str, str], authorization: str) -> None:
    parts = (part.partition("=") for part in unquote(authorization).split("&"))
    fields = {name: value for name, _, value in parts}
    if not fields.get("sig"):
        raise Refusal(401, "The request is not signed: give the client the account's key.")
    if fields.get("type") != "master":
        raise Refusal(401, "This endpoint knows no such token of Entra ID or of a user: give the client its key.")
    for kind, link in _subjects(segments):
        text = "\n".join((method.lower(), kind, link, dates[0].lower(), dates[1].lower(), ""))
        if hmac.compare_digest(_signature(text, key).encode(), fields["sig"].encode()):
            return
    raise Refusal(401, "The signature does not fit: check the key that the client was given, and its clock.")


def _signature(text: str, key: bytes) -> str:
    return base64.b64encode(hmac.digest(key, text.encode("utf-8", "surrogatepass"), sha256)).decode()


def _subjects(segments: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Return what a client may have signed for this path: the link by names, or the last resource id alone."""
    if "operations" in segments[4:5]:
        segments = segments[:4]
    even = len(segments) % 2 == 0
    kind = segments[-2] if even and segments else segments[-1] if segments else ""
    owner = segments if even else segments[:-1]
    yield kind.lower(), "/".join(owner)
    if owner and (rids.parse(owner[-1]) or owner[0] == "offers"):
        yield kind.lower(), owner[-1].lower()
