"""Throughput that somebody asked for. It is kept and told; nothing is slowed down because of it."""

from collections.abc import Iterator
from typing import Any, cast

from mystira.cosmos_emulator.catalogue import Catalogue
from mystira.cosmos_emulator.rids import etag
from mystira.cosmos_emulator.schema import row, rows
from mystira.cosmos_emulator.wire import Refusal, Request, Response, answer, decode, decode_object, encode, number

LEAST, MOST, STEP = 400, 1_000_000, 100
_ALL = "SELECT rid, resource, link, content, version, ts FROM offers"


def create(catalogue: Catalogue, resource: int, link: str, request: Request) -> None:
    """Keep the throughput that a request to create something names in its headers, if it does."""
    fixed, automatic = (
        request.headers.get(name) for name in ("x-ms-offer-throughput", "x-ms-cosmos-offer-autopilot-settings")
    )
    content: dict[str, Any] = {}
    if automatic is not None:
        most = decode_object(automatic, "The header x-ms-cosmos-offer-autopilot-settings").get("maxThroughput")
        content = {"offerThroughput": _checked(most) // 10, "offerAutopilotSettings": {"maxThroughput": most}}
    elif fixed is not None:
        content = {"offerThroughput": _checked(number(fixed))}
    if content:
        catalogue.connection.execute(
            "INSERT INTO offers (resource, link, content, version, ts) VALUES (?, ?, ?, 1, ?)",
            (resource, link, encode(content), int(catalogue.clock())),
        )


def every(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    """Return all offers as JSON."""
    for found in rows(catalogue.connection, f"{_ALL} ORDER BY rid"):
        yield _shown(found)


def one(catalogue: Catalogue, name: str, request: Request) -> Response:
    """Read or replace one offer."""
    found = next((offer for offer in every(catalogue) if offer["id"].lower() == name.lower()), None)
    if found is None:
        raise Refusal(404, f"There is no offer {name}.")
    if request.method == "GET":
        return answer(200, found)
    if request.method != "PUT":
        raise Refusal(405, f"{request.method} is not possible for an offer.")
    given: Any = decode_object(request.body).get("content")
    content = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    _checked(content.get("offerThroughput"))
    catalogue.connection.execute(
        "UPDATE offers SET content = ?, version = version + 1, ts = ? WHERE link = ?",
        (encode(content), int(catalogue.clock()), found["resource"]),
    )
    return answer(200, _shown(row(catalogue.connection, f"{_ALL} WHERE link = ?", found["resource"])))


def _checked(throughput: Any) -> int:
    if not isinstance(throughput, int) or not LEAST <= throughput <= MOST or throughput % STEP:
        raise Refusal(400, f"Throughput must be {LEAST} to {MOST} request units, in steps of {STEP}.")
    return throughput


def _shown(found: Any) -> dict[str, Any]:
    rid, resource, link, content, version, ts = found
    name = f"o{rid:03}"
    parts = link.strip("/").split("/")
    return {
        "resource": link,
        "offerType": "Invalid",
        "offerVersion": "V2",
        "offerResourceId": parts[-1] or str(resource),
        "content": decode(content),
        "id": name,
        "_rid": name,
        "_self": f"offers/{name}/",
        "_etag": etag(version),
        "_ts": ts,
    }
