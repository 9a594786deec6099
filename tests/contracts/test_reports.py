"""What the relational side promises of reports, and what every store promises to whoever looks through it."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mystira.polyglot.contrasts import Way
from mystira.polyglot.differences import Difference, DifferenceClass, FieldDifference
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.repair_plan import Plan
from mystira.polyglot.reportfiles import COLUMNS, csv_of, json_of
from mystira.polyglot.reports import Became, Progress, Report, ReportMissing, RunKind, compare_reports, every_difference
from mystira.polyglot.store import Key, Record
from tests.contracts.conftest import Documents
from tests.contracts.sample import NOW, SAMPLES, Sample, record_of, tombstone_of

pytestmark = pytest.mark.anyio

STALE, MISSING = DifferenceClass.STALE, DifferenceClass.MISSING


def report(id: str = "run-1", **more: Any) -> Report:
    values: dict[str, Any] = {"collection": "Samples", "kind": RunKind.SCRUB, "leader": "documents", "started_at": NOW}
    return Report(id=id, **({"actor": "somebody", "why": "a test"} | values | more))


def difference(id: str, kind: DifferenceClass = STALE, **more: Any) -> Difference:
    return Difference(key=Key("owner", id), kind=kind, **more)


async def test_a_report_is_kept_with_its_progress_and_its_counts(relational: RelationalStore) -> None:
    begun = report(progress=Progress(ranges={"a-b": "7"}, row=Key("p", "i")))
    await relational.reports.put(begun)
    assert await relational.reports.get("run-1") == begun
    ended = report(finished_at=NOW + timedelta(seconds=1), seen=7, healed=2, counts={STALE: 3})
    await relational.reports.put(ended)
    assert await relational.reports.get("run-1") == ended
    assert await relational.reports.get("no such run") is None


async def test_the_newest_reports_of_a_collection_come_first(relational: RelationalStore) -> None:
    for at in range(3):
        await relational.reports.put(report(f"run-{at}", started_at=NOW + timedelta(seconds=at)))
    await relational.reports.put(report("of another", collection="Others"))
    assert [one.id for one in await relational.reports.recent("Samples", 2)] == ["run-2", "run-1"]


async def test_differences_come_back_page_by_page_in_the_order_of_their_keys(relational: RelationalStore) -> None:
    fields = (FieldDifference(path="a.b", leader='"🦊"', follower=None, way=Way.ONE_SIDE),)
    found = [difference(f"{at:02}", STALE if at % 2 else MISSING, leader_stamp=at, fields=fields) for at in range(9)]
    await relational.reports.add("run-1", found[5:])
    await relational.reports.add("run-1", found[:6])
    await relational.reports.add("run-2", [difference("of another run")])
    first = await relational.reports.page("run-1", None, 4)
    assert [*first, *await relational.reports.page("run-1", first[-1].key, 40)] == found
    odd = await relational.reports.page("run-1", found[1].key, 2, STALE)
    assert [one.key.id for one in odd] == ["03", "05"]
    assert dict(await relational.reports.tally("run-1")) == {STALE: 4, MISSING: 5}
    assert [one async for one in every_difference(relational.reports, "run-1", MISSING)] == found[::2]


async def test_a_key_found_twice_in_a_run_is_one_difference(relational: RelationalStore) -> None:
    await relational.reports.add("run-1", [difference("a")])
    await relational.reports.add("run-1", [difference("a", MISSING)])
    assert dict(await relational.reports.tally("run-1")) == {MISSING: 1}


async def test_two_runs_are_compared_key_by_key(relational: RelationalStore) -> None:
    for run_id in ("run-1", "run-2"):
        await relational.reports.put(report(run_id))
    await relational.reports.add("run-1", [difference("a"), difference("b"), difference("c")])
    await relational.reports.add("run-2", [difference("b", MISSING), difference("c"), difference("d"), difference("e")])
    compared = await compare_reports(relational.reports, "run-1", "run-2")
    assert compared.counts == {Became.GONE: 1, Became.CHANGED: 1, Became.STILL: 1, Became.APPEARED: 2}
    assert [key.id for key in compared.examples[Became.APPEARED]] == ["d", "e"]
    with pytest.raises(ReportMissing, match="no such run"):
        await compare_reports(relational.reports, "run-1", "no such run")


async def test_rows_are_looked_through_in_the_order_of_their_keys(relational: RelationalStore) -> None:
    records = [record_of(Sample(id=id, owner_id=owner)) for owner in ("a", "é", "🦊") for id in ("1", "2")]
    for record in reversed(records):
        await relational.write(SAMPLES, record, None)
    gone = tombstone_of(records[3])
    await relational.write(SAMPLES, gone, records[3])
    records[3] = gone
    found = [*await relational.scan(SAMPLES, None, 4)]
    found += await relational.scan(SAMPLES, found[-1].key, 4)
    assert [item.key for item in found] == [record.key for record in records]
    assert [isinstance(item, Record) and item.deleted for item in found] == [False, False, False, True, False, False]
    assert await relational.scan(SAMPLES, found[-1].key, 4) == []


async def test_what_there_is_of_some_keys_is_told_together(relational: RelationalStore) -> None:
    record = record_of(Sample(id="a", owner_id="one"))
    await relational.write(SAMPLES, record, None)
    found = await relational.look(SAMPLES, [record.key, Key("one", "b"), Key("a", "one"), Key("\x00", "a")])
    assert list(found) == [record.key] and found[record.key].stamp == Stamp(0, 1)
    assert await relational.look(SAMPLES, []) == {}


async def test_what_there_is_of_some_documents_is_told_together(documents: Documents) -> None:
    record = record_of(Sample(id="a", owner_id="one"))
    await documents.write(SAMPLES, record, None)
    found = await documents.look(SAMPLES, [record.key, Key("one", "b"), Key("\x00", "a")])
    assert list(found) == [record.key]
    looked = found[record.key]
    # With what was looked at a writer can go on: its token is the document's.
    assert isinstance(looked, Record) and looked == await documents.read(SAMPLES, record.key)
    await documents.write(SAMPLES, tombstone_of(record), looked)


async def test_a_report_keeps_the_plan_that_was_made_last_whatever_else_is_written_of_it(
    relational: RelationalStore,
) -> None:
    plan = Plan(report="run-1", collection="Samples", leader="documents", made_at=NOW, left_out=3)
    await relational.reports.keep_plan(plan)
    assert await relational.reports.plan("run-1") is None
    await relational.reports.put(report())
    assert await relational.reports.plan("run-1") is None
    await relational.reports.keep_plan(plan)
    later = msgspec.structs.replace(plan, made_at=NOW + timedelta(seconds=1))
    await relational.reports.keep_plan(later)
    await relational.reports.put(report(seen=7))
    assert await relational.reports.plan("run-1") == later


async def test_a_csv_file_holds_every_difference_and_nothing_that_a_spreadsheet_would_run(
    relational: RelationalStore,
) -> None:
    await relational.reports.put(report())
    fields = tuple(
        FieldDifference(path=path, leader=leader, follower="-1", way=Way.VALUE)
        for path, leader in (("=cmd|calc", '"a, ""b"""\n'), ("@x", None))
    )
    many = [difference(f"{at:03}", MISSING) for at in range(450)]
    await relational.reports.add("run-1", [*many, difference("+1", fields=fields, leader_stamp=5)])
    parts = [part async for part in csv_of(relational.reports, report())]
    rows = list(csv.reader(io.StringIO(b"".join(parts).decode(), newline="")))
    assert len(parts) == 3 and len(rows) == 1 + 450 + 2
    assert rows[0] == list(COLUMNS)
    assert rows[1] == ["owner", "'+1", "stale", "5", "", "'=cmd|calc", Way.VALUE, '"a, ""b"""\n', "'-1"]
    assert rows[2][5:] == ["'@x", Way.VALUE, "", "'-1"]
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"}]


