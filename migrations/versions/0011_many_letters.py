"""Dead letters by the hundred thousand: each page starts where the one before ended, and what is due is found at once."""

from alembic import op

revision = "0011"
down_revision = "0010"

UP = (
    "CREATE INDEX dead_letters_in_order ON polyglot.dead_letters (created_at, collection, partition, id, kind, stamp)",
    "DROP INDEX polyglot.dead_letters_by_age",
    "CREATE INDEX dead_letters_due ON polyglot.dead_letters (next_try_at) WHERE next_try_at IS NOT NULL",
)

DOWN = (
    "DROP INDEX polyglot.dead_letters_due",
    "CREATE INDEX dead_letters_by_age ON polyglot.dead_letters (created_at)",
    "DROP INDEX polyglot.dead_letters_in_order",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
