"""Refusals a caller can act on: the docstring is the message, facts are fields, the kind maps to a door."""

import re
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of refusal it is; each door maps it once to its own status."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    UNPROCESSABLE = "unprocessable"
    STALE = "stale"
    TOO_LARGE = "too_large"
    UNCONDITIONAL = "unconditional"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class Problem(Exception):
    """Something was refused."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "problem"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The class's docstring with the facts filled in."""
        text = _one_line(type(self).__doc__ or "")
        return text.format_map(_Facts(self.facts)) if "{" in text else text


@cache
def _one_line(text: str) -> str:
    return " ".join(text.split())


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
