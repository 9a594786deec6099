"""`mystira content words`: every kind of small content as YAML files, into the platform and out of it."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from mystira.content.desk import views
from mystira.content.desk.actions import By, add_missing, import_sheet
from mystira.content.desk.model.kinds import KINDS
from mystira.content.desk.model.sheets import Found, read_sheet, write_sheet
from mystira.polyglot.work import Works
from mystira.textfiles.reading import read


class SheetWritten(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` tells about one file that was written: how many definitions it holds."""

    file: str
    count: int


class SheetTold(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` tells about one file that was brought: how many changed, or all that is wrong with it."""

    file: str
    added: int = 0
    changed: int = 0
    same: int = 0
    found: tuple[Found, ...] = ()


async def add_definitions(works: Works, folder: Path) -> None:
    """Bring the definitions of a folder that comes with the program; what people have changed stays."""
    for kind in KINDS.values():
        path = folder / kind.file
        if path.exists():
            rows, found = read_sheet(kind, read(path.read_bytes()))
            assert not found, f"{path}: {found[0].message}"
            there = {item.id for item in await views.every(works.open(), kind)}
            for row in (row for row in rows if row.id not in there):
                await works.run(add_missing, kind=kind, row=row)


async def import_sheets(works: Works, folder: Path, by: By) -> list[SheetTold]:
    """Bring every file of a folder that has a kind's name; a file with anything wrong in it changes nothing."""
    paths = {kind.noun: folder / kind.file for kind in KINDS.values()}
    told: list[SheetTold] = []
    for noun, path in paths.items():
        if path.exists():
            came = await import_sheet(works, KINDS[noun], read(path.read_bytes()), by)
            told.append(SheetTold(file=str(path), **came._asdict()))
    return told


async def export_sheets(works: Works, folder: Path, nouns: Sequence[str]) -> AsyncIterator[SheetWritten]:
    """Write the file of each of these kinds, or of all of them."""
    for kind in [views.kind_named(noun) for noun in nouns] or list(KINDS.values()):
        items = await views.every(works.open(), kind)
        path = folder / kind.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(write_sheet(kind, items), encoding="utf-8")
        yield SheetWritten(file=str(path), count=len(items))
