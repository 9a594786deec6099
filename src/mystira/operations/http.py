"""The Admin API of commands: ask for a verb, look how far it is, read what came of it."""

import re
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from mystira.operations import views
from mystira.operations.actions import asking
from mystira.operations.actions.verbs import VERBS, checked
from mystira.operations.model import Command
from mystira.operations.problems import (
    ArgumentsWrong,
    CollectionUnknown,
    CommandDiffers,
    CommandNotFound,
    VerbForbidden,
    VerbUnknown,
    WhyMissing,
)
from mystira.polyglot.replication import Replication
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.keys import IDEMPOTENCY_KEY, KeyMissing, KeyReused, KeysDiffer, key_id, key_of_either
from mystira.web.openapi import describe

COMMANDS = f"{ADMIN}/api/commands"
LISTED = 50

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Asked(Body, frozen=True, kw_only=True):
    """What is asked for. An `id` of one's own (a UUID) makes asking again ask once."""

    verb: str
    collection: str
    why: str
    arguments: dict[str, Any] = {}
    id: str = ""


class VerbShown(msgspec.Struct, frozen=True, kw_only=True):
    """One verb: what it is called and does, who may ask for it, and the schema of its arguments."""

    verb: str
    title: str
    explains: str
    role: str
    grave: bool
    arguments: dict[str, Any]


class CommandsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of commands, the newest first; `after` names the last one, to go on behind it."""

    commands: tuple[Command, ...]
    after: str | None


class ChosenAudit(Body, frozen=True, kw_only=True):
    """Which part of the audit: of one collection, by one person, before a moment."""

    collection: str = ""
    who: str = ""
    before: datetime | None = None


AUDIT_QUERY = {
    "collection": "Only of this collection.",
    "who": "Only by this person or process.",
    "before": "Only what was before this moment (RFC 3339): the `before` of the page before.",
}
SAMPLE = Asked(verb="verify", collection="Accounts", why="before the cut-over")
REFUSALS = (
    *(VerbUnknown, CollectionUnknown, WhyMissing, ArgumentsWrong, VerbForbidden, CommandDiffers),
    *(BodyInvalid, KeyMissing, KeyReused, KeysDiffer),
)


@post(
    COMMANDS,
    opt=allow("operator") | describe(Command, example=SAMPLE, headers=IDEMPOTENCY_KEY, refusals=REFUSALS),
    status_code=202,
)
async def ask(request: Request[Any, Any, Any]) -> Command:
    """Ask for a verb; a worker does it, and the answer tells where to look what came of it.

    An `Idempotency-Key` does what an `id` of one's own does.
    """
    asked, who = await read_body(request, Asked), await staff(request)
    key = key_of_either(request, asked.id)
    if not key or asked.id:
        return await ask_for(request, asked)
    try:
        return await ask_for(request, msgspec.structs.replace(asked, id=str(UUID(key_id(who.name, COMMANDS, key)))))
    except CommandDiffers as differs:
        raise KeyReused from differs


@get(
    COMMANDS,
    opt=allow("viewer")
    | describe(
        CommandsPage,
        query={"collection": "Only of this collection.", "after": "Go on behind this command."},
        named={"after": "0f6c2f0e-7f0a-4c55-9d6e-2f2f4b1f6a01"},
    ),
)
async def list_commands(request: Request[Any, Any, Any]) -> CommandsPage:
    """List what was asked for, the newest first."""
    given = request.query_params
    after = (given["after"],) if given.get("after") else None
    work = cast(Works, request.app.state.works).open()
    found = await views.commands(work, collection=given.get("collection", ""), limit=LISTED, after=after)
    return CommandsPage(commands=found.items, after=None if found.after is None else str(found.after[0]))


@get(f"{COMMANDS}/{{command_id:str}}", opt=allow("viewer") | describe(Command, refusals=(CommandNotFound,)))
async def show_command(request: Request[Any, Any, Any], command_id: FromPath[str]) -> Command:
    """Show how far a command is, or what came of it."""
    return await views.command(cast(Works, request.app.state.works).open(), command_id)


@get(
    f"{ADMIN}/api/audit",
    opt=allow("viewer") | describe(views.Audit, asked=ChosenAudit, query=AUDIT_QUERY, refusals=(BodyInvalid,)),
)
async def audit(request: Request[Any, Any, Any]) -> views.Audit:
    """List what was asked for and what was done, here or at a terminal, the newest first."""
    return (await audited(request))[1]


async def audited(request: Request[Any, Any, Any]) -> tuple[ChosenAudit, views.Audit]:
    """Read what is to be listed, and list it."""
    chosen = convert({name: value for name, value in request.query_params.items() if value}, ChosenAudit, strict=False)
    state = request.app.state
    work, journal = cast(Works, state.works).open(), cast(Replication, state.replication).journal
    found = await views.audit(
        work, journal, collection=chosen.collection, who=chosen.who, before=chosen.before, limit=LISTED
    )
    return chosen, found


@get(f"{ADMIN}/api/verbs", opt=allow("viewer") | describe(list[VerbShown]))
async def list_verbs() -> list[VerbShown]:
    """List every verb and what it takes."""
    return [
        VerbShown(
            verb=name,
            title=verb.title,
            explains=verb.explains,
            role=verb.role,
            grave=verb.grave,
            arguments=msgspec.json.schema(verb.takes),
        )
        for name, verb in VERBS.items()
    ]


@get(f"{ADMIN}/api/openapi.json", opt=allow("viewer"), include_in_schema=False, sync_to_thread=False)
def openapi_document(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Describe the Admin API (OpenAPI 3.1)."""
    return Response(request.app.state.staff_openapi, media_type="application/json")


async def ask_for(request: Request[Any, Any, Any], asked: Asked, *, strict: bool = True) -> Command:
    """Check what is asked for, and by whom, and keep it for a worker."""
    who = await staff(request)
    catalog = cast(Replication, request.app.state.replication).catalog
    arguments = checked(catalog, asked.verb, asked.collection, asked.arguments, role=who.role, strict=strict)
    if asked.id and not _ID.fullmatch(asked.id):
        raise BodyInvalid(summary="id: write a UUID, or leave it out", errors=[])
    return await cast(Works, request.app.state.works).run(
        asking.ask,
        verb=asked.verb,
        collection=asked.collection,
        arguments=arguments,
        who=who.name,
        why=asked.why,
        command_id=asked.id,
    )


HANDLERS = (ask, list_commands, show_command, audit, list_verbs, openapi_document)
