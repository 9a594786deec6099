"""What operations cost in request units: a model close to the service's published figures, the same every time."""

READ_PER_KB = 1.0
CREATE_PER_KB, CREATE_PER_INDEX_KB = 5.0, 0.65
QUERY, QUERY_PER_ITEM, QUERY_PER_KB = 2.3, 0.03, 0.5
PLAN, CATALOGUE, NOT_DONE = 0.0, 1.0, 1.0


def kilobytes(size: int) -> int:
    """Return the size in begun kilobytes, at least one."""
    return max(1, -(-size // 1024))


def reading(size: int) -> float:
    """A point read, or what the feed delivers."""
    return READ_PER_KB * kilobytes(size)


def creating(size: int) -> float:
    """A new item, all its paths indexed."""
    return round((CREATE_PER_KB + CREATE_PER_INDEX_KB) * kilobytes(size), 2)


def replacing(before: int, after: int) -> float:
    """The old item leaves the index, the new one enters it."""
    return round((CREATE_PER_KB + CREATE_PER_INDEX_KB) * kilobytes(after) + CREATE_PER_KB * kilobytes(before), 2)


def deleting(size: int) -> float:
    """The item leaves the index."""
    return round((CREATE_PER_KB + CREATE_PER_INDEX_KB) * kilobytes(size), 2)


def querying(looked_at: int, delivered: int) -> float:
    """A page of a query: the items that were looked at and the bytes that were delivered."""
    return round(QUERY + QUERY_PER_ITEM * looked_at + QUERY_PER_KB * (kilobytes(delivered) if delivered else 0), 2)
