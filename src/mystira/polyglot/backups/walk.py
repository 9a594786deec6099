"""Reads all documents through their change feeds, and can tell whether anything has come since."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mystira.polyglot.backups.manifest import Packed, Packer
from mystira.polyglot.collection import Collection
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.store import DocumentStore, FeedItem, RangeGone, Unreadable

PAGE = 500
FOLDER = "documents"


class DocumentUnreadable(Problem):
    """The document {id} of {collection} cannot be read ({error}), so it cannot be backed up. Repair or remove it, then
    try again."""

    kind = Kind.UNPROCESSABLE


class Walk:
    """Where a reader of every feed stands, and the files that it fills: a line a document, newer ones further down."""

    def __init__(self, documents: DocumentStore, collections: Iterable[Collection[Any]], folder: Path) -> None:
        self._documents = documents
        self._files = {collection.name: (collection, Packer(folder, file_of(collection))) for collection in collections}
        self._at: dict[str, dict[str, str]] = {name: {} for name in self._files}
        self._count = dict.fromkeys(self._files, 0)

    async def go_on(self) -> int:
        """Read everything that has come since; return how many documents that were."""
        return sum([await self._collection(collection) for collection, _ in self._files.values()])

    def finish(self) -> list[Packed]:
        """Close the files and tell what they hold."""
        return [packer.finish(self._count[name]) for name, (_, packer) in self._files.items()]

    async def _collection(self, collection: Collection[Any]) -> int:
        at = self._at[collection.name]
        waiting = [(range_id, at.get(range_id, "")) for range_id in await self._documents.feed_ranges(collection)]
        seen = 0
        while waiting:
            range_id, continuation = waiting.pop()
            try:
                page = await self._documents.feed(collection, range_id, continuation, PAGE)
            except RangeGone as gone:
                waiting += [(successor, continuation) for successor in gone.successors]
                continue
            await self._keep(collection, page.items)
            seen += len(page.items)
            at[range_id] = page.continuation
            if page.has_more:
                waiting.append((range_id, page.continuation))
        return seen

    async def _keep(self, collection: Collection[Any], items: Sequence[FeedItem]) -> None:
        lines = [_line(collection, item) for item in items]
        if lines:
            self._count[collection.name] += len(lines)
            await asyncio.to_thread(self._files[collection.name][1].add, b"".join(lines))


def file_of(collection: Collection[Any]) -> str:
    """Return the name of the file that holds a collection's documents."""
    return f"{FOLDER}/{collection.name}.ndjson.gz"


def _line(collection: Collection[Any], item: FeedItem) -> bytes:
    record = item.record
    error = record.error if isinstance(record, Unreadable) else ""
    if isinstance(record, Unreadable):
        raise DocumentUnreadable(id=record.key.id, collection=collection.name, error=error)
    line = msgspec.json.encode(to_document(collection, record))
    if from_document(collection, msgspec.json.decode(line), record.token) != record:
        raise DocumentUnreadable(id=record.key.id, collection=collection.name, error="it would not come back as it is")
    return line + b"\n"
