"""Parses YAML 1.2 (core schema) and JSON, after checks that keep hostile files from doing harm.

libyaml does the scanning; what it makes of plain words (`No`, `12:30`) is decided here, by the core schema. Tags are
refused, so nothing is ever constructed. Depth is limited before the parser sees the text, because its C code would
exhaust the stack; aliases are limited by what they expand to.
"""

import re
from itertools import islice
from typing import Any

import yaml

from mystira.textfiles.nodes import Node, Unreadable

BYTES_MAX = 5_000_000
DEPTH_MAX = 100
NODES_MAX = 200_000
SHOWN_MAX = 60

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys(("true", "True", "TRUE"), ("bool", True)),
    **dict.fromkeys(("false", "False", "FALSE"), ("bool", False)),
}
# Without the look-behind every backslash of a long run would be a place to begin again.
_PAIR = re.compile(r"(?<!\\)(\\*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_BRACKET = re.compile(r"[\[\]{}]")
# Only what begins a line at such length can nest too deep.
_INDENT = re.compile(rf"^[ \t\-?:]{{{DEPTH_MAX},}}", re.MULTILINE)
_STRING_TAGS = ("tag:yaml.org,2002:str", "!")
_NO_TAG = (None, "?")
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)


class Refused(Exception):
    """The file cannot be read; the argument is an Unreadable."""

    def __init__(self, why: Unreadable) -> None:
        self.why = why
        super().__init__(why.message)


def read(data: bytes) -> Node:
    """Return the content of one file, or raise Refused with the one reason that stopped the reading."""
    text = _text(data)
    _refuse_too_deep(text)
    if text.lstrip()[:1] in ("{", "["):
        text = _joined_surrogates(text)
    loader = yaml.CSafeLoader(text)
    try:
        _refuse_too_many(text)
        root: Any = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise Refused(_why(error)) from error
    except yaml.reader.ReaderError as error:
        raise Refused(_bad_character(error, text)) from error
    finally:
        loader.dispose()
    if root is None:
        raise Refused(Unreadable("empty", "The file is empty. Start with a title."))
    return _Converter().convert(root, 0)


