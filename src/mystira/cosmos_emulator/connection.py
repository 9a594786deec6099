"""HTTP/1.1 on one connection: each request is answered as soon as it is whole, without a task for it."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote_to_bytes

import httptools

from mystira.cosmos_emulator.wire import BODY_BYTES_MAX, Refusal, Request, Response, refuse

Answer = Callable[[Request], Response | None]

_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
# Headers are few and short; a stranger's endless ones must not fill the memory.
HEADER_BYTES_MAX = 128 * 1024


class Connection(asyncio.Protocol):
    """Feeds what arrives to the parser, which calls back; requests sent ahead wait for those before them."""

    def __init__(self, answer: Answer, open_ones: "set[Connection]", scheme: str) -> None:
        self._answer = answer
        self._open_ones = open_ones
        self._scheme = scheme
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Be forgotten."""
        self._open_ones.discard(self)

    def close(self) -> None:
        """End after what was answered has been sent."""
        self._transport.close()

    def pause_writing(self) -> None:
        """Read no more requests while the client does not read its answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            self._refuse(500, "The endpoint failed, which is a defect of its own: see what it has printed.")
            raise
        except httptools.HttpParserUpgrade:
            # The request was answered as if no upgrade had been wished for.
            self.close()
        except httptools.HttpParserError as error:
            self._refuse(400, f"This is no HTTP/1.1 request: {error}")

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes <= HEADER_BYTES_MAX:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Encourage a client that waits before it sends the body."""
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; of one that is too long only so much that it can be seen to be."""
        if self._body_bytes <= BODY_BYTES_MAX:
            self._body.append(body)
            self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        """Answer, unless the connection has ended with a request before."""
        if self._transport.is_closing():
            return
        if self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(431, f"The headers of a request may have {HEADER_BYTES_MAX} bytes.")
            return
        request = self._request()
        response = self._answer(request)
        if response is not None:
            self._send(response, silent=request.method == "HEAD")
        else:
            # More is promised than is sent, so that the client knows no outcome.
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        if response is None or self._ends():
            self.close()

    def _request(self) -> Request:
        path = self._target.partition(b"?")[0]
        segments = tuple(_segment(part) for part in path.split(b"/") if part)
        base = f"{self._scheme}://{self._headers.get('host', 'localhost')}"
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        return Request(self._parser.get_method().decode(), segments, self._headers, body, base)

    def _ends(self) -> bool:
        return not self._parser.should_keep_alive() or self._parser.should_upgrade()

    def _refuse(self, status: int, message: str) -> None:
        if not self._transport.is_closing():
            self._send(refuse(Refusal(status, message)))
            self.close()

    def _send(self, response: Response, *, silent: bool = False) -> None:
        body = b"" if silent else response.body
        head = [_LINES[response.status], _date(int(time.time()))]
        head += [f"{name}: {value}\r\n" for name, value in response.headers.items()]
        if response.status not in _WITHOUT_BODY:
            head.append(f"content-length: {len(response.body)}\r\n")
        if self._ends():
            head.append("connection: close\r\n")
        head.append("\r\n")
        self._transport.write("".join(head).encode("latin-1", "replace") + body)


@lru_cache(maxsize=1)
def _date(now_s: int) -> str:
    return f"date: {formatdate(now_s, usegmt=True)}\r\n"


def _segment(part: bytes) -> str:
    found = unquote_to_bytes(part) if b"%" in part else part
    return found.decode(errors="surrogateescape")
