"""What others may hear about families."""

from datetime import datetime

from mystira.polyglot.entity import Event


class AccountCreated(Event, frozen=True, kw_only=True):
    """A family opened its account."""

    account_id: str
    email_hash: str
    created_at: datetime


class ProfileUpdated(Event, frozen=True, kw_only=True):
    """A player was added, changed or removed."""

    profile_id: str
    account_id: str
    changed_properties: tuple[str, ...]


class ConsentGranted(Event, frozen=True, kw_only=True):
    """A parent lets a child play."""

    profile_id: str
    account_id: str


class ConsentRevoked(Event, frozen=True, kw_only=True):
    """A parent takes the consent back."""

    profile_id: str
    account_id: str
