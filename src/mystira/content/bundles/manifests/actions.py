"""Makes a bundle as its manifest says it, once its stories are there."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from mystira.content.bundles.actions import bring_bundle
from mystira.content.bundles.manifests.model import Manifest, Place, Read, Stories, error, resolved
from mystira.content.bundles.model import ContentBundle
from mystira.content.bundles.views import titles_of
from mystira.content.scenarios.model.findings import Finding
from mystira.content.views import media_there
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Work, Works
from mystira.textfiles.nodes import Unreadable
from mystira.textfiles.readers import Readers
from mystira.textfiles.reading import Refused


class Brought(NamedTuple):
    """What came of a manifest: the bundle and whether anything changed by it, or why there is none."""

    bundle: ContentBundle | None
    has_changed: bool = False
    findings: tuple[Finding, ...] = ()


async def check_manifest(readers: Readers, data: bytes | Unreadable, context: bytes) -> Read:
    """Check a stranger's manifest in a process apart; `context` comes from `examining.context` with its form."""
    if isinstance(data, Unreadable):
        return _unreadable(data)
    try:
        return msgspec.msgpack.decode(await readers.read(data, context), type=Read)
    except Refused as refused:
        return _unreadable(refused.why)


async def settled(work: Work, read: Read) -> Read:
    """Return a check made without knowing what was uploaded, once the library was asked for what the manifest names."""
    there = await media_there(work, (id for id, _ in read.unsure))
    mistaken = [finding for id, finding in read.unsure if id in there]
    return msgspec.structs.replace(read, findings=tuple(one for one in read.findings if one not in mistaken))


async def bring_manifest(
    works: Works,
    manifest: Manifest,
    files: Mapping[str, str | None],
    *,
    folder: str,
    publish: bool,
    by: str,
    why: str,
) -> Brought:
    """Make or change the bundle; `files` are the archive's story files with the ids that they came in as."""
    by_id = [named.text for named in manifest.stories if not named.is_file]
    known = await titles_of(works.open(), by_id)
    details, wrong = resolved(manifest, folder, Stories(files, known.keys()))
    if wrong:
        return Brought(None, findings=wrong)
    before = await works.open().get(ContentBundle, manifest.id)
    try:
        made = await works.run(bring_bundle, bundle_id=manifest.id, details=details, publish=publish, by=by, why=why)
    except Problem as refusal:
        return Brought(None, findings=(_at_fault(manifest, details.scenario_ids, refusal),))
    return Brought(made, has_changed=made != before)


def _at_fault(manifest: Manifest, ids: Sequence[str], refusal: Problem) -> Finding:
    """Return a refusal as what is wrong at that place of the manifest that it is about."""
    stories = refusal.facts.get("stories", ())
    places = [named.place for named, id in zip(manifest.stories, ids, strict=True) if id in stories]
    field = "stories" if "stories" in refusal.facts else str(refusal.facts.get("field", ""))
    anywhere = manifest.places.get(field, Place(path=field, line=1, column=1))
    return error(places[0] if places else anywhere, refusal.code, refusal.message)


def _unreadable(why: Unreadable) -> Read:
    return Read(
        manifest=None, findings=(error(Place(path="", line=why.line, column=why.column), why.code, why.message),)
    )
