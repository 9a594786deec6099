"""Repair: planned first, done only where all is as planned, through the leader, above every stamp, and on record."""

import msgspec
import pytest

from mystira.polyglot.control import Change, State
from mystira.polyglot.deadletters import replay, retry_due
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.entity import SEQ_MAX, Stamp
from mystira.polyglot.envelope import ENVELOPE, to_document
from mystira.polyglot.journal import LetterFilter, LetterKind
from mystira.polyglot.phases import Phase
from mystira.polyglot.repair import CannotRepair, Outcome, Repaired, plan_repairs, repair
from mystira.polyglot.repair_plan import BadPlan, Plan, RepairAction, plan_of_text, plan_text
from mystira.polyglot.reports import ReportMissing
from mystira.polyglot.scrub import scrub
from mystira.polyglot.store import Key, Record
from tests.contracts.journals import told
from tests.contracts.sample import SAMPLES, TICKETS, Sample, Ticket, record_of
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY
from tests.polyglot.planting import DIVERGENT, EXTRA, MISSING, QUICKLY, STALE, Garden, Planted, living, sample

pytestmark = pytest.mark.anyio

LEADERS = {"documents lead": DUAL, "PostgreSQL leads": REVERSED}
both = pytest.mark.parametrize("phase", LEADERS.values(), ids=LEADERS)


async def planned(garden: Garden, phase: Phase, *planted: Planted) -> Plan:
    await garden.begin(phase)
    await garden.sow(planted)
    return await plan_again(garden)


async def plan_again(garden: Garden) -> Plan:
    report = await garden.scrub()
    return await plan_repairs(garden.r, SAMPLES, report.id)


async def do(garden: Garden, plan: Plan) -> Repaired:
    return await repair(garden.r, SAMPLES, plan, **SOMEBODY)


def outcomes(repaired: Repaired) -> dict[Outcome, int]:
    return {outcome: count for outcome, count in repaired.counts.items() if count}


async def side(garden: Garden, key: Key, *, of_leader: bool = True) -> Record | None:
    store = garden.documents if of_leader == garden.documents_lead else garden.relational
    return await store.read(SAMPLES, key)


MIXED = (
    Planted(sample("a"), sample("a", title="x"), DIVERGENT),
    Planted(sample("b"), None, MISSING),
    Planted(None, sample("c"), EXTRA),
    Planted(sample("d"), living("d", Stamp(0, 2)), STALE),
)


@both
async def test_a_plan_changes_nothing_and_says_what_would_be_done(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, *MIXED)
    before = await garden.stamps()
    actions = {one.key.id: one.action for one in plan.repairs}
    assert actions == {
        "c": RepairAction.REMOVE,
        "a": RepairAction.REWRITE,
        "b": RepairAction.MERGE,
        "d": RepairAction.MERGE,
    }
    assert list(actions)[:2] == ["c", "a"]
    assert all(one.because.endswith(".") for one in plan.repairs)
    assert (plan.collection, plan.leader, plan.left_out) == (
        "Samples",
        "documents" if phase is DUAL else "relational",
        0,
    )
    again = await plan_again(garden)
    assert again.repairs == plan.repairs and await garden.stamps() == before


@both
async def test_a_plan_goes_through_a_file_and_is_done_from_it(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, *MIXED)
    text = plan_text(plan)
    assert b'"action": "remove"' in text and text.count(b"\n") > 20
    assert outcomes(await do(garden, plan_of_text(text))) == {Outcome.REPAIRED: 4}
    assert (await plan_again(garden)).repairs == ()


def test_what_is_no_plan_is_refused() -> None:
    for text in (b"", b"{}", b"[1]", b'{"report": 7}'):
        with pytest.raises(BadPlan, match="Make a new one"):
            plan_of_text(text)


@both
async def test_doing_it_again_changes_nothing(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, *MIXED)
    await do(garden, plan)
    before = await garden.stamps()
    assert outcomes(await do(garden, plan)) == {Outcome.HEALED: 4}
    assert await garden.stamps() == before


@both
async def test_what_changed_since_the_plan_is_left_alone_and_told(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, *MIXED)
    await garden.sow(
        [
            Planted(sample("a"), sample("a", title="y"), DIVERGENT),
            Planted(living("b", Stamp(0, 9)), None, MISSING),
            Planted(sample("d"), sample("d"), STALE),
        ]
    )
    repaired = await do(garden, plan)
    assert outcomes(repaired) == {Outcome.REPAIRED: 1, Outcome.HEALED: 1, Outcome.CHANGED: 2}
    told_of = {key.id: (outcome, why) for key, outcome, why in repaired.not_repaired}
    assert {id: outcome for id, (outcome, _) in told_of.items()} == {"a": Outcome.CHANGED, "b": Outcome.CHANGED}
    assert "plan again" in told_of["a"][1]
    follower = await side(garden, sample("a").key, of_leader=False)
    assert follower is not None and isinstance(follower.entity, Sample) and follower.entity.title == "y"


