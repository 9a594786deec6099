"""Visits every state that can be reached, the nearest first, and tells how the first forbidden one came about.

Only a hash of 64 bits is kept of each state: that two of a million share one has odds of about one to thirty million.
Coordinators are alike, and so are relays: of two states that differ in who is who, only the first is gone on from.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.explorer.carriers import carry, follow
from tests.explorer.coordinators import coordinate
from tests.explorer.properties import fault_of, fault_of_step
from tests.explorer.state import Actor, State, Step, World, first_state
from tests.explorer.writers import write


class Explored(NamedTuple):
    """How far it went; `fault` is "" when nothing forbidden can be reached, and `trace` the steps to it."""

    states: int
    depth: int
    seconds: float
    fault: str
    trace: tuple[str, ...]
    witnessed: frozenset[str] = frozenset()


class Reached(NamedTuple):
    """How far it is: `waiting` states of this depth are still to be gone on from."""

    states: int
    depth: int
    seconds: float
    waiting: int


def steps(world: World, s: State) -> Iterator[Step]:
    """Everything that may happen next, told as a sentence."""
    for c in range(len(s.coordinators)):
        for told, state in coordinate(world, s, c):
            yield f"coordinator {c + 1} {told}", state
    for w in range(len(s.writers)):
        for told, state in write(world, s, w):
            yield f"writer {'ab'[w]} {told}", state
    for told, state in follow(world, s):
        yield f"the follower {told}", state
    for number in range(len(s.relays)):
        for told, state in carry(world, s, number):
            yield f"relay {number + 1} {told}", state
    if world.outage:
        yield "PostgreSQL goes away" if s.up else "PostgreSQL is back", s._replace(up=not s.up)


def mark(s: State) -> int:
    """Return a hash that is the same whoever of those that are alike is who."""
    coordinators, relays = s.coordinators, s.relays
    if len(coordinators) == 2 and hash(coordinators[0]) > hash(coordinators[1]):
        s = s._replace(coordinators=coordinators[::-1], writers=tuple(map(_swapped, s.writers)))
    if len(relays) == 2 and hash(relays[0]) > hash(relays[1]):
        s = s._replace(relays=relays[::-1])
    return hash(s)


SWAPPED = (0, 2, 1, 3)


def _swapped(writer: Actor) -> Actor:
    """What a writer has to do with either coordinator's wait, the other way round."""
    if SWAPPED[writer.old] == writer.old and SWAPPED[writer.sent_old] == writer.sent_old:
        return writer
    return writer._replace(old=SWAPPED[writer.old], sent_old=SWAPPED[writer.sent_old])


def explore(world: World, progress: Callable[[Reached], None] = lambda _: None) -> Explored:
    began = time.monotonic()
    first = first_state(world)
    came_from: dict[int, int] = {mark(first): 0}
    level, depth, witnessed = [first], 0, set[str]()
    while level:
        following: list[State] = []
        for s in level:
            here = mark(s)
            for told, state in steps(world, s):
                there = mark(state)
                witnessed.add(told)
                fault = fault_of_step(s, state)
                if there not in came_from:
                    came_from[there] = here
                    following.append(state)
                    fault = fault or fault_of(world, state)
                if fault:
                    trace = (*retraced(world, came_from, here), shown(told, state))
                    return Explored(len(came_from), depth + 1, time.monotonic() - began, fault, trace)
        level, depth = following, depth + bool(following)
        progress(Reached(len(came_from), depth, time.monotonic() - began, len(level)))
    return Explored(len(came_from), depth, time.monotonic() - began, "", (), frozenset(witnessed))


def retraced(world: World, came_from: dict[int, int], end: int) -> tuple[str, ...]:
    """Walk the way again from the first state: only hashes were kept of it."""
    way = [end]
    while came_from[way[-1]]:
        way.append(came_from[way[-1]])
    state, trace = first_state(world), list[str]()
    for there in reversed(way[:-1]):
        told, state = next(step for step in steps(world, state) if mark(step[1]) == there)
        trace.append(shown(told, state))
    return tuple(trace)


def shown(told: str, s: State) -> str:
    """A step as a line: what was done, and what stands then."""
    row, copy = (f"{c.leader} {c.state} {c.n}" for c in (s.row, s.copy))
    stands = f"row {row} | copy {copy} | document {s.document.ops[-1]} | record {s.record.ops[-1]}"
    return f"{told:<70} {stands}"
