"""Trouble on demand, for tests of clients: throttling, timeouts, lost answers."""

from typing import Any, NamedTuple

from mystira.cosmos_emulator.wire import Refusal, Request

CONNECTION_LOST = 0


class Fault(NamedTuple):
    """What happens to the next requests for items; with `applied` they are carried out and only the answer is lost."""

    times: int
    status: int
    substatus: int = 0
    retry_after_ms: int | None = None
    applied: bool = False
    methods: tuple[str, ...] = ()


class Faults:
    """The trouble that is still to come."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def order(self, asked: dict[str, Any]) -> None:
        """Take an order such as {"count": 3, "status": 429, "retryAfterMs": 100}; a count of 0 cancels all."""
        count, status = asked.get("count", 1), asked.get("status", 429)
        if not isinstance(count, int) or not isinstance(status, int) or not (400 <= status < 600 or status == 0):
            raise Refusal(400, "count must be a number, status one from 400 to 599, or 0 to lose the connection.")
        if count <= 0:
            self._waiting.clear()
            return
        self._waiting.append(
            Fault(
                count,
                status,
                int(asked.get("substatus", 3200 if status == 429 else 0)),
                asked.get("retryAfterMs", 10 if status == 429 else None),
                bool(asked.get("applied")),
                tuple(asked.get("methods", ())),
            )
        )

    def next_for(self, request: Request) -> Fault | None:
        """Return what happens to this request, and count it."""
        if "docs" not in request.segments[4:5]:
            return None
        for at, fault in enumerate(self._waiting):
            if not fault.methods or request.method in fault.methods:
                if fault.times == 1:
                    del self._waiting[at]
                else:
                    self._waiting[at] = fault._replace(times=fault.times - 1)
                return fault
        return None


def refusal(fault: Fault) -> Refusal:
    """Return what the client is told."""
    headers = {} if fault.retry_after_ms is None else {"x-ms-retry-after-ms": str(fault.retry_after_ms)}
    return Refusal(fault.status, "This was ordered by a test.", fault.substatus, headers)
