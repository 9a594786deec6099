"""Importing: hostile files beside good ones, nothing half imported, one answer on the command line and over HTTP."""

import asyncio
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from mystira.content import views
from mystira.content.commands import Imported, import_files
from mystira.content.scenarios.model.file_schema import scenario_schema
from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion, story_id
from mystira.operations.views import audit
from mystira.polyglot.work import Work
from tests.content.generated import story
from tests.content.test_checking import GOOD
from tests.journeys.conftest import Running, running

pytestmark = pytest.mark.anyio
__all__ = ["running"]
SCHEMA = "/api/v1/schemas/scenario"


def written(folder: Path, **files: str | bytes) -> list[Path]:
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [folder / name for name in files]


async def imported(running: Running, paths: list[Path], **options: Any) -> list[Imported]:
    options = {"publish": True, "add_vocabulary": False, **options}
    return await import_files(running.platform.works, running.platform.readers, paths, **options)


async def stories(work: Work) -> set[str]:
    return {one.id for one in (await work.find(Scenario, limit=1_000)).items}


async def test_hostile_files_are_refused_and_the_good_ones_beside_them_imported(
    running: Running, tmp_path: Path
) -> None:
    before = await stories(running.platform.works.open())
    paths = written(
        tmp_path,
        good1=GOOD,
        brackets=b"[" * 100_000,
        huge=b"x" * 50_000_000,
        latin=b"title: caf\xe9",
        twice="title: A\ntitle: B\n",
        code="title: !!python/object/apply:os.system ['touch harm']\n",
        good2=GOOD.replace("A small story", "Another story"),
    )
    results = await imported(running, [*paths, tmp_path / "nowhere", Path("/dev/zero"), tmp_path])
    codes = {result.path.name: [one.code for one in result.checked.errors] for result in results}
    assert codes == {
        "good1": [],
        "brackets": ["too_deep"],
        "huge": ["too_large"],
        "latin": ["not_utf8"],
        "twice": ["duplicate_key"],
        "code": ["tag"],
        "good2": [],
        "nowhere": ["no_file"],
        "zero": ["too_large"],
        tmp_path.name: ["no_file"],
    }
    assert await stories(running.platform.works.open()) - before == {"a-small-story", "another-story"}


async def test_a_file_with_an_error_leaves_nothing_behind(running: Running, tmp_path: Path) -> None:
    work = running.platform.works.open()
    before = await stories(work), (await views.vocabulary(work)).words
    text = GOOD.replace("Risk taken", "Brand new word").replace("difficulty: 10", "difficulty: 21")
    results = await imported(running, written(tmp_path, bad=text), add_vocabulary=True)
    assert results[0].scenario is None and results[0].checked.errors
    work = running.platform.works.open()
    assert (await stories(work), (await views.vocabulary(work)).words) == before


async def test_importing_again_changes_nothing_and_a_change_makes_the_next_version(
    running: Running, tmp_path: Path
) -> None:
    paths = written(tmp_path, story=GOOD)
    first, again = [(await imported(running, paths))[0].scenario for _ in range(2)]
    assert first == again and first is not None and (first.state, first.latest_version) == ("published", 1)
    changed = (await imported(running, written(tmp_path, story=GOOD.replace("Two doors.", "Three doors."))))[0]
    assert changed.scenario is not None and changed.scenario.latest_version == 2
    kept = await running.platform.works.open().get(ScenarioVersion, f"{first.id}|1", first.id)
    assert kept is not None and kept.content == first.content


async def test_of_two_files_with_one_title_the_second_is_refused(running: Running, tmp_path: Path) -> None:
    results = await imported(running, written(tmp_path, one=GOOD, two=GOOD.replace("Two doors.", "Three doors.")))
    assert results[0].scenario is not None and results[1].scenario is None
    assert [finding.code for finding in results[1].checked.errors] == ["same_title"]


async def test_an_added_word_has_the_name_that_was_written_and_never_replaces_one(
    running: Running, tmp_path: Path
) -> None:
    text = GOOD.replace("Risk taken", "Brand New!").replace("risk-taken", "brand new")
    results = await imported(running, written(tmp_path, one=text), add_vocabulary=True)
    assert results[0].scenario is not None
    words = (await views.vocabulary(running.platform.works.open())).words["echo_type"]
    assert words["brand-new"] == "Brand New!"
    other = text.replace("A small story", "Another").replace("Brand New!", "BRAND new")
    assert (await imported(running, written(tmp_path, two=other), add_vocabulary=True))[0].scenario is not None
    assert (await views.vocabulary(running.platform.works.open())).words["echo_type"] == words


async def test_forty_generated_stories_are_published(running: Running, tmp_path: Path) -> None:
    chance = Random(7)
    texts = {f"s{number}": yaml.safe_dump(story(chance, 8, odd=True)) for number in range(40)}
    results = await imported(running, written(tmp_path, **texts))
    assert [result.checked.errors for result in results] == [()] * 40
    assert all(result.scenario is not None and result.scenario.state == "published" for result in results)


