"""What the directory refuses."""

from mystira.polyglot.problem import Kind, Problem


class AccountNotFound(Problem):
    """There is no account {account_id}. Search for its address or its id."""

    kind = Kind.NOT_FOUND


class OrderHidden(Problem):
    """Only administrators may sort by {field}: the order would tell what is masked. Sort by created_at."""

    kind = Kind.FORBIDDEN
