"""Media that something published shows, apart from those that people opened."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("""
ALTER TABLE "media_assets" ADD COLUMN "is_shown" boolean
    """)


def downgrade() -> None:
    op.execute("""
ALTER TABLE "media_assets" DROP COLUMN "is_shown"
    """)
