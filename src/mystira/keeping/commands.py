"""`mystira backup`, `mystira restore` and `mystira upgrade`."""

import asyncio
import getpass
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import Parameter

from mystira.keeping.backups import back_up, bring_back, default_folder, upgrade_postgres
from mystira.polyglot.backups.manifest import BroughtBack, Taken
from mystira.polyglot.store import StoreError
from mystira.settings import read_settings
from mystira.terminal import agrees, can_ask, print_json, say, say_apart

REFUSED, USAGE, UNAVAILABLE = 1, 2, 6
"""Exit codes, as docs/migrate.md tells them for every command."""

T = TypeVar("T")

AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")]
Why = Annotated[str, Parameter(help="The reason, for the history.")]
Actor = Annotated[str, Parameter(name="--as", help="Who asks, for the history (default: your user name).")]


def backup(folder: Path | None = None, *, why: Why = "", actor: Actor = "", json: AsJson = False) -> None:
    """Copy both stores and the media, as they stand at one instant, into a new FOLDER. Services may go on running."""
    target = (folder or default_folder()).absolute()
    taken = _done(back_up(read_settings(), target, say_apart, actor=actor or getpass.getuser(), why=why))
    if json:
        print_json(Taken(folder=str(target), manifest=taken.sha256, **msgspec.structs.asdict(taken)))
        return
    counts = ", ".join(f"{number} {what}" for what, number in taken.counts.items())
    say(f"{target} holds {counts}, as they stood at {taken.taken_at:%Y-%m-%d %H:%M:%S} UTC. All was read back.")
    say(f"Writes of documents waited {taken.held_ms:.0f} ms. The secret is not in it: keep MYSTIRA_DATA/secret apart.")


def restore(
    folder: Path,
    *,
    replace: Annotated[bool, Parameter(negative="", help="Replace what the stores hold. Asks first.")] = False,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Bring a backup back while nothing runs: into empty stores, or with --replace instead of what they hold."""
    settings = read_settings()
    if replace and not yes:
        _ask(f"Replace everything in {settings.data} by the backup in {folder}?")
    done = _done(bring_back(settings, folder.absolute(), say_apart, replace=replace))
    at = done.backup.taken_at
    if json:
        print_json(BroughtBack(seconds=done.seconds, same_secret=done.same_secret, taken_at=at))
    else:
        say(f"Restored in {done.seconds:.1f} s: everything is as it stood at {at:%Y-%m-%d %H:%M:%S} UTC.")
    if not done.same_secret:
        say_apart(
            f"The secret here is another than the backup's, so no sign-in will be found. Before anybody signs in, put "
            f"the file that was kept apart at {settings.data / 'secret'}, or set MYSTIRA_SECRET as it was."
        )


def upgrade(
    folder: Path | None = None,
    *,
    programs: Annotated[Path | None, Parameter(help="The old PostgreSQL's folder, whose bin/ holds postgres.")] = None,
) -> None:
    """Bring the embedded PostgreSQL's data to the version of the programs here, by a backup that stays in FOLDER."""
    target = (folder or default_folder()).absolute()
    before, now = _done(upgrade_postgres(read_settings(), target, say_apart, programs))
    if before == now:
        say(f"The data belongs to PostgreSQL {now}, as the programs do; there is nothing to do.")
    else:
        say(f"What belonged to PostgreSQL {before} belongs to {now} now. As it was, it is kept in {target}.")


def _done(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except StoreError as error:
        say_apart(f"A store cannot be reached or is damaged: {error}. See to it, then try again.")
        raise SystemExit(UNAVAILABLE) from None


def _ask(question: str) -> None:
    if not can_ask():
        say_apart("Nobody is here to be asked, so nothing was changed. Add --yes if you are sure.")
        raise SystemExit(USAGE)
    if not asyncio.run(agrees(question)):
        say("Nothing was changed.")
        raise SystemExit(REFUSED)
