"""What the desk refuses, and what to do about it."""

from mystira.polyglot.problem import Kind, Problem


class NoSuchKind(Problem):
    """There is no page for {noun}. The content page lists everything there is."""

    kind = Kind.NOT_FOUND


class NotThere(Problem):
    """There is no {one} with the id {id}. The list shows those there are; perhaps somebody has deleted it."""

    kind = Kind.NOT_FOUND


class ThereAlready(Problem):
    """There is a {one} with the id {id} already. Change that one, or choose another name."""

    kind = Kind.STALE


class NotRight(Problem):
    """This cannot be kept: {summary}"""

    kind = Kind.UNPROCESSABLE


class InUse(Problem):
    """This {one} is used by {users}. Change those first, then delete it."""

    kind = Kind.CONFLICT
