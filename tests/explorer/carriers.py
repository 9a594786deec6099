"""Follower and relay for the one key, with the code's own judges: `merge.judge` and `relay.is_unheard`."""

from collections.abc import Iterator
from functools import cache

from mystira.polyglot import merge
from mystira.polyglot.entity import Stamp
from mystira.polyglot.merge import Verdict
from mystira.polyglot.phases import Leader
from mystira.polyglot.relay import documents_lead, is_unheard
from mystira.polyglot.stores.memory_relational import is_what_was_sent
from tests.explorer.state import (
    Relay,
    State,
    Step,
    Version,
    World,
    document_written,
    record_of,
    standing_of,
    with_relay,
)

REST_WITHIN = 20


@cache
def _judge(document: Version, record: Version, seen: Stamp, leader: Leader) -> Verdict:
    return merge.judge(record_of(document), standing_of(record, seen), leader)


@cache
def _unheard(document: Version, record: Version, seen: Stamp) -> bool:
    return is_unheard(record_of(document), standing_of(record, seen))


def merged(world: World, s: State, document: Version) -> State:
    """Journal.merge of one document, judged by the row that stands at this moment."""
    verdict = _judge(document, s.record, s.seen, s.row.leader)
    if verdict is Verdict.CONFLICT and not world.keeps("stragglers"):
        verdict = Verdict.SUPERSEDED
    if verdict is Verdict.APPLY:
        return s._replace(record=document, seen=max(s.seen, document.stamp))
    if verdict in (Verdict.CONFLICT, Verdict.DIVERGENT):
        s = s._replace(letters=s.letters | set(document.ops), task=s.task or s.row.leader is Leader.RELATIONAL)
    if s.row.leader is Leader.RELATIONAL:
        s = s._replace(seen=max(s.seen, document.stamp))
    return s


def follow(world: World, s: State) -> Iterator[Step]:
    """feed.FeedFollower: one page, one transaction. It goes on after the flip."""
    if s.up and not s.fed and (world.keeps("feed goes on") or s.row.leader is Leader.DOCUMENTS):
        done = merged(world, s, s.document)._replace(fed=True)
        told = "merges the document" if done.letters == s.letters else "finds two writes against each other"
        yield told, done


def carry(world: World, s: State, number: int) -> Iterator[Step]:
    """relay.ReverseRelay._carry: the document is read first, the row last, and then who leads.

    A relay may sleep past its lease of the task; another one then does the same work.
    """
    relay = s.relays[number]
    if relay.at == "idle" and s.task:
        yield "reads the document", with_relay(s, number, Relay("look", s.document, None, True))
    elif relay.at == "look" and s.up:
        yield from _look(world, s, number)
    elif relay.at == "write" and relay.fresh:
        assert relay.row is not None
        written = document_written(s, relay.row._replace(relayed=True))
        yield "writes the row to the documents", with_relay(written, number, Relay("confirm", None, relay.row))
    elif relay.at == "write":
        yield "finds the document changed", with_relay(s, number, Relay())
    elif relay.at == "confirm" and s.up:
        yield "confirms", with_relay(_confirmed(s, relay), number, Relay())


def _look(world: World, s: State, number: int) -> Iterator[Step]:
    relay = s.relays[number]
    document = relay.document
    assert document is not None
    if documents_lead(s.row):
        yield "finds that the documents lead", with_relay(s, number, Relay())
    elif _unheard(document, s.record, s.seen) and world.keeps("relay listens"):
        yield "hears a straggler", with_relay(merged(world, s, document), number, Relay())
    elif (document.stamp, document.ops[-1]) == (s.record.stamp, s.record.ops[-1]):
        yield "finds the document done", with_relay(s, number, Relay("confirm", None, s.record))
    else:
        yield "reads the row", with_relay(s, number, Relay("write", None, s.record, relay.fresh))


def _confirmed(s: State, relay: Relay) -> State:
    """Journal.relay_confirm: forget the task only if the row is still what was sent."""
    assert relay.row is not None
    sent = relay.row.stamp
    return s._replace(task=s.task and not is_what_was_sent(s.record.stamp, sent), seen=max(s.seen, sent))


def at_rest(world: World, s: State) -> State:
    """What follower and relay make of it once PostgreSQL answers and nothing else happens."""
    s = s._replace(up=True, relays=(Relay(),))
    for _ in range(REST_WITHIN):
        moved = next(follow(world, s), None) or next(carry(world, s, 0), None)
        if moved is None:
            break
        s = moved[1]
    return s
