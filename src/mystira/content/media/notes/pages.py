"""The pages of the two lists of notes: search, one entry beside its medium, and a form to add, change or remove it."""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.response import Redirect

from mystira.content.desk.model.fields import Wrong
from mystira.content.desk.pages import DefinitionForm
from mystira.content.desk.problems import NotRight
from mystira.content.media import views
from mystira.content.media.model.asset import type_of
from mystira.content.media.model.metadata import Noted
from mystira.content.media.notes.actions import add_entry, change_entry, remove_entry
from mystira.content.media.notes.http import WHY_LENGTH_MAX
from mystira.content.media.notes.model import BLANK, ID, SORTS, Sort, entry_in, form_of
from mystira.content.media.problems import EntryNotFound, TooManyEntries
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Work, Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.answers import STATUS
from mystira.web.bodies import read_form
from mystira.web.lists import span_asked
from mystira.web.pages import page
from mystira.web.versions import Stale, version_in

CONTENT = f"{ADMIN}/content"
LISTS = [f"{CONTENT}/{noun}" for noun in SORTS]
# An id may be "new" or "..", which no path could hold beside the others, so addresses name it in the query.
ENTRIES = [f"{path}/entry" for path in LISTS]

Asking = Request[Any, Any, Any]


@get(LISTS, opt=allow("viewer", page=True), include_in_schema=False)
async def list_page(request: Asking) -> Response[bytes]:
    """List the entries that hold every word of a search, by their ids."""
    sort, span = _sort(request), span_asked(request.query_params)
    search = request.query_params.get("search", "")
    file = await views.metadata_file(_works(request).open(), sort.file)
    fits = sorted((one for one in file.entries if _holds(sort, one, search)), key=lambda one: one.id)
    ahead = [one for one in fits if one.id > span.after]
    shown = ahead[: span.limit]
    onward = {"search": search, "limit": span.limit, "after": shown[-1].id} if len(ahead) > len(shown) else None
    return page(
        request,
        "content/notes.html",
        sort=sort,
        sorts=SORTS.values(),
        search=search,
        found=shown,
        fitting=len(fits),
        total=len(file.entries),
        next=f"{_at(sort)}?{urlencode(onward)}" if onward else "",
        done=request.query_params.get("done", ""),
    )


@get(ENTRIES, opt=allow("viewer", page=True), include_in_schema=False)
async def entry_page(request: Asking) -> Response[bytes]:
    """Show one entry, to look at or to change; without an id, the form of a new one."""
    sort, entry_id = _sort(request), request.query_params.get("id", "")
    file = await views.metadata_file(_works(request).open(), sort.file)
    if entry_id and entry_in(file, entry_id) is None:
        raise EntryNotFound(entry_id=entry_id[:120])
    return await _form(request, sort, entry_id)


@post(ENTRIES, opt=allow("operator", page=True), include_in_schema=False)
async def save(request: Asking) -> Response[Any]:
    """Keep an entry, or show its form again with everything that was typed and what is wrong with it."""
    sort, entry_id, form = _sort(request), request.query_params.get("id", ""), await read_form(request, DefinitionForm)
    action = change_entry if entry_id else add_entry
    about = {"entry_id": entry_id or form.value.get("id", "").strip(), "typed": form.value}
    try:
        await _works(request).run(action, sort=sort, **about, **await _by(request, form))
    except NotRight as refused:
        wrong = [Wrong(error["path"].removeprefix("$."), error["message"]) for error in refused.facts["errors"]]
        return await _form(request, sort, entry_id, typed=form, wrong=wrong, refused=refused)
    except (Stale, EntryNotFound, TooManyEntries) as refused:
        return await _form(request, sort, entry_id, typed=form, refused=refused)
    return Redirect(f"{_at(sort)}?done=saved", status_code=303)


@post([f"{path}/remove" for path in ENTRIES], opt=allow("admin", page=True), include_in_schema=False)
async def remove(request: Asking) -> Response[Any]:
    """Take an entry out of its list."""
    sort, entry_id, form = _sort(request), request.query_params.get("id", ""), await read_form(request, DefinitionForm)
    try:
        await _works(request).run(remove_entry, sort=sort, entry_id=entry_id, **await _by(request, form))
    except Stale as refused:
        return await _form(request, sort, entry_id, refused=refused, why_remove=form.why)
    return Redirect(f"{_at(sort)}?done=removed", status_code=303)


async def _form(
    request: Asking,
    sort: Sort,
    entry_id: str,
    *,
    typed: DefinitionForm | None = None,
    wrong: Sequence[Wrong] = (),
    refused: Problem | None = None,
    why_remove: str = "",
) -> Response[bytes]:
    """Show a form. What was typed stays; after a stale one, what is kept now stands beside what was typed."""
    work = _works(request).open()
    file = await views.metadata_file(work, sort.file)
    entry = entry_in(file, entry_id)
    kept = {} if entry is None else form_of(sort, entry)
    mine = {} if typed is None else typed.value
    values = mine or kept or BLANK
    is_gone = bool(entry_id) and entry is None
    if is_gone:
        # What somebody wrote about an entry that was removed meanwhile can be added again, as it is.
        values = {**values, "id": entry_id}
    is_behind = isinstance(refused, Stale | EntryNotFound)
    return page(
        request,
        "content/note.html",
        status=STATUS[refused.kind] if refused else 200,
        sort=sort,
        fields=sort.fields if entry is not None else (ID, *sort.fields),
        entry_id="" if is_gone else entry_id,
        is_gone=is_gone,
        values=values,
        now=kept if is_behind and entry is not None and typed is not None else None,
        # After any other refusal the form goes on from the version that it began with: a rival may have come meanwhile.
        version=str(work.version_of(file).packed) if typed is None or is_behind else typed.version,
        why=typed.why if typed else "",
        why_remove=why_remove,
        wrong={one.field: one.message for one in reversed(wrong)},
        refused=refused,
        choices={},
        **await _medium(request, work, entry),
    )


async def _medium(request: Asking, work: Work, entry: Noted | None) -> dict[str, Any]:
    """Return which medium an entry is about, and where it is shown: the file that it names, else the one of its id."""
    names = () if entry is None else (entry.file_name, entry.id)
    for name in names:
        address = await views.shown_at(work, request.app.state.key, name)
        if address is not None:
            return {"medium": name, "medium_type": type_of(name), "address": address}
    return {"medium": "", "medium_type": "", "address": ""}


def _holds(sort: Sort, entry: Noted, search: str) -> bool:
    said = f"{entry.id} {' '.join(form_of(sort, entry).values())}".casefold()
    return all(word in said for word in search.casefold().split())


async def _by(request: Asking, form: DefinitionForm) -> dict[str, Any]:
    why = " ".join(form.why.split())[:WHY_LENGTH_MAX]
    return {"seen": version_in(form.version), "by": (await staff(request)).name, "why": why}


def _sort(request: Asking) -> Sort:
    return SORTS[request.url.path.removeprefix(f"{CONTENT}/").partition("/")[0]]


def _at(sort: Sort) -> str:
    return f"{CONTENT}/{sort.noun}"


def _works(request: Asking) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (list_page, entry_page, save, remove)
