"""Positions, outboxes, dead letters in this process's memory: the parts of the journal that know no records."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from mystira.polyglot.control import Change
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import (
    LETTERS_AT_ONCE,
    Backfill,
    DeadLetter,
    LetterFilter,
    LetterGroup,
    LetterKind,
    LetterPlace,
    OutboxEvent,
    Pending,
    RelayTask,
    ShadowReport,
    Tombstone,
    place_of,
)
from mystira.polyglot.positions import Move, RangePosition, Stream
from mystira.polyglot.queues import WaitingKey
from mystira.polyglot.store import Conflict, Key, StoredEvent

T = TypeVar("T")

At = tuple[str, Stream, str]


class Waiting(Generic[T]):
    """A task in a queue, and what happened to it so far."""

    def __init__(self, task: T) -> None:
        self.task = task
        self.attempts = 0
        self.next_try_at: datetime | None = None
        self.claimed_until: datetime | None = None
        self.parked = False
        self.error = ""

    def is_due(self, now: datetime, *, leased: bool = False) -> bool:
        """Tell whether somebody may take it now; or, `leased`, although somebody else has."""
        waits = self.next_try_at is not None and self.next_try_at > now
        has_lease = self.claimed_until is not None and self.claimed_until > now
        return not (self.parked or waits or (has_lease and not leased))

    def failed(self, next_try_at: datetime | None) -> None:
        """Count a failure; without a next time it is set aside."""
        self.attempts += 1
        self.next_try_at, self.claimed_until, self.parked = next_try_at, None, next_try_at is None


class MemoryQueues:
    """Everything that waits. Each call happens at once, so it is a transaction by itself."""

    def __init__(self) -> None:
        self.position_of: dict[At, RangePosition] = {}
        self._owner_of: dict[At, tuple[str, datetime]] = {}
        self._changes: list[Change] = []
        self._backfills: dict[str, Backfill] = {}
        self.letter_of: dict[tuple[str, Key, LetterKind, Stamp], DeadLetter] = {}
        self.relay: dict[tuple[str, Key], Waiting[RelayTask]] = {}
        self._events: dict[str, Waiting[OutboxEvent]] = {}
        self._told = 0
        self._tombstones: dict[tuple[str, Key], tuple[Stamp, datetime]] = {}
        self.through_of: dict[tuple[str, Key], int] = {}
        self._shadows: dict[tuple[str, str], ShadowReport] = {}
        self._acknowledged: dict[tuple[str, str], tuple[int, int]] = {}

    async def note(self, change: Change) -> None:
        """Put a verb on record."""
        self._changes.append(change)

    async def history(self, name: str, limit: int = 100, verb: str | None = None) -> Sequence[Change]:
        """Return what was done to a collection, the newest first; one verb only, if it is named."""
        mine = (change for change in reversed(self._changes) if change.collection == name)
        return [change for change in mine if verb is None or change.verb == verb][:limit]

    async def changes(
        self, limit: int, *, before: datetime | None = None, collection: str | None = None, actor: str | None = None
    ) -> Sequence[Change]:
        """Return what was done before a moment, the newest first; all that was done at the last one's comes with it."""
        mine = [
            change
            for change in self._changes
            if (before is None or change.at < before)
            and collection in (None, change.collection)
            and actor in (None, change.actor)
        ]
        newest = sorted(mine, key=lambda change: change.at, reverse=True)
        last = newest[:limit][-1].at if newest[:limit] else None
        return [change for change in newest if last is not None and change.at >= last]

    async def report_shadow(self, report: ShadowReport) -> None:
        """Keep what one process's shadow reads have shown; it replaces what the process told before."""
        self._shadows[report.collection, report.process] = report

    async def shadow_reports(self, name: str, since: datetime) -> Sequence[ShadowReport]:
        """Return what processes have told of a collection's shadow reads since then."""
        return [told for (of, _), told in sorted(self._shadows.items()) if of == name and told.at >= since]

    async def acknowledge(self, name: str, n: int, writer: str, refused: int) -> None:
        """Keep that a writer has stood down for the drain at `n`, and how many writes it has refused since."""
        known, _ = self._acknowledged.get((name, writer), (0, 0))
        if n >= known:
            self._acknowledged[name, writer] = (n, refused)

    async def acknowledged(self, name: str, n: int) -> Mapping[str, int]:
        """Return the writers that stood down for the drain at `n`, each with the writes that it refused."""
        told = ((writer, at) for (of, writer), at in self._acknowledged.items() if of == name)
        return {writer: refused for writer, (told_n, refused) in told if told_n == n}

    async def positions(self, name: str, stream: Stream) -> Sequence[RangePosition]:
        """Return where a stream stands in every range it has begun."""
        mine = sorted(at for at in self.position_of if at[0] == name and at[1] is stream)
        return [self.position_of[at] for at in mine]

    async def lease_range(
        self, name: str, stream: Stream, range_id: str, owner: str, now: datetime, lease_s: float
    ) -> str | None:
        """Take or renew a range for one worker; return its continuation, None while another one has it."""
        at = (name, stream, range_id)
        held = self._owner_of.get(at)
        if held is not None and held[0] != owner and held[1] > now:
            return None
        self._owner_of[at] = (owner, now + timedelta(seconds=lease_s))
        position = self.position_of.setdefault(at, RangePosition(range_id=range_id, continuation=""))
        return position.continuation

    async def split_range(self, name: str, stream: Stream, range_id: str, successors: Sequence[str]) -> None:
        """Let the ranges that follow a split go on where the split one stood; repeating it changes nothing."""
        parent = self.position_of.get((name, stream, range_id)) or RangePosition(range_id=range_id, continuation="")
        for successor in successors:
            self.position_of.setdefault((name, stream, successor), msgspec.structs.replace(parent, range_id=successor))

    async def forget_positions(self, name: str, stream: Stream) -> None:
        """Let a stream begin anew."""
        for at in [at for at in self.position_of if at[:2] == (name, stream)]:
            del self.position_of[at]
            self._owner_of.pop(at, None)

    def move(self, name: str, move: Move, now: datetime) -> None:
        """Move a position on; Conflict when it is not what the worker started from."""
        at = (name, move.stream, move.range_id)
        before = self.position_of.get(at)
        if (before.continuation if before else "") != move.expected:
            raise Conflict(f"{name} {move.range_id}: another worker moved the position")
        caught_up = move.caught_up or (before is not None and before.caught_up)
        self.position_of[at] = RangePosition(
            range_id=move.range_id, continuation=move.continuation, caught_up=caught_up, moved_at=now
        )

    async def relay_claim(
        self, limit: int, now: datetime, lease_s: float | None, name: str | None = None
    ) -> list[RelayTask]:
        """Lease due relay tasks, the longest waiting first; None takes them whoever has a lease, and leaves that."""
        mine = [waiting for (of, _), waiting in self.relay.items() if name in (None, of)]
        due = [waiting for waiting in mine if waiting.is_due(now, leased=lease_s is None)][:limit]
        if lease_s is not None:
            for waiting in due:
                waiting.claimed_until = now + timedelta(seconds=lease_s)
        return [msgspec.structs.replace(waiting.task, attempts=waiting.attempts) for waiting in due]

    async def relay_retry(self, task: RelayTask, error: str, next_try_at: datetime | None) -> None:
        """Try again later; with None set it aside for a person."""
        waiting = self.relay.get((task.collection, task.key))
        if waiting is None:
            return
        if waiting.task.stamp == task.stamp:
            waiting.failed(next_try_at)
            waiting.error = error
        else:
            # What failed was the stamp that was claimed; a newer one has not failed yet.
            waiting.claimed_until = None

    async def relay_pending(self, name: str) -> Pending:
        """Count the relay tasks of a collection."""
        return _pending([waiting for (of, _), waiting in self.relay.items() if of == name])

    async def relay_waiting(self, name: str, limit: int) -> Sequence[WaitingKey]:
        """Return the tasks that are not set aside, those that have failed first, then the longest waiting."""
        mine = [one for (of, _), one in self.relay.items() if of == name and not one.parked]
        return [
            WaitingKey(
                key=one.task.key,
                stamp=one.task.stamp,
                attempts=one.attempts,
                error=one.error,
                next_try_at=one.next_try_at,
            )
            for one in sorted(mine, key=lambda one: one.attempts == 0)[:limit]
        ]

    def enqueue(self, name: str, key: Key, stamp: Stamp) -> None:
        """Tell the relay that the documents lack a row's version."""
        waiting = self.relay.get((name, key))
        if waiting is None:
            self.relay[name, key] = Waiting(RelayTask(collection=name, key=key, stamp=stamp))
            return
        waiting.task = msgspec.structs.replace(waiting.task, stamp=max(stamp, waiting.task.stamp))
        waiting.attempts, waiting.parked, waiting.next_try_at, waiting.error = 0, False, None, ""

    async def letters(self, which: LetterFilter) -> Sequence[DeadLetter]:
        """Return dead letters, the oldest first unless the filter says otherwise."""
        found = [letter for letter in self.letter_of.values() if _fits(letter, which)]
        return sorted(found, key=place_of, reverse=which.newest_first)[: which.limit or LETTERS_AT_ONCE]

    async def letter_put(self, letter: DeadLetter) -> None:
        """Keep a dead letter, or replace the one of the same key, kind and stamp."""
        at = (letter.collection, letter.key, letter.kind, letter.stamp)
        if letter.created_at is None:
            before = self.letter_of.get(at)
            created_at = before.created_at if before else datetime.now(UTC)
            letter = msgspec.structs.replace(letter, created_at=created_at)
        self.letter_of[at] = letter

    async def letter_drop(self, letter: DeadLetter) -> bool:
        """Forget a dead letter; False when it had gone already."""
        return self.letter_of.pop((letter.collection, letter.key, letter.kind, letter.stamp), None) is not None

    async def letters_park(self, which: LetterFilter) -> Mapping[str, int]:
        """Let nobody try the chosen ones by itself any more; return how many that changed, by collection."""
        retrying = [letter for letter in self.letter_of.values() if letter.next_try_at and _fits(letter, which)]
        chosen = sorted(retrying, key=_next_try)[: which.limit or LETTERS_AT_ONCE]
        for letter in chosen:
            await self.letter_put(msgspec.structs.replace(letter, next_try_at=None))
        return Counter(letter.collection for letter in chosen)

    async def letters_drop(self, which: LetterFilter) -> Mapping[str, int]:
        """Forget the chosen ones, the oldest first; return how many there were, by collection."""
        chosen = await self.letters(which)
        for letter in chosen:
            await self.letter_drop(letter)
        return Counter(letter.collection for letter in chosen)

    async def letters_count(self, which: LetterFilter) -> Mapping[str, int]:
        """Count the chosen letters by collection; `limit` plays no part."""
        return Counter(letter.collection for letter in self.letter_of.values() if _fits(letter, which))

    async def letters_tally(self) -> Mapping[LetterGroup, int]:
        """Count all letters at once: what who watches needs again and again."""
        held = self.letter_of.values()
        return Counter(LetterGroup(letter.collection, letter.kind, letter.next_try_at is None) for letter in held)

    async def backfill(self, name: str) -> Backfill | None:
        """Return the state of a collection's backfill."""
        return self._backfills.get(name)

    async def is_filling(self) -> bool:
        """Tell whether any collection's backfill is running."""
        return any(job.state == "running" for job in self._backfills.values())

    async def backfill_put(self, job: Backfill) -> None:
        """Keep the state of a backfill."""
        self._backfills[job.collection] = job

    async def backfill_add(self, name: str, seen: int, seconds: float) -> None:
        """Add to a backfill's counts."""
        job = self._backfills.get(name)
        if job is not None:
            self._backfills[name] = msgspec.structs.replace(job, seen=job.seen + seen, seconds=job.seconds + seconds)

    async def copied_through(self, name: str, keys: Sequence[Key]) -> Mapping[Key, int]:
        """Return how far the events of these keys have been copied; 0 where none were."""
        return {key: self.through_of.get((name, key), 0) for key in keys}

    async def note_tombstones(self, name: str, found: Sequence[Tombstone], now: datetime) -> None:
        """Remember since when these are known; a newer tombstone of the same key begins anew."""
        for key, stamp in found:
            known = self._tombstones.get((name, key))
            if known is None or known[0] != stamp:
                self._tombstones[name, key] = (stamp, now)

    async def old_tombstones(self, name: str, before: datetime, limit: int) -> Sequence[Tombstone]:
        """Return what was noted that early, the oldest first."""
        known = sorted((at, key, stamp) for (of, key), (stamp, at) in self._tombstones.items() if of == name)
        return [Tombstone(key, stamp) for at, key, stamp in known if at <= before][:limit]

    async def forget_tombstones(self, name: str, keys: Sequence[Key]) -> None:
        """Forget since when the tombstones of these keys are known."""
        for key in keys:
            self._tombstones.pop((name, key), None)

    def tell(self, name: str, key: Key, events: Sequence[StoredEvent]) -> None:
        """Put facts into the event outbox; one that is there already stays as it is."""
        for event in events:
            if event.event_id in self._events:
                continue
            self._told += 1
            about = {field: getattr(event, field) for field in ("event_id", "seq", "type", "body", "occurred_at")}
            told = OutboxEvent(
                position=self._told,
                collection=name,
                partition=key.partition,
                id=key.id,
                correlation_id=event.correlation_id,
                attempts=0,
                **about,
            )
            self._events[event.event_id] = Waiting(told)

    async def claim_events(self, limit: int, now: datetime, lease_s: float) -> list[OutboxEvent]:
        """Lease the oldest due events, at most the first of each key."""
        first: dict[tuple[str, str, str], Waiting[OutboxEvent]] = {}
        for waiting in self._events.values():
            at = (waiting.task.collection, waiting.task.partition, waiting.task.id)
            if at not in first or waiting.task.seq < first[at].task.seq:
                first[at] = waiting
        due = [waiting for waiting in first.values() if waiting.is_due(now)]
        due = sorted(due, key=lambda waiting: waiting.task.position)[:limit]
        for waiting in due:
            waiting.claimed_until = now + timedelta(seconds=lease_s)
        return [msgspec.structs.replace(waiting.task, attempts=waiting.attempts) for waiting in due]

    async def settle(self, events: Sequence[OutboxEvent]) -> None:
        """Forget events whose every effect has committed."""
        for event in events:
            if self._waiting(event):
                del self._events[event.event_id]

    async def retry(self, event: OutboxEvent, error: str, next_try_at: datetime) -> None:
        """Try an event again later; the later events of its key wait for it."""
        if waiting := self._waiting(event):
            waiting.failed(next_try_at)

    async def park(self, event: OutboxEvent, error: str, now: datetime) -> None:
        """Set an event aside for a person."""
        if waiting := self._waiting(event):
            waiting.failed(None)

    async def pending(self) -> Pending:
        """Count what waits in the event outbox."""
        oldest_at = min((one.task.occurred_at for one in self._events.values() if not one.parked), default=None)
        return msgspec.structs.replace(_pending(list(self._events.values())), oldest_at=oldest_at)

    async def settled_marks(self, marks: Sequence[str]) -> frozenset[str]:
        """Return the handled marks whose delivery can never come again."""
        return frozenset(mark for mark in marks if mark.rpartition("/")[0] not in self._events)

    def _waiting(self, event: OutboxEvent) -> Waiting[OutboxEvent] | None:
        # Told again after it had been settled, it is another one.
        waiting = self._events.get(event.event_id)
        return waiting if waiting and waiting.task.position == event.position else None


def _pending(waiting: Sequence[Waiting[Any]]) -> Pending:
    parked = sum(task.parked for task in waiting)
    retrying = sum(task.attempts > 0 and not task.parked for task in waiting)
    return Pending(waiting=len(waiting) - parked, retrying=retrying, parked=parked)


def _fits(letter: DeadLetter, which: LetterFilter) -> bool:
    if which.due_at is not None and (letter.next_try_at is None or letter.next_try_at > which.due_at):
        return False
    return (
        which.collection in (None, letter.collection)
        and which.kind in (None, letter.kind)
        and which.key in (None, letter.key)
        and which.stamp in (None, letter.stamp)
        and (which.error is None or which.error in letter.error)
        and (which.parked is None or which.parked == (letter.next_try_at is None))
        and (which.after is None or _follows(place_of(letter), which.after, which))
        and (which.through is None or place_of(letter) <= which.through)
    )


def _next_try(letter: DeadLetter) -> datetime:
    assert letter.next_try_at is not None
    return letter.next_try_at


def _follows(place: LetterPlace, after: LetterPlace, which: LetterFilter) -> bool:
    return place < after if which.newest_first else place > after
