"""What one running process has: the stores, the units of work, the reactions, the readers."""

from typing import NamedTuple

from mystira.content.media.ports import MediaShelf
from mystira.polyglot.loops import Wake
from mystira.polyglot.reaction import Reactions
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import DocumentStore
from mystira.polyglot.stores.postgres.store import PostgresStore
from mystira.polyglot.work import Works
from mystira.settings import Settings
from mystira.textfiles.readers import Readers


class Platform(NamedTuple):
    """Everything that doors, commands and loops need. `reader` may only look: PostgreSQL refuses what it writes."""

    settings: Settings
    works: Works
    documents: DocumentStore
    relational: PostgresStore
    reader: PostgresStore
    reactions: Reactions
    wake: Wake
    readers: Readers
    key: bytes
    replication: Replication
    media: MediaShelf
