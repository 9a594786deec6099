"""The relational side in this process's memory: the plainest one that keeps every promise, for tests and storms."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mystira.polyglot import merge
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State, first_control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import to_document
from mystira.polyglot.journal import DeadLetter, Journal, LetterKind, Merged, Move, RelayTask, Stream, copied
from mystira.polyglot.matching import matches, select
from mystira.polyglot.merge import Standing, Verdict, tells
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.query import Query, Where
from mystira.polyglot.store import Conflict, Incoming, Key, Record, Refused, Unreadable
from mystira.polyglot.stores.memory_queues import MemoryQueues

RETRY_S, RETRY_S_MAX, ATTEMPTS_MAX = 0.5, 300.0, 8
NOTHING = Stamp()


class Row(msgspec.Struct):
    """A record and the newest stamp that is known to have been in the documents."""

    record: Record
    seen: Stamp = NOTHING

    @property
    def standing(self) -> Standing:
        """What a merge compares with."""
        return Standing(self.record.stamp, self.record.op, self.record.recent_ops, self.seen)


class MemoryRelational(MemoryQueues):
    """Records and journal in one; nothing outlives the process. Each call happens at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[Key, Row]] = {}
        self.control_of: dict[str, Control] = {}

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
        row = self._rows(collection).get(record.key)
        if (row and row.record.stamp) != (base and base.stamp):
            raise Conflict(f"{collection.name}: the record is not what the writer read")
        self._refuse_twice(collection, record)
        kept = msgspec.structs.replace(record, events=(), token="")
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

    async def ping(self) -> None:
        """Memory always answers."""

    async def control(self, name: str) -> Control | None:
        """Return the collection's control row."""
        return self.control_of.get(name)

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

    async def relay_confirm(self, collection: Collection[Any], task: RelayTask, sent: Stamp) -> None:
        """Forget the task if the row is still what was sent, and remember what the documents now hold."""
        at = (collection.name, task.key)
        waiting = self.relay.get(at)
        if waiting is not None:
            waiting.claimed_until = None
            if is_what_was_sent(waiting.task.stamp, sent):
                del self.relay[at]
        row = self._rows(collection).get(task.key)
        if row is not None:
            row.seen = max(row.seen, sent)

    async def relay_refill(self, collection: Collection[Any], n: int) -> None:
        """Enqueue every row, tombstones included, and mark the control row `complete` if it still has this `n`."""
        control = self.control_of[collection.name]
        if control.n != n:
            raise Conflict(f"{collection.name}: the control row has changed")
        for key, row in self._rows(collection).items():
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
        control = self.control_of.get(collection.name) or first_control(collection)
        if inline and control.leader is Leader.RELATIONAL:
            return Merged(superseded=len(items))
        if move is not None:
            self.move(collection.name, move, now)
        done = _Tally()
        newest: dict[Key, Incoming] = {}
        for item in items:
            if item.key not in newest or newest[item.key].stamp <= item.stamp:
                newest[item.key] = item
        carries_events = not inline and (move is None or move.stream is Stream.FOLLOW)
        keeps = control.copying or control.leader is Leader.RELATIONAL
        for item in newest.values():
            verdict = self._take(collection, item, control, now, done) if keeps else None
            if carries_events and isinstance(item, Record) and item.events:
                self._copy_events(collection.name, item, verdict, control.leader)
                done.through[item.key] = self.copied_through.get((collection.name, item.key), 0)
        self._check_constraints(collection, now, done)
        return done.merged(len(items) - len(newest))

    def _take(
        self, collection: Collection[Any], item: Incoming, control: Control, now: datetime, done: "_Tally"
    ) -> Verdict | None:
        if isinstance(item, Unreadable):
            self._bury(collection, item.key, LetterKind.UNREADABLE, item.stamp, item.body, item.error, now)
            done.parked += 1
            return None
        row = self._rows(collection).get(item.key)
        standing = row.standing if row else None
        verdict = merge.judge(item, standing, control.leader)
        if verdict is Verdict.APPLY:
            self._apply(collection, item, now, done)
            return verdict
        match verdict:
            case Verdict.SAME:
                done.same += 1
            case Verdict.SUPERSEDED:
                done.superseded += 1
            case Verdict.DIVERGENT | Verdict.CONFLICT:
                kind = LetterKind.CONFLICT if verdict is Verdict.CONFLICT else LetterKind.DIVERGENT
                rival = to_document(collection, row.record) if row else {}
                error = "two writes stand against each other"
                body = to_document(collection, item)
                self._bury(collection, item.key, kind, item.stamp, body, error, now, rival, item.op)
                done.conflicts += verdict is Verdict.CONFLICT
                done.parked += verdict is Verdict.DIVERGENT
        if row is not None and control.leader is Leader.RELATIONAL:
            row.seen = max(row.seen, item.stamp)
        return verdict

    def _apply(self, collection: Collection[Any], record: Record, now: datetime, done: "_Tally") -> None:
        before = self._rows(collection).get(record.key)
        kept = msgspec.structs.replace(record, events=(), token="", writer="app")
        self._rows(collection)[record.key] = Row(kept, record.stamp)
        done.applied += 1
        if collection.unique:
            done.constrained.append((record, before))
        self._forget_letters(collection.name, record.key, record.stamp)

    def _check_constraints(self, collection: Collection[Any], now: datetime, done: "_Tally") -> None:
        """Refuse what violates a constraint when all are in place: two records may swap a value."""
        rows = self._rows(collection)
        for record, before in done.constrained:
            try:
                self._refuse_twice(collection, record)
            except Refused as refused:
                if before is None:
                    del rows[record.key]
                else:
                    rows[record.key] = before
                done.applied -= 1
                done.parked += 1
                body = to_document(collection, record)
                self._bury(
                    collection, record.key, LetterKind.MERGE, record.stamp, body, refused.detail, now, op=record.op
                )

    def _forget_letters(self, name: str, key: Key, stamp: Stamp) -> None:
        for kind in (LetterKind.MERGE, LetterKind.UNREADABLE):
            for at in [at for at in self.letter_of if at[:3] == (name, key, kind) and at[3] <= stamp]:
                del self.letter_of[at]

    def _copy_events(self, name: str, record: Record, verdict: Verdict | None, leader: Leader) -> None:
        if not tells(verdict, leader):
            return
        through = self.copied_through.get((name, record.key), 0)
        new = record.events[len(copied(record.events, through)) :]
        self.tell(name, record.key, new)
        if new:
            self.copied_through[name, record.key] = new[-1].seq

    def _bury(
        self,
        collection: Collection[Any],
        key: Key,
        kind: LetterKind,
        stamp: Stamp,
        body: dict[str, Any],
        error: str,
        now: datetime,
        rival: dict[str, Any] | None = None,
        op: str = "",
    ) -> None:
        at = (collection.name, key, kind, stamp)
        before = self.letter_of.get(at)
        attempts = before.attempts + 1 if before else 1
        retries = kind is LetterKind.MERGE and attempts < ATTEMPTS_MAX
        pause = timedelta(seconds=min(RETRY_S * 2**attempts, RETRY_S_MAX))
        self.letter_of[at] = DeadLetter(
            collection=collection.name,
            key=key,
            kind=kind,
            stamp=stamp,
            op=op,
            payload=body,
            rival=rival or {},
            error=error,
            attempts=attempts,
            next_try_at=now + pause if retries else None,
            created_at=before.created_at if before else now,
        )

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


class _Tally:
    def __init__(self) -> None:
        self.applied = self.same = self.superseded = self.parked = self.conflicts = 0
        self.through: dict[Key, int] = {}
        self.constrained: list[tuple[Record, Row | None]] = []

    def merged(self, older: int) -> Merged:
        return Merged(
            applied=self.applied,
            same=self.same,
            superseded=self.superseded + older,
            parked=self.parked,
            conflicts=self.conflicts,
            through=self.through,
        )


def is_open_at(control: Control, n: int) -> bool:
    """Tell whether the fence lets a write pass."""
    return control.state is State.OPEN and control.n == n


def same_version(standing: Control, before: Control) -> bool:
    """Tell whether nobody has changed the row since: `n` is compared, not the state's name."""
    return standing.n == before.n


def is_what_was_sent(waiting: Stamp, sent: Stamp) -> bool:
    """Tell whether a task asks for no more than the documents have got."""
    return waiting == sent
