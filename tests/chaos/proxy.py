"""Stands between everybody and PostgreSQL, and loses answers to writes that have been committed."""

import asyncio
import contextlib
from pathlib import Path
from random import Random

SOCKET = ".s.PGSQL.5432"
# Ready for the next query, outside a transaction: whatever was asked for has been committed.
DONE = b"Z\x00\x00\x00\x05I"
# A fact's name travels with the write that tells it; a merge ends with COMMIT.
WRITES = (b"Written", b"Raised", b"COMMIT;")


class Proxy:
    """A socket in a folder of its own; `share` of the answers to commits are swallowed and the line is cut."""

    def __init__(self, target: Path, random: Random) -> None:
        self._target = target
        self._random = random
        self._lines: set[asyncio.StreamWriter] = set()
        self.share = 0.0
        self.commits = self.dropped = 0

    async def start(self, folder: Path) -> None:
        """Listen; clients name the folder as their host."""
        self._server = await asyncio.start_unix_server(self._serve, folder / SOCKET)

    async def stop(self) -> None:
        """Listen no more, and cut every line."""
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Cut every line, whatever is on its way."""
        for line in self._lines:
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line()
        pair = {writer, back}
        self._lines |= pair
        try:
            await asyncio.gather(self._ask(reader, back, line), self._answer(there, writer, line))
        finally:
            self._lines -= pair
            for end in pair:
                end.transport.abort()

    async def _ask(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, line: "_Line") -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(65_536):
                line.writes = line.writes or any(sign in chunk for sign in WRITES)
                target.write(chunk)
        target.transport.abort()

    async def _answer(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, line: "_Line") -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(65_536):
                if chunk.endswith(DONE) and line.writes:
                    line.writes = False
                    self.commits += 1
                    if self._random.random() < self.share:
                        self.dropped += 1
                        break
                target.write(chunk)
        target.transport.abort()


class _Line:
    """What one connection is doing: whether a write was asked for whose answer has not come."""

    writes = False
