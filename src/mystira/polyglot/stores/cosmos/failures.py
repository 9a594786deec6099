"""What the official client reports, as the failures that every store shares."""

from collections.abc import Mapping
from typing import Any, cast

from aiohttp.client_exceptions import ClientConnectorError
from azure.core.exceptions import AzureError, ClientAuthenticationError, IncompleteReadError, ServiceRequestError
from azure.cosmos.exceptions import CosmosHttpResponseError

from mystira.polyglot.store import Conflict, OutcomeUnknown, StoreError, Throttled, TooLarge, Unavailable

RETRY_AFTER_S = 0.1
SESSION_BEHIND = 1002
NOT_BY_ENTRA = 5300
HOW_TO_SIGN_IN = (
    "Sign in (`az login`), give this machine a managed identity, or write the account's key into MYSTIRA_COSMOS_KEY"
)
THROTTLED = (429, 449)
UNSETTLED = (408, 410, 500, 502, 503, 504)

Failed = (AzureError, TimeoutError)
"""What a call may raise; anything else is a mistake of ours."""


def translated(error: Exception, where: str, *, writes: bool) -> StoreError:
    """Return the store's failure for one of the client's."""
    if isinstance(error, CosmosHttpResponseError) and error.status_code:
        return _refused(error, where, writes=writes)
    if isinstance(error, ClientAuthenticationError):
        # Without a token nothing was sent.
        return Unavailable(f"{where}: Entra ID gave no token ({_brief(error)}). {HOW_TO_SIGN_IN}")
    if not writes or _was_never_sent(error):
        return Unavailable(f"{where}: Cosmos DB does not answer ({_brief(error)}); check the address and the network")
    return OutcomeUnknown(f"{where}: Cosmos DB did not answer a write ({_brief(error)})")


def was_cut_off(error: Exception) -> bool:
    """Tell whether the connection broke before the whole answer was there, as one does that was idle for long."""
    return isinstance(error, ServiceRequestError | IncompleteReadError) and not _was_never_sent(error)


def headers_of(error: Exception) -> Mapping[str, Any]:
    """Return the headers of the answer that refused, none where there was no answer."""
    return cast(Mapping[str, Any], getattr(error, "headers", None) or {})


def _refused(error: CosmosHttpResponseError, where: str, *, writes: bool) -> StoreError:
    status, finer = error.status_code, int(cast(int | None, error.sub_status) or 0)
    said = f"{where}: {_brief(error)}"
    if status in (409, 412) or (status == 404 and writes and finer == 0):
        return Conflict(f"{where}: the document is not what the writer read ({status})")
    if status in THROTTLED:
        return Throttled(_retry_after_s(error))
    if status == 413:
        return TooLarge(said)
    if status == 403 and finer == NOT_BY_ENTRA:
        return Unavailable(f"{said}; Entra ID's roles allow this to nobody: write the key into MYSTIRA_COSMOS_KEY")
    if status in (401, 403):
        return Unavailable(
            f"{said}; check the key (MYSTIRA_COSMOS_KEY) or the role of whoever signs in, and the account's firewall"
        )
    if status == 404 and finer != SESSION_BEHIND:
        return Unavailable(f"{said}; make what is missing: mystira cosmos provision")
    if writes and status in UNSETTLED:
        return OutcomeUnknown(said)
    return Unavailable(said)


def _retry_after_s(error: CosmosHttpResponseError) -> float:
    try:
        return max(0.001, float(headers_of(error)["x-ms-retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        return RETRY_AFTER_S


def _was_never_sent(error: Exception) -> bool:
    """Only a connection that was never made proves it: the client calls lost answers by the same name."""
    return isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, ClientConnectorError)


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
