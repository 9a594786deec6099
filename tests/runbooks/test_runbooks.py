"""Every command in docs/runbooks is run, in the order of its page, in a place prepared as the page supposes."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from mystira.migrating.commands import dead_letters, migrate
from mystira.polyglot.journal import DeadLetter, LetterKind
from mystira.polyglot.store import Key, Stamp
from mystira.services.platform import Platform
from tests.migrating.place import Ended, Place, prepared
from tests.processes import ROOT

RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
PROFILES = "UserProfiles"
ENDS_WITH = re.compile(r"  # ends with (\d+)$")


class Command(NamedTuple):
    """One line of a block, under its heading, and how it should end."""

    heading: str
    line: str
    code: int


def commands_of(path: Path) -> Iterator[Command]:
    heading, inside = "", False
    for line in path.read_text().splitlines():
        if line.startswith("#") and not inside:
            heading = line.lstrip("# ")
        elif line.startswith("```"):
            inside = line == "```sh"
        elif inside and line.strip():
            ends = ENDS_WITH.search(line)
            yield Command(heading, ENDS_WITH.sub("", line), int(ends[1]) if ends else 0)


def filled(place: Place) -> None:
    place.migrate("start", PROFILES, "--wait")


def arrived(place: Place) -> None:
    filled(place)
    place.migrate("verify", PROFILES, "--scrub")
    place.migrate("cutover", PROFILES, "--yes", "--waive", "backup")
    place.migrate("finish", PROFILES, "--yes")


def spoiled(place: Place) -> None:
    filled(place)

    async def work(opened: Platform) -> None:
        async with opened.relational.connection(writes=True) as connection:
            await connection.execute("UPDATE user_profiles SET avatar = 'owl' WHERE id = 'player-1'")

    place.with_platform(work)


def poisoned(place: Place) -> None:
    async def work(opened: Platform) -> None:
        for number, kind in enumerate((LetterKind.UNREADABLE, LetterKind.CONFLICT, LetterKind.UNREADABLE), start=1):
            key = Key(f"player-{number}", f"player-{number}")
            letter = DeadLetter(
                collection=PROFILES,
                key=key,
                kind=kind,
                stamp=Stamp(0, 1),
                payload={"id": key.id, "name": "Somebody"},
                error="a test",
                next_try_at=datetime(2099, 1, 1, tzinfo=UTC),
            )
            await opened.replication.journal.letter_put(letter)

    filled(place)
    place.with_platform(work)


PREPARED: dict[str, Callable[[Place], None]] = {
    "cut-over": filled,
    "roll-back": arrived,
    "dead-letters": poisoned,
    "divergence-found": spoiled,
    "decommission": arrived,
}
AWAY: dict[str, dict[str, str]] = {
    "PostgreSQL is down": {"MYSTIRA_RELATIONAL": "postgresql://127.0.0.1:1/nobody"},
    "Cosmos DB, or the document file, is down": {"MYSTIRA_DOCUMENTS": "cosmos://a2V5@127.0.0.1:1/mystira?tls=0"},
}
"""Under these headings, a store is out of reach."""


@pytest.mark.parametrize("path", [path for path in RUNBOOKS if path.stem != "README"], ids=lambda path: path.stem)
def test_every_command_of_a_runbook_does_what_the_page_says(path: Path, tmp_path: Path) -> None:
    # What nobody is attached to can be restored into.
    with prepared(tmp_path / "data", players=8, attached=path.stem != "restore-from-backup") as place:
        PREPARED.get(path.stem, lambda place: None)(place)
        commands = list(commands_of(path))
        assert commands
        for command in commands:
            ended = run(command.line, Place(place.data, **AWAY.get(command.heading, {})), tmp_path)
            assert ended.code == command.code, f"{command}\n{ended}"


def run(line: str, place: Place, folder: Path) -> Ended:
    """Run a line as a shell would; what is a command of ours and nothing else is run in this process, quicker."""
    if re.fullmatch(r"mystira [^$|>&;*]*", line):
        with chdir(folder):
            return place.run(*shlex.split(line)[1:])
    given = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
    programs = f"{Path(sys.executable).parent}:{given['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env=given | place.environment | {"PATH": programs},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/runbooks/README.md").read_text()
    for path in RUNBOOKS:
        assert path.stem == "README" or f"]({path.name})" in index, path.name


def test_commands_in_the_text_exist() -> None:
    for path in RUNBOOKS:
        for verb in re.findall(r"`mystira migrate ([a-z-]+)", path.read_text()):
            assert verb in migrate and (verb != "dead-letters" or migrate[verb] is dead_letters), f"{path.name}: {verb}"
