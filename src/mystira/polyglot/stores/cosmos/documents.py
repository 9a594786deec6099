"""A record as Cosmos DB keeps it: a document with the service's own marks around it."""

import re
from typing import Any, cast

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.store import Incoming, Key, Record
from mystira.polyglot.stores.cosmos.keys import can_be_id, stored_id, told_id
from mystira.polyglot.stores.documents import can_exist, dump, load, load_item, load_looked

# Numbers are doubles: a whole number beyond this could come back as its neighbour.
WHOLE_MAX = (1 << 53) - 1
SERVICE_MARKS = ("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn", "_metadata")
FOR_EVER = -1

_MANY_DIGITS = re.compile(rb"[0-9]{16}")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def outgoing(collection: Collection[Any], record: Record) -> dict[str, Any]:
    """Return the document to be written; ValueError or TooLarge when the service could not keep it as it is."""
    if not can_be_id(record.key.id):
        raise ValueError(f"{collection.container}: {record.key.id!r} cannot be the id of a document in Cosmos DB")
    body = dump(collection, record)
    document = cast(dict[str, Any], _decode(body))
    if _MANY_DIGITS.search(body):
        _refuse_large_numbers(collection.container, document)
    document["id"] = stored_id(record.key.id)
    if record.deleted and collection.time_to_live_s is not None:
        # A tombstone that expired would let the dead come back.
        document["ttl"] = FOR_EVER
    return document


def place_of(collection: Collection[Any], key: Key) -> tuple[str, str] | None:
    """Return (partition key, id) as the service knows them, or None where no document of this key can be."""
    if not can_exist(key) or not can_be_id(key.id):
        return None
    id = stored_id(key.id)
    return (id if collection.partition == "id" else key.partition), id


def loaded(collection: Collection[Any], document: dict[str, Any]) -> Record:
    """Return the record of a document that was read."""
    return load(collection, _body(document), document["_etag"])


def loaded_item(collection: Collection[Any], document: dict[str, Any]) -> Incoming:
    """Return the record of a document as the feed shows it, readable or not."""
    return load_item(collection, _body(document), document["_etag"])


def loaded_looked(collection: Collection[Any], key: Key, document: dict[str, Any]) -> Incoming:
    """Return the record of a document kept under this key, readable or not."""
    return load_looked(collection, key, _body(document), document["_etag"])


def _body(document: dict[str, Any]) -> bytes:
    body = {name: value for name, value in document.items() if name not in SERVICE_MARKS}
    body["id"] = told_id(body["id"])
    return _encode(body)


def _refuse_large_numbers(where: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, part in cast(dict[str, Any], value).items():
            _refuse_large_numbers(f"{where}.{name}", part)
    elif isinstance(value, list):
        for part in cast(list[Any], value):
            _refuse_large_numbers(where, part)
    elif isinstance(value, int) and abs(value) > WHOLE_MAX:
        raise ValueError(f"{where}: {value} is beyond {WHOLE_MAX}: Cosmos DB does not keep such whole numbers exactly")
