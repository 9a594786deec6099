"""Digests: what each row and each document comes to, and the tree that adds them up on either side."""

from alembic import op

revision = "0006"
down_revision = "0005"

COLLECTION_OF = {
    "accounts": "Accounts",
    "email_claims": "EmailClaims",
    "user_profiles": "UserProfiles",
    "pending_signups": "PendingSignups",
    "browser_sessions": "BrowserSessions",
    "parental_consents": "ParentalConsents",
    "scenarios": "Scenarios",
    "scenario_versions": "ScenarioVersions",
    "age_group_definitions": "AgeGroupDefinitions",
    "compass_axes": "CompassAxes",
    "archetype_definitions": "ArchetypeDefinitions",
    "echo_type_definitions": "EchoTypeDefinitions",
    "fantasy_theme_definitions": "FantasyThemeDefinitions",
    "badges": "Badges",
    "game_sessions": "GameSessions",
    "play_claims": "PlayClaims",
    "player_scenario_scores": "PlayerScenarioScores",
    "user_badges": "UserBadges",
    "compass_trackings": "CompassTrackings",
    "story_counts": "StoryCounts",
}

UP = (
    """
CREATE TABLE polyglot.document_digests (
    collection text COLLATE "C" NOT NULL,
    _leaf integer NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    stamp bigint NOT NULL,
    _digest bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (collection, _leaf, partition, id)
)
    """,
    # Changes are appended here and added to the nodes later, so that no writer waits for another one's leaf. The
    # table is emptied all the time: without frequent vacuums its dead rows would have to be passed over.
    """
CREATE TABLE polyglot.digest_deltas (
    collection text COLLATE "C" NOT NULL,
    side text COLLATE "C" NOT NULL,
    leaf integer NOT NULL,
    number integer NOT NULL,
    added bigint NOT NULL,
    removed bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)
    """,
    """
CREATE TABLE polyglot.digest_nodes (
    collection text COLLATE "C" NOT NULL,
    side text COLLATE "C" NOT NULL,
    node integer NOT NULL,
    number bigint NOT NULL,
    total numeric NOT NULL,
    PRIMARY KEY (collection, side, node)
) WITH (fillfactor = 70)
    """,
    """
CREATE TABLE polyglot.digest_removals (
    collection text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL
)
    """,
    """
CREATE FUNCTION polyglot.digest_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_NARGS = 1 THEN
        INSERT INTO polyglot.digest_deltas (collection, side, leaf, number, added, removed)
        VALUES (TG_ARGV[0], 'row', coalesce(NEW._leaf, OLD._leaf),
            (NEW._digest IS NOT NULL)::integer - (OLD._digest IS NOT NULL)::integer,
            coalesce(NEW._digest, 0), coalesce(OLD._digest, 0));
    ELSE
        INSERT INTO polyglot.digest_deltas (collection, side, leaf, number, added, removed)
        VALUES (coalesce(NEW.collection, OLD.collection), 'document', coalesce(NEW._leaf, OLD._leaf),
            (NEW._digest IS NOT NULL)::integer - (OLD._digest IS NOT NULL)::integer,
            coalesce(NEW._digest, 0), coalesce(OLD._digest, 0));
    END IF;
    RETURN NULL;
END
$$
    """,
)

DOWN = (
    "DROP TABLE polyglot.document_digests, polyglot.digest_deltas, polyglot.digest_nodes, polyglot.digest_removals",
    "DROP FUNCTION polyglot.digest_changed()",
    "DELETE FROM polyglot.feed_position WHERE stream = 'digest'",
)

CONDITIONS = {
    "INSERT": "NEW._digest IS NOT NULL",
    "UPDATE": "OLD._digest IS DISTINCT FROM NEW._digest",
    "DELETE": "OLD._digest IS NOT NULL",
}


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)
    _watch("polyglot.document_digests", "")
    for table, collection in COLLECTION_OF.items():
        op.execute(f'ALTER TABLE "{table}" ADD COLUMN "_leaf" integer, ADD COLUMN "_digest" bigint')
        op.execute(f'CREATE INDEX "{table}_by_leaf" ON "{table}" (_leaf)')
        _watch(f'"{table}"', f"'{collection}'")


def _watch(table: str, argument: str) -> None:
    for event, condition in CONDITIONS.items():
        op.execute(
            f"CREATE TRIGGER digest_after_{event.lower()} AFTER {event} ON {table} FOR EACH ROW WHEN ({condition}) "
            f"EXECUTE FUNCTION polyglot.digest_changed({argument})"
        )


def downgrade() -> None:
    for table in COLLECTION_OF:
        for event in CONDITIONS:
            op.execute(f'DROP TRIGGER digest_after_{event.lower()} ON "{table}"')
        op.execute(f'ALTER TABLE "{table}" DROP COLUMN "_leaf", DROP COLUMN "_digest"')
    for statement in DOWN:
        op.execute(statement)
