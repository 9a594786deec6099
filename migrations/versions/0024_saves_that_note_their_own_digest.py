"""Only statements that name a row's leaf are watched: a save that leaves it alone notes its own difference."""

from alembic import op

revision = "0024"
down_revision = "0023"

# What the processes of the version before send names the leaf every time, so they may go on meanwhile.
REPLACE = """
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_triggerdef(oid) FROM pg_trigger
        WHERE tgname = 'digest_after_update' AND tgrelid <> 'polyglot.document_digests'::regclass
    LOOP
        EXECUTE replace(replace(definition, ' AFTER {before} ON ', ' AFTER {after} ON '),
            'CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER');
    END LOOP;
END
$$
"""


def upgrade() -> None:
    op.execute(REPLACE.format(before="UPDATE", after="UPDATE OF _leaf"))


def downgrade() -> None:
    op.execute(REPLACE.format(before="UPDATE OF _leaf", after="UPDATE"))
