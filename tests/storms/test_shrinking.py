"""Decisions are recorded, can be forced, and a failing list of them becomes as small as it can be."""

import pytest

from tests.storms.choices import Decision
from tests.storms.loop import StormLoop
from tests.storms.schedules import explain, run
from tests.storms.shrinking import shrink
from tests.storms.toys import loses_a_write


def failing_seeds(count: int) -> list[int]:
    return [seed for seed in range(100) if run(loses_a_write, seed, tracing=False).failure][:count]


def test_a_failing_schedule_shrinks_to_the_two_faults_that_it_takes() -> None:
    for seed in failing_seeds(5):
        whole = run(loses_a_write, seed)
        small = explain(loses_a_write, seed)
        assert (small.failure, small.message, whole.failure) == ("AssertionError", "a write is gone", "AssertionError")
        assert sorted(decision.key.split("#")[0] for decision in small.decisions) == ["relay restarts", "reply lost"]
        assert set(small.decisions) < set(whole.decisions)
        assert "a write is gone" in small.details and any("lost" in line for line in small.trace)
        # The traceback may name addresses.
        assert explain(loses_a_write, seed)._replace(details="") == small._replace(details="")


def test_the_same_decisions_forced_give_the_same_run() -> None:
    for seed in range(10):
        whole = run(loses_a_write, seed)
        forced = {decision.key: decision.value for decision in whole.decisions}
        again = run(loses_a_write, seed, forced=forced, drawn=False)
        assert (again.trace, again.failure, again.steps) == (whole.trace, whole.failure, whole.steps)
        neutral = run(loses_a_write, seed, forced={}, drawn=False)
        assert (neutral.failure, neutral.decisions) == ("", [])


def test_a_trace_changes_nothing_in_the_run() -> None:
    for seed in range(10):
        traced, quiet = run(loses_a_write, seed), run(loses_a_write, seed, tracing=False)
        assert quiet == traced._replace(trace=[], details="")


def choices(loop: StormLoop, seed: int) -> None:
    for number in range(5):
        loop.trace(f"{number} {loop.choose('a', 0.5)} {loop.choose('b', 'xyz')}")


def test_one_decision_can_be_forced_while_the_others_are_drawn() -> None:
    free = run(choices, 3)
    key, value = next(decision for decision in free.decisions if decision.key.startswith("b#"))
    for wanted in "xyz":
        forced = run(choices, 3, forced={key: wanted})
        others = [decision for decision in forced.decisions if decision.key != key]
        assert others == [decision for decision in free.decisions if decision.key != key]
        assert (wanted == "x") == all(decision.key != key for decision in forced.decisions)
    # What is no option (any more) is passed over.
    assert run(choices, 3, forced={key: "no such option"}).decisions == free.decisions
    assert Decision(key, value) in free.decisions


def test_a_probability_comes_up_as_often_as_it_says() -> None:
    def often(loop: StormLoop, seed: int) -> None:
        for _ in range(1000):
            loop.choose("rare", 0.1)
            loop.choose("never", 0.0)
            loop.choose("always", 1.0)
            loop.choose("one of three", (1, 2, 3))

    counts = [run(often, seed).decisions for seed in range(10)]
    found = {label: sum(d.key.split("#")[0] == label for ds in counts for d in ds) for label in ("rare", "never")}
    assert 850 < found["rare"] < 1150 and found["never"] == 0
    assert sum(d.key.startswith("always") for ds in counts for d in ds) == 10_000
    assert all(3000 < sum(d.value == n for ds in counts for d in ds if "three" in d.key) < 3700 for n in (2, 3))


def test_a_chance_comes_up_as_often_as_it_says_and_can_be_forced() -> None:
    def often(loop: StormLoop, seed: int) -> None:
        chances = [loop.chance("rare", 0.1), loop.chance("common", 0.4)]
        for _ in range(1000):
            for chance in chances:
                chance.strikes()

    counts = [run(often, seed).decisions for seed in range(10)]
    found = {label: sum(d.key.split("#")[0] == label for ds in counts for d in ds) for label in ("rare", "common")}
    assert 850 < found["rare"] < 1150 and 3700 < found["common"] < 4300
    assert run(often, 3).decisions == run(often, 3).decisions != run(often, 4).decisions
    assert [str(d) for d in run(often, 3, forced={"rare#7": True}, drawn=False).decisions] == ["rare#7 = True"]
    kept = {d.key: False for d in run(often, 3).decisions[1:]}
    assert run(often, 3, forced=kept).decisions == run(often, 3).decisions[:1]


def test_labels_and_seeds_draw_independently() -> None:
    def drawn(seed: int, label: str) -> list[bool]:
        with StormLoop(seed) as loop:
            return [loop.choose(label, 0.5) for _ in range(200)]

    streams = [drawn(seed, label) for seed in (1, 2, 3) for label in ("a", "b")]
    for number, one in enumerate(streams):
        for other in streams[:number]:
            assert 60 < sum(x == y for x, y in zip(one, other, strict=True)) < 140


@pytest.mark.parametrize("needed", [{0}, {99}, {3, 50}, {10, 11, 12, 80}, set(range(0, 100, 9)), set(range(100))])
def test_shrinking_finds_exactly_what_is_needed(needed: set[int]) -> None:
    asked: list[list[int]] = []

    def fails(kept: list[int]) -> bool:
        asked.append(kept)
        return needed <= set(kept)

    assert shrink(fails, range(100)) == sorted(needed)
    assert len(asked) < 500


def test_shrinking_leaves_a_list_of_which_each_is_needed_and_keeps_to_its_tries() -> None:
    def fails(kept: list[int]) -> bool:
        return sum(kept) >= 100

    kept = shrink(fails, range(50))
    assert fails(kept) and not any(fails([n for n in kept if n != left_out]) for left_out in kept)
    asked: list[int] = []
    assert shrink(lambda kept: bool(asked.append(1)) or 7 in kept, range(50), tries_max=3) != [7]
    assert len(asked) <= 4
    assert shrink(lambda kept: True, range(50)) == [] == shrink(lambda kept: False, [])
