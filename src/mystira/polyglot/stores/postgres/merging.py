"""The merge into PostgreSQL: position, rows, events and dead letters of one page in one transaction.

The shared fence lock comes first, so that a flip waits until the page has committed; then the control row says who
leads; then `merge.judge` decides item by item.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from mystira.polyglot import merge
from mystira.polyglot.control import Control, State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterKind, Merged
from mystira.polyglot.merge import Standing, Verdict
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.store import Incoming, Key, Record, Refused, StoredEvent, TooLarge, Unreadable
from mystira.polyglot.stores.documents import can_exist, payload_of
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.controls import COLUMNS, control_of_row
from mystira.polyglot.stores.postgres.copying import Copies, Refusal, Row
from mystira.polyglot.stores.postgres.letters import add_letters, drop_outlived, lost_among
from mystira.polyglot.stores.postgres.outbox import copied_through, copy_events
from mystira.polyglot.stores.postgres.positions import move_position
from mystira.polyglot.stores.postgres.relay import enqueue
from mystira.polyglot.values import is_storable

# An inline merge may be forgotten in a crash: the feed brings it again.
_CONTROL = f"""
SELECT c.*, EXISTS (SELECT 1 FROM polyglot.dead_letters WHERE collection = $1),
  CASE WHEN $2::boolean THEN set_config('synchronous_commit', 'off', true) END
FROM (SELECT 1) AS one LEFT JOIN (
  SELECT collection, {COLUMNS} FROM polyglot.locked_control($1)) AS c ON true
