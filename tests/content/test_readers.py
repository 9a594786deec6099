"""Readers of strangers' files: whatever a file does, it takes only its own reader along."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mystira.textfiles.nodes import Node
from mystira.textfiles.readers import READERS_MAX, Limits, Readers, open_readers
from mystira.textfiles.reading import BYTES_MAX, Refused

pytestmark = pytest.mark.anyio
HERE = str(Path(__file__).parents[2])


def examine(node: Node, context: bytes) -> bytes:
    """What the readers of this test do with a file: what its first word says."""
    word = str(node.value[0][0].value)
    if word == "pid":
        return str(os.getpid()).encode()
    if word == "spin":
        while True:
            pass
    if word == "hold_the_interpreter":
        # One call into C that hears of no signal handler until it ends, which it never does.
        pow(10 ** (10**6), 10**9)
    if word == "eat":
        return b"".join([bytes(10**8) for _ in range(50)])
    if word == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "print":
        print("this is no answer", flush=True)
        os.write(1, b"neither is this")
    if word == "long":
        return bytes(40_000_000)
    return context + word.encode()


@pytest.fixture
async def readers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Readers]:
    # The reading processes find this very file beside the sources.
    monkeypatch.setattr("mystira.textfiles.readers.SOURCES", HERE)
    async with open_readers("tests.content.test_readers:examine", Limits(time_s=3)) as opened:
        yield opened


async def refusal(readers: Readers, data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        await readers.read(data, b"")
    assert refused.value.why.message.endswith(".")
    return refused.value.why.code


async def test_a_file_is_examined_with_its_context_in_another_process(readers: Readers) -> None:
    assert await readers.read(b"hello: 1", b"context ") == b"context hello"
    assert await readers.read(b"print: 1", b"") == b"print"
    first, second = [await readers.read(b"pid: 1", b"") for _ in range(2)]
    assert first == second != str(os.getpid()).encode()


@pytest.mark.parametrize(
    "data, code",
    [
        (b"spin: 1", "too_slow"),
        (b"hold_the_interpreter: 1", "too_slow"),
        (b"eat: 1", "too_much_memory"),
        (b"die: 1", "reader_died"),
        (b"long: 1", "too_much_wrong"),
    ],
)
async def test_what_exhausts_its_reader_is_one_finding_and_harms_no_other_file(
    readers: Readers, data: bytes, code: str
) -> None:
    others = [asyncio.create_task(readers.read(b"good%d: 1" % number, b"")) for number in range(4)]
    assert await refusal(readers, data) == code
    assert await asyncio.gather(*others) == [b"good%d" % number for number in range(4)]
    assert await readers.read(b"after: 1", b"") == b"after"


async def test_a_reader_that_died_of_something_else_is_replaced_and_the_file_read(readers: Readers) -> None:
    pid = int(await readers.read(b"pid: 1", b""))
    os.kill(pid, signal.SIGKILL)
    assert int(await readers.read(b"pid: 1", b"")) != pid


async def test_who_stops_waiting_leaves_no_reader_behind(readers: Readers) -> None:
    pid = int(await readers.read(b"pid: 1", b""))
    task = asyncio.create_task(readers.read(b"spin: 1", b""))
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        await asyncio.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    assert await readers.read(b"after: 1", b"") == b"after"


async def test_no_more_readers_work_than_there_are_turns(readers: Readers) -> None:
    pids = await asyncio.gather(*(readers.read(b"pid: 1", b"") for _ in range(20)))
    assert 1 <= len(set(pids)) <= READERS_MAX


async def test_a_reader_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, signal\n"
        "from mystira.textfiles import readers\n"
        f"readers.SOURCES = {HERE!r}\n"
        "async def main():\n"
        "    async with readers.open_readers('tests.content.test_readers:examine') as opened:\n"
        "        print((await opened.read(b'pid: 1', b'')).decode(), flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    for _ in range(200):
        if not Path(f"/proc/{int(output)}").exists():
            return
        await asyncio.sleep(0.02)
    pytest.fail("the reader outlived its parent")


def _bomb() -> bytes:
    rows = (b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12))
    return b"a0: &a0 [x]\n" + b"".join(rows)


HOSTILE = {
    "alias bomb": (_bomb(), "too_many"),
    "brackets": (b"[" * 100_000, "too_deep"),
    "50 MB": (b"x" * 50_000_000, "too_large"),
    "invalid UTF-8": (b"a: \xff", "not_utf8"),
    "code": (b"a: !!python/object/apply:os.system ['touch /tmp/harm']", "tag"),
    "many empty keys": (b"?\n" * (BYTES_MAX // 2), "too_many"),
    "many dashes": (b"-\n" * (BYTES_MAX // 2), "too_many"),
    "many aliases": (b"a: &a [x]\nb: [" + b"*a," * 1_600_000 + b"]", "too_many"),
    "many maps": (b"[" + b"{}," * 1_600_000 + b"]", "too_many"),
    "backslashes": (b'{"a":"' + b"\\" * 4_900_000 + b'"}', None),
    "a long word": (b"a: " + b"x" * 4_900_000, None),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_files_get_their_answer_within_the_usual_limits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mystira.textfiles.readers.SOURCES", HERE)
    data, code = HOSTILE[name]
    async with open_readers("tests.content.test_readers:examine") as readers:
        if code is None:
            assert await readers.read(data, b"") == b"a"
        else:
            assert await refusal(readers, data) == code
