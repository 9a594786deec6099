"""Lists over 100,000 stories and media beside bare SQL; a sound in parts beside aiohttp's files and the bare file."""

import asyncio
import math
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import apsw
import yaml
from httpx import ASGITransport, AsyncClient
from tests.content.generated import story
from tests.content.media.files import picture
from tests.processes import RunningPlatform, free_port

from bench.measuring import rates
from mystira.content.commands import SAMPLE_CONTENT, import_files, import_folder
from mystira.content.media.actions.uploading import Incoming, take_one
from mystira.content.media.views import signed_address
from mystira.operations.admins.commands import add
from mystira.polyglot.stores.postgres.embedded import remove
from mystira.run import platform
from mystira.services import admin, app
from mystira.services.doors import make_application
from mystira.services.platform import Platform
from mystira.settings import read_settings
from mystira.web.lists import cursor_text

STORIES = MEDIA = 100_000
PAGE = 24
ROUNDS = 9
PAGE_MS_MAX = 1_000.0
SOUND_S, RATE = 200, 48_000
PART, PARTS = 256 * 1024, 64
NAME, PASSWORD = "bench", "moss-bridge-lantern"

COPIES = """
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
INSERT INTO "{container}" (partition, id, hash, position, deleted, body)
SELECT {partition}, {id}, one.hash, {last} + n, 0, json_set(one.body, {changes})
FROM n, (SELECT * FROM "{container}" WHERE id = '{like}') AS one
"""
TITLE = "printf('Story %06d', n)"
WORDS = "printf('story %06d %s', n, iif(n % 1000 = 7, 'quokka', 'fox'))"
PUBLISHED = "json_extract(body, '$.\"state\"') = 'published' AND NOT deleted"
BY_TITLE = "ORDER BY json_extract(body, '$.\"title\"'), id"
BARE = f'SELECT body FROM "Scenarios" WHERE {PUBLISHED} {{}} {BY_TITLE} LIMIT {PAGE}'
BEHIND = "AND (json_extract(body, '$.\"title\"'), id) > ('Story 050000', 'bench-050000')"
RARE = "AND instr(json_extract(body, '$.\"words\"'), 'quokka')"
FAR = cursor_text(("Story 050000", "bench-050000"))
LISTS = {
    "the library, the first page": (f"/api/v1/library?limit={PAGE}", BARE.format("")),
    "the library, a page from the middle": (f"/api/v1/library?limit={PAGE}&after={FAR}", BARE.format(BEHIND)),
    "the library, a word that one in 1,000 has": (f"/api/v1/library?limit={PAGE}&words=quokka", BARE.format(RARE)),
    "the authors' list, the first page": ("/admin/content/scenarios", BARE.format("")),
    "the authors' list, by the beginning of a title": (
        "/admin/content/scenarios?search=Story+0500",
        BARE.format(BEHIND),
    ),
}
"""What is asked for, and the statement that finds the same stories."""

MEDIUM = "iif(n % 1000 = 7, 'Quokka', 'Lantern')"
ADDED = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1767225600 + n, 'unixepoch')"
LIVING = "json_extract(body, '$.\"deletedAt\"') IS NULL AND NOT deleted"
NEWEST = "ORDER BY json_extract(body, '$.\"addedAt\"') DESC, partition DESC, id DESC"
BARE_MEDIA = f'SELECT body FROM "MediaAssets" WHERE {LIVING} {{}} {NEWEST} LIMIT {PAGE}'
MIDDLE = "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1767225600 + 50000, 'unixepoch')"
OLDER = f"AND (json_extract(body, '$.\"addedAt\"'), partition, id) < ({MIDDLE}, 'image', 'bench-050000.png')"
TITLED = "AND instr(json_extract(body, '$.\"title\"'), 'Quokka')"
LATE = cursor_text(("2026-01-01T13:53:20Z", "image", "bench-050000.png"))
MEDIA_LISTS = {
    "media, the first page": (f"/admin/api/media?limit={PAGE}", BARE_MEDIA.format("")),
    "media, a page from the middle": (f"/admin/api/media?limit={PAGE}&after={LATE}", BARE_MEDIA.format(OLDER)),
    "media, a word that one title in 1,000 has": (
        f"/admin/api/media?limit={PAGE}&search=Quokka",
        BARE_MEDIA.format(TITLED),
    ),
    "media, the page of the library with its pictures": ("/admin/content/media", BARE_MEDIA.format("")),
}