@both
async def test_the_leaders_body_wins_under_a_stamp_above_both(garden: Garden, phase: Phase) -> None:
    one = sample("a")
    ahead = msgspec.structs.replace(sample("a", title="x"), stamp=Stamp(2, 50), op="another op")
    plan = await planned(garden, phase, Planted(one, ahead, DifferenceClass.AHEAD))
    assert outcomes(await do(garden, plan)) == {Outcome.REPAIRED: 1}
    leader, follower = await side(garden, one.key), await side(garden, one.key, of_leader=False)
    assert leader is not None and follower is not None
    assert (leader.entity, leader.stamp, leader.parent) == (one.entity, Stamp(2, 51), one.stamp)
    assert (leader.op, leader.recent_ops[0]) == (f"repair/{one.stamp.packed}/{Stamp(2, 51).packed}", one.op)
    assert (follower.entity, follower.stamp, follower.op) == (leader.entity, leader.stamp, leader.op)


@both
async def test_what_may_be_somebodys_write_is_kept_and_never_copied_back(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, Planted(None, sample("c"), EXTRA), MIXED[0])
    await do(garden, plan)
    (letter,) = await garden.r.journal.letters(LetterFilter(collection=SAMPLES.name))
    assert (letter.kind, letter.key, letter.stamp) == (LetterKind.CONFLICT, sample("c").key, Stamp(0, 3))
    assert letter.payload["title"] == "The fox" and letter.payload[ENVELOPE]["op"] == "op-c-3"
    await retry_due(garden.r)
    await replay(garden.r, LetterFilter(), **SOMEBODY)
    for of_leader in (True, False):
        gone = await side(garden, letter.key, of_leader=of_leader)
        assert gone is not None and gone.deleted and gone.stamp > Stamp(0, 3)


@both
async def test_a_late_copy_of_what_was_removed_does_not_come_back(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, Planted(None, sample("c"), EXTRA))
    await do(garden, plan)
    await garden.r.journal.merge(SAMPLES, [sample("c")], garden.r.clock())
    found = await garden.relational.read(SAMPLES, sample("c").key)
    assert found is not None and found.deleted


@both
async def test_the_next_fact_of_a_repaired_key_is_not_taken_for_an_old_one(garden: Garden, phase: Phase) -> None:
    counted = msgspec.structs.replace(sample("a"), event_seq=9)
    stripped = msgspec.structs.replace(sample("a"), stamp=Stamp(), op="", event_seq=0, handled=(), recent_ops=())
    plan = await planned(garden, phase, Planted(stripped, counted, DifferenceClass.AHEAD))
    assert outcomes(await do(garden, plan)) == {Outcome.REPAIRED: 1}
    leader = await side(garden, counted.key)
    assert leader is not None and (leader.event_seq, leader.handled) == (9, counted.handled)


async def test_facts_that_wait_in_a_divergent_document_are_told_once(garden: Garden) -> None:
    waiting = msgspec.structs.replace(sample("a"), events=told("a", 1, 2))
    plan = await planned(garden, DUAL, Planted(waiting, sample("a", title="x"), DIVERGENT))
    assert outcomes(await do(garden, plan)) == {Outcome.REPAIRED: 1}
    events = await garden.r.journal.claim_events(10, garden.r.clock(), 60)
    await garden.r.journal.settle(events)
    events += await garden.r.journal.claim_events(10, garden.r.clock(), 60)
    assert [event.event_id for event in events] == ["event-a-1", "event-a-2"]


