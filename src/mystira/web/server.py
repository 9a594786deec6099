"""Serves an application over HTTP until it is told to stop."""

import asyncio
import errno
import gc
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import uvicorn
from litestar import Litestar

from mystira.polyglot.problem import Kind, Problem
from mystira.web.connections import BoundedConnection
from mystira.web.uploads import allowances

GRACE_S = 5


class PortInUse(Problem):
    """Port {port} is in use by another program. Choose another with MYSTIRA_PORT=8001, or stop that program."""

    kind = Kind.UNAVAILABLE


class AddressUnusable(Problem):
    """Cannot listen on {host}:{port} ({reason}). Choose another address with MYSTIRA_HOST and MYSTIRA_PORT."""

    kind = Kind.UNAVAILABLE


def take_port(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, before anything slow is started; PortInUse when somebody has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port=port) from error
        raise AddressUnusable(host=host, port=port, reason=error.strerror) from error
    except (TypeError, UnicodeError) as error:
        taken.close()
        raise AddressUnusable(host=host, port=port, reason="this is no name of a machine") from error
    return taken


class Server(uvicorn.Server):
    """A server whose signals belong to the caller: call `stop` to end it."""

    def __init__(self, app: Litestar, proxies: Sequence[str] = ()) -> None:
        """`proxies` are the only ones whose X-Forwarded-For and X-Forwarded-Proto are believed."""
        connection = type("Connection", (BoundedConnection,), {"allowances": allowances(app)})
        config = uvicorn.Config(
            cast(Any, app),
            http=cast(Any, connection),
            ws="none",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=GRACE_S,
        )
        super().__init__(config)
        self._app = app
        self._listening = asyncio.Event()

    # Signals belong to whoever started this, so the base class must not take them.
    capture_signals = nullcontext  # pyright: ignore[reportAssignmentType,reportIncompatibleMethodOverride]

    def stop(self) -> None:
        """Finish the running requests, end the streams, then end."""
        self.should_exit = True
        self._app.state.streams.close()

    async def serve_on(self, taken: socket.socket) -> None:
        """Serve until stopped."""
        # What exists now stays: collecting it again and again only costs pauses.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        await self.serve(sockets=[taken])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and tell those who wait for it."""
        await super().startup(sockets)
        self._listening.set()

    async def ready(self, serving: "asyncio.Task[None]") -> None:
        """Return when requests are answered; raise what kept the server from starting."""
        listening = asyncio.create_task(self._listening.wait())
        await asyncio.wait((listening, serving), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if serving.done():
            serving.result()
