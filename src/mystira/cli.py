"""`mystira ...`: every command, with help, plain errors, and exit codes that scripts can use."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError

from mystira import __version__
from mystira.polyglot.problem import Problem
from mystira.settings import SETTINGS, read_settings
from mystira.terminal import print_json, say, say_apart

FAILED, USAGE = 1, 2
PERCENTS = (10.0, 25.0, 50.0, 75.0, 90.0)

app = App(
    name="mystira",
    help="Interactive stories for children, on data that moves live between two databases.",
    version=__version__,
)
migration = App(name="migration", help="Revisions of the PostgreSQL schema, for developers.")
cosmos = App(name="cosmos", help="The Cosmos DB that MYSTIRA_DOCUMENTS names.")
app.command(migration)
app.command(cosmos)
# Loaded only when they are called for: they bring half of the platform with them.
app.command("mystira.doctor.command:doctor", name="doctor", help="Look at everything, and say what to do.")
app.command("mystira.migrating.commands:migrate", name="migrate", help="Move collections between the stores.")
app.command("mystira.keeping.commands:backup", name="backup", help="Copy both stores and the media at one instant.")
app.command("mystira.keeping.commands:restore", name="restore", help="Bring a backup back while nothing runs.")
app.command(
    "mystira.keeping.commands:upgrade", name="upgrade", help="Take the embedded PostgreSQL to its next version."
)
app.command("mystira.authoring:content", name="content", help="Check, import and export story files.")
app.command("mystira.administering:admin", name="admin", help="Those who run the platform, and their passwords.")

AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")]


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line; a refusal is one sentence on standard error and exit code 1, wrong use is 2."""
    try:
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        say_apart(_advice(error))
        raise SystemExit(USAGE) from None
    except Problem as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - this is what a command line is for.
        raise SystemExit(FAILED) from problem
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read our output has seen enough, as `head` does; nothing more can be said, not even at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


@app.command
def run(
    *services: Literal["app", "admin", "worker"],
    reload: Annotated[bool, Parameter(negative="", help="Start again when the code changes.")] = False,
) -> None:
    """Serve the platform until Ctrl-C: the services named, or all of them in one process.

    app is what players reach, admin what those reach who run it, worker carries everything onward.
    """
    from mystira.run import serve

    settings = read_settings()
    if reload:
        _reloading(services)
    else:
        _with_uvloop(serve(settings, say, services))


@app.command
def settings(*, json: AsJson = False) -> None:
    """Show every setting, its default and its meaning."""
    if json:
        print_json(SETTINGS)
        return
    for setting in SETTINGS:
        say(f"{setting.name} (default: {setting.default or 'none'})\n    {setting.meaning}")


@app.command
def reset(*, yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False) -> None:
    """Delete everything that is kept under MYSTIRA_DATA. Asks first."""
    from mystira.reset import clear

    settings = read_settings()
    if not settings.data.exists():
        say(f"There is nothing in {settings.data}.")
        return
    if not yes and input(f"Delete everything in {settings.data}? Type yes: ").strip().lower() != "yes":
        say("Nothing was deleted.")
        raise SystemExit(FAILED)
    asyncio.run(clear(settings.data))
    say(f"{settings.data} is empty.")


@app.command
def cosmos_emulator(
    *,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port to listen on; 0 takes any.")] = 8081,
    data: Annotated[Path | None, Parameter(help="Keep everything in this file instead of memory.")] = None,
    https: Annotated[bool, Parameter(negative="", help="Speak HTTPS, with a certificate of its own.")] = False,
    key: Annotated[str | None, Parameter(help="The account's key (default: the one every emulator has).")] = None,
    ranges: Annotated[int, Parameter(help="Into how many ranges a new container is cut.")] = 2,
) -> None:
    """Serve a local Azure Cosmos DB, for development and tests, until Ctrl-C."""
    from mystira.cosmos_emulator.endpoint import Endpoint
    from mystira.cosmos_emulator.schema import Unusable
    from mystira.cosmos_emulator.serving import serve
    from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY

    account_key = key or WELL_KNOWN_KEY
    try:
        endpoint = Endpoint(data, key=account_key, ranges=ranges)
        _with_uvloop(serve(endpoint, say, host=host, port=port, https=https, key=account_key))
    except Unusable as error:
        say_apart(str(error))
        raise SystemExit(FAILED) from None


@app.command
def play(
    file: Path,
    *,
    auto: Annotated[bool, Parameter(negative="", help="Choose by chance instead of asking.")] = False,
    seed: Annotated[int | None, Parameter(help="Make chance repeatable.")] = None,
) -> None:
    """Play a story file in the terminal, through the same rules and stores as the platform."""
    from mystira.authoring import checked_files, print_findings
    from mystira.play.commands import play_in_terminal
    from mystira.run import playing_apart

    results = checked_files([file], add_vocabulary=True)
    checked = results[0][1]
    if checked.content is None:
        print_findings(results)
        raise SystemExit(FAILED)
    asyncio.run(playing_apart(checked, lambda works, story: play_in_terminal(works, story, auto=auto, seed=seed)))


@cosmos.command(name="provision")
def provision_(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only tell what would be done.")] = False,
    json: AsJson = False,
) -> None:
    """Make the database, its containers and their indexes, and tell what differs from the declarations."""
    from mystira.run import provisioning

    findings = asyncio.run(provisioning(read_settings(), dry_run=dry_run))
    if json:
        print_json(findings)
    else:
        for finding in findings:
            say(f"{finding.name}: {finding.told(dry_run=dry_run)}")
            for detail in finding.details:
                say(f"    {detail}")
    if any(finding.state == "differs" for finding in findings):
        raise SystemExit(FAILED)


@cosmos.command
def inspect(
    *collections: str,
    mapping: Annotated[Path | None, Parameter(help="Look through this mapping file; it names its collection.")] = None,
    limit: Annotated[int | None, Parameter(help="Look at so many documents only.")] = None,
    json: AsJson = False,
) -> None:
    """Tell what other software has written, and what would not come over (docs/adopting); nothing is changed."""
    from mystira.adopting import told
    from mystira.run import inspecting

    found = asyncio.run(inspecting(read_settings(), collections, mapping, limit))
    if json:
        print_json(found)
    else:
        for line in (line for one in found for line in told(one)):
            say(line)
    if any(one.violations for one in found):
        raise SystemExit(FAILED)


@migration.command
def new(name: str) -> None:
    """Draft the next schema revision from the collections, for a person to review."""
    from mystira.run import draft_revision

    path = asyncio.run(draft_revision(read_settings(), name, say))
    say(f"Wrote {path}; review it." if path else "The schema already has everything that the collections need.")


def _advice(error: CycloptsError) -> str:
    command = " ".join(("mystira", *(error.command_chain or ())))
    # The list of commands is cut off after a few; --help has all of them.
    said = str(error).partition(" Available commands:")[0].rstrip(".")
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        said = f"{error.argument.name.removeprefix('--').upper()} is missing"
    elif isinstance(error, UnusedCliTokensError):
        said = f"There is nothing to do with {' '.join(error.unused_tokens or ())}"
    return f"{said}{'' if said.endswith('?') else '.'} See {command} --help"


def _with_uvloop(work: Awaitable[None]) -> None:
    import uvloop

    async def go() -> None:
        await work

    uvloop.run(go())


def _reloading(services: Sequence[str]) -> None:
    from watchfiles import run_process

    command = " ".join((quote(sys.executable), "-m mystira run", *services))
    run_process(Path(__file__).parent, target=command, target_type="command")
