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

    def __init__(self, name: str) -> None:
        # The store that commits writes and serves reads in this phase is named in it.
        self.leader = Leader.DOCUMENTS if "Cosmos" in name else Leader.RELATIONAL

    def is_next_to(self, other: "Phase") -> bool:
        """Tell whether one step leads from this phase to the other: no phase is ever skipped."""
        return abs(_ORDER.index(self) - _ORDER.index(other)) == 1


_ORDER = tuple(Phase)
