"""Text becomes tokens: keywords, names, parameters, numbers, strings and symbols."""

import re
from typing import Any, NamedTuple

from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.values import UNDEFINED, number

_WORDS = """
AND ARRAY AS ASC BETWEEN BY DESC DISTINCT ESCAPE EXISTS FALSE FROM GROUP IN JOIN LIKE LIMIT NOT NULL OFFSET OR ORDER
SELECT TOP TRUE UDF UNDEFINED VALUE WHERE
"""
# The service refuses these words wherever a name stands: c.value has to be written c["value"].
KEYWORDS = frozenset(_WORDS.split())
TEXT_LENGTH_MAX = 512 * 1024

_PATTERN = re.compile(
    r"""
      (?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<parameter>@\w+)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<symbol>>>>|<<|>>|<=|>=|<>|!=|\|\||\?\?|/(?!\*)|[-+*%&|^~=<>?:,.()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "/": "/"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Token(NamedTuple):
    """`kind` is keyword, name, parameter, number, string, symbol or end; keywords are in capitals."""

    kind: str
    text: str
    value: Any
    offset: int


def tokens(text: str) -> list[Token]:
    """Read the whole text; the last token is always the end."""
    if len(text) > TEXT_LENGTH_MAX:
        raise SqlError(f"The query is longer than {TEXT_LENGTH_MAX // 1024} KB. Move long lists into parameters.", text)
    if half := _SURROGATE.search(text):
        raise SqlError("The query holds half of a surrogate pair.", text, half.start())
    found: list[Token] = []
    offset = 0
    while offset < len(text):
        match = _PATTERN.match(text, offset)
        if match is None:
            raise SqlError(_unreadable(text, offset), text, offset)
        if match.lastgroup != "blank":
            found.append(_token(match, text))
        offset = match.end()
    found.append(Token("end", "", None, len(text)))
    return found


def _token(match: re.Match[str], text: str) -> Token:
    kind, written, offset = match.lastgroup or "", match.group(), match.start()
    match kind:
        case "word" if written.upper() in KEYWORDS:
            return Token("keyword", written.upper(), written, offset)
        case "word":
            return Token("name", written, written, offset)
        case "number":
            return Token(kind, written, _number(written, text, offset), offset)
        case "string":
            return Token(kind, written, _string(written, text, offset), offset)
        case _:
            return Token(kind, written, written, offset)


def _number(written: str, text: str, offset: int) -> Any:
    hexadecimal = written[:2].lower() == "0x"
    value: Any = number(int(written, 16)) if hexadecimal else _decimal(written)
    if value is UNDEFINED:
        raise SqlError(f"The number {written[:40]} is too large.", text, offset)
    return value


def _decimal(written: str) -> Any:
    # Python refuses to read integers of thousands of digits; no double has more than 17 that count.
    return number(int(written)) if written.isdigit() and len(written) < 20 else number(float(written))


def _string(written: str, text: str, offset: int) -> str:
    def unescaped(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] not in _ESCAPED:
            raise SqlError(f"\\{match[2]} is no escape sequence.", text, offset + 1 + match.start())
        return _ESCAPED[match[2]]

    value = _ESCAPE.sub(unescaped, written[1:-1])
    if _SURROGATE.search(value):
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _unreadable(text: str, offset: int) -> str:
    if text[offset] in "\"'":
        return "This string has no end. Close it with the quotation mark it began with."
    if text.startswith("/*", offset):
        return "This comment has no end."
    return f"The character {text[offset]!r} means nothing here."
