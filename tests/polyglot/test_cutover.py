"""Cut-over and rollback by their verbs: gates with reasons, a short hold, and a certificate that others can check."""

import asyncio
import hashlib
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mystira.polyglot.certificate import NotGenuine, as_json, read_certificate, refuse_gaps, sealed
from mystira.polyglot.control import Change, State, control_of, heal_copy, read_copy
from mystira.polyglot.cutover import NEAR, GateClosed, Orders, cut_over, plan_move, roll_back
from mystira.polyglot.drains import DrainWatch, hear_writers
from mystira.polyglot.gates import GATES, UnknownGate, closed, look_at_gates
from mystira.polyglot.journal import DeadLetter, LetterKind
from mystira.polyglot.leadership import Tempo
from mystira.polyglot.phases import Phase
from mystira.polyglot.roster import call_roster
from mystira.polyglot.scrub import scrub
from mystira.polyglot.shadow import ShadowLimits, shadow
from mystira.polyglot.shadow_reports import ShadowTeller
from mystira.polyglot.store import Held, Key, OutcomeUnknown, Stamp
from mystira.polyglot.transition import TransitionAborted, certificates_of
from mystira.polyglot.verify import Scrutiny
from tests.polyglot.counting import COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.moving import (
    DUAL,
    QUICK,
    REVERSED,
    SOMEBODY,
    Process,
    assert_equal,
    documents_of,
    real_clock,
    tended,
)
from tests.polyglot.test_phases import Writers

pytestmark = pytest.mark.anyio

NO_BACKUP = Orders(waived=("backup", "verification", "scrub"))
AT_ONCE = Scrutiny(lag_goal_s=0.0, recheck_s=0.01)
SLOW_LEASES = Tempo(lease_s=3.0, request_s=2.0, drift_s=0.5, hold_s=2.0, poll_s=0.01)


@pytest.fixture
async def dual(rig: Rig) -> Process:
    """A process over counters that documents lead, with a fresh relational copy."""
    process = Process(rig, "one")
    for number in range(7):
        await process.works.run(raise_counter, kind=Counter, id=f"c{number}", by=1, key=f"first-{number}")
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    return process


