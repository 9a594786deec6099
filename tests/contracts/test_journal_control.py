"""What every journal promises about control rows, their history, and writes under the fence."""

import asyncio
from datetime import timedelta

import pytest

from mystira.polyglot.control import Change, Control, State, first_control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Conflict, Key, Refused
from tests.contracts.journals import (
    COSMOS,
    DUAL,
    NOW,
    POSTGRES,
    REVERSED,
    begin,
    brief,
    change_of,
    flip,
    gone,
    merge,
    note_of,
    told,
    waiting,
)
from tests.contracts.sample import BRIEFS, TICKETS, Ticket, record_of

pytestmark = pytest.mark.anyio


async def test_a_collection_without_a_row_has_no_control(relational: RelationalStore) -> None:
    assert await relational.journal.control("Nothing") is None


async def test_a_declared_row_is_read_back_whole(relational: RelationalStore) -> None:
    control = Control(
        id=BRIEFS.name,
        phase=DUAL,
        n=7,
        epoch=3,
        state=State.DRAIN,
        copying=True,
        complete=True,
        target=REVERSED,
        coordinator="me",
        deadline=NOW,
        floor=41,
        purged=40,
        shadow=0.25,
    )
    assert await relational.journal.declare(control) == control
    assert await relational.journal.control(BRIEFS.name) == control


async def test_declaring_again_returns_what_stands(relational: RelationalStore) -> None:
    first = await relational.journal.declare(first_control(BRIEFS))
    assert await relational.journal.declare(first.evolve(phase=POSTGRES, n=9)) == first


async def test_of_many_that_declare_at_once_all_get_the_same(relational: RelationalStore) -> None:
    answers = await asyncio.gather(
        *(relational.journal.declare(first_control(BRIEFS).evolve(floor=number)) for number in range(8))
    )
    assert len({answer.floor for answer in answers}) == 1


async def test_a_change_replaces_the_row_and_goes_on_record(relational: RelationalStore) -> None:
    control = await begin(relational, COSMOS)
    after = await flip(relational, control, DUAL, copying=True, deadline=NOW)
    assert await relational.journal.control(BRIEFS.name) == after
    assert await relational.journal.history(BRIEFS.name) == [change_of()]


async def test_a_change_of_another_n_changes_nothing(relational: RelationalStore) -> None:
    control = await begin(relational, COSMOS)
    with pytest.raises(Conflict):
        await flip(relational, control.evolve(n=5), DUAL)
    assert await relational.journal.control(BRIEFS.name) == control
    assert await relational.journal.history(BRIEFS.name) == []


async def test_a_change_of_a_row_that_is_not_there_is_a_conflict(relational: RelationalStore) -> None:
    with pytest.raises(Conflict):
        await flip(relational, first_control(BRIEFS), DUAL)


