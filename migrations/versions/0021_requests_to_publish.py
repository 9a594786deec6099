"""Requests to publish."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("""
CREATE TABLE "publish_requests" (
    "id" text COLLATE "C" NOT NULL,
    "by" text COLLATE "C",
    "scenario_id" text COLLATE "C",
    "why" text COLLATE "C",
    "asked_at" timestamptz,
    "version" bigint,
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
    "_leaf" integer,
    "_digest" bigint,
    "_doc_seen" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "publish_requests_by_leaf" ON "publish_requests" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "publish_requests" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('PublishRequests')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "publish_requests" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('PublishRequests')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "publish_requests" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('PublishRequests')
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "publish_requests"
    """)
