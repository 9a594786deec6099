"""Bundles and what families bought, and what the library searches stories by."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("""
ALTER TABLE "scenarios" ADD COLUMN "session_length" text COLLATE "C"
    """)
    op.execute("""
ALTER TABLE "scenarios" ADD COLUMN "core_axes" jsonb
    """)
    op.execute("""
ALTER TABLE "scenarios" ADD COLUMN "words" text COLLATE "C"
    """)
    op.execute("""
CREATE TABLE "content_bundles" (
    "id" text COLLATE "C" NOT NULL,
    "title" text COLLATE "C",
    "description" text COLLATE "C",
    "image" text COLLATE "C",
    "scenario_ids" jsonb,
    "age_group" text COLLATE "C",
    "price" jsonb,
    "state" text COLLATE "C",
    "changed_at" timestamptz,
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
CREATE INDEX "content_bundles_by_leaf" ON "content_bundles" (_leaf)
    """)
    op.execute("""
CREATE INDEX "content_bundles_by_title" ON "content_bundles" ("title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "content_bundles_by_state_title" ON "content_bundles" ("state" ASC NULLS FIRST, "title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "content_bundles_by_changed_at" ON "content_bundles" ("changed_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "content_bundles" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('ContentBundles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "content_bundles" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('ContentBundles')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "content_bundles" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('ContentBundles')
    """)
    op.execute("""
CREATE TABLE "purchases" (
    "id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C" NOT NULL,
    "bundle_id" text COLLATE "C",
    "title" text COLLATE "C",
    "scenario_ids" jsonb,
    "amount_minor" bigint,
    "currency" text COLLATE "C",
    "gateway" text COLLATE "C",
    "state" text COLLATE "C",
    "payment_ref" text COLLATE "C",
    "ordered_at" timestamptz,
    "expires_at" timestamptz,
    "paid_at" timestamptz,
    "refund_asked_at" timestamptz,
    "refunded_at" timestamptz,
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
    PRIMARY KEY ("account_id", "id")
)
    """)
    op.execute("""
CREATE INDEX "purchases_by_leaf" ON "purchases" (_leaf)
    """)
    op.execute("""
CREATE INDEX "purchases_by_account_id_ordered_at" ON "purchases" ("account_id" ASC NULLS FIRST, "ordered_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "purchases_by_state_ordered_at" ON "purchases" ("state" ASC NULLS FIRST, "ordered_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "purchases_by_ordered_at" ON "purchases" ("ordered_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "purchases_by_bundle_id" ON "purchases" ("bundle_id" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TRIGGER digest_after_insert AFTER INSERT ON "purchases" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Purchases')
    """)
    op.execute("""
CREATE TRIGGER digest_after_update AFTER UPDATE ON "purchases" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('Purchases')
    """)
    op.execute("""
CREATE TRIGGER digest_after_delete AFTER DELETE ON "purchases" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Purchases')
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "purchases"
    """)
    op.execute("""
DROP TABLE "content_bundles"
    """)
    op.execute("""
ALTER TABLE "scenarios" DROP COLUMN "words"
    """)
    op.execute("""
ALTER TABLE "scenarios" DROP COLUMN "core_axes"
    """)
    op.execute("""
ALTER TABLE "scenarios" DROP COLUMN "session_length"
    """)
