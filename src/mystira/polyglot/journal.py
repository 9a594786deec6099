"""What replication keeps on the relational side. Each call is one transaction, whole or not at all.

PostgreSQL and the simulated store of the storms keep the same promises (`tests/contracts/test_journal*.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control
from mystira.polyglot.digest import Digests
from mystira.polyglot.entity import Stamp
from mystira.polyglot.merge import Standing
from mystira.polyglot.positions import Move, RangePosition, Stream
from mystira.polyglot.queues import Backfill, OutboxEvent, Pending, RelayTask, ShadowReport, WaitingKey
from mystira.polyglot.reports import Reports
from mystira.polyglot.store import Incoming, Key, Record, Store, StoredEvent


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """What one merge did. received = applied + same + superseded + parked + conflicts.

    `stragglers` are those of them that an app wrote to the documents although PostgreSQL leads. `through` tells for
    each key with events how far they have been copied, so that the document can be pruned.
    """

    applied: int = 0
    same: int = 0
    superseded: int = 0
    parked: int = 0
    conflicts: int = 0
    stragglers: int = 0
    through: Mapping[Key, int] = {}


class Tombstone(NamedTuple):
    """What is left of a removed record."""

    key: Key
    stamp: Stamp


class LetterKind(StrEnum):
    """Why a key is in the dead letters."""

    MERGE = "merge"
    UNREADABLE = "unreadable"
    DIVERGENT = "divergent"
    CONFLICT = "conflict"
    RELAY = "relay"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A change that could not be carried over, or that lost against another: kept whole until a person decides.

    `payload` is the whole document; `rival` what stood against it. `next_try_at` None means: nobody tries by itself.
    """

    collection: str
    key: Key
    kind: LetterKind
    stamp: Stamp
    op: str = ""
    payload: dict[str, Any] = {}
    rival: dict[str, Any] = {}
    error: str = ""
    attempts: int = 1
    next_try_at: datetime | None = None
    created_at: datetime | None = None


LETTERS_AT_ONCE = 200


