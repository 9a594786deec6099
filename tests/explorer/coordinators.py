"""A coordinator, one await at a time: `transition.change_phase`, `_settle`, and `leadership.abort`.

Wherever it stands it may die; then it is idle, and what it held is forgotten.
"""

from collections.abc import Callable, Iterator

from mystira.polyglot.control import Control
from mystira.polyglot.control import State as Open
from mystira.polyglot.drains import may_be_struck
from mystira.polyglot.phases import Leader
from mystira.polyglot.stores.memory_relational import same_version
from mystira.polyglot.transition import next_epoch
from tests.explorer.state import (
    DEADLINE,
    DUAL,
    REVERSED,
    Actor,
    State,
    Step,
    World,
    copies,
    copy_written,
    forget_wait,
    may_become,
    with_coordinator,
)

Put = Callable[[State, Actor], State]
Moves = Iterator[tuple[str, State, Actor]]


def coordinate(world: World, s: State, c: int) -> Iterator[Step]:
    """Whatever coordinator `c` may do next."""
    actor = s.coordinators[c]

    def put(state: State, changed: Actor) -> State:
        return with_coordinator(state, c, changed)

    if actor.at == "idle":
        if s.up:
            yield from _starts(world, s, actor, put)
        return
    if world.deaths:
        yield "dies", put(forget_wait(s, c), actor.idle())
    if world.deaths and actor.at in GIVES_UP:
        yield (
            "gives up",
            put(forget_wait(s, c), actor._replace(at="settle", copy=None, fresh=False, called=frozenset())),
        )
    if actor.at == "wait":
        yield from _waits(world, s, c)
    elif actor.at in ABORTING:
        yield from abort(world, s, actor, put)
    elif s.up or actor.at not in NEEDS_POSTGRES:
        for told, state, changed in STEPS[actor.at](world, s, actor):
            if actor.at == "call":
                state = _begin_wait(world, state, c)
            yield told, put(state, changed)


