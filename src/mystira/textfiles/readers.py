"""A few child processes that read strangers' files, so that a hostile one takes only its own reader along."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from mystira.textfiles.child import (
    ANSWER_BYTES_MAX,
    FRAME_HEAD_BYTES,
    TEXT,
    Answer,
    Question,
    too_much_memory,
)
from mystira.textfiles.nodes import Unreadable
from mystira.textfiles.reading import Refused

READERS_MAX = 2
FILES_PER_READER_MAX = 500
IDLE_S_MAX = 10.0
# The parent's clock comes first; the reader's own alarm is for parents that are no more.
ALARM_S_AFTER = 5.0
SOURCES = str(Path(__file__).parents[2])
BEGIN = "import sys; sys.path.insert(0, sys.argv[1]); from mystira.textfiles.child import main; main()"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may take; the largest file that is not refused needs about a third of each."""

    time_s: float = 10.0
    memory_bytes: int = 768 * 1024 * 1024


USUAL_LIMITS = Limits()


class Readers:
    """Reads files in child processes, each started when it is needed and killed when a file exhausts it."""

    def __init__(self, examine: str, limits: Limits, form: str) -> None:
        self._examine = (form, examine)
        self._limits = limits
        self._turns = asyncio.Semaphore(READERS_MAX)
        self._idle: list[_Reader] = []
        self._going_home: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def read(self, data: bytes, context: bytes) -> bytes:
        """Return what the examining function makes of the file and the context, or raise Refused: nothing else."""
        question = msgspec.msgpack.encode(Question(data, context))
        async with self._turns:
            reader = self._waiting()
            if reader is not None:
                try:
                    return await self._asked(reader, question)
                except _Died:
                    # It may have died of something else than this file, so the file gets a fresh reader.
                    pass
            try:
                return await self._asked(await _Reader.start(self._examine, self._limits), question)
            except _Died as died:
                raise Refused(died.why) from died

    async def close(self) -> None:
        """End the readers and wait until they are gone; who reads again gets new ones."""
        if self._going_home is not None:
            self._going_home.cancel()
        self._send_home()
        await asyncio.gather(*self._ending)

    def _send_home(self) -> None:
        while self._idle:
            self._end(self._idle.pop())

    def _end(self, reader: "_Reader") -> None:
        ending = asyncio.create_task(reader.end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _waiting(self) -> "_Reader | None":
        while self._idle:
            reader = self._idle.pop()
            if reader.is_alive:
                return reader
            self._end(reader)
        return None

    async def _asked(self, reader: "_Reader", question: bytes) -> bytes:
        is_good = False
        try:
            answer = await reader.ask(question, self._limits.time_s)
            is_good = not answer.last and reader.files < FILES_PER_READER_MAX
        finally:
            # Also whoever stops waiting leaves no reader behind that is in the middle of a file.
            self._keep(reader) if is_good else self._end(reader)
        if answer.why is not None:
            raise Refused(answer.why)
        return answer.body

    def _keep(self, reader: "_Reader") -> None:
        self._idle.append(reader)
        if self._going_home is not None:
            self._going_home.cancel()
        self._going_home = asyncio.get_running_loop().call_later(IDLE_S_MAX, self._send_home)


@asynccontextmanager
async def open_readers(examine: str, limits: Limits = USUAL_LIMITS, form: str = TEXT) -> AsyncGenerator[Readers]:
    """Open readers for the function `examine` ("module:function", from a node and a context to an answer).

    With the form RAW the function gets the bytes as they are, instead of the node that they are read as.
    """
    readers = Readers(examine, limits, form)
    try:
        yield readers
    finally:
        await readers.close()


class _Died(Exception):
    def __init__(self, why: Unreadable) -> None:
        self.why = why
        super().__init__(why.message)


class _Reader:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.files = 0

    @staticmethod
    async def start(examine: tuple[str, str], limits: Limits) -> "_Reader":
        alarm_s = limits.time_s + ALARM_S_AFTER
        command = (sys.executable, "-I", "-c", BEGIN, SOURCES, *examine, str(limits.memory_bytes), str(alarm_s))
        pipe = asyncio.subprocess.PIPE
        try:
            # In a session of its own it does not hear the Ctrl-C that is meant for its parent.
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, start_new_session=True)
        except OSError as error:
            message = f"No process can be started to read this file ({error.strerror}). Try again in a moment."
            raise _Died(Unreadable("no_reader", message)) from error
        return _Reader(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, question: bytes, time_s: float) -> Answer:
        self.files += 1
        try:
            async with asyncio.timeout(time_s):
                return await self._exchanged(question)
        except TimeoutError as error:
            raise Refused(_too_slow()) from error
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            raise _Died(_why_dead(await self._process.wait())) from error

    async def _exchanged(self, question: bytes) -> Answer:
        source, target = self._process.stdout, self._process.stdin
        assert source is not None and target is not None, "both were asked for as pipes"
        target.write(len(question).to_bytes(FRAME_HEAD_BYTES, "big") + question)
        await target.drain()
        size = int.from_bytes(await source.readexactly(FRAME_HEAD_BYTES), "big")
        assert size < 2 * ANSWER_BYTES_MAX, "a reader keeps its answers short"
        return msgspec.msgpack.decode(await source.readexactly(size), type=Answer)

    async def end(self) -> None:
        if self.is_alive:
            self._process.kill()
        # Reading what may still be on the way closes the pipes.
        await self._process.communicate()


def _too_slow() -> Unreadable:
    return Unreadable("too_slow", "This file takes too long to read. Make it smaller, or split it.")


def _why_dead(returncode: int) -> Unreadable:
    if returncode == -signal.SIGALRM:
        return _too_slow()
    if returncode == -signal.SIGKILL:
        # Nobody but the system kills a reader that is still waited for, and it does so when memory runs out.
        return too_much_memory()
    message = "The reader of this file broke down over it. Make the file smaller, or take out what is unusual in it."
    return Unreadable("reader_died", message)
