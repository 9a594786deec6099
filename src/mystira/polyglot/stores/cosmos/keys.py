"""Ids as Cosmos DB keeps them: it forbids four characters, which lie one by one in Unicode's private area instead.

One for one, so that prefixes and parts of an id mean the same on both sides; only their order among other ids differs.
"""

from mystira.polyglot.values import is_text

PRIVATE = 0xF000
ID_BYTES_MAX = 1_023

_FORBIDDEN = {ord(character): chr(PRIVATE + ord(character)) for character in "/\\?#"}
_BACK = {PRIVATE + code: chr(code) for code in _FORBIDDEN}


def stored_id(id: str) -> str:
    """Return the id under which a document is kept."""
    return id.translate(_FORBIDDEN)


def told_id(stored: str) -> str:
    """Return the id that a document's stored id stands for."""
    return stored.translate(_BACK)


def can_be_id(id: str) -> bool:
    """Tell whether the service keeps such an id, so that it comes back as it was."""
    return (
        is_text(id)
        and id not in ("", ".", "..")
        and id[-1] not in " \n"
        and told_id(id) == id
        and len(stored_id(id).encode()) <= ID_BYTES_MAX
    )
