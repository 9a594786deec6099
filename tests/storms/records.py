"""What the processes of a storm write: counters that raise events, and the effects of those."""

import asyncio

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Event
from mystira.polyglot.reaction import Handling, Reaction, Reactions
from mystira.polyglot.work import Work
from tests.storms.poison import POISONS

OLD = ("old", "older", "oldest")
NEW = "new"
WRITTEN = ("a", "a", "a", "a", "a", "b", "b", "c", "d", "old")
KEYS = ("a", "b", "c", "d", *OLD, NEW)


class Raised(Event, frozen=True, kw_only=True):
    token: str


class Counter(Entity, frozen=True, kw_only=True):
    value: int = 0
    label: str | None = None


class Effect(Entity, frozen=True, kw_only=True):
    heard: int = 0


COUNTERS = Collection(Counter, container="Counters", table="counters")
EFFECTS = Collection(Effect, container="Effects", table="effects")
CATALOG = Catalog([COUNTERS, EFFECTS, POISONS])
MOVED = Catalog([COUNTERS])
MERGED = Catalog([COUNTERS, POISONS])


async def change(work: Work, key: str, token: str, removes: bool, thinks_s: float) -> None:
    counter = await work.get(Counter, key)
    if thinks_s:
        await asyncio.sleep(thinks_s)
    if removes and counter is not None:
        work.remove(counter, Raised(token=token))
    else:
        counter = counter or Counter(id=key)
        work.save(counter.evolve(value=counter.value + 1), Raised(token=token))


async def add_effect(work: Work, token: str) -> None:
    effect = await work.get(Effect, token) or Effect(id=token)
    work.save(effect.evolve(heard=effect.heard + 1))


async def hear(handling: Handling, event: Raised) -> None:
    await handling.run(add_effect, event.token)


REACTIONS = Reactions([Reaction("effect", Raised, hear)])
