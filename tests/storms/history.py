"""What was ever written in a storm, and from what: so that whatever is lost or taken twice is missed."""

from mystira.polyglot.entity import Stamp
from mystira.polyglot.store import Key, Record


class Node:
    """One write in the history of a key."""

    __slots__ = ("op", "parent")

    def __init__(self, op: str, parent: "Node | None") -> None:
        self.op = op
        self.parent = parent


class History:
    """What was ever written: each version with the one it was made from, wherever that happened."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, Key, Stamp, str], Node] = {}
        self.body_of: dict[tuple[str, Key, Stamp], str] = {}
        self.split_bodies: set[tuple[str, Key, Stamp]] = set()
        self.side_of: dict[tuple[str, int], str] = {}
        self.two_leaders: set[tuple[str, int]] = set()

    def add(self, name: str, record: Record, base: Record | None, side: str) -> None:
        """Remember a version; relayed and pruned ones are known already, adopted ones follow their base."""
        at = (name, record.key, record.stamp, record.op)
        if at in self._nodes:
            return
        epoch = (name, record.stamp.epoch)
        if self.side_of.setdefault(epoch, side) != side:
            self.two_leaders.add(epoch)
        parent = self._nodes.get((name, record.key, base.stamp, base.op)) if base else None
        self._nodes[at] = Node(record.op, parent)
        version = at[:3]
        if self.body_of.setdefault(version, record.op) != record.op:
            self.split_bodies.add(version)

    def ops(self, name: str, record: Record | None) -> list[str]:
        """Return every op that led to this version."""
        found: list[str] = []
        node = self._nodes.get((name, record.key, record.stamp, record.op)) if record else None
        while node is not None:
            found.append(node.op)
            node = node.parent
        return found