async def test_a_json_file_holds_the_report_and_every_difference(relational: RelationalStore) -> None:
    await relational.reports.put(report())
    found = [difference(f"{at:03}", STALE if at % 2 else MISSING) for at in range(401)]
    empty = b"".join([part async for part in json_of(relational.reports, report())])
    assert json.loads(empty)["differences"] == []
    await relational.reports.add("run-1", found)
    parts = [part async for part in json_of(relational.reports, report())]
    whole = json.loads(b"".join(parts))
    assert msgspec.convert(whole["differences"], list[Difference]) == found
    assert (whole["report"]["id"], len(parts)) == ("run-1", 4)
    some = b"".join([part async for part in json_of(relational.reports, report(), STALE)])
    assert len(json.loads(some)["differences"]) == 200


async def test_old_reports_go_but_not_the_newest_nor_the_last_whole_scrub(relational: RelationalStore) -> None:
    reports, day = relational.reports, timedelta(days=1)
    await reports.put(report("scrub", finished_at=NOW))
    for at in range(1, 5):
        when = NOW + at * day
        await reports.put(report(f"run-{at}", kind=RunKind.DIGEST, started_at=when, finished_at=when))
    await reports.put(report("of another", collection="Others"))
    await reports.add("run-1", [difference("a")])
    assert await reports.forget("Samples", NOW + 4 * day, 2) == 2
    assert [one.id for one in await reports.recent("Samples")] == ["run-4", "run-3", "scrub"]
    assert await reports.page("run-1") == [] and await reports.get("of another") is not None
    assert await reports.forget("Samples", NOW + 4 * day, 0) == 1
    assert [one.id for one in await reports.recent("Samples")] == ["run-4", "scrub"]
