"""What Stripe sends: whether it is really from Stripe and fresh, and what it tells about a purchase."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec

from mystira.content.purchases.model import News, Notice
from mystira.content.purchases.problems import NoticeRefused

TOLERANCE_S = 300
"""How far the time in a signature may be from now: what was overheard is of no use afterwards."""
SIGNATURES_MAX = 16
TIME_DIGITS_MAX = 12


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """The session or charge that an event is about; of its many fields, those that matter here."""

    metadata: dict[str, Any] | None = None
    payment_status: str | None = None
    payment_intent: Any = None
    amount_total: int | None = None
    currency: str | None = None
    refunded: bool = False


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the thing that an event is about."""

    object: Thing


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One event of Stripe."""

    type: str
    created: int
    data: Data


def signed(payload: bytes, secret: str, at: int) -> str:
    """Return the header that Stripe sends with this payload at this second."""
    return f"t={at},v1={_signature(payload, secret, at)}"


def verify(payload: bytes, header: str, secret: str, now: datetime) -> None:
    """Raise NoticeRefused unless the header signs this very payload with our secret, within the tolerance."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"][:SIGNATURES_MAX]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= TIME_DIGITS_MAX):
        raise NoticeRefused
    at = int(times[0])
    wanted = _signature(payload, secret, at).encode()
    # Every signature is compared, and each in constant time, so that the time this takes tells nothing.
    matches = [hmac.compare_digest(wanted, one.encode()) for one in given]
    if not any(matches) or abs(now.timestamp() - at) > TOLERANCE_S:
        raise NoticeRefused


def notice_in(payload: bytes) -> Notice | None:
    """Return what a verified payload tells about a purchase; None where it is about something else."""
    try:
        told = msgspec.json.decode(payload, type=Told)
    except msgspec.DecodeError as error:
        raise NoticeRefused from error
    thing = told.data.object
    news = _news(told.type, thing)
    about = thing.metadata or {}
    account_id, purchase_id = about.get("account_id"), about.get("purchase_id")
    if news is None or not isinstance(account_id, str) or not isinstance(purchase_id, str):
        return None
    return Notice(
        account_id=account_id,
        purchase_id=purchase_id,
        news=news,
        at=datetime.fromtimestamp(told.created, UTC),
        amount_minor=thing.amount_total,
        currency=thing.currency.upper() if thing.currency else None,
        payment_ref=thing.payment_intent if isinstance(thing.payment_intent, str) else None,
    )


def _news(kind: str, thing: Thing) -> News | None:
    match kind:
        case "checkout.session.completed" if thing.payment_status == "paid":
            return "paid"
        case "checkout.session.async_payment_succeeded":
            return "paid"
        case "checkout.session.async_payment_failed":
            return "failed"
        case "checkout.session.expired":
            return "expired"
        case "charge.refunded" if thing.refunded:
            # A part that was given back by hand leaves the purchase what it is.
            return "refunded"
        case _:
            return None


def _signature(payload: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
