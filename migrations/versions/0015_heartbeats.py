"""Which processes are alive and what they are busy with, and what stores were used for, hour by hour."""

from alembic import op

revision = "0015"
down_revision = "0014"

UP = (
    """
CREATE TABLE polyglot.heartbeat (
    process text COLLATE "C" PRIMARY KEY,
    services text[] NOT NULL,
    started_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    facts jsonb NOT NULL
)
    """,
    """
CREATE TABLE polyglot.usage (
    hour timestamptz NOT NULL,
    store text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    calls double precision NOT NULL,
    seconds double precision NOT NULL,
    units double precision NOT NULL,
    PRIMARY KEY (hour, store, collection, operation)
)
    """,
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE polyglot.heartbeat, polyglot.usage")
