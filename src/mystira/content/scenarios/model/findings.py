"""What a check says about a file: every error and warning with its place."""

from collections.abc import Sequence
from typing import Literal

from mystira.polyglot.entity import Value

SHOWN_MAX, SHOWN_BEFORE_MAX = 160, 120


class Finding(Value, frozen=True, kw_only=True):
    """One error (the file is refused) or warning; line and column count from 1."""

    severity: Literal["error", "warning"]
    code: str
    path: str
    line: int
    column: int
    message: str


def render(name: str, finding: Finding, lines: Sequence[str]) -> str:
    """Return a finding for people, with the line it is about and a mark below it."""
    head = f"{name}:{finding.line}:{finding.column}: {finding.severity}: {finding.message} [{finding.code}]"
    where = f"  at {finding.path}" if finding.path else ""
    if not 1 <= finding.line <= len(lines):
        return _visible(head + where)
    # A long line is shown around the place.
    before = max(0, finding.column - 1 - SHOWN_BEFORE_MAX)
    text = lines[finding.line - 1].rstrip()[before : before + SHOWN_MAX]
    return f"{_visible(head + where)}\n    {_visible(text)}\n    {' ' * (finding.column - 1 - before)}^"


def _visible(text: str) -> str:
    # A stranger's file must not speak to the terminal.
    return "".join(one if one.isprintable() else " " for one in text)
