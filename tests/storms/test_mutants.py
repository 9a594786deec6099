"""A storm suite that cannot find a planted bug proves nothing: each guard is taken away once, and must be missed."""

import os

import pytest

from tests.storms.invariants import schedule
from tests.storms.mutants import MUTANTS
from tests.storms.schedules import run

SEEDS = 2_000
STEPS_MAX = 60_000

# The slowest to be found start where they were seen to fail; after a change of the code the search goes on from there.
# FROM_ZERO=1 starts all of them at the first seed, as the promise "within 2,000 seeds" is meant.
FIRST_SEED = {
    "no COMMITTING before the flip": 862,
    "relay reads the row before the document": 716,
    "repair below the follower's stamp": 325,
    "frontier skipped": 322,
    "lease counted from the answer": 282,
    "only the last op looked at": 243,
    "merge as if documents always led": 228,
    "relay overwrites stragglers": 228,
    "second writes while it drains": 228,
    "unstamped documents adopted too late": 196,
    "relay writes without If-Match": 139,
    "stragglers not looked for": 129,
    "flip by the state's name": 126,
    "stragglers always merged": 102,
    "the leader changes although both differ": 101,
    "a roster entry lasts for ever": 75,
    "scrub reads documents only": 69,
    "digests never corrected": 69,
}


def test_there_are_enough_mutants() -> None:
    assert len(MUTANTS) >= 50


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_storms_find(mutant: str) -> None:
    first = 0 if os.environ.get("FROM_ZERO") else FIRST_SEED.get(mutant, 0)
    for tried in range(SEEDS):
        seed = (first + tried) % SEEDS
        outcome = run(schedule, seed, arguments=(mutant,), tracing=False, steps_max=STEPS_MAX)
        if outcome.failure.startswith("I"):
            print(f"{mutant}: found by seed {seed}, {tried + 1} tried: {outcome.message[:120]}")
            return
    pytest.fail(f"{mutant}: {SEEDS} storms did not notice")
