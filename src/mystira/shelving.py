"""`mystira content media`: pictures, sounds and films brought from the command line: files, folders and ZIPs."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from mystira.content.media.actions.uploading import Incoming, Outcome, take_in
from mystira.run import platform
from mystira.services.worker import settle
from mystira.settings import read_settings
from mystira.terminal import print_json, say, say_apart, whoever

FAILED = 1

media = App(name="media", help="Pictures, sounds and films that stories show.")


@media.command
def add(
    *files: Path,
    replace: Annotated[bool, Parameter(negative="", help="Replace files of the same name.")] = False,
    why: str = "",
    json: Annotated[
        bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")
    ] = False,
) -> None:
    """Add files, every file of folders, and every file of ZIPs. Exit code 1 when any was refused."""
    if not files:
        say_apart("Name at least one file, folder or ZIP: mystira content media add pictures/")
        raise SystemExit(2)
    found = asyncio.run(_add(files, replace, why))
    if json:
        print_json([msgspec.to_builtins(one) for one in found])
    for one in () if json else found:
        say(f"{one.file}: {one.message}" if one.state == "refused" else f"{one.file}: {one.state} as {one.media_id}.")
    refused = sum(one.state == "refused" for one in found)
    if not found:
        say_apart("There was no file in what you named.")
    if refused or not found:
        raise SystemExit(FAILED)


async def _add(files: Sequence[Path], replace: bool, why: str) -> list[Outcome]:
    found: list[Outcome] = []
    by = f"{whoever()} (command line)"
    async with platform(read_settings(), say_apart) as opened:
        for path in _every(files):
            if not path.is_file():
                message = "There is no such file. Check its name."
                found.append(Outcome(file=str(path), state="refused", code="no_file", message=message))
                continue
            incoming = Incoming(path=path, name=path.name, by=by, why=why, replace=replace)
            found += [one async for one in take_in(opened.works, opened.media, incoming)]
        await settle(opened)
    return found


def _every(files: Sequence[Path]) -> Iterator[Path]:
    for path in files:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
        else:
            yield path
