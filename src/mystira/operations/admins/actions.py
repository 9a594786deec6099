"""What is done with those who run the platform; each function is one unit of work. Passwords arrive hashed."""

from mystira.operations.admins.model import SESSION_LIVES, Admin, AdminSession, checked_name, checked_role
from mystira.operations.admins.problems import NameTaken
from mystira.operations.admins.views import admin_named
from mystira.polyglot.work import Work


async def add_admin(work: Work, *, name: str, role: str, password_hash: str) -> Admin:
    """Let somebody run the platform."""
    name = checked_name(name)
    if await work.get(Admin, name) is not None:
        raise NameTaken(name=name)
    admin = Admin(
        id=name, password_hash=password_hash, role=checked_role(role), created_at=work.now, changed_at=work.now
    )
    work.save(admin)
    return admin


async def disable_admin(work: Work, *, name: str) -> Admin:
    """Let somebody in no more; their open sessions end with it. Doing it twice is doing it once."""
    admin = await admin_named(work, name)
    if admin.disabled_at is None:
        admin = admin.evolve(disabled_at=work.now)
        work.save(admin)
    return admin


async def set_password(work: Work, *, name: str, password_hash: str) -> Admin:
    """Give somebody a new password, and let them in again if they were disabled; every session of theirs ends."""
    admin = (await admin_named(work, name)).evolve(password_hash=password_hash, changed_at=work.now, disabled_at=None)
    work.save(admin)
    return admin


async def open_session(work: Work, *, session_id: str, name: str) -> AdminSession:
    """Sign a browser in."""
    session = AdminSession(id=session_id, admin_id=name, created_at=work.now, expires_at=work.now + SESSION_LIVES)
    work.save(session)
    return session


async def close_session(work: Work, *, session_id: str) -> None:
    """Sign a browser out; doing it twice is doing it once."""
    session = await work.get(AdminSession, session_id)
    if session is not None and session.revoked_at is None:
        work.save(session.evolve(revoked_at=work.now))
