"""What shadow reads have shown, told by each process, so that a change of leader can ask for it."""

from alembic import op

revision = "0010"
down_revision = "0009"

UP = """
CREATE TABLE polyglot.shadow_report (
    collection text COLLATE "C" NOT NULL,
    process text COLLATE "C" NOT NULL,
    compared bigint NOT NULL,
    mismatches bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (collection, process)
)
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE polyglot.shadow_report")
