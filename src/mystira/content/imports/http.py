"""The Admin API of imports: send a story or an archive, see how far it is and everything that was found."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from litestar import Request, get, post
from litestar.params import FromPath

from mystira.content.imports import actions, views
from mystira.content.imports.jobs import file_of
from mystira.content.imports.model import Import, Outcome
from mystira.content.imports.problems import FileMissing, FileTooLarge, ImportNotFound
from mystira.content.imports.views import FilesPage, ImportsPage
from mystira.polyglot.keyed import keyed_hash
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert
from mystira.web.keys import IDEMPOTENCY_KEY, KeyReused
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.repeats import repeat_key

API = f"{ADMIN}/api/imports"
FILE_BYTES_MAX = 500_000_000


class Asking(Body, frozen=True, kw_only=True):
    """How a file is to be imported."""

    name: str = "file"
    publish: bool = False
    add_vocabulary: bool = False
    why: str = ""


class Only(Body, frozen=True, kw_only=True):
    """Which files of an import."""

    outcome: Outcome | None = None


SENDING = describe(
    Import,
    asked=Asking,
    raw={"application/octet-stream": "The bytes of a story (YAML or JSON), or of a ZIP of stories and media."},
    query={
        "name": "What the file is called.",
        "publish": "`true`: let players see the stories at once.",
        "add_vocabulary": "`true`: add words that the vocabulary lacks.",
        "why": "Why, for the audit.",
    },
    headers=IDEMPOTENCY_KEY,
    refusals=(FileMissing, FileTooLarge, KeyReused, BodyInvalid),
)


@post(API, opt=allow("operator") | SENDING, status_code=202, request_max_body_size=FILE_BYTES_MAX)
async def send(request: Request[Any, Any, Any]) -> Import:
    """Import a story (YAML or JSON) or a ZIP of stories: the file itself is the body. A worker does it."""
    given = {name: value for name, value in request.query_params.items() if name in Asking.__struct_fields__}
    asking = convert(given, Asking, strict=False)
    return await keep(request, request.stream(), asking, repeat_key(request))


@get(API, opt=allow("viewer") | describe(ImportsPage, query=LISTING, refusals=(PageUnknown, BodyInvalid)))
async def list_imports(request: Request[Any, Any, Any]) -> ImportsPage:
    """List imports, the newest first."""
    return await views.imports(_works(request).open(), span_asked(request.query_params))


@get(f"{API}/{{import_id:str}}", opt=allow("viewer") | describe(Import, refusals=(ImportNotFound,)))
async def show_import(request: Request[Any, Any, Any], import_id: FromPath[str]) -> Import:
    """Show how far an import is, or what came of it."""
    return await views.import_of(_works(request).open(), import_id)


@get(
    f"{API}/{{import_id:str}}/files",
    opt=allow("viewer")
    | describe(
        FilesPage,
        asked=Only,
        query={**LISTING, "outcome": "Only files with this outcome."},
        refusals=(ImportNotFound, PageUnknown, BodyInvalid),
    ),
)
async def list_files(request: Request[Any, Any, Any], import_id: FromPath[str]) -> FilesPage:
    """List an import's files with everything that was found in them."""
    work = _works(request).open()
    await views.import_of(work, import_id)
    return await views.files(work, import_id, span_asked(request.query_params), outcome_asked(request))


def outcome_asked(request: Request[Any, Any, Any]) -> Outcome | None:
    """Return which files of an import are asked for; None for all."""
    given = {"outcome": request.query_params["outcome"]} if request.query_params.get("outcome") else {}
    return convert(given, Only, strict=False).outcome


async def keep(
    request: Request[Any, Any, Any], source: AsyncIterator[bytes], asking: Asking, key: str, name: str = ""
) -> Import:
    """Keep a file that comes in, and ask for its import."""
    folder = imports_folder(request)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{uuid4()}.part"
    try:
        digest, size = await _written(source, part)
        if not size:
            raise FileMissing
        who, works = await staff(request), _works(request)
        # The same caller with the same key means the same import.
        named = keyed_hash(request.app.state.key, "import", f"{who.name}\0{key}")[:32] if key else works.open().new_id()
        target = file_of(folder, named)
        if not target.exists():
            part.rename(target)
        return await works.run(
            actions.ask,
            import_id=named,
            name=name or asking.name,
            file_hash=digest,
            file_bytes=size,
            publish=asking.publish,
            add_vocabulary=asking.add_vocabulary,
            by=who.name,
            why=" ".join(asking.why.split())[:500],
        )
    finally:
        part.unlink(missing_ok=True)


def imports_folder(request: Request[Any, Any, Any]) -> Path:
    """Return where files wait until a worker imports them."""
    return cast(Path, request.app.state.data) / "imports"


async def _written(source: AsyncIterator[bytes], target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as out:
        async for chunk in source:
            size += len(chunk)
            if size > FILE_BYTES_MAX:
                raise FileTooLarge(most=FILE_BYTES_MAX // 1_000_000)
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest(), size


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (send, list_imports, show_import, list_files)
