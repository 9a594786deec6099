"""What people at the desk do; each function that takes a `work` is one unit of work."""

from typing import Any, NamedTuple

import msgspec

from mystira.content import views as content
from mystira.content.desk import views
from mystira.content.desk.model.fields import Wrong, wrongs
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.desk.model.sheets import Found, Row, entity_of, read_sheet, wrong_ids
from mystira.content.desk.ports import Uses
from mystira.content.desk.problems import InUse, NotRight, ThereAlready
from mystira.content.events import ContentChanged
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.work import Work, Works
from mystira.textfiles.nodes import Node
from mystira.web.versions import refuse_stale


class By(NamedTuple):
    """Who does something, and why."""

    name: str
    why: str = ""


class Imported(NamedTuple):
    """What came of a file: how many were added, changed, and as they were; or everything that is wrong with it."""

    added: int = 0
    changed: int = 0
    same: int = 0
    found: tuple[Found, ...] = ()


async def create(work: Work, *, kind: Kind, id: str, plain: dict[str, Any], by: By) -> Entity:
    """Add a definition; ThereAlready where there is one with its id."""
    if await work.get(kind.entity, id) is not None:
        raise ThereAlready(one=kind.one, id=id)
    return await _keep(work, kind, id, plain, None, by)


async def change(work: Work, *, kind: Kind, id: str, plain: dict[str, Any], seen: Stamp, by: By) -> Entity:
    """Change a definition that stands at the version that was seen."""
    before = await views.one(work, kind, id)
    refuse_stale(work, before, seen)
    return await _keep(work, kind, id, plain, before, by)


async def delete(work: Work, *, kind: Kind, id: str, seen: Stamp, by: By, elsewhere: Uses) -> None:
    """Delete a definition that nobody uses."""
    before = await views.one(work, kind, id)
    refuse_stale(work, before, seen)
    users = await views.uses(work, kind, id, elsewhere)
    if users:
        some = ", ".join(use.says for use in users[: views.USES_SHOWN])
        more = " and more" if len(users) > views.USES_SHOWN else ""
        raise InUse(one=kind.one, users=some + more, uses=users)
    work.remove(before, _told(kind, id, "deleted", by))


async def add_missing(work: Work, *, kind: Kind, row: Row) -> None:
    """Bring a definition that comes with the program; one that is there, or that somebody has deleted, stays so."""
    if not await work.knows(kind.entity, row.id):
        work.save(entity_of(kind, row.id, row.plain))


async def import_sheet(works: Works, kind: Kind, root: Node, by: By) -> Imported:
    """Keep every definition of a file, or none of them where anything is wrong; what it does not name stays."""
    rows, found = read_sheet(kind, root)
    if not found:
        found = await _misfits_of(works.open(), kind, rows)
    if found:
        return Imported(found=tuple(sorted(found, key=lambda one: one.line)))
    done = [await works.run(_bring, kind=kind, row=row, by=by) for row in rows]
    return Imported(added=done.count("created"), changed=done.count("changed"), same=done.count(""))


async def _bring(work: Work, *, kind: Kind, row: Row, by: By) -> str:
    before = await work.get(kind.entity, row.id)
    entity = entity_of(kind, row.id, row.plain)
    if entity == before:
        return ""
    done = "created" if before is None else "changed"
    work.save(entity, _told(kind, row.id, done, by))
    return done


async def _keep(work: Work, kind: Kind, id: str, plain: dict[str, Any], before: Entity | None, by: By) -> Entity:
    found = wrongs(kind.fields, plain)
    if before is None:
        found += [Wrong("id", message) for message in wrong_ids(kind, id, plain)]
    if not found:
        entity = entity_of(kind, id, plain)
        found = await _misfits(work, kind, entity, before)
        if not found:
            if entity != before:
                work.save(entity, _told(kind, id, "changed" if before else "created", by))
            return entity
    raise not_right(found)


def not_right(found: list[Wrong]) -> NotRight:
    """Return the refusal that lists everything that is wrong."""
    first = f"{found[0].field}: {found[0].message}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    errors = [{"path": f"$.{wrong.field}", "message": wrong.message} for wrong in found]
    return NotRight(summary=first + more, errors=errors)


async def _misfits(work: Work, kind: Kind, entity: Entity, before: Entity | None) -> list[Wrong]:
    """Return what is wrong with a definition beside all others."""
    found = [
        Wrong(field.name, f"This makes the id and stays {getattr(before, field.name)}. Make a new {kind.one} instead.")
        for field in kind.fields
        if field.fixed and before is not None and getattr(entity, field.name) != getattr(before, field.name)
    ]
    found += await _lost(work, kind, entity)
    others = [other for other in await views.every(work, kind) if other.id != entity.id]
    # What was wrong before must not keep anybody from mending something else.
    known = {id for id, _ in kind.together([*others, before] if before else others)}
    together = kind.together([*others, entity])
    own = [wrong for id, wrong in together if id == entity.id]
    return found + (own or [wrong for id, wrong in together if id not in known])[:1]


async def _misfits_of(work: Work, kind: Kind, rows: list[Row]) -> list[Found]:
    """Return what is wrong with the definitions of a file beside each other and beside those that are there."""
    lines = {row.id: row.line for row in rows}
    entities = [entity_of(kind, row.id, row.plain) for row in rows]
    found = [
        Found(line=lines[entity.id], id=entity.id, message=f"{wrong.field}: {wrong.message}")
        for entity in entities
        for wrong in await _lost(work, kind, entity)
    ]
    others = [other for other in await views.every(work, kind) if other.id not in lines]
    return found + [
        Found(line=lines[id], id=id, message=f"{wrong.field}: {wrong.message}")
        for id, wrong in kind.together([*others, *entities])
        if id in lines
    ]


async def _lost(work: Work, kind: Kind, entity: Entity) -> list[Wrong]:
    """Return the references of a definition that lead nowhere."""
    found: list[Wrong] = []
    for field in kind.fields:
        if not field.refers:
            continue
        value: Any = getattr(entity, field.name)
        other = KINDS[field.refers]
        for id in list(value) if field.is_many else [value]:
            if id is not None and await work.get(other.entity, id) is None:
                found.append(Wrong(field.name, f"There is no {other.one} {id}. Add it first, or choose another."))
    there = await content.media_there(work, views.missing_media(kind, entity, frozenset()))
    missing = views.missing_media(kind, entity, there)
    media = next((field.name for field in kind.fields if field.ask in ("media", "shelves")), "")
    return found + [Wrong(media, f"There is no media file {id}. Upload it first, or choose another.") for id in missing]


def _told(kind: Kind, id: str, done: str, by: By) -> ContentChanged:
    return ContentChanged(what=kind.noun, content_id=id, change=done, by=by.name, why=by.why)


def plain_body(body: msgspec.Struct) -> dict[str, Any]:
    """Return a strict body as the plain form that the desk works with."""
    plain = msgspec.to_builtins(body)
    plain.pop("why", None)
    return plain
