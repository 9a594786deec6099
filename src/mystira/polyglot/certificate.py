"""What a transition proves when it is over, in a form that another program can check without us (docs/certificates.md).

The seal is the SHA-256 of the certificate's canonical JSON without the seal; each certificate names the seal of the one
before it, so that none can be changed or left out later.
"""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.problem import Kind, Problem

FORMAT = "mystira-transition/1"


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of a transition: whether it holds, why (not), and what to do if it does not."""

    name: str
    passed: bool
    reason: str
    advice: str = ""
    waived: bool = False


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """The root of one store's digest: how many records, and the sum of their digests modulo 2^64, in hex."""

    count: int
    sum: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """One change of leader. `held_s`: how long writers were held; `frontier`: each feed range's sentinel."""

    collection: str
    before: str
    after: str
    n: int
    epoch: int
    at: datetime
    coordinator: str
    actor: str
    why: str
    held_s: float
    refused: int
    answered: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    frontier: dict[str, str] = {}
    documents: Side | None = None
    relational: Side | None = None
    gates: tuple[Gate, ...] = ()
    previous: str = ""
    format: str = FORMAT
    seal: str = ""


class NotGenuine(Problem):
    """This certificate is not what was issued: {reason}."""

    kind = Kind.UNPROCESSABLE


def sealed(certificate: Certificate) -> Certificate:
    """Return the certificate with its seal."""
    return msgspec.structs.replace(certificate, seal=_seal(certificate))


def as_json(certificate: Certificate) -> dict[str, Any]:
    """Return the certificate as it is kept and handed out."""
    return msgspec.to_builtins(certificate)


def read_certificate(kept: Any) -> Certificate:
    """Return the certificate that was kept or handed out; NotGenuine when anything in it was changed."""
    try:
        certificate = msgspec.convert(kept, Certificate, strict=True)
    except msgspec.ValidationError as error:
        raise NotGenuine(reason=str(error)) from error
    if certificate.format != FORMAT:
        raise NotGenuine(reason=f"its format is {certificate.format}, not {FORMAT}")
    if certificate.seal != _seal(certificate):
        raise NotGenuine(reason="its seal does not fit what it says")
    if certificate.documents != certificate.relational:
        raise NotGenuine(reason="it says itself that the two stores were not equal")
    return certificate


def refuse_gaps(chain: list[Certificate]) -> None:
    """Raise NotGenuine unless each certificate of a collection, the oldest first, names the seal of the one before."""
    before = ""
    for certificate in chain:
        if certificate.previous != before:
            raise NotGenuine(reason=f"the one before n {certificate.n} is missing or was changed")
        before = certificate.seal


def _seal(certificate: Certificate) -> str:
    said = msgspec.to_builtins(certificate)
    del said["seal"]
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
