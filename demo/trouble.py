"""What goes wrong on purpose: a row changed by hand, and a record that PostgreSQL will not take."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from mystira.accounts.actions import complete_account
from mystira.polyglot.keyed import keyed_hash
from mystira.polyglot.stores.postgres.embedded import attach
from mystira.run import platform
from mystira.settings import read_settings

POISON = "demo-poison"
TOO_STRICT = "accounts_demo_too_strict"


async def corrupt_a_row(data: Path, id: str) -> None:
    """Change an account's row behind everybody's back, digest and stamp untouched, as a careless UPDATE would."""
    async with _sql(data) as connection:
        changed = await connection.execute("UPDATE accounts SET email = 'somebody.else@example.org' WHERE id = $1", id)
    assert changed == "UPDATE 1", changed


async def add_a_rule(data: Path) -> None:
    """Add a constraint that no mapping knows of: what breaks it cannot come over."""
    async with _sql(data) as connection:
        rule = f"CHECK (email IS NULL OR email NOT LIKE '{POISON}%')"
        await connection.execute(f"ALTER TABLE accounts ADD CONSTRAINT {TOO_STRICT} {rule}")


async def take_the_rule_away(data: Path) -> None:
    """Mend the schema: what could not come over can now."""
    async with _sql(data) as connection:
        await connection.execute(f"ALTER TABLE accounts DROP CONSTRAINT {TOO_STRICT}")


async def write_the_poison(data: Path) -> None:
    """Let a family sign up whose account breaks that rule. The leader takes it; only the copy cannot."""
    email = f"{POISON}@example.org"
    async with platform(read_settings({"MYSTIRA_DATA": str(data)}), lambda text: None) as opened:
        email_hash = keyed_hash(opened.key, "email", email)
        await opened.works.run(complete_account, account_id=POISON, email=email, email_hash=email_hash)


@asynccontextmanager
async def _sql(data: Path) -> AsyncGenerator[Any]:
    attached = await attach(data, lambda text: None)
    try:
        connection = await asyncpg.connect(attached.dsn)
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        await attached.release()
