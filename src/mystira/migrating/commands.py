"""Every verb of `mystira migrate`, by its name."""

from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from mystira.migrating import checking, filling, letters, moving, retiring, watching
from mystira.migrating.answers import ANSWERS, schema_of
from mystira.terminal import print_json, say

migrate = App(name="migrate", help="Move collections between documents and PostgreSQL, while people play.")
dead_letters = App(name="dead-letters", help="What could not be carried over: list, show, replay, park, discard.")
dead_letters.command(letters.list_, name="list")
dead_letters.command(letters.show_, name="show")

GROUPS: dict[str, tuple[Any, ...]] = {
    "Look": (watching.status, moving.plan, watching.history),
    "Fill the copy in PostgreSQL": (filling.start, filling.pause, filling.resume, filling.throttle),
    "Check that both stores hold the same": (checking.verify, checking.diff, checking.repair, watching.shadow),
    "Move on": (moving.cutover, moving.finish),
    "Go back": (moving.reopen, moving.rollback, filling.stop, moving.abort),
    "Afterwards": (retiring.certify, retiring.verify_certificate, retiring.complete, retiring.restore_archive),
}
for title, verbs in GROUPS.items():
    group = Group.create_ordered(title)
    for verb in verbs:
        migrate.command(verb, group=group)
for verb in (letters.replay, letters.park, letters.discard):
    dead_letters.command(verb)
migrate.command(dead_letters)


@migrate.command
def schema(name: Annotated[str, Parameter(help="One of them; left out, their names are listed.")] = "") -> None:
    """Print the JSON Schema of what a command prints with --json."""
    if name in ANSWERS:
        print_json(schema_of(name))
    else:
        say("\n".join(ANSWERS))