async def test_cut_over_and_rollback_under_load_lose_nothing_and_leave_a_chain_of_certificates(
    rig: Rig, dual: Process
) -> None:
    other = Process(rig, "two")
    async with tended(dual, other):
        writers = Writers(dual, other)
        for _ in range(3):
            await asyncio.sleep(0.1)
            there = await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
            assert (there.after, there.silent) == (REVERSED, ())
            await asyncio.sleep(0.1)
            back = await roll_back(other.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
            assert back.after == DUAL
        await writers.stop()
        await dual.settle()
    await assert_equal(rig, COUNTERS)
    for id, keys in writers.acknowledged.items():
        counter = await rig.sqlite.read(COUNTERS, Key(id, id))
        assert counter is not None and keys <= set(counter.entity.keys), id
    chain = await certificates_of(dual.r, COUNTERS)
    assert len(chain) == 6
    refuse_gaps(chain)


async def test_a_rollback_delivers_what_waits_before_anybody_is_held_whoever_has_leased_it(
    rig: Rig, dual: Process
) -> None:
    await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
    ids = [f"many{number}" for number in range(120)]
    for id in ids:
        await dual.works.run(raise_counter, kind=Counter, id=id, by=1)
    # A relay that took half of it and died.
    assert len(await rig.postgres.journal.relay_claim(60, real_clock(), 600.0, COUNTERS.name)) == 60
    waiting: list[int] = []

    class Journal:
        def __getattr__(self, name: str) -> Any:
            return getattr(rig.postgres.journal, name)

        async def change(self, before: Any, after: Any, change: Any, **named: Any) -> None:
            waiting.append((await self.relay_pending(before.id)).waiting)
            await rig.postgres.journal.change(before, after, change, **named)

    class Relational:
        journal = Journal()

        def __getattr__(self, name: str) -> Any:
            return getattr(rig.postgres, name)

    r: Any = dual.r._replace(relational=Relational())
    certificate = await roll_back(r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
    assert certificate.after == DUAL and waiting[0] < NEAR
    await dual.settle()
    assert set(ids) <= (await documents_of(rig, COUNTERS)).keys()
    await assert_equal(rig, COUNTERS)


async def test_writers_that_answer_are_not_waited_out(rig: Rig) -> None:
    one = Process(rig, "one", tempo=SLOW_LEASES)
    await one.works.run(raise_counter, kind=Counter, id="a", by=1, key="first")
    await one.fill(COUNTERS)
    await one.move(COUNTERS, DUAL)
    await one.works.run(raise_counter, kind=Counter, id="a", by=1, key="second")
    async with tended(one):
        await one.move(COUNTERS, REVERSED)
    certificate = (await certificates_of(one.r, COUNTERS))[-1]
    assert certificate.answered == ("one",)
    # The bare leases would have taken 5.5 s; the clock is the certificate's own.
    assert certificate.held_s < SLOW_LEASES.silence_s


async def test_a_writer_that_stays_silent_is_waited_out_and_has_to_enter_itself_again(rig: Rig, dual: Process) -> None:
    silent = Process(rig, "silent")
    await silent.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    await dual.move(COUNTERS, REVERSED)
    certificate = (await certificates_of(dual.r, COUNTERS))[-1]
    assert "silent" in certificate.silent
    assert certificate.held_s >= QUICK.silence_s
    assert "silent" not in await call_roster(rig.sqlite, COUNTERS.name)
    await dual.move(COUNTERS, DUAL)
    await silent.works.run(raise_counter, kind=Counter, id="a", by=1, key="y")
    assert "silent" in await call_roster(rig.sqlite, COUNTERS.name)


async def test_a_coordinator_that_was_overtaken_strikes_nobody_who_entered_since(rig: Rig, dual: Process) -> None:
    row = await dual.r.row(COUNTERS)
    overtaken = row.evolve(n=row.n + 1, state=State.DRAIN, target=REVERSED)
    since = row.evolve(n=row.n + 2)
    await dual.r.journal.change(row, since, dual.r.noted("abort", row, since, **SOMEBODY))
    await heal_copy(rig.sqlite, since)
    writer = Process(rig, "writer")
    await writer.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    # It calls the roster only now, long after its drain was ended by somebody else.
    await hear_writers(dual.r, overtaken)
    await writer.works.run(raise_counter, kind=Counter, id="a", by=1, key="y")
    assert (await call_roster(rig.sqlite, COUNTERS.name)).get("writer") == since.n


async def test_ghosts_are_struck_before_anybody_is_held(rig: Rig, dual: Process) -> None:
    ghost = Process(rig, "ghost")
    await ghost.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    async with tended(dual):
        certificate = await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
    assert certificate.silent == ()


async def test_a_process_that_closes_leaves_the_roster(rig: Rig, dual: Process) -> None:
    guest = Process(rig, "guest")
    await guest.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    await guest.works.close()
    assert "guest" not in await call_roster(rig.sqlite, COUNTERS.name)


async def test_who_has_stood_down_writes_nothing_until_the_copy_is_open_again(rig: Rig, dual: Process) -> None:
    await dual.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    row = await dual.r.row(COUNTERS)
    coordinator = asyncio.create_task(dual.move(COUNTERS, REVERSED, deadline_s=5.0))
    watch = DrainWatch(dual.leadership, dual.r.journal)
    while not await watch.step():
        await asyncio.sleep(0.005)
    assert dual.leadership.held(COUNTERS) is None
    await coordinator
    assert (await dual.r.row(COUNTERS)).n > row.n


async def test_nobody_stands_down_on_hearsay_while_the_copy_is_open(rig: Rig, dual: Process) -> None:
    await dual.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    row = await dual.r.row(COUNTERS)
    assert not await dual.leadership.stand_down(COUNTERS.name, row.n)
    assert not await dual.leadership.stand_down(COUNTERS.name, row.n + 1)
    assert dual.leadership.held(COUNTERS) is not None


async def test_who_has_a_write_on_its_way_answers_once_it_cannot_arrive_any_more(rig: Rig, dual: Process) -> None:
    await dual.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    coordinator = asyncio.create_task(dual.move(COUNTERS, REVERSED, deadline_s=5.0))
    while (copy := await read_copy(rig.sqlite, COUNTERS.name)) is None or control_of(copy).state is State.OPEN:
        await asyncio.sleep(0.001)
    n = control_of(copy).n
    with suppress(OutcomeUnknown), dual.leadership.sending(COUNTERS):
        assert not await dual.leadership.stand_down(COUNTERS.name, n)
        raise OutcomeUnknown("nobody knows whether it arrived, or is still to come")
    assert not await dual.leadership.stand_down(COUNTERS.name, n)
    await asyncio.sleep(QUICK.request_s + QUICK.drift_s)
    assert await dual.leadership.stand_down(COUNTERS.name, n)
    await coordinator


async def test_too_many_refused_writes_abort_the_move(rig: Rig, dual: Process) -> None:
    impatient = Tempo(lease_s=0.5, request_s=0.8, drift_s=0.2, hold_s=0.02, poll_s=0.01)
    other = Process(rig, "two", tempo=impatient)
    await other.works.run(raise_counter, kind=Counter, id="a", by=1, key="x")
    # A constraint that the copy refuses keeps it from ever being equal, so the hold would last.
    await rig.sqlite.write(COUNTERS, *await _doctored(rig, "c0"))
    async with tended(other):

        async def knock() -> None:
            while True:
                with suppress(Held):
                    await other.works.run(raise_counter, kind=Counter, id="b", by=1, key="y")
                await asyncio.sleep(0.01)

        knocking = asyncio.create_task(knock())
        orders = Orders(waived=(*NO_BACKUP.waived, "dead letters"), refused_max=3, hold_s=20.0)
        with pytest.raises(TransitionAborted, match="only 3 may be"):
            await cut_over(other.r, COUNTERS, orders=orders, **SOMEBODY)
        knocking.cancel()
    row = await dual.r.row(COUNTERS)
    assert (row.phase, row.state) == (DUAL, State.OPEN)


async def _doctored(rig: Rig, id: str):
    """A document changed behind everybody's back: same stamp, other body."""
    record = await rig.sqlite.read(COUNTERS, Key(id, id))
    assert record is not None and record.entity is not None
    return msgspec.structs.replace(record, entity=record.entity.evolve(value=record.entity.value + 1)), record


async def test_every_gate_says_why_it_is_closed_and_what_to_do(rig: Rig, dual: Process) -> None:
    letter = DeadLetter(
        collection=COUNTERS.name, key=Key("a", "a"), kind=LetterKind.CONFLICT, stamp=Stamp(0, 1), payload={}
    )
    await dual.r.journal.letter_put(letter)
    gates = {gate.name: gate for gate in await look_at_gates(dual.r, COUNTERS, REVERSED)}
    assert set(gates) == {"stores", *GATES}
    assert {name for name, gate in gates.items() if not gate.passed} == {
        "dead letters",
        "backup",
        "verification",
        "scrub",
    }
    assert all(gate.reason for gate in gates.values())
    assert all(gate.advice for gate in gates.values() if not gate.passed)
    with pytest.raises(GateClosed, match="dead letters") as refused:
        await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
    assert "backup" not in refused.value.message
    assert (await dual.r.row(COUNTERS)).phase is Phase.DUAL_WRITE_COSMOS_READ


async def test_each_gate_closes_for_its_own_reason(rig: Rig, dual: Process) -> None:
    async def shut() -> set[str]:
        return {gate.name for gate in closed(await look_at_gates(dual.r, COUNTERS, REVERSED, waived=NO_BACKUP.waived))}

    assert await shut() == set()
    for number in range(1_200):
        await dual.works.run(raise_counter, kind=Counter, id=f"many{number}", by=1, key=f"k{number}")
    async with rig.postgres.connection() as connection:
        await connection.execute("UPDATE polyglot.feed_position SET moved_at = moved_at - interval '1 hour'")
    assert await shut() == {"lag"}
    await dual.settle()
    stripped = msgspec.structs.replace((await _doctored(rig, "c1"))[1], stamp=Stamp(), op="")
    await rig.sqlite.write(COUNTERS, stripped, await rig.sqlite.read(COUNTERS, Key("c1", "c1")))
    assert await shut() == {"stamps"}
    await dual.settle()
    rig.relational.down()
    assert await shut() == {"stores"}
    rig.relational.down(False)
    await dual.move(COUNTERS, REVERSED)
    assert await shut() == {"transition"}


async def test_a_backup_opens_its_gate_until_it_is_too_old(rig: Rig, dual: Process) -> None:
    taken = Change(collection=COUNTERS.name, verb="backup", actor="somebody", at=dual.r.clock())
    await dual.r.journal.note(taken)
    other = ("verification", "scrub")
    assert not closed(await look_at_gates(dual.r, COUNTERS, REVERSED, waived=other))
    later = dual.r._replace(clock=lambda: taken.at + timedelta(hours=25))
    assert [gate.name for gate in closed(await look_at_gates(later, COUNTERS, REVERSED, waived=other))] == ["backup"]


async def test_a_gate_that_does_not_exist_cannot_be_waived(rig: Rig, dual: Process) -> None:
    with pytest.raises(UnknownGate, match="no gate named weather"):
        await plan_move(dual.r, COUNTERS, REVERSED, Orders(waived=("weather",)))


async def test_a_plan_changes_nothing(rig: Rig, dual: Process) -> None:
    before = await dual.r.row(COUNTERS), await dual.verbs(COUNTERS)
    plan = await plan_move(dual.r, COUNTERS, REVERSED, NO_BACKUP)
    assert plan.passes and len(plan.steps) > 3
    assert before == (await dual.r.row(COUNTERS), await dual.verbs(COUNTERS))


async def test_what_was_waived_is_said_in_the_certificate(rig: Rig, dual: Process) -> None:
    async with tended(dual):
        certificate = await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
    assert [gate.name for gate in certificate.gates if gate.waived] == ["verification", "scrub", "backup"]
    assert certificate.actor == SOMEBODY["actor"]
    assert set(certificate.frontier) == set(await rig.sqlite.feed_ranges(COUNTERS))


async def test_doing_it_twice_is_doing_it_once(rig: Rig, dual: Process) -> None:
    async with tended(dual):
        first = await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
        assert await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY) == first


async def test_another_program_can_check_a_certificate_and_sees_every_change(rig: Rig, dual: Process) -> None:
    async with tended(dual):
        certificate = as_json(await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY))
    handed_out = json.loads(json.dumps(certificate))
    assert checked_elsewhere(handed_out)
    for field, value in certificate.items():
        changed = {**handed_out, field: [value] if field != "seal" else "0" * 64}
        assert not checked_elsewhere(changed), field
        with pytest.raises(NotGenuine):
            read_certificate(changed)


