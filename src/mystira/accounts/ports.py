"""The outside systems of this room. So far mail goes to the demo's mailbox page; SMTP will stand beside it."""

from collections import deque

import msgspec

MAILS_MAX = 50


class Mail(msgspec.Struct, frozen=True):
    """One mail: to whom, and the path of the link in it."""

    to: str
    link: str


class Mailbox:
    """Keeps the newest mails in memory, for the demo's mailbox page; they are gone when the process ends."""

    def __init__(self) -> None:
        self._mails: deque[Mail] = deque(maxlen=MAILS_MAX)

    def deliver(self, to: str, link: str) -> None:
        """Take a mail in."""
        self._mails.append(Mail(to, link))

    def newest(self) -> tuple[Mail, ...]:
        """Return the mails, the newest first."""
        return tuple(reversed(self._mails))
