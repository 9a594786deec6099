"""One guard broken at a time, reachable from nowhere but here: the storms must notice every one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import xor
from typing import Any
from unittest import mock

import msgspec

from mystira.polyglot import (
    bus,
    commit,
    control,
    feed,
    leadership,
    merge,
    relay,
    repair,
    scrub,
    shadow,
    transition,
    verify,
    work,
)
from mystira.polyglot.backfill import Backfiller
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.commit import Sender
from mystira.polyglot.drains import Heard
from mystira.polyglot.feed import FeedFollower, RangeReader
from mystira.polyglot.leadership import Leadership, Term
from mystira.polyglot.merge import Verdict
from mystira.polyglot.phases import Leader
from mystira.polyglot.positions import RangePosition
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.store import Conflict, Record, StoreError
from mystira.polyglot.stores import memory_digests, memory_queues, memory_relational
from mystira.polyglot.stores.memory_digests import MemoryDigests
from mystira.polyglot.stores.memory_relational import MemoryRelational

LEASE = Leadership._lease

Patch = tuple[Any, str, Any]


async def whatever_the_drain(self: Any, name: str, n: int) -> dict[str, int]:
    return {writer: refused for (of, writer), (_, refused) in self._acknowledged.items() if of == name}


async def whatever_comes_last(self: Any, name: str, items: Any, removals: int, move: Any, now: Any) -> None:
    self._queues.move(name, move, now)
    self._documents[name] |= {item.key: item for item in items if item.key not in self._documents[name]}


async def position_without_data(self: Any, name: str, items: Any, removals: int, move: Any, now: Any) -> None:
    self._queues.move(name, move, now)
    self._documents[name] |= {item.key: item for item in items[:1]}


async def enter_only_once(self: Any, copy: Record, asked_at: float) -> Any:
    if copy.key.id in self._entered:
        self._entered[copy.key.id] = control.control_of(copy).n
    return await LEASE(self, copy, asked_at)


def always(answer: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: answer


def never_async(answer: Any = None) -> Callable[..., Any]:
    async def nothing(*args: Any, **kwargs: Any) -> Any:
        return answer

    return nothing


async def position_before_data(self: Any, collection: Any, items: Sequence[Any], move: Any) -> Any:
    await self._journal.merge(collection, [], self._clock(), move)
    return await self._journal.merge(collection, [item.record for item in items], self._clock())


async def settle_before_effects(self: Any) -> int:
    events = await self._journal.claim_events(bus.BATCH, self._works.clock(), bus.LEASE_S)
    if events:
        await self._journal.settle(events)
        for event in events:
            await self._deliver(event)
    return len(events)


async def prune_whatever_is_there(self: Any, collection: Any, items: Any, through: Any) -> None:
    for item in items:
        record = item.record
        if isinstance(record, Record) and record.events:
            now = await self._documents.read(collection, record.key)
            try:
                await self._documents.write(collection, msgspec.structs.replace(record, events=()), now)
            except StoreError:
                continue


async def adopt_after_commit(self: Any, collection: Any, at: Any, page: Any) -> Any:
    adopt = self._adopt
    self._adopt = never_async()
    try:
        took = await CARRY(self, collection, at, page)
    finally:
        self._adopt = adopt
    await adopt(collection, page.items)
    return took


def tombstones_dropped(incoming: Record, standing: Any, leader: Leader) -> Verdict:
    return Verdict.SAME if incoming.deleted and standing is not None else JUDGE(incoming, standing, leader)


def last_op_only(op: str, record: Record) -> bool:
    return op == record.op


async def whoever_leads(self: Any, collection: Any, term: Term) -> Term:
    held = self._leadership.held(collection) or await self._leadership.term(collection)
    return term if held.leader is not term.leader else held


async def believe_the_replica(self: Any, copy: Record, asked_at: float) -> Any:
    return self._open_term(control.control_of(copy), asked_at)


async def count_from_the_answer(self: Any, copy: Record, asked_at: float) -> Any:
    term = await LEASE(self, copy, asked_at)
    return term and Term(term.control, self._steady() + self.tempo.lease_s)


async def tell_no_committing(r: Any, told: Any) -> None:
    if told.state is not control.State.COMMITTING:
        await TELL(r, told)


async def only_while_documents_lead(self: Any, collection: Any) -> int:
    row = await self._reader._journal.control(collection.name)
    return 0 if row is not None and row.leader is Leader.RELATIONAL else await FOLLOW(self, collection)


async def split_from_the_end(self: Any, name: str, stream: Any, range_id: str, successors: Sequence[str]) -> None:
    self.position_of.pop((name, stream, range_id), None)
    for successor in successors:
        self.position_of.setdefault(
            (name, stream, successor), RangePosition(range_id=successor, continuation="1000000")
        )


async def row_first(self: Any, collection: Any, task: Any) -> Any:
    row = await self._relational.read(collection, task.key)
    document = await self._documents.read(collection, task.key)
    standing = (await self._journal.standing(collection, [task.key])).get(task.key)
    return relay._Seen(document, standing, row)


async def relay_without_if_match(self: Any, collection: Any, task: Any) -> Any:
    row = await self._relational.read(collection, task.key)
    document = await self._documents.read(collection, task.key)
    for _ in range(5):
        try:
            await self._documents.write(collection, relay.as_relayed(row), document)
        except Conflict:
            document = await self._documents.read(collection, task.key)
        else:
            break
    return row.stamp


async def relay_skips_tombstones(self: Any, collection: Any, task: Any) -> Any:
    row = await self._relational.read(collection, task.key)
    return row.stamp if row is not None and row.deleted else await RELAY(self, collection, task)


async def done_at_once(self: Any, collection: Any, job: Any) -> int:
    row = await self._r.row(collection)
    return await self._finish(collection, job, row) if row.copying else 0


def events_by_stamp(self: Any, name: str, record: Record, verdict: Any, leader: Leader) -> None:
    if verdict in (None, Verdict.APPLY):
        COPY_EVENTS(self, name, record, verdict, leader)


def state_by_name(standing: Any, before: Any) -> bool:
    return standing.state == before.state


async def row_ignores_the_outbox(self: Any, before: Any, after: Any, change: Any, *, drained: bool = False) -> None:
    await CHANGE(self, before, after, change)


def by_leader(standing: control.Control) -> bool:
    return standing.leader is Leader.DOCUMENTS


async def take_over_under_the_same_n(r: Any, row: Any) -> int:
    return row.n


def documents_always_lead(incoming: Record, standing: Any, leader: Leader) -> Verdict:
    return JUDGE(incoming, standing, Leader.DOCUMENTS)


async def resend_blindly(self: Any, collection: Any, record: Record, base: Any, term: Term) -> bool:
    return False


def exclusive_or(digests: Iterable[int]) -> int:
    return reduce(xor, digests, 0)


def never_young_again(candidate: Any, state: Any, now: Any, found: Any, scrutiny: Any) -> bool:
    # The first state that was seen stays the one that it is aged by.
    return HAS_LASTED(candidate, candidate.state if candidate.since else state, now, found, scrutiny)


def whatever_was_planned(self: Any, one: Any, sides: Any) -> bool:
    return sides.leader is not None


def only_above_the_leader(sides: Any, control: Any) -> Any:
    return sides.leader.stamp.next(control.epoch) if sides.leader else STAMP_ABOVE(sides, control)


async def rows_not_reread(r: Any, collection: Any, progress: Any, limit: int) -> Any:
    page = await NEXT_PAGE(r, collection, progress, limit)
    return page if page.are_documents else page._replace(items=(), at_end=True)


async def forget_the_spilled(documents: Any, journal: Any, collection: Any, record: Record) -> Record:
    return msgspec.structs.replace(record, spilled=())


JUDGE, CARRY, LEASE, TELL = merge.judge, RangeReader._carry, Leadership._lease, transition._tell_copy
FOLLOW, RELAY, COPY_EVENTS, CHANGE = (
    FeedFollower.follow,
    ReverseRelay._carry,
    MemoryRelational._copy_events,
    MemoryRelational.change,
)

HAS_LASTED, STAMP_ABOVE, NEXT_PAGE = verify._has_lasted, repair.stamp_above, scrub._next_page

MUTANTS: dict[str, tuple[Patch, ...]] = {
    "merge without the stamp check": ((merge, "is_newer", always(True)),),
    "merge never newer": ((merge, "is_newer", always(False)),),
    "merge as if documents always led": ((merge, "judge", documents_always_lead),),
    "stragglers not looked for": ((merge, "is_straggler", always(False)), (relay, "is_straggler", always(False))),
    "stragglers always merged": ((merge, "continues", always(True)),),
    "tombstones dropped by the merge": ((merge, "judge", tombstones_dropped),),
    "events hidden by a faster merge": ((MemoryRelational, "_copy_events", events_by_stamp),),
    "copied events copied again": ((memory_relational, "copied", always(())),),
    "spilled events left behind": (
        (feed, "with_spilled", forget_the_spilled),
        (relay, "with_spilled", forget_the_spilled),
    ),
    "position before data": ((RangeReader, "_commit", position_before_data),),
    "unstamped documents adopted too late": ((RangeReader, "_carry", adopt_after_commit),),
    "pruned without If-Match": ((RangeReader, "_prune", prune_whatever_is_there),),
    "a split range starts at its end": ((memory_queues.MemoryQueues, "split_range", split_from_the_end),),
    "the feed stops after the flip": ((FeedFollower, "follow", only_while_documents_lead),),
    "backfill done before it has read": ((Backfiller, "_pages", done_at_once),),
    "settled before the effects": ((OutboxPump, "step", settle_before_effects),),
    "handled marks not looked at": ((work, "is_handled", always(False)),),
    "own op not looked for": ((commit, "is_in_history", always(False)), (work, "is_in_history", always(False))),
    "only the last op looked at": ((commit, "is_in_history", last_op_only), (work, "is_in_history", last_op_only)),
    "an unknown outcome is sent again blindly": (
        (Sender, "_arrived", resend_blindly),
        (work, "is_in_history", always(False)),
    ),
    "the old leader still written to": ((Sender, "_still", whoever_leads),),
    "fence skipped": ((memory_relational, "is_open_at", always(True)),),
    "lease ignored": ((leadership, "lasts", always(True)),),
    "lease from a stale read": ((Leadership, "_lease", believe_the_replica),),
    "lease counted from the answer": ((Leadership, "_lease", count_from_the_answer),),
    "no wait for silence": ((transition, "hear_writers", never_async(Heard(answered=(), silent=()))),),
    "writers enter no roster": ((leadership, "enter", never_async()),),
    "a roster entry lasts for ever": ((Leadership, "_lease", enter_only_once),),
    "answers without giving up the term": ((Leadership, "stand_down", never_async(True)),),
    "an older page of documents counted last": ((MemoryDigests, "take", whatever_comes_last),),
    "documents counted by the page, not to their end": ((MemoryDigests, "take", position_without_data),),
    "answers to another drain counted": ((memory_queues.MemoryQueues, "acknowledged", whatever_the_drain),),
    "frontier skipped": ((transition, "has_all_come_through", never_async(True)),),
    "flip by the state's name": ((memory_relational, "same_version", state_by_name),),
    "copy moves to any n": (
        (control, "copy_may_become", always(True)),
        (leadership, "copy_may_become", always(True)),
        (transition, "copy_may_become", always(True)),
    ),
    "no COMMITTING before the flip": ((transition, "_tell_copy", tell_no_committing),),
    "flip without drained feed": ((transition, "_is_drained", never_async(True)),),
    "flip back with a full outbox": (
        (transition, "_is_relayed", never_async(True)),
        (MemoryRelational, "change", row_ignores_the_outbox),
    ),
    "epoch not raised": ((transition, "next_epoch", lambda c: c.epoch),),
    "relay overwrites stragglers": ((relay, "is_unheard", always(False)),),
    "relay reads the row before the document": ((ReverseRelay, "_look", row_first),),
    "relay writes without If-Match": ((ReverseRelay, "_carry", relay_without_if_match),),
    "relay skips tombstones": ((ReverseRelay, "_carry", relay_skips_tombstones),),
    "the same n for a new transition": ((transition, "next_n", take_over_under_the_same_n),),
    "second writes while it drains": ((memory_relational, "takes_second_writes", by_leader),),
    "digests by exclusive or": ((memory_digests, "total_of", exclusive_or),),
    "ageing reset forgotten": ((verify, "_has_lasted", never_young_again),),
    "mismatches believed at once": ((verify, "_has_lasted", always(True)),),
    "repair without looking at the plan's stamps": ((repair._Repairing, "_is_as_planned", whatever_was_planned),),
    "repair below the follower's stamp": ((repair, "stamp_above", only_above_the_leader),),
    "scrub reads documents only": ((scrub, "_next_page", rows_not_reread),),
    "digests never corrected": ((scrub, "correct_digests", never_async(0)),),
    "shadow reads see no bodies": ((shadow, "_has_same_body", always(True)),),
    "the leader changes although both differ": ((transition.Comparison, "agrees", never_async(True)),),
    "feed follows nothing": ((feed.FeedFollower, "follow", never_async(0)),),
}


@contextmanager
def guard_taken_away(name: str) -> Iterator[None]:
    """Break one guard while the body runs; "" breaks nothing."""
    with ExitStack() as stack:
        for place, attribute, replacement in MUTANTS[name] if name else ():
            stack.enter_context(mock.patch.object(place, attribute, replacement))
        yield
