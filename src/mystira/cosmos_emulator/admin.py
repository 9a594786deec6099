"""What only this endpoint can do, under /_emulator: order trouble, split and merge ranges."""

import hmac
from typing import Any

from mystira.cosmos_emulator import ranges
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.faults import Faults
from mystira.cosmos_emulator.schema import transaction
from mystira.cosmos_emulator.wire import Refusal, Request, Response, answer, decode_object

PREFIX = "_emulator"


def administer(catalogue: Catalogue, faults: Faults, key: str, request: Request) -> Response:
    """Do what an administrator asks, who shows the key itself: Authorization: Bearer KEY."""
    shown = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(shown.encode(), key.encode()):
        raise Refusal(401, "Show the key: Authorization: Bearer KEY.")
    verb = request.segments[1:]
    if request.method != "POST" or verb not in (("faults",), ("split",), ("merge",)):
        raise Refusal(404, f"POST to /{PREFIX}/faults, /{PREFIX}/split or /{PREFIX}/merge.")
    asked = decode_object(request.body)
    if verb == ("faults",):
        faults.order(asked)
        return answer(200, {})
    container = _container(catalogue, asked)
    now = int(catalogue.clock())
    with transaction(catalogue.connection):
        if verb == ("split",):
            which = asked.get("range")
            ranges.split(
                catalogue.connection, container.rid, container.ranges, None if which is None else str(which), now
            )
        else:
            low, high = _two(asked.get("ranges"))
            ranges.merge(catalogue.connection, container.rid, container.ranges, low, high, now)
    catalogue.forget()
    after = catalogue.container(container.database, container.id)
    return answer(200, {"ranges": [one.shown(container.resource) for one in after.ranges]})


def _container(catalogue: Catalogue, asked: dict[str, Any]) -> Container:
    return catalogue.container(catalogue.database(str(asked.get("database"))), str(asked.get("container")))


def _two(given: Any) -> tuple[str, str]:
    match given:
        case [low, high]:
            return str(low), str(high)
        case _:
            raise Refusal(400, 'Name two ranges: {"ranges": ["0", "1"]}.')
