"""The one thread that writes: waiting writes share a transaction, each with its own answer."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import apsw

from mystira.polyglot.store import OutcomeUnknown, StoreError, Unavailable

BATCH = 64

Job = Callable[[apsw.Connection], Any]


class _Waiting(NamedTuple):
    job: Job
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Writer:
    """Runs jobs inside transactions, in the order they came. A job raises StoreError before it changes anything."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def write(self, job: Job) -> Any:
        """Return what the job returned, after its transaction is on the disk."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._queue.put(_Waiting(job, answer, loop))
        return await answer

    def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            ended = False
            while len(batch) < BATCH and not self._queue.empty():
                waiting = self._queue.get()
                if waiting is None:
                    ended = True
                    break
                batch.append(waiting)
            self._commit(batch)
            if ended:
                return

    def _commit(self, batch: list[_Waiting]) -> None:
        answers: list[tuple[_Waiting, Any]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            answers += ((waiting, self._try(waiting.job)) for waiting in batch)
        except apsw.Error as error:
            self._give_up(batch, Unavailable(f"SQLite: {error!r}"))
            return
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            failed = OutcomeUnknown if isinstance(error, apsw.IOError) else Unavailable
            self._give_up(batch, failed(f"SQLite: {error!r}"))
            return
        for waiting, answer in answers:
            _answer(waiting, answer)

    def _try(self, job: Job) -> Any:
        try:
            return job(self._connection)
        except StoreError as refused:
            return refused

    def _give_up(self, batch: list[_Waiting], error: StoreError) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for waiting in batch:
            _answer(waiting, error)


def _answer(waiting: _Waiting, answer: Any) -> None:
    def settle() -> None:
        if waiting.answer.done():
            # The caller was cancelled meanwhile; the write stands all the same.
            return
        if isinstance(answer, StoreError):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)

    if not waiting.loop.is_closed():
        waiting.loop.call_soon_threadsafe(settle)
