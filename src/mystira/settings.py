"""The settings of a process, and the only reader of the environment."""

import difflib
import os
import secrets
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec

from mystira.mediafiles.forms import MediaLimits
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.stores.cosmos.address import SAMPLE, SCHEME, Address, BadAddress, read_address

PREFIX = "MYSTIRA_"
BLOBS = "az://"


class SettingsWrong(Problem):
    """The settings cannot be used: {wrong}"""

    kind = Kind.INVALID

    @property
    def message(self) -> str:
        """One line for each wrong setting."""
        return f"The settings cannot be used:\n{self.facts['wrong']}"


class Setting(msgspec.Struct, frozen=True):
    """One documented setting: its default as it would be written, and what it means."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting("MYSTIRA_DATA", ".mystira", "The folder that holds everything that is kept."),
    Setting("MYSTIRA_HOST", "127.0.0.1", "The address to listen on; 0.0.0.0 for every network."),
    Setting("MYSTIRA_PORT", "8000", "The port to listen on, 1 to 65535."),
    Setting(
        "MYSTIRA_DOCUMENTS",
        "sqlite",
        "Where documents live: `sqlite` (under MYSTIRA_DATA), `sqlite:///path` or `cosmos://host:port/database` "
        "(`?tls=0` for HTTP, `?ca=FILE` for a certificate of your own).",
    ),
    Setting(
        "MYSTIRA_COSMOS_KEY",
        "",
        "The key of the Cosmos DB account; better here than before an @ in the address. Without one, whoever runs this "
        "signs in with Entra ID.",
    ),
    Setting(
        "MYSTIRA_MAPPINGS",
        "",
        "A folder of mapping files, one for each collection whose documents other software wrote (docs/adopting).",
    ),
    Setting("MYSTIRA_RELATIONAL", "embedded", "The PostgreSQL: `embedded` or `postgresql://user:password@host/name`."),
    Setting("MYSTIRA_CACHE", "memory", "Where cached values live: `memory`."),
    Setting("MYSTIRA_BUS", "memory", "How facts travel between services: `memory`."),
    Setting(
        "MYSTIRA_MEDIA",
        "folder",
        "Where media live: `folder` (under MYSTIRA_DATA), `folder:///path`, or `az://account` for Azure Blob Storage "
        "(`?endpoint=http://host:port/account` for another address).",
    ),
    Setting(
        "MYSTIRA_MEDIA_KEY",
        "",
        "The key of the storage account that MYSTIRA_MEDIA names. Without one, Entra ID says who runs this.",
    ),
    Setting("MYSTIRA_MEDIA_PICTURE_MB", "25", "How large an uploaded picture may be."),
    Setting("MYSTIRA_MEDIA_SOUND_MB", "50", "How large an uploaded sound may be."),
    Setting("MYSTIRA_MEDIA_FILM_MB", "250", "How large an uploaded film may be."),
    Setting("MYSTIRA_MEDIA_UPLOAD_MB", "1000", "How much one upload may bring, all its files together."),
    Setting("MYSTIRA_MEDIA_PIXELS", "8300000", "How many points an uploaded picture may have."),
    Setting("MYSTIRA_MEDIA_SECONDS", "1800", "How long an uploaded sound or film may last."),
    Setting("MYSTIRA_MEDIA_KEEP_DAYS", "90", "How long deleted media can be brought back."),
    Setting("MYSTIRA_DEMO", "1", "`1` brings the sample family and the mailbox page, `0` leaves them out."),
    Setting("MYSTIRA_SECRET", "", "The key for keyed hashes, 32 characters or more; else one is made and kept."),
    Setting("MYSTIRA_PROXIES", "", "Addresses or networks of proxies whose X-Forwarded-For is believed, with commas."),
    Setting("MYSTIRA_LIMIT_WRITES", "1200", "Changes that one client may make in a minute; 0 for any number."),
    Setting("MYSTIRA_LIMIT_SIGN_INS", "30", "Links one client may ask for or open in 15 minutes; 0 for any number."),
    Setting("MYSTIRA_LIMIT_LINKS", "5", "Sign-in links that go to one address in 15 minutes; 0 for any number."),
    Setting(
        "MYSTIRA_METRICS_TOKEN",
        "",
        "The bearer token that Prometheus sends, 16 characters or more; else no metrics.",
    ),
    Setting(
        "MYSTIRA_SERVICE_TOKENS",
        "",
        "Who of our own services may ask for what is under `/internal`: `name:token` with commas, tokens of 32 "
        "characters or more; else none.",
    ),
    Setting(
        "MYSTIRA_TRACES", "", "Where an OpenTelemetry collector takes traces, like `http://127.0.0.1:4318/v1/traces`."
    ),
    Setting("MYSTIRA_LIMIT_PASSWORDS", "10", "Passwords tried for one administrator in 15 minutes; 0 for any number."),
    Setting(
        "MYSTIRA_SCRUB_DAYS",
        "7",
        "After how many days what both stores hold is slowly reread and compared again; 0 leaves that to people.",
    ),
    Setting("MYSTIRA_SCRUB_PACE", "50", "How many records a second that rereads, at most."),
    Setting(
        "MYSTIRA_PUBLIC_URL",
        "",
        "Where families' browsers find the pages, like `https://play.example.org`; else this machine's own address.",
    ),
    Setting("MYSTIRA_STRIPE_KEY", "", "The secret key of a Stripe account; else the demo sells in a sandbox."),
    Setting("MYSTIRA_STRIPE_WEBHOOK_SECRET", "", "The signing secret of the webhook that Stripe sends notices to."),
    Setting("MYSTIRA_STRIPE_URL", "https://api.stripe.com", "Where Stripe's API is."),
    Setting("MYSTIRA_PURGE_DAYS", "30", "After how many days what was removed leaves no trace; 0 keeps the traces."),
)


DAYS_MAX = 3_650
TOKEN_LENGTH_MIN = 32
DAYS = ("MYSTIRA_SCRUB_DAYS", "MYSTIRA_PURGE_DAYS")
MEDIA_NUMBERS = tuple(
    f"MYSTIRA_MEDIA_{name}"
    for name in ("PICTURE_MB", "SOUND_MB", "FILM_MB", "UPLOAD_MB", "PIXELS", "SECONDS", "KEEP_DAYS")
)
TEXTS = (
    "MYSTIRA_SECRET",
    "MYSTIRA_METRICS_TOKEN",
    "MYSTIRA_TRACES",
    "MYSTIRA_STRIPE_KEY",
    "MYSTIRA_STRIPE_WEBHOOK_SECRET",
    "MYSTIRA_STRIPE_URL",
)
LIMITS = tuple(setting.name for setting in SETTINGS if setting.name.startswith("MYSTIRA_LIMIT_"))


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process runs with; every path is absolute."""

    data: Path
    host: str
    port: int
    documents: Path | Address
    mappings: Path | None
    relational: str
    media: Path
    media_account: str
    media_key: str
    media_limits: MediaLimits
    media_keep_days: int
    demo: bool
    secret: str
    proxies: tuple[str, ...]
    limit_writes: int
    limit_sign_ins: int
    limit_links: int
    limit_passwords: int
    scrub_days: int
    scrub_pace: int
    purge_days: int
    metrics_token: str
    service_tokens: dict[str, str]
    traces: str
    public_url: str
    stripe_key: str
    stripe_webhook_secret: str
    stripe_url: str

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the pages."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - only compared with.
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the pages."""
        return self.host in ("127.0.0.1", "::1", "localhost")


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check every setting; SettingsWrong names all that are wrong and says what to write."""
    given = os.environ if environ is None else environ
    wrong: list[str] = _unknown(given)
    value = {setting.name: given.get(setting.name) or setting.default for setting in SETTINGS}
    data = Path(value["MYSTIRA_DATA"]).expanduser().absolute()
    documents = _documents(value, data / "documents.sqlite", wrong)
    media = _media_folder(value["MYSTIRA_MEDIA"], data / "media")
    if media is None:
        wrong.append(_say("MYSTIRA_MEDIA", value, "write `folder`, `folder:///absolute/path` or `az://account`"))
    if not value["MYSTIRA_PORT"].isdecimal() or not 1 <= int(value["MYSTIRA_PORT"]) <= 65_535:
        wrong.append(_say("MYSTIRA_PORT", value, "write a number from 1 to 65535"))
    relational = value["MYSTIRA_RELATIONAL"]
    if relational != "embedded" and not relational.startswith(("postgresql://", "postgres://")):
        wrong.append(_say("MYSTIRA_RELATIONAL", value, "write `embedded` or `postgresql://user:password@host/name`"))
    wrong += [
        _say(name, value, "write `memory`") for name in ("MYSTIRA_CACHE", "MYSTIRA_BUS") if value[name] != "memory"
    ]
    if value["MYSTIRA_DEMO"] not in ("0", "1"):
        wrong.append(_say("MYSTIRA_DEMO", value, "write `1` or `0`"))
    if 0 < len(value["MYSTIRA_SECRET"]) < 32:
        wrong.append("MYSTIRA_SECRET is too short: write 32 characters or more, or leave it out.")
    if 0 < len(value["MYSTIRA_METRICS_TOKEN"]) < 16:
        wrong.append("MYSTIRA_METRICS_TOKEN is too short: write 16 characters or more, or leave it out.")
    service_tokens = _service_tokens(value, wrong)
    if value["MYSTIRA_TRACES"] and not value["MYSTIRA_TRACES"].startswith(("http://", "https://")):
        wrong.append(_say("MYSTIRA_TRACES", value, "write an address like `http://127.0.0.1:4318/v1/traces`"))
    wrong += _wrong_proxies(value)
    wrong += _wrong_numbers(value)
    wrong += _wrong_payments(value)
    if wrong or documents is None or media is None:
        raise SettingsWrong(wrong="\n".join(f"  {line}" for line in wrong))
    return Settings(
        data=data,
        host=value["MYSTIRA_HOST"],
        port=int(value["MYSTIRA_PORT"]),
        documents=documents,
        mappings=Path(value["MYSTIRA_MAPPINGS"]).expanduser().absolute() if value["MYSTIRA_MAPPINGS"] else None,
        relational=relational,
        media=media,
        **_media_settings(value),
        service_tokens=service_tokens,
        demo=value["MYSTIRA_DEMO"] == "1",
        proxies=_proxies(value),
        scrub_days=int(value["MYSTIRA_SCRUB_DAYS"]),
        scrub_pace=int(value["MYSTIRA_SCRUB_PACE"]),
        purge_days=int(value["MYSTIRA_PURGE_DAYS"]),
        **_plain(value),
        public_url=value["MYSTIRA_PUBLIC_URL"].rstrip("/"),
    )


