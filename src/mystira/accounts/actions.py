"""What families do; each function is one unit of work."""

from collections.abc import Sequence

import structlog

from mystira.accounts.events import ProfileUpdated
from mystira.accounts.model import (
    AVATARS,
    LINK_LIVES,
    PROFILES_MAX,
    SESSION_LIVES,
    Account,
    BrowserSession,
    EmailClaim,
    ParentalConsent,
    PendingSignup,
    UserProfile,
    checked_profile,
    grant,
    open_account,
    redeem,
    revoke,
)
from mystira.accounts.problems import LinkInvalid, ProfileNotFound, TooManyProfiles
from mystira.content import views as content
from mystira.polyglot.query import Order, equal
from mystira.polyglot.work import Work

log = structlog.get_logger()
TWINS_TOLD = 20


async def ask_for_link(work: Work, *, email: str, email_hash: str, token_hash: str, browser_hash: str) -> None:
    """Keep the address's one sign-in link; asking again replaces the one before."""
    await work.get(PendingSignup, email_hash, email)
    work.save(
        PendingSignup(
            id=email_hash,
            email=email,
            token_hash=token_hash,
            browser_hash=browser_hash,
            expires_at=work.now + LINK_LIVES,
        )
    )


async def redeem_link(work: Work, *, email: str, link_id: str, token_hash: str, browser_hash: str) -> None:
    """Use a link up. Of any number of requests at the same moment, one gets through."""
    link = await work.get(PendingSignup, link_id, email)
    if link is None or link.token_hash != token_hash:
        raise LinkInvalid
    work.save(redeem(link, browser_hash, work.now))


async def claim_address(work: Work, *, email: str, email_hash: str) -> str:
    """Return the account id reserved for an address, reserving one if there is none.

    Accounts that other software made were never claimed: the oldest one with this address is, when its owner comes.
    """
    claim = await work.get(EmailClaim, email_hash)
    if claim is None:
        found = (await work.find(Account, equal("email", email), Order("created_at"), limit=TWINS_TOLD)).items
        if len(found) > 1:
            log.warning("accounts_share_an_address", chosen=found[0].id, others=[other.id for other in found[1:]])
        claim = EmailClaim(id=email_hash, account_id=found[0].id if found else work.new_id())
        work.save(claim)
    return claim.account_id


async def complete_account(work: Work, *, account_id: str, email: str, email_hash: str) -> Account:
    """Return the account that a claim stands for, opening it if that was left undone."""
    account = await work.get(Account, account_id)
    if account is None:
        account, created = open_account(account_id, email, email_hash, work.now)
        work.save(account, created)
    elif account.email_hash != email_hash:
        # Other software did not know this platform's key.
        account = account.evolve(email_hash=email_hash)
        work.save(account)
    return account


async def open_browser_session(work: Work, *, session_id: str, account_id: str) -> BrowserSession:
    """Sign a browser in."""
    session = BrowserSession(
        id=session_id, account_id=account_id, created_at=work.now, expires_at=work.now + SESSION_LIVES
    )
    work.save(session)
    return session


async def close_browser_session(work: Work, *, session_id: str) -> None:
    """Sign a browser out; doing it twice is doing it once."""
    session = await work.get(BrowserSession, session_id)
    if session is not None and session.revoked_at is None:
        work.save(session.evolve(revoked_at=work.now))


async def add_profile(
    work: Work, *, account_id: str, name: str, age_group: str, avatar: str, profile_id: str = ""
) -> UserProfile:
    """Add somebody to the family. With a `profile_id` given, adding again changes nothing."""
    name, age_group, avatar = checked_profile(name, age_group, avatar, await _offered(work, age_group, avatar))
    if profile_id:
        known = await work.get(UserProfile, profile_id)
        if known is not None:
            if known.account_id != account_id:
                raise ProfileNotFound
            return known
    if await work.count(UserProfile, equal("account_id", account_id)) >= PROFILES_MAX:
        raise TooManyProfiles(most=PROFILES_MAX)
    profile = UserProfile(
        id=profile_id or work.new_id(),
        account_id=account_id,
        name=name,
        age_group=age_group,
        avatar=avatar,
        created_at=work.now,
    )
    told = ProfileUpdated(profile_id=profile.id, account_id=account_id, changed_properties=("created",))
    work.save(profile, told)
    return profile


async def edit_profile(
    work: Work, *, account_id: str, profile_id: str, name: str, age_group: str, avatar: str
) -> UserProfile:
    """Change a player's details."""
    profile = await _own_profile(work, account_id, profile_id)
    # A picture that somebody has stays theirs when it is not offered any more.
    offered = await _offered(work, age_group, avatar) if avatar != profile.avatar else (avatar,)
    name, age_group, avatar = checked_profile(name, age_group, avatar, offered)
    wanted = {"name": name, "age_group": age_group, "avatar": avatar}
    changed = tuple(field for field, value in wanted.items() if getattr(profile, field) != value)
    if not changed:
        return profile
    profile = profile.evolve(**wanted)
    work.save(profile, ProfileUpdated(profile_id=profile_id, account_id=account_id, changed_properties=changed))
    return profile


async def remove_profile(work: Work, *, account_id: str, profile_id: str) -> None:
    """Take somebody out of the family's list."""
    profile = await _own_profile(work, account_id, profile_id)
    told = ProfileUpdated(profile_id=profile_id, account_id=account_id, changed_properties=("removed",))
    work.remove(profile, told)


async def give_consent(
    work: Work, *, account_id: str, profile_id: str, analytics: bool = False, ai: bool = False
) -> ParentalConsent:
    """Let a child of this family play."""
    profile = await _own_profile(work, account_id, profile_id)
    before = await work.get(ParentalConsent, profile_id, profile_id)
    consent, told = grant(before, profile, work.now, analytics=analytics, ai=ai)
    if consent != before:
        work.save(consent, *told)
    return consent


async def take_consent_back(work: Work, *, account_id: str, profile_id: str) -> None:
    """Stop a child of this family from playing until consent is given again."""
    await _own_profile(work, account_id, profile_id)
    before = await work.get(ParentalConsent, profile_id, profile_id)
    if before is not None:
        consent, told = revoke(before, work.now)
        if told:
            work.save(consent, *told)


async def _own_profile(work: Work, account_id: str, profile_id: str) -> UserProfile:
    profile = await work.get(UserProfile, profile_id)
    if profile is None or profile.account_id != account_id:
        raise ProfileNotFound
    return profile


async def _offered(work: Work, age_group: str, avatar: str) -> Sequence[str]:
    """Return the pictures of this age group; what everybody has needs no look at what else is offered."""
    return AVATARS if avatar in AVATARS else (await content.avatars_offered(work)).get(age_group, ())