async def test_of_two_changes_at_the_same_n_one_wins(relational: RelationalStore) -> None:
    control = await begin(relational, COSMOS)
    answers = await asyncio.gather(
        *(flip(relational, control, phase) for phase in (DUAL, REVERSED, POSTGRES)), return_exceptions=True
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 2
    assert len(await relational.journal.history(BRIEFS.name)) == 1


async def test_a_change_of_one_collection_leaves_the_others(relational: RelationalStore) -> None:
    other = await relational.journal.declare(first_control(TICKETS))
    await flip(relational, await begin(relational, COSMOS), DUAL)
    assert await relational.journal.control(TICKETS.name) == other


async def test_history_tells_the_newest_first_and_no_more_than_asked(relational: RelationalStore) -> None:
    for verb in ("plan", "start", "pause"):
        await relational.journal.note(change_of(verb, why="because"))
    await relational.journal.note(change_of("other").__class__(collection="X", verb="x", actor="y", at=NOW))
    assert [line.verb for line in await relational.journal.history(BRIEFS.name)] == ["pause", "start", "plan"]
    assert [line.verb for line in await relational.journal.history(BRIEFS.name, limit=1)] == ["pause"]
    assert (await relational.journal.history(BRIEFS.name))[0] == change_of("pause", why="because")


async def test_history_can_be_asked_for_one_verb_and_keeps_its_details(relational: RelationalStore) -> None:
    for verb in ("flip", "step", "flip"):
        details = {"seal": "é", "gates": [{"passed": True}], "held_s": 0.5}
        await relational.journal.note(Change(collection=BRIEFS.name, verb=verb, actor="me", at=NOW, details=details))
    flips = await relational.journal.history(BRIEFS.name, 5, "flip")
    assert [flip.verb for flip in flips] == ["flip", "flip"]
    assert flips[0].details == {"seal": "é", "gates": [{"passed": True}], "held_s": 0.5}


async def test_what_was_done_anywhere_is_told_page_by_page_and_what_was_done_at_once_together(
    relational: RelationalStore,
) -> None:
    for number in range(4):
        at = NOW + timedelta(seconds=number // 2)
        actor = "ada" if number % 2 else "bob"
        await relational.journal.note(Change(collection=f"C{number}", verb="x", actor=actor, at=at))
    journal = relational.journal
    newest = await journal.changes(1)
    assert {change.collection for change in newest} == {"C2", "C3"}
    assert {change.collection for change in await journal.changes(1, before=newest[-1].at)} == {"C0", "C1"}
    assert await journal.changes(9, before=NOW) == []
    assert [change.collection for change in await journal.changes(9, actor="ada")] == ["C3", "C1"]
    assert [change.actor for change in await journal.changes(9, collection="C2")] == ["bob"]


async def test_every_control_row_is_listed(relational: RelationalStore) -> None:
    await relational.journal.declare(Control(id="A", phase=Phase.COSMOS_ONLY))
    await relational.journal.declare(Control(id="B", phase=Phase.POSTGRES_ONLY))
    assert sorted(row.id for row in await relational.journal.controls()) == ["A", "B"]


async def test_answers_to_a_drain_are_kept_for_that_drain_alone(relational: RelationalStore) -> None:
    journal = relational.journal
    await journal.acknowledge("A", 3, "one", 0)
    await journal.acknowledge("A", 3, "one", 7)
    await journal.acknowledge("A", 3, "two", 1)
    await journal.acknowledge("B", 3, "three", 0)
    assert await journal.acknowledged("A", 3) == {"one": 7, "two": 1}
    await journal.acknowledge("A", 5, "one", 0)
    assert await journal.acknowledged("A", 3) == {"two": 1}
    assert await journal.acknowledged("A", 5) == {"one": 0}


async def test_a_late_answer_to_an_earlier_drain_replaces_no_newer_one(relational: RelationalStore) -> None:
    await relational.journal.acknowledge("A", 5, "one", 2)
    await relational.journal.acknowledge("A", 3, "one", 9)
    assert await relational.journal.acknowledged("A", 5) == {"one": 2}
    assert await relational.journal.acknowledged("A", 3) == {}


async def test_a_drained_change_waits_for_the_relay(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    with pytest.raises(Conflict):
        await flip(relational, control, DUAL, drained=True)
    (task,) = await relational.journal.relay_claim(10, NOW, 60)
    with pytest.raises(Conflict):
        await flip(relational, control, DUAL, drained=True)
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    await flip(relational, control, DUAL, drained=True)


async def test_a_parked_relay_task_keeps_a_collection_from_being_drained(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    (task,) = await relational.journal.relay_claim(10, NOW, 60)
    await relational.journal.relay_retry(task, "too large", None)
    with pytest.raises(Conflict):
        await flip(relational, control, DUAL, drained=True)


async def test_without_the_demand_a_change_does_not_look_at_the_relay(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    await flip(relational, control, REVERSED)
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 1


async def test_where_no_documents_are_kept_the_relay_has_nothing_left_to_do(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    await flip(relational, control, POSTGRES)
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 0


async def test_a_fenced_write_is_read_back(relational: RelationalStore) -> None:
    control = await begin(relational, POSTGRES)
    await relational.journal.write(BRIEFS, brief(1, "first"), None, control.n)
    found = await relational.read(BRIEFS, Key("a", "a"))
    assert found == brief(1, "first")
    await relational.journal.write(BRIEFS, brief(2, "second"), found, control.n)
    assert await note_of(relational) == "second"


async def test_a_fenced_write_tells_its_events_in_the_same_commit(relational: RelationalStore) -> None:
    control = await begin(relational, POSTGRES)
    await relational.journal.write(BRIEFS, brief(1, events=told("a", 1)), None, control.n)
    await relational.journal.write(BRIEFS, brief(1, id="b", events=told("b", 1, 2, 3)), None, control.n)
    assert sorted(event.event_id for event in await waiting(relational)) == ["event-a-1", "event-b-1"]


async def test_a_stale_base_writes_nothing_under_the_fence(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1, "first"), None, control.n)
    (task,) = await relational.journal.relay_claim(10, NOW, 60)
    await relational.journal.relay_confirm(BRIEFS, task, Stamp(0, 1))
    for base in (None, brief(5)):
        with pytest.raises(Conflict):
            await relational.journal.write(BRIEFS, brief(2, "lost", events=told("a", 1)), base, control.n)
    assert (await note_of(relational), await waiting(relational)) == ("first", [])
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 0


@pytest.mark.parametrize("phase", [COSMOS, DUAL])
async def test_where_documents_lead_the_fence_lets_nobody_through(relational: RelationalStore, phase: str) -> None:
    control = await begin(relational, phase)  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await relational.journal.write(BRIEFS, brief(1, events=told("a", 1)), None, control.n)
    assert (await note_of(relational), await waiting(relational)) == (None, [])


@pytest.mark.parametrize("is_new", [True, False], ids=["create", "replace"])
@pytest.mark.parametrize("wrong", ["n", "drain", "no row"])
async def test_the_fence_refuses_all_but_an_open_row_of_the_same_n(
    relational: RelationalStore, wrong: str, is_new: bool
) -> None:
    base = None if is_new else brief(1, "stands")
    if base:
        await relational.write(BRIEFS, base, None)
    if wrong != "no row":
        await begin(relational, REVERSED, n=3, state=State.DRAIN if wrong == "drain" else State.OPEN)
    n = 2 if wrong == "n" else 3
    with pytest.raises(Conflict):
        await relational.journal.write(BRIEFS, brief(2, "slips through", events=told("a", 1, 2)), base, n)
    assert await note_of(relational) == (None if is_new else "stands")
    assert await waiting(relational) == []
    assert (await relational.journal.relay_pending(BRIEFS.name)).waiting == 0


async def test_after_a_flip_the_old_n_writes_no_more_and_the_new_one_does(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    after = await flip(relational, control, POSTGRES)
    with pytest.raises(Conflict):
        await relational.journal.write(BRIEFS, brief(1), None, control.n)
    await relational.journal.write(BRIEFS, brief(1), None, after.n)


async def test_no_write_commits_behind_a_flip(relational: RelationalStore) -> None:
    control = await begin(relational, POSTGRES)

    async def write(number: int) -> bool:
        await asyncio.sleep(number / 2_000)
        try:
            await relational.journal.write(BRIEFS, brief(1, id=str(number)), None, control.n)
        except Conflict:
            return False
        return True

    async def change() -> int:
        await asyncio.sleep(0.01)
        await flip(relational, control, REVERSED)
        return sum([await relational.read(BRIEFS, Key(str(number), str(number))) is not None for number in range(40)])

    at_flip, *written = await asyncio.gather(change(), *(write(number) for number in range(40)))
    assert at_flip == sum(written)


async def test_where_documents_follow_every_write_leaves_the_relay_a_task(relational: RelationalStore) -> None:
    control = await begin(relational, REVERSED)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    await relational.journal.write(BRIEFS, brief(2, events=told("a", 1)), brief(1), control.n)
    await relational.journal.write(BRIEFS, gone(1, "b"), None, control.n)
    tasks = await relational.journal.relay_claim(10, NOW, 60)
    assert {(task.key.id, task.stamp, task.attempts) for task in tasks} == {
        ("a", Stamp(0, 2), 0),
        ("b", Stamp(0, 1), 0),
    }


async def test_where_nothing_follows_no_task_is_left(relational: RelationalStore) -> None:
    control = await begin(relational, POSTGRES)
    await relational.journal.write(BRIEFS, brief(1), None, control.n)
    assert await relational.journal.relay_claim(10, NOW, 60) == []


async def test_a_unique_value_that_is_taken_is_refused(relational: RelationalStore) -> None:
    control = await relational.journal.declare(first_control(TICKETS).evolve(phase=POSTGRES))
    mine = record_of(Ticket(id="a", seat="1"), collection=TICKETS)
    await relational.journal.write(TICKETS, mine, None, control.n)
    theirs = record_of(Ticket(id="b", seat="1"), collection=TICKETS, events=told("b", 1))
    with pytest.raises(Refused):
        await relational.journal.write(TICKETS, theirs, None, control.n)
    with pytest.raises(Refused):
        await relational.write(TICKETS, theirs, None)
    assert await relational.read(TICKETS, Key("b", "b")) is None
    assert await waiting(relational) == []


async def test_a_write_leaves_alone_what_is_known_of_the_documents(relational: RelationalStore) -> None:
    control = await begin(relational, DUAL)
    await merge(relational, brief(3))
    after = await flip(relational, control, REVERSED)
    await relational.journal.write(BRIEFS, brief(4), brief(3), after.n)
    standing = (await relational.journal.standing(BRIEFS, [Key("a", "a")]))[Key("a", "a")]
    assert (standing.stamp, standing.seen, standing.op) == (Stamp(0, 4), Stamp(0, 3), "op-a-0-4")


async def test_what_stands_of_many_keys_is_told_at_once(relational: RelationalStore) -> None:
    await begin(relational, DUAL)
    await merge(relational, brief(3, recent_ops=("op-x", "op-y")), brief(1, id="b"))
    keys = [Key("a", "a"), Key("b", "b"), Key("c", "c")]
    found = await relational.journal.standing(BRIEFS, keys)
    assert found.keys() == set(keys[:2])
    assert found[keys[0]].recent_ops == ("op-x", "op-y")
    assert await relational.journal.standing(BRIEFS, []) == {}


async def test_a_deadline_far_away_is_kept(relational: RelationalStore) -> None:
    control = await begin(relational, COSMOS)
    after = await flip(relational, control, COSMOS, deadline=NOW + timedelta(days=400), target=DUAL, coordinator="c")
    assert await relational.journal.control(BRIEFS.name) == after