class LetterPlace(NamedTuple):
    """Where a dead letter stands among all of them, the oldest first; no two stand in the same place."""

    created_at: datetime
    collection: str
    partition: str
    id: str
    kind: str
    stamp: int


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Chooses dead letters; None means any; of `error` a part is enough.

    `after` leaves out everything up to that place, in the order asked for; `through` what came later than its place.
    Without a `limit`, whoever reads gets LETTERS_AT_ONCE of them, and a verb takes them all, page by page.
    """

    collection: str | None = None
    kind: LetterKind | None = None
    key: Key | None = None
    parked: bool | None = None
    due_at: datetime | None = None
    stamp: Stamp | None = None
    error: str | None = None
    newest_first: bool = False
    after: LetterPlace | None = None
    through: LetterPlace | None = None
    limit: int | None = None


class LetterGroup(NamedTuple):
    """What a tally of letters tells apart; `parked`: they wait for a person."""

    collection: str
    kind: LetterKind
    parked: bool


class Journal(Protocol):
    """Control rows, positions, merges, outboxes, dead letters."""

    async def control(self, name: str) -> Control | None:
        """Return the collection's control row."""
        ...

    async def controls(self) -> Sequence[Control]:
        """Return every control row there is."""
        ...

    async def declare(self, control: Control) -> Control:
        """Make the row unless there is one; return what stands."""
        ...

    async def change(self, before: Control, after: Control, change: Change, *, drained: bool = False) -> None:
        """Replace the row that has `before.n`, alone: it waits for every fenced write. The change goes on record.

        Conflict when the row has another `n`, or, with `drained`, while the collection's relay outbox holds anything.
        Entering PostgresOnly empties that outbox: nobody keeps the documents any more.
        """
        ...

    async def note(self, change: Change) -> None:
        """Put a verb on record that changes no control row."""
        ...

    async def history(self, name: str, limit: int = 100, verb: str | None = None) -> Sequence[Change]:
        """Return what was done to a collection, the newest first; one verb only, if it is named."""
        ...

    async def changes(
        self, limit: int, *, before: datetime | None = None, collection: str | None = None, actor: str | None = None
    ) -> Sequence[Change]:
        """Return what was done before a moment, the newest first; all that was done at the last one's comes with it.

        So the next page begins before the last one's moment, and nothing is left out or told twice.
        """
        ...

    async def report_shadow(self, report: ShadowReport) -> None:
        """Keep what one process's shadow reads have shown; it replaces what the process told before."""
        ...

    async def shadow_reports(self, name: str, since: datetime) -> Sequence[ShadowReport]:
        """Return what processes have told of a collection's shadow reads since then."""
        ...

    async def unchecked_constraints(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the constraints of the collection's table that its rows were not checked against."""
        ...

    async def acknowledge(self, name: str, n: int, writer: str, refused: int) -> None:
        """Keep that a writer has stood down for the drain at `n`, and how many writes it has refused since."""
        ...

    async def acknowledged(self, name: str, n: int) -> Mapping[str, int]:
        """Return the writers that stood down for the drain at `n`, each with the writes that it refused."""
        ...

    async def write(self, collection: Collection[Any], record: Record, base: Record | None, n: int) -> None:
        """Write under the fence: only while the row is OPEN at this very `n` (else Conflict), together with the events
        and, where documents follow, a task for the relay. Like `Store.write` otherwise."""
        ...

    async def merge(
        self,
        collection: Collection[Any],
        items: Sequence[Incoming],
        now: datetime,
        move: Move | None = None,
        *,
        inline: bool = False,
    ) -> Merged:
        """Judge and take in what came from the documents, under the fence, position and events included.

        Conflict, and nothing done, when the position is no longer `move.expected`. Rows change only where the
        collection's copy is kept. What a constraint refuses is parked alone and stops nobody else. `inline` is the
        best-effort second write of a commit: it carries no events, a crash may forget it, and it does nothing once
        a drain has begun: a straggler would then be in the row while its events are not told.
        """
        ...

    async def standing(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Standing]:
        """Return what the relational copy holds of these keys."""
        ...

    async def copied_through(self, name: str, keys: Sequence[Key]) -> Mapping[Key, int]:
        """Return how far the events of these keys have been copied; 0 where none were."""
        ...

    async def positions(self, name: str, stream: Stream) -> Sequence[RangePosition]:
        """Return where a stream stands in every range it has begun."""
        ...

    async def lease_range(
        self, name: str, stream: Stream, range_id: str, owner: str, now: datetime, lease_s: float
    ) -> str | None:
        """Take or renew a range for one worker; return its continuation, None while another one has it."""
        ...

    async def split_range(self, name: str, stream: Stream, range_id: str, successors: Sequence[str]) -> None:
        """Let the ranges that follow a split go on where the split one stood; repeating it changes nothing."""
        ...

    async def forget_positions(self, name: str, stream: Stream) -> None:
        """Let a stream begin anew."""
        ...

    async def relay_claim(
        self, limit: int, now: datetime, lease_s: float | None, name: str | None = None
    ) -> list[RelayTask]:
        """Lease due relay tasks, the longest waiting first; None takes them whoever has a lease, and leaves that."""
        ...

    async def relay_confirm(self, collection: Collection[Any], task: RelayTask, sent: Stamp) -> None:
        """Forget the task if the row is still what was sent, and remember what the documents now hold."""
        ...

    async def relay_retry(self, task: RelayTask, error: str, next_try_at: datetime | None) -> None:
        """Try again later; with None set it aside for a person."""
        ...

    async def relay_refill(self, collection: Collection[Any], n: int) -> None:
        """Enqueue every row, tombstones included, and mark the control row `complete` if it still has this `n`."""
        ...

    async def relay_pending(self, name: str) -> Pending:
        """Count the relay tasks of a collection."""
        ...

    async def relay_waiting(self, name: str, limit: int) -> Sequence[WaitingKey]:
        """Return the tasks that are not set aside, those that have failed first, then the longest waiting."""
        ...

    async def tombstones(self, collection: Collection[Any], limit: int) -> Sequence[Tombstone]:
        """Return the tombstones among the rows."""
        ...

    async def note_tombstones(self, name: str, found: Sequence[Tombstone], now: datetime) -> None:
        """Remember since when these are known; a newer tombstone of the same key begins anew."""
        ...

    async def old_tombstones(self, name: str, before: datetime, limit: int) -> Sequence[Tombstone]:
        """Return what was noted that early, the oldest first."""
        ...

    async def forget_tombstones(self, name: str, keys: Sequence[Key]) -> None:
        """Forget since when the tombstones of these keys are known."""
        ...

    async def remove_tombstone(self, collection: Collection[Any], key: Key, stamp: Stamp, n: int) -> bool:
        """Remove the row under the fence while it is this very tombstone and no relay has it to carry; tell whether.

        Conflict unless the control row is OPEN at `n`, whoever leads.
        """
        ...

    async def retire_rows(self, collection: Collection[Any], archived: Sequence[Record], n: int) -> int:
        """Remove the rows that are exactly what was archived, under the fence; return how many.

        Conflict unless the control row is OPEN at `n` and the documents lead alone: nobody keeps the rows then.
        """
        ...

    async def restore_rows(self, collection: Collection[Any], archived: Sequence[Record], n: int) -> int:
        """Make the rows that are absent anew, under the same fence; return how many."""
        ...

    async def letters(self, which: LetterFilter) -> Sequence[DeadLetter]:
        """Return dead letters, the oldest first unless the filter says otherwise."""
        ...

    async def letter_put(self, letter: DeadLetter) -> None:
        """Keep a dead letter, or replace the one of the same key, kind and stamp."""
        ...

    async def letter_drop(self, letter: DeadLetter) -> bool:
        """Forget a dead letter; False when it had gone already."""
        ...

    async def letters_park(self, which: LetterFilter) -> Mapping[str, int]:
        """Let nobody try the chosen ones by itself any more; return how many that changed, by collection."""
        ...

    async def letters_drop(self, which: LetterFilter) -> Mapping[str, int]:
        """Forget the chosen ones, the oldest first; return how many there were, by collection."""
        ...

    async def letters_count(self, which: LetterFilter) -> Mapping[str, int]:
        """Count the chosen letters by collection; `limit` plays no part."""
        ...

    async def letters_tally(self) -> Mapping[LetterGroup, int]:
        """Count all letters at once: what who watches needs again and again."""
        ...

    async def backfill(self, name: str) -> Backfill | None:
        """Return the state of a collection's backfill."""
        ...

    async def is_filling(self) -> bool:
        """Tell whether any collection's backfill is running."""
        ...

    async def backfill_put(self, job: Backfill) -> None:
        """Keep the state of a backfill."""
        ...

    async def backfill_add(self, name: str, seen: int, seconds: float) -> None:
        """Add to a backfill's counts."""
        ...

    async def claim_events(self, limit: int, now: datetime, lease_s: float) -> list[OutboxEvent]:
        """Lease the oldest due events, at most the first of each key; an unsettled one comes again after the lease."""
        ...

    async def settle(self, events: Sequence[OutboxEvent]) -> None:
        """Forget events whose every effect has committed."""
        ...

    async def retry(self, event: OutboxEvent, error: str, next_try_at: datetime) -> None:
        """Try an event again later; the later events of its key wait for it."""
        ...

    async def park(self, event: OutboxEvent, error: str, now: datetime) -> None:
        """Set an event aside for a person; the later events of its key wait, those of other keys do not."""
        ...

    async def pending(self) -> Pending:
        """Count what waits in the event outbox."""
        ...

    async def settled_marks(self, marks: Sequence[str]) -> frozenset[str]:
        """Return the handled marks whose delivery can never come again."""
        ...


class RelationalStore(Store, Protocol):
    """A store of records that also keeps the journal of replication, and the reports of verification."""

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys, whether it can be read or not."""
        ...

    async def scan(self, collection: Collection[Any], after: Key | None, limit: int) -> Sequence[Incoming]:
        """Return the next rows in the order of their keys, tombstones and unreadable ones included."""
        ...

    @property
    def reports(self) -> Reports:
        """What verification found, kept to be looked at and compared."""
        ...

    @property
    def journal(self) -> Journal:
        """What replication keeps beside the records."""
        ...

    @property
    def digests(self) -> Digests:
        """What tells quickly where rows and documents differ."""
        ...


def place_of(letter: DeadLetter) -> LetterPlace:
    """Return where a kept letter stands: the `after` of the page that follows the one ending with it."""
    assert letter.created_at is not None, "only a letter that is kept has a place"
    return LetterPlace(letter.created_at, letter.collection, *letter.key, letter.kind, letter.stamp.packed)


def copied(events: Sequence[StoredEvent], through: int) -> tuple[StoredEvent, ...]:
    """Return the events that have been copied before and can leave their document."""
    return tuple(event for event in events if event.seq <= through)
