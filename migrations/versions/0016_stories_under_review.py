"""Stories under review, and imports with what became of each of their files."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("""
ALTER TABLE "scenarios" ADD COLUMN "revision" text COLLATE "C" DEFAULT 'none'
    """)
    op.execute("""
CREATE INDEX "scenarios_by_revision_title" ON "scenarios" ("revision" ASC NULLS FIRST, "title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "scenarios_by_state_changed_at" ON "scenarios" ("state" ASC NULLS FIRST, "changed_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "scenarios_by_title" ON "scenarios" ("title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "scenarios_by_changed_at" ON "scenarios" ("changed_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "imports" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "file_hash" text COLLATE "C",
    "file_bytes" bigint,
    "publish" boolean,
    "add_vocabulary" boolean,
    "by" text COLLATE "C",
    "why" text COLLATE "C",
    "state" text COLLATE "C",
    "asked_at" timestamptz,
    "started_at" timestamptz,
    "ended_at" timestamptz,
    "worker" text COLLATE "C",
    "leased_until" timestamptz,
    "tries" bigint,
    "total" bigint,
    "done" bigint,
    "imported" bigint,
    "refused" bigint,
    "errors" bigint,
    "warnings" bigint,
    "bundle_id" text COLLATE "C",
    "outcome" text COLLATE "C",
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
CREATE INDEX "imports_by_leaf" ON "imports" (_leaf)
    """)
    op.execute("""
CREATE INDEX "imports_by_state_asked_at" ON "imports" ("state" ASC NULLS FIRST, "asked_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "imports_by_asked_at" ON "imports" ("asked_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "imports" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Imports')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "imports" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('Imports')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "imports" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Imports')
    """)
    op.execute("""
CREATE TABLE "imported_files" (
    "id" text COLLATE "C" NOT NULL,
    "import_id" text COLLATE "C" NOT NULL,
    "number" bigint,
    "name" text COLLATE "C",
    "kind" text COLLATE "C",
    "outcome" text COLLATE "C",
    "scenario_id" text COLLATE "C",
    "version" bigint,
    "errors" bigint,
    "warnings" bigint,
    "findings" jsonb,
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
    PRIMARY KEY ("import_id", "id")
)
    """)
    op.execute("""
CREATE INDEX "imported_files_by_leaf" ON "imported_files" (_leaf)
    """)
    op.execute("""
CREATE INDEX "imported_files_by_import_id_number" ON "imported_files" ("import_id" ASC NULLS FIRST, "number" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "imported_files_by_import_id_outcome_number" ON "imported_files" ("import_id" ASC NULLS FIRST, "outcome" ASC NULLS FIRST, "number" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "imported_files" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('ImportedFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "imported_files" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('ImportedFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "imported_files" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('ImportedFiles')
    """)
    op.execute("""
CREATE INDEX "game_sessions_by_scenario_id" ON "game_sessions" ("scenario_id" ASC NULLS FIRST) WHERE NOT _deleted
    """)


def downgrade() -> None:
    op.execute("""
DROP INDEX "game_sessions_by_scenario_id"
    """)
    op.execute("""
DROP TABLE "imported_files"
    """)
    op.execute("""
DROP TABLE "imports"
    """)
    op.execute("""
DROP INDEX "scenarios_by_changed_at"
    """)
    op.execute("""
DROP INDEX "scenarios_by_title"
    """)
    op.execute("""
DROP INDEX "scenarios_by_state_changed_at"
    """)
    op.execute("""
DROP INDEX "scenarios_by_revision_title"
    """)
    op.execute("""
ALTER TABLE "scenarios" DROP COLUMN "revision"
    """)
