"""What editors do with bundles; each function is one unit of work."""

from typing import Any

from mystira.content.bundles.model import BundleDetails, BundleState, ContentBundle, checked, followed
from mystira.content.bundles.problems import BundleBought, BundleExists, BundleInvalid, StoriesMissing
from mystira.content.bundles.views import bundle, titles_of
from mystira.content.events import ContentChanged
from mystira.content.purchases.model import Purchase
from mystira.content.vocabulary.model import AgeGroupDefinition
from mystira.polyglot.entity import Stamp
from mystira.polyglot.query import equal
from mystira.polyglot.work import Work
from mystira.web.versions import refuse_stale

VERBS: dict[BundleState, str] = {"draft": "withdrawn", "published": "published", "archived": "archived"}


async def create_bundle(
    work: Work, *, bundle_id: str, details: BundleDetails, by: str, why: str = "", state: BundleState = "draft"
) -> ContentBundle:
    """Make a new bundle; BundleExists where there is one by that id."""
    if await work.get(ContentBundle, bundle_id) is not None:
        raise BundleExists(bundle_id=bundle_id)
    made = ContentBundle(id=bundle_id, **_fields(checked(details)), changed_at=work.now)
    await _check(work, made)
    if state != "draft":
        made = followed(made, state, work.now)
        await _check(work, made)
    work.save(made, _changed(made, "created", by, why))
    return made


async def change_bundle(
    work: Work, *, bundle_id: str, details: BundleDetails, seen: Stamp, by: str, why: str = ""
) -> ContentBundle:
    """Change what a bundle says and holds. What families bought before stays theirs."""
    before = await bundle(work, bundle_id)
    refuse_stale(work, before, seen)
    after = before.evolve(**_fields(checked(details)))
    if after == before:
        return before
    after = after.evolve(changed_at=work.now)
    await _check(work, after)
    work.save(after, _changed(after, "changed", by, why))
    return after


async def move_bundle(
    work: Work, *, bundle_id: str, state: BundleState, seen: Stamp, by: str, why: str = ""
) -> ContentBundle:
    """Publish or archive a bundle."""
    before = await bundle(work, bundle_id)
    refuse_stale(work, before, seen)
    after = followed(before, state, work.now)
    await _check(work, after)
    work.save(after, _changed(after, VERBS[state], by, why))
    return after


async def delete_bundle(work: Work, *, bundle_id: str, seen: Stamp, by: str, why: str = "") -> None:
    """Take a bundle out of the catalogue; one that was ordered is archived instead."""
    before = await bundle(work, bundle_id)
    refuse_stale(work, before, seen)
    if await work.first(Purchase, equal("bundle_id", bundle_id)) is not None:
        raise BundleBought
    work.remove(before, _changed(before, "deleted", by, why))


async def bring_bundle(
    work: Work, *, bundle_id: str, details: BundleDetails, publish: bool, by: str, why: str = ""
) -> ContentBundle:
    """Make a bundle as a file says it, or change the one that is there; what is so already changes nothing."""
    before = await work.get(ContentBundle, bundle_id)
    if before is None:
        state: BundleState = "published" if publish else "draft"
        return await create_bundle(work, bundle_id=bundle_id, details=details, by=by, why=why, state=state)
    after = before.evolve(**_fields(checked(details)))
    if publish and before.state != "published":
        after = followed(after, "published", work.now)
    if after == before:
        return before
    after = after.evolve(changed_at=work.now)
    await _check(work, after)
    work.save(after, _changed(after, "imported", by, why))
    return after


async def import_bundle(work: Work, *, bundle_id: str, details: BundleDetails) -> bool:
    """Keep a bundle that comes with the program, published; one that is there stays as its editors made it."""
    if await work.get(ContentBundle, bundle_id) is not None:
        return False
    await create_bundle(work, bundle_id=bundle_id, details=details, by="mystira", why="sample", state="published")
    return True


async def _check(work: Work, bundle: ContentBundle) -> None:
    """Refuse stories that do not exist, and, where players see the bundle, those that they cannot play."""
    groups = None if bundle.age_group is None else await work.get(AgeGroupDefinition, bundle.age_group)
    if bundle.age_group is not None and groups is None:
        raise BundleInvalid(field="age_group", reason=f"There is no age group {bundle.age_group}. Choose another.")
    known = await titles_of(work, bundle.scenario_ids)
    missing = [id for id in bundle.scenario_ids if id not in known]
    if missing:
        reason = f"There is no story {', '.join(missing)}. Check the id, or import the story first."
        raise StoriesMissing(reason=reason, stories=missing)
    if bundle.state != "published":
        return
    if not bundle.scenario_ids:
        raise StoriesMissing(reason="A bundle without stories cannot be offered. Add at least one.", stories=[])
    unseen = [id for id, (_, state) in known.items() if state != "published"]
    if unseen:
        reason = f"Players cannot see {', '.join(unseen)} yet. Publish that first, or take it out of the bundle."
        raise StoriesMissing(reason=reason, stories=unseen)


def _fields(details: BundleDetails) -> dict[str, Any]:
    return {name: getattr(details, name) for name in details.__struct_fields__}


def _changed(bundle: ContentBundle, change: str, by: str, why: str) -> ContentChanged:
    return ContentChanged(what="bundle", content_id=bundle.id, change=change, by=by, why=why)
