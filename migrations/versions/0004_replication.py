"""Replication: control rows with history, leased positions, the relay's outbox, dead letters, backfills, the fence."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = (
    *("accounts", "email_claims", "user_profiles", "pending_signups", "browser_sessions", "parental_consents"),
    *("scenarios", "scenario_versions", "age_group_definitions", "compass_axes", "archetype_definitions"),
    *("echo_type_definitions", "fantasy_theme_definitions", "badges", "game_sessions", "play_claims"),
    *("player_scenario_scores", "user_badges", "compass_trackings", "story_counts"),
)

UP = (
    """
ALTER TABLE polyglot.control RENAME COLUMN version TO n
    """,
    """
ALTER TABLE polyglot.control
    DROP COLUMN changed_at,
    ADD COLUMN copying boolean NOT NULL DEFAULT false,
    ADD COLUMN complete boolean NOT NULL DEFAULT false,
    ADD COLUMN target text,
    ADD COLUMN coordinator text NOT NULL DEFAULT '',
    ADD COLUMN deadline timestamptz,
    ADD COLUMN floor bigint NOT NULL DEFAULT 0
    """,
    """
UPDATE polyglot.control SET copying = true, complete = true
WHERE phase IN ('DualWriteCosmosRead', 'DualWritePostgresRead')
    """,
    """
CREATE TABLE polyglot.control_history (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text COLLATE "C" NOT NULL,
    verb text NOT NULL,
    actor text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL,
    n bigint NOT NULL,
    before text NOT NULL,
    after text NOT NULL
)
    """,
    """
CREATE INDEX control_history_by_collection ON polyglot.control_history (collection, position)
    """,
    """
ALTER TABLE polyglot.feed_position
    ADD COLUMN stream text COLLATE "C" NOT NULL DEFAULT 'follow',
    ADD COLUMN caught_up boolean NOT NULL DEFAULT false,
    ADD COLUMN moved_at timestamptz,
    ADD COLUMN owner text NOT NULL DEFAULT '',
    ADD COLUMN leased_until timestamptz,
    DROP CONSTRAINT feed_position_pkey,
    ADD PRIMARY KEY (collection, stream, range_id)
    """,
    """
ALTER TABLE polyglot.feed_position ALTER COLUMN stream DROP DEFAULT
    """,
    # What was copied before the latest copy: the same statement that moves the mark can so tell which events are new.
    """
ALTER TABLE polyglot.events_copied ADD COLUMN before bigint NOT NULL DEFAULT 0
    """,
    """
CREATE TABLE polyglot.relay_outbox (
    collection text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    stamp bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    claimed_until timestamptz,
    last_error text,
    parked_at timestamptz,
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection, partition, id)
)
    """,
    """
CREATE INDEX relay_outbox_by_age ON polyglot.relay_outbox (enqueued_at) WHERE parked_at IS NULL
    """,
    # json, not jsonb: a document is kept as it is, with what jsonb would refuse.
    """
CREATE TABLE polyglot.dead_letters (
    collection text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    stamp bigint NOT NULL,
    op text NOT NULL,
    payload json NOT NULL,
    rival json NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    next_try_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (collection, partition, id, kind, stamp)
)
    """,
    """
CREATE INDEX dead_letters_by_age ON polyglot.dead_letters (created_at)
    """,
    """
CREATE TABLE polyglot.backfill (
    collection text COLLATE "C" PRIMARY KEY,
    state text NOT NULL,
    units_per_s double precision,
    latency_ms double precision,
    seen bigint NOT NULL,
    seconds double precision NOT NULL,
    total_low bigint NOT NULL,
    total_high bigint NOT NULL,
    started_at timestamptz,
    finished_at timestamptz
)
    """,
    """
CREATE FUNCTION polyglot.locked_control(collection text) RETURNS SETOF polyglot.control LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1717923427, hashtext($1));
    -- A query inside a volatile function has a snapshot of its own, taken now: after the wait for the lock. It sees
    -- a flip that committed meanwhile, which a query of the calling statement would not.
    RETURN QUERY SELECT * FROM polyglot.control AS c WHERE c.collection = $1;
END
$$
    """,
    """
CREATE FUNCTION polyglot.fence(collection text, n bigint) RETURNS smallint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    phase text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1717923427, hashtext($1));
    -- As above: this must come after the lock, as a query of its own.
    SELECT c.phase INTO phase FROM polyglot.control AS c WHERE c.collection = $1 AND c.n = $2 AND c.state = 'OPEN';
    RETURN CASE phase WHEN 'PostgresOnly' THEN 1 WHEN 'DualWritePostgresRead' THEN 2 ELSE 0 END;
END
$$
    """,
)

DOWN = (
    "DROP FUNCTION polyglot.fence(text, bigint)",
    "DROP FUNCTION polyglot.locked_control(text)",
    "DROP TABLE polyglot.backfill, polyglot.dead_letters, polyglot.relay_outbox, polyglot.control_history",
    "ALTER TABLE polyglot.events_copied DROP COLUMN before",
    "DELETE FROM polyglot.feed_position WHERE stream <> 'follow'",
    """
ALTER TABLE polyglot.feed_position
    DROP CONSTRAINT feed_position_pkey,
    DROP COLUMN stream,
    DROP COLUMN caught_up,
    DROP COLUMN moved_at,
    DROP COLUMN owner,
    DROP COLUMN leased_until,
    ADD PRIMARY KEY (collection, range_id)
    """,
    """
ALTER TABLE polyglot.control
    DROP COLUMN copying,
    DROP COLUMN complete,
    DROP COLUMN target,
    DROP COLUMN coordinator,
    DROP COLUMN deadline,
    DROP COLUMN floor,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now()
    """,
    "ALTER TABLE polyglot.control RENAME COLUMN n TO version",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)
    for table in TABLES:
        op.execute(f'ALTER TABLE "{table}" ADD COLUMN "_doc_seen" bigint NOT NULL DEFAULT 0')


def downgrade() -> None:
    for table in TABLES:
        op.execute(f'ALTER TABLE "{table}" DROP COLUMN "_doc_seen"')
    for statement in DOWN:
        op.execute(statement)
