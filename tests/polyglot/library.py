"""A library whose documents a C# application wrote: readers with cards, in the shapes that its serializers make."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import apsw

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.wire import Request
from mystira.polyglot.adopt.mapping import Discriminator, FieldRule, Mapping
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Value
from mystira.polyglot.stores.cosmos.documents import SERVICE_MARKS
from mystira.polyglot.stores.ranges import hash_of


class Group(StrEnum):
    SMALL = "3-5"
    MIDDLE = "6-9"


class Card(Value, frozen=True, kw_only=True):
    card_no: str
    issued_at: datetime | None = None


class Reader(Entity, frozen=True, kw_only=True):
    full_name: str
    email: str | None = None
    group: Group = Group.MIDDLE
    interests: tuple[str, ...] = ()
    joined_at: datetime | None = None
    cards: tuple[Card, ...] = ()
    visits: int = 0


READERS = Collection(
    Reader, container="Readers", table="readers", unique=(("email",),), personal=frozenset({"full_name", "email"})
)
MAPPING = Mapping(
    collection="Readers",
    discriminator=Discriminator(field="Discriminator", values=("Reader", "GuestReader")),
    style="pascal",
    fields={
        "full_name": FieldRule(names=("DisplayName", "Name"), absent="Nobody"),
        "interests": FieldRule(split=","),
        "group": FieldRule(names=("AgeGroup",), spellings={"3-5": ("Ages3To5", "0"), "6-9": ("Ages6To9", "1")}),
    },
)
ADOPTED = READERS.adopting(MAPPING)
JOINED = datetime(2024, 5, 6, 7, 8, 9, 123457, tzinfo=UTC)


def foreign(id: str, **changes: Any) -> dict[str, Any]:
    """A document as Entity Framework writes it: names in PascalCase, a discriminator, seven digits of a second."""
    return {
        "id": id,
        "Discriminator": "Reader",
        "DisplayName": f"Reader {id}",
        "Email": f"{id}@example.org",
        "AgeGroup": "Ages6To9",
        "Interests": "dragons, space,,  trains ",
        "JoinedAt": "2024-05-06T07:08:09.1234567Z",
        "Cards": [{"CardNo": "A-1", "IssuedAt": "2024-05-06T00:00:00", "Colour": "red"}],
        "Visits": 3,
        "FavouriteColour": {"Name": "green", "Shade": 7},
        "legacy_flag": True,
    } | changes


def read_of(id: str, **changes: Any) -> Reader:
    """The reader that such a document means."""
    values: dict[str, Any] = {
        "id": id,
        "full_name": f"Reader {id}",
        "email": f"{id}@example.org",
        "interests": ("dragons", "space", "trains"),
        "joined_at": JOINED,
        "cards": (Card(card_no="A-1", issued_at=datetime(2024, 5, 6, tzinfo=UTC)),),
        "visits": 3,
    }
    return Reader(**(values | changes))


class Raw(Protocol):
    """Another program's way to the documents, past the platform."""

    def write(self, *bodies: dict[str, Any]) -> None: ...

    def read(self, id: str) -> dict[str, Any]: ...


class RawSqlite:
    """The file of the embedded document store, opened beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, *bodies: dict[str, Any]) -> None:
        write_raw(self._path, *bodies)

    def read(self, id: str) -> dict[str, Any]:
        return read_raw(self._path, id)


class RawCosmos:
    """The local endpoint, asked in this very process: its clients would need the event loop that the test holds."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def write(self, *bodies: dict[str, Any]) -> None:
        for body in bodies:
            self._ask("POST", (), body["id"], json.dumps(body).encode())

    def read(self, id: str) -> dict[str, Any]:
        found = json.loads(self._ask("GET", (id,), id, b""))
        return {name: value for name, value in found.items() if name not in SERVICE_MARKS}

    def _ask(self, method: str, named: tuple[str, ...], id: str, body: bytes) -> bytes:
        headers = {"x-ms-documentdb-partitionkey": json.dumps([id]), "x-ms-documentdb-is-upsert": "True"}
        segments = ("dbs", "library", "colls", "Readers", "docs", *named)
        answer = self._endpoint._route(Request(method, segments, headers, body, "http://127.0.0.1"))
        assert answer.status < 300, answer
        return answer.body


def write_raw(path: Any, *bodies: dict[str, Any], container: str = "Readers") -> None:
    """Write documents past the platform, as another program does."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(2_000)
    with connection:
        for body in bodies:
            connection.execute("UPDATE _position SET last = last + 1")
            connection.execute(
                f"INSERT INTO {container} (partition, id, hash, position, deleted, body) "
                "SELECT ?1, ?1, ?2, last, 0, ?3 FROM _position WHERE true "
                "ON CONFLICT (partition, id) DO UPDATE SET body = excluded.body, position = excluded.position",
                (body["id"], hash_of(body["id"]), json.dumps(body)),
            )
    connection.close()


def read_raw(path: Any, id: str, container: str = "Readers") -> dict[str, Any]:
    """Return a document as another program sees it."""
    connection = apsw.Connection(str(path))
    (body,) = connection.execute(f"SELECT body FROM {container} WHERE id = ?", (id,)).fetchone()  # type: ignore[misc]
    connection.close()
    return json.loads(str(body))
