"""A writer, one await at a time: `leadership._ask` gives it a term, `commit.send` uses it. The last one may sleep."""

from collections.abc import Iterator

from mystira.polyglot.control import Control
from mystira.polyglot.control import State as Open
from mystira.polyglot.phases import Leader
from mystira.polyglot.stores.memory_relational import is_open_at
from tests.explorer.coordinators import ABORTING, Put, abort, begin_abort, heal, heal_write, may_change
from tests.explorer.state import Actor, State, Step, Version, World, copies, copy_written, document_written, with_writer

OPERATOR = "PostgreSQL knows less than the documents do: an operator must look"


def write(world: World, s: State, w: int) -> Iterator[Step]:
    """Whatever writer `w` may do next."""
    actor = s.writers[w]

    def put(state: State, changed: Actor) -> State:
        return with_writer(state, w, changed)

    if actor.term is not None:
        yield "loses its lease", put(s, actor._replace(term=None, old=0))
    if actor.at in ("idle", "sent") and s.up:
        yield from _stand_down(world, s, w, put)
    match actor.at:
        case "idle" if actor.term is None:
            yield from _ask(world, s, actor, put)
        case "idle" if actor.left:
            yield from _send(world, s, w, put)
        case "sent":
            yield from _arrive(s, w, put)
        case "enter":
            yield from _enter(s, w, put)
        case "prove" | "answer":
            yield from _lease(world, s, actor, put)
        case "follow row" if s.up:
            yield from _follow_row(s, actor, put)
        case "follow row":
            yield "cannot ask PostgreSQL", put(s, actor.idle())
        case "row abort" if s.up:
            yield from _abort_row(world, s, actor, put)
        case "late":
            yield from _late(world, s, actor, put)
        case "heal" | "heal write":
            step = heal if actor.at == "heal" else heal_write
            for told, state, changed in step(world, s, actor):
                yield told, put(state, changed)
        case _:
            if actor.at in ABORTING:
                yield from abort(world, s, actor, put)


