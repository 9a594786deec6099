"""The relational side in this process's memory: the plainest one that keeps every promise, for tests and storms."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec

from mystira.polyglot import merge
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, Journal, LetterKind, Merged, RelayTask, Tombstone, copied
from mystira.polyglot.matching import matches, select
from mystira.polyglot.merge import Standing, Verdict, tells
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.query import Query, Where
from mystira.polyglot.store import Conflict, Incoming, Key, Record, Refused
from mystira.polyglot.stores.documents import can_exist, payload_of
from mystira.polyglot.stores.memory_digests import MemoryDigests
from mystira.polyglot.stores.memory_merging import Row, Tally, first_event, letter_of, newest_of, version_of
from mystira.polyglot.stores.memory_oldrows import restore_rows, retire_rows
from mystira.polyglot.stores.memory_queues import MemoryQueues
from mystira.polyglot.stores.memory_reports import MemoryReports
from mystira.polyglot.values import is_storable, refuse_unstorable

RETRY_S, RETRY_S_MAX, ATTEMPTS_MAX = 0.5, 300.0, 8

_REJECTED = {Verdict.DIVERGENT: LetterKind.DIVERGENT, Verdict.CONFLICT: LetterKind.CONFLICT}


class MemoryRelational(MemoryQueues):
    """Records and journal in one; nothing outlives the process. Each call happens at once.

    Without `checks` nobody looks for values that no store keeps: a storm writes none, and needs speed.
    """

    def __init__(self, *, checks: bool = True) -> None:
        super().__init__()
        self._checks = checks
        self.reports = MemoryReports()
        self.rows: dict[str, dict[Key, Row]] = {}
        self.control_of: dict[str, Control] = {}
        self.digests = MemoryDigests(self, self.rows, self.control_of)

    @property
    def journal(self) -> Journal:
        """The journal is this object too."""
        return self

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest record, a tombstone included."""
        row = self._rows(collection).get(key)
        return None if row is None else row.record

    async def write(
        self, collection: Collection[Any], record: Record, base: Record | None, n: int | None = None
    ) -> None:
        """Write under the fence: only while the control row is OPEN at `n`. Without `n` there is no fence."""
        if n is None:
            self.put(collection, record, base)
            return
        control = self.control_of.get(collection.name)
        if control is None or not is_open_at(control, n):
            raise Conflict(f"{collection.name}: not open at {n}")
        self.put(collection, record, base)
        if control.phase is Phase.DUAL_WRITE_POSTGRES_READ:
            self.enqueue(collection.name, record.key, record.stamp)

    def put(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Write without a fence where the base's stamp still stands, and tell the events."""
        self._refuse_unstorable(collection, record)
        row = self._rows(collection).get(record.key)
        if (row and row.record.stamp) != (base and base.stamp):
            raise Conflict(f"{collection.name}: the record is not what the writer read")
        self._refuse_twice(collection, record)
        kept = msgspec.structs.replace(record, events=(), spilled=(), token="")
        if row is None:
            self._rows(collection)[record.key] = Row(kept)
        else:
            row.record = kept
        self.tell(collection.name, record.key, record.events)

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live records in the query's order."""
        query = collection.complete(query)
        records = {row.record.key: row.record for row in self._rows(collection).values() if not row.record.deleted}
        page = select(collection, query, [record.entity for record in records.values()])
        return [records[Key(collection.partition_of(entity), entity.id)] for entity in page]

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live records there are."""
        collection.check(where)
        live = (row.record.entity for row in self._rows(collection).values())
        return sum(entity is not None and matches(where, entity) for entity in live)

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys."""
        rows = self._rows(collection)
        return {key: rows[key].record for key in keys if key in rows}

    async def scan(self, collection: Collection[Any], after: Key | None, limit: int) -> Sequence[Incoming]:
        """Return the next rows in the order of their keys, tombstones included."""
        rows = sorted(key for key in self._rows(collection) if after is None or key > after)
        return [self._rows(collection)[key].record for key in rows[:limit]]

    async def ping(self) -> None:
        """Memory always answers."""

    async def control(self, name: str) -> Control | None:
        """Return the collection's control row."""
        return self.control_of.get(name)

    async def controls(self) -> Sequence[Control]:
        """Return every control row there is."""
        return list(self.control_of.values())

    async def retire_rows(self, collection: Collection[Any], archived: Sequence[Record], n: int) -> int:
        """Remove the rows that are exactly what was archived, under the fence; return how many."""
        return retire_rows(self._rows(collection), self.control_of.get(collection.name), archived, n)

    async def restore_rows(self, collection: Collection[Any], archived: Sequence[Record], n: int) -> int:
        """Make the rows that are absent anew, under the same fence; return how many."""
        return restore_rows(self._rows(collection), self.control_of.get(collection.name), archived, n)

    async def unchecked_constraints(self, collection: Collection[Any]) -> Sequence[str]:
        """Return nothing: what is declared holds here from the beginning."""
        return []

    async def declare(self, control: Control) -> Control:
        """Make the row unless there is one; return what stands."""
        return self.control_of.setdefault(control.id, control)

    async def change(self, before: Control, after: Control, change: Change, *, drained: bool = False) -> None:
        """Replace the row that has `before.n`; Conflict when it has another, or the relay still has something to do."""
        standing = self.control_of.get(before.id)
        if standing is None or not same_version(standing, before):
            raise Conflict(f"{before.id}: the control row has changed")
        mine = [at for at in self.relay if at[0] == before.id]
        if drained and mine:
            raise Conflict(f"{before.id}: {len(mine)} records are not in the documents yet")
        if after.phase is Phase.POSTGRES_ONLY:
            for at in mine:
                del self.relay[at]
        self.control_of[before.id] = after
        await self.note(change)

    async def standing(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Standing]:
        """Return what the relational copy holds of these keys."""
        rows = self._rows(collection)
        return {key: rows[key].standing for key in keys if key in rows}

    async def tombstones(self, collection: Collection[Any], limit: int) -> Sequence[Tombstone]:
        """Return the tombstones among the rows."""
        rows = sorted(self._rows(collection).items())
        return [Tombstone(key, row.record.stamp) for key, row in rows if row.record.deleted][:limit]

    async def remove_tombstone(self, collection: Collection[Any], key: Key, stamp: Stamp, n: int) -> bool:
        """Remove the row under the fence while it is this very tombstone and no relay has it to carry; tell whether.

        Conflict unless the control row is OPEN at `n`, whoever leads.
        """
        control = self.control_of.get(collection.name)
        if control is None or (control.n, control.state) != (n, State.OPEN):
            raise Conflict(f"{collection.name}: not open at {n}")
        row = self._rows(collection).get(key)
        stands = row is not None and row.record.deleted and row.record.stamp == stamp
        if not stands or (collection.name, key) in self.relay:
            return False
        del self._rows(collection)[key]
        return True

    async def relay_confirm(self, collection: Collection[Any], task: RelayTask, sent: Stamp) -> None:
        """Forget the task if the row is still what was sent, and remember what the documents now hold."""
        at = (collection.name, task.key)
        waiting = self.relay.get(at)
        if waiting is not None:
            del self.relay[at]
            if not is_what_was_sent(waiting.task.stamp, sent):
                # A newer one goes at once, behind the others.
                waiting.claimed_until = None
                self.relay[at] = waiting
        row = self._rows(collection).get(task.key)
        if row is not None:
            row.seen = max(row.seen, sent)

    async def relay_refill(self, collection: Collection[Any], n: int) -> None:
        """Enqueue every row, tombstones included, and mark the control row `complete` if it still has this `n`."""
        control = self.control_of.get(collection.name)
        if control is None or (control.phase, control.n) != (Phase.DUAL_WRITE_POSTGRES_READ, n):
            return
        for key, row in sorted(self._rows(collection).items()):
            if (collection.name, key) not in self.relay:
                self.enqueue(collection.name, key, row.record.stamp)
        self.control_of[collection.name] = control.evolve(complete=True)

    async def merge(
        self,
        collection: Collection[Any],
        items: Sequence[Incoming],
        now: datetime,
        move: Move | None = None,
        *,
        inline: bool = False,
    ) -> Merged:
        """Judge and take in what came from the documents; see the protocol."""
        name = collection.name
        control = self.control_of.get(name) or Control(id=name, phase=Phase.COSMOS_ONLY)
        if inline and not takes_second_writes(control):
            return Merged(superseded=len(items))
        if move is not None:
            self.move(name, move, now)
        done = Tally()
        if control.copying or control.leader is Leader.RELATIONAL:
            self._take(collection, items, control.leader, now, done)
        else:
            done.verdicts[Verdict.SUPERSEDED] = len(items)
        if inline:
            return done.merged(control.leader)
        telling = move is None or move.stream is Stream.FOLLOW
        records = [item for item in items if isinstance(item, Record) and item.events and self._may_be(item.key)]
        for record in sorted(records, key=first_event):
            if telling:
                self._copy_events(name, record, done.verdict_of.get(version_of(record)), control.leader)
            done.through[record.key] = self.through_of.get((name, record.key), 0)
        return done.merged(control.leader)

    def _take(
        self, collection: Collection[Any], items: Sequence[Incoming], leader: Leader, now: datetime, done: Tally
    ) -> None:
        """Take in the items in rounds of one item a key: two bodies of one stamp must not hide each other."""
        newest, rivals = newest_of(items, done)
        done.applied.clear()
        for key in sorted(newest):
            item = newest[key]
            if isinstance(item, Record):
                self._take_record(collection, item, leader, now, done)
            else:
                letter = letter_of(collection, item, LetterKind.UNREADABLE, item.body, item.error)
                self._bury(letter, now)
                done.parked += 1
        if collection.unique:
            self._refuse_unfit(collection, now, done)
        for record, _ in done.applied:
            self._forget_letters(collection.name, record)
        if rivals:
            self._take(collection, rivals, leader, now, done)

    def _take_record(
        self, collection: Collection[Any], record: Record, leader: Leader, now: datetime, done: Tally
    ) -> None:
        row = self._rows(collection).get(record.key)
        control = self.control_of.get(collection.name)
        standing = row.standing if row else None
        # Through the module, so that a test can take a guard away.
        verdict = merge.judge(record, standing, leader)
        if control is not None and merge.is_purged(record, standing, control.absent_through):
            verdict = merge.judge_purged(record, leader)
        done.verdicts[verdict] += 1
        if record.events:
            done.verdict_of[version_of(record)] = verdict
        if verdict is Verdict.APPLY:
            self._apply(collection, record, now, done)
            return
        if verdict in _REJECTED:
            rival = payload_of(collection, row.record) if row else {}
            error = "two writes stand against each other"
            self._bury(
                letter_of(collection, record, _REJECTED[verdict], payload_of(collection, record), error, rival), now
            )
            if row is not None and control is not None and control.phase is Phase.DUAL_WRITE_POSTGRES_READ:
                self.enqueue(collection.name, record.key, row.record.stamp)
        else:
            self._forget_letters(collection.name, record)
        if row is not None and leader is Leader.RELATIONAL:
            row.seen = max(row.seen, record.stamp)

    def _apply(self, collection: Collection[Any], record: Record, now: datetime, done: Tally) -> None:
        try:
            self._refuse_unstorable(collection, record)
        except ValueError as error:
            self._refuse(collection, record, str(error), now, done)
            return
        rows = self._rows(collection)
        before = rows.get(record.key)
        seen = max(before.seen, record.stamp) if before else record.stamp
        rows[record.key] = Row(msgspec.structs.replace(record, events=(), spilled=(), token=""), seen)
        done.applied.append((record, before))

    def _refuse_unfit(self, collection: Collection[Any], now: datetime, done: Tally) -> None:
        """Refuse what violates a constraint when all are in place: two records may swap a value."""
        at = len(done.applied) - 1
        while at >= 0:
            record, before = done.applied[at]
            try:
                self._refuse_twice(collection, record)
                at -= 1
            except Refused as refused:
                del done.applied[at]
                self._put_back(collection, record.key, before)
                self._refuse(collection, record, refused.detail, now, done)
                # What stands again may be in the way of another one.
                at = len(done.applied) - 1

    def _put_back(self, collection: Collection[Any], key: Key, before: Row | None) -> None:
        rows = self._rows(collection)
        if before is None:
            del rows[key]
        else:
            rows[key] = before

    def _refuse(self, collection: Collection[Any], record: Record, error: str, now: datetime, done: Tally) -> None:
        self._bury(letter_of(collection, record, LetterKind.MERGE, payload_of(collection, record), error), now)
        done.verdicts[Verdict.APPLY] -= 1
        done.parked += 1

    def _forget_letters(self, name: str, record: Record) -> None:
        # What is applied, or known to be older than what stands, needs no second try.
        gone = [at for at in self.letter_of if at[:2] == (name, record.key) and at[3] <= record.stamp]
        for at in gone:
            if at[2] in (LetterKind.MERGE, LetterKind.UNREADABLE):
                del self.letter_of[at]

    def _copy_events(self, name: str, record: Record, verdict: Verdict | None, leader: Leader) -> None:
        """Tell the events that are new; those of rejected writes stay in their letters, until a person decides."""
        # Where documents lead again, a page from before may still show what lost to the rows.
        rejected = LetterKind.MERGE if leader is Leader.RELATIONAL else LetterKind.CONFLICT
        if (name, record.key, rejected, record.stamp) in self.letter_of or not tells(verdict, leader):
            return
        through = self.through_of.get((name, record.key), 0)
        new = record.events[len(copied(record.events, through)) :]
        if self._checks:
            # What follows an event that cannot be stored waits with it in the document: order is kept.
            new = tuple(takewhile(is_storable, new))
        self.tell(name, record.key, new)
        if new:
            self.through_of[name, record.key] = new[-1].seq

    def _bury(self, letter: DeadLetter, now: datetime) -> None:
        at = (letter.collection, letter.key, letter.kind, letter.stamp)
        before = self.letter_of.get(at)
        attempts = before.attempts + 1 if before else 1
        retries = letter.kind is LetterKind.MERGE and attempts < ATTEMPTS_MAX
        pause = timedelta(seconds=min(RETRY_S * 2**attempts, RETRY_S_MAX))
        self.letter_of[at] = msgspec.structs.replace(
            letter,
            attempts=attempts,
            next_try_at=now + pause if retries else None,
            created_at=before.created_at if before else now,
        )

    def _refuse_unstorable(self, collection: Collection[Any], record: Record) -> None:
        if self._checks:
            refuse_unstorable(collection.name, record)

    def _may_be(self, key: Key) -> bool:
        return not self._checks or can_exist(key)

    def _refuse_twice(self, collection: Collection[Any], record: Record) -> None:
        if record.entity is None or not collection.unique:
            return
        others = [row.record.entity for key, row in self._rows(collection).items() if key != record.key]
        for names in collection.unique:
            mine = [getattr(record.entity, name) for name in names]
            if None in mine:
                continue
            for other in others:
                if other is not None and [getattr(other, name) for name in names] == mine:
                    raise Refused(f"{collection.name}: {', '.join(names)} is taken")

    def _rows(self, collection: Collection[Any]) -> dict[Key, Row]:
        return self.rows.setdefault(collection.name, {})


def takes_second_writes(control: Control) -> bool:
    """Tell whether a merge beside a save may act: once a drain has begun, a record comes whole or not at all."""
    return control.leader is Leader.DOCUMENTS and control.state is State.OPEN


def is_open_at(control: Control, n: int) -> bool:
    """Tell whether the fence lets a write pass."""
    return control.state is State.OPEN and control.n == n and control.leader is Leader.RELATIONAL


def same_version(standing: Control, before: Control) -> bool:
    """Tell whether nobody has changed the row since: `n` is compared, not the state's name."""
    return standing.n == before.n


def is_what_was_sent(waiting: Stamp, sent: Stamp) -> bool:
    """Tell whether a task asks for no more than the documents have got."""
    return waiting <= sent
