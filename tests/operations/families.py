"""A few families with a whole copy, and what goes wrong with some of them behind everybody's back."""

from mystira.accounts.actions import add_profile, complete_account
from mystira.run import settle
from mystira.services.platform import Platform


async def make_families(platform: Platform, count: int = 4) -> None:
    for at in range(count):
        email = f"family{at}@example.org"
        await platform.works.run(complete_account, account_id=f"family-{at}", email=email, email_hash=f"hash-{at}")
        details = {"name": f"Child {at}", "age_group": "6-9", "avatar": "fox"}
        await platform.works.run(add_profile, account_id=f"family-{at}", profile_id=f"child-{at}", **details)
    await settle(platform)


async def corrupt(platform: Platform, *ids: str) -> None:
    """Change rows in SQL, as nobody should."""
    async with platform.relational.connection(writes=True) as connection:
        await connection.execute("UPDATE accounts SET display_name = 'somebody else' WHERE id = ANY($1)", ids)


async def lose(platform: Platform, *ids: str) -> None:
    """Take rows away in SQL."""
    async with platform.relational.connection(writes=True) as connection:
        await connection.execute("DELETE FROM accounts WHERE id = ANY($1)", ids)
