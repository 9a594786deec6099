"""A platform's data folder with a few families in it, and the command line to work on it, in this process."""

import asyncio
import atexit
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

import jsonschema

from mystira.accounts.actions import add_profile
from mystira.cli import main
from mystira.migrating.answers import schema_of
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.run import platform
from mystira.services.platform import Platform
from mystira.settings import read_settings
from tests.prepared import copy_of, set_apart

PLAYERS = 30
T = TypeVar("T")


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    apart: str


class Place:
    """One data folder; nobody works on it but the commands."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.environment = {"MYSTIRA_DATA": str(data)} | environment

    def run(self, *words: str) -> Ended:
        out, apart, nobody = io.StringIO(), io.StringIO(), io.StringIO()
        given = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
        code = 0
        with (
            patch.dict(os.environ, given | self.environment, clear=True),
            patch.object(sys, "stdin", nobody),
            redirect_stdout(out),
            redirect_stderr(apart),
        ):
            try:
                main(words)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        return Ended(code, out.getvalue(), apart.getvalue())

    def migrate(self, *words: str, code: int = 0) -> Ended:
        """Run a command that has to end with this code."""
        ended = self.run("migrate", *words)
        assert ended.code == code, ended
        return ended

    def answer(self, schema: str, *words: str, code: int = 0) -> dict[str, Any]:
        """Run a command with --json; what it prints has to fit its schema."""
        ended = self.migrate(*words, "--json", code=code)
        answer = json.loads(ended.out)
        jsonschema.validate(answer, schema_of(schema), jsonschema.Draft202012Validator)
        return answer

    def with_platform(self, work: Callable[[Platform], Awaitable[T]]) -> T:
        """Do something to the stores that no command does."""

        async def done() -> T:
            async with platform(read_settings(self.environment), lambda text: None) as opened:
                return await work(opened)

        return asyncio.run(done())


@contextmanager
def prepared(data: Path, players: int = PLAYERS, *, attached: bool = True) -> Iterator[Place]:
    """Yield a place with some players in it; while `attached`, its PostgreSQL runs until the end, which is quicker."""
    place = Place(copy_of(_made(players), data))
    hold = asyncio.run(attach(data, lambda text: None)) if attached else None
    try:
        yield place
    finally:
        if hold is not None:
            asyncio.run(hold.release())
        asyncio.run(remove(data))


@cache
def _made(players: int) -> Path:
    """Return what every place with so many players is a copy of."""
    folder = Path(tempfile.mkdtemp(prefix="mystira-players-"))
    atexit.register(shutil.rmtree, folder)
    Place(folder / "data").with_platform(lambda opened: _settle_in(opened, players))
    asyncio.run(set_apart(folder))
    return folder


async def _settle_in(opened: Platform, players: int) -> None:
    for number in range(players):
        await opened.works.run(
            add_profile,
            account_id=f"family-{number // 4}",
            profile_id=f"player-{number}",
            name=f"Player {number}",
            age_group="6-9",
            avatar="fox",
        )
