"""Keyed hashes: what may be stored of a secret, so that a stolen database opens nothing."""

import hashlib
import hmac


def keyed_hash(key: bytes, purpose: str, secret: str) -> str:
    """Return what may be stored of a secret; `purpose` keeps hashes of different things apart."""
    return hmac.new(key, f"{purpose}\0{secret}".encode(), hashlib.sha256).hexdigest()