FILES = """
import sys
from aiohttp import web

async def send(request):
    return web.FileResponse(sys.argv[1])

app = web.Application()
app.router.add_get("/file", send)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None)
"""


class Listed(NamedTuple):
    """A page: how long ours took, and bare SQL."""

    name: str
    ours_ms: float
    bare_ms: float


class Sent(NamedTuple):
    """Parts of a sound: MB a second of ours, of the peer, and of reading the file."""

    name: str
    ours: float
    peer: float
    bare: float


class Shelf(NamedTuple):
    """Everything about the library."""

    lists: list[Listed]
    parts: list[Sent]


async def measure(seconds: float) -> Shelf:
    """Measure the lists, then the parts; takes about a minute beside `seconds`."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        folder = Path(name)
        return Shelf(await _lists(folder), await _parts(folder, seconds))


async def _lists(folder: Path) -> list[Listed]:
    settings = read_settings({"MYSTIRA_DATA": str(folder / "many")})
    async with platform(settings, lambda text: None) as opened:
        await _filled(opened, folder)
        bare = apsw.Connection(str(settings.data / "documents.sqlite"))
        async with _clients(opened) as client:
            asked = {**LISTS, **MEDIA_LISTS}
            found = [await _listed(client, bare, name, *one) for name, one in asked.items()]
        bare.close()
    await remove(settings.data)
    return found


async def _filled(opened: Platform, folder: Path) -> None:
    await import_folder(opened.works, SAMPLE_CONTENT, lambda text: None)
    file = folder / "one.yaml"
    file.write_text(yaml.safe_dump(story(Random(1), 2) | {"title": "Bench"}))
    (made,) = await import_files(opened.works, opened.readers, [file], publish=True, add_vocabulary=True)
    assert made.scenario is not None, made
    like = made.scenario.id
    connection = apsw.Connection(str(opened.settings.data / "documents.sqlite"))
    last = connection.execute("SELECT last FROM _position").get
    id = "printf('bench-%06d', n)"
    connection.execute(
        COPIES.format(
            count=STORIES,
            container="Scenarios",
            like=like,
            partition=id,
            id=id,
            last=last,
            changes=f"'$.id', {id}, '$.title', {TITLE}, '$.words', {WORDS}",
        )
    )
    version = f"{id} || '|1'"
    connection.execute(
        COPIES.format(
            count=STORIES,
            container="ScenarioVersions",
            like=f"{like}|1",
            partition=id,
            id=version,
            last=last + STORIES,
            changes=f"'$.id', {version}, '$.scenarioId', {id}, '$.content.title', {TITLE}",
        )
    )
    _fill_media(connection, await _one_picture(opened, folder), last + 2 * STORIES)
    connection.execute("UPDATE _position SET last = ?", (last + 2 * STORIES + MEDIA,))
    connection.close()


async def _one_picture(opened: Platform, folder: Path) -> str:
    file = folder / "one.png"
    file.write_bytes(picture())
    taken = await take_one(opened.works, opened.media, Incoming(path=file, name=file.name, by="bench"))
    assert taken.media_id, taken
    return taken.media_id


def _fill_media(connection: apsw.Connection, like: str, last: int) -> None:
    id = "printf('bench-%06d.png', n)"
    title = f"printf('%s %06d', {MEDIUM}, n)"
    connection.execute(
        COPIES.format(
            count=MEDIA,
            container="MediaAssets",
            like=like,
            partition="'image'",
            id=id,
            last=last,
            changes=f"'$.id', {id}, '$.title', {title}, '$.addedAt', {ADDED}",
        )
    )


@asynccontextmanager
async def _clients(opened: Platform) -> AsyncGenerator[AsyncClient]:
    """A browser that is signed in at the administration, and at nothing else."""
    await add(opened.works, NAME, "admin", PASSWORD)
    transport = ASGITransport(make_application(opened, [app.doors(opened), admin.doors(opened)]))  # type: ignore[arg-type]
    async with AsyncClient(transport=transport, base_url="http://bench.example") as client:
        await client.post("/admin/sign-in", data={"name": NAME, "password": PASSWORD})
        yield client


async def _listed(client: AsyncClient, bare: apsw.Connection, name: str, path: str, statement: str) -> Listed:
    ours: list[float] = []
    beside: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = await client.get(path)
        ours.append((time.perf_counter() - began) * 1_000)
        assert answer.status_code == 200 and ("Story" in answer.text or "bench-" in answer.text), answer.text
        began = time.perf_counter()
        assert bare.execute(statement).fetchall()
        beside.append((time.perf_counter() - began) * 1_000)
    return Listed(name, statistics.median(ours), statistics.median(beside))


async def _parts(folder: Path, seconds: float) -> list[Sent]:
    """Ask for parts of a sound over HTTP: of the platform, and of aiohttp's file server; each is a process."""
    file = folder / "long.wav"
    file.write_bytes(_sound())
    data = folder / "heard"
    server = RunningPlatform(data).wait_until_ready()
    port = free_port()
    peer = await asyncio.create_subprocess_exec(sys.executable, "-c", FILES, str(file), str(port))
    try:
        address = await _taken(data, file)
        await asyncio.sleep(1)
        asked = {"ours": _Asker(server.port, address), "aiohttp": _Asker(port, "/file")}
        found = await rates({name: one.part for name, one in asked.items()}, seconds)
    finally:
        peer.terminate()
        await peer.wait()
        server.stop()
    mb = PART / 1e6
    name = f"a sound of {file.stat().st_size / 1e6:.0f} MB, {PART // 1024} KB at a time"
    return [Sent(name, found["ours"] * mb, found["aiohttp"] * mb, await asyncio.to_thread(_read, file))]


