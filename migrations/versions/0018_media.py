"""Media: what was uploaded, what shows it, and what is noted of it."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute("""
CREATE TABLE "media_assets" (
    "id" text COLLATE "C" NOT NULL,
    "media_type" text COLLATE "C" NOT NULL,
    "title" text COLLATE "C",
    "description" text COLLATE "C",
    "alt_text" text COLLATE "C",
    "tags" jsonb,
    "age_rating" text COLLATE "C",
    "is_open" boolean,
    "hash" text COLLATE "C",
    "thumbnail" text COLLATE "C",
    "content_type" text COLLATE "C",
    "bytes" bigint,
    "width" bigint,
    "height" bigint,
    "duration_ms" bigint,
    "home" text COLLATE "C",
    "last_access_day" text COLLATE "C",
    "edition" bigint,
    "added_at" timestamptz,
    "changed_at" timestamptz,
    "deleted_at" timestamptz,
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
    PRIMARY KEY ("media_type", "id")
)
    """)
    op.execute("""
CREATE INDEX "media_assets_by_leaf" ON "media_assets" (_leaf)
    """)
    op.execute("""
CREATE INDEX "media_assets_by_home_last_access_day" ON "media_assets" ("home" ASC NULLS FIRST, "last_access_day" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "media_assets_by_hash" ON "media_assets" ("hash" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "media_assets_by_thumbnail" ON "media_assets" ("thumbnail" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "media_assets_by_added_at" ON "media_assets" ("added_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "media_assets_by_title" ON "media_assets" ("title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "media_assets_by_bytes" ON "media_assets" ("bytes" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "media_assets" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('MediaAssets')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "media_assets" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('MediaAssets')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "media_assets" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('MediaAssets')
    """)
    op.execute("""
CREATE TABLE "media_uses" (
    "id" text COLLATE "C" NOT NULL,
    "what" text COLLATE "C",
    "content_id" text COLLATE "C",
    "title" text COLLATE "C",
    "media_ids" jsonb,
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
CREATE INDEX "media_uses_by_leaf" ON "media_uses" (_leaf)
    """)
    op.execute("""
CREATE INDEX "media_uses_by_what_content_id" ON "media_uses" ("what" ASC NULLS FIRST, "content_id" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "media_uses" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('MediaUses')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "media_uses" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('MediaUses')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "media_uses" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('MediaUses')
    """)
    op.execute("""
CREATE TABLE "media_metadata_files" (
    "id" text COLLATE "C" NOT NULL,
    "entries" jsonb,
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
CREATE INDEX "media_metadata_files_by_leaf" ON "media_metadata_files" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "media_metadata_files" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('MediaMetadataFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "media_metadata_files" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('MediaMetadataFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "media_metadata_files" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('MediaMetadataFiles')
    """)
    op.execute("""
CREATE TABLE "character_media_metadata_files" (
    "id" text COLLATE "C" NOT NULL,
    "entries" jsonb,
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
CREATE INDEX "character_media_metadata_files_by_leaf" ON "character_media_metadata_files" (_leaf)
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "character_media_metadata_files" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('CharacterMediaMetadataFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "character_media_metadata_files" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('CharacterMediaMetadataFiles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "character_media_metadata_files" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('CharacterMediaMetadataFiles')
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "character_media_metadata_files"
    """)
    op.execute("""
DROP TABLE "media_metadata_files"
    """)
    op.execute("""
DROP TABLE "media_uses"
    """)
    op.execute("""
DROP TABLE "media_assets"
    """)
