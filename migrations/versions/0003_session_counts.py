"""Session counts."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
CREATE TABLE "story_counts" (
    "id" text COLLATE "C" NOT NULL,
    "completed" bigint,
    "seconds_played" bigint,
    "_stamp" bigint NOT NULL,
    "_parent" bigint NOT NULL,
    "_op" text NOT NULL,
    "_ops" text[] NOT NULL,
    "_writer" text NOT NULL,
    "_deleted" boolean NOT NULL,
    "_schema" integer NOT NULL,
    "_handled" text[] NOT NULL,
    "_event_seq" bigint NOT NULL,
    "_extra" jsonb NOT NULL,
    PRIMARY KEY ("id")
)
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "story_counts"
    """)
