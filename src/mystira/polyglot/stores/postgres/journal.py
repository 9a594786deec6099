"""The journal of replication in PostgreSQL: one class in front of the functions that keep each part."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import (
    Backfill,
    DeadLetter,
    LetterFilter,
    LetterGroup,
    Merged,
    OutboxEvent,
    Pending,
    RelayTask,
    ShadowReport,
    Tombstone,
)
from mystira.polyglot.merge import Standing
from mystira.polyglot.positions import Move, RangePosition, Stream
from mystira.polyglot.queues import WaitingKey
from mystira.polyglot.store import Incoming, Key, Record
from mystira.polyglot.stores.postgres import backfills, controls, letters, oldrows, outbox, positions, relay, tombstones
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.copying import copies_of
from mystira.polyglot.stores.postgres.fenced import Allowed, fenced_of
from mystira.polyglot.stores.postgres.merging import merge_items
from mystira.polyglot.stores.postgres.rows import Rows


class PostgresJournal:
    """What `polyglot.journal.Journal` promises. Reachable as `PostgresStore.journal`."""

    def __init__(self, connections: Connections, rows: Mapping[str, Rows]) -> None:
        self._connections = connections
        self._rows = rows
        self._fenced = {name: fenced_of(of_table) for name, of_table in rows.items()}
        self._allowed: dict[tuple[str, int], Allowed] = {}
        self._copies = {name: copies_of(of_table) for name, of_table in rows.items()}

    async def control(self, name: str) -> Control | None:
        """Return the collection's control row."""
        return await controls.read_control(self._connections, name)

    async def controls(self) -> Sequence[Control]:
        """Return every control row there is."""
        return await controls.read_controls(self._connections)

    async def declare(self, control: Control) -> Control:
        """Make the row unless there is one; return what stands."""
        return await controls.declare(self._connections, control)

    async def change(self, before: Control, after: Control, change: Change, *, drained: bool = False) -> None:
        """Replace the row that has `before.n`, alone: it waits for every fenced write. The change goes on record."""
        await controls.change(self._connections, before, after, change, drained)

    async def note(self, change: Change) -> None:
        """Put a verb on record that changes no control row."""
        await controls.note(self._connections, change)

    async def history(self, name: str, limit: int = 100, verb: str | None = None) -> Sequence[Change]:
        """Return what was done to a collection, the newest first; one verb only, if it is named."""
        return await controls.history(self._connections, name, limit, verb)

    async def changes(
        self, limit: int, *, before: datetime | None = None, collection: str | None = None, actor: str | None = None
    ) -> Sequence[Change]:
        """Return what was done before a moment, the newest first; all that was done at the last one's comes with it."""
        return await controls.changes(self._connections, limit, before, collection, actor)

    async def report_shadow(self, report: ShadowReport) -> None:
        """Keep what one process's shadow reads have shown; it replaces what the process told before."""
        await controls.report_shadow(self._connections, report)

    async def shadow_reports(self, name: str, since: datetime) -> Sequence[ShadowReport]:
        """Return what processes have told of a collection's shadow reads since then."""
        return await controls.shadow_reports(self._connections, name, since)

    async def unchecked_constraints(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the constraints of the collection's table that its rows were not checked against."""
        return await controls.unchecked_constraints(self._connections, collection.table)

    async def acknowledge(self, name: str, n: int, writer: str, refused: int) -> None:
        """Keep that a writer has stood down for the drain at `n`, and how many writes it has refused since."""
        await controls.acknowledge(self._connections, name, n, writer, refused)

    async def acknowledged(self, name: str, n: int) -> Mapping[str, int]:
        """Return the writers that stood down for the drain at `n`, each with the writes that it refused."""
        return await controls.acknowledged(self._connections, name, n)

    async def write(self, collection: Collection[Any], record: Record, base: Record | None, n: int) -> None:
        """Write under the fence, in one round trip."""
        at = (collection.name, n)
        fenced, known = self._fenced[collection.name], self._allowed.get(at)
        self._allowed[at] = await fenced.write(self._connections, record, base, n, known)

    async def merge(
        self,
        collection: Collection[Any],
        items: Sequence[Incoming],
        now: datetime,
        move: Move | None = None,
        *,
        inline: bool = False,
    ) -> Merged:
        """Judge and take in what came from the documents, position and events included."""
        return await merge_items(self._connections, self._copies[collection.name], items, now, move, inline)

    async def standing(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Standing]:
        """Return what the relational copy holds of these keys."""
        async with self._connections.connection() as connection:
            return await self._copies[collection.name].standing(connection, keys, lock=False)

    async def copied_through(self, name: str, keys: Sequence[Key]) -> Mapping[Key, int]:
        """Return how far the events of these keys have been copied; 0 where none were."""
        async with self._connections.connection() as connection:
            return await outbox.copied_through(connection, name, keys)

    async def positions(self, name: str, stream: Stream) -> Sequence[RangePosition]:
        """Return where a stream stands in every range it has begun."""
        return await positions.positions(self._connections, name, stream)

    async def lease_range(
        self, name: str, stream: Stream, range_id: str, owner: str, now: datetime, lease_s: float
    ) -> str | None:
        """Take or renew a range for one worker; return its continuation, None while another one has it."""
        return await positions.lease_range(self._connections, name, stream, range_id, owner, now, lease_s)

    async def split_range(self, name: str, stream: Stream, range_id: str, successors: Sequence[str]) -> None:
        """Let the ranges that follow a split go on where the split one stood; repeating it changes nothing."""
        await positions.split_range(self._connections, name, stream, range_id, successors)

    async def forget_positions(self, name: str, stream: Stream) -> None:
        """Let a stream begin anew."""
        await positions.forget_positions(self._connections, name, stream)

    async def relay_claim(
        self, limit: int, now: datetime, lease_s: float | None, name: str | None = None
    ) -> list[RelayTask]:
        """Lease due relay tasks, the longest waiting first; None takes them whoever has a lease, and leaves that."""
        return await relay.claim(self._connections, limit, now, lease_s, name)

    async def relay_confirm(self, collection: Collection[Any], task: RelayTask, sent: Stamp) -> None:
        """Forget the task if the row is still what was sent, and remember what the documents now hold."""
        await relay.confirm(self._connections, self._rows[collection.name], task, sent)

    async def relay_retry(self, task: RelayTask, error: str, next_try_at: datetime | None) -> None:
        """Try again later; with None set it aside for a person."""
        await relay.retry(self._connections, task, error, next_try_at)

    async def relay_refill(self, collection: Collection[Any], n: int) -> None:
        """Enqueue every row, tombstones included, and mark the control row `complete` if it still has this `n`."""
        await relay.refill(self._connections, self._rows[collection.name], n)

    async def relay_pending(self, name: str) -> Pending:
        """Count the relay tasks of a collection."""
        return await relay.pending(self._connections, name)

    async def relay_waiting(self, name: str, limit: int) -> Sequence[WaitingKey]:
        """Return the tasks that are not set aside, those that have failed first, then the longest waiting."""
        return await relay.waiting(self._connections, name, limit)

    async def tombstones(self, collection: Collection[Any], limit: int) -> Sequence[Tombstone]:
        """Return the tombstones among the rows."""
        return await tombstones.standing_tombstones(self._connections, self._rows[collection.name], limit)

    async def note_tombstones(self, name: str, found: Sequence[Tombstone], now: datetime) -> None:
        """Remember since when these are known; a newer tombstone of the same key begins anew."""
        await tombstones.note_tombstones(self._connections, name, found, now)

    async def old_tombstones(self, name: str, before: datetime, limit: int) -> Sequence[Tombstone]:
        """Return what was noted that early, the oldest first."""
        return await tombstones.old_tombstones(self._connections, name, before, limit)

    async def forget_tombstones(self, name: str, keys: Sequence[Key]) -> None:
        """Forget since when the tombstones of these keys are known."""
        await tombstones.forget_tombstones(self._connections, name, keys)

    async def remove_tombstone(self, collection: Collection[Any], key: Key, stamp: Stamp, n: int) -> bool:
        """Remove the row under the fence while it is this very tombstone and no relay has it to carry; tell whether.

        Conflict unless the control row is OPEN at `n`, whoever leads.
        """
        return await tombstones.remove_tombstone(self._connections, self._rows[collection.name], key, stamp, n)

    async def retire_rows(self, collection: Collection[Any], archived: Sequence[Record], n: int) -> int:
        """Remove the rows that are exactly what was archived, under the fence; return how many."""
        return await oldrows.retire(self._connections, self._rows[collection.name], archived, n)

    async def restore_rows(self, collection: Collection[Any], archived: Sequence[Record], n: int) -> int:
        """Make the rows that are absent anew, under the same fence; return how many."""
        return await oldrows.restore(self._connections, self._rows[collection.name], archived, n)

    async def letters(self, which: LetterFilter) -> Sequence[DeadLetter]:
        """Return dead letters, the oldest first unless the filter says otherwise."""
        return await letters.find_letters(self._connections, which)

    async def letter_put(self, letter: DeadLetter) -> None:
        """Keep a dead letter, or replace the one of the same key, kind and stamp."""
        await letters.put_letter(self._connections, letter)

    async def letter_drop(self, letter: DeadLetter) -> bool:
        """Forget a dead letter; False when it had gone already."""
        return await letters.drop_letter(self._connections, letter)

    async def letters_park(self, which: LetterFilter) -> Mapping[str, int]:
        """Let nobody try the chosen ones by itself any more; return how many that changed, by collection."""
        return await letters.park_letters(self._connections, which)

    async def letters_drop(self, which: LetterFilter) -> Mapping[str, int]:
        """Forget the chosen ones, the oldest first; return how many there were, by collection."""
        return await letters.drop_letters(self._connections, which)

    async def letters_count(self, which: LetterFilter) -> Mapping[str, int]:
        """Count the chosen letters by collection; `limit` plays no part."""
        return await letters.count_letters(self._connections, which)

    async def letters_tally(self) -> Mapping[LetterGroup, int]:
        """Count all letters at once: what who watches needs again and again."""
        return await letters.tally_letters(self._connections)

    async def backfill(self, name: str) -> Backfill | None:
        """Return the state of a collection's backfill."""
        return await backfills.read_backfill(self._connections, name)

    async def is_filling(self) -> bool:
        """Tell whether any collection's backfill is running."""
        return await backfills.is_filling(self._connections)

    async def backfill_put(self, job: Backfill) -> None:
        """Keep the state of a backfill."""
        await backfills.put_backfill(self._connections, job)

    async def backfill_add(self, name: str, seen: int, seconds: float) -> None:
        """Add to a backfill's counts."""
        await backfills.add_to_backfill(self._connections, name, seen, seconds)

    async def claim_events(self, limit: int, now: datetime, lease_s: float) -> list[OutboxEvent]:
        """Lease the oldest due events, at most the first of each key; an unsettled one comes again after the lease."""
        return await outbox.claim_events(self._connections, limit, now, lease_s)

    async def settle(self, events: Sequence[OutboxEvent]) -> None:
        """Forget events whose every effect has committed."""
        await outbox.settle(self._connections, events)

    async def retry(self, event: OutboxEvent, error: str, next_try_at: datetime) -> None:
        """Try an event again later; the later events of its key wait for it."""
        await outbox.retry(self._connections, event, error, next_try_at)

    async def park(self, event: OutboxEvent, error: str, now: datetime) -> None:
        """Set an event aside for a person; the later events of its key wait, those of other keys do not."""
        await outbox.park(self._connections, event, error, now)

    async def pending(self) -> Pending:
        """Count what waits in the event outbox."""
        return await outbox.pending(self._connections)

    async def settled_marks(self, marks: Sequence[str]) -> frozenset[str]:
        """Return the handled marks whose delivery can never come again."""
        return await outbox.settled_marks(self._connections, marks)
