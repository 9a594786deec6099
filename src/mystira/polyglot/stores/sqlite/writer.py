"""The one thread that writes: waiting writes share a transaction, each with its own answer."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import apsw

from mystira.polyglot.store import OutcomeUnknown, StoreError, Unavailable
from mystira.polyglot.stores.sqlite.failures import sentence

BATCH = 64

Job = Callable[[apsw.Connection, int], Any]
"""Given the connection and a position of its own. It refuses, by an exception, before it changes anything."""

# Positions are given inside the write transaction, so that none becomes visible before a lower one. Each write of a
# transaction has one; those of refused writes stay unused, and gaps mean nothing.
TAKE_POSITIONS = "UPDATE _position SET last = last + ? RETURNING last"


class _Waiting(NamedTuple):
    job: Job
    answer: "asyncio.Future[Any]"


class Writer:
    """Runs jobs inside transactions, in the order they came. It serves one event loop at a time."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.path = connection.filename
        self._closed = False
        self._gathered: list[_Waiting] = []
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def write(self, job: Job) -> Any:
        """Return what the job returned, after its transaction is on the disk."""
        if self._closed:
            raise Unavailable(sentence(self.path, apsw.ConnectionClosedError("closed")))
        loop = asyncio.get_running_loop()
        waiting = _Waiting(job, loop.create_future())
        self._gathered.append(waiting)
        if len(self._gathered) == 1:
            # Tasks that are ready now write in this very turn of the loop: one wake-up and one transaction for all.
            loop.call_soon(self._hand_over)
        return await waiting.answer

    def close(self) -> None:
        """Finish what waits, then end the thread."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        for start in range(0, len(gathered), BATCH):
            self._queue.put(gathered[start : start + BATCH])

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            ended = False
            while len(batch) < BATCH and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    ended = True
                    break
                batch += more
            _answer(batch, self._commit(batch))
            if ended:
                return

    def _commit(self, batch: list[_Waiting]) -> list[Any]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            last = cast(int, self._connection.execute(TAKE_POSITIONS, (len(batch),)).get)
            first = last - len(batch) + 1
            answers = [self._try(waiting, position) for position, waiting in enumerate(batch, start=first)]
        except apsw.Error as error:
            return self._give_up(batch, Unavailable, error)
        try:
            self._connection.execute("COMMIT")
        except apsw.IOError as error:
            # The log may have reached the disk although its confirmation failed: a crash now would reveal it.
            return self._give_up(batch, OutcomeUnknown, error)
        except apsw.Error as error:
            return self._give_up(batch, Unavailable, error)
        return answers

    def _try(self, waiting: _Waiting, position: int) -> Any:
        if waiting.answer.cancelled():
            # Whoever gave up has reckoned with the longest request: begun now, the write could come after a flip.
            return None
        try:
            return waiting.job(self._connection, position)
        except apsw.Error:
            # The file is in trouble, so the whole transaction is.
            raise
        except Exception as refused:  # noqa: BLE001 - it is raised where the write was asked for; the thread goes on.
            return refused

    def _give_up(self, batch: list[_Waiting], kind: type[StoreError], error: apsw.Error) -> list[Any]:
        # SQLite may have rolled back by itself already; if this fails too, the next BEGIN says so.
        with contextlib.suppress(apsw.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return [kind(sentence(self.path, error)) for _ in batch]


def _answer(batch: list[_Waiting], answers: list[Any]) -> None:
    # A loop that has ended meanwhile has nobody left who waits.
    with contextlib.suppress(RuntimeError):
        batch[0].answer.get_loop().call_soon_threadsafe(_settle, batch, answers)


def _settle(batch: list[_Waiting], answers: list[Any]) -> None:
    for waiting, answer in zip(batch, answers, strict=True):
        if waiting.answer.done():
            # The caller was cancelled meanwhile; the write stands all the same.
            continue
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
