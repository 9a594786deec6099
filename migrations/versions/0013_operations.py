"""Running the platform: its people, what they ask for, the samples of lag; and a role that may only look."""

from alembic import op

revision = "0013"
down_revision = "0012"

UP = (
    """
CREATE TABLE "commands" (
    "id" text COLLATE "C" NOT NULL,
    "verb" text COLLATE "C",
    "collection" text COLLATE "C",
    "arguments" jsonb,
    "who" text COLLATE "C",
    "why" text COLLATE "C",
    "state" text COLLATE "C",
    "asked_at" timestamptz,
    "started_at" timestamptz,
    "ended_at" timestamptz,
    "worker" text COLLATE "C",
    "leased_until" timestamptz,
    "tries" bigint,
    "done" bigint,
    "total" bigint,
    "doing" text COLLATE "C",
    "outcome" text COLLATE "C",
    "facts" jsonb,
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
    """,
    """
CREATE INDEX "commands_by_leaf" ON "commands" (_leaf)
    """,
    """
CREATE INDEX "commands_by_state_id" ON "commands" ("state" ASC NULLS FIRST, "id" ASC NULLS FIRST) WHERE NOT _deleted
    """,
    """
CREATE INDEX "commands_by_collection_id" ON "commands" ("collection" ASC NULLS FIRST, "id" ASC NULLS FIRST) WHERE NOT _deleted
    """,
    """
CREATE TRIGGER digest_after_insert AFTER INSERT ON "commands" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Commands')
    """,
    """
CREATE TRIGGER digest_after_update AFTER UPDATE ON "commands" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('Commands')
    """,
    """
CREATE TRIGGER digest_after_delete AFTER DELETE ON "commands" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Commands')
    """,
    """
CREATE TABLE "admins" (
    "id" text COLLATE "C" NOT NULL,
    "password_hash" text COLLATE "C",
    "role" text COLLATE "C",
    "created_at" timestamptz,
    "changed_at" timestamptz,
    "disabled_at" timestamptz,
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
    """,
    """
CREATE INDEX "admins_by_leaf" ON "admins" (_leaf)
    """,
    """
CREATE TRIGGER digest_after_insert AFTER INSERT ON "admins" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Admins')
    """,
    """
CREATE TRIGGER digest_after_update AFTER UPDATE ON "admins" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('Admins')
    """,
    """
CREATE TRIGGER digest_after_delete AFTER DELETE ON "admins" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('Admins')
    """,
    """
CREATE TABLE "admin_sessions" (
    "id" text COLLATE "C" NOT NULL,
    "admin_id" text COLLATE "C",
    "created_at" timestamptz,
    "expires_at" timestamptz,
    "revoked_at" timestamptz,
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
    """,
    """
CREATE INDEX "admin_sessions_by_leaf" ON "admin_sessions" (_leaf)
    """,
    """
CREATE INDEX "admin_sessions_by_admin_id" ON "admin_sessions" ("admin_id" ASC NULLS FIRST) WHERE NOT _deleted
    """,
    """
CREATE TRIGGER digest_after_insert AFTER INSERT ON "admin_sessions" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('AdminSessions')
    """,
    """
CREATE TRIGGER digest_after_update AFTER UPDATE ON "admin_sessions" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('AdminSessions')
    """,
    """
CREATE TRIGGER digest_after_delete AFTER DELETE ON "admin_sessions" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('AdminSessions')
    """,
    """
CREATE TABLE "lag_histories" (
    "id" text COLLATE "C" NOT NULL,
    "points" jsonb,
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
    """,
    """
CREATE INDEX "lag_histories_by_leaf" ON "lag_histories" (_leaf)
    """,
    """
CREATE TRIGGER digest_after_insert AFTER INSERT ON "lag_histories" FOR EACH ROW WHEN (NEW._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('LagHistories')
    """,
    """
CREATE TRIGGER digest_after_update AFTER UPDATE ON "lag_histories" FOR EACH ROW WHEN (OLD._digest IS DISTINCT FROM NEW._digest) EXECUTE FUNCTION polyglot.digest_changed('LagHistories')
    """,
    """
CREATE TRIGGER digest_after_delete AFTER DELETE ON "lag_histories" FOR EACH ROW WHEN (OLD._digest IS NOT NULL) EXECUTE FUNCTION polyglot.digest_changed('LagHistories')
    """,
)

# Roles belong to the whole server, so another database of it may have made this one, and may still need it later. An
# owner who may make no roles is told by the admin service what to ask for.
GRANTS = """
DO $$
BEGIN
    BEGIN
        CREATE ROLE mystira_reader NOLOGIN;
    EXCEPTION
        WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'mystira_reader') THEN
        BEGIN
            GRANT mystira_reader TO CURRENT_USER;
        EXCEPTION
            WHEN insufficient_privilege THEN NULL;
        END;
        GRANT USAGE ON SCHEMA public, polyglot TO mystira_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA public, polyglot TO mystira_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public, polyglot GRANT SELECT ON TABLES TO mystira_reader;
        -- Who looks at families has no need of what opens doors.
        REVOKE SELECT ON admins, admin_sessions, browser_sessions, pending_signups FROM mystira_reader;
    END IF;
END
$$
"""
REVOKES = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'mystira_reader') THEN
        ALTER DEFAULT PRIVILEGES IN SCHEMA public, polyglot REVOKE SELECT ON TABLES FROM mystira_reader;
        REVOKE ALL ON ALL TABLES IN SCHEMA public, polyglot FROM mystira_reader;
        REVOKE ALL ON SCHEMA public, polyglot FROM mystira_reader;
    END IF;
END
$$
"""

TABLES = ("commands", "admins", "admin_sessions", "lag_histories")


def upgrade() -> None:
    for statement in (*UP, GRANTS):
        op.execute(statement)


def downgrade() -> None:
    op.execute(REVOKES)
    for table in TABLES:
        op.execute(f'DROP TABLE "{table}"')
