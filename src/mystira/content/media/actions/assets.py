"""What people do with one medium; each function is one unit of work."""

from mystira.content.events import ContentChanged
from mystira.content.media.model.asset import (
    MediaAsset,
    MediaUse,
    Told,
    day,
    deleted,
    edited,
    made,
    restored,
    type_of,
)
from mystira.content.media.problems import MediaInUse, MediaNameTaken, MediaNotFound
from mystira.mediafiles.forms import Cleaned
from mystira.polyglot.entity import Stamp
from mystira.polyglot.query import contains
from mystira.polyglot.work import Work
from mystira.web.versions import ANY, Stale

USERS_SHOWN = 3


async def medium(work: Work, media_id: str) -> MediaAsset:
    """Return a medium, deleted ones included; MediaNotFound where there is none."""
    media_type = type_of(media_id)
    found = None if media_type is None else await work.get(MediaAsset, media_id, media_type)
    if found is None:
        raise MediaNotFound(media_id=media_id[:80])
    return found


async def keep_medium(
    work: Work, *, media_id: str, cleaned: Cleaned, told: Told, replace: bool, by: str, why: str
) -> tuple[MediaAsset, str]:
    """Keep what was uploaded, and tell what became of it: added, replaced, or known (these very bytes were there)."""
    before = await work.get(MediaAsset, media_id, cleaned.media_type)
    if before is not None and not before.is_deleted:
        if before.hash == cleaned.hash:
            return before, "known"
        if not replace:
            raise MediaNameTaken(media_id=media_id)
    change = "replaced" if before is not None and not before.is_deleted else "added"
    asset = made(media_id, cleaned, told, before, work.now)
    work.save(asset, _changed(asset, change, by, why))
    return asset, change


async def edit_medium(work: Work, *, media_id: str, told: Told, seen: Stamp, by: str, why: str) -> MediaAsset:
    """Change what is said of a medium, unless somebody else has since the editor looked."""
    asset = _seen(await medium(work, media_id), seen)
    changed = edited(asset, told, work.now)
    work.save(changed, _changed(changed, "edited", by, why))
    return changed


async def delete_medium(work: Work, *, media_id: str, seen: Stamp, by: str, why: str) -> MediaAsset:
    """Delete a medium that nothing shows; it is kept in the archive for a while, and can be brought back."""
    asset = _seen(await medium(work, media_id), seen)
    if asset.is_deleted:
        return asset
    await _refuse_in_use(work, media_id)
    gone = deleted(asset, work.now)
    work.save(gone, _changed(gone, "deleted", by, why))
    return gone


async def restore_medium(work: Work, *, media_id: str, seen: Stamp, by: str, why: str) -> MediaAsset:
    """Bring a deleted medium back."""
    asset = _seen(await medium(work, media_id), seen)
    if not asset.is_deleted:
        return asset
    back = restored(asset, work.now)
    work.save(back, _changed(back, "restored", by, why))
    return back


async def open_medium(work: Work, *, media_id: str) -> None:
    """Let anybody fetch a medium that something published shows."""
    media_type = type_of(media_id)
    asset = None if media_type is None else await work.get(MediaAsset, media_id, media_type)
    if asset is not None and not asset.is_deleted and not asset.is_shown:
        work.save(asset.evolve(is_shown=True))


async def close_medium(work: Work, *, media_id: str) -> None:
    """Let only those fetch a medium who are shown its signed address, unless people opened it to everybody."""
    media_type = type_of(media_id)
    asset = None if media_type is None else await work.get(MediaAsset, media_id, media_type)
    if asset is not None and asset.is_shown:
        work.save(asset.evolve(is_shown=False))


async def keep_who_opened(work: Work, *, media_id: str, is_shown: bool) -> None:
    """Keep whether people opened what an older release kept as open, and whether something shows it.

    Whoever edits, replaces or brings back a medium changes `changed_at`, and opening never did: what nobody has changed
    since it was added was opened by what shows it.
    """
    asset = await medium(work, media_id)
    is_ticked = asset.is_open and (not is_shown or asset.changed_at != asset.added_at)
    work.save(asset.evolve(is_open=is_ticked, is_shown=is_shown))


async def note_access(work: Work, *, media_id: str) -> None:
    """Note that somebody looked at it today, once a day."""
    asset = await medium(work, media_id)
    if not asset.is_deleted and asset.last_access_day < day(work.now):
        work.save(asset.evolve(last_access_day=day(work.now)))


async def note_use(work: Work, *, what: str, content_id: str, title: str, media_ids: tuple[str, ...]) -> None:
    """Keep which media a piece of content shows; what shows none is forgotten."""
    before = await work.get(MediaUse, f"{what}|{content_id}")
    use = MediaUse(id=f"{what}|{content_id}", what=what, content_id=content_id, title=title, media_ids=media_ids)
    if media_ids and before != use:
        work.save(use)
    elif before is not None and not media_ids:
        work.remove(before)


async def users_of(work: Work, media_id: str) -> tuple[MediaUse, ...]:
    """Return what shows a medium."""
    return (await work.find(MediaUse, contains("media_ids", media_id), limit=100)).items


def version_of(asset: MediaAsset) -> Stamp:
    """Return the version that editors name: it changes with what people change, and with nothing else."""
    return Stamp(0, asset.edition)


def _seen(asset: MediaAsset, seen: Stamp) -> MediaAsset:
    if seen not in (ANY, version_of(asset)):
        raise Stale
    return asset


async def _refuse_in_use(work: Work, media_id: str) -> None:
    users = await users_of(work, media_id)
    if users:
        named = [f"the {one.what.replace('_', ' ')} {one.title or one.content_id}" for one in users[:USERS_SHOWN]]
        more = f" and {len(users) - USERS_SHOWN} more" if len(users) > USERS_SHOWN else ""
        raise MediaInUse(media_id=media_id, users=f"{', '.join(named)}{more}")


def _changed(asset: MediaAsset, change: str, by: str, why: str) -> ContentChanged:
    return ContentChanged(what="media", content_id=asset.id, change=change, by=by, why=why)
