"""The four phases of a collection, under the names the operators know."""

from enum import StrEnum


class Leader(StrEnum):
    """Which store commits writes and serves reads."""

    DOCUMENTS = "documents"
    RELATIONAL = "relational"


class Phase(StrEnum):
    """Who leads and who follows; data, never a class of its own. In the order of a migration."""

    COSMOS_ONLY = "CosmosOnly"
    DUAL_WRITE_COSMOS_READ = "DualWriteCosmosRead"
    DUAL_WRITE_POSTGRES_READ = "DualWritePostgresRead"
    POSTGRES_ONLY = "PostgresOnly"

    @property
    def leader(self) -> Leader:
        """The store that commits writes and serves reads in this phase."""
        return _LEADERS[self]

    def is_next_to(self, other: "Phase") -> bool:
        """Tell whether one step leads from this phase to the other: no phase is ever skipped."""
        return abs(_ORDER.index(self) - _ORDER.index(other)) == 1


_ORDER = tuple(Phase)
_LEADERS = {
    Phase.COSMOS_ONLY: Leader.DOCUMENTS,
    Phase.DUAL_WRITE_COSMOS_READ: Leader.DOCUMENTS,
    Phase.DUAL_WRITE_POSTGRES_READ: Leader.RELATIONAL,
    Phase.POSTGRES_ONLY: Leader.RELATIONAL,
}
