"""Where a Cosmos DB is: the address as it stands in the settings, taken apart."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

SCHEME = "cosmos://"
SAMPLE = "cosmos://account.documents.azure.com:443/database"


class BadAddress(ValueError):
    """The address does not name a database; the text says what to write."""


class Address(NamedTuple):
    """A database of an account. The key is a secret, so it is left out wherever the address is shown."""

    host: str
    port: int
    database: str
    key: str = ""
    tls: bool = True
    ca: Path | None = None

    @property
    def url(self) -> str:
        """The account's address as the client wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/"

    def __str__(self) -> str:
        return f"{SCHEME}{self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"Address({self})"


def read_address(text: str, key: str = "") -> Address:
    """Take `cosmos://[KEY@]host[:port]/database[?tls=0][&ca=FILE]` apart; `key` wins over the one in the text."""
    # A key is base64 and may hold slashes, so it ends at the last @ and not where a URL says.
    given, at, rest = text.removeprefix(SCHEME).rpartition("@")
    try:
        parts = urlsplit(f"//{rest}")
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadAddress(f"write it like {SAMPLE} ({error})") from None
    database = parts.path.strip("/")
    if not text.startswith(SCHEME) or not host or not database or "/" in database or (at and not given):
        raise BadAddress(f"write it like {SAMPLE}")
    if set(asked) - {"tls", "ca"} or asked.get("tls", "1") not in ("0", "1"):
        raise BadAddress("after the question mark there may be tls=0 and ca=FILE")
    tls = asked.get("tls") != "0"
    ca = Path(asked["ca"]).expanduser().absolute() if asked.get("ca") else None
    return Address(host, port or (443 if tls else 80), database, key or given, tls, ca)
