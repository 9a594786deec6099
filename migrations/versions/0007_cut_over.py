"""Cut-over: who has heard of a drain, and what a transition leaves behind as its certificate."""

from alembic import op

revision = "0007"
down_revision = "0006"

UP = (
    """
CREATE TABLE polyglot.acknowledgement (
    collection text COLLATE "C" NOT NULL,
    writer text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    refused bigint NOT NULL,
    PRIMARY KEY (collection, writer)
)
    """,
    "ALTER TABLE polyglot.control_history ADD COLUMN details jsonb NOT NULL DEFAULT '{}'",
)

DOWN = (
    "ALTER TABLE polyglot.control_history DROP COLUMN details",
    "DROP TABLE polyglot.acknowledgement",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
