"""`mystira content`: check and import scenario files, alone or a folder at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from mystira.content import views
from mystira.content.actions import WORDS, Definition, check_scenario, import_checked
from mystira.content.bundles.model import BundleDetails
from mystira.content.desk.commands import add_definitions
from mystira.content.media.model.asset import MediaAsset, Told, type_of
from mystira.content.media.ports import MediaShelf
from mystira.content.scenarios.actions import BY_PROGRAM, Asked, scenario_of
from mystira.content.scenarios.model.checking import Checked, check, unreadable
from mystira.content.scenarios.model.examining import EXAMINE, context
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.scenario import Scenario, State, story_id
from mystira.content.scenarios.model.writing import document
from mystira.content.vocabulary.model import AgeGroupDefinition, Vocabulary, WordKind, names_of
from mystira.polyglot.work import Works
from mystira.textfiles.nodes import Node, Unreadable
from mystira.textfiles.readers import Readers, open_readers
from mystira.textfiles.reading import BYTES_MAX, read
from mystira.textfiles.writing import to_yaml

SAMPLE_CONTENT = Path(__file__).parents[3] / "content"
# Few enough that an import never holds many stories in memory, enough that readers and stores work at once.
AT_ONCE = 32
WORD_FILES: dict[WordKind, str] = {
    "axis": "axes",
    "archetype": "archetypes",
    "echo_type": "echo_types",
    "theme": "fantasy_themes",
}


class StoryTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a file became."""

    id: str
    state: State
    version: int


class FileTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `--json` tells about one file, the same for every command (docs/story-files.md).

    Of archives and folders, `outcome` is there as well, and `bundle` beside the file that made one.
    """

    file: str
    ok: bool
    findings: tuple[Finding, ...]
    scenario: StoryTold | None
    outcome: Literal["imported", "unchanged", "refused", "left out"] | None = None
    bundle: str | None = None


class FileWritten(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` tells about one file that was written: what it holds, and the media that were never uploaded."""

    file: str
    stories: int
    media: int = 0
    missing: tuple[str, ...] = ()


class Imported(NamedTuple):
    """What became of one file: its findings, and the story if there was no error."""

    path: Path
    checked: Checked
    scenario: Scenario | None


async def check_apart(paths: Sequence[Path], *, add_vocabulary: bool = False) -> list[Checked]:
    """Check strangers' files against the vocabulary that comes with the program; no store is opened."""
    vocabulary = vocabulary_of(read_vocabulary(SAMPLE_CONTENT / "vocabulary"))
    told = context(vocabulary, add_vocabulary=add_vocabulary, media=_known_media())
    async with open_readers(EXAMINE) as readers:
        return await check_files(readers, paths, told)


async def check_files(readers: Readers, paths: Sequence[Path], told: bytes) -> list[Checked]:
    """Check strangers' files in processes apart; what cannot even be read is a finding as well."""
    return await asyncio.gather(*(_check_file(readers, path, told) for path in paths))


async def import_files(
    works: Works,
    readers: Readers,
    paths: Sequence[Path],
    *,
    publish: bool,
    add_vocabulary: bool,
    asked: Asked = BY_PROGRAM,
) -> list[Imported]:
    """Import strangers' files; one with errors is refused whole, the others are imported."""
    results: list[Imported] = []
    stories: dict[str, Path] = {}
    told = b""
    for first in range(0, len(paths), AT_ONCE):
        some = paths[first : first + AT_ONCE]
        if not told or add_vocabulary:
            vocabulary = await views.vocabulary(works.open())
            told = context(vocabulary, add_vocabulary=add_vocabulary, media=views.program_media_ids())
        checks = [await views.settled(works.open(), one) for one in await check_files(readers, some, told)]
        pairs = [(path, _apart_from_others(path, checked, stories)) for path, checked in zip(some, checks, strict=True)]
        scenarios = await asyncio.gather(
            *(_imported(works, checked, publish=publish, asked=asked) for _, checked in pairs)
        )
        results += [Imported(*pair, scenario) for pair, scenario in zip(pairs, scenarios, strict=True)]
    return results


async def import_media(works: Works, shelf: MediaShelf, folder: Path, report: Callable[[str], None]) -> None:
    """Bring a folder's pictures and sounds into the library as everybody's are; what is or was there stays so."""
    # Like the bundles below: what cleans files is loaded only by those who have files.
    from mystira.content.media.actions.uploading import Incoming, take_one

    for row in _rows(folder / "media.yaml"):
        media_type = type_of(row["file"])
        assert media_type is not None, f"{row['file']} is no picture, sound or film"
        if await works.open().get(MediaAsset, row["file"], media_type) is not None:
            continue
        told = Told(title=row["title"], alt_text=row["alt_text"], is_open=media_type == "audio")
        asked = Incoming(path=folder / row["file"], name=row["file"], by="mystira", why="sample stories", told=told)
        outcome = await take_one(works, shelf, asked)
        if outcome.state == "refused":
            report(f"{row['file']} of the sample stories was not taken: {outcome.message}")


