"""Why the embedded PostgreSQL could not be had, each with what to do."""

from mystira.polyglot.problem import Kind, Problem


class EmbeddedFailed(Problem):
    """The embedded PostgreSQL cannot run: {reason}"""

    kind = Kind.UNAVAILABLE


class StillInUse(Problem):
    """Mystira is still running on this data. Stop it first (Ctrl-C where it runs), then try again."""

    kind = Kind.CONFLICT
