"""Shadow reads: a share of what the leader answers is also asked of the follower, and what differs is counted.

Nobody waits for it: the caller has its answer before the follower is asked. What differs at a glance is nearly always
on its way, so stamps are looked at before anything else, and nothing counts as a mismatch unless the leader's answer
stood still for as long as the lag goal, and all the while the follower was asked again. Some samples ask the leader in
the follower's place: what they report is the noise of the method itself.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State, heal_copy, next_n
from mystira.polyglot.differences import DifferenceClass, Sides, difference_of
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.phases import Leader
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.query import Query, shape_of
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import DocumentStore, Key, Record, Store, StoreError

T = TypeVar("T")

log = structlog.get_logger(__name__)

LAGGING, MEMBERSHIP, ORDER, PAGE = DifferenceClass.LAGGING.value, "membership", "order", "page"
"""LAGGING is no mismatch. The others are a query's own: records alike on both sides, and yet another answer."""

BY_KEY = "by key"
OTHER_SHAPES = "all other shapes"

Ask = Callable[[Store], Awaitable[Sequence[Record]]]
"""Puts the question that was sampled to a store."""


class NotARate(Problem):
    """{rate} is no share of reads: write a number from 0 (none) to 1 (all)."""

    kind = Kind.INVALID


class BeingMoved(Problem):
    """{collection} is being moved just now. Wait until that is done, then set the rate again."""

    kind = Kind.CONFLICT


class ShadowLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much shadow reads may take. Of `in_flight_max` samples only `asking_max` ask a store, the others wait.

    `suspects_max` records of a page are looked up one by one; the rest of a page that differs so widely tells no more.
    """

    in_flight_max: int = 64
    asking_max: int = 4
    timeout_s: float = 1.0
    lag_goal_s: float = 5.0
    calibrated_share: float = 0.1
    shapes_max: int = 200
    examples_max: int = 5
    suspects_max: int = 20


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One mismatch that was found: its class and the key of the record it showed on, and nothing of its content."""

    kind: str
    partition: str
    id: str


class ShapeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What shadow reads of one shape have shown, in this process, since the rate was set.

    `kinds` counts by class what differed at first. `noise` counts the same where the leader was asked twice.
    """

    collection: str
    shape: str
    compared: int = 0
    kinds: dict[str, int] = {}
    calibrated: int = 0
    noise: dict[str, int] = {}
    dropped: int = 0
    timed_out: int = 0
    failed: int = 0
    examples: tuple[Example, ...] = ()

    @property
    def mismatches(self) -> int:
        """How many answers of the follower were wrong; what was only on its way is none of them."""
        return sum(count for kind, count in self.kinds.items() if kind != LAGGING)


class Verdict(NamedTuple):
    """How two answers differ, and the key it shows on; without a key where no single record is to blame."""

    kind: str
    key: Key | None = None


class _Undecodable(Exception):
    """A store holds something that does not fit the collection."""


class _Tally:
    def __init__(self, examples_max: int) -> None:
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.noise: Counter[str] = Counter()
        self.examples: deque[Example] = deque(maxlen=examples_max)


class _Sample(NamedTuple):
    collection: Collection[Any]
    control: Control
    ask: Ask
    answer: Sequence[Record]
    limit: int
    leader: Store
    other: Store
    is_control: bool
    tally: _Tally


class Shadows:
    """Takes samples and carries them out beside everything else. One object per process."""

    def __init__(
        self,
        documents: DocumentStore,
        relational: RelationalStore,
        *,
        random: Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        limits: ShadowLimits | None = None,
    ) -> None:
        self.limits = limits or ShadowLimits()
        self._documents = documents
        self._relational = relational
        self._random = random
        self._sleep = sleep
        self._asking = asyncio.Semaphore(self.limits.asking_max)
        self._running: set[asyncio.Task[None]] = set()
        self._tallies: dict[str, dict[str, _Tally]] = {}
        self._rates: dict[str, float] = {}
        self._is_closed = False

    def sample_key(self, collection: Collection[Any], control: Control, key: Key, found: Record | None) -> None:
        """Perhaps ask the follower for a record that the leader was asked for."""

        async def ask(store: Store) -> Sequence[Record]:
            record = await store.read(collection, key)
            return () if record is None else (record,)

        if self._is_chosen(control):
            self._begin(collection, control, BY_KEY, ask, () if found is None else (found,), limit=1)

    def sample_page(self, collection: Collection[Any], control: Control, query: Query, found: Sequence[Record]) -> None:
        """Perhaps put a query to the follower that the leader has answered; its limit has one more than a page."""
        if self._is_chosen(control):
            ask: Ask = lambda store: store.search(collection, query)  # noqa: E731 - it is the question itself.
            self._begin(collection, control, shape_of(query), ask, found, limit=query.limit - 1)

    def status(self, collection: Collection[Any] | None = None) -> list[ShapeStatus]:
        """Return what was found, of one collection or of all."""
        names = sorted(self._tallies) if collection is None else [collection.name]
        return [
            _status(name, shape, tally)
            for name in names
            for shape, tally in sorted(self._tallies.get(name, {}).items())
        ]

    async def settled(self) -> None:
        """Wait until every sample that was taken has been carried out."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Give up what is under way; nothing is sampled after this."""
        self._is_closed = True
        for task in self._running:
            task.cancel()
        await self.settled()

    def _is_chosen(self, control: Control) -> bool:
        return control.has_whole_copy and not self._is_closed and self._random.random() < control.shadow

    def _begin(
        self,
        collection: Collection[Any],
        control: Control,
        shape: str,
        ask: Ask,
        answer: Sequence[Record],
        limit: int,
    ) -> None:
        tally = self._tally(collection, control, shape)
        if len(self._running) >= self.limits.in_flight_max:
            tally.counts["dropped"] += 1
            return
        stores: tuple[Store, Store] = (self._documents, self._relational)
        leader, follower = stores if control.leader is Leader.DOCUMENTS else stores[::-1]
        is_control = self._random.random() < self.limits.calibrated_share
        other = leader if is_control else follower
        sample = _Sample(collection, control, ask, answer, limit, leader, other, is_control, tally)
        task = asyncio.create_task(self._carry_out(sample))
        self._running.add(task)
        task.add_done_callback(lambda done: self._end(done, tally))

    def _tally(self, collection: Collection[Any], control: Control, shape: str) -> _Tally:
        if self._rates.get(collection.name) != control.shadow:
            self._rates[collection.name] = control.shadow
            self._tallies[collection.name] = {}
        shapes = self._tallies[collection.name]
        if shape not in shapes and len(shapes) >= self.limits.shapes_max:
            shape = OTHER_SHAPES
        return shapes.setdefault(shape, _Tally(self.limits.examples_max))

    def _end(self, task: asyncio.Task[None], tally: _Tally) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            tally.counts["failed"] += 1
            log.warning("shadow_read_failed", error=f"{type(error).__name__}: {error}")

    async def _carry_out(self, sample: _Sample) -> None:
        try:
            verdict = await self._verdict(sample)
        except TimeoutError:
            sample.tally.counts["timed_out"] += 1
            return
        except StoreError:
            sample.tally.counts["failed"] += 1
            return
        except _Undecodable:
            verdict = Verdict(DifferenceClass.UNREADABLE.value)
        sample.tally.counts["calibrated" if sample.is_control else "compared"] += 1
        if verdict is None:
            return
        (sample.tally.noise if sample.is_control else sample.tally.kinds)[verdict.kind] += 1
        if verdict.kind != LAGGING and not sample.is_control:
            sample.tally.examples.extend(_examples(sample.collection, verdict))

    async def _verdict(self, sample: _Sample) -> Verdict | None:
        if _is_alike(sample.answer, await self._patiently(lambda: sample.ask(sample.other))):
            return None
        # What is younger than the lag goal may be on its way.
        await self._sleep(self.limits.lag_goal_s)
        return await self._second_look(sample)

    async def _second_look(self, sample: _Sample) -> Verdict:
        """Compare once more, between two looks at each side: what has changed meanwhile was only on its way."""
        before = await self._patiently(lambda: sample.ask(sample.leader))
        other = await self._patiently(lambda: sample.ask(sample.other))
        verdict = await self._culprit(sample, before, other) or _verdict_of_pages(before, other, sample.limit)
        other_after = await self._patiently(lambda: sample.ask(sample.other))
        after = await self._patiently(lambda: sample.ask(sample.leader))
        leader_stood = _versions(sample.answer) == _versions(before) == _versions(after)
        if not leader_stood or _versions(other) != _versions(other_after) or await self._has_moved(sample):
            return Verdict(LAGGING)
        return verdict or Verdict(LAGGING)

    async def _culprit(self, sample: _Sample, leader: Sequence[Record], other: Sequence[Record]) -> Verdict | None:
        """Return the first record that the two stores do not hold alike; its stamps tell before its body does."""
        for key in islice(_suspects(leader, other), self.limits.suspects_max):
            ours = await self._patiently(partial(sample.leader.read, sample.collection, key))
            theirs = await self._patiently(partial(sample.other.read, sample.collection, key))
            found = difference_of(sample.collection, key, Sides(ours, theirs), sample.control)
            if found is not None:
                return Verdict(found.kind.value, key)
            if (ours is None) != (theirs is None):
                # One side lacks it for a good reason, a purge half done or its time being up: that is a lag, too.
                return Verdict(LAGGING, key)
        return None

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Wait for a store's answer, but not for long, and not for too many at once."""
        try:
            async with self._asking, asyncio.timeout(self.limits.timeout_s):
                return await ask()
        except (ValueError, KeyError, TypeError) as error:
            raise _Undecodable from error

    async def _has_moved(self, sample: _Sample) -> bool:
        """Tell whether the leader may have changed: then the two were compared the wrong way round."""
        row = await self._relational.journal.control(sample.collection.name)
        return row is None or (row.epoch, row.phase, row.state) != (
            sample.control.epoch,
            sample.control.phase,
            State.OPEN,
        )


