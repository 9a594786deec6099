"""`mystira content words`: words, badges, characters and avatars as files, out of the platform and into it."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from mystira.content.desk.actions import By, Imported
from mystira.content.desk.commands import export_sheets, import_sheets
from mystira.run import platform
from mystira.services.worker import settle
from mystira.settings import read_settings
from mystira.terminal import print_json, say, say_apart

FAILED = 1

words = App(name="words", help="Words, badges, characters and avatars as files.")

AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")]


@words.command(name="export")
def export(folder: Path, *nouns: str) -> None:
    """Write YAML files into a folder: of every kind, or of those named (`badges`, `age-groups`)."""
    asyncio.run(_export(folder, nouns))


@words.command(name="import")
def import_(folder: Path, *, why: str = "", json: AsJson = False) -> None:
    """Bring the files that `words export` writes; a file with anything wrong changes nothing. Exit code 1 then."""
    came = asyncio.run(_import(folder, why))
    if json:
        print_json([{"file": str(path), **one._asdict()} for path, one in came.items()])
    else:
        for path, one in came.items():
            for found in one.found:
                say(f"{path}:{found.line}: {found.id} {found.message}")
            if not one.found:
                say(f"{path}: {one.added} added, {one.changed} changed, {one.same} as they were.")
    if not came:
        say_apart(f"{folder} holds no file that could be brought. `mystira content words export` shows their names.")
    if not came or any(one.found for one in came.values()):
        raise SystemExit(FAILED)


async def _export(folder: Path, nouns: tuple[str, ...]) -> None:
    async with platform(read_settings(), say_apart) as opened:
        await export_sheets(opened.works, folder, nouns, lambda path, count: say(f"{path}: {count}"))


async def _import(folder: Path, why: str) -> dict[Path, Imported]:
    async with platform(read_settings(), say_apart) as opened:
        came = await import_sheets(opened.works, folder, By("command line", why))
        await settle(opened)
    return came
