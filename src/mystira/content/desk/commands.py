"""`mystira content words`: every kind of small content as YAML files, into the platform and out of it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mystira.content.desk import views
from mystira.content.desk.actions import By, Imported, add_missing, import_sheet
from mystira.content.desk.model.kinds import KINDS
from mystira.content.desk.model.sheets import read_sheet, write_sheet
from mystira.polyglot.work import Works
from mystira.textfiles.reading import read


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


async def import_sheets(works: Works, folder: Path, by: By) -> dict[Path, Imported]:
    """Bring every file of a folder that has a kind's name; a file with anything wrong in it changes nothing."""
    paths = {kind.noun: folder / kind.file for kind in KINDS.values()}
    return {
        path: await import_sheet(works, KINDS[noun], read(path.read_bytes()), by)
        for noun, path in paths.items()
        if path.exists()
    }


async def export_sheets(works: Works, folder: Path, nouns: Sequence[str], tell: Callable[[Path, int], None]) -> None:
    """Write the file of each of these kinds, or of all of them."""
    for kind in [views.kind_named(noun) for noun in nouns] or list(KINDS.values()):
        items = await views.every(works.open(), kind)
        path = folder / kind.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(write_sheet(kind, items), encoding="utf-8")
        tell(path, len(items))
