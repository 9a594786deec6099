"""The sync queue: how much waits in each collection, the letters page by page, and one letter field by field."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.differences import shown
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import ENVELOPE
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterKind, LetterPlace, place_of
from mystira.polyglot.queues import WaitingKey
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, StoreError
from mystira.polyglot.syncqueue import SyncQueue, letters_of, sync_queue, waiting_keys

PAGE = 50


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in one collection: changes for the other store, letters tried again, and letters for a person."""

    collection: str
    queue: SyncQueue | None
    retrying: int
    parked: int
    trouble: str = ""


class LetterSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One letter in a list, without what it holds."""

    letter: DeadLetter
    place: str


class LetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of letters, the newest first, and where the next one begins; None after the last."""

    letters: tuple[LetterSeen, ...]
    after: str | None
    counts: dict[str, int]


class FieldShown(msgspec.Struct, frozen=True, kw_only=True):
    """One field of what could not be carried, beside what stands in its way; None where a side has none."""

    name: str
    payload: str | None
    rival: str | None
    is_personal: bool


async def waiting(r: Replication) -> tuple[Waiting, ...]:
    """Return what waits in every collection that is copied or has letters."""
    tally = await r.journal.letters_tally()
    copying = {row.id for row in await r.journal.controls() if row.copying}
    found: list[Waiting] = []
    for collection in r.catalog:
        name = collection.name
        letters = letters_of(tally, name)
        if name in copying or any(letters):
            queue, trouble = None, ""
            try:
                queue = await sync_queue(r, collection) if name in copying else None
            except StoreError as error:
                trouble = str(error)
            found.append(Waiting(collection=name, queue=queue, trouble=trouble, **letters._asdict()))
    return tuple(found)


class KeysWaiting(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys of one collection wait, at most a page of them; `trouble` says why that could not be told."""

    collection: str
    keys: Sequence[WaitingKey] = ()
    trouble: str = ""


async def keys_waiting(r: Replication, collection: Collection[Any]) -> KeysWaiting:
    """Return the keys whose changes wait for the other store; none where nothing is copied."""
    if not (await r.row(collection)).copying:
        return KeysWaiting(collection=collection.name)
    try:
        return KeysWaiting(collection=collection.name, keys=await waiting_keys(r, collection, PAGE))
    except StoreError as error:
        return KeysWaiting(collection=collection.name, trouble=str(error))


async def letters(r: Replication, which: LetterFilter) -> LetterPage:
    """Return one page of the chosen letters, the newest first, without what they hold."""
    # A verb takes all that the filter chooses, on whichever page one stands, so all are counted.
    counts = dict(await r.journal.letters_count(msgspec.structs.replace(which, after=None)))
    asked = msgspec.structs.replace(which, newest_first=True, limit=PAGE + 1)
    found = await r.journal.letters(asked)
    seen = tuple(
        LetterSeen(letter=msgspec.structs.replace(one, payload={}, rival={}), place=place_text(one)) for one in found
    )
    return LetterPage(letters=seen[:PAGE], after=seen[PAGE - 1].place if len(seen) > PAGE else None, counts=counts)


async def letter_at(r: Replication, place: LetterPlace) -> DeadLetter | None:
    """Return the letter at one place, whole; None when it is settled."""
    which = LetterFilter(
        collection=place.collection,
        key=Key(place.partition, place.id),
        kind=LetterKind(place.kind),
        stamp=Stamp.unpack(place.stamp),
        limit=1,
    )
    return next(iter(await r.journal.letters(which)), None)


def fields_of(collection: Collection[Any], letter: DeadLetter, *, reveal: bool) -> Sequence[FieldShown]:
    """Return what a letter holds, field by field. Without `reveal`, of what is personal only its length."""
    names = sorted({*letter.payload, *letter.rival})
    found: list[FieldShown] = []
    for name in names:
        declared = collection.by_document_name.get(name)
        # Nobody has said of an unknown field whether it identifies a person, and the envelope carries whole events.
        is_personal = name == ENVELOPE or declared is None or declared.name in collection.personal
        found.append(
            FieldShown(
                name=name,
                payload=_text(letter.payload, name, reveal or not is_personal),
                rival=_text(letter.rival, name, reveal or not is_personal),
                is_personal=is_personal,
            )
        )
    return found


def place_text(letter: DeadLetter) -> str:
    """Return a letter's place as an address carries it."""
    return msgspec.json.encode(place_of(letter)).decode()


def place_of_text(text: str) -> LetterPlace | None:
    """Return the place that an address names; None for whatever is none."""
    try:
        return msgspec.json.decode(text, type=LetterPlace) if text else None
    except msgspec.MsgspecError:
        return None


def _text(body: dict[str, Any], name: str, shows: bool) -> str | None:
    return shown(body[name], shows) if name in body else None