"""  # noqa: S608 - the columns are a constant.


_SETTLED = (Verdict.APPLY, Verdict.SAME, Verdict.SUPERSEDED)
_REJECTED = {Verdict.DIVERGENT: LetterKind.DIVERGENT, Verdict.CONFLICT: LetterKind.CONFLICT}


class _Page(NamedTuple):
    """What does not change while one page is merged."""

    copies: Copies
    control: Control
    now: datetime
    has_letters: bool
    careful: bool

    @property
    def documents_lead(self) -> bool:
        return self.control.leader is Leader.DOCUMENTS


class _Judged(NamedTuple):
    record: Record
    verdict: Verdict
    standing: Standing | None


class _Version(NamedTuple):
    key: Key
    stamp: Stamp
    op: str


class _Newest(NamedTuple):
    """One item a key; how many others were older or the same; and what has the same stamp but another op."""

    items: list[Incoming]
    superseded: int
    same: int
    rivals: list[Incoming]


async def merge_items(
    connections: Connections, copies: Copies, items: Sequence[Incoming], now: datetime, move: Move | None, inline: bool
) -> Merged:
    """Judge and take in what came from the documents, as one transaction."""
    if inline and len(items) == 1 and isinstance(items[0], Record):
        merged = await copies.inline.merge(connections, items[0])
        if merged is not None:
            return merged
    try:
        return await _merge(connections, copies, items, now, move, inline, careful=False)
    except (Refused, TooLarge):
        # Something on this page does not fit. Now each row gets a savepoint, which is slower and hardly ever needed.
        return await _merge(connections, copies, items, now, move, inline, careful=True)


async def _merge(
    connections: Connections,
    copies: Copies,
    items: Sequence[Incoming],
    now: datetime,
    move: Move | None,
    inline: bool,
    *,
    careful: bool,
) -> Merged:
    telling = not inline and (move is None or move.stream is Stream.FOLLOW)
    async with connections.transaction() as connection:
        row = await connection.fetchrow(_CONTROL, copies.name, inline)
        *columns, has_letters, _ = row
        control = control_of_row(columns) if columns[0] else Control(id=copies.name, phase=Phase.COSMOS_ONLY)
        if inline and (control.leader is Leader.RELATIONAL or control.state is not State.OPEN):
            return Merged(superseded=len(items))
        if move is not None:
            await move_position(connection, copies.name, move, now)
        page = _Page(copies, control, now, has_letters, careful)
        counts: Counter[str] = Counter()
        silent: set[_Version] = set()
        if control.copying or control.leader is Leader.RELATIONAL:
            counts, silent = await _take(connection, page, items)
        else:
            counts["superseded"] = len(items)
        through: Mapping[Key, int] = {}
        if not inline:
            through = await _tell(connection, page, items, silent, telling)
    return Merged(**counts, through=through)


async def _take(connection: Any, page: _Page, items: Sequence[Incoming]) -> tuple[Counter[str], set[_Version]]:
    """Take in the items in rounds of one item a key; return the counts, and whose events must not be told."""
    newest = _newest(items)
    counts, silent = await _take_round(connection, page, newest.items)
    counts["superseded"] += newest.superseded
    counts["same"] += newest.same
    if newest.rivals:
        more, muted = await _take(connection, page._replace(careful=True), newest.rivals)
        counts, silent = counts + more, silent | muted
    return counts, silent


def _newest(items: Sequence[Incoming]) -> _Newest:
    chosen: dict[Key, Incoming] = {}
    rivals: list[Incoming] = []
    superseded = same = 0
    for item in items:
        other = chosen.setdefault(item.key, item)
        if other is item:
            continue
        if item.stamp > other.stamp:
            chosen[item.key] = item
            superseded += 1
        elif item.stamp < other.stamp:
            superseded += 1
        elif isinstance(item, Record) and isinstance(other, Record) and item.op == other.op:
            same += 1
        else:
            rivals.append(item)
    return _Newest([chosen[key] for key in sorted(chosen)], superseded, same, rivals)


async def _take_round(connection: Any, page: _Page, items: Sequence[Incoming]) -> tuple[Counter[str], set[_Version]]:
    unreadable = [item for item in items if isinstance(item, Unreadable)]
    # Asked this way round, because it is asked of every document: Unreadable is the plain class of the two.
    records = [item for item in items if not isinstance(item, Unreadable)]
    strange = [record for record in records if not can_exist(record.key)]
    possible = [record for record in records if can_exist(record.key)] if strange else records
    standing = await page.copies.standing(connection, [record.key for record in possible], lock=True)
    leader, absent = page.control.leader, page.control.absent_through
    judged = [_judge(record, standing.get(record.key), leader, absent) for record in possible]
    verdicts = Counter(one.verdict for one in judged)
    refused = [Refusal(record, "its key cannot be stored") for record in strange]
    refused += await _apply(connection, page, [one.record for one in judged if one.verdict is Verdict.APPLY])
    gone = {refusal.record.key for refusal in refused}
    await _write_letters(connection, page, judged, refused, unreadable)
    await _drop_letters(connection, page, [one for one in judged if one.record.key not in gone] if gone else judged)
    if not page.documents_lead:
        await page.copies.see(connection, _newly_seen(judged))
    counts = Counter(
        applied=len(records) - len(refused) - verdicts.total() + verdicts[Verdict.APPLY],
        same=verdicts[Verdict.SAME],
        superseded=verdicts[Verdict.SUPERSEDED],
        parked=len(refused) + len(unreadable) + verdicts[Verdict.DIVERGENT],
        conflicts=verdicts[Verdict.CONFLICT],
        stragglers=merge.stragglers_among(verdicts, leader),
    )
    return counts, _silent(page, judged, gone)


async def _write_letters(
    connection: Any,
    page: _Page,
    judged: Sequence[_Judged],
    refused: Sequence[Refusal],
    unreadable: Sequence[Unreadable],
) -> None:
    letters = [_letter(page, LetterKind.MERGE, refusal.record, {}, refusal.error) for refusal in refused]
    letters += [_of_unreadable(page, item) for item in unreadable]
    for one in judged:
        # Almost all are applied, and looking a verdict up costs more than this.
        if one.verdict is not Verdict.APPLY and one.verdict in _REJECTED:
            stands = await page.copies.row_of(connection, one.record.key)
            rival = payload_of(page.copies.rows.collection, stands) if stands else {}
            letters.append(_letter(page, _REJECTED[one.verdict], one.record, rival, ""))
    if letters:
        await add_letters(connection, letters, page.now)
    lost = [one for one in judged if one.verdict is Verdict.CONFLICT and one.standing]
    if page.control.phase is Phase.DUAL_WRITE_POSTGRES_READ:
        # The documents still hold what lost; the relay puts the row there.
        await enqueue(
            connection, page.copies.name, [(one.record.key, one.standing.stamp) for one in lost if one.standing]
        )


async def _drop_letters(connection: Any, page: _Page, judged: Sequence[_Judged]) -> None:
    if not page.has_letters:
        return
    outlived = [(one.record.key, one.record.stamp) for one in judged if one.verdict in _SETTLED]
    if outlived:
        await drop_outlived(connection, page.copies.name, outlived)


def _judge(record: Record, standing: Standing | None, leader: Leader, absent_through: int) -> _Judged:
    if absent_through and merge.is_purged(record, standing, absent_through):
        return _Judged(record, merge.judge_purged(record, leader), standing)
    # Through the module, so that a test can take a guard away.
    return _Judged(record, merge.judge(record, standing, leader), standing)


def _newly_seen(judged: Sequence[_Judged]) -> list[tuple[Key, Stamp]]:
    # What is applied brings its stamp along with the row.
    return [
        (one.record.key, one.record.stamp)
        for one in judged
        if one.standing and one.verdict is not Verdict.APPLY and one.standing.seen < one.record.stamp
    ]


async def _apply(connection: Any, page: _Page, records: Sequence[Record]) -> list[Refusal]:
    rows: list[Row] = []
    refused: list[Refusal] = []
    for record in records:
        try:
            rows.append(page.copies.row(record))
        except ValueError as error:
            refused.append(Refusal(record, str(error)))
    if not rows:
        return refused
    if page.careful:
        return refused + await page.copies.put_what_fits(connection, rows, documents_lead=page.documents_lead)
    await page.copies.put(connection, rows, documents_lead=page.documents_lead, stage=True)
    return refused


def _silent(page: _Page, judged: Sequence[_Judged], refused: set[Key]) -> set[_Version]:
    """Return whose events are not told: those of rejected writes stay in their letters, until a person decides."""
    leader = page.control.leader
    hushed = [verdict for verdict in {one.verdict for one in judged} if not merge.tells(verdict, leader)]
    silent = {_version(one.record) for one in judged if one.verdict in hushed} if hushed else set[_Version]()
    if not page.documents_lead:
        silent |= {_version(one.record) for one in judged if one.record.key in refused}
    return silent


def _version(record: Record) -> _Version:
    return _Version(record.key, record.stamp, record.op)


async def _tell(
    connection: Any, page: _Page, items: Sequence[Incoming], silent: set[_Version], telling: bool
) -> Mapping[Key, int]:
    """Copy the events that may be told; return for each key with events how far they have been copied."""
    with_events = [item for item in items if not isinstance(item, Unreadable) and item.events and can_exist(item.key)]
    if not with_events:
        return {}
    if page.documents_lead and page.has_letters:
        # A page from before the documents led again may still show what lost to the rows.
        lost = await lost_among(connection, page.copies.name, [(one.key, one.stamp) for one in with_events])
        silent = silent | {_version(one) for one in with_events if (one.key, one.stamp.packed) in lost}
    told: dict[Key, list[StoredEvent]] = {}
    for record in with_events if telling else ():
        if _version(record) not in silent:
            # What follows an event that cannot be stored waits with it in the document: order is kept.
            told.setdefault(record.key, []).extend(takewhile(is_storable, record.events))
    through = await copy_events(connection, page.copies.name, told)
    others = {record.key for record in with_events} - through.keys()
    return await copied_through(connection, page.copies.name, others) | through


def _of_unreadable(page: _Page, item: Unreadable) -> DeadLetter:
    name = page.copies.name
    return DeadLetter(
        collection=name,
        key=item.key,
        kind=LetterKind.UNREADABLE,
        stamp=item.stamp,
        payload=item.body,
        error=item.error,
    )


def _letter(page: _Page, kind: LetterKind, record: Record, rival: dict[str, Any], error: str) -> DeadLetter:
    return DeadLetter(
        collection=page.copies.name,
        key=record.key,
        kind=kind,
        stamp=record.stamp,
        op=record.op,
        payload=payload_of(page.copies.rows.collection, record),
        rival=rival,
        error=error,
    )
