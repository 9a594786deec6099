"""Stripe over its REST API: a page to pay on for each order, and the way back of the money."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from mystira.content.purchases.model import Purchase
from mystira.content.purchases.problems import PaymentUnreachable

if TYPE_CHECKING:
    from aiohttp import ClientSession

log = structlog.get_logger(__name__)

API = "https://api.stripe.com"
TIMEOUT_S = 10.0
TRIES, APART_S = 3, 0.3
ANSWER_BYTES_MAX = 1024 * 1024


class StripeGateway:
    """Stripe's hosted checkout. Every request carries a key of its order, so sending it again does nothing twice."""

    name = "stripe"

    def __init__(self, key: str, webhook_secret: str, url: str = API) -> None:
        self.webhook_secret = webhook_secret
        self._key = key
        self._url = url.rstrip("/")

    async def checkout(self, purchase: Purchase, address: str) -> str:
        """Return the page on which this order is paid; asking again leads to the same one."""
        back = f"{address}/purchases/{purchase.id}"
        about = {"purchase_id": purchase.id, "account_id": purchase.account_id}
        asked = {
            "mode": "payment",
            "client_reference_id": purchase.id,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": purchase.currency.lower(),
            "line_items[0][price_data][unit_amount]": str(purchase.amount_minor),
            "line_items[0][price_data][product_data][name]": purchase.title,
            "success_url": back,
            "cancel_url": back,
            # On both, since a refund tells about the payment and not about the session it was made in.
            **{f"metadata[{name}]": value for name, value in about.items()},
            **{f"payment_intent_data[metadata][{name}]": value for name, value in about.items()},
        }
        answer = await self._post("/v1/checkout/sessions", asked, f"checkout-{purchase.id}")
        page = answer.get("url")
        if not isinstance(page, str) or not page.startswith(("https://", "http://")):
            raise PaymentUnreachable
        return page

    async def refund(self, purchase: Purchase) -> None:
        """Give the money back, once however often it is asked."""
        if purchase.payment_ref is None:
            raise PaymentUnreachable
        asked = {"payment_intent": purchase.payment_ref, "reason": "requested_by_customer"}
        await self._post("/v1/refunds", asked, f"refund-{purchase.id}", fine=("charge_already_refunded",))

    async def _post(self, path: str, asked: dict[str, str], key: str, fine: tuple[str, ...] = ()) -> dict[str, Any]:
        # Loading this takes a while, and most processes do without it.
        import aiohttp

        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": key}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
            for attempt in range(TRIES):
                if attempt:
                    await asyncio.sleep(APART_S * attempt)
                status, answer = await _sent(client, self._url + path, asked)
                code = _code(answer)
                if status == 200 or code in fine:
                    return answer
                log.warning("stripe_refused", path=path, status=status, code=code)
                if 400 <= status < 500 and status not in (409, 429):
                    break
        raise PaymentUnreachable


async def _sent(client: "ClientSession", url: str, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Return status and answer; 0 and nothing where there was none that could be read."""
    from aiohttp import ClientError

    try:
        async with client.post(url, data=asked, allow_redirects=False) as response:
            raw = await response.content.read(ANSWER_BYTES_MAX)
            return response.status, msgspec.json.decode(raw, type=dict[str, Any])
    except (ClientError, TimeoutError, msgspec.DecodeError, OSError):
        return 0, {}


def _code(answer: dict[str, Any]) -> str:
    error = answer.get("error")
    return str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""  # pyright: ignore[reportUnknownArgumentType]
