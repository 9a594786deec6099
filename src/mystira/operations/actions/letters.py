"""Verbs for dead letters: a few or a hundred thousand, batch by batch, with progress."""

from collections.abc import Awaitable, Callable

import msgspec

from mystira.operations.actions.doing import Arguments, Doing, Outcome
from mystira.polyglot.deadletters import discard, park, replay
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import LetterFilter, LetterKind
from mystira.polyglot.store import Key


class Letters(Arguments, frozen=True, kw_only=True):
    """Which letters: of one kind, of one key, with this in their error, waiting or parked.

    `stamp` tells apart the letters of one key.
    """

    kind: LetterKind | None = None
    partition: str | None = None
    id: str | None = None
    stamp: int | None = None
    error: str | None = None
    parked: bool | None = None


async def replay_letters(doing: Doing, which: Letters) -> Outcome:
    """Try the chosen letters again now."""
    tried, gone = await _all(doing, which, replay)
    return Outcome(
        f"{tried} were tried again; {gone} are settled, {tried - gone} stay.", {"tried": tried, "gone": gone}
    )


async def park_letters(doing: Doing, which: Letters) -> Outcome:
    """Let nobody try the chosen letters by itself any more; those that nobody tries already are left."""
    parked, _ = await _all(doing, msgspec.structs.replace(which, parked=False), park)
    return Outcome(f"{parked} are parked: nobody tries them by itself.", {"parked": parked})


async def discard_letters(doing: Doing, which: Letters) -> Outcome:
    """Give the chosen letters up for good."""
    _, dropped = await _all(doing, which, discard)
    return Outcome(f"{dropped} are discarded; what they held is lost.", {"discarded": dropped})


async def _all(doing: Doing, which: Letters, verb: Callable[..., Awaitable[int]]) -> tuple[int, int]:
    """Do a verb to every letter that was there at the start; return how many there were and what it counted."""
    chosen = filter_of(doing.of.name, which)
    total = (await doing.r.journal.letters_count(chosen)).get(doing.of.name, 0)
    met = [0]

    def told(done: int) -> None:
        met[0] = done
        doing.tell(done, total, "some thousands at a time")

    counted = await verb(doing.r, chosen, told=told, **doing.by)
    return met[0], counted


def filter_of(name: str | None, which: Letters) -> LetterFilter:
    """Return the filter for the journal."""
    key = Key(which.partition, which.id) if which.partition is not None and which.id is not None else None
    return LetterFilter(
        collection=name,
        kind=which.kind,
        key=key,
        stamp=None if which.stamp is None else Stamp.unpack(which.stamp),
        error=which.error,
        parked=which.parked,
    )
