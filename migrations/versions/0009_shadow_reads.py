"""Shadow reads: which share of a collection's reads the follower is asked for as well."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("ALTER TABLE polyglot.control ADD COLUMN shadow double precision NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE polyglot.control DROP COLUMN shadow")
