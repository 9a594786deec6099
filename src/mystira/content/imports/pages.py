"""Imports as pages: send a file, watch it become stories, read everything that was found."""

from collections.abc import AsyncIterator
from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from mystira.content.imports import views
from mystira.content.imports.http import FILE_BYTES_MAX, Asking, keep, outcome_asked
from mystira.content.imports.problems import FileMissing
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.answers import STATUS
from mystira.web.lists import Span, span_asked
from mystira.web.live import live
from mystira.web.pages import page

IMPORTS = f"{ADMIN}/content/imports"
CHUNK = 64 * 1024
# The form around the file is small.
FORM_BYTES_MAX = FILE_BYTES_MAX + 100_000


@get(IMPORTS, opt=allow("viewer", page=True), include_in_schema=False)
async def imports_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List imports, and take a new one."""
    return await _list(request)


@post(IMPORTS, opt=allow("operator", page=True), include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def send(request: Request[Any, Any, Any]) -> Response[Any]:
    """Take a file to import."""
    form = await request.form()
    file = form.get("file")
    asking = Asking(
        publish=form.get("publish") == "1",
        add_vocabulary=form.get("add_vocabulary") == "1",
        why=str(form.get("why", "")),
    )
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise FileMissing
        job = await keep(request, _chunks(file), asking, str(form.get("key", "")), name=file.filename)
    except Problem as refusal:
        return await _list(request, refusal, asking)
    return Redirect(f"{IMPORTS}/{job.id}", status_code=303)


@get(f"{IMPORTS}/{{import_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def import_page(request: Request[Any, Any, Any], import_id: FromPath[str]) -> Response[bytes]:
    """Show how far an import is, and what was found in its files."""
    return page(request, "content/import_job.html", **await _one(request, import_id))


@get(f"{IMPORTS}/{{import_id:str}}/live", opt=allow("viewer", page=True), include_in_schema=False)
async def live_import(request: Request[Any, Any, Any], import_id: FromPath[str]) -> Stream:
    """Show how far an import is, as it goes on."""
    await _one(request, import_id)
    return await live(request, "content/_import_job.html", lambda: _one(request, import_id), every_s=0.5)


async def _one(request: Request[Any, Any, Any], import_id: str) -> dict[str, Any]:
    work, span = _works(request).open(), span_asked(request.query_params)
    job, outcome = await views.import_of(work, import_id), outcome_asked(request)
    return {"job": job, "files": await views.files(work, import_id, span, outcome), "outcome": outcome}


async def _list(
    request: Request[Any, Any, Any], refusal: Problem | None = None, typed: Asking | None = None
) -> Response[bytes]:
    work = _works(request).open()
    span = span_asked(request.query_params) if refusal is None else Span()
    return page(
        request,
        "content/imports.html",
        status=200 if refusal is None else STATUS[refusal.kind],
        found=await views.imports(work, span),
        refused=None if refusal is None else refusal.message,
        key=work.new_id(),
        typed=typed or Asking(),
    )


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK):
        yield chunk


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (imports_page, send, import_page, live_import)
