"""What a process remembers is bounded, forgets what nobody asked for longest, and counts what it was asked."""

import pytest

from mystira.polyglot import measures
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity
from mystira.polyglot.memos import Memo, Memos


class Stone(Entity, frozen=True, kw_only=True):
    """What never changes."""


class Leaf(Entity, frozen=True, kw_only=True):
    """What does."""


def memos() -> Memos:
    stones = Collection(Stone, container="Stones", table="stones", never_changes=True)
    return Memos(Catalog([stones, Collection(Leaf, container="Leaves", table="leaves")]))


def test_what_nobody_asked_for_longest_is_forgotten_first() -> None:
    memo: Memo[str, int] = Memo("a test", 2)
    assert (memo.put("a", 1), memo.put("b", 2)) == (1, 2)
    assert memo.get("a") == 1
    memo.put("c", 3)
    assert (memo.get("a"), memo.get("b"), memo.get("c")) == (1, None, 3)


def test_hits_and_misses_are_counted_by_name() -> None:
    hits, misses = (measure.values[("counted",)] for measure in (measures.CACHE_HITS, measures.CACHE_MISSES))
    memo: Memo[str, int] = memos().named("counted", 2, of="Stones")
    assert memo.get("a") is None
    memo.put("a", 1)
    assert (memo.get("a"), memo.get("a")) == (1, 1)
    assert measures.CACHE_HITS.values[("counted",)] - hits == 2
    assert measures.CACHE_MISSES.values[("counted",)] - misses == 1


def test_a_name_stands_for_one_memo() -> None:
    kept = memos()
    one, again, other = (kept.named(name, 2, of="Stones") for name in ("one", "one", "other"))
    assert one is again is not other


def test_nothing_is_remembered_of_records_that_change() -> None:
    with pytest.raises(AssertionError, match="records of Leaves change"):
        memos().named("leaves", 2, of="Leaves")


def test_what_is_remembered_is_told_by_the_collection_it_is_made_of() -> None:
    kept = memos()
    kept.named("one", 2, of="Stones").put("a", 1)
    assert [(one.name, one.values, one.most) for one in kept.made_of("Stones")] == [("one", 1, 2)]
    assert kept.made_of("Leaves") == []
