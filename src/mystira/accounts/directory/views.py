"""Lists of accounts and profiles from the relational copy, one account from the leader, masked as the role asks."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from mystira.accounts.directory.problems import AccountNotFound, OrderHidden
from mystira.accounts.model import Account, ParentalConsent, UserProfile
from mystira.accounts.storage import ACCOUNTS, USER_PROFILES
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import E
from mystira.polyglot.freshness import Source, search_in, source_of
from mystira.polyglot.query import EVERYTHING, Order, Query, Where, any_of, contains, equal, prefix
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Store
from mystira.polyglot.work import Work
from mystira.web.lists import cursor_in, cursor_text

PAGE = 50
PROFILES_MAX = 100

AccountOrder = Literal["created_at", "email", "display_name"]
ProfileOrder = Literal["created_at", "name"]


class Looking(msgspec.Struct, frozen=True):
    """Both stores, the reader that PostgreSQL lets do nothing but read, and whether personal data may be seen."""

    r: Replication
    reader: Store
    reveal: bool


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is to show: what it searches for, in which order, and what the page before ended with."""

    search: str = ""
    order: str = "created_at"
    descending: bool = False
    after: str = ""


class AccountsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of accounts, where it was read, and what leads to the next page."""

    source: Source
    accounts: Sequence[Account]
    after: str | None


class ProfilesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of profiles, where it was read, and what leads to the next page."""

    source: Source
    profiles: Sequence[UserProfile]
    after: str | None


class AccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """One account with its players and what their parents allow, from the stores that lead."""

    account: Account
    profiles: Sequence[UserProfile]
    consents: dict[str, ParentalConsent]


async def accounts(looking: Looking, wanted: Wanted) -> AccountsPage:
    """Return a page of accounts. Without the right to personal data, only a whole address or id finds one."""
    text = wanted.search.strip()
    parts = [equal("id", text), equal("email", text.lower())]
    if looking.reveal:
        parts += [prefix("email", text.lower()), contains("display_name", text)]
    source, found, after = await _page(looking, ACCOUNTS, wanted, any_of(*parts))
    return AccountsPage(source=source, accounts=[_masked(one, looking.reveal) for one in found], after=after)


async def profiles(looking: Looking, wanted: Wanted) -> ProfilesPage:
    """Return a page of players. Without the right to personal data, only an id finds one, its own or the account's."""
    text = wanted.search.strip()
    parts = [equal("id", text), equal("account_id", text)]
    if looking.reveal:
        parts.append(contains("name", text))
    source, found, after = await _page(looking, USER_PROFILES, wanted, any_of(*parts))
    return ProfilesPage(source=source, profiles=[_masked_profile(one, looking.reveal) for one in found], after=after)


async def account(work: Work, account_id: str, *, reveal: bool) -> AccountShown:
    """Return one account from the leader; AccountNotFound where there is none."""
    found = await work.get(Account, account_id)
    if found is None:
        raise AccountNotFound(account_id=account_id[:80])
    belongs = equal("account_id", account_id)
    players = await work.find(UserProfile, belongs, Order("created_at"), limit=PROFILES_MAX)
    consents = await work.find(ParentalConsent, belongs, limit=PROFILES_MAX)
    return AccountShown(
        account=_masked(found, reveal),
        profiles=[_masked_profile(one, reveal) for one in players.items],
        consents={one.child_profile_id: one for one in consents.items},
    )


async def _page(
    looking: Looking, collection: Collection[E], wanted: Wanted, where: Where
) -> tuple[Source, list[E], str | None]:
    if wanted.order in collection.personal and not looking.reveal:
        raise OrderHidden(field=wanted.order)
    order = Order(wanted.order, wanted.descending)
    query = Query(
        where=where if wanted.search.strip() else EVERYTHING,
        order=(order,),
        limit=PAGE + 1,
        after=cursor_in(collection, wanted.after, order),
    )
    source = await source_of(looking.r, collection)
    found: list[Any] = await search_in(looking.r, looking.reader, source, collection, query)
    more = len(found) > PAGE
    return source, found[:PAGE], cursor_text(collection.cursor_of(query, found[PAGE - 1]) if more else None)


def _masked(account: Account, reveal: bool) -> Account:
    if reveal:
        return account
    return account.evolve(email=_mask(account.email), display_name=_mask(account.display_name))


def _masked_profile(profile: UserProfile, reveal: bool) -> UserProfile:
    return profile if reveal else profile.evolve(name=_mask(profile.name))


def _mask(text: str) -> str:
    """Return as much as tells apart without telling who: the first letter, and the domain of an address."""
    name, at, domain = text.partition("@")
    return f"{name[:1]}…{at}{domain}"
