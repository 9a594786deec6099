"""The orders in which those who run the platform look through families."""

from alembic import op

revision = "0014"
down_revision = "0013"

INDEXES = {
    "accounts_by_email": ("accounts", "email"),
    "accounts_by_display_name": ("accounts", "display_name"),
    "user_profiles_by_created_at": ("user_profiles", "created_at"),
    "user_profiles_by_name": ("user_profiles", "name"),
}


def upgrade() -> None:
    for index, (table, column) in INDEXES.items():
        op.execute(f'CREATE INDEX "{index}" ON "{table}" ("{column}" ASC NULLS FIRST) WHERE NOT _deleted')


def downgrade() -> None:
    for index in reversed(INDEXES):
        op.execute(f'DROP INDEX "{index}"')