def _plain(value: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that mean what is written, under the names of their fields."""
    told: dict[str, Any] = {name: value[name] for name in TEXTS} | {name: int(value[name]) for name in LIMITS}
    return {name.removeprefix(PREFIX).lower(): one for name, one in told.items()}


def _service_tokens(value: Mapping[str, str], wrong: list[str]) -> dict[str, str]:
    """Return the token of each service by its name, and note what cannot be one."""
    parts = [part.strip().partition(":") for part in value["MYSTIRA_SERVICE_TOKENS"].split(",") if part.strip()]
    if all(name.isidentifier() and len(token) >= TOKEN_LENGTH_MIN and token.isascii() for name, _, token in parts):
        return {name: token for name, _, token in parts}
    # What is written here is secret, so the message does not repeat it.
    wrong.append(
        f"MYSTIRA_SERVICE_TOKENS: write `name:token` with commas, tokens of {TOKEN_LENGTH_MIN} letters or more."
    )
    return {}


def _wrong_payments(value: Mapping[str, str]) -> list[str]:
    wrong = [
        _say(name, value, "write an address that begins with https://")
        for name in ("MYSTIRA_PUBLIC_URL", "MYSTIRA_STRIPE_URL")
        if value[name] and not value[name].startswith(("http://", "https://"))
    ]
    if bool(value["MYSTIRA_STRIPE_KEY"]) is not bool(value["MYSTIRA_STRIPE_WEBHOOK_SECRET"]):
        wrong.append("MYSTIRA_STRIPE_KEY and MYSTIRA_STRIPE_WEBHOOK_SECRET belong together: set both, or neither.")
    return wrong


def _wrong_numbers(value: Mapping[str, str]) -> list[str]:
    limits = [_say(name, value, "write a number from 0 to 1000000") for name in LIMITS if not _is_limit(value[name])]
    days = [
        _say(name, value, f"write a number from 0 to {DAYS_MAX}")
        for name in DAYS
        if not _is_limit(value[name]) or int(value[name]) > DAYS_MAX
    ]
    is_pace = _is_limit(value["MYSTIRA_SCRUB_PACE"]) and value["MYSTIRA_SCRUB_PACE"] != "0"
    pace = [] if is_pace else [_say("MYSTIRA_SCRUB_PACE", value, "write a number from 1 to 1000000")]
    media = [
        _say(name, value, "write a number from 1 to 100000000")
        for name in MEDIA_NUMBERS
        if not (value[name].isdecimal() and value[name].isascii() and 1 <= int(value[name]) <= 100_000_000)
    ]
    return limits + days + pace + media


def _media_folder(value: str, default: Path) -> Path | None:
    return default if value.startswith(BLOBS) else _path(value, "folder", default)


def _media_settings(value: Mapping[str, str]) -> dict[str, Any]:
    return {
        "media_account": value["MYSTIRA_MEDIA"] if value["MYSTIRA_MEDIA"].startswith(BLOBS) else "",
        "media_key": value["MYSTIRA_MEDIA_KEY"],
        "media_limits": MediaLimits(
            picture_bytes=int(value["MYSTIRA_MEDIA_PICTURE_MB"]) * 1_000_000,
            sound_bytes=int(value["MYSTIRA_MEDIA_SOUND_MB"]) * 1_000_000,
            film_bytes=int(value["MYSTIRA_MEDIA_FILM_MB"]) * 1_000_000,
            upload_bytes=int(value["MYSTIRA_MEDIA_UPLOAD_MB"]) * 1_000_000,
            pixels=int(value["MYSTIRA_MEDIA_PIXELS"]),
            seconds=int(value["MYSTIRA_MEDIA_SECONDS"]),
        ),
        "media_keep_days": int(value["MYSTIRA_MEDIA_KEEP_DAYS"]),
    }


def secret_key(settings: Settings) -> bytes:
    """Return the key for keyed hashes: the given one, else the one kept in the data folder, made at first use."""
    if settings.secret:
        return settings.secret.encode()
    path = settings.data / "secret"
    try:
        # Made under another name and linked into place, so that of two processes that start at once one wins whole.
        half = path.with_name(f"secret.{os.getpid()}")
        half.touch(mode=0o600)
        half.write_text(secrets.token_hex(32))
        try:
            path.hardlink_to(half)
        finally:
            half.unlink()
    except FileExistsError:
        pass
    key = path.read_bytes()
    if len(key) < 32:
        # An empty key would make every hash one that anybody can compute.
        raise SettingsWrong(
            wrong=f"  {path} is damaged. Bring it back from a backup, or delete it: everybody signs in anew."
        )
    return key


def _unknown(given: Mapping[str, str]) -> list[str]:
    known = [setting.name for setting in SETTINGS]
    lines: list[str] = []
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known and not name.startswith("MYSTIRA_TEST_"):
            close = difflib.get_close_matches(name, known, n=1)
            lines.append(f"{name} is no setting" + (f"; did you mean {close[0]}?" if close else "."))
    return lines


def _is_limit(text: str) -> bool:
    return text.isdecimal() and text.isascii() and int(text) <= 1_000_000


def _proxies(value: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in value["MYSTIRA_PROXIES"].split(",") if part.strip())


def _wrong_proxies(value: Mapping[str, str]) -> list[str]:
    try:
        for proxy in _proxies(value):
            ip_network(proxy)
    except ValueError:
        return [_say("MYSTIRA_PROXIES", value, "write addresses or networks, like `10.0.0.5` or `10.0.0.0/8`")]
    return []


def _documents(value: Mapping[str, str], default: Path, wrong: list[str]) -> Path | Address | None:
    given = value["MYSTIRA_DOCUMENTS"]
    if given.startswith(SCHEME):
        try:
            return read_address(given, value["MYSTIRA_COSMOS_KEY"])
        except BadAddress as error:
            # The address may hold a key, so it is not repeated.
            wrong.append(f"MYSTIRA_DOCUMENTS is no address of a Cosmos DB: {error}.")
            return None
    found = _path(given, "sqlite", default)
    if found is None:
        advice = f"write `sqlite`, `sqlite:///absolute/path` or `{SAMPLE}`"
        wrong.append(_say("MYSTIRA_DOCUMENTS", value, advice))
    return found


def _path(value: str, scheme: str, default: Path) -> Path | None:
    if value == scheme:
        return default
    start = f"{scheme}:///"
    return (
        Path("/" + value.removeprefix(start).lstrip("/"))
        if value.startswith(start) and len(value) > len(start)
        else None
    )


def _say(name: str, value: Mapping[str, str], advice: str) -> str:
    return f"{name} is {value[name]!r}: {advice}."
