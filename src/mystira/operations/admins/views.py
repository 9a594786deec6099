"""What can be seen of those who run the platform."""

from datetime import datetime

import msgspec

from mystira.operations.admins.model import Admin, AdminSession, checked_name
from mystira.operations.admins.problems import AdminNotFound
from mystira.polyglot.work import Work

ADMINS_MAX = 1_000


class AdminShown(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of somebody: anything but the password's hash. `password` only where it was made just now."""

    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None
    password: str | msgspec.UnsetType = msgspec.UNSET


async def admins(work: Work) -> tuple[Admin, ...]:
    """Return everybody, in the order of their names."""
    return (await work.find(Admin, limit=ADMINS_MAX)).items


async def admin_named(work: Work, name: str) -> Admin:
    """Return the one of this name; AdminNotFound where there is none."""
    found = await work.get(Admin, checked_name(name))
    if found is None:
        raise AdminNotFound(name=name)
    return found


async def signed_in(work: Work, session_id: str) -> Admin | None:
    """Return who is signed in by this session, if it still admits them."""
    session = await work.get(AdminSession, session_id)
    if session is None:
        return None
    admin = await work.get(Admin, session.admin_id)
    return admin if session.admits(admin, work.now) else None


def shown(admin: Admin, made: str | None = None) -> AdminShown:
    """Return what may be shown of somebody, and the password that was made for them, if one was."""
    return AdminShown(
        name=admin.id,
        role=admin.role,
        created_at=admin.created_at,
        disabled_at=admin.disabled_at,
        password=msgspec.UNSET if made is None else made,
    )
