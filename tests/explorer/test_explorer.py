"""Every state of the small models keeps the promises; without any one of the rules, some state breaks one."""

from functools import cache

import pytest

from tests.explorer.search import Explored, explore
from tests.explorer.worlds import LARGE, RULES, WORLDS

SMALL = [name for name in WORLDS if name not in LARGE]

HAPPENS = (
    "coordinator 1 flips to relational 3",
    "coordinator 1 flips to documents 5",
    "coordinator 1 flips to relational 3, unanswered",
    "coordinator 2 finds an overdue transition",
    "coordinator 1 is refused the flip",
    "coordinator 1 must not move the copy",
    "writer a aborts the row to 3",
    "writer a ends the overdue drain",
    "writer a reopens the copy as 3 in the outage",
    "writer a finds that the documents lead again",
    "writer a writes a1 to PostgreSQL",
    "writer a finds the copy changed",
    "writer a stands down",
    "coordinator 1 has heard from every writer",
    "coordinator 2 strikes the silent",
    "the follower finds two writes against each other",
    "relay 1 hears a straggler",
    "relay 2 finds the document changed",
)
"""Worlds in which these do not happen would prove little."""


@cache
def explored(name: str) -> Explored:
    return explore(WORLDS[name])


@pytest.mark.parametrize("name", SMALL)
def test_no_state_of_the_control_protocol_breaks_a_promise(name: str) -> None:
    found = explored(name)
    print(f"{found.states:,} states, depth {found.depth}, {found.seconds:.1f} s")
    assert not found.fault, "\n".join((found.fault, *found.trace))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_nobody_keeps_is_missed(rule: str) -> None:
    name, fault = RULES[rule]
    found = explore(WORLDS[name]._replace(without=frozenset({rule})))
    assert fault in found.fault, found
    assert 3 < len(found.trace) == found.depth


def test_what_makes_the_protocol_hard_happens_in_these_worlds() -> None:
    witnessed = frozenset[str]().union(*(explored(name).witnessed for name in SMALL))
    assert [told for told in HAPPENS if told not in witnessed] == []
