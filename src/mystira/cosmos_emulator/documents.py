"""Items as JSON: what may be stored, and what the endpoint adds to it when it is read."""

from typing import Any, NamedTuple

import msgspec

from mystira.cosmos_emulator import rids
from mystira.cosmos_emulator.catalogue import Container, checked_id
from mystira.cosmos_emulator.hashing import UNDEFINED
from mystira.cosmos_emulator.partition import value_at
from mystira.cosmos_emulator.rids import Rid
from mystira.cosmos_emulator.wire import Refusal, encode

BYTES_MAX = 2 * 1024 * 1024
SYSTEM = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn", "_metadata")
TTL_MAX = 2**31 - 1


class Item(NamedTuple):
    """One stored item; the body is JSON without what the endpoint adds."""

    doc: int
    pk: str
    id: str
    place: str
    lsn: int
    version: int
    ts: int
    ttl: int | None
    body: bytes

    @property
    def etag(self) -> str:
        """The version as clients see it."""
        return rids.etag(self.version)


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without what only the endpoint may say, or refuse."""
    kept = {name: value for name, value in document.items() if name not in SYSTEM}
    checked_id(kept)
    ttl = kept.get("ttl")
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int) or not (0 < ttl <= TTL_MAX or ttl == -1)):
        raise Refusal(400, "ttl must be a number of seconds above 0, or -1 for ever.")
    return kept


def packed(document: dict[str, Any]) -> bytes:
    """Return the bytes to store, or refuse what is too large."""
    body = encode(document)
    if len(body) > BYTES_MAX:
        raise Refusal(413, f"An item may have {BYTES_MAX} bytes; this one has {len(body)}.")
    return body


def deadline(container: Container, ts: int, ttl: int | None) -> int | None:
    """Return the second in which an item ends, if it does: its own time to live counts where the container has one."""
    lives = container.ttl if ttl is None else ttl
    return None if container.ttl is None or lives is None or lives < 0 else ts + lives


def shown(container: Container, item: Item, extra: bytes = b"") -> bytes:
    """Return the JSON of an item as clients read it."""
    rid = str(Rid(container.database.rid, container.rid, item.doc))
    system = (
        f',"_rid":"{rid}","_self":"{container.link}docs/{rid}/","_etag":"\\"{item.etag[1:-1]}\\"",'
        f'"_attachments":"attachments/","_ts":{item.ts}'
    )
    return item.body[:-1] + system.encode() + extra + b"}"


def opened(container: Container, item: Item) -> dict[str, Any]:
    """Return an item as queries see it."""
    rid = str(Rid(container.database.rid, container.rid, item.doc))
    document: dict[str, Any] = msgspec.json.decode(item.body)
    document.update(
        _rid=rid,
        _self=f"{container.link}docs/{rid}/",
        _etag=item.etag,
        _attachments="attachments/",
        _ts=item.ts,
    )
    return document


def unique_values(container: Container, document: dict[str, Any]) -> list[str]:
    """Return what no other item of the logical partition may have, one text for each unique key."""
    found: list[str] = []
    for number, paths in enumerate(container.unique):
        values = [value_at(document, path) for path in paths]
        # A missing value counts as null, so that only one item may lack it.
        found.append(encode([number, [None if value is UNDEFINED else value for value in values]]).decode())
    return found
