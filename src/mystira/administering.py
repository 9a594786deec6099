"""`mystira admin`: adds those who run the platform, lists them, disables them, gives them new passwords."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from getpass import getpass
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from mystira.operations.admins import commands
from mystira.operations.admins.model import Admin
from mystira.operations.admins.views import shown
from mystira.polyglot.work import Works
from mystira.run import opened_works
from mystira.settings import read_settings
from mystira.terminal import print_json, say, say_apart
from mystira.web.passwords import new_password

admin = App(name="admin", help="Those who run the platform, and their passwords.")

AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")]
Role = Annotated[
    Literal["viewer", "operator", "admin"],
    Parameter(help="viewer looks, operator moves data, admin also discards, finishes and sees personal data."),
]


@admin.command
def add(name: str, *, role: Role = "viewer", json: AsJson = False) -> None:
    """Let somebody run the platform. Asks for a password; an empty one is made and printed, this once only."""
    password, is_made = _password()
    added = _with_works(lambda works: commands.add(works, name, role, password))
    _tell(added, json, f"{added.id} may sign in at /admin as {added.role}.", password if is_made else None)


@admin.command
def password(name: str, *, json: AsJson = False) -> None:
    """Give somebody a new password, and let them in again if they were disabled. Their sessions end."""
    chosen, is_made = _password()
    changed = _with_works(lambda works: commands.set_password(works, name, chosen))
    _tell(changed, json, f"{changed.id} has a new password; open sessions have ended.", chosen if is_made else None)


@admin.command
def disable(name: str, *, json: AsJson = False) -> None:
    """Let somebody in no more; their sessions end at once."""
    disabled = _with_works(lambda works: commands.disable(works, name))
    _tell(disabled, json, f"{disabled.id} may not sign in any more.", None)


@admin.command(name="list")
def list_(*, json: AsJson = False) -> None:
    """Show who may run the platform."""
    found = _with_works(commands.everybody)
    if json:
        print_json([shown(one) for one in found])
        return
    for one in found:
        say(f"{one.id}: {one.role}{', disabled' if one.disabled_at else ''}")
    if not found:
        say("There is nobody yet. Add somebody: mystira admin add NAME --role admin")


def _password() -> tuple[str, bool]:
    """Return a password, and whether it was made here. Without a terminal it comes by standard input, if it comes."""
    if sys.stdin.isatty():
        given = getpass("Password (empty: one is made): ", stream=sys.stderr)
        if given and given != getpass("The same again: ", stream=sys.stderr):
            say_apart("They differ, so nothing was done. Try again.")
            raise SystemExit(1)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    return (given, False) if given else (new_password(), True)


def _with_works(do: Callable[[Works], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        async with opened_works(read_settings(), say_apart) as works:
            return await do(works)

    return asyncio.run(go())


def _tell(who: Admin, json: bool, said: str, made: str | None) -> None:
    if json:
        print_json(shown(who, made))
        return
    say(said)
    if made is not None:
        say(f"The password, shown this once: {made}")