def _text(data: bytes) -> str:
    if len(data) > BYTES_MAX:
        raise Refused(Unreadable("too_large", f"The file has more than {BYTES_MAX:,} bytes. Make it smaller."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise Refused(Unreadable("not_utf8", "The file is not UTF-8. Save it as UTF-8.", line, column)) from error
    at = text.find("\x00")
    if at >= 0:
        raise Refused(Unreadable("nul", "The file holds a NUL character. Remove it.", *_place(text, at)))
    return text


def _joined_surrogates(text: str) -> str:
    """Return JSON text with escaped surrogate pairs written as the characters they stand for; YAML has no pairs."""
    return _PAIR.sub(_joined, text)


def _joined(found: re.Match[str]) -> str:
    if len(found[1]) % 2:
        # The backslash itself is escaped, so these letters are only letters.
        return found[0]
    high, low = int(found[2], 16), int(found[3], 16)
    return found[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _refuse_too_deep(text: str) -> None:
    depth = 0
    for number, bracket in enumerate(_BRACKET.findall(text)):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > DEPTH_MAX * 10:
            found = next(islice(_BRACKET.finditer(text), number, None))
            raise Refused(_too_deep(*_place(text, found.start())))
    for found in _INDENT.finditer(text):
        indent = found[0]
        if indent.count("-") + indent.count("?") + indent.count(":") > DEPTH_MAX or len(indent) > 40 * DEPTH_MAX:
            raise Refused(_too_deep(*_place(text, found.start())))


def _refuse_too_many(text: str) -> None:
    # Every part takes a character or more, so only long texts are gone through twice: counting is cheap in memory,
    # and building what is refused afterwards would not be.
    if len(text) <= NODES_MAX:
        return
    loader = yaml.CSafeLoader(text)
    try:
        count = 0
        while loader.check_event():
            event: Any = loader.get_event()
            count += isinstance(event, yaml.NodeEvent)
            if count > NODES_MAX:
                raise Refused(_too_many(event.start_mark.line + 1, event.start_mark.column + 1))
    finally:
        loader.dispose()


def _too_many(line: int, column: int) -> Unreadable:
    return Unreadable("too_many", f"The file expands to more than {NODES_MAX:,} parts. Split it.", line, column)


def _too_deep(line: int, column: int) -> Unreadable:
    return Unreadable("too_deep", f"The file is nested more than {DEPTH_MAX} levels deep.", line, column)


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _bad_character(error: Any, text: str) -> Unreadable:
    # libyaml counts bytes.
    before = text.encode()[: error.position].decode(errors="ignore")
    message = f"The file holds the character U+{error.character:04X}, which YAML does not allow. Remove it."
    return Unreadable("unreadable", message, *_place(before, len(before)))


def _short(text: Any, longest: int = SHOWN_MAX) -> str:
    whole = str(text)
    return whole if len(whole) <= longest else f"{whole[:longest]}…"


def _why(error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    said = str(error.problem or error.context or "it is not YAML")
    if "expected a single document" in str(error.context or ""):
        said = "it holds several documents; one file is one story"
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Unreadable("unparsable", f"The file cannot be parsed: {_short(said, 200)}.", line, column)


class _Converter:
    """Turns parsed nodes into ours, counting everything that aliases would copy."""

    def __init__(self) -> None:
        self._count = 0

    def convert(self, node: Any, depth: int) -> Node:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self._count += 1
        if self._count > NODES_MAX:
            raise Refused(_too_many(line, column))
        if depth > DEPTH_MAX:
            raise Refused(_too_deep(line, column))
        if isinstance(node, yaml.MappingNode):
            self._refuse_tag(node, "tag:yaml.org,2002:map")
            return Node("map", self._pairs(node, depth), line, column)
        if isinstance(node, yaml.SequenceNode):
            self._refuse_tag(node, "tag:yaml.org,2002:seq")
            return Node("list", [self.convert(part, depth + 1) for part in node.value], line, column)
        return _scalar(node, line, column)

    def _pairs(self, node: Any, depth: int) -> list[tuple[Node, Node]]:
        pairs: list[tuple[Node, Node]] = []
        seen: dict[Any, Node] = {}
        for key_node, value_node in node.value:
            key = self.convert(key_node, depth + 1)
            if key.kind in ("map", "list"):
                raise Refused(Unreadable("bad_key", "A key must be a single word.", key.line, key.column))
            before = seen.setdefault(str(key.value), key)
            if before is not key:
                message = f"The key {_short(key.value)!r} is there twice; it stood in line {before.line} before."
                raise Refused(Unreadable("duplicate_key", message, key.line, key.column))
            pairs.append((key, self.convert(value_node, depth + 1)))
        return pairs

    def _refuse_tag(self, node: Any, usual: str) -> None:
        if node.tag not in (*_NO_TAG, usual):
            _refuse_tag(node)


def _refuse_tag(node: Any) -> None:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    raise Refused(Unreadable("tag", f"The tag {_short(node.tag)!r} is not allowed here. Remove it.", line, column))


def _scalar(node: Any, line: int, column: int) -> Node:
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):
        if node.tag not in (*_NO_TAG, *_STRING_TAGS):
            _refuse_tag(node)
        return Node("text", text, line, column)
    # Without a tag of its own a plain word carries what YAML 1.1 made of it; only explicit tags matter here.
    if node.tag not in _PLAIN_TAGS:
        _refuse_tag(node)
    kind, value = _plain(text)
    return Node(kind, value, line, column)


def _plain(text: str) -> tuple[Any, Any]:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) <= 20:
        return "int", int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text) and len(text) <= 40:
        return "float", text
    return "text", text


def is_plain_text(text: str) -> bool:
    """Tell whether an unquoted word is read as just this text."""
    return _plain(text)[0] == "text"
