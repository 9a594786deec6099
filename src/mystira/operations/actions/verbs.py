"""The verbs of moving data, each with what it takes, who may ask for it, and the function that does it.

This is the one place where a verb's name meets polyglot: pages, the API and the worker all look it up here. Every
verb may be done twice, for a worker may die after it was done and before that was written down.
"""

from typing import Any, NamedTuple

import msgspec

from mystira.operations.actions import letters, moving, verifying
from mystira.operations.actions.doing import Arguments, Do, Nothing
from mystira.operations.admins.model import ROLES
from mystira.operations.problems import ArgumentsWrong, CollectionUnknown, VerbForbidden, VerbUnknown
from mystira.polyglot.catalog import Catalog


class Verb(NamedTuple):
    """`title` is the button, `explains` what a confirmation says. A `grave` verb is shown as one that may hurt."""

    title: str
    explains: str
    do: Do
    takes: type[Arguments] = Nothing
    role: str = "operator"
    grave: bool = False


VERBS: dict[str, Verb] = {
    "start": Verb(
        "Fill or keep the copy",
        "Gives the collection a copy in PostgreSQL: fills it, and where it is whole keeps it from now on "
        "(DualWriteCosmosRead). Players notice nothing.",
        moving.start,
        moving.Budgets,
    ),
    "pause": Verb("Pause", "Stops the filling for now. Changes are still followed.", moving.pause),
    "resume": Verb("Resume", "Goes on with the filling where it stood.", moving.resume),
    "throttle": Verb(
        "Throttle",
        "Limits the request units a second of each worker, and rests when PostgreSQL gets slower than this.",
        moving.throttle,
        moving.Budgets,
    ),
    "stop": Verb(
        "Drop the copy",
        "The documents stand alone again (CosmosOnly). PostgreSQL's copy is not kept any more; filling begins anew.",
        moving.stop,
        grave=True,
    ),
    "cutover": Verb(
        "Cut over",
        "Lets PostgreSQL lead (DualWritePostgresRead). Writes wait for a moment; past the limits nothing changes.",
        moving.cutover,
        moving.Moving,
        grave=True,
    ),
    "rollback": Verb(
        "Roll back",
        "Lets the documents lead again (DualWriteCosmosRead). Writes wait for a moment; past the limits nothing "
        "changes.",
        moving.rollback,
        moving.Moving,
        grave=True,
    ),
    "finish": Verb(
        "Finish",
        "PostgreSQL stands alone (PostgresOnly). The documents are not kept any more; the way back begins with "
        "bringing them up to date again.",
        moving.finish,
        role="admin",
        grave=True,
    ),
    "reopen": Verb(
        "Reopen",
        "Brings the documents up to date again and keeps them so (DualWritePostgresRead).",
        moving.reopen,
    ),
    "abort": Verb(
        "Abort",
        "Takes back the change of leader that is under way. Nothing has changed then.",
        moving.abort,
        grave=True,
    ),
    "shadow": Verb(
        "Shadow reads",
        "Puts a share of the reads to the follower as well, and counts where it answers otherwise. Nobody waits.",
        moving.shadow_reads,
        moving.Share,
    ),
    "verify": Verb("Verify", "Compares digests and rechecks every key that differs. Only looks.", verifying.compare),
    "scrub": Verb(
        "Reread all",
        "Rereads every record of both stores, at the pace given. Only looks.",
        verifying.reread,
        verifying.Pace,
    ),
    "repair": Verb(
        "Repair",
        "Brings the follower to what the leader holds, for the differences of one report.",
        verifying.mend,
        verifying.OfReport,
        grave=True,
    ),
    "repair-record": Verb(
        "Repair this record",
        "Brings the follower to what the leader holds, for one record that is still as it was shown.",
        verifying.mend_record,
        verifying.OfRecord,
        grave=True,
    ),
    "replay": Verb("Replay", "Tries the chosen letters again now.", letters.replay_letters, letters.Letters),
    "park": Verb("Park", "Lets nobody try the chosen letters by itself.", letters.park_letters, letters.Letters),
    "discard": Verb(
        "Discard",
        "Gives the chosen letters up for good. What they held is lost.",
        letters.discard_letters,
        letters.Letters,
        role="admin",
        grave=True,
    ),
}


def verb_named(name: str) -> Verb:
    """Return a verb; VerbUnknown names all there are."""
    if name not in VERBS:
        raise VerbUnknown(verb=name[:40], verbs=", ".join(VERBS))
    return VERBS[name]


class Field(NamedTuple):
    """One argument of a verb as a form asks for it: `otherwise` is what is taken when nothing is written."""

    name: str
    title: str
    is_needed: bool
    otherwise: str


def fields_of(verb: Verb) -> list[Field]:
    """Return what a form asks for besides the reason; gates are waived by ticking them."""
    told = msgspec.json.schema(verb.takes)["$defs"][verb.takes.__name__]
    needed = told.get("required", ())
    return [
        Field(name, about.get("title", name), name in needed, _said(about.get("default")))
        for name, about in told["properties"].items()
        if name != "waived"
    ]


def _said(default: Any) -> str:
    return "no limit" if default is None else f"{default:g}" if isinstance(default, int | float) else str(default)


def checked(
    catalog: Catalog, verb: str, collection: str, arguments: dict[str, Any], *, role: str, strict: bool = True
) -> dict[str, Any]:
    """Return the arguments in good order, or refuse what cannot be asked for, or not by this role."""
    known = verb_named(verb)
    names = [one.name for one in catalog]
    if collection not in names:
        raise CollectionUnknown(collection=collection[:80], collections=", ".join(names))
    taken = arguments_of(verb, arguments, strict=strict)
    waives = isinstance(taken, moving.Moving) and taken.waived
    needed = "admin" if waives else known.role
    if role not in ROLES or ROLES.index(role) < ROLES.index(needed):
        raise VerbForbidden(needed=needed)
    return msgspec.to_builtins(taken)


def arguments_of(verb: str, arguments: dict[str, Any], *, strict: bool = True) -> Any:
    """Return what a verb's function takes; ArgumentsWrong where something does not fit."""
    try:
        return msgspec.convert(arguments, verb_named(verb).takes, strict=strict)
    except msgspec.ValidationError as error:
        raise ArgumentsWrong(verb=verb, reason=str(error)) from error
