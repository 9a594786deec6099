"""What can be seen of a family, by its own pages and by other rooms."""

from mystira.accounts.model import Account, BrowserSession, ParentalConsent, PendingSignup, UserProfile
from mystira.polyglot.entity import Value
from mystira.polyglot.query import Order, equal
from mystira.polyglot.work import Work


class PlayerProfile(Value, frozen=True, kw_only=True):
    """A profile as playing needs to see it. `may_play` is false while a child's consent is not active."""

    id: str
    account_id: str
    name: str
    age_group: str
    avatar: str
    is_child: bool
    may_play: bool


async def account(work: Work, account_id: str) -> Account | None:
    """Return the family's account."""
    return await work.get(Account, account_id)


async def profiles(work: Work, account_id: str) -> tuple[PlayerProfile, ...]:
    """Return the family's players, the oldest entry first."""
    found = await work.find(UserProfile, equal("account_id", account_id), Order("created_at"))
    active = await _consented(work, account_id)
    return tuple(_seen(profile, active) for profile in found.items)


async def profile(work: Work, account_id: str, profile_id: str) -> PlayerProfile | None:
    """Return one player of this family; another family's is None."""
    found = await work.get(UserProfile, profile_id)
    if found is None or found.account_id != account_id:
        return None
    consent = await work.get(ParentalConsent, found.id, found.id)
    return _seen(found, {found.id} if consent is not None and consent.state == "active" else set())


async def has_players_of(work: Work, age_group: str) -> bool:
    """Tell whether any family has a player of this age group."""
    return await work.first(UserProfile, equal("age_group", age_group)) is not None


async def consent_of(work: Work, profile_id: str) -> ParentalConsent | None:
    """Return what the parent allows for this child; None when nothing was ever said."""
    return await work.get(ParentalConsent, profile_id, profile_id)


async def signed_in(work: Work, session_id: str) -> BrowserSession | None:
    """Return the browser session while it is open."""
    session = await work.get(BrowserSession, session_id)
    return session if session is not None and session.is_open(work.now) else None


async def link_by_token(work: Work, token_hash: str) -> PendingSignup | None:
    """Return the sign-in link whose token has this hash. It may be stale: redeeming checks again."""
    return await work.first(PendingSignup, equal("token_hash", token_hash))


async def _consented(work: Work, account_id: str) -> set[str]:
    found = await work.find(ParentalConsent, equal("account_id", account_id))
    return {consent.child_profile_id for consent in found.items if consent.state == "active"}


def _seen(profile: UserProfile, consented: set[str]) -> PlayerProfile:
    return PlayerProfile(
        id=profile.id,
        account_id=profile.account_id,
        name=profile.name,
        age_group=profile.age_group,
        avatar=profile.avatar,
        is_child=profile.is_child,
        may_play=not profile.is_child or profile.id in consented,
    )