@pytest.mark.parametrize(
    "title, id",
    [
        ("The Moss Bridge", "the-moss-bridge"),
        ("Café & Tea", "cafe-tea"),
        ("Сказка", "story-"),
        ("Сказка 1", "1-"),
        ("🦊", "story-"),
    ],
)
async def test_every_title_gives_one_id_of_its_own(title: str, id: str) -> None:
    assert story_id(title) == id or (id.endswith("-") and story_id(title).startswith(id))
    assert story_id(title) == story_id(title) != story_id(title + "я")


async def test_the_schema_is_served_to_anyone_and_is_the_one_that_the_command_prints(running: Running) -> None:
    answer = await running.client.get(SCHEMA)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    printed = mystira("content", "schema")
    assert answer.json() == json.loads(printed.stdout) == msgspec.json.decode(msgspec.json.encode(scenario_schema()))
    again = await running.client.get(SCHEMA, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert "max-age" in answer.headers["cache-control"]
    other = await running.client.get(SCHEMA, headers={"If-None-Match": '"other"'})
    assert other.content == answer.content
    Draft202012Validator(answer.json()).validate(yaml.safe_load(GOOD.replace("Risk taken", "risk-taken")))


def mystira(*arguments: str, cwd: Path | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mystira", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, env={**os.environ, **settings})


async def test_who_imports_at_a_terminal_and_why_is_in_the_audit(running: Running, tmp_path: Path) -> None:
    work = running.platform.works.open
    (path,) = written(tmp_path, **{"good.yaml": GOOD})
    settings = running.platform.settings
    stores = {"MYSTIRA_DATA": str(settings.data), "MYSTIRA_RELATIONAL": str(settings.relational)}
    told = ("--by", "Rosa of the library", "--why", "the autumn reading")
    done = await asyncio.to_thread(mystira, "content", "import", str(path), "--publish", *told, **stores)
    assert done.returncode == 0, done.stderr
    assert "imported as a-small-story (published, version 1)" in done.stdout
    kept = await audit(work(), running.platform.replication.journal, who="Rosa of the library", limit=10)
    assert sorted((entry.what, entry.collection, entry.why) for entry in kept.entries) == [
        ("created", "scenario", "the autumn reading"),
        ("published as version 1", "scenario", "the autumn reading"),
    ]


async def test_validate_prints_findings_with_their_line_and_ends_with_1(tmp_path: Path) -> None:
    written(tmp_path, **{"bad.yaml": GOOD.replace("difficulty: 10", "difficulty: 21"), "good.yaml": GOOD})
    bad = mystira("content", "validate", "bad.yaml", "good.yaml", cwd=tmp_path)
    assert bad.returncode == 1
    lines = bad.stdout.splitlines()
    assert lines[0].startswith("bad.yaml:26:17: error: This must be from 1 to 20")
    assert lines[0].endswith("at scenes[1].difficulty")
    assert lines[1].strip() == "difficulty: 21" and lines[2].index("^") == lines[1].index("21")
    assert mystira("content", "validate", "good.yaml", cwd=tmp_path).returncode == 0


async def test_the_three_commands_tell_the_same_shape_as_json(tmp_path: Path) -> None:
    made = mystira("content", "new", "My story", "--json", cwd=tmp_path)
    assert made.returncode == 0
    assert json.loads(made.stdout) == [{"file": "my-story.yaml", "ok": True, "findings": [], "scenario": None}]
    again = mystira("content", "new", "My story", "--json", cwd=tmp_path)
    assert again.returncode == 1 and [one["code"] for one in json.loads(again.stdout)[0]["findings"]] == ["file_exists"]
    good = mystira("content", "validate", "my-story.yaml", "--json", cwd=tmp_path)
    assert good.returncode == 0 and json.loads(good.stdout) == json.loads(made.stdout)
    (tmp_path / "bad.yaml").write_bytes(b"title: \x1b[31mred")
    bad = mystira("content", "validate", "bad.yaml", "--json", cwd=tmp_path)
    assert bad.returncode == 1
    assert json.loads(bad.stdout)[0] == {
        "file": "bad.yaml",
        "ok": False,
        "findings": [
            {
                "severity": "error",
                "code": "unreadable",
                "path": "",
                "line": 1,
                "column": 8,
                "message": "The file holds the character U+001B, which YAML does not allow. Remove it.",
            }
        ],
        "scenario": None,
    }
    assert "\x1b" not in mystira("content", "validate", "bad.yaml", cwd=tmp_path).stdout


def test_checking_a_long_file_costs_little_beside_starting_the_command(tmp_path: Path) -> None:
    paths = written(tmp_path, **{f"{scenes}.yaml": yaml.safe_dump(story(Random(3), scenes)) for scenes in (3, 100)})

    def work(path: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert mystira("content", "validate", str(path)).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Work of the processor, one beside the other: neither a slow nor a busy machine changes how they compare.
    short, long = (min(work(path) for _ in range(3)) for path in paths)
    assert long < 2 * short, f"{long:.2f} s against {short:.2f} s"
