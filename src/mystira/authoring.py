"""`mystira content`: stories written, checked, brought in and taken out, measured."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter, validators

from mystira.settings import read_settings
from mystira.terminal import print_json, say, say_apart, whoever

if TYPE_CHECKING:
    from mystira.content.commands import FileTold, FileWritten
    from mystira.content.imports.commands import Wanted
    from mystira.content.scenarios.model.checking import Checked
    from mystira.content.scenarios.model.findings import Finding

FAILED = 1
PERCENTS = (10.0, 25.0, 50.0, 75.0, 90.0)

content = App(name="content", help="Check, import and export story files.")
content.command("mystira.wording:words", name="words", help="Words, badges, characters and avatars as files.")
content.command("mystira.shelving:media", name="media", help="Pictures, sounds and films that stories show.")

AsJson = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative="")]


@content.command(name="new")
def new_story(title: str, *, file: Path | None = None, json: AsJson = False) -> None:
    """Write a commented story file to begin with. It validates as it is."""
    from mystira.content.scenarios.model.checking import unreadable
    from mystira.content.scenarios.model.scenario import story_id
    from mystira.content.scenarios.model.skeleton import skeleton
    from mystira.textfiles.nodes import Unreadable

    path = file or Path(f"{story_id(title)[:100]}.yaml")
    wrong = None
    try:
        with path.open("x", encoding="utf-8") as target:
            target.write(skeleton(title))
    except FileExistsError:
        wrong = Unreadable("file_exists", f"{path} is there already. Name another file: --file other.yaml")
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror}). Name another file: --file /path/to/story.yaml"
        wrong = Unreadable("cannot_write", message)
    if json:
        print_json([_row(path, unreadable(wrong).findings if wrong else ())])
    elif wrong:
        say_apart(wrong.message)
    else:
        say(f"Wrote {path}. Check it as you write: mystira content validate {path} --watch")
    if wrong:
        raise SystemExit(FAILED)


@content.command
def schema(
    name: str | None = None,
    *,
    names: Annotated[bool, Parameter(negative="", help="List the names of what commands print with --json.")] = False,
) -> None:
    """Print the JSON Schema of a story file, for editors; or with a NAME that of what a command prints with --json."""
    if names:
        for one in answers():
            say(one)
        return
    if name is None:
        from mystira.content.scenarios.model.file_schema import scenario_schema

        print_json(scenario_schema())
        return
    shapes = answers()
    if name not in shapes:
        say_apart(f"There is no schema {name[:60]}. There are: {', '.join(shapes)}")
        raise SystemExit(2)
    print_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(shapes[name]))


@content.command
def validate(
    *files: Path,
    json: AsJson = False,
    watch: Annotated[bool, Parameter(negative="", help="Check again at every change, until Ctrl-C.")] = False,
    all_: Annotated[bool, Parameter("--all", negative="", help="Check what is in the platform's stores.")] = False,
) -> None:
    """Check story files against every rule; exit code 1 when any has an error."""
    if all_:
        _validate_everything(json=json)
        return
    _need_files(files)
    if watch:
        _watch(files)
        return
    results = checked_files(files)
    print_json([_row(path, checked.findings) for path, checked in results]) if json else print_findings(results)
    if any(checked.errors for _, checked in results):
        raise SystemExit(FAILED)


@content.command
def export(
    *stories: str,
    folder: Annotated[Path, Parameter(help="Where the files go.")] = Path(),
    all_: Annotated[bool, Parameter("--all", negative="", help="Every story.")] = False,
    bundles: Annotated[
        tuple[str, ...],
        Parameter("--bundle", negative="", help="A bundle, as a ZIP with its stories and media; repeatable."),
    ] = (),
    json: AsJson = False,
) -> None:
    """Write stories as YAML files that import to the same stories, by their ids or all of them; or bundles as ZIPs."""
    from mystira.run import exporting, packing

    if not stories and not all_ and not bundles:
        say_apart("Name one or more stories by their ids, or write --all, or --bundle and the id of a bundle.")
        raise SystemExit(2)
    packed = asyncio.run(packing(read_settings(), bundles, folder, say_apart)) if bundles else []
    single: list[FileWritten] = []
    if stories or all_:
        single = asyncio.run(exporting(read_settings(), () if all_ else stories, folder, say_apart))
    for one in packed:
        for media_id in one.missing:
            say_apart(f"{media_id} is named in it, but was not uploaded, so it is not in the archive.")
        if not json:
            say(f"{one.file}: {one.stories} stories and {one.media} media.")
    if json:
        print_json([*packed, *single])
    elif single or all_:
        say(f"Wrote {len(single)} {'story' if len(single) == 1 else 'stories'} to {folder}.")


@content.command
def calibrate(
    *files: Path,
    measure: Annotated[
        Literal["chance", "paths"],
        Parameter(help="A player who chooses evenly, with the real odds of rolls; or every path counted once."),
    ] = "chance",
    percent: Annotated[
        tuple[float, ...],
        Parameter(negative="", validator=validators.Number(gte=0, lte=100), help="A percentile to show; repeatable."),
    ] = PERCENTS,
    json: AsJson = False,
) -> None:
    """Show how far stories move the compass, so that badge thresholds can be set; several files also together."""
    from mystira.play.commands import calibrated, print_summary
    from mystira.play.model.script import Script

    _need_files(files)
    results = checked_files(files, add_vocabulary=True)
    contents = [checked.content for _, checked in results if checked.content is not None]
    if len(contents) < len(files):
        print_findings(results)
        raise SystemExit(FAILED)
    scripts = [
        msgspec.convert(
            {"scenario_id": made.title, "version": 0, "title": made.title, "start": made.start, "scenes": made.scenes},
            Script,
            from_attributes=True,
        )
        for made in contents
    ]
    summaries = calibrated(scripts, measure, percent)
    if json:
        print_json(summaries)
        return
    for summary in summaries:
        print_summary(summary)


@content.command(name="import")
def import_(
    *files: Path,
    publish: Annotated[bool, Parameter(negative="", help="Let players see the stories at once.")] = False,
    add_vocabulary: Annotated[bool, Parameter(negative="", help="Add words the vocabulary lacks.")] = False,
    by: Annotated[str, Parameter(help="Who imports, for the audit; without it the user of this terminal.")] = "",
    why: Annotated[str, Parameter(help="Why, for the audit.")] = "",
    json: AsJson = False,
) -> None:
    """Import story files, folders and ZIPs (stories, media, a bundle). Exit code 1 when a file was refused.

    A file with errors is refused whole, the others are imported.
    """
    from mystira.content.imports.commands import Wanted

    _need_files(files)
    why = why or "imported at a terminal"
    wanted = Wanted(publish=publish, add_vocabulary=add_vocabulary, by=by or whoever(), why=why)
    told = asyncio.run(_import(files, wanted, print_told=not json))
    if json:
        print_json(told)
    if not all(one.ok for one in told):
        raise SystemExit(FAILED)


async def _import(files: Sequence[Path], wanted: "Wanted", *, print_told: bool) -> "list[FileTold]":
    from mystira.run import importing

    told: list[FileTold] = []
    async for one in importing(read_settings(), files, wanted, say_apart):
        if print_told:
            _print_told(one)
        told.append(one)
    return told


def _print_told(one: "FileTold") -> None:
    from mystira.content.commands import shown_lines
    from mystira.content.scenarios.model.findings import render

    lines = shown_lines(Path(one.file)) if one.findings else []
    for finding in one.findings:
        say(render(one.file, finding, lines))
    name = "".join(letter if letter.isprintable() else " " for letter in one.file)
    errors = sum(finding.severity == "error" for finding in one.findings)
    say(f"{name}: {errors} errors, {len(one.findings) - errors} warnings.")
    if one.scenario is not None:
        say(f"{name}: imported as {one.scenario.id} ({one.scenario.state}, version {one.scenario.version}).")
    elif one.bundle is not None:
        say(f"{name}: made the bundle {one.bundle}.")
    elif one.outcome is not None:
        say(f"{name}: {one.outcome}.")


def _watch(files: tuple[Path, ...]) -> None:
    from watchfiles import watch

    print_findings(checked_files(files))
    # Editors replace files, so the folders are watched, and only the named files count.
    for changes in watch(*{path.absolute().parent for path in files}, raise_interrupt=False):
        changed = {Path(name) for _, name in changes}
        again = [path for path in files if path.absolute() in changed]
        if again:
            print_findings(checked_files(again))


def _validate_everything(*, json: bool) -> None:
    from mystira.run import validating

    wrong = asyncio.run(validating(read_settings(), say_apart))
    if json:
        print_json(wrong)
    else:
        for one in wrong:
            for finding in one.findings:
                where = " ".join(filter(None, (one.kind, one.id, one.part, finding.path)))
                say(f"{where}: {finding.severity}: {finding.message} [{finding.code}]")
    if any(finding.severity == "error" for one in wrong for finding in one.findings):
        raise SystemExit(FAILED)


def _need_files(files: tuple[Path, ...]) -> None:
    if not files:
        say_apart("Name one or more story files, for example: content/scenarios/*.yaml")
        raise SystemExit(2)


def checked_files(files: Sequence[Path], *, add_vocabulary: bool = False) -> "list[tuple[Path, Checked]]":
    from mystira.content.commands import check_apart

    return list(zip(files, asyncio.run(check_apart(files, add_vocabulary=add_vocabulary)), strict=True))


def print_findings(results: "list[tuple[Path, Checked]]") -> None:
    from mystira.content.commands import shown_lines
    from mystira.content.scenarios.model.findings import render

    for path, checked in results:
        lines = shown_lines(path) if checked.findings else []
        for finding in checked.findings:
            say(render(str(path), finding, lines))
        warnings = len(checked.findings) - len(checked.errors)
        say(f"{path}: {len(checked.errors)} errors, {warnings} warnings.")


def _row(path: Path, findings: "Sequence[Finding]") -> "FileTold":
    from mystira.content.commands import FileTold

    ok = all(finding.severity != "error" for finding in findings)
    return FileTold(file=str(path), ok=ok, findings=tuple(findings), scenario=None)


def answers() -> dict[str, Any]:
    """Return every shape that a `mystira content` command prints with `--json`, by the name of its schema."""
    from mystira.content.commands import FileTold, FileWritten
    from mystira.content.desk.commands import SheetTold, SheetWritten
    from mystira.content.media.actions.uploading import Outcome
    from mystira.content.validation.views import Wrong
    from mystira.play.model.calibration import Summary

    return {
        "content-files": list[FileTold],
        "content-catalogue": list[Wrong],
        "content-export": list[FileWritten],
        "content-calibration": list[Summary],
        "content-media": list[Outcome],
        "content-words": list[SheetTold],
        "content-words-export": list[SheetWritten],
    }
