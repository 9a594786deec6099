"""What the command line does for those who run the platform."""

from mystira.operations.admins import actions, views
from mystira.operations.admins.model import Admin, checked_name, checked_password, checked_role
from mystira.polyglot.work import Works
from mystira.web.passwords import hashed


async def add(works: Works, name: str, role: str, password: str) -> Admin:
    """Let somebody run the platform."""
    checked_name(name)
    checked_role(role)
    password_hash = await hashed(checked_password(password))
    return await works.run(actions.add_admin, name=name, role=role, password_hash=password_hash)


async def set_password(works: Works, name: str, password: str) -> Admin:
    """Give somebody a new password; every session of theirs ends."""
    await views.admin_named(works.open(), name)
    password_hash = await hashed(checked_password(password))
    return await works.run(actions.set_password, name=name, password_hash=password_hash)


async def disable(works: Works, name: str) -> Admin:
    """Let somebody in no more."""
    return await works.run(actions.disable_admin, name=name)


async def everybody(works: Works) -> tuple[Admin, ...]:
    """Return everybody who may or might run the platform."""
    return await views.admins(works.open())
