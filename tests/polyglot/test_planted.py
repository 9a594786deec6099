"""More than sixty kinds of differences, planted behind everybody's back: all found, told, repaired; none invented."""

import pytest

from mystira.polyglot.differences import Difference
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Phase
from mystira.polyglot.repair import Outcome, plan_repairs, repair
from mystira.polyglot.reports import every_difference
from mystira.polyglot.store import Key
from tests.contracts.sample import SAMPLES
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY
from tests.polyglot.planting import PLANTED, Garden, Planted, clean

pytestmark = pytest.mark.anyio


def key_of(one: Planted) -> Key:
    record = one.leader or one.follower
    assert record is not None
    return record.key


async def found_by(garden: Garden, run_id: str) -> dict[Key, Difference]:
    return {one.key: one async for one in every_difference(garden.relational.reports, run_id)}


@pytest.mark.parametrize("phase", [DUAL, REVERSED], ids=["documents lead", "PostgreSQL leads"])
async def test_everything_planted_is_found_and_told_and_repaired(garden: Garden, phase: Phase) -> None:
    await garden.begin(phase)
    await garden.sow([*clean(len(PLANTED)), *PLANTED])
    report = await garden.scrub()
    found = await found_by(garden, report.id)
    assert {key: one.kind for key, one in found.items()} == {key_of(one): one.kind for one in PLANTED}
    assert report.differences == len(PLANTED)
    for one in PLANTED:
        if one.way is not None:
            told = {place.path: place.way for place in found[key_of(one)].fields}
            assert told.get(one.path) is one.way, (key_of(one), told)

    before = await garden.stamps()
    plan = await plan_repairs(garden.r, SAMPLES, report.id)
    repaired = await repair(garden.r, SAMPLES, plan, **SOMEBODY)
    assert (repaired.counts[Outcome.REPAIRED], repaired.not_repaired) == (len(PLANTED), ())
    assert (await garden.scrub()).counts == {}
    after = await garden.stamps()
    for key, stamps in before.items():
        for was, stamp in zip(stamps, after[key], strict=True):
            assert was is None or (stamp is not None and stamp >= was), (key, was, stamp)
    assert all(stamps == (Stamp(0, 3), Stamp(0, 3)) for key, stamps in after.items() if key.id.startswith("clean"))
    kept = {letter.key.id for letter in await garden.r.journal.letters(LetterFilter())}
    assert {"extra", "a second copy", "strayed", "stamp too high", "epoch too high", "resurrected above"} <= kept
