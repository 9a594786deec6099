"""Requests for the account, databases, containers, ranges and throughput."""

from collections.abc import Iterable
from typing import Any

from mystira.cosmos_emulator import offers
from mystira.cosmos_emulator.catalogue import Catalogue, Container, Database
from mystira.cosmos_emulator.query_routes import is_query, over
from mystira.cosmos_emulator.rids import etag
from mystira.cosmos_emulator.wire import Refusal, Request, Response, answer, decode_object, number

EMPTY_FEEDS = {
    "sprocs": "StoredProcedures",
    "triggers": "Triggers",
    "udfs": "UserDefinedFunctions",
    "conflicts": "Conflicts",
    "users": "Users",
}


def account(request: Request) -> Response:
    """Describe the account; its only location is the address the client came by."""
    here = [{"name": "Local", "databaseAccountEndpoint": f"{request.base}/"}]
    return answer(
        200,
        {
            "id": "local",
            "_self": "",
            "_rid": "local",
            "_dbs": "//dbs/",
            "media": "//media/",
            "addresses": "//addresses/",
            "writableLocations": here,
            "readableLocations": here,
            "enableMultipleWriteLocations": False,
            "continuousBackupEnabled": True,
            "enableNRegionSynchronousCommit": False,
            "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
            "userReplicationPolicy": {"asyncReplication": False, "minReplicaSetSize": 1, "maxReplicasetSize": 1},
            "systemReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 1},
            "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
            "queryEngineConfiguration": "{}",
        },
    )


def databases(catalogue: Catalogue, request: Request) -> Response:
    """List databases, or create one."""
    if request.method == "GET" or is_query(request):
        return feed("", "Databases", (database.shown() for database in catalogue.databases()), request)
    _only(request, "POST")
    made = catalogue.create_database(decode_object(request.body))
    offers.create(catalogue, made.rid, made.shown()["_self"], request)
    return answer(201, made.shown(), {"etag": made.shown()["_etag"]})


def one_database(catalogue: Catalogue, database: Database, request: Request) -> Response:
    """Read or delete a database."""
    if request.method == "GET":
        return answer(200, database.shown(), {"etag": database.shown()["_etag"]})
    _only(request, "DELETE")
    catalogue.delete_database(database)
    return Response(204)


def containers(catalogue: Catalogue, database: Database, request: Request) -> Response:
    """List the containers of a database, or create one."""
    if request.method == "GET" or is_query(request):
        found = (container.shown() for container in catalogue.containers(database))
        return feed(database.shown()["_rid"], "DocumentCollections", found, request)
    _only(request, "POST")
    made = catalogue.create_container(database, decode_object(request.body))
    offers.create(catalogue, made.rid, made.link, request)
    return _container(made, 201)


def one_container(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Read, replace or delete a container."""
    if request.method == "GET":
        return _container(container, 200)
    _check_version(request, container)
    if request.method == "PUT":
        return _container(catalogue.replace_container(container, decode_object(request.body)), 200)
    _only(request, "DELETE")
    catalogue.delete_container(container)
    return Response(204)


def ranges(container: Container, request: Request) -> Response:
    """List the ranges of a container: all of them, or as a feed those that are new since the client asked last."""
    _only(request, "GET")
    newest = max(one.seq for one in container.ranges)
    tag = f'"{newest}"'
    after = number(request.headers.get("if-none-match", "").strip('"')) or 0
    if after == newest:
        return Response(304, b"", {"etag": tag})
    found = [one.shown(container.resource) for one in container.ranges if one.seq > after]
    body = {"_rid": str(container.resource), "PartitionKeyRanges": found, "_count": len(found)}
    return answer(200, body, {"etag": tag, "x-ms-item-count": str(len(found))})


def feed(rid: str, kind: str, found: Iterable[dict[str, Any]], request: Request) -> Response:
    """Return a list of resources, whole, or what a query finds in it."""
    listed = over(found, request) if is_query(request) else list(found)
    return answer(200, {"_rid": rid, kind: listed, "_count": len(listed)}, {"x-ms-item-count": str(len(listed))})


def _container(container: Container, status: int) -> Response:
    headers = {
        "etag": etag(container.version),
        "x-ms-alt-content-path": f"dbs/{container.database.id}".encode("ascii", "backslashreplace").decode(),
        "x-ms-documentdb-collection-index-transformation-progress": "100",
    }
    return answer(status, container.shown(), headers)


def _check_version(request: Request, container: Container) -> None:
    if request.headers.get("if-match") not in (None, "*", etag(container.version)):
        raise Refusal(412, f"The container {container.id} was changed meanwhile: read it again.")


def _only(request: Request, method: str) -> None:
    if request.method != method:
        raise Refusal(405, f"{request.method} is not possible here.")
