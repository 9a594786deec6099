"""Facts on their way: from an event in code to what is stored beside its record, and back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.entity import Event
from mystira.polyglot.fields import time_text
from mystira.polyglot.store import StoredEvent

_ABOUT = ("event_id", "occurred_at", "correlation_id")


def store_event(event: Event, *, seq: int, event_id: str, occurred_at: datetime, correlation_id: str) -> StoredEvent:
    """Return the event as it is kept with its record, its identity filled in."""
    body = msgspec.to_builtins(event, builtin_types=(datetime,))
    for name in _ABOUT:
        del body[name]
    body = {name: time_text(value) if isinstance(value, datetime) else value for name, value in body.items()}
    return StoredEvent(
        seq=seq,
        event_id=event.event_id or event_id,
        type=type(event).__name__,
        occurred_at=event.occurred_at or occurred_at,
        correlation_id=event.correlation_id or correlation_id,
        body=body,
    )


class EventTypes:
    """The events that this process knows by name. Fields it does not know yet are ignored: events only grow."""

    def __init__(self, types: Iterable[type[Event]]) -> None:
        self._types = {event.__name__: event for event in types}

    def load(self, stored: "StoredEvent | Any") -> Event | None:
        """Return the event, or None when nobody here knows its type."""
        known = self._types.get(stored.type)
        if known is None:
            return None
        about = {
            "event_id": stored.event_id,
            "occurred_at": stored.occurred_at,
            "correlation_id": stored.correlation_id,
        }
        return msgspec.convert({**stored.body, **about}, known)
