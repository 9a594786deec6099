"""Families and their rules: who they are, who may sign in, and which child may play."""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from mystira.accounts.events import AccountCreated, ConsentGranted, ConsentRevoked
from mystira.accounts.problems import AddressInvalid, LinkInvalid, ProfileInvalid
from mystira.polyglot.entity import Entity

LINK_LIVES = timedelta(minutes=10)
SESSION_LIVES = timedelta(days=30)
PROFILES_MAX = 12
NAME_LENGTH_MAX = 40
CHILD_AGE_GROUPS = ("1-2", "3-5", "6-9", "10-12")
AGE_GROUPS = (*CHILD_AGE_GROUPS, "13-18", "19-150")
AVATARS = ("fox", "owl", "bear", "cat", "frog", "dragon", "whale", "star")

ConsentState = Literal["none", "requested", "confirmed_once", "active", "revoked", "expired"]

# What separates or quotes addresses in a mail's header is refused, so that no text can name two of them.
_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f<>()\[\],;:\\\"]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}")


class Account(Entity, frozen=True, kw_only=True):
    """A family, known by the one address that signs it in."""

    email: str
    email_hash: str
    display_name: str
    created_at: datetime


class EmailClaim(Entity, frozen=True, kw_only=True):
    """Reserves one account id for one address; its id is the keyed hash of the address."""

    account_id: str


class UserProfile(Entity, frozen=True, kw_only=True):
    """Somebody of the family who plays: an age group, never a date of birth."""

    account_id: str
    name: str
    age_group: str
    avatar: str
    created_at: datetime

    @property
    def is_child(self) -> bool:
        """Whether a parent's consent is needed before this player may play (under 13)."""
        return self.age_group in CHILD_AGE_GROUPS


class PendingSignup(Entity, frozen=True, kw_only=True):
    """The one open sign-in link of an address; only keyed hashes of its secrets are kept."""

    email: str
    token_hash: str
    browser_hash: str
    expires_at: datetime
    used_at: datetime | None = None


class BrowserSession(Entity, frozen=True, kw_only=True):
    """A browser that is signed in; its id is the keyed hash of the secret in the cookie."""

    account_id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it still signs its browser in."""
        return self.revoked_at is None and now < self.expires_at


class ParentalConsent(Entity, frozen=True, kw_only=True):
    """What a parent allows for one child. Analytics and the use of AI are asked separately, both off at first."""

    child_profile_id: str
    account_id: str
    state: ConsentState
    changed_at: datetime
    analytics: bool = False
    ai: bool = False


def normal_address(text: str) -> str:
    """Return the spelling under which an address is known, or refuse what is none."""
    address = text.strip().lower()
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        raise AddressInvalid(address=text[:80])
    return address


def open_account(account_id: str, email: str, email_hash: str, now: datetime) -> tuple[Account, AccountCreated]:
    """Return a new family and the fact that it exists."""
    name = email.split("@", 1)[0]
    account = Account(id=account_id, email=email, email_hash=email_hash, display_name=name, created_at=now)
    return account, AccountCreated(account_id=account_id, email_hash=email_hash, created_at=now)


def redeem(link: PendingSignup | None, browser_hash: str, now: datetime) -> PendingSignup:
    """Return the link as used, or refuse it: once, in time, in the browser that asked."""
    if link is None or link.used_at is not None or now >= link.expires_at:
        raise LinkInvalid
    if not hmac.compare_digest(link.browser_hash, browser_hash):
        raise LinkInvalid
    return link.evolve(used_at=now)


def checked_profile(name: str, age_group: str, avatar: str, offered: Sequence[str] = AVATARS) -> tuple[str, str, str]:
    """Return the details in good order, or refuse them with what to write instead. `offered` are the pictures."""
    name = " ".join(name.split())
    if not name or len(name) > NAME_LENGTH_MAX:
        raise ProfileInvalid(reason=f"Write a name of 1 to {NAME_LENGTH_MAX} letters.", field="name")
    if age_group not in AGE_GROUPS:
        raise ProfileInvalid(reason=f"Choose an age group: {', '.join(AGE_GROUPS)}.", field="age_group")
    if avatar not in offered:
        raise ProfileInvalid(reason="Choose one of the pictures for this age.", field="avatar")
    return name, age_group, avatar


def grant(
    consent: ParentalConsent | None, profile: UserProfile, now: datetime, *, analytics: bool, ai: bool
) -> tuple[ParentalConsent, tuple[ConsentGranted, ...]]:
    """Let this child play. Granting again only changes the separate flags."""
    was_active = consent is not None and consent.state == "active"
    granted = ParentalConsent(
        id=profile.id,
        child_profile_id=profile.id,
        account_id=profile.account_id,
        state="active",
        changed_at=consent.changed_at if consent is not None and was_active else now,
        analytics=analytics,
        ai=ai,
    )
    told = () if was_active else (ConsentGranted(profile_id=profile.id, account_id=profile.account_id),)
    return granted, told


def revoke(consent: ParentalConsent, now: datetime) -> tuple[ParentalConsent, tuple[ConsentRevoked, ...]]:
    """Take the consent back. Revoking what is not active changes nothing."""
    if consent.state != "active":
        return consent, ()
    told = ConsentRevoked(profile_id=consent.child_profile_id, account_id=consent.account_id)
    return consent.evolve(state="revoked", changed_at=now, analytics=False, ai=False), (told,)
