"""Those who run the platform and their rules. A password is kept only as its Argon2id hash."""

import re
from datetime import datetime, timedelta

from mystira.operations.admins.problems import NameUnusable, PasswordTooShort, RoleUnknown
from mystira.polyglot.entity import Entity

SESSION_LIVES = timedelta(hours=10)
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 12, 200
ROLES = ("viewer", "operator", "admin")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class Admin(Entity, frozen=True, kw_only=True):
    """Somebody who runs the platform; the id is the name. `changed_at` is when the password was set last."""

    password_hash: str
    role: str
    created_at: datetime
    changed_at: datetime
    disabled_at: datetime | None = None


class AdminSession(Entity, frozen=True, kw_only=True):
    """A browser in which somebody who runs the platform is signed in; its id is the keyed hash of its secret."""

    admin_id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def admits(self, admin: Admin | None, now: datetime) -> bool:
        """Whether it still signs in: not ended, not disabled, and begun after the password was set last."""
        if self.revoked_at is not None or now >= self.expires_at or admin is None:
            return False
        return admin.disabled_at is None and self.created_at >= admin.changed_at


def checked_name(text: str) -> str:
    """Return the spelling under which a name is known, or refuse it."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise NameUnusable(name=text[:80])
    return name


def checked_password(password: str) -> str:
    """Return the password, or refuse it: long enough to be hard to guess, short enough to be hashed in time."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise PasswordTooShort(least=PASSWORD_LENGTH_MIN, most=PASSWORD_LENGTH_MAX)
    return password


def checked_role(role: str) -> str:
    """Return the role, or refuse it."""
    if role not in ROLES:
        raise RoleUnknown(role=role[:40], roles=", ".join(ROLES))
    return role
