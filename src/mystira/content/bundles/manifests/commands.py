"""A bundle out of the platform as an archive: its manifest, its stories, and the media that they show."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from mystira.content.bundles.manifests.model import written
from mystira.content.bundles.views import bundle as bundle_of
from mystira.content.media.model.asset import MediaAsset, type_of
from mystira.content.media.model.naming import media_of, uploaded
from mystira.content.media.ports import MediaStore
from mystira.content.media.problems import MediaAsleep
from mystira.content.scenarios.actions import scenario_of
from mystira.content.scenarios.model.writing import document
from mystira.polyglot.work import Work, Works
from mystira.textfiles.writing import to_yaml


class Packed(NamedTuple):
    """What an archive holds: how many stories, how many media, and the media that were named and are not there."""

    stories: int
    media: int
    missing: tuple[str, ...]


async def export_bundle(works: Works, store: MediaStore, bundle_id: str, target: Path) -> Packed:
    """Write a bundle as a ZIP whose import makes the same bundle; one file is in memory at a time."""
    work = works.open()
    bundle = await bundle_of(work, bundle_id)
    files = [f"scenarios/{id}.yaml" for id in bundle.scenario_ids]
    named = list(uploaded((bundle.image,)))
    with ZipFile(target, "w") as archive:
        _write(archive, "bundle.yaml", to_yaml(written(bundle, files)))
        for id, file in zip(bundle.scenario_ids, files, strict=True):
            content = (await scenario_of(work, id)).content
            named += media_of(content)
            _write(archive, file, to_yaml(document(content)))
        there = [asset async for asset in _assets(work, dict.fromkeys(named))]
        for asset in there:
            await _write_medium(archive, store, asset)
    missing = set(named) - {asset.id for asset in there}
    return Packed(stories=len(files), media=len(there), missing=tuple(sorted(missing)))


async def _assets(work: Work, media_ids: Iterable[str]) -> AsyncIterator[MediaAsset]:
    for media_id in media_ids:
        media_type = type_of(media_id)
        found = None if media_type is None else await work.get(MediaAsset, media_id, media_type)
        if found is not None and not found.is_deleted:
            yield found


async def _write_medium(archive: ZipFile, store: MediaStore, asset: MediaAsset) -> None:
    if not await store.wake(asset.home, asset.hash):
        raise MediaAsleep(media_id=asset.id)
    with archive.open(_entry(f"media/{asset.id}", ZIP_STORED), "w", force_zip64=False) as target:
        async for piece in store.read(asset.home, asset.hash, 0, asset.bytes):
            target.write(piece)


def _write(archive: ZipFile, name: str, text: str) -> None:
    archive.writestr(_entry(name, ZIP_DEFLATED), text)


def _entry(name: str, method: int) -> ZipInfo:
    # Without a time of its own, the same bundle is the same archive.
    entry = ZipInfo(name)
    entry.compress_type = method
    return entry
