"""Importing stories: one of a hundred scenes, and a thousand with publishing, against the time we promise."""

import asyncio
import tempfile
import time
from pathlib import Path
from random import Random

import yaml
from tests.content.generated import story

from bench.measuring import Taken
from mystira.content.commands import import_files, import_folder
from mystira.polyglot.phases import Phase
from mystira.polyglot.stores.postgres.embedded import remove
from mystira.run import SAMPLE_CONTENT, platform, settle
from mystira.services.platform import Platform
from mystira.settings import read_settings

STORIES, SCENES = 1_000, 24
LONG_SCENES = 100
STORIES_S_MAX, LONG_S_MAX = 30.0, 1.0


async def measure() -> list[Taken]:
    """Import everything once into stores that documents lead, and once into stores that PostgreSQL leads."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        folder = Path(name)
        files = await asyncio.to_thread(_written, folder)
        return [
            *await _imported(folder / "documents-led", files, Phase.COSMOS_ONLY),
            *await _imported(folder / "postgres-led", files, Phase.POSTGRES_ONLY),
        ]


def _written(folder: Path) -> list[Path]:
    chance = Random(1)
    made = [("long.yaml", story(chance, LONG_SCENES))]
    made += [(f"{number}.yaml", story(chance, SCENES)) for number in range(STORIES)]
    for name, content in made:
        (folder / name).write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, allow_unicode=True))
    return [folder / name for name, _ in made]


async def _imported(data: Path, files: list[Path], phase: Phase) -> list[Taken]:
    settings = read_settings({"MYSTIRA_DATA": str(data)})
    async with platform(settings, lambda text: None) as opened:
        opened.works.phase_of = lambda collection: phase
        await import_folder(opened.works, SAMPLE_CONTENT, lambda text: None)
        leader = "PostgreSQL" if phase is Phase.POSTGRES_ONLY else "documents"
        long_s = await _seconds(opened, files[:1])
        all_s = await _seconds(opened, files[1:])
    await remove(settings.data)
    return [
        Taken(f"a story of {LONG_SCENES} scenes, {leader}", long_s, LONG_S_MAX),
        Taken(f"{STORIES:,} stories of {SCENES} scenes, {leader}", all_s, STORIES_S_MAX),
    ]


async def _seconds(opened: Platform, files: list[Path]) -> float:
    begun = time.perf_counter()
    results = await import_files(opened.works, opened.readers, files, publish=True, add_vocabulary=False)
    await settle(opened)
    taken_s = time.perf_counter() - begun
    assert all(one.scenario is not None and one.scenario.state == "published" for one in results)
    return taken_s
