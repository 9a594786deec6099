"""Looks at a database that other software wrote, and tells what adopting it would meet. Nothing is changed.

No value of a text is shown, only its outline, for it may be personal; the words of enumerations and the kinds of
documents are shown as they are.
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator
from hashlib import blake2b
from typing import Any, cast

import msgspec

from mystira.polyglot.adopt.fitting import item_of, words_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity
from mystira.polyglot.envelope import ENVELOPE, from_document
from mystira.polyglot.fields import Field
from mystira.polyglot.store import DocumentStore, Record, StoreError, Unreadable
from mystira.polyglot.stores.documents import dump
from mystira.polyglot.walking import every_page

EXAMPLES_MAX = 3
KEYS_MAX = 20
SHAPES_MAX = 500
WORDS_MAX = 50
OUTLINE_MAX = 30
DEPTH_MAX = 3

USUAL_DISCRIMINATORS = ("Discriminator", "discriminator", "$type", "_t", "type", "Type", "kind", "entityType")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What one place in the documents holds: how often each type, outlines, and where it goes.

    `becomes` names the field of ours; None where our entity knows nothing of it, and it is kept as it is.
    """

    path: str
    types: dict[str, int]
    becomes: str | None = None
    outlines: tuple[str, ...] = ()
    words: dict[str, int] = {}


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """Why documents would not come over, how many, and the ids of the first of them."""

    why: str
    count: int
    ids: tuple[str, ...]


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `stamped` documents are this platform's already; `whole` says that every document was seen."""

    collection: str
    seen: int
    whole: bool
    stamped: int
    fitting: int
    kinds: dict[str, dict[str, int]]
    shapes: tuple[Shape, ...]
    violations: tuple[Violation, ...]
    kept_beside: dict[str, int]

    def to_json(self) -> bytes:
        """Return the whole inspection as JSON."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"))


class _Anything(Entity, frozen=True, kw_only=True):
    """A document of which nothing is expected but its id."""


class _Shape:
    def __init__(self) -> None:
        self.types: Counter[str] = Counter()
        self.outlines: dict[str, None] = {}
        self.words: Counter[str] = Counter()


class _Violations:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ids: dict[str, list[str]] = {}

    def add(self, why: str, id: str) -> None:
        self.counts[why] += 1
        ids = self.ids.setdefault(why, [])
        if len(ids) < KEYS_MAX:
            ids.append(id)


class _Findings:
    def __init__(self, collection: Collection[Any]) -> None:
        self.collection = collection
        self.seen = self.stamped = self.fitting = 0
        self.kinds: dict[str, Counter[str]] = {}
        self.shapes: dict[str, _Shape] = {}
        self.violations = _Violations()
        self.beside: Counter[str] = Counter()
        # Of each unique value only a number is kept, and the document that had it first.
        self.taken: dict[tuple[str, int], str] = {}
        self.shared: set[tuple[str, int]] = set()
        info: Any = msgspec.inspect.type_info(collection.entity)
        worded = {field.name for field in info.fields if words_of(field.type) or words_of(item_of(field.type))}
        self.worded = worded - collection.personal


async def inspect(documents: DocumentStore, collection: Collection[Any], limit: int | None = None) -> Inspection:
    """Look at the documents of a collection, all or the first `limit` that its feed shows.

    A collection that adopts a mapping is looked at through it: so a mapping is tried before anything is changed.
    """
    findings = _Findings(collection)
    whole = True
    async for document in raw_documents(documents, collection):
        if limit is not None and findings.seen >= limit:
            whole = False
            break
        _look(findings, document)
    return _told(findings, whole)


async def raw_documents(documents: DocumentStore, collection: Collection[Any]) -> AsyncGenerator[dict[str, Any]]:
    """Yield the documents of a container as they are, envelope included; what was deleted is left out."""
    anything = Collection(_Anything, container=collection.container, table=collection.table)
    async for page in every_page(documents, anything):
        for item in page.items:
            if isinstance(item.record, Unreadable):
                yield item.record.body
            elif not item.record.deleted:
                yield _as_it_was(item.record)


def _as_it_was(record: Record) -> dict[str, Any]:
    body = {"id": record.key.id, **record.extra}
    return body if record.stamp.packed == 0 else {**body, ENVELOPE: {"stamp": record.stamp.packed}}


def _look(findings: _Findings, document: dict[str, Any]) -> None:
    findings.seen += 1
    findings.stamped += ENVELOPE in document
    told = {name: value for name, value in document.items() if not name.startswith("_")}
    for name in _discriminators(findings.collection):
        if isinstance(document.get(name), str):
            kinds = findings.kinds.setdefault(name, Counter())
            kinds[_bounded(kinds, document[name])] += 1
    for name, value in told.items():
        _look_at_value(findings, name, value, field_of(findings.collection, name))
    _look_at_fit(findings, document)


def _look_at_value(findings: _Findings, path: str, value: Any, field: Field | None, depth: int = 1) -> None:
    if path not in findings.shapes and len(findings.shapes) >= SHAPES_MAX:
        path = "(others)"
    shape = findings.shapes.setdefault(path, _Shape())
    shape.types[_type_of(value)] += 1
    if isinstance(value, dict) and depth < DEPTH_MAX:
        for name, part in cast(dict[str, Any], value).items():
            _look_at_value(findings, f"{path}.{name}", part, None, depth + 1)
    elif isinstance(value, list):
        for part in cast(list[Any], value):
            if depth < DEPTH_MAX:
                _look_at_value(findings, f"{path}[]", part, field, depth + 1)
    elif isinstance(value, str):
        if field is not None and field.name in findings.worded:
            shape.words[_bounded(shape.words, value)] += 1
        elif len(shape.outlines) < EXAMPLES_MAX:
            shape.outlines[outline(value)] = None


def _look_at_fit(findings: _Findings, document: dict[str, Any]) -> None:
    collection, id = findings.collection, str(document.get("id"))
    try:
        record = from_document(collection, document, "")
        dump(collection, record)
    except KeyError as error:
        findings.violations.add(f"it has no {error.args[0]}", id)
    except (ValueError, TypeError) as error:
        findings.violations.add(_without_values(str(error)), id)
    except StoreError as error:
        findings.violations.add(str(error), id)
    else:
        findings.fitting += 1
        findings.beside.update(_bounded(findings.beside, name) for name in record.extra)
        for names in collection.unique:
            _look_at_unique(findings, record, names, id)


def _look_at_unique(findings: _Findings, record: Record, names: tuple[str, ...], id: str) -> None:
    values = [getattr(record.entity, name) for name in names]
    if None in values:
        return
    rule = ", ".join(names)
    taken = rule, int.from_bytes(blake2b(msgspec.json.encode(values), digest_size=8).digest())
    first = findings.taken.setdefault(taken, id)
    if first == id:
        return
    why = f"it shares its {rule} with another document, and PostgreSQL would take only one of them"
    if taken not in findings.shared:
        findings.shared.add(taken)
        findings.violations.add(why, first)
    findings.violations.add(why, id)


def field_of(collection: Collection[Any], name: str) -> Field | None:
    """Return the field of ours that a document's name stands for, mapped or not."""
    return collection.foreign.field_of(name) if collection.foreign else collection.by_document_name.get(name)


