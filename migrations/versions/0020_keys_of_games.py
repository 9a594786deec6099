"""What a program asked for with its own key when it began a game."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("""
ALTER TABLE "play_claims" ADD COLUMN "asked" text COLLATE "C" DEFAULT ''
    """)


def downgrade() -> None:
    op.execute("""
ALTER TABLE "play_claims" DROP COLUMN "asked"
    """)
