"""Where the samples are kept: one record a collection."""

from mystira.operations.migration.model import LagHistory
from mystira.polyglot.collection import Collection
from mystira.polyglot.phases import Phase

LAG_HISTORIES = Collection(LagHistory, container="LagHistories", table="lag_histories", phase=Phase.POSTGRES_ONLY)

COLLECTIONS = (LAG_HISTORIES,)
