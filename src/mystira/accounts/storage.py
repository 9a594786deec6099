"""Where families live: one collection an entity."""

from mystira.accounts.model import (
    Account,
    BrowserSession,
    EmailClaim,
    ParentalConsent,
    PendingSignup,
    UserProfile,
)
from mystira.polyglot.collection import Collection
from mystira.polyglot.phases import Phase
from mystira.polyglot.query import Order


def both_ways(*fields: str) -> tuple[tuple[Order, ...], ...]:
    """Return the orders by each of these fields, first to last and last to first."""
    return tuple((Order(field, descending),) for field in fields for descending in (False, True))


ACCOUNTS = Collection(
    Account,
    container="Accounts",
    table="accounts",
    indexes=(("created_at",), ("email",), ("display_name",)),
    orders=both_ways("created_at", "email", "display_name"),
    personal=frozenset({"email", "display_name"}),
)
EMAIL_CLAIMS = Collection(EmailClaim, container="EmailClaims", table="email_claims")
USER_PROFILES = Collection(
    UserProfile,
    container="UserProfiles",
    table="user_profiles",
    indexes=(("account_id", "created_at"), ("created_at",), ("name",)),
    orders=both_ways("created_at", "name"),
    personal=frozenset({"name"}),
)
PENDING_SIGNUPS = Collection(
    PendingSignup,
    container="PendingSignups",
    table="pending_signups",
    partition="email",
    indexes=(("token_hash",),),
    time_to_live_s=24 * 60 * 60,
    personal=frozenset({"email"}),
)
BROWSER_SESSIONS = Collection(
    BrowserSession,
    container="BrowserSessions",
    table="browser_sessions",
    phase=Phase.POSTGRES_ONLY,
    indexes=(("account_id",),),
)
PARENTAL_CONSENTS = Collection(
    ParentalConsent,
    container="ParentalConsents",
    table="parental_consents",
    partition="child_profile_id",
    indexes=(("account_id",),),
)

COLLECTIONS = (ACCOUNTS, EMAIL_CLAIMS, USER_PROFILES, PENDING_SIGNUPS, BROWSER_SESSIONS, PARENTAL_CONSENTS)