def outline(text: str) -> str:
    """Return how a text looks without telling what it says: letters as a or A, digits as 9."""
    shown = text[:OUTLINE_MAX]
    masked = "".join("9" if c.isdigit() else ("A" if c.isupper() else "a") if c.isalpha() else c for c in shown)
    return masked if len(text) <= OUTLINE_MAX else f"{masked}… ({len(text)} characters)"


def _discriminators(collection: Collection[Any]) -> tuple[str, ...]:
    told = collection.foreign.mapping.discriminator if collection.foreign else None
    return (told.field,) if told else USUAL_DISCRIMINATORS


def _type_of(value: Any) -> str:
    names = {type(None): "null", bool: "true or false", int: "whole number", float: "number", str: "text"}
    return names.get(cast(type[Any], type(value)), "list" if isinstance(value, list) else "object")


def _bounded(counter: Counter[str], word: str) -> str:
    return word if word in counter or len(counter) < WORDS_MAX else "(others)"


def _without_values(text: str) -> str:
    # Messages quote what they do not like; that may be somebody's name.
    return re.sub(r"'(?:[^'\\]|\\.)*'", "'…'", text)


def _told(findings: _Findings, whole: bool) -> Inspection:
    collection = findings.collection
    shapes = [
        Shape(
            path=path,
            types=dict(shape.types),
            becomes=found.name if (found := field_of(collection, path.split(".")[0].split("[")[0])) else None,
            outlines=tuple(shape.outlines),
            words=dict(shape.words),
        )
        for path, shape in sorted(findings.shapes.items())
    ]
    violations = [
        Violation(why=why, count=count, ids=tuple(findings.violations.ids[why]))
        for why, count in findings.violations.counts.most_common()
    ]
    return Inspection(
        collection=collection.name,
        seen=findings.seen,
        whole=whole,
        stamped=findings.stamped,
        fitting=findings.fitting,
        kinds={name: dict(kinds) for name, kinds in findings.kinds.items()},
        shapes=tuple(shapes),
        violations=tuple(violations),
        kept_beside=dict(findings.beside),
    )
