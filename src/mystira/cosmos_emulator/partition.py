"""Partition keys: their definition, their value in a document or a header, and their place among all keys."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from mystira.cosmos_emulator.hashing import UNDEFINED, Component, Undefined, hashed
from mystira.cosmos_emulator.wire import Refusal, decode, encode

PATHS_MAX = 3
BYTES_MAX = 2048
_STEP = re.compile(r'/(?:"((?:[^"\\]|\\.)*)"|([^/"]+))')

Path = tuple[str, ...]
Key = tuple[Component, ...]


class Definition(NamedTuple):
    """How a container is partitioned."""

    paths: tuple[Path, ...]
    hierarchical: bool
    version: int

    def place(self, key: Key) -> str:
        """Return the effective partition key: of the whole key, or the prefix that all longer ones share."""
        return hashed(key, hierarchical=self.hierarchical, version=self.version)


def definition(given: Any) -> Definition:
    """Return the definition of a container's `partitionKey`, or refuse."""
    if not isinstance(given, dict):
        raise Refusal(400, "A container needs a partitionKey with its paths.")
    key = cast("dict[str, Any]", given)
    paths: Any = key.get("paths")
    if not isinstance(paths, list) or not 1 <= len(cast("list[Any]", paths)) <= PATHS_MAX:
        raise Refusal(400, f"partitionKey.paths must list 1 to {PATHS_MAX} paths such as /tenant.")
    kind, version = key.get("kind", "Hash"), key.get("version", 1)
    if kind not in ("Hash", "MultiHash") or version not in (1, 2) or (kind == "MultiHash" and version != 2):
        raise Refusal(400, "partitionKey.kind must be Hash (version 1 or 2) or MultiHash (version 2).")
    if kind == "Hash" and len(cast("list[Any]", paths)) != 1:
        raise Refusal(400, "Several partition key paths need the kind MultiHash.")
    return Definition(tuple(steps(path) for path in cast("list[Any]", paths)), kind == "MultiHash", version)


def steps(path: Any) -> Path:
    """Return the property names of a path such as /address/city, or refuse."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise Refusal(400, f"{path!r} is not a path; write it like /tenant.")
    found: list[str] = []
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise Refusal(400, f"{path!r} is not a path; write it like /tenant or /address/city.")
        found.append(step[2] if step[1] is None else re.sub(r"\\(.)", r"\1", step[1]))
        at = step.end()
    return tuple(found)


def value_at(document: Mapping[str, Any], path: Path) -> Any:
    """Return what stands at a path of a document, or UNDEFINED."""
    value: Any = document
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNDEFINED
        value = cast("dict[str, Any]", value)[name]
    return value


def of_document(defined: Definition, document: Mapping[str, Any]) -> Key:
    """Return the partition key that a document has."""
    return tuple(component(value_at(document, path)) for path in defined.paths)


class Located(NamedTuple):
    """A whole key, its text in storage, and its place among all keys."""

    key: Key
    pk: str
    place: str


# The same few partitions are asked for again and again, and hashing is slow.
@lru_cache(maxsize=4096)
def located(defined: Definition, header: str | None) -> Located:
    """Return the logical partition that a request names, or refuse."""
    key = of_header(defined, header)
    return Located(key, text_of(key), defined.place(key))


def of_header(defined: Definition, header: str | None) -> Key:
    """Return the whole partition key that a request names, or refuse."""
    key = prefix_of_header(header)
    if key is None:
        raise Refusal(400, "The header x-ms-documentdb-partitionkey is missing: say which partition is meant.")
    if len(key) == 0 and not defined.hierarchical:
        return (UNDEFINED,)
    if len(key) != len(defined.paths):
        many = "fewer" if len(key) < len(defined.paths) else "more"
        raise Refusal(400, f"The partition key in the header has {many} components than the container defines.", 1001)
    return key


def prefix_of_header(header: str | None) -> Key | None:
    """Return the components that a request names, which may be the first of several; None without the header."""
    if header is None:
        return None
    found = decode(header, "The header x-ms-documentdb-partitionkey")
    if not isinstance(found, list):
        raise Refusal(400, 'The header x-ms-documentdb-partitionkey must be a JSON array such as ["tenant"].')
    return tuple(component(value) for value in cast("list[Any]", found))


def component(value: Any) -> Component:
    """Return a JSON value as a component of a key, or refuse."""
    if isinstance(value, str):
        if len(value.encode()) > BYTES_MAX:
            raise Refusal(400, f"A partition key may have {BYTES_MAX} bytes; this one is longer.")
        return value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        # Minus zero is the same value as zero, so it must lie in the same place.
        return float(value) + 0.0
    if isinstance(value, Undefined) or value == {}:
        return UNDEFINED
    raise Refusal(400, "A partition key must be text, a number, true, false or null.")


def text_of(key: Key) -> str:
    """Return the key as text, the same for equal keys; in storage it stands for the logical partition."""
    return encode(plain(key)).decode()


def plain(key: Key) -> list[Any]:
    """Return the key as JSON values; an undefined component is an empty object, as on the wire."""
    return list(_plain(key))


def _plain(key: Sequence[Component]) -> Iterator[Any]:
    for component in key:
        if isinstance(component, Undefined):
            yield {}
        elif isinstance(component, float) and component.is_integer() and abs(component) < 1 << 53:
            yield int(component)
        else:
            yield component