def checked_elsewhere(certificate: dict[str, object]) -> bool:
    """What docs/certificates.md says, with nothing of ours: the seal is the SHA-256 of the rest, sorted and compact."""
    said = {name: value for name, value in certificate.items() if name != "seal"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest() == certificate["seal"]


async def test_a_certificate_left_out_of_the_chain_is_missed(rig: Rig, dual: Process) -> None:
    await dual.move(COUNTERS, REVERSED, DUAL, REVERSED)
    chain = await certificates_of(dual.r, COUNTERS)
    refuse_gaps(chain)
    with pytest.raises(NotGenuine, match="missing or was changed"):
        refuse_gaps([chain[0], chain[2]])
    forged = sealed(msgspec.structs.replace(chain[1], actor="nobody"))
    with pytest.raises(NotGenuine, match="missing or was changed"):
        refuse_gaps([chain[0], forged, chain[2]])


async def test_the_copy_is_open_again_after_an_abort(rig: Rig, dual: Process) -> None:
    await rig.sqlite.write(COUNTERS, *await _doctored(rig, "c0"))
    with pytest.raises(TransitionAborted):
        await cut_over(dual.r, COUNTERS, orders=Orders(waived=NO_BACKUP.waived, hold_s=1.0), **SOMEBODY)
    copy = await read_copy(rig.sqlite, COUNTERS.name)
    assert copy is not None and control_of(copy).state is State.OPEN
    await dual.works.run(raise_counter, kind=Counter, id="a", by=1, key="after")


async def test_verification_and_a_scrub_open_their_gates_until_something_differs(rig: Rig, dual: Process) -> None:
    async def shut() -> set[str]:
        return {gate.name for gate in closed(await look_at_gates(dual.r, COUNTERS, REVERSED, waived=("backup",)))}

    assert await shut() == {"verification", "scrub"}
    await scrub(dual.r, COUNTERS, scrutiny=AT_ONCE, **SOMEBODY)
    assert await shut() == set()
    async with rig.postgres.connection() as connection:
        await connection.execute(f'UPDATE "{COUNTERS.table}" SET value = value + 1 WHERE id = $1', "c3")
    await scrub(dual.r, COUNTERS, scrutiny=AT_ONCE, **SOMEBODY)
    assert await shut() == {"verification"}


async def test_a_constraint_that_was_never_checked_closes_its_gate(rig: Rig, dual: Process) -> None:
    async with rig.postgres.connection() as connection:
        await connection.execute(f'ALTER TABLE "{COUNTERS.table}" ADD CONSTRAINT later CHECK (value > -9) NOT VALID')
    try:
        gates = {gate.name: gate for gate in await look_at_gates(dual.r, COUNTERS, REVERSED)}
        assert not gates["constraints"].passed
        assert "later" in gates["constraints"].reason
    finally:
        async with rig.postgres.connection() as connection:
            await connection.execute(f'ALTER TABLE "{COUNTERS.table}" DROP CONSTRAINT later')


async def test_the_certificate_tells_the_digest_of_both_sides(rig: Rig, dual: Process) -> None:
    async with tended(dual):
        there = await cut_over(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
        back = await roll_back(dual.r, COUNTERS, orders=NO_BACKUP, **SOMEBODY)
    assert there.documents is not None and there.documents == there.relational
    # Seven counters, and the sentinels that the drain left.
    assert there.documents.count == len(await documents_of(rig, COUNTERS)) > 7
    assert back.documents == there.documents


async def test_what_nobody_has_counted_yet_closes_its_gate(rig: Rig) -> None:
    process = Process(rig, "one")
    await process.works.run(raise_counter, kind=Counter, id="c", by=1, key="k")
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    gates = {gate.name: gate for gate in await look_at_gates(process.r, COUNTERS, REVERSED)}
    assert not gates["digests"].passed and "not counted yet" in gates["digests"].reason
    await process.settle()
    gates = {gate.name: gate for gate in await look_at_gates(process.r, COUNTERS, REVERSED)}
    assert gates["digests"].passed


async def test_wrong_answers_of_shadow_reads_close_their_gate_whichever_process_saw_them(
    rig: Rig, dual: Process
) -> None:
    async def gate():
        gates = {gate.name: gate for gate in await look_at_gates(dual.r, COUNTERS, REVERSED)}
        return gates["shadow reads"]

    assert (await gate()).passed
    await shadow(dual.r, COUNTERS, 1.0, **SOMEBODY)
    other = Process(rig, "two")
    other.works.shadows.limits = ShadowLimits(lag_goal_s=0.0, calibrated_share=0.0)
    async with rig.postgres.connection() as connection:
        await connection.execute(f'UPDATE "{COUNTERS.table}" SET value = value + 1 WHERE id = $1', "c3")
    assert await other.works.open().get(Counter, "c3") is not None
    await other.works.shadows.settled()
    assert (await gate()).passed, "nobody has told of it yet"
    teller = ShadowTeller(other.works.shadows, other.r)
    assert await teller.step() == 1
    assert await teller.step() == 0
    told = await gate()
    assert not told.passed and told.reason == "1 of 1 shadowed reads had another answer"
