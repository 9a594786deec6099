"""What can be wrong with what operators wrote about costs."""

from mystira.polyglot.problem import Kind, Problem


class PricesWrong(Problem):
    """The prices in {path} cannot be read: {reason}. docs/costs.md shows how they are written."""

    kind = Kind.INVALID
