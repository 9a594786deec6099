"""What a process counts about itself, under stable names (docs/metrics.md); `web/metrics.py` shows it to Prometheus.

Plain numbers in plain dictionaries: an increment costs a fraction of a microsecond, and nothing has to be loaded.
They belong to the process, and are touched by its event loop only. Every value of a label comes from a small set.
"""

from bisect import bisect_left
from collections import defaultdict
from contextvars import ContextVar

Labels = tuple[str, ...]

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LAG_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)


class Counter:
    """Something that only grows, from 0 at the start of the process."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self.values: defaultdict[Labels, float] = defaultdict(float)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count one more, or `by`."""
        self.values[labels] += by


class Gauge:
    """Something that rises and falls: the last value that was set."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self.values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        """Replace the value."""
        self.values[labels] = value

    def clear(self) -> None:
        """Forget every value: what is not set again is gone."""
        self.values = {}


class Spread:
    """How long something took, counted in buckets."""

    def __init__(self, name: str, meaning: str, *labels: str, bounds_s: tuple[float, ...] = BOUNDS_S) -> None:
        self.name, self.meaning, self.labels, self.bounds_s = name, meaning, labels, bounds_s
        self.buckets: dict[Labels, list[int]] = {}
        self.sums: defaultdict[Labels, float] = defaultdict(float)

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one more that took so long."""
        counts = self.buckets.get(labels)
        if counts is None:
            counts = self.buckets[labels] = [0] * (len(self.bounds_s) + 1)
        counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sums[labels] += seconds


operation: ContextVar[str] = ContextVar("operation", default="other")
"""The store's call under way: what is charged meanwhile was charged for it."""


def spend(collection: str, units: float) -> None:
    """Count request units under the call that they were charged for."""
    REQUEST_UNITS.add(collection, operation.get(), by=units)


HTTP_REQUESTS = Spread(
    "mystira_http_request_seconds", "Requests that were answered, by route.", "method", "route", "status"
)
STORE_CALLS = Spread(
    "mystira_store_call_seconds", "Calls of a store, by what became of them.", "store", "operation", "outcome"
)
COLLECTION_CALLS = Counter(
    "mystira_collection_calls_total", "Calls of a store about one collection.", "store", "collection", "operation"
)
COLLECTION_SECONDS = Counter(
    "mystira_collection_seconds_total", "Seconds that these calls took.", "store", "collection", "operation"
)
REQUEST_UNITS = Counter(
    "mystira_request_units_total", "Request units that documents charged.", "collection", "operation"
)
MERGES = Counter(
    "mystira_merges_total", "Documents that were judged beside the relational copy.", "collection", "result"
)
STRAGGLERS = Counter(
    "mystira_stragglers_total", "Writes that came to the documents after PostgreSQL led.", "collection"
)
WRITE_CONFLICTS = Counter(
    "mystira_write_conflicts_total", "Saves that met another's write, and were made again.", "collection"
)
REFUSED_WRITES = Counter(
    "mystira_refused_writes_total", "Units of work turned away while a collection was moved.", "collection"
)
FEED_CHANGES = Counter(
    "mystira_feed_changes_total", "Changes that were read from a feed and carried on.", "collection", "stream"
)
FEED_FAILURES = Counter(
    "mystira_feed_failures_total", "Pages of a feed that failed; the range rests and goes on.", "collection", "stream"
)
RELAYED = Counter(
    "mystira_relayed_total", "Rows that the relay carried to the documents, or failed to.", "collection", "outcome"
)
EVENTS = Counter("mystira_events_total", "Events by what became of their delivery.", "outcome")
PUBLISH_LAG = Spread(
    "mystira_event_publish_lag_seconds",
    "From the moment of an event until every reaction had handled it.",
    bounds_s=LAG_BOUNDS_S,
)
CACHE_HITS = Counter("mystira_cache_hits_total", "Values that a process remembered when it was asked.", "cache")
CACHE_MISSES = Counter("mystira_cache_misses_total", "Values that had to be read and made.", "cache")
LOOP_FAILURES = Counter("mystira_loop_failures_total", "Rounds of a background loop that failed.", "loop")

LAG = Gauge(
    "mystira_replication_lag_seconds", "For how long the oldest change has waited for the other store.", "collection"
)
PENDING = Gauge("mystira_replication_pending", "Changes that wait for the other store.", "collection")
RETRIES = Gauge("mystira_replication_retries", "Changes that failed and are tried again.", "collection")
DEAD_LETTERS = Gauge("mystira_dead_letters", "Changes that wait for a person.", "collection", "kind")
PHASE = Gauge("mystira_collection_phase", "1 for the phase of a collection now.", "collection", "phase", "leader")
OVERDUE = Gauge(
    "mystira_transition_overdue_seconds", "For how long a transition has been past its deadline.", "collection"
)
HOLD = Gauge("mystira_cutover_hold_seconds", "How long the last change of leader held writers.", "collection")
MISMATCHES = Gauge(
    "mystira_verification_mismatches", "Differences that the last finished verification found.", "collection", "class"
)
VERIFIED = Gauge("mystira_verification_age_seconds", "Since when the last verification has been over.", "collection")
SHADOW_COMPARED = Gauge(
    "mystira_shadow_compared",
    "Reads of which the follower was asked as well.",
    "collection",
    "shape",
)
SHADOW_MISMATCHES = Gauge(
    "mystira_shadow_mismatches", "Of these, how many it answered differently.", "collection", "shape"
)
FEED_POSITION = Gauge(
    "mystira_feed_position",
    "Where a stream stands in a range, if that is a number.",
    "collection",
    "stream",
    "range",
)
FEED_MOVED = Gauge(
    "mystira_feed_position_age_seconds", "Since when that position has not moved.", "collection", "stream", "range"
)
OUTBOX = Gauge("mystira_outbox_events", "Events in the outbox: waiting, retrying, parked.", "state")
OUTBOX_AGE = Gauge("mystira_outbox_oldest_seconds", "For how long the oldest waiting event has waited.")
STORE_UP = Gauge("mystira_store_up", "1 if the store answered when it was last asked, else 0.", "store")
SAMPLED = Gauge("mystira_sampled_timestamp_seconds", "When the worker last looked at what waits.")

ALL: tuple[Counter | Gauge | Spread, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Counter | Gauge | Spread)
)
