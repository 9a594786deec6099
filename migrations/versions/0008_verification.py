"""Verification: what each run over a collection has found, difference by difference."""

from alembic import op

revision = "0008"
down_revision = "0007"

UP = (
    """
CREATE TABLE polyglot.verification (
    run_id text COLLATE "C" PRIMARY KEY,
    collection text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    leader text NOT NULL,
    actor text NOT NULL,
    why text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    seen bigint NOT NULL,
    healed bigint NOT NULL,
    digests_corrected bigint NOT NULL,
    counts jsonb NOT NULL,
    progress jsonb NOT NULL
)
    """,
    """
CREATE INDEX verification_by_collection ON polyglot.verification (collection, started_at, run_id)
    """,
    # The fields are text and not JSON, because they show what JSON columns cannot keep.
    """
CREATE TABLE polyglot.verification_difference (
    run_id text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    leader_stamp bigint,
    follower_stamp bigint,
    fields text NOT NULL,
    PRIMARY KEY (run_id, partition, id)
)
    """,
    """
CREATE INDEX verification_difference_by_kind ON polyglot.verification_difference (run_id, kind, partition, id)
    """,
)

DOWN = (
    "DROP TABLE polyglot.verification_difference",
    "DROP TABLE polyglot.verification",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
