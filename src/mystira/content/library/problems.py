"""What the library refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class StoryNotFound(Problem):
    """This story does not exist or is not published."""

    kind = Kind.NOT_FOUND
