"""Several operations on one partition, all or none; or, where the client says so, each for itself."""

from collections.abc import Iterator
from typing import Any, cast

from mystira.cosmos_emulator import charges, item_routes
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.changes import last_position
from mystira.cosmos_emulator.documents import BYTES_MAX, shown
from mystira.cosmos_emulator.items import Commit, Operation, Outcome, Partition, expire, partition_of, perform
from mystira.cosmos_emulator.schema import transaction
from mystira.cosmos_emulator.wire import Refusal, Request, Response, decode, encode

OPERATIONS_MAX = 100
KINDS = ("Create", "Upsert", "Replace", "Read", "Delete", "Patch")
MULTI_STATUS, FAILED_DEPENDENCY = 207, 424

Result = tuple[int, bytes, float]
"""Status, JSON text and charge of one operation."""


def batch(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Carry out a batch; the answer lists what became of each operation."""
    header = request.headers.get("x-ms-documentdb-partitionkey")
    asked = _operations(request)
    if request.says("x-ms-cosmos-batch-atomic"):
        where = partition_of(container, header)
        results = _all_or_none(catalogue, where, [_operation(one) for one in asked])
        place = where.place
    else:
        results = list(_each(catalogue, container, asked, header))
        place = container.ranges[0].low
    status = MULTI_STATUS if any(one[0] >= 400 for one in results) else 200
    lsn = last_position(catalogue.connection, container)
    body = b"[" + b",".join(text for _, text, _ in results) + b"]"
    return Response(status, body, item_routes.headers(container, lsn, place), sum(one[2] for one in results))


def _operations(request: Request) -> list[dict[str, Any]]:
    if len(request.body) > BYTES_MAX:
        raise Refusal(413, f"A batch may have {BYTES_MAX} bytes.")
    given = decode(request.body)
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in cast("list[Any]", given)):
        raise Refusal(400, "A batch must be a JSON array of operations.")
    operations = cast("list[dict[str, Any]]", given)
    if not 1 <= len(operations) <= OPERATIONS_MAX:
        raise Refusal(400, f"A batch has 1 to {OPERATIONS_MAX} operations; this one has {len(operations)}.")
    return operations


def _operation(given: dict[str, Any]) -> Operation:
    kind, content = given.get("operationType"), given.get("resourceBody")
    if kind not in KINDS:
        raise Refusal(400, f"{kind!r} is no operation of a batch; there are {', '.join(KINDS)}.")
    if not isinstance(content, dict):
        if kind not in ("Read", "Delete"):
            raise Refusal(400, f"The operation {kind} needs a resourceBody.")
        content = {}
    conditions = (given.get(name) for name in ("ifMatch", "ifNoneMatch"))
    return Operation(kind, str(given.get("id", "")), cast("dict[str, Any]", content), *conditions)


def _all_or_none(catalogue: Catalogue, where: Partition, asked: list[Operation]) -> list[Result]:
    results: list[Result] = []
    try:
        with transaction(catalogue.connection):
            expire(catalogue, where.container)
            commit = Commit(catalogue, where.container)
            for one in asked:
                results.append(_done(where.container, perform(commit, where, one)))
    except Refusal as refusal:
        waste = sum(one[2] for one in results)
        dependent = (FAILED_DEPENDENCY, encode({"statusCode": FAILED_DEPENDENCY, "requestCharge": 0}), 0.0)
        failed = _refused(refusal, charges.NOT_DONE + waste)
        return [dependent] * len(results) + [failed] + [dependent] * (len(asked) - len(results) - 1)
    return results


def _each(
    catalogue: Catalogue, container: Container, asked: list[dict[str, Any]], header: str | None
) -> Iterator[Result]:
    for one in asked:
        try:
            where = partition_of(container, one.get("partitionKey", header))
            with transaction(catalogue.connection):
                expire(catalogue, container)
                outcome = perform(Commit(catalogue, container), where, _operation(one))
            yield _done(container, outcome)
        except Refusal as refusal:
            yield _refused(refusal, charges.NOT_DONE)


def _done(container: Container, outcome: Outcome) -> Result:
    told: dict[str, Any] = {"statusCode": outcome.status, "requestCharge": outcome.charge}
    if outcome.item is None or outcome.status == 304:
        return outcome.status, encode(told), outcome.charge
    told["eTag"] = outcome.item.etag
    return (
        outcome.status,
        encode(told)[:-1] + b',"resourceBody":' + shown(container, outcome.item) + b"}",
        outcome.charge,
    )


def _refused(refusal: Refusal, charge: float) -> Result:
    told = {"statusCode": refusal.status, "subStatusCode": refusal.substatus, "requestCharge": charge}
    return refusal.status, encode({**told, "message": refusal.message}), charge
