"""One reading process: takes files on its standard input, answers on its standard output, touches nothing else.

Everything that a hostile file may exhaust is exhausted here. The process limits itself and may be killed at any time:
it holds nothing but the file it reads.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO, cast

import msgspec

from mystira.textfiles.nodes import Unreadable
from mystira.textfiles.reading import Refused, read

FRAME_HEAD_BYTES = 4
ANSWER_BYTES_MAX = 32_000_000
TEXT, RAW = "text", "raw"

Examine = Callable[[Any, bytes], bytes]
"""What is done with a file (a Node, or its bytes where they are raw) and its context; Refused is told to who asked."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """A file, and what the examining function must know besides."""

    data: bytes
    context: bytes


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What the examining function returned, or why the file was refused; after the last one the process ends."""

    body: bytes = b""
    why: Unreadable | None = None
    last: bool = False


def main() -> None:
    """Answer until the input ends; the arguments say text or raw, who examines, the bytes of memory, the seconds."""
    form, name, memory_bytes, time_s = sys.argv[-4:]
    _limit(int(memory_bytes))
    # What anything prints must not run into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    examine = _named(name)
    answer = Answer()
    while not answer.last and (frame := _frame(sys.stdin.buffer)):
        # Should whoever asked be gone, the alarm ends a reading that nobody waits for, even inside C code.
        signal.setitimer(signal.ITIMER_REAL, float(time_s))
        answer = answered(msgspec.msgpack.decode(frame, type=Question), examine, raw=form == RAW)
        signal.setitimer(signal.ITIMER_REAL, 0)
        body = msgspec.msgpack.encode(answer)
        answers.write(len(body).to_bytes(FRAME_HEAD_BYTES, "big") + body)
        answers.flush()


def answered(question: Question, examine: Examine, *, raw: bool) -> Answer:
    """Read one file and examine it."""
    try:
        body = examine(question.data if raw else read(question.data), question.context)
    except Refused as refused:
        return Answer(why=refused.why)
    except MemoryError:
        return Answer(why=too_much_memory(), last=True)
    if len(body) > ANSWER_BYTES_MAX:
        message = "There is more wrong with this file than can be told. Begin with a smaller part of it."
        return Answer(why=Unreadable("too_much_wrong", message), last=True)
    return Answer(body)


def too_much_memory() -> Unreadable:
    """Say that a file exhausted the memory of its reader."""
    return Unreadable("too_much_memory", "This file takes too much memory to read. Make it smaller, or split it.")


def _limit(memory_bytes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Some systems know no limit of address space; there the time limit has to do.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _named(name: str) -> Examine:
    module, _, function = name.partition(":")
    return cast(Examine, getattr(cast(Any, import_module(module)), function))


def _frame(source: BinaryIO) -> bytes:
    head = source.read(FRAME_HEAD_BYTES)
    size = int.from_bytes(head, "big")
    body = source.read(size)
    # Half a frame means that whoever wrote it is gone.
    return body if len(head) == FRAME_HEAD_BYTES and len(body) == size else b""
