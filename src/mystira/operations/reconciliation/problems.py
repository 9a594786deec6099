"""What the pages of reconciliation refuse."""

from mystira.polyglot.problem import Kind, Problem


class PlanMissing(Problem):
    """No plan was made for this report yet. Ask for a dry run first; it changes nothing."""

    kind = Kind.NOT_FOUND


class PlanReplaced(Problem):
    """Another plan was made meanwhile, or there is none. Look at the newest one and confirm that."""

    kind = Kind.CONFLICT
