"""Purging: since when each tombstone is known, and the seq up to which what is absent stays absent."""

from alembic import op

revision = "0005"
down_revision = "0004"

UP = (
    "ALTER TABLE polyglot.control ADD COLUMN purged bigint NOT NULL DEFAULT 0",
    # Tombstones carry no time, because stamps never come from a clock; what is seen again and again grows old here.
    """
CREATE TABLE polyglot.tombstones (
    collection text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    stamp bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    PRIMARY KEY (collection, partition, id)
)
    """,
)

DOWN = (
    "DROP TABLE polyglot.tombstones",
    "ALTER TABLE polyglot.control DROP COLUMN purged",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
