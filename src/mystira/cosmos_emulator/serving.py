"""Listens on a port, over HTTP or HTTPS, until it is told to stop."""

import asyncio
import contextlib
import errno
import gc
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from mystira.cosmos_emulator.certificate import certificate
from mystira.cosmos_emulator.connection import Connection
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.schema import Unusable

HOST, PORT = "127.0.0.1", 8081
GRACE_S = 2


async def serve(
    endpoint: Endpoint, say: Callable[[str], None], *, host: str = HOST, port: int = PORT, https: bool = False, key: str
) -> None:
    """Serve until the process is interrupted, and say where."""
    async with listening(endpoint, host=host, port=port, https=https) as (address, server):
        say(f"The local Cosmos DB listens on {address}")
        say(f"AccountEndpoint={address}/;AccountKey={key};")
        gc.collect()
        gc.freeze()
        await server.serve_forever()


@asynccontextmanager
async def listening(
    endpoint: Endpoint, *, host: str = HOST, port: int = 0, https: bool = False
) -> AsyncGenerator[tuple[str, asyncio.Server]]:
    """Serve while the body runs; it is given the address and the server."""
    taken = _take(host, port)
    scheme, secure = ("https", _secure()) if https else ("http", None)
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(endpoint.answer, connections, scheme), sock=taken, ssl=secure
    )
    try:
        name = f"[{host}]" if ":" in host else "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104 - it is compared, not bound.
        yield f"{scheme}://{name}:{taken.getsockname()[1]}", server
    finally:
        server.close()
        for connection in tuple(connections):
            connection.close()
        with contextlib.suppress(TimeoutError):
            # A client that does not read its answer keeps nobody waiting.
            await asyncio.wait_for(server.wait_closed(), GRACE_S)
        endpoint.close()


def _secure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    return context


def _take(host: str, port: int) -> socket.socket:
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise Unusable(f"Port {port} is in use. Choose another with --port, or 0 for any.") from error
        raise Unusable(f"Cannot listen on {host}:{port} ({error.strerror}). Choose another --host.") from error
    return taken
