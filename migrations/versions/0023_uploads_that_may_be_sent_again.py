"""Uploads that may be sent again."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("""
CREATE TABLE "uploads" (
    "id" text COLLATE "C" NOT NULL,
    "by" text COLLATE "C",
    "asked" text COLLATE "C",
    "asked_at" timestamptz,
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
CREATE INDEX "uploads_by_leaf" ON "uploads" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "uploads" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Uploads')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "uploads" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('Uploads')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "uploads" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Uploads')
    """)
    op.execute("""
CREATE TABLE "uploaded_files" (
    "id" text COLLATE "C" NOT NULL,
    "upload_id" text COLLATE "C" NOT NULL,
    "outcome" jsonb,
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
    PRIMARY KEY ("upload_id", "id")
)
    """)
    op.execute("""
CREATE INDEX "uploaded_files_by_leaf" ON "uploaded_files" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "uploaded_files" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('UploadedFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "uploaded_files" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('UploadedFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "uploaded_files" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('UploadedFiles')
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "uploaded_files"
    """)
    op.execute("""
DROP TABLE "uploads"
    """)
