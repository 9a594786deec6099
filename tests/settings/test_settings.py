"""Settings: read once, checked all at once, documented."""

from pathlib import Path

import pytest

from mystira.settings import SETTINGS, SettingsWrong, read_settings, secret_key

ROOT = Path(__file__).parents[2]


def test_without_any_setting_everything_has_a_value() -> None:
    settings = read_settings({})
    assert settings.port == 8000 and settings.demo and settings.data.is_absolute()
    assert settings.address == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("MYSTIRA_PORT", "http", "write a number from 1 to 65535"),
        ("MYSTIRA_PORT", "70000", "write a number"),
        ("MYSTIRA_DOCUMENTS", "mongo://x", "write `sqlite`"),
        ("MYSTIRA_DOCUMENTS", "cosmos://key@host:8081", "write it like cosmos://"),
        ("MYSTIRA_DOCUMENTS", "cosmos://host/database?tsl=0", "tls=0"),
        ("MYSTIRA_RELATIONAL", "mysql://x", "write `embedded`"),
        ("MYSTIRA_CACHE", "disk", "write `memory`"),
        ("MYSTIRA_BUS", "pigeon", "write `memory`"),
        ("MYSTIRA_MEDIA", "folder:", "write `folder`"),
        ("MYSTIRA_DEMO", "maybe", "write `1` or `0`"),
        ("MYSTIRA_SECRET", "short", "32 characters"),
        ("MYSTIRA_PROXIES", "10.0.0.1, proxy.example", "write addresses or networks"),
        ("MYSTIRA_LIMIT_WRITES", "-1", "write a number from 0 to 1000000"),
        ("MYSTIRA_LIMIT_LINKS", "many", "write a number from 0 to 1000000"),
        ("MYSTIRA_SCRUB_DAYS", "weekly", "write a number from 0 to 3650"),
        ("MYSTIRA_SCRUB_PACE", "0", "write a number from 1 to 1000000"),
        ("MYSTIRA_PURGE_DAYS", "4000", "write a number from 0 to 3650"),
        ("MYSTIRA_SERVICE_TOKENS", "publisher:short", "tokens of 32"),
        ("MYSTIRA_SERVICE_TOKENS", "x" * 40, "write `name:token`"),
        ("MYSTIRA_PROT", "1", "did you mean MYSTIRA_PORT?"),
    ],
)
def test_a_wrong_value_says_what_to_write(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        read_settings({name: value})
    assert name in str(wrong.value) and says in str(wrong.value)


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(SettingsWrong) as wrong:
        read_settings({"MYSTIRA_PORT": "x", "MYSTIRA_DEMO": "x", "MYSTIRA_BUS": "x"})
    assert str(wrong.value).count("\n") == 3


def test_the_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = read_settings({"MYSTIRA_DATA": str(tmp_path)})
    assert secret_key(settings) == secret_key(settings)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert len(secret_key(settings)) == 64
    assert secret_key(read_settings({"MYSTIRA_SECRET": "x" * 32})) == b"x" * 32


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"")
    with pytest.raises(SettingsWrong, match="is damaged"):
        secret_key(read_settings({"MYSTIRA_DATA": str(tmp_path)}))


@pytest.mark.parametrize(
    "host, address, is_private",
    [
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("::1", "http://[::1]:8000", True),
        ("0.0.0.0", "http://127.0.0.1:8000", False),
        ("192.0.2.1", "http://192.0.2.1:8000", False),
    ],
)
def test_the_address_can_be_opened_in_a_browser(host: str, address: str, is_private: bool) -> None:
    settings = read_settings({"MYSTIRA_HOST": host})
    assert (settings.address, settings.is_private) == (address, is_private)


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for setting in SETTINGS:
        assert f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else ''} | {setting.meaning} |" in text
