"""An import from asking to its outcome, and what became of each of its files."""

from datetime import datetime, timedelta
from typing import Literal

from mystira.content.bundles.manifests.model import NAMES
from mystira.content.scenarios.model.findings import Finding
from mystira.polyglot.entity import Entity, Value

LEASE = timedelta(seconds=30)
TRIES_MAX = 5

ImportState = Literal["waiting", "running", "done", "failed"]
UNDER_WAY: tuple[ImportState, ...] = ("waiting", "running")
FileKind = Literal["manifest", "story", "media", "other"]
MEDIA_ENDINGS = ("png", "jpg", "jpeg", "webp", "gif", "mp3", "ogg", "wav", "m4a", "mp4", "webm")
Outcome = Literal["imported", "unchanged", "refused", "left out"]


class Import(Entity, frozen=True, kw_only=True):
    """One file or archive to import: who asked for it and how, how far it is, what came of it.

    `worker` carries it out until `leased_until`; after that another one goes on behind the last file that is done.
    """

    name: str
    file_hash: str
    file_bytes: int
    publish: bool = False
    add_vocabulary: bool = False
    by: str
    why: str = ""
    state: ImportState = "waiting"
    asked_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: str = ""
    leased_until: datetime | None = None
    tries: int = 0
    total: int = 0
    done: int = 0
    imported: int = 0
    refused: int = 0
    errors: int = 0
    warnings: int = 0
    bundle_id: str | None = None
    outcome: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it has an outcome."""
        return self.state not in UNDER_WAY

    def is_due(self, now: datetime) -> bool:
        """Whether a worker should begin it, or go on with it."""
        if self.state == "waiting":
            return True
        return self.state == "running" and (self.leased_until is None or self.leased_until <= now)

    def taken_up(self, worker: str, now: datetime) -> "Import":
        """Return it as this worker carries it out; one whose workers keep dying is given up."""
        if self.tries >= TRIES_MAX:
            return self.ended("failed", f"{self.tries} workers ended in the middle of it. Split the archive.", now)
        started = self.started_at or now
        return self.evolve(
            state="running", worker=worker, leased_until=now + LEASE, started_at=started, tries=self.tries + 1
        )

    def ended(self, state: ImportState, outcome: str, now: datetime) -> "Import":
        """Return it with its outcome."""
        return self.evolve(state=state, outcome=outcome, ended_at=now, leased_until=None)


class ImportedFile(Entity, frozen=True, kw_only=True):
    """What became of one file of an import, with everything found in it."""

    import_id: str
    number: int
    name: str
    kind: FileKind
    outcome: Outcome
    scenario_id: str | None = None
    version: int = 0
    errors: int = 0
    warnings: int = 0
    findings: tuple[Finding, ...] = ()


def file_id(import_id: str, number: int) -> str:
    """Return the one id that this file's record can have."""
    return f"{import_id}|{number}"


class Tally(Value, frozen=True, kw_only=True):
    """How much of an import is done."""

    done: int = 0
    imported: int = 0
    refused: int = 0
    errors: int = 0
    warnings: int = 0

    def plus(self, file: ImportedFile) -> "Tally":
        """Return the tally with one file more."""
        return Tally(
            done=self.done + 1,
            imported=self.imported + (file.outcome in ("imported", "unchanged")),
            refused=self.refused + (file.outcome == "refused"),
            errors=self.errors + file.errors,
            warnings=self.warnings + file.warnings,
        )


def kind_of(name: str) -> FileKind:
    """Return what a file of an archive is, by its name alone."""
    folders, _, last = name.rpartition("/")
    ending = last.rpartition(".")[2].lower()
    if last.lower() in NAMES and folders.count("/") == 0 and folders.lower() != "scenarios":
        return "manifest"
    if "media" in folders.split("/"):
        return "media"
    return "story" if ending in ("yaml", "yml", "json") else "media" if ending in MEDIA_ENDINGS else "other"
