"""What the fork server does once, so that none of its children has to: it writes the statements of every table."""

import gc

from mystira.polyglot.stores.postgres.copying import copies_of
from mystira.polyglot.stores.postgres.fenced import fenced_of
from mystira.polyglot.stores.postgres.looking import looks_of
from mystira.polyglot.stores.postgres.rows import rows_of
from mystira.services import COLLECTIONS

for rows in map(rows_of, COLLECTIONS):
    for statements_of in (copies_of, fenced_of, looks_of):
        statements_of(rows)
# What lives for good is looked through by no child's collector, so its memory stays shared.
gc.collect()
gc.freeze()
