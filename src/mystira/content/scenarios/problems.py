"""What the scenarios room refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class ScenarioNotFound(Problem):
    """This story does not exist."""

    kind = Kind.NOT_FOUND
