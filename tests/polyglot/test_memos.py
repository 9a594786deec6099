"""What a process remembers is bounded, forgets what nobody asked for longest, and counts what it was asked."""

from mystira.polyglot import measures
from mystira.polyglot.memos import Memo, Memos


def test_what_nobody_asked_for_longest_is_forgotten_first() -> None:
    memo: Memo[str, int] = Memo("a test", 2)
    assert (memo.put("a", 1), memo.put("b", 2)) == (1, 2)
    assert memo.get("a") == 1
    memo.put("c", 3)
    assert (memo.get("a"), memo.get("b"), memo.get("c")) == (1, None, 3)


def test_hits_and_misses_are_counted_by_name() -> None:
    hits, misses = (measure.values[("counted",)] for measure in (measures.CACHE_HITS, measures.CACHE_MISSES))
    memo: Memo[str, int] = Memos().named("counted", 2)
    assert memo.get("a") is None
    memo.put("a", 1)
    assert (memo.get("a"), memo.get("a")) == (1, 1)
    assert measures.CACHE_HITS.values[("counted",)] - hits == 2
    assert measures.CACHE_MISSES.values[("counted",)] - misses == 1


def test_a_name_stands_for_one_memo() -> None:
    memos = Memos()
    assert memos.named("one", 2) is memos.named("one", 2) is not memos.named("other", 2)