def _ask(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """leadership._ask: whoever is believed to lead is asked."""
    if actor.believes is Leader.RELATIONAL and s.up and s.row.leader is Leader.RELATIONAL:
        yield from _row_term(s, actor, put)
        return
    for copy, fresh in copies(world, s):
        if copy.leader is Leader.RELATIONAL:
            yield "reads in the copy that PostgreSQL leads", put(s, actor._replace(at="follow row", copy=copy))
        elif copy.state is not Open.OPEN:
            yield f"reads the copy: {copy.state}", put(s, actor._replace(at="late", copy=copy, fresh=fresh))
        elif actor.entered != copy.n and world.keeps("roster"):
            yield "is not in the roster", put(s, actor._replace(at="enter", copy=copy))
        elif world.stale and world.keeps("R5"):
            yield "reads the copy", put(s, actor._replace(at="prove", copy=copy, fresh=fresh))
        else:
            yield f"reads the copy {copy.n}", put(s, actor._replace(at="answer", copy=copy, old=0))


def _enter(s: State, w: int, put: Put) -> Iterator[Step]:
    """roster.enter: by a conditional write, before the first lease under each n; then the copy is read again."""
    actor = s.writers[w]
    assert actor.copy is not None
    n = actor.copy.n
    roster = frozenset(entry for entry in s.roster if entry[0] != w) | {(w, n)}
    yield f"enters the roster under {n}", put(s._replace(roster=roster), actor.idle()._replace(entered=n))


def _stand_down(world: World, s: State, w: int, put: Put) -> Iterator[Step]:
    """drains.DrainWatch: the term is given up once the copy is seen at the row's drain, then it says so.

    A writer that sleeps says nothing; nor does one whose write is on its way.
    """
    actor, n = s.writers[w], s.row.n
    drains = s.row.state is Open.DRAIN and s.row.leader is Leader.DOCUMENTS
    if not drains or (w, n) in s.stood_down:
        return
    for copy, _ in copies(world, s):
        if copy.n == n and copy.state is not Open.OPEN:
            term = None if world.keeps("stand down") else actor.term
            still = actor._replace(term=term, old=actor.old if term else 0)
            if actor.sent is None or not world.keeps("writes on their way"):
                # An older drain's answers count for nothing any more.
                told = s._replace(stood_down=frozenset(e for e in s.stood_down if e[1] == n) | {(w, n)})
                yield "stands down", put(told, still)
            elif actor.term is not None:
                yield "gives its lease up", put(s, still)


def _lease(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """leadership._lease: R5, a conditional write proves what was read; R4, the term counts from that request."""
    assert actor.copy is not None
    if actor.at == "answer":
        old = actor.old if world.keeps("R4") else 0
        held = actor.idle()._replace(term=actor.copy, old=old, believes=Leader.DOCUMENTS)
        yield f"has a lease under {actor.copy.n}", put(s, held)
    elif actor.fresh:
        asked = actor._replace(at="answer", fresh=False, old=0)
        yield f"asks for a lease under {actor.copy.n}", put(copy_written(s, actor.copy), asked)
    else:
        yield "finds the copy changed", put(s, actor.idle())


def _row_term(s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """leadership._row_term: a term under the row, or the end of a drain past its deadline."""
    if s.row.state is Open.OPEN:
        held = actor.idle()._replace(term=s.row, old=0, believes=Leader.RELATIONAL)
        yield f"has a term under the row {s.row.n}", put(s, held)
    else:
        overdue = actor.idle()._replace(at="row abort", row=s.row, believes=Leader.RELATIONAL)
        yield "finds an overdue drain", put(s, overdue)


def _abort_row(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    assert actor.row is not None
    opened = actor.row.opened(actor.row.n + 1)
    done = s._replace(row=opened) if may_change(world, s.row, actor.row) else s
    yield "ends the overdue drain" if done is not s else "is refused the abort", put(done, actor.idle())


def _follow_row(s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """leadership._follow_row: the copy says that PostgreSQL leads."""
    assert actor.copy is not None
    if s.row.n < actor.copy.n:
        yield "is stuck", put(s._replace(trouble=OPERATOR), actor.idle())
    elif s.row.leader is Leader.DOCUMENTS:
        yield "finds that the documents lead again", put(s, actor.idle()._replace(at="heal", mine=s.row))
    else:
        yield from _row_term(s, actor, put)


def _late(world: World, s: State, actor: Actor, put: Put) -> Iterator[Step]:
    """leadership._past_deadline and _reopen: settle what nobody finishes."""
    copy = _held(actor.copy)
    if not s.up:
        if copy.state is Open.DRAIN and actor.fresh:
            opened = copy.opened(copy.n + 1)
            yield f"reopens the copy as {opened.n} in the outage", put(copy_written(s, opened), actor.idle())
        else:
            yield "must wait for PostgreSQL", put(s, actor.idle())
    elif s.row.n > copy.n:
        yield "finds the row ahead", put(s, actor.idle()._replace(at="heal", mine=s.row))
    elif s.row.n < copy.n:
        yield "is stuck", put(s._replace(trouble=OPERATOR), actor.idle())
    else:
        yield from begin_abort(world, s, actor._replace(row=s.row), put)


def _send(world: World, s: State, w: int, put: Put) -> Iterator[Step]:
    """commit.send: read, ask whether the term lasts, write to the store that leads."""
    actor = s.writers[w]
    term = _held(actor.term)
    op = f"{'ab'[w]}{actor.left}"
    if term.leader is Leader.DOCUMENTS:
        sent = _on(s.document, op, term)
        yield f"is about to write {op}", put(s, actor._replace(at="sent", sent=sent, sent_old=actor.old, fresh=True))
    elif s.up and (is_open_at(s.row, term.n) or not world.keeps("fence")):
        # Journal.write: fence, stamp, row and task are one transaction.
        done = s._replace(record=_on(s.record, op, term), task=True, told=s.told | {op})
        yield f"writes {op} to PostgreSQL", put(done, actor._replace(left=actor.left - 1))
    elif s.up:
        yield "is refused by the fence", put(s, actor._replace(term=None))


def _arrive(s: State, w: int, put: Put) -> Iterator[Step]:
    """Its If-Match decides. It may arrive long after its lease, if the writer sleeps."""
    actor = s.writers[w]
    assert actor.sent is not None
    done = actor.idle()
    if actor.fresh:
        op = actor.sent.ops[-1]
        state = document_written(put(s, done._replace(left=actor.left - 1)), actor.sent)
        yield f"writes {op} to the documents", state._replace(told=state.told | {op})
    else:
        yield "finds the document changed", put(s, done)


def _on(base: Version, op: str, term: Control) -> Version:
    return Version(base.stamp.next(term.epoch), base.stamp, (*base.ops, op))


def _held(control: Control | None) -> Control:
    assert control is not None
    return control
