"""How commands speak with the person, or the script, at the terminal: results aside from remarks, questions, JSON."""

import asyncio
import os
import pwd
import sys
from typing import Any

import msgspec
from rich.console import Console

WIDTH_OF_FILES = 160
"""Where nobody looks at a terminal, tables are as wide as this."""


def say(text: str) -> None:
    """Tell the person at the terminal something, at once."""
    print(text, flush=True)  # noqa: T201 - this is what a command line is for.


def say_apart(text: str) -> None:
    """Tell it beside the result, so that scripts can read the result."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is what a command line is for.


def print_json(value: Any) -> None:
    """Print one indented JSON document."""
    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console(*, apart: bool = False) -> Console:
    """Return what draws tables, on standard output or beside it."""
    stream = sys.stderr if apart else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDTH_OF_FILES, highlight=False, soft_wrap=False)


def can_ask() -> bool:
    """Tell whether somebody is there who could answer a question."""
    return sys.stdin.isatty()


async def agrees(question: str) -> bool:
    """Ask, beside the result, and tell whether the answer was yes. Ctrl-C ends the waiting."""
    print(f"{question} Type yes: ", end="", file=sys.stderr, flush=True)  # noqa: T201 - as above.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), lambda: answer.done() or answer.set_result(sys.stdin.readline()))
    try:
        return (await answer).strip().lower() == "yes"
    finally:
        loop.remove_reader(sys.stdin.fileno())


def whoever() -> str:
    """Return the name of whoever sits at this terminal, for the audit."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