async def import_folder(works: Works, folder: Path, report: Callable[[str], None]) -> None:
    """Import a folder's master data, badges and stories and publish them; what is there unchanged stays."""
    known = await views.vocabulary(works.open())
    if not known.words["age_group"]:
        report(f"Bringing the sample stories from {folder}.")
    await add_definitions(works, folder)
    vocabulary = await views.vocabulary(works.open())
    for path in sorted((folder / "scenarios").glob("*.yaml")):
        checked = check_own_file(path, vocabulary)
        if checked.content is None:
            report(f"{path.name} has {len(checked.errors)} errors; run `mystira content validate {path}`.")
            continue
        # What is there belongs to its authors by now; only what an interrupted start left as a draft is gone on with.
        known = await works.open().get(Scenario, story_id(checked.content.title))
        if known is None or (known.state == "draft" and known.latest_version == 0):
            await import_checked(works, checked, publish=True)
    # What edits bundles knows the web layer, and checking a file should not wait for a web server to load.
    from mystira.content.bundles.actions import import_bundle

    for path in sorted((folder / "bundles").glob("*.yaml")):
        await works.run(import_bundle, bundle_id=path.stem, details=read_bundle(path))


def read_bundle(path: Path) -> BundleDetails:
    """Return what the file of a bundle says; the file's name is the bundle's id."""
    return msgspec.convert(_plain(read(path.read_bytes())), BundleDetails)


async def export_files(works: Works, ids: Sequence[str], folder: Path) -> list[FileWritten]:
    """Write stories as they are written now, or without ids all of them, one file each."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    written: list[FileWritten] = []
    async for scenario in _stories(works, ids):
        text = to_yaml(document(scenario.content))
        path = folder / f"{scenario.id}.yaml"
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        written.append(FileWritten(file=str(path), stories=1))
    return written


async def _stories(works: Works, ids: Sequence[str]) -> AsyncIterator[Scenario]:
    for id in ids:
        yield await scenario_of(works.open(), id)
    after = None
    while not ids:
        found = await works.open().find(Scenario, limit=AT_ONCE, after=after)
        for scenario in found.items:
            yield scenario
        after = found.after
        if after is None:
            return


def check_own_file(path: Path, vocabulary: Vocabulary) -> Checked:
    """Check a file that comes with the program, in this process; strangers' files are never read like this."""
    return check(read(path.read_bytes()), vocabulary, media=_known_media())


def _known_media() -> frozenset[str]:
    """Return the ids of what comes with the program, and with its sample stories."""
    return views.program_media_ids() | {row["file"] for row in _rows(SAMPLE_CONTENT / "media" / "media.yaml")}


def shown_lines(path: Path) -> list[str]:
    """Return the lines that findings point to, as far as a file of the allowed size has any."""
    try:
        return read_start(path).decode(errors="replace").splitlines()
    except OSError:
        return []


def read_start(path: Path) -> bytes:
    """Return a file's bytes, or as many as show that there are too many: a file may be endless."""
    with path.open("rb") as source:
        return source.read(BYTES_MAX + 1)


async def _check_file(readers: Readers, path: Path, told: bytes) -> Checked:
    try:
        data = await asyncio.to_thread(read_start, path)
    except OSError as error:
        message = f"The file cannot be opened ({error.strerror}). Check its name and who may read it."
        return unreadable(Unreadable("no_file", message))
    return await check_scenario(readers, data, told)


def _apart_from_others(path: Path, checked: Checked, stories: dict[str, Path]) -> Checked:
    if checked.content is None:
        return checked
    other = stories.setdefault(story_id(checked.content.title), path)
    if other is path:
        return checked
    message = f"{other} has this title too, and one story would replace the other. Change one of the titles."
    return unreadable(Unreadable("same_title", message))


async def _imported(works: Works, checked: Checked, *, publish: bool, asked: Asked) -> Scenario | None:
    return None if checked.content is None else await import_checked(works, checked, publish=publish, asked=asked)


def vocabulary_of(definitions: Sequence[Definition]) -> Vocabulary:
    """Return the vocabulary that these definitions make up."""
    kinds: dict[WordKind, type[Definition]] = {"age_group": AgeGroupDefinition}
    kinds |= WORDS
    words: dict[WordKind, dict[str, str]] = {
        kind: names_of([one for one in definitions if isinstance(one, entity)])  # pyright: ignore[reportArgumentType]
        for kind, entity in kinds.items()
    }
    groups = [one for one in definitions if isinstance(one, AgeGroupDefinition)]
    return Vocabulary(words, {group.id: group.maximum_age for group in groups})


def read_vocabulary(folder: Path) -> list[Definition]:
    """Return the master data of a folder, one file a kind."""
    definitions: list[Definition] = [
        AgeGroupDefinition(
            id=row["id"], name=row["name"], minimum_age=row["minimum_age"], maximum_age=row["maximum_age"]
        )
        for row in _rows(folder / "age_groups.yaml")
    ]
    for kind, entity in WORDS.items():
        for row in _rows(folder / f"{WORD_FILES[kind]}.yaml"):
            definitions.append(entity(id=row["id"], name=row["name"], description=row.get("description", "")))
    return definitions


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    root = read(path.read_bytes())
    return [_plain(row) for row in root.value]


def _plain(node: Node) -> dict[str, Any]:
    return {str(key.value): _value(value) for key, value in node.value}


def _value(node: Node) -> Any:
    match node.kind:
        case "map":
            return _plain(node)
        case "list":
            return [_value(one) for one in node.value]
        case _:
            return node.value
