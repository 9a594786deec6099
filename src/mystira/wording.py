"""`mystira content words`: words, badges, characters and avatars as files, out of the platform and into it."""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from mystira.content.desk.actions import By
from mystira.content.desk.commands import SheetTold, SheetWritten, export_sheets, import_sheets
from mystira.run import platform
from mystira.services.worker import settle
from mystira.settings import read_settings
from mystira.terminal import print_json, say, say_apart

FAILED = 1

words = App(name="words", help="Words, badges, characters and avatars as files.")

AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")]


@words.command(name="export")
def export(folder: Path, *nouns: str, json: AsJson = False) -> None:
    """Write YAML files into a folder: of every kind, or of those named (`badges`, `age-groups`)."""
    written = asyncio.run(_export(folder, nouns))
    if json:
        print_json(written)
    for one in () if json else written:
        say(f"{one.file}: {one.count}")


@words.command(name="import")
def import_(folder: Path, *, why: str = "", json: AsJson = False) -> None:
    """Bring the files that `words export` writes; a file with anything wrong changes nothing. Exit code 1 then."""
    came = asyncio.run(_import(folder, why))
    if json:
        print_json(came)
    for one in () if json else came:
        for found in one.found:
            say(f"{one.file}:{found.line}: {found.id} {found.message}")
        if not one.found:
            say(f"{one.file}: {one.added} added, {one.changed} changed, {one.same} as they were.")
    if not came:
        say_apart(f"{folder} holds no file that could be brought. `mystira content words export` shows their names.")
    if not came or any(one.found for one in came):
        raise SystemExit(FAILED)


async def _export(folder: Path, nouns: tuple[str, ...]) -> list[SheetWritten]:
    async with platform(read_settings(), say_apart) as opened:
        return [one async for one in export_sheets(opened.works, folder, nouns)]


async def _import(folder: Path, why: str) -> list[SheetTold]:
    async with platform(read_settings(), say_apart) as opened:
        came = await import_sheets(opened.works, folder, By("command line", why))
        await settle(opened)
    return came
