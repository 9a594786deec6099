"""What moving data needs: phases, feed positions, copied events, the event outbox."""

from alembic import op

revision = "0001"
down_revision = None

UP = """
CREATE TABLE polyglot.control (
    collection text COLLATE "C" PRIMARY KEY,
    phase text NOT NULL,
    epoch integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'OPEN',
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE polyglot.feed_position (
    collection text COLLATE "C" NOT NULL,
    range_id text COLLATE "C" NOT NULL,
    continuation text NOT NULL,
    PRIMARY KEY (collection, range_id)
);
CREATE TABLE polyglot.events_copied (
    collection text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    through bigint NOT NULL,
    PRIMARY KEY (collection, partition, id)
);
CREATE TABLE polyglot.event_outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text COLLATE "C" NOT NULL UNIQUE,
    collection text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    type text NOT NULL,
    body jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    correlation_id text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    claimed_until timestamptz,
    last_error text,
    parked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_outbox_by_key ON polyglot.event_outbox (collection, partition, id, seq);
"""

DOWN = "DROP TABLE polyglot.event_outbox, polyglot.events_copied, polyglot.feed_position, polyglot.control"


def upgrade() -> None:
    for statement in UP.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute(DOWN)