async def shadow(r: Replication, collection: Collection[Any], rate: float, *, actor: str, why: str) -> Control:
    """Set which share of a collection's reads goes to the follower as well, from 0 to 1; return the control row then.

    Every process hears of it with its next lease; each counts anew from there.
    """
    if not 0 <= rate <= 1:
        raise NotARate(rate=rate)
    row = await r.row(collection)
    if row.shadow == rate:
        return row
    if row.state is not State.OPEN:
        raise BeingMoved(collection=collection.name)
    after = row.evolve(n=await next_n(r.documents, row), shadow=rate)
    await r.journal.change(row, after, r.noted(f"shadow reads {rate:g}", row, after, actor, why))
    await heal_copy(r.documents, after)
    return after


def _versions(records: Sequence[Record]) -> list[tuple[Key, Stamp]]:
    return [(record.key, record.stamp) for record in records]


def _is_alike(leader: Sequence[Record], other: Sequence[Record]) -> bool:
    if _versions(leader) != _versions(other):
        return False
    return all(_has_same_body(one, another) for one, another in zip(leader, other, strict=True))


def _has_same_body(one: Record, other: Record) -> bool:
    return one.entity == other.entity and one.extra == other.extra


def _suspects(leader: Sequence[Record], other: Sequence[Record]) -> Iterator[Key]:
    """Yield the keys whose stamps or bodies differ, or that only one side has."""
    ours = {record.key: record for record in leader}
    theirs = {record.key: record for record in other}
    for key in {**ours, **theirs}:
        one, another = ours.get(key), theirs.get(key)
        if one is None or another is None or one.stamp != another.stamp or not _has_same_body(one, another):
            yield key


def _verdict_of_pages(leader: Sequence[Record], other: Sequence[Record], limit: int) -> Verdict | None:
    """Return how two answers differ though both stores hold the same records."""
    ours, theirs = [record.key for record in leader], [record.key for record in other]
    if ours == theirs:
        return None
    if ours[:limit] == theirs[:limit]:
        # The page itself is the same; whether another one follows, or what it begins with, is not.
        return Verdict(PAGE, next(iter([*ours[limit:], *theirs[limit:]])))
    apart = [key for key in (*ours, *theirs) if (key in ours) != (key in theirs)]
    if apart:
        return Verdict(MEMBERSHIP, apart[0])
    return Verdict(ORDER, next(one for one, another in zip(ours, theirs, strict=True) if one != another))


def _examples(collection: Collection[Any], verdict: Verdict) -> Iterator[Example]:
    if verdict.key is not None and collection.personal.isdisjoint(collection.key_fields):
        yield Example(kind=verdict.kind, partition=verdict.key.partition, id=verdict.key.id)


def _status(name: str, shape: str, tally: _Tally) -> ShapeStatus:
    return ShapeStatus(
        collection=name,
        shape=shape,
        kinds=dict(tally.kinds),
        noise=dict(tally.noise),
        examples=tuple(tally.examples),
        **tally.counts,
    )
