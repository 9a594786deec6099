"""Guards of verification and repair, of which storms see some seldom: each is taken away once, and a test goes red."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from unittest import mock

import pytest

from mystira.polyglot import repair, scrub, verify
from mystira.polyglot.differences import Difference
from mystira.polyglot.stores.postgres.digests import PostgresDigests
from tests.polyglot import test_repair as repairing
from tests.polyglot import test_verify as verifying
from tests.polyglot.moving import DUAL
from tests.polyglot.planting import Garden

pytestmark = pytest.mark.anyio


def never(answer: Any = None) -> Callable[..., Awaitable[Any]]:
    async def nothing(*args: Any, **kwargs: Any) -> Any:
        return answer

    return nothing


def always(answer: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: answer


def at_any_age(found: Difference, age_s: float, lag_goal_s: float) -> Difference:
    return found


def never_young_again(candidate: Any, state: Any, now: Any, found: Any, scrutiny: Any) -> bool:
    return HAS_LASTED(candidate, candidate.state if candidate.since else state, now, found, scrutiny)


HAS_LASTED = verify._has_lasted


class Guard(NamedTuple):
    """What is broken, and the test that must notice."""

    place: Any
    attribute: str
    replacement: Any
    test: Callable[..., Awaitable[None]]
    more: tuple[Any, ...] = ()


GUARDS = {
    "a mismatch is rechecked": Guard(
        verify, "_has_lasted", always(True), verifying.test_what_heals_between_two_rechecks_is_no_difference
    ),
    "a change sets the age back": Guard(
        verify, "_has_lasted", never_young_again, verifying.test_a_change_of_the_key_sets_its_age_back
    ),
    "what a lag looks like is given time": Guard(
        verify, "at_age", at_any_age, verifying.test_what_an_ordinary_lag_looks_like_must_be_older_than_the_lag_goal
    ),
    "one worker scrubs a collection": Guard(
        scrub, "_lease", never(), verifying.test_of_two_workers_one_scrubs_and_the_lease_of_a_dead_one_runs_out
    ),
    "a scrub goes on where it stopped": Guard(
        scrub, "_unfinished", never(), verifying.test_a_scrub_that_was_cut_short_goes_on_where_it_stopped
    ),
    "the tree is made anew": Guard(
        PostgresDigests, "recount", never(), verifying.test_a_tree_that_was_changed_by_hand_hides_nothing_from_the_scrub
    ),
    "digests are corrected": Guard(
        scrub,
        "correct_digests",
        never(0),
        verifying.test_the_scrub_sees_what_digests_cannot_and_corrects_those_that_are_wrong,
    ),
    "a plan is done only where nothing has changed": Guard(
        repair._Repairing,
        "_is_as_planned",
        always(True),
        repairing.test_what_changed_since_the_plan_is_left_alone_and_told,
        (DUAL,),
    ),
    "what may be somebody's write is kept": Guard(
        repair._Repairing,
        "_keep",
        never(),
        repairing.test_what_may_be_somebodys_write_is_kept_and_never_copied_back,
        (DUAL,),
    ),
    "letters of a divergence go with it": Guard(
        repair._Repairing, "_drop_letters", never(), repairing.test_letters_of_a_divergence_go_with_it
    ),
}


@pytest.mark.parametrize("name", GUARDS)
async def test_without_this_guard_a_test_goes_red(name: str, garden: Garden) -> None:
    guard = GUARDS[name]
    broken = mock.patch.object(guard.place, guard.attribute, guard.replacement)
    with broken, pytest.raises((AssertionError, LookupError, ValueError, pytest.fail.Exception)):
        await guard.test(garden, *guard.more)