async def test_letters_of_a_divergence_go_with_it(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([Planted(sample("a"), sample("a", title="x"), DIVERGENT)])
    rival = msgspec.structs.replace(sample("a"), op="another")
    await garden.r.journal.merge(SAMPLES, [rival], garden.r.clock())
    assert len(await garden.r.journal.letters(LetterFilter(kind=LetterKind.DIVERGENT))) == 1
    await do(garden, await plan_again(garden))
    # That other write stands nowhere, so its letter still waits for a person.
    assert len(await garden.r.journal.letters(LetterFilter(kind=LetterKind.DIVERGENT))) == 1
    await garden.r.journal.letter_drop((await garden.r.journal.letters(LetterFilter()))[0])

    await garden.sow([Planted(sample("b"), msgspec.structs.replace(sample("b"), op="other"), DIVERGENT)])
    await garden.r.journal.merge(SAMPLES, [sample("b")], garden.r.clock())
    await do(garden, await plan_again(garden))
    assert [letter.kind for letter in await garden.r.journal.letters(LetterFilter())] == [LetterKind.CONFLICT]


@both
async def test_what_the_follower_cannot_read_is_replaced_and_kept(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    one = sample("a")
    await garden.sow([Planted(one, one, DIVERGENT)])
    if phase is DUAL:
        await garden.sql("UPDATE samples SET colour = 'green'")
    else:
        spoilt = to_document(SAMPLES, one) | {"amount": "many"}
        garden.put_document(one.key, spoilt)
    assert outcomes(await do(garden, await plan_again(garden))) == {Outcome.REPAIRED: 1}
    assert (await garden.scrub()).counts == {}
    (letter,) = await garden.r.journal.letters(LetterFilter(kind=LetterKind.CONFLICT))
    assert letter.payload["colour" if phase is DUAL else "amount"] == ("green" if phase is DUAL else "many")


@both
async def test_only_a_person_mends_the_leader_or_a_stamp_without_end(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    one, last = sample("a"), living("b", Stamp(0, SEQ_MAX))
    await garden.sow([Planted(one, one, DIVERGENT), Planted(sample("b"), last, DifferenceClass.AHEAD)])
    if phase is DUAL:
        garden.put_document(one.key, to_document(SAMPLES, one) | {"amount": "many"})
    else:
        await garden.sql("UPDATE samples SET colour = 'green' WHERE id = 'a'")
    plan = await plan_again(garden)
    before = await garden.stamps()
    repaired = await do(garden, plan)
    assert outcomes(repaired) == {Outcome.LEFT: 2}
    why = {key.id: why for key, _, why in repaired.not_repaired}
    assert "Mend it there first" in why["a"] and "no higher stamp" in why["b"]
    assert await garden.stamps() == before


async def test_a_row_that_went_missing_after_a_purge_comes_back(garden: Garden) -> None:
    control = await garden.begin(DUAL)
    purged = control.evolve(n=control.n + 1, floor=5, purged=5)
    note = Change(collection=SAMPLES.name, verb="purge", actor="x", at=garden.r.clock())
    await garden.r.journal.change(control, purged, note)
    await garden.sow([Planted(sample("a"), None, MISSING)])
    plan = await plan_again(garden)
    assert [one.action for one in plan.repairs] == [RepairAction.REWRITE]
    assert outcomes(await do(garden, plan)) == {Outcome.REPAIRED: 1}
    row = await garden.relational.read(SAMPLES, sample("a").key)
    assert row is not None and row.stamp == Stamp(0, 6) and row.entity == sample("a").entity


async def test_two_rows_that_swapped_a_unique_value_are_repaired_together(garden: Garden) -> None:
    await garden.begin(DUAL)
    r = garden.r
    control = await r.journal.control(SAMPLES.name)
    assert control is not None
    await r.journal.declare(control.evolve(id=TICKETS.name))
    tickets = [record_of(Ticket(id=id, seat=seat), collection=TICKETS) for id, seat in (("a", "1"), ("b", "2"))]
    for ticket in tickets:
        await r.documents.write(TICKETS, ticket, None)
    await r.journal.merge(TICKETS, tickets, r.clock())
    await garden.sql("UPDATE tickets SET seat = NULL WHERE id = 'a'")
    await garden.sql("UPDATE tickets SET seat = '1' WHERE id = 'b'")
    await garden.sql("UPDATE tickets SET seat = '2' WHERE id = 'a'")
    report = await scrub(r, TICKETS, scrutiny=QUICKLY, **SOMEBODY)
    plan = await plan_repairs(r, TICKETS, report.id)
    assert outcomes(await repair(r, TICKETS, plan, **SOMEBODY)) == {Outcome.REPAIRED: 2}
    assert (await scrub(r, TICKETS, scrutiny=QUICKLY, **SOMEBODY)).counts == {}
    assert await r.journal.letters(LetterFilter()) == []


@both
async def test_a_repair_waits_for_no_transition_and_serves_no_other_leader(garden: Garden, phase: Phase) -> None:
    plan = await planned(garden, phase, *MIXED)
    control = await garden.r.journal.control(SAMPLES.name)
    assert control is not None
    note = Change(collection=SAMPLES.name, verb="x", actor="x", at=garden.r.clock())
    draining = control.evolve(n=control.n + 1, state=State.DRAIN)
    await garden.r.journal.change(control, draining, note)
    with pytest.raises(CannotRepair, match="on its way"):
        await do(garden, plan)
    flipped = draining.opened(draining.n + 1, phase=REVERSED if phase is DUAL else DUAL, epoch=control.epoch + 1)
    await garden.r.journal.change(draining, flipped, note)
    with pytest.raises(CannotRepair, match="the leader has changed"):
        await do(garden, plan)
    with pytest.raises(CannotRepair, match="for Others"):
        await do(garden, msgspec.structs.replace(plan, collection="Others"))
    with pytest.raises(ReportMissing):
        await plan_repairs(garden.r, SAMPLES, "no such report")


async def test_a_plan_is_bounded_and_says_what_it_left_out(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sow([Planted(sample(f"s{at}"), None, MISSING) for at in range(7)])
    report = await garden.scrub()
    plan = await plan_repairs(garden.r, SAMPLES, report.id, limit=4)
    assert (len(plan.repairs), plan.left_out) == (4, 3)


async def test_a_repair_is_on_record(garden: Garden) -> None:
    plan = await planned(garden, DUAL, *MIXED)
    await do(garden, plan)
    line = (await garden.r.journal.history(SAMPLES.name))[0]
    assert (line.verb, line.actor, line.why) == ("repair 4 differences", "somebody", "a test")
