"""What must hold in every state, and on every step; a fault is told in one sentence."""

from functools import cache

from mystira.polyglot.control import Control
from mystira.polyglot.control import State as Open
from mystira.polyglot.phases import Leader
from tests.explorer.carriers import at_rest
from tests.explorer.coordinators import is_equal
from tests.explorer.state import Actor, State, World
from tests.explorer.writers import write

GOES_ON_WITHIN = 30


def fault_of(world: World, s: State) -> str:
    """What is wrong with a state; "" when nothing is."""
    if s.trouble:
        return s.trouble
    if s.row.leader is Leader.RELATIONAL:
        for w, writer in enumerate(s.writers):
            if writer.term is not None and writer.term.leader is Leader.DOCUMENTS:
                return f"two leaders: PostgreSQL leads, and writer {'ab'[w]} may still write to the documents"
            if writer.sent is not None and w < len(s.writers) - 1:
                return f"writer {'ab'[w]}, who does not sleep, has a write on its way to the documents after the flip"
    lost = s.told - _kept(s) - s.letters
    if lost:
        return f"lost: {', '.join(sorted(lost))} was acknowledged"
    unheard = lost_at_rest(world, s)
    if unheard:
        return unheard
    if not goes_on(world, s.row, s.copy, up=True):
        return "dead end: whatever happens from here, no writer may ever write again"
    held = s.copy.state is Open.COMMITTING or s.copy.leader is Leader.RELATIONAL
    if not s.up and not held and not goes_on(world, s.row, s.copy, up=False):
        return "an outage of PostgreSQL stops writers that the documents lead"
    return ""


def _kept(s: State) -> set[str]:
    """What the leader's value is made of; and the document's too while somebody is still to read it."""
    if s.row.leader is Leader.DOCUMENTS:
        return set(s.document.ops)
    return {*s.record.ops, *(() if s.fed else s.document.ops)}


def lost_at_rest(world: World, s: State) -> str:
    """What follower and relay would leave wrong if nothing else happened from here on."""
    # Who else is on the way somewhere makes no difference to them.
    bare = State(s.row, s.row, s.row, (), (), True, s.document, s.record, s.seen, s.fed, s.task)
    return _lost_at_rest(world, bare._replace(told=s.told, letters=s.letters))


@cache
def _lost_at_rest(world: World, s: State) -> str:
    rest = at_rest(world, s)
    lost = rest.told - set(rest.record.ops) - rest.letters
    if lost:
        return f"never carried over: {', '.join(sorted(lost))} was acknowledged"
    if not rest.fed or rest.task or not is_equal(rest):
        return "follower and relay come to rest, and the stores are not equal"
    return ""


def fault_of_step(before: State, after: State) -> str:
    """What must not happen from one state to the next."""
    if after.row is before.row and after.copy is before.copy:
        return ""
    for name, was, now in (("row", before.row, after.row), ("copy", before.copy, after.copy)):
        if now.n < was.n:
            return f"the n of the {name} falls from {was.n} to {now.n}"
        if now.epoch < was.epoch:
            return f"the epoch of the {name} falls from {was.epoch} to {now.epoch}"
        if now.leader is not was.leader and now.epoch <= was.epoch:
            return f"the {name} has a new leader in the epoch of the old one"
    return ""


@cache
def goes_on(world: World, row: Control, copy: Control, *, up: bool) -> bool:
    """Whether one writer, alone in the world after everybody else has died, comes to a term by asking."""
    alone = World(starts=(), writes=(0,), outage=False, stale=False, without=world.without)
    for believes in Leader:
        level = [State(row, copy, copy, (), (Actor(believes=believes),), up, relays=())]
        seen = set(level)
        for _ in range(GOES_ON_WITHIN):
            if any(state.writers[0].term is not None for state in level):
                break
            following = {state for s in level for _, state in write(alone, s, 0)} - seen
            seen |= following
            level = list(following)
        else:
            return False
    return True