def _starts(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """change_phase: a transition that nobody finished is aborted first (its deadline may have passed)."""
    if s.row.state is Open.OPEN and actor.left:
        yield "reads the row", put(s, actor._replace(at="next n", row=s.row))
    elif s.row.state is not Open.OPEN:
        yield "finds an overdue transition", put(s, actor._replace(at="abort", row=s.row))
        if not world.keeps("R3 take-over") and s.row.leader is Leader.DOCUMENTS:
            # It goes on under the same n, as if it had seen and waited for what the other one did.
            yield "takes the transition over", put(s, actor._replace(at="verify", mine=s.row))


def _next_n(world: World, s: State, actor: Actor) -> Moves:
    """control.next_n, and transition._drain: above both the row's and the copy's n."""
    row = _held(actor.row)
    target = REVERSED if row.leader is Leader.DOCUMENTS else DUAL
    for copy, _ in copies(world, s):
        n = max(row.n, copy.n) + 1
        draining = row.evolve(n=n, state=Open.DRAIN, target=target, coordinator="x", deadline=DEADLINE)
        yield f"will drain as {n}", s, actor._replace(at="drain", mine=draining)


def _drain(world: World, s: State, actor: Actor) -> Moves:
    draining = _held(actor.mine)
    if not may_change(world, s.row, _held(actor.row)):
        yield "is refused the drain", s, actor.idle()
        return
    way = "tell" if draining.leader is Leader.DOCUMENTS else "verify back"
    yield "drains the row", s._replace(row=draining), actor._replace(at=way, row=None, left=actor.left - 1)


def may_change(world: World, standing: Control, before: Control) -> bool:
    """R2, asked of the code: Journal.change compares n."""
    if not world.keeps("R2"):
        return standing.state is before.state
    return same_version(standing, before)


def _tell(world: World, s: State, actor: Actor) -> Moves:
    """transition._tell_copy: reads; R1 says whether it may be moved."""
    mine = _held(actor.mine)
    for copy, fresh in copies(world, s):
        if copy == mine:
            yield "sees the copy there", s, _told(world, actor)
        elif world.keeps("R1") and not may_become(copy, mine):
            yield "must not move the copy", s, actor._replace(at="settle")
        else:
            yield "reads the copy", s, actor._replace(at="write", copy=copy, fresh=fresh)


def _write(world: World, s: State, actor: Actor) -> Moves:
    """control.write_copy, by If-Match; its answer may be lost."""
    again = actor._replace(at="tell", copy=None, fresh=False)
    if not actor.fresh:
        yield "finds the copy changed", s, again
        return
    mine = _held(actor.mine)
    written = copy_written(s, mine)
    yield f"moves the copy to {mine.state} {mine.n}", written, _told(world, actor)
    if world.deaths:
        yield f"moves the copy to {mine.state} {mine.n}, unanswered", written, again


def _told(world: World, actor: Actor) -> Actor:
    actor = actor._replace(copy=None, fresh=False)
    if _held(actor.mine).state is Open.COMMITTING:
        return actor._replace(at="flip")
    return actor._replace(at="call" if world.keeps("R3") else "verify")


def _call(world: World, s: State, actor: Actor) -> Moves:
    """roster.call_roster, proved by a conditional write: everybody who can have a write on its way is in it."""
    yield "calls the roster", s, actor._replace(at="wait", called=s.roster)


def _begin_wait(world: World, s: State, c: int) -> State:
    """transition.wait_for_silence begins: whatever lease was asked for until now is waited out."""
    bit = 1 << c
    return s._replace(
        writers=tuple(
            a._replace(
                old=a.old | bit if a.term is not None or a.at == "answer" else a.old,
                sent_old=a.sent_old | bit if a.sent is not None else a.sent_old,
            )
            for a in s.writers
        )
    )


def _waits(world: World, s: State, c: int) -> Iterator[Step]:
    """drains.hear_writers: until all who were called stood down, or lease, longest request and drift have passed.

    Only a writer that sleeps has not noticed then.
    """
    bit = 1 << c
    actor = s.coordinators[c]
    n = _held(actor.mine).n
    silent = frozenset(entry for entry in actor.called if (entry[0], n) not in s.stood_down)
    if not silent:
        told = with_coordinator(forget_wait(s, c), c, actor._replace(at="verify", called=frozenset()))
        yield "has heard from every writer", told
        return
    awake = s.writers[:-1]
    if any(writer.sent is not None and writer.sent_old & bit for writer in awake):
        return
    quiet = forget_wait(s._replace(writers=tuple(_ended(world, a, bit) for a in s.writers)), c)
    yield "has waited for silence", with_coordinator(quiet, c, actor._replace(at="strike", called=silent))


def _strike(world: World, s: State, actor: Actor) -> Moves:
    """roster.strike: the leases of those who stayed silent have ended, and their entries go."""
    mine = _held(actor.mine)
    gone = {(w, n) for w, n in actor.called if may_be_struck(n, mine) or not world.keeps("strike")}
    yield "strikes the silent", s._replace(roster=s.roster - gone), actor._replace(at="verify", called=frozenset())


def _ended(world: World, writer: Actor, bit: int) -> Actor:
    if not writer.old & bit:
        return writer
    if writer.at == "answer":
        # R4: the term counts from the request, so it is over before its answer arrives.
        return writer.idle()._replace(old=0) if world.keeps("R4") else writer
    return writer._replace(term=None, old=0)


def _verify(world: World, s: State, actor: Actor) -> Moves:
    """transition._is_drained: the follower is at the end of the feed, and both stores are equal."""
    if s.fed and is_equal(s):
        way = "tell" if world.keeps("COMMITTING") else "flip"
        yield "finds both stores equal", s, actor._replace(at=way, mine=_held(actor.mine).evolve(state=Open.COMMITTING))


def _verify_back(world: World, s: State, actor: Actor) -> Moves:
    """transition._is_relayed: the outbox is empty, and both stores are equal."""
    if (not s.task or not world.keeps("outbox")) and (is_equal(s) or not world.keeps("outbox")):
        yield "finds everything relayed", s, actor._replace(at="flip")


def _flip(world: World, s: State, actor: Actor) -> Moves:
    """Journal.change to the next leader: one compare of n; on the way back only with an empty outbox (`drained`)."""
    mine = _held(actor.mine)
    draining = mine.evolve(state=Open.DRAIN)
    full = mine.leader is Leader.RELATIONAL and s.task and world.keeps("outbox")
    if full or not may_change(world, s.row, draining):
        yield "is refused the flip", s, actor._replace(at="settle", mine=draining)
        return
    flipped = draining.opened(
        mine.n + 1, phase=mine.target, epoch=next_epoch(mine) if world.keeps("epoch") else mine.epoch
    )
    told = f"flips to {flipped.leader} {flipped.n}"
    yield told, s._replace(row=flipped), actor._replace(at="heal", mine=flipped)
    if world.deaths:
        yield f"{told}, unanswered", s._replace(row=flipped), actor._replace(at="settle", mine=draining)


def _settle(world: World, s: State, actor: Actor) -> Moves:
    """transition._settle: did the flip happen all the same?"""
    mine = _held(actor.mine)
    if s.row.n == mine.n:
        yield "settles", s, actor.idle()._replace(at="abort", row=s.row)
    elif s.row.phase is mine.target:
        yield "settles: it is done", s, actor.idle()._replace(at="heal", mine=s.row)
    else:
        yield "settles: it was aborted", s, actor.idle()


def heal(world: World, s: State, actor: Actor) -> Moves:
    """control.heal_copy: to the row's state, only where the row is ahead."""
    row = _held(actor.mine)
    for copy, fresh in copies(world, s):
        if copy == row or (copy.n >= row.n and world.keeps("R1")):
            yield "finds the copy healed", s, actor.idle()
        else:
            yield "reads the copy to heal it", s, actor._replace(at="heal write", copy=copy, fresh=fresh)


def heal_write(world: World, s: State, actor: Actor) -> Moves:
    row = _held(actor.mine)
    if actor.fresh:
        yield f"heals the copy to {row.leader} {row.n}", copy_written(s, row), actor.idle()
    else:
        yield "finds the copy changed", s, actor.idle()


def is_equal(s: State) -> bool:
    """equality.is_equal, of the one key."""
    return (s.document.stamp, s.document.ops[-1]) == (s.record.stamp, s.record.ops[-1])


def _held(control: Control | None) -> Control:
    assert control is not None
    return control


def abort(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """leadership.abort, by whoever may: R6, the row first, then the copy."""
    if actor.at == "abort":
        for copy, fresh in copies(world, s):
            yield from begin_abort(world, s, actor._replace(copy=copy, fresh=fresh), put)
    elif actor.at == "abort row" and s.up:
        opened = _held(actor.mine)
        if not may_change(world, s.row, _held(actor.row)):
            yield "is refused the abort", put(s, actor.idle())
        elif opened.leader is Leader.RELATIONAL or not world.keeps("R6"):
            yield f"aborts the row to {opened.n}", put(s._replace(row=opened), actor.idle())
        else:
            aborted = actor.idle()._replace(at="abort copy", mine=opened)
            yield f"aborts the row to {opened.n}", put(s._replace(row=opened), aborted)
    elif actor.at == "abort copy":
        opened = _held(actor.mine)
        for copy, fresh in copies(world, s):
            if not world.keeps("R1") or may_become(copy, opened):
                yield "reads the copy to reopen it", put(s, actor._replace(at="abort write", copy=copy, fresh=fresh))
            else:
                yield "leaves the copy alone", put(s, actor.idle())
    elif actor.at == "abort write":
        yield from _abort_write(world, s, actor, put)


def begin_abort(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """Row and copy have been read."""
    row, copy = _held(actor.row), _held(actor.copy)
    if row.state is Open.DRAIN:
        opened = row.opened(max(row.n, copy.n) + 1)
        if not world.keeps("R6") and row.leader is Leader.DOCUMENTS:
            yield f"will abort to {opened.n}, the copy first", put(s, actor._replace(at="abort write", mine=opened))
        else:
            changed = actor.idle()._replace(at="abort row", row=row, mine=opened)
            yield f"will abort to {opened.n}", put(s, changed)
    elif row.leader is Leader.RELATIONAL:
        yield "has nothing to abort", put(s, actor.idle())
    else:
        yield "will bring the copy to the row", put(s, actor.idle()._replace(at="abort copy", mine=row))


def _abort_write(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    opened = _held(actor.mine)
    if not actor.fresh:
        yield "finds the copy changed", put(s, actor.idle())
        return
    done = actor.idle()
    if not world.keeps("R6") and actor.row is not None:
        done = done._replace(at="abort row", row=actor.row, mine=opened)
    yield f"reopens the copy as {opened.n}", put(copy_written(s, opened), done)


STEPS: dict[str, Callable[[World, State, Actor], Moves]] = {
    "next n": _next_n,
    "drain": _drain,
    "tell": _tell,
    "write": _write,
    "call": _call,
    "strike": _strike,
    "verify": _verify,
    "verify back": _verify_back,
    "flip": _flip,
    "settle": _settle,
    "heal": heal,
    "heal write": heal_write,
}
ABORTING = frozenset({"abort", "abort row", "abort copy", "abort write"})
GIVES_UP = frozenset({"tell", "write", "call", "wait", "verify", "verify back", "flip"})
NEEDS_POSTGRES = frozenset({"drain", "verify", "verify back", "flip", "settle"})
