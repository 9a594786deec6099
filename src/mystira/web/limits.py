"""How often anyone may do something: token buckets, kept in this process, in bounded memory."""

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from mystira.polyglot.problem import Kind, Problem

BUCKETS_MAX = 50_000


class Limit(NamedTuple):
    """So many times at once, and as many again within the window; `most` 0 means any number."""

    name: str
    most: int
    window_s: float


class Limits(NamedTuple):
    """What this application allows each client, each address that signs in, and each name whose password is tried."""

    writes: Limit = Limit("writes", 0, 60)
    sign_ins: Limit = Limit("sign-ins", 0, 900)
    links: Limit = Limit("links", 0, 900)
    passwords: Limit = Limit("passwords", 0, 900)


class TooOften(Problem):
    """That was very often in a short time. Please wait {wait}, then try again."""

    kind = Kind.TOO_MANY


# The port: takes one token for `key` and returns 0, or the seconds until there is one. Buckets are the way inside
# one process; what many processes share answers the same call.
Take = Callable[[Limit, str], Awaitable[float]]


class Buckets:
    """Token buckets by limit and key. The ones unused for longest go first; a full bucket is as good as none."""

    def __init__(self, clock: Callable[[], float], most: int = BUCKETS_MAX) -> None:
        """`clock` tells seconds that never run backward."""
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    async def take(self, limit: Limit, key: str) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        now, at = self._clock(), (limit.name, key)
        tokens, since = self._buckets.pop(at, (float(limit.most), now))
        refill_per_s = limit.most / limit.window_s
        tokens = min(float(limit.most), tokens + max(0.0, now - since) * refill_per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / refill_per_s
        self._buckets[at] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        """Return how many buckets are kept."""
        return len(self._buckets)


async def refuse_too_often(connection: Any, limit: Limit, key: str | None = None) -> None:
    """Count one use, by the client unless a key is given; TooOften says how long to wait."""
    if limit.most == 0:
        return
    wait_s = await connection.app.state.take(limit, key if key is not None else client_key(connection))
    if wait_s > 0:
        seconds = max(1, math.ceil(wait_s))
        raise TooOften(wait=_waiting(seconds), retry_after_s=seconds)


def client_key(connection: Any) -> str:
    """Return what one client is known by: its address, or the network that one household's IPv6 addresses share."""
    client = connection.scope.get("client")
    host = client[0] if client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def _waiting(seconds: int) -> str:
    if seconds == 1:
        return "a second"
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"
