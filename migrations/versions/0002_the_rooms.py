"""The rooms."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
CREATE TABLE "accounts" (
    "id" text COLLATE "C" NOT NULL,
    "email" text COLLATE "C",
    "email_hash" text COLLATE "C",
    "display_name" text COLLATE "C",
    "created_at" timestamptz,
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
    op.execute("""
CREATE INDEX "accounts_by_created_at" ON "accounts" ("created_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "email_claims" (
    "id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C",
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
    op.execute("""
CREATE TABLE "user_profiles" (
    "id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C",
    "name" text COLLATE "C",
    "age_group" text COLLATE "C",
    "avatar" text COLLATE "C",
    "created_at" timestamptz,
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
    op.execute("""
CREATE INDEX "user_profiles_by_account_id_created_at" ON "user_profiles" ("account_id" ASC NULLS FIRST, "created_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "pending_signups" (
    "id" text COLLATE "C" NOT NULL,
    "email" text COLLATE "C" NOT NULL,
    "token_hash" text COLLATE "C",
    "browser_hash" text COLLATE "C",
    "expires_at" timestamptz,
    "used_at" timestamptz,
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
    PRIMARY KEY ("email", "id")
)
    """)
    op.execute("""
CREATE INDEX "pending_signups_by_token_hash" ON "pending_signups" ("token_hash" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "browser_sessions" (
    "id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C",
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
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "browser_sessions_by_account_id" ON "browser_sessions" ("account_id" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "parental_consents" (
    "id" text COLLATE "C" NOT NULL,
    "child_profile_id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C",
    "state" text COLLATE "C",
    "changed_at" timestamptz,
    "analytics" boolean,
    "ai" boolean,
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
    PRIMARY KEY ("child_profile_id", "id")
)
    """)
    op.execute("""
CREATE INDEX "parental_consents_by_account_id" ON "parental_consents" ("account_id" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "scenarios" (
    "id" text COLLATE "C" NOT NULL,
    "title" text COLLATE "C",
    "description" text COLLATE "C",
    "age_group" text COLLATE "C",
    "minimum_age" bigint,
    "image" text COLLATE "C",
    "state" text COLLATE "C",
    "latest_version" bigint,
    "content" jsonb,
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
    PRIMARY KEY ("id")
)
    """)
    op.execute("""
CREATE INDEX "scenarios_by_state_title" ON "scenarios" ("state" ASC NULLS FIRST, "title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "scenarios_by_age_group_title" ON "scenarios" ("age_group" ASC NULLS FIRST, "title" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "scenario_versions" (
    "id" text COLLATE "C" NOT NULL,
    "scenario_id" text COLLATE "C" NOT NULL,
    "number" bigint,
    "content" jsonb,
    "published_at" timestamptz,
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
    PRIMARY KEY ("scenario_id", "id")
)
    """)
    op.execute("""
CREATE TABLE "age_group_definitions" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "minimum_age" bigint,
    "maximum_age" bigint,
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
    op.execute("""
CREATE TABLE "compass_axes" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "description" text COLLATE "C",
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
    op.execute("""
CREATE TABLE "archetype_definitions" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "description" text COLLATE "C",
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
    op.execute("""
CREATE TABLE "echo_type_definitions" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "description" text COLLATE "C",
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
    op.execute("""
CREATE TABLE "fantasy_theme_definitions" (
    "id" text COLLATE "C" NOT NULL,
    "name" text COLLATE "C",
    "description" text COLLATE "C",
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
    op.execute("""
CREATE TABLE "badges" (
    "id" text COLLATE "C" NOT NULL,
    "age_group" text COLLATE "C",
    "axis" text COLLATE "C",
    "tier" text COLLATE "C",
    "name" text COLLATE "C",
    "description" text COLLATE "C",
    "threshold" bigint,
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
    op.execute("""
CREATE INDEX "badges_by_age_group" ON "badges" ("age_group" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "game_sessions" (
    "id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C" NOT NULL,
    "owner_profile_id" text COLLATE "C",
    "scenario_id" text COLLATE "C",
    "scenario_version" bigint,
    "title" text COLLATE "C",
    "state" text COLLATE "C",
    "players" jsonb,
    "owner_player_id" text COLLATE "C",
    "scene_id" text COLLATE "C",
    "visits" jsonb,
    "seed" bigint,
    "rolls" bigint,
    "moves" jsonb,
    "echoes" jsonb,
    "reveals" jsonb,
    "compass" jsonb,
    "steps" jsonb,
    "totals" jsonb,
    "achievements" jsonb,
    "started_at" timestamptz,
    "last_move_at" timestamptz,
    "ended_at" timestamptz,
    "paused_at" timestamptz,
    "paused_s" bigint,
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
    PRIMARY KEY ("account_id", "id")
)
    """)
    op.execute("""
CREATE INDEX "game_sessions_by_account_id_last_move_at" ON "game_sessions" ("account_id" ASC NULLS FIRST, "last_move_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE INDEX "game_sessions_by_state_last_move_at" ON "game_sessions" ("state" ASC NULLS FIRST, "last_move_at" ASC NULLS FIRST) WHERE NOT _deleted
    """)
    op.execute("""
CREATE TABLE "play_claims" (
    "id" text COLLATE "C" NOT NULL,
    "account_id" text COLLATE "C",
    "owner_profile_id" text COLLATE "C",
    "scenario_id" text COLLATE "C",
    "session_id" text COLLATE "C",
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
    op.execute("""
CREATE TABLE "player_scenario_scores" (
    "id" text COLLATE "C" NOT NULL,
    "profile_id" text COLLATE "C" NOT NULL,
    "scenario_id" text COLLATE "C",
    "session_id" text COLLATE "C",
    "axis_sums" jsonb,
    "scored_at" timestamptz,
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
    PRIMARY KEY ("profile_id", "id")
)
    """)
    op.execute("""
CREATE TABLE "user_badges" (
    "id" text COLLATE "C" NOT NULL,
    "profile_id" text COLLATE "C" NOT NULL,
    "badge_id" text COLLATE "C",
    "axis" text COLLATE "C",
    "tier" text COLLATE "C",
    "name" text COLLATE "C",
    "earned_at" timestamptz,
    "session_id" text COLLATE "C",
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
    PRIMARY KEY ("profile_id", "id")
)
    """)
    op.execute("""
CREATE TABLE "compass_trackings" (
    "id" text COLLATE "C" NOT NULL,
    "profile_id" text COLLATE "C",
    "session_id" text COLLATE "C",
    "axis" text COLLATE "C" NOT NULL,
    "delta" bigint,
    "value" bigint,
    "at" timestamptz,
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
    PRIMARY KEY ("axis", "id")
)
    """)
    op.execute("""
CREATE INDEX "compass_trackings_by_session_id" ON "compass_trackings" ("session_id" ASC NULLS FIRST) WHERE NOT _deleted
    """)


def downgrade() -> None:
    op.execute("""
DROP TABLE "compass_trackings"
    """)
    op.execute("""
DROP TABLE "user_badges"
    """)
    op.execute("""
DROP TABLE "player_scenario_scores"
    """)
    op.execute("""
DROP TABLE "play_claims"
    """)
    op.execute("""
DROP TABLE "game_sessions"
    """)
    op.execute("""
DROP TABLE "badges"
    """)
    op.execute("""
DROP TABLE "fantasy_theme_definitions"
    """)
    op.execute("""
DROP TABLE "echo_type_definitions"
    """)
    op.execute("""
DROP TABLE "archetype_definitions"
    """)
    op.execute("""
DROP TABLE "compass_axes"
    """)
    op.execute("""
DROP TABLE "age_group_definitions"
    """)
    op.execute("""
DROP TABLE "scenario_versions"
    """)
    op.execute("""
DROP TABLE "scenarios"
    """)
    op.execute("""
DROP TABLE "parental_consents"
    """)
    op.execute("""
DROP TABLE "browser_sessions"
    """)
    op.execute("""
DROP TABLE "pending_signups"
    """)
    op.execute("""
DROP TABLE "user_profiles"
    """)
    op.execute("""
DROP TABLE "email_claims"
    """)
    op.execute("""
DROP TABLE "accounts"
    """)
