"""One account: finds out what a request is about, and always answers."""

import time
import uuid
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

from mystira.cosmos_emulator import (
    admin,
    batches,
    catalogue_routes,
    feed_routes,
    item_routes,
    offers,
    query_plans,
    query_routes,
    signing,
)
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.faults import CONNECTION_LOST, Faults, refusal
from mystira.cosmos_emulator.schema import Unusable, open_storage
from mystira.cosmos_emulator.wire import BODY_BYTES_MAX, Refusal, Request, Response, refuse

RANGES_AT_FIRST, RANGES_MAX = 2, 100
ALWAYS = {"content-type": "application/json", "x-ms-version": "2020-07-15", "x-ms-serviceversion": "version=local"}


class Endpoint:
    """One account with its databases. A request is answered in one step, so nobody sees another's half."""

    def __init__(
        self,
        file: Path | None = None,
        *,
        key: str = signing.WELL_KNOWN_KEY,
        ranges: int = RANGES_AT_FIRST,
        clock: Callable[[], float] = time.time,
        token: str | None = None,
    ) -> None:
        """`token` stands for every token of Entra ID; without it none is taken."""
        if not 1 <= ranges <= RANGES_MAX:
            raise Unusable(f"A container has 1 to {RANGES_MAX} ranges at first; choose --ranges so.")
        try:
            self._signing_key = b64decode(key, validate=True)
        except ValueError:
            raise Unusable("The key must be base64 text, as the service's keys are.") from None
        self._key, self._token = key, token
        self._connection = open_storage(file)
        self._catalogue = Catalogue(self._connection, clock, ranges)
        self._faults = Faults()
        self._run, self._answered = str(uuid.uuid4())[:-12], 0

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def answer(self, request: Request) -> Response | None:
        """Answer one request; None when a test has ordered that the connection is lost."""
        try:
            response = self._answer(request)
        except Refusal as refused:
            if refused.status == CONNECTION_LOST:
                return None
            response = refuse(refused)
        self._answered += 1
        headers = {
            **ALWAYS,
            "x-ms-request-charge": f"{response.charge:.2f}",
            "x-ms-activity-id": request.headers.get("x-ms-activity-id") or f"{self._run}{self._answered:012x}",
            **response.headers,
        }
        return response._replace(headers=headers)

    def _answer(self, request: Request) -> Response:
        if len(request.body) > BODY_BYTES_MAX:
            raise Refusal(413, f"A request may have {BODY_BYTES_MAX} bytes.")
        if request.segments[:1] == (admin.PREFIX,):
            return admin.administer(self._catalogue, self._faults, self._key, request)
        signing.check(request, self._signing_key, self._token)
        fault = self._faults.next_for(request)
        if fault is not None:
            if fault.applied:
                self._route(request)
            raise refusal(fault)
        return self._route(request)

    def _route(self, request: Request) -> Response:
        match request.segments:
            case ():
                return catalogue_routes.account(request)
            case ("dbs",):
                return catalogue_routes.databases(self._catalogue, request)
            case ("offers",):
                return catalogue_routes.feed("", "Offers", offers.every(self._catalogue), request)
            case ("offers", name):
                return offers.one(self._catalogue, name, request)
            case ("dbs", database, *rest):
                return self._in_database(database, rest, request)
            case _:
                raise Refusal(404, f"/{'/'.join(request.segments)} names nothing here.")

    def _in_database(self, name: str, rest: list[str], request: Request) -> Response:
        database = self._catalogue.database(name)
        match rest:
            case []:
                return catalogue_routes.one_database(self._catalogue, database, request)
            case ["colls"]:
                return catalogue_routes.containers(self._catalogue, database, request)
            case ["colls", container, *inside]:
                return self._in_container(self._catalogue.container(database, container), inside, request)
            case _:
                return _others(rest[-1], request)

    def _in_container(self, container: Container, inside: list[str], request: Request) -> Response:
        intended = request.headers.get("x-ms-cosmos-intended-collection-rid")
        if intended not in (None, str(container.resource)):
            # The container was deleted and made anew under the same name; its clients must learn the new one.
            raise Refusal(400, "The container was made anew: read it again.", 1024)
        match inside:
            case []:
                return catalogue_routes.one_container(self._catalogue, container, request)
            case ["docs"]:
                return self._items(container, request)
            case ["docs", _]:
                return item_routes.one_item(self._catalogue, container, request)
            case ["pkranges"]:
                return catalogue_routes.ranges(container, request)
            case ["operations", "partitionkeydelete"]:
                return item_routes.delete_partition(self._catalogue, container, request)
            case _:
                return _others(inside[-1], request)

    def _items(self, container: Container, request: Request) -> Response:
        if request.method == "GET":
            return feed_routes.items(self._catalogue, container, request)
        if request.method != "POST":
            raise Refusal(405, f"{request.method} is not possible here.")
        if request.says("x-ms-cosmos-is-query-plan-request"):
            return query_plans.plan(request)
        if query_routes.is_query(request):
            return query_routes.query(self._catalogue, container, request)
        if request.says("x-ms-cosmos-is-batch-request"):
            return batches.batch(self._catalogue, container, request)
        return item_routes.create_item(self._catalogue, container, request)


def _others(kind: str, request: Request) -> Response:
    if request.method == "GET" and kind in catalogue_routes.EMPTY_FEEDS:
        return catalogue_routes.feed("", catalogue_routes.EMPTY_FEEDS[kind], (), request)
    raise Refusal(400, f"This endpoint keeps items; it has no {kind}.")
