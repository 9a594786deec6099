"""Where everything that running the platform needs is kept: relational from the start."""

from mystira.operations.admins import storage as admins
from mystira.operations.migration import storage as migration
from mystira.operations.model import Command
from mystira.polyglot.collection import Collection
from mystira.polyglot.phases import Phase

COMMANDS = Collection(
    Command,
    container="Commands",
    table="commands",
    phase=Phase.POSTGRES_ONLY,
    indexes=(("state", "id"), ("collection", "id")),
)

COLLECTIONS = (COMMANDS, *admins.COLLECTIONS, *migration.COLLECTIONS)
