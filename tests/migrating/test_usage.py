"""What a person gets wrong is told in one sentence, and what scripts rely on stands in the documents."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from queue import Queue
from threading import Thread

import jsonschema
import msgspec
import pytest
from cyclopts import App
from rich.console import Console

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.migrating import exits
from mystira.migrating.answers import ANSWERS, Status, schema_of
from mystira.migrating.commands import dead_letters, migrate
from mystira.migrating.showing import drawn_status
from tests.migrating.place import Place, prepared
from tests.processes import ROOT

DOCUMENT = ROOT / "docs/migrate.md"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("migrate", "strat", "Accounts"), 'Did you mean "start"? See mystira migrate --help'),
        (("migrate", "start"), "COLLECTION is missing. See mystira migrate start --help"),
        (("migrate", "start", "Accounts", "now"), "nothing to do with now"),
        (("migrate", "start", "acount"), "There is no collection acount. Did you mean Accounts?"),
        (("migrate", "start", "xyz"), "There are Accounts, "),
        (("migrate", "plan", "Accounts", "--to", "Cosmos"), "There are: CosmosOnly, DualWriteCosmosRead"),
        (("migrate", "cutover", "Accounts", "--waive", "fear"), "There is no gate fear. There are: transition, copy, "),
        (("migrate", "throttle", "Accounts"), "Name a limit: --units-per-s 100"),
        (("migrate", "shadow", "Accounts", "much"), 'unable to convert "much"'),
        (("migrate", "status", "--watch", "--json"), "--watch is for people"),
        (("migrate", "status"), "There is no data in"),
        (("sttings",), 'Did you mean "settings"?'),
    ],
)
def test_wrong_use_is_told_in_one_sentence_with_its_code(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    ended = Place(tmp_path / "nowhere").run(*words)
    assert ended.code == exits.USAGE
    said = ended.apart + ended.out
    assert told in said
    assert len(said.splitlines()) == 1 or "--json" in words
    assert not (tmp_path / "nowhere").exists()


def test_a_store_that_cannot_be_reached_has_a_code_of_its_own(tmp_path: Path) -> None:
    away = Place(tmp_path, MYSTIRA_RELATIONAL="postgresql://127.0.0.1:1/nobody")
    refused = away.answer("refused", "status", code=exits.UNAVAILABLE)
    assert "MYSTIRA_RELATIONAL" in refused["problem"]["message"]


@pytest.mark.parametrize("width", [80, 160])
def test_the_status_of_all_fits_narrow_and_wide_terminals(place: Place, width: int) -> None:
    found = msgspec.json.decode(place.migrate("status", "--json").out, type=Status)
    screen = Console(width=width, file=StringIO())
    with screen.capture() as drawn:
        screen.print(drawn_status(found, width))
    lines = drawn.get().splitlines()
    assert len(lines) == 1 + len(found.collections)
    assert max(map(len, lines)) <= width
    assert lines[0].split()[-1] == ("Verified" if width == 80 else "Certificates")


def test_schemas_in_the_documents_are_those_of_the_answers() -> None:

    # What `mystira content` prints has its own test, beside it (tests/content/test_told.py).
    files = [path for path in (ROOT / "docs/schemas").glob("*.json") if not path.stem.startswith("content-")]
    kept = {path.stem: json.loads(path.read_text()) for path in files}
    assert kept == {name: json.loads(msgspec.json.encode(schema_of(name))) for name in kept.keys() | ANSWERS.keys()}, (
        "run `make schemas`"
    )


def verbs(app: App, before: str = "") -> set[str]:
    found: set[str] = set()
    for name in app:
        if not name.startswith("-"):
            inner = app[name]
            found |= verbs(inner, f"{before}{name} ") if inner is dead_letters else {f"{before}{name}"}
    return found


def test_what_every_verb_prints_as_json_is_held_against_a_schema_by_some_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    asked = re.findall(r'answer\(\s*"([a-z-]+)",\s*"([a-z-]+)"(?:,\s*"([a-z-]+)")?', tests)
    held = {verb for schema, *words in asked if schema != "refused" for verb in (words[0], " ".join(words))}
    assert verbs(migrate) - held == {"schema"}


def test_backup_restore_and_admin_print_what_their_schemas_say(tmp_path: Path) -> None:
    with prepared(tmp_path / "data", attached=False) as place:
        kept = str(tmp_path / "kept")
        for schema, *words in (
            ("admin", "admin", "add", "ada", "--role", "admin"),
            ("admin", "admin", "password", "ada"),
            ("admin", "admin", "disable", "ada"),
            ("admins", "admin", "list"),
            ("backup", "backup", kept),
            ("restore", "restore", kept, "--replace", "--yes"),
        ):
            ended = place.run(*words, "--json")
            assert ended.code == 0, ended
            jsonschema.validate(json.loads(ended.out), schema_of(schema), jsonschema.Draft202012Validator)


def test_settings_and_cosmos_print_what_their_schemas_say(tmp_path: Path) -> None:
    with cosmos_account() as url:
        documents = f"cosmos://{url.removeprefix('http://')}/mystira?tls=0"
        place = Place(tmp_path / "data", MYSTIRA_DOCUMENTS=documents, MYSTIRA_COSMOS_KEY=WELL_KNOWN_KEY)
        for schema, *words in (
            ("settings", "settings"),
            ("cosmos-provision", "cosmos", "provision", "--dry-run"),
            ("cosmos-provision", "cosmos", "provision"),
            ("cosmos-inspect", "cosmos", "inspect", "Accounts", "UserProfiles"),
        ):
            ended = place.run(*words, "--json")
            assert ended.code == 0, ended
            answer = json.loads(ended.out)
            assert answer, words
            jsonschema.validate(answer, schema_of(schema), jsonschema.Draft202012Validator)


@contextmanager
def cosmos_account() -> Iterator[str]:
    """A Cosmos DB beside the commands, which run event loops of their own."""
    began: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, str]] = Queue()

    async def serve() -> None:
        ended = asyncio.Event()
        async with listening(Endpoint()) as (url, _):
            began.put((asyncio.get_running_loop(), ended, url))
            await ended.wait()

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    loop, ended, url = began.get()
    yield url
    loop.call_soon_threadsafe(ended.set)
    thread.join()


def test_the_document_tells_every_verb_every_code_and_every_schema() -> None:
    text = DOCUMENT.read_text()
    for verb in verbs(migrate):
        assert f"`{verb}" in text, verb
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes | {130}
    for name in ANSWERS:
        assert f"schemas/{name}.json" in text, name
