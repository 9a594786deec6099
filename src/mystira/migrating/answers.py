"""What each command answers with `--json`: stable shapes, told by the schemas in docs/schemas."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from mystira.doctor.findings import Diagnosis
from mystira.migrating.journey import Step
from mystira.operations.admins.views import AdminShown
from mystira.polyglot import backfill, cutover
from mystira.polyglot.adopt.inspecting import Inspection
from mystira.polyglot.archivefiles import Manifest
from mystira.polyglot.backups.manifest import BroughtBack, Taken
from mystira.polyglot.certificate import Certificate, Gate
from mystira.polyglot.control import Change, State
from mystira.polyglot.differences import Difference, DifferenceClass
from mystira.polyglot.journal import LetterKind
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.repair import Outcome
from mystira.polyglot.repair_plan import Plan as RepairPlan
from mystira.polyglot.reports import Comparison, RunKind
from mystira.polyglot.store import Key
from mystira.polyglot.stores.cosmos.policy import Finding
from mystira.settings import Setting


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a command was refused; `gates` are those that were looked at."""

    code: str
    kind: str
    message: str
    gates: tuple[Gate, ...] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What every command prints with --json when it was refused or has failed."""

    problem: Refusal


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One verification. `counts` are differences by class; `differences` is their sum without what only lags."""

    id: str
    collection: str
    kind: RunKind
    leader: str
    actor: str
    why: str
    started_at: datetime
    finished_at: datetime | None
    seen: int
    healed: int
    digests_corrected: int
    counts: Mapping[DifferenceClass, int]
    differences: int


class ShadowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The share of reads that the follower is asked for as well, and what that showed in the last 24 hours."""

    rate: float
    compared: int
    mismatches: int


class CollectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where one collection stands.

    `copy` is none, filling or whole. `pending` changes wait to be carried over, the oldest for `behind_s` seconds (an
    estimate); `pending_at_least` says that there are more than were counted.
    """

    collection: str
    phase: Phase
    leader: Leader
    state: State
    target: Phase | None
    coordinator: str
    deadline: datetime | None
    n: int
    epoch: int
    copy: str
    pending: int
    pending_at_least: bool
    behind_s: float
    retrying: int
    dead: int
    shadow: ShadowCounts
    backfill: backfill.Progress | None
    verification: Run | None
    certificates: int
    certified_at: datetime | None
    next: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where every collection stands at one moment."""

    at: datetime
    collections: tuple[CollectionStatus, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The way to a phase; `filling` or `move` tell what the first step would do now, whichever it is."""

    collection: str
    phase: Phase
    target: Phase
    steps: tuple[Step, ...]
    filling: backfill.Plan | None = None
    move: cutover.Plan | None = None


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """Differences of one run, in the order of their keys. `more`: there are others after these."""

    run: Run
    differences: tuple[Difference, ...]
    more: bool


class NotRepaired(msgspec.Struct, frozen=True, kw_only=True):
    """One key that a repair did not mend, and why."""

    key: Key
    outcome: Outcome
    why: str


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair came to: how many keys of each outcome."""

    collection: str
    report: str
    counts: Mapping[Outcome, int]
    not_repaired: tuple[NotRepaired, ...]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter. Without `next_try_at` nobody tries it by itself. Payloads are shown by `show` only."""

    collection: str
    partition: str
    id: str
    kind: LetterKind
    stamp: int
    op: str
    error: str
    attempts: int
    next_try_at: datetime | None
    created_at: datetime | None
    payload: dict[str, Any] | None = None
    rival: dict[str, Any] | None = None


class Letters(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters, the oldest first. `more`: there are others after these."""

    letters: tuple[Letter, ...]
    more: bool


class LettersDone(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the chosen letters were replayed into place, parked or discarded."""

    collection: str
    verb: str
    done: int
    chosen: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a collection, the newest first."""

    collection: str
    changes: tuple[Change, ...]


class Certificates(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates of a collection, the oldest first (docs/certificates.md)."""

    certificates: tuple[Certificate, ...]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a file of certificates. `chained`: each names the seal of the one before it."""

    file: str
    genuine: int
    chained: bool
    collections: tuple[str, ...]
    last_seal: str


class RestoredArchive(msgspec.Struct, frozen=True, kw_only=True):
    """How many documents or rows were made again from an archive."""

    collection: str
    folder: str
    made: int


ANSWERS: dict[str, Any] = {
    "status": Status,
    "collection-status": CollectionStatus,
    "plan": Plan,
    "move-plan": cutover.Plan,
    "certificate": Certificate,
    "verify": Run,
    "diff": Differences,
    "comparison": Comparison,
    "repair-plan": RepairPlan,
    "repair": Repaired,
    "dead-letters": Letters,
    "dead-letters-done": LettersDone,
    "history": History,
    "certificates": Certificates,
    "verify-certificate": Checked,
    "complete": Manifest,
    "restore-archive": RestoredArchive,
    "refused": Refused,
    "doctor": Diagnosis,
    "backup": Taken,
    "restore": BroughtBack,
    "admin": AdminShown,
    "admins": list[AdminShown],
    "settings": list[Setting],
    "cosmos-provision": list[Finding],
    "cosmos-inspect": list[Inspection],
}
"""Every shape by the name of its schema."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of an answer."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(ANSWERS[name])
