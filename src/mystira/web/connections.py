"""Connections that bring each request in time and in bounded size: the server itself waits and grows for ever."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mystira.web.bodies import BODY_BYTES_MAX
from mystira.web.envelope import PROTECTING
from mystira.web.uploads import Allowance

log = structlog.get_logger(__name__)

REQUEST_S_MAX = 30.0
HEAD_BYTES_MAX = 64 * 1024
# A body may come in very small chunks, each with its size in front of it.
REQUEST_BYTES_MAX = HEAD_BYTES_MAX + 4 * BODY_BYTES_MAX
# A process may usually hold 1,024 files open; stores need some of them.
CONNECTIONS_MAX = 900


class BoundedConnection(HttpToolsProtocol):
    """One client's connection. What comes too slowly or is too much is refused, and the connection ends."""

    request_s_max = REQUEST_S_MAX
    connections_max = CONNECTIONS_MAX
    allowances: Mapping[str, Allowance] = {}
    """The paths whose requests may be larger and slower, since they bring files; set by the server."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._bytes = 0
        self._chunk_bytes = 0
        self._is_in_head = True
        self._bytes_max = REQUEST_BYTES_MAX

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            log.warning("too_many_connections", connections=len(self.connections))
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many are connected. Please try again in a moment.")
        else:
            self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, and count it as part of the request that it belongs to."""
        if self.transport.is_closing():
            return
        self._expect_a_request()
        self._chunk_bytes = len(data)
        super().data_received(data)
        self._bytes += len(data)
        if self._is_in_head and self._bytes > HEAD_BYTES_MAX:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers of this request are too large.")
        elif self._bytes > self._bytes_max:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This request is too large.")
        elif self._bytes_max > REQUEST_BYTES_MAX and self._is_answered():
            # Files that were refused are not worth waiting for.
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        super().on_message_begin()
        self._is_in_head = True
        self._bytes_max = REQUEST_BYTES_MAX
        self._expect_a_request()

    def on_headers_complete(self) -> None:
        """Begin to answer it."""
        self._is_in_head = False
        super().on_headers_complete()
        allowance = self.allowances.get(self.scope["path"])
        if allowance is not None:
            self._bytes_max = REQUEST_BYTES_MAX + 2 * allowance.bytes_max
            self._expect_nothing()
            self._deadline = self.loop.call_later(allowance.seconds, self._be_too_late)

    def on_message_complete(self) -> None:
        """Stop waiting: the request is here."""
        super().on_message_complete()
        self._expect_nothing()
        # What else is in this chunk belongs to the next request, at most.
        self._bytes = -self._chunk_bytes
        self._bytes_max = REQUEST_BYTES_MAX
        self._is_in_head = True

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request at all."""
        self._refuse(HTTPStatus.BAD_REQUEST, "This is not an HTTP request.")

    def _is_answered(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and cycle.response_complete

    def _expect_a_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_s_max, self._be_too_late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _be_too_late(self) -> None:
        self._deadline = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "This request took too long to arrive.")

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._expect_nothing()
        if self.transport.is_closing():
            return
        # An answer under way must not be followed by another one that looks like its end.
        cycle: Any = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            body = text.encode()
            headers = (
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *((b"retry-after", b"5"),) * (status == HTTPStatus.SERVICE_UNAVAILABLE),
                *PROTECTING,
            )
            lines = b"".join(b"%b: %b\r\n" % header for header in headers)
            self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (status, status.phrase.encode(), lines, body))
        self.transport.close()
