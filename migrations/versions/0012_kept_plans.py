"""A report keeps the plan for its repair, so that what is confirmed is what was shown."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("ALTER TABLE polyglot.verification ADD COLUMN plan text")


def downgrade() -> None:
    op.execute("ALTER TABLE polyglot.verification DROP COLUMN plan")
