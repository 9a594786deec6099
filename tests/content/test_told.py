"""`mystira content` at a terminal: archives and folders come in whole, and `--json` is what its schemas say."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from mystira.authoring import answers
from mystira.operations.model import Command
from mystira.polyglot.query import equal
from mystira.services.platform import Platform
from tests.content.media.files import picture
from tests.content.test_checking import GOOD
from tests.migrating.place import Ended, Place, prepared
from tests.processes import ROOT

SCHEMAS = ROOT / "docs/schemas"
BAD = GOOD.replace("difficulty: 10", "difficulty: 21").replace("A small story", "A wrong story")
BUNDLE = "title: Small tales\nstories: [scenarios/one.yaml]\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with prepared(tmp_path_factory.mktemp("told") / "data", players=1) as made:
        yield made


def told(ended: Ended, schema: str, code: int = 0) -> list[dict[str, Any]]:
    """What a command printed, held against its schema."""
    assert ended.code == code, ended
    answer = json.loads(ended.out)
    jsonschema.validate(answer, msgspec.json.schema(answers()[schema]), jsonschema.Draft202012Validator)
    return answer


def files(folder: Path) -> Path:
    """A folder with a bundle, a good story and a wrong one, a picture and litter."""
    for name, content in {
        "bundle.yaml": BUNDLE,
        "scenarios/one.yaml": GOOD.replace("characters:", "image: cover.png\ncharacters:"),
        "scenarios/wrong.yaml": BAD,
        "media/cover.png": picture(),
        "readme.txt": "Read me.",
        ".hidden/two.yaml": GOOD,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def packed(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and ".hidden" not in path.parts:
                archive.write(path, path.relative_to(folder))
    return target


def test_an_archive_comes_in_with_its_bundle_its_media_and_every_finding(place: Place, tmp_path: Path) -> None:
    archive = packed(files(tmp_path / "tales"), tmp_path / "tales.zip")
    asked = ("content", "import", str(archive), "--publish", "--add-vocabulary", "--by", "ada", "--why", "for autumn")
    came = place.run(*asked, "--json")
    by_name = {one["file"].removeprefix(f"{archive}/"): one for one in told(came, "content-files", code=1)}
    assert {name: one["outcome"] for name, one in by_name.items()} == {
        "bundle.yaml": "imported",
        "scenarios/one.yaml": "imported",
        "scenarios/wrong.yaml": "refused",
        "media/cover.png": "imported",
        "readme.txt": "left out",
    }
    assert by_name["bundle.yaml"]["bundle"] == "small-tales"
    story = by_name["scenarios/one.yaml"]["scenario"]
    assert (story["state"], story["version"]) == ("published", 1)
    wrong = by_name["scenarios/wrong.yaml"]
    assert not wrong["ok"] and wrong["findings"][0]["line"] > 0 and "difficulty" in wrong["findings"][0]["path"]
    assert "3 of 5 files imported, 1 refused" in came.apart
    again = place.run(*asked)
    assert again.code == 1 and "made the bundle small-tales" in again.out
    assert f"{archive}/scenarios/wrong.yaml:" in again.out and "1 errors" in again.out
    assert list((place.data / "imports").iterdir()) == []
    kept = place.with_platform(_audited)
    assert ("ada", "for autumn") in {(one.who, one.why) for one in kept}


async def _audited(opened: Platform) -> tuple[Command, ...]:
    return (await opened.works.open().find(Command, equal("collection", "bundle"))).items


def test_a_folder_comes_in_as_an_archive_would_and_hidden_files_stay_out(place: Place, tmp_path: Path) -> None:
    folder = files(tmp_path / "tales")
    (folder / "scenarios/wrong.yaml").unlink()
    came = place.run("content", "import", str(folder), "--add-vocabulary", "--json")
    rows = told(came, "content-files")
    assert sorted(Path(one["file"]).name for one in rows) == ["bundle.yaml", "cover.png", "one.yaml", "readme.txt"]
    # What is in a folder can be shown with its lines.
    (folder / "scenarios/wrong.yaml").write_text(BAD)
    shown = place.run("content", "import", str(folder), "--add-vocabulary")
    assert shown.code == 1 and "difficulty: 21" in shown.out and "^" in shown.out


def test_what_cannot_come_in_as_a_whole_is_told_beside_what_can(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.zip").write_bytes(packed(files(tmp_path / "tales"), tmp_path / "whole.zip").read_bytes()[:200])
    (tmp_path / "good.yaml").write_text(GOOD.replace("A small story", "Alone"))
    names = [str(tmp_path / name) for name in ("torn.zip", "good.yaml", "empty", "nowhere.zip")]
    rows = told(place.run("content", "import", *names, "--add-vocabulary", "--json"), "content-files", code=1)
    by_name = {Path(one["file"]).name: one for one in rows}
    assert by_name["good.yaml"]["ok"] and by_name["good.yaml"]["scenario"]["id"] == "alone"
    codes = {name: by_name[name]["findings"][0]["code"] for name in ("torn.zip", "empty", "nowhere.zip")}
    assert codes["torn.zip"] == "archive_refused" and codes["empty"] == "no_file" and not by_name["nowhere.zip"]["ok"]


def test_every_other_command_prints_what_its_schema_says(place: Place, tmp_path: Path) -> None:
    story = tmp_path / "a-story.yaml"
    made = place.run("content", "new", "A story", "--file", str(story), "--json")
    assert told(made, "content-files") == [{"file": str(story), "ok": True, "findings": [], "scenario": None}]
    told(place.run("content", "validate", str(story), "--json"), "content-files")
    told(place.run("content", "calibrate", str(story), "--json"), "content-calibration")
    (tmp_path / "lamp.png").write_bytes(picture((40, 40)))
    (added,) = told(place.run("content", "media", "add", str(tmp_path / "lamp.png"), "--json"), "content-media")
    assert added["state"] == "added"
    assert told(place.run("content", "import", str(story), "--add-vocabulary", "--json"), "content-files")[0]["ok"]
    words = tmp_path / "words"
    written = told(place.run("content", "words", "export", str(words), "--json"), "content-words-export")
    assert all(Path(one["file"]).is_file() for one in written) and sum(one["count"] for one in written) > 10
    assert told(place.run("content", "words", "import", str(words), "--json"), "content-words")[0]["changed"] == 0
    folder = str(tmp_path / "out")
    exported = told(place.run("content", "export", "--all", "--folder", folder, "--json"), "content-export")
    assert len(exported) > 2 and all(Path(one["file"]).is_file() for one in exported)
    catalogue = place.run("content", "validate", "--all", "--json")
    told(catalogue, "content-catalogue", code=catalogue.code)


def test_schemas_in_the_documents_are_those_of_the_commands(place: Place) -> None:
    listed = place.run("content", "schema", "--names").out.split()
    assert listed == list(answers())
    kept = {path.stem for path in SCHEMAS.glob("content-*.json")}
    assert kept == set(listed), "run `make schemas`"
    for name in listed:
        assert json.loads((SCHEMAS / f"{name}.json").read_text()) == json.loads(
            place.run("content", "schema", name).out
        ), "run `make schemas`"
    document = (ROOT / "docs/story-files.md").read_text()
    assert [name for name in listed if f"({'schemas'}/{name}.json)" not in document] == []
    wrong = place.run("content", "schema", "nothing")
    assert wrong.code == 2 and "content-files" in wrong.apart
