"""Spans of what one request sets going, for whoever collects them; while nobody does, they cost next to nothing.

A trace is named by the correlation id that travels with every event anyway. So what happens later, in another process,
belongs to the trace of the request that set it going, and nothing more has to travel.
"""

import time
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

TRACES_OF_A_PAGE_MAX = 50


class Open(Protocol):
    """A span that has begun."""

    def end(
        self, attributes: dict[str, str], *, name: str = "", failed: bool = False, at_ns: int | None = None
    ) -> None:
        """End it, under another name if one is known by now."""
        ...


class Collector(Protocol):
    """Whoever keeps spans. `begins`: the span is the first of its trace."""

    def begin(
        self, name: str, correlation_id: str, parent: Open | None, *, begins: bool, at_ns: int | None = None
    ) -> Open:
        """Begin a span in the trace of a correlation; without a parent it hangs on the first one of that trace."""
        ...


class Span:
    """One span around a block; attributes may be added while it lasts."""

    def __init__(
        self, collector: Collector, name: str, correlation_id: str, attributes: dict[str, str], *, begins: bool
    ) -> None:
        inside = _current.get()
        self.correlation_id = correlation_id or (inside.correlation_id if inside else "") or str(uuid4())
        self.name = name
        self.attributes = attributes
        parent = inside.open if inside is not None and inside.correlation_id == self.correlation_id else None
        is_first = inside is None and (begins or not correlation_id)
        self.open = collector.begin(name, self.correlation_id, parent, begins=is_first)
        self._token: Token[Span | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)
        if error is not None:
            # The message may repeat what somebody wrote; the type does not.
            self.attributes["error.type"] = type(error).__name__
        self.open.end(self.attributes, name=self.name, failed=error is not None)


class NoSpan:
    """Stands where nobody collects."""

    name = ""
    attributes: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


_current: ContextVar[Span | None] = ContextVar("span", default=None)
_NOTHING = NoSpan()
_collectors: list[Collector] = []


def collect(collector: Collector | None) -> None:
    """Give every span of this process to this collector from now on; None ends that."""
    _collectors[:] = [] if collector is None else [collector]


def is_collected() -> bool:
    """Tell whether anybody collects."""
    return bool(_collectors)


def span(name: str, correlation_id: str = "", *, begins: bool = False, **attributes: str) -> Span | NoSpan:
    """Return a span around a block. With a correlation id it belongs to that trace, else to the one it happens in, and
    where there is none it begins one; `begins`: this correlation is a new one as well, unless it happens in a trace.

    Attributes hold names from the code, never what people wrote, nor ids of theirs.
    """
    return Span(_collectors[0], name, correlation_id, attributes, begins=begins) if _collectors else _NOTHING


def current_correlation() -> str:
    """Return the correlation id of the trace that this happens in; empty where nobody collects."""
    inside = _current.get()
    return inside.correlation_id if inside else ""


def now_ns() -> int:
    """Return the time as spans tell it."""
    return time.time_ns()


def tell(
    name: str, correlation_id: str, began_ns: int, ended_ns: int, parent: Open | None = None, **about: str
) -> Open:
    """Collect a span that is over already; for work that was done for many traces at once."""
    assert _collectors, "somebody must collect"
    told = _collectors[0].begin(name, correlation_id, parent, begins=False, at_ns=began_ns)
    told.end(about, at_ns=ended_ns)
    return told
