"""What the accounts room refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class AddressInvalid(Problem):
    """{address!r} does not look like an e-mail address. Write it like name@example.org."""

    kind = Kind.UNPROCESSABLE


class LinkInvalid(Problem):
    """This sign-in link cannot be used: it is older than ten minutes, was used before, or was asked for in
    another browser. Ask for a new one."""

    kind = Kind.UNPROCESSABLE


class ProfileNotFound(Problem):
    """This player does not exist in your family."""

    kind = Kind.NOT_FOUND


class ProfileInvalid(Problem):
    """{reason}"""

    kind = Kind.UNPROCESSABLE


class TooManyProfiles(Problem):
    """A family can have up to {most} players. Remove one first."""

    kind = Kind.CONFLICT


class DemoOff(Problem):
    """The sample family lives in the demo only, and the demo is switched off here."""

    kind = Kind.NOT_FOUND
