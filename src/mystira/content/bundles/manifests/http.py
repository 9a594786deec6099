"""The Admin API of bundles as archives: a ZIP whose import makes the same bundle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream

from mystira.content.bundles.editing.http import ONE
from mystira.content.bundles.manifests.commands import export_bundle
from mystira.content.bundles.problems import BundleNotFound
from mystira.content.media.actions.uploading import scratch
from mystira.content.media.ports import MediaShelf
from mystira.content.media.problems import MediaAsleep, MediaStoreDown, NoRoomForMedia
from mystira.content.scenarios.problems import ScenarioNotFound
from mystira.mediafiles.kept import StoreDown
from mystira.polyglot.work import Works
from mystira.web.access import allow
from mystira.web.openapi import describe

CHUNK = 256 * 1024
REFUSALS = (BundleNotFound, ScenarioNotFound, MediaAsleep, MediaStoreDown, NoRoomForMedia)


@get(f"{ONE}/archive", opt=allow("viewer") | describe(None, sends="application/zip", refusals=REFUSALS))
async def pack(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Stream:
    """Send a bundle as a ZIP: its manifest, its stories as they are written now, and the media that they show."""
    return await send(request, bundle_id)


async def send(request: Request[Any, Any, Any], bundle_id: str) -> Stream:
    """Answer with a bundle as an archive.

    It is written to a file first, one medium at a time: nothing of it stays in memory, and what goes wrong is told
    before the first byte is sent.
    """
    works, shelf = cast(Works, request.app.state.works), cast(MediaShelf, request.app.state.media)
    with ExitStack() as kept:
        target = kept.enter_context(scratch(shelf)) / "bundle.zip"
        try:
            await export_bundle(works, shelf.store, bundle_id, target)
        except StoreDown as down:
            raise MediaStoreDown(reason=str(down)) from down
        size = (await asyncio.to_thread(target.stat)).st_size
        name = bundle_id.encode("ascii", "ignore").decode().replace('"', "") or "bundle"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}.zip"',
            "Content-Length": str(size),
            "Cache-Control": "no-store",
        }
        # The folder goes with the last byte, or when nobody reads any more.
        return Stream(_pieces(target, kept.pop_all()), headers=headers, media_type="application/zip")


async def _pieces(path: Path, kept: ExitStack) -> AsyncIterator[bytes]:
    with kept, await asyncio.to_thread(path.open, "rb") as source:
        while piece := await asyncio.to_thread(source.read, CHUNK):
            yield piece


HANDLERS = (pack,)