def _sound() -> bytes:
    turn = b"".join(struct.pack("<h", int(9_000 * math.sin(at * math.tau / 100))) for at in range(100))
    samples = turn * (SOUND_S * RATE // 100)
    form = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
    chunks = form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


async def _taken(data: Path, file: Path) -> str:
    """Bring the sound into the library, as a second process may; return its address."""
    settings = read_settings({"MYSTIRA_DATA": str(data)})
    async with platform(settings, lambda text: None) as opened:
        taken = await take_one(opened.works, opened.media, Incoming(path=file, name=file.name, by="bench"))
        assert taken.media_id, taken
        return signed_address(opened.key, taken.media_id, opened.works.clock())


class _Asker:
    """Asks for one part after the other, on a connection for each task."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._lines: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def part(self, number: int, turn: int) -> None:
        """Fetch the next part of this task."""
        if number not in self._lines:
            self._lines[number] = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._lines[number]
        start = (number * 7 + turn) % PARTS * PART
        writer.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes={start}-{start + PART - 1}\r\n\r\n".encode()
        )
        head: Any = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 206"), head
        assert len(await reader.readexactly(PART)) == PART


def _read(file: Path) -> float:
    """Return MB a second of reading the same parts with the system's own call."""
    chance, began, read = Random(1), time.perf_counter(), 0
    handle = os.open(file, os.O_RDONLY)
    while time.perf_counter() - began < 1:
        read += len(os.pread(handle, PART, chance.randrange(PARTS) * PART))
    os.close(handle)
    return read / 1e6 / (time.perf_counter() - began)


def library_table(kept: dict[str, Any]) -> str:
    """Return the measurements as people read them."""
    lines = [
        f"The library with {STORIES:,} stories and {MEDIA:,} media, on {kept['date']} ({kept['machine']}, shared with",
        f"others; the load before was {kept['load_before']:g}): pages as they are answered, beside the bare statement",
        "that finds the same ones. Medians, in turns.",
        "",
        "| What | Ours, ms | Bare SQL, ms | Goal |",
        "|---|---:|---:|---:|",
    ]
    for one in kept["lists"]:
        met = "met" if one["ours_ms"] < PAGE_MS_MAX else "missed"
        goal = f"{PAGE_MS_MAX / 1_000:g} s ({met})"
        lines.append(f"| {one['name']} | {one['ours_ms']:,.1f} | {one['bare_ms']:,.1f} | {goal} |")
    lines += [
        "",
        "Parts of a sound by range requests over HTTP, beside aiohttp's file server (which sends by the system's own",
        "call) and beside reading the file.",
        "",
        "| What | Ours, MB/s | aiohttp | Ratio | The file itself, MB/s |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in kept["parts"]:
        ratio = one["ours"] / one["peer"]
        lines.append(f"| {one['name']} | {one['ours']:,.0f} | {one['peer']:,.0f} | {ratio:.2f} | {one['bare']:,.0f} |")
    return "\n".join(lines) + "\n"
