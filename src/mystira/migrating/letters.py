"""`dead-letters`: what could not be carried over, looked at, replayed, parked and discarded."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import msgspec
from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.text import Text

from mystira.migrating.answers import Letter, Letters, LettersDone
from mystira.migrating.exits import FAILED, WrongUse, confirm, refuse
from mystira.migrating.live import Mark, shown
from mystira.migrating.place import ASKED, READING, SURE, Asked, Place, Reading, Sure, chosen, perform
from mystira.migrating.showing import facts, moment, rows, show, span, table
from mystira.polyglot import deadletters
from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterKind
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key
from mystira.terminal import print_json

COUNTED = 1_000

KindOf = Annotated[LetterKind | None, Parameter(name="--kind", help="Only letters of this kind.")]
IdOf = Annotated[str, Parameter(name="--id", help="Only letters about the record with this id.")]
PartitionOf = Annotated[str, Parameter(help="Its partition, where that is not the id itself.")]
All = Annotated[bool, Parameter(name="--all", negative="", help="All letters of the collection.")]


class NoLetter(Problem):
    """{collection} has no dead letter about {id}. The list tells which there are: mystira migrate dead-letters list"""

    kind = Kind.NOT_FOUND


def list_(
    collection: str = "",
    *,
    kind: KindOf = None,
    parked: Annotated[
        bool | None, Parameter(negative="--retrying", help="Only those that nobody tries any more.")
    ] = None,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    asked: Reading = READING,
) -> None:
    """List dead letters, the oldest first."""
    name = chosen(asked, collection).name if collection else None
    which = LetterFilter(collection=name, kind=kind, parked=parked, limit=limit + 1)

    async def work(place: Place) -> Letters:
        found = await place.r.journal.letters(which)
        return Letters(letters=tuple(_letter(one) for one in found[:limit]), more=len(found) > limit)

    found = perform(asked, work)
    print_json(found) if asked.json else show(_drawn_list(found))


def show_(
    collection: str,
    id: str,
    *,
    partition: PartitionOf = "",
    personal: Annotated[bool, Parameter(negative="", help="Show what identifies a person, too.")] = False,
    asked: Reading = READING,
) -> None:
    """Show the letters about one record, field by field. What identifies a person is masked."""
    which = chosen(asked, collection)

    async def work(place: Place) -> Letters:
        found = await place.r.journal.letters(_about(which, id, partition))
        if not found:
            raise NoLetter(collection=which.name, id=id)
        return Letters(letters=tuple(_whole(which, one, personal) for one in found), more=False)

    found = perform(asked, work)
    print_json(found) if asked.json else show(Group(*[_drawn_letter(one) for one in found.letters]))


def replay(
    collection: str,
    *,
    id: IdOf = "",
    partition: PartitionOf = "",
    kind: KindOf = None,
    all: All = False,
    asked: Asked = ASKED,
) -> None:
    """Try letters again now, together. Exit code 1 when some are still there."""
    which = chosen(asked, collection)
    letters = _chosen_letters(which, id, partition, kind, all, asked)

    async def work(place: Place) -> LettersDone:
        return await _through(place, which, "replay", letters, deadletters.replay)

    _tell(asked, perform(asked, work))


def park(
    collection: str,
    *,
    id: IdOf = "",
    partition: PartitionOf = "",
    kind: KindOf = None,
    all: All = False,
    asked: Asked = ASKED,
) -> None:
    """Let nobody try letters by itself any more, until a replay."""
    which = chosen(asked, collection)
    letters = msgspec.structs.replace(_chosen_letters(which, id, partition, kind, all, asked), parked=False)

    async def work(place: Place) -> LettersDone:
        return await _through(place, which, "park", letters, deadletters.park)

    _tell(asked, perform(asked, work))


def discard(
    collection: str,
    *,
    id: IdOf = "",
    partition: PartitionOf = "",
    kind: KindOf = None,
    all: All = False,
    asked: Sure = SURE,
) -> None:
    """Give letters up for good. What they hold is lost; asks first."""
    which = chosen(asked, collection)
    letters = _chosen_letters(which, id, partition, kind, all, asked)

    async def work(place: Place) -> LettersDone:
        some = await place.r.journal.letters(msgspec.structs.replace(letters, limit=COUNTED))
        if some:
            many = f"{COUNTED} or more" if len(some) == COUNTED else str(len(some))
            await confirm(f"{many} letters of {which.name}, and what they hold, are lost.", yes=asked.yes)
        return await _through(place, which, "discard", letters, deadletters.discard)

    _tell(asked, perform(asked, work))


class _Act(Protocol):
    async def __call__(
        self, r: Replication, which: LetterFilter, *, actor: str, why: str, told: Callable[[int], None] = ...
    ) -> int: ...


async def _through(place: Place, which: Collection[Any], verb: str, letters: LetterFilter, act: _Act) -> LettersDone:
    """Act on all that are meant, in batches, and show how far it is."""
    dealt_with = 0

    def count(total: int) -> None:
        nonlocal dealt_with
        dealt_with = total

    async def look() -> Mark:
        return Mark(dealt_with, None, f"{dealt_with:,} letters")

    async with shown(f"Dead letters of {which.name}: {verb}", look):
        done = await act(place.r, letters, told=count, **place.by)
    return LettersDone(collection=which.name, verb=verb, done=done, chosen=dealt_with)


def _chosen_letters(
    which: Collection[Any], id: str, partition: str, kind: LetterKind | None, all: bool, asked: Reading
) -> LetterFilter:
    if not (id or kind or all):
        refuse(WrongUse(advice="Say which letters: --id ID, --kind KIND, or --all."), json=asked.json)
    if not id:
        return LetterFilter(collection=which.name, kind=kind)
    return msgspec.structs.replace(_about(which, id, partition), kind=kind)


def _about(which: Collection[Any], id: str, partition: str) -> LetterFilter:
    return LetterFilter(collection=which.name, key=Key(partition or id, id))


def _letter(one: DeadLetter) -> Letter:
    return Letter(
        collection=one.collection,
        partition=one.key.partition,
        id=one.key.id,
        kind=one.kind,
        stamp=one.stamp.packed,
        op=one.op,
        error=one.error,
        attempts=one.attempts,
        next_try_at=one.next_try_at,
        created_at=one.created_at,
    )


def _whole(which: Collection[Any], one: DeadLetter, personal: bool) -> Letter:
    hidden: set[str] = set() if personal else {which.by_name[name].document_name for name in which.personal}
    payload, rival = _masked(one.payload, hidden), _masked(one.rival, hidden)
    return msgspec.structs.replace(_letter(one), payload=payload, rival=rival)


def _masked(body: dict[str, Any], hidden: set[str]) -> dict[str, Any]:
    return {name: "(personal)" if name in hidden and value is not None else value for name, value in body.items()}


def _drawn_list(found: Letters) -> RenderableType:
    if not found.letters:
        return Text("There are no dead letters.", "green")
    drawn = table(
        "Collection", "Partition", "Id", "Kind", "Since (UTC)", "Tries", "Next try", "Error", right=("Tries",)
    )
    lines = [
        (
            one.collection,
            one.partition,
            one.id,
            one.kind.value,
            moment(one.created_at),
            one.attempts,
            _next(one),
            one.error,
        )
        for one in found.letters
    ]
    return Group(rows(drawn, lines), Text(f"There are more: --limit {2 * len(lines)}" if found.more else ""))


def _next(one: Letter) -> str:
    if one.next_try_at is None:
        return "never"
    left_s = (one.next_try_at - datetime.now(UTC)).total_seconds()
    return f"in {span(left_s)}" if left_s > 0 else "due"


def _drawn_letter(one: Letter) -> RenderableType:
    about = facts(
        [
            ("Record", f"{one.collection} {one.partition}/{one.id}"),
            ("Kind", one.kind.value),
            ("Since", f"{moment(one.created_at)} UTC, {one.attempts} tries, next {_next(one)}"),
            ("Error", one.error),
        ]
    )
    names = sorted({**(one.payload or {}), **(one.rival or {})})
    drawn = table("Field", "What was to be carried over", "What stood against it")
    lines = [(name, _value(one.payload, name), _value(one.rival, name)) for name in names]
    return Group(about, Text(), rows(drawn, lines), Text())


def _value(body: dict[str, Any] | None, name: str) -> str:
    return msgspec.json.encode(body[name]).decode() if body and name in body else ""


def _tell(asked: Reading, found: LettersDone) -> None:
    said = {"replay": "carried over", "park": "parked", "discard": "discarded"}[found.verb]
    left = found.chosen - found.done
    rest = f" {left} are still there; their errors tell why: mystira migrate dead-letters list" if left else ""
    print_json(found) if asked.json else show(f"{found.done} letters of {found.collection} were {said}.{rest}")
    if left:
        raise SystemExit(FAILED)
