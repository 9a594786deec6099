"""Files and archives imported by a worker: progress, every finding, what a dead worker leaves is gone on with."""

import asyncio
import io
import json
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from mystira.content import views as content
from mystira.content.imports import views
from mystira.content.imports.jobs import ImportRunner
from mystira.content.scenarios.model.scenario import Scenario
from mystira.web.lists import Span
from tests.content.generated import story
from tests.content.media.files import picture
from tests.content.test_checking import GOOD
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

API = "/admin/api/imports"
BAD = GOOD.replace("difficulty: 10", "difficulty: 21").replace("A small story", "A wrong story")


def archive(**files: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return out.getvalue()


def runner(desk: Desk, name: str = "one") -> ImportRunner:
    platform = desk.platform
    folder = platform.settings.data / "imports"
    return ImportRunner(platform.works, platform.readers, platform.media, folder, name=name)


async def sent(desk: Desk, body: bytes, key: str = "", **query: Any) -> dict[str, Any]:
    headers = {"Content-Type": "application/octet-stream"} | ({"Idempotency-Key": key} if key else {})
    answer = await desk.client.post(API, params=query, content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def outcome(desk: Desk, job: dict[str, Any]) -> dict[str, Any]:
    return (await desk.client.get(f"{API}/{job['id']}")).json()


async def test_an_archive_is_imported_by_a_worker_with_every_finding_and_leaves_no_file(authors: Desk) -> None:
    other = GOOD.replace("A small story", "Another story")
    files = {
        "tales/manifest.yaml": "title: A bundle",
        "tales/scenarios/good.yaml": GOOD,
        "tales/scenarios/bad.yaml": BAD,
        "tales/scenarios/twin.yaml": GOOD.replace("Two doors.", "Three doors."),
        "tales/scenarios/other.json": json.dumps(yaml.safe_load(other)),
        "tales/media/cover.png": picture(),
        "tales/media/broken.png": b"x",
        "tales/notes.txt": "hello",
    }
    job = await sent(authors, archive(**files), name="tales.zip", publish="true")
    assert (job["state"], job["by"], job["name"]) == ("waiting", "olga", "tales.zip")
    assert await runner(authors).step() == 1
    told = await outcome(authors, job)
    assert (told["state"], told["done"], told["imported"], told["refused"]) == ("done", 8, 3, 4), told
    listed = (await authors.client.get(f"{API}/{job['id']}/files")).json()["items"]
    found = {one["name"].rpartition("/")[2]: (one["outcome"], {f["code"] for f in one["findings"]}) for one in listed}
    assert found["good.yaml"] == ("imported", set()) and found["other.json"][0] == "imported"
    assert found["bad.yaml"][0] == "refused" and "out_of_range" in found["bad.yaml"][1]
    assert found["twin.yaml"] == ("refused", {"same_title"})
    assert found["cover.png"] == ("imported", set()) and found["broken.png"][0] == "refused"
    assert found["manifest.yaml"] == ("refused", {"missing_field"}) and found["notes.txt"][0] == "left out"
    assert await content.media_there(authors.platform.works.open(), ["cover.png", "art/none.png"]) == {"cover.png"}
    kept = await authors.platform.works.open().get(Scenario, "a-small-story")
    assert kept is not None and kept.state == "published"
    assert list((authors.platform.settings.data / "imports").iterdir()) == []
    page = (await authors.client.get(f"/admin/content/imports/{job['id']}?outcome=refused")).text
    assert "bad.yaml" in page and "good.yaml" not in page and "must be from 1 to 20" in page


async def test_the_same_key_asks_once_and_another_file_with_it_is_refused(authors: Desk) -> None:
    first = await sent(authors, GOOD.encode(), key="k1", name="one.yaml")
    again = await sent(authors, GOOD.encode(), key="k1", name="one.yaml")
    assert first["id"] == again["id"]
    answer = await authors.client.post(API, content=BAD.encode(), headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 422 and answer.json()["code"] == "key_reused"


async def test_what_a_dead_worker_left_is_gone_on_with_and_no_file_counts_twice(authors: Desk) -> None:
    chance = Random(5)
    files = {f"scenarios/s{n}.yaml": yaml.safe_dump(story(chance, 4)) for n in range(20)}
    job = await sent(authors, archive(**files), name="many.zip")
    works = authors.platform.works
    commits, ring = 0, works.committed

    def counted() -> None:
        nonlocal commits
        commits += 1
        if commits == 30:
            dying.cancel()

    works.committed = counted
    dying = asyncio.create_task(runner(authors, "dying").step())
    await asyncio.gather(dying, return_exceptions=True)
    works.committed = ring
    assert 1 <= len((await views.files(works.open(), job["id"], Span(limit=20))).items) < 20

    # Its lease runs out; another worker takes over.
    async def expire(work: Any) -> None:
        found = await views.import_of(work, job["id"])
        work.save(found.evolve(leased_until=work.now))

    await works.run(expire)
    assert await runner(authors, "next").step() == 1
    told = await outcome(authors, job)
    assert (told["state"], told["done"], told["imported"], told["tries"]) == ("done", 20, 20, 2)


async def test_hostile_archives_are_refused_as_a_whole_in_plain_words(authors: Desk) -> None:
    job = await sent(authors, archive(**{"../../etc/x.yaml": GOOD}), name="evil.zip")
    assert await runner(authors).step() == 1
    told = await outcome(authors, job)
    assert told["state"] == "failed" and "is no path inside a folder" in told["outcome"]


async def test_the_page_takes_a_file_from_a_form(authors: Desk) -> None:
    files = {"file": ("one.yaml", GOOD.encode(), "application/yaml")}
    answer = await authors.client.post("/admin/content/imports", data={"key": "abc", "publish": "1"}, files=files)
    assert answer.status_code == 303, answer.text
    assert await runner(authors).step() == 1
    shown = (await authors.client.get(answer.headers["location"])).text
    assert "1 of 1 files imported" in shown and "a-small-story" in shown
    nothing = await authors.client.post("/admin/content/imports", data={"key": "abc"}, files={"x": ("", b"")})
    assert nothing.status_code == 422 and "Choose a file" in nothing.text


@pytest.mark.slow
async def test_five_hundred_stories_come_in_with_progress_and_bounded_memory(authors: Desk, tmp_path: Path) -> None:
    chance = Random(11)
    stories = {f"scenarios/s{n:03}.yaml": yaml.safe_dump(story(chance, 3)) for n in range(480)}
    wrong = {f"scenarios/wrong{n:02}.yaml": BAD.replace("A wrong story", f"Wrong {n}") for n in range(20)}
    job = await sent(authors, archive(**stories, **wrong), name="five-hundred.zip")
    before = resident()
    assert await runner(authors).step() == 1
    assert resident() - before < 64_000_000
    told = await outcome(authors, job)
    assert (told["state"], told["done"], told["imported"], told["refused"]) == ("done", 500, 480, 20)
    refused, after = [], ""
    while True:
        found = await views.files(authors.platform.works.open(), job["id"], Span(limit=7, after=after), "refused")
        refused += found.items
        if found.after is None:
            break
        after = found.after
    assert len(refused) == 20 and all("out_of_range" in {f.code for f in one.findings} for one in refused)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
