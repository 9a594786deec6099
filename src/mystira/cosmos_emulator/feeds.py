"""Which part of a container a request is about, and the headers that every answer about items carries."""

from mystira.cosmos_emulator.catalogue import Container
from mystira.cosmos_emulator.changes import Scope
from mystira.cosmos_emulator.partition import prefix_of_header, text_of
from mystira.cosmos_emulator.ranges import Range
from mystira.cosmos_emulator.wire import Refusal, Request, number

GONE = 1002


def scope(container: Container, request: Request) -> Scope:
    """Return what the headers narrow a feed or a query to; a range that was split or merged is gone."""
    found = Scope()
    chosen = chosen_range(container, request)
    if chosen is not None:
        found = Scope(chosen.low, chosen.high)
    start, end = request.headers.get("x-ms-start-epk"), request.headers.get("x-ms-end-epk")
    if start is not None and end is not None:
        if chosen is None:
            _one_range(container, start, end)
        found = Scope(max(found.low, start.upper()), min(found.high, end.upper()))
    key = prefix_of_header(request.headers.get("x-ms-documentdb-partitionkey"))
    if not key:
        return found
    place = container.key.place(key)
    if len(key) < len(container.key.paths):
        return Scope(max(found.low, place), min(found.high, place + "FF"))
    if len(key) > len(container.key.paths):
        raise Refusal(400, "The partition key in the header has more components than the container defines.", 1001)
    return found._replace(pk=text_of(key))


def chosen_range(container: Container, request: Request) -> Range | None:
    """Return the range that the request names, or refuse one that is gone."""
    name = request.headers.get("x-ms-documentdb-partitionkeyrangeid")
    if name is None:
        return None
    # Some clients write the container's resource id in front.
    name = name.rpartition(",")[2]
    found = next((one for one in container.ranges if str(one.id) == name), None)
    if found is None:
        raise Refusal(410, f"The range {name} is gone: it was split or merged. Ask for the ranges again.", GONE)
    return found


def _one_range(container: Container, start: str, end: str) -> None:
    if not any(one.low <= start and end <= one.high for one in container.ranges):
        raise Refusal(410, f"{start} to {end} lies in more than one range. Ask for the ranges again.", GONE)


def range_of(container: Container, place: str) -> Range:
    """Return the range in which a key lies."""
    return next(one for one in container.ranges if one.holds(place))


def session(lsn: int, *among: Range) -> str:
    """Return the session token: how far each of the ranges has come."""
    return ",".join(f"{one.id}:-1#{lsn}" for one in among)


def check_session(request: Request, lsn: int) -> None:
    """Refuse to read from a container that has not come as far as the client has already seen."""
    for part in request.headers.get("x-ms-session-token", "").split(","):
        seen = part.rpartition(":")[2].split("#")
        if len(seen) >= 2 and (number(seen[1]) or 0) > lsn:
            raise Refusal(404, "The session token is ahead of this container: its data was lost or replaced.", GONE)
