"""Listens on a port, over HTTP or HTTPS, until it is told to stop."""

import asyncio
import contextlib
import errno
import gc
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn

from mystira.cosmos_emulator.certificate import certificate
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
        await server


@asynccontextmanager
async def listening(
    endpoint: Endpoint, *, host: str = HOST, port: int = 0, https: bool = False
) -> AsyncGenerator[tuple[str, "asyncio.Task[None]"]]:
    """Serve while the body runs; it is given the address and the server's task."""
    taken = _take(host, port)
    files: dict[str, Any] = {}
    if https:
        files = dict(zip(("ssl_certfile", "ssl_keyfile"), map(str, certificate()), strict=True))
    server = _Server(
        uvicorn.Config(
            cast(Any, endpoint),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=GRACE_S,
            **files,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[taken]))
    try:
        await server.ready(serving)
        name = f"[{host}]" if ":" in host else "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104 - it is compared, not bound.
        yield f"{'https' if https else 'http'}://{name}:{taken.getsockname()[1]}", serving
    finally:
        server.should_exit = True
        await serving
        endpoint.close()


class _Server(uvicorn.Server):
    # Signals belong to whoever started this, so the base class must not take them.
    capture_signals = contextlib.nullcontext  # pyright: ignore[reportAssignmentType,reportIncompatibleMethodOverride]

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and tell those who wait for it."""
        await super().startup(sockets)
        self._listening.set()

    async def ready(self, serving: "asyncio.Task[None]") -> None:
        """Return when requests are answered; raise what kept the server from starting."""
        waiting = asyncio.create_task(self._listening.wait())
        await asyncio.wait((waiting, serving), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if serving.done():
            serving.result()


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
