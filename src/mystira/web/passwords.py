"""Passwords: hashed with Argon2id, in threads, and never so many at once that memory runs out."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2
"""Each takes 64 MB and a tenth of a second of a core."""

_hasher = PasswordHasher()
_free: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
# What is compared with where there is nobody of that name, so that the answer takes as long.
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


async def hashed(password: str) -> str:
    """Return what may be kept of a password."""
    async with _turn():
        return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password_hash: str | None, password: str) -> bool:
    """Tell whether this is the password; None stands for a name that nobody has, and takes the same time."""
    async with _turn():
        return await asyncio.to_thread(_fits, password_hash or _NOBODY, password) and password_hash is not None


def new_password() -> str:
    """Return a password that nobody can guess."""
    return secrets.token_urlsafe(18)


def _fits(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _turn() -> asyncio.Semaphore:
    loop = asyncio.get_running_loop()
    if loop not in _free:
        _free.clear()
        _free[loop] = asyncio.Semaphore(AT_ONCE)
    return _free[loop]
