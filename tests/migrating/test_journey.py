"""`mystira migrate` moves a collection to PostgreSQL and back, with nobody else at work, and says what it did."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from mystira.polyglot.phases import Phase
from tests.migrating.place import PLAYERS, Place
from tests.processes import ROOT, RunningPlatform

PLAYERS_OF = "UserProfiles"
NO_BACKUP = ("--waive", "backup")
COSMOS, DUAL, REVERSED, POSTGRES = Phase


def at_least(place: Place, phase: Phase, name: str = PLAYERS_OF) -> None:
    """Bring a collection to a phase by its commands, from wherever an earlier test left it."""
    way = {
        COSMOS: ("rollback", "stop"),
        DUAL: ("start", "rollback"),
        REVERSED: ("start", "verify", "cutover", "reopen"),
        POSTGRES: ("start", "verify", "cutover", "finish"),
    }[phase]
    if place.answer("status", "status", name)["collections"][0]["phase"] == phase:
        return
    if phase in (COSMOS, DUAL):
        place.run("migrate", "reopen", name, "--wait")
    words = {
        "start": ("--wait",),
        "verify": ("--scrub",),
        "cutover": ("--yes", *NO_BACKUP),
        "rollback": ("--yes", *NO_BACKUP),
        "finish": ("--yes",),
        "stop": ("--yes",),
        "reopen": ("--wait",),
    }
    for verb in way:
        place.run("migrate", verb, name, *words[verb])
    assert place.answer("status", "status", name)["collections"][0]["phase"] == phase


def test_a_collection_moves_to_postgres_and_back_with_nobody_else_at_work(place: Place, tmp_path: Path) -> None:
    plan = place.answer("plan", "plan", PLAYERS_OF)
    assert [step["verb"] for step in plan["steps"]] == ["start", "cutover", "finish"]
    assert plan["filling"]["documents_low"] == PLAYERS
    started = place.answer("collection-status", "start", PLAYERS_OF, "--wait", "--why", "the great move")
    assert (started["phase"], started["copy"]) == (DUAL, "whole")
    refused = place.answer("refused", "cutover", PLAYERS_OF, "--yes", code=3)
    closed = [gate["name"] for gate in refused["problem"]["gates"] if not gate["passed"]]
    assert closed == ["verification", "scrub", "backup"]
    assert "mystira migrate verify" in refused["problem"]["message"]
    assert place.answer("verify", "verify", PLAYERS_OF, "--scrub")["differences"] == 0
    assert place.answer("move-plan", "cutover", PLAYERS_OF, "--dry-run", code=3)["after"] == REVERSED
    assert place.answer("move-plan", "cutover", PLAYERS_OF, "--dry-run", *NO_BACKUP)["before"] == DUAL
    there = place.answer("certificate", "cutover", PLAYERS_OF, "--yes", *NO_BACKUP, "--as", "mira")
    assert (there["after"], there["actor"]) == (REVERSED, "mira")
    assert place.answer("collection-status", "finish", PLAYERS_OF, "--yes")["phase"] == POSTGRES
    archive = tmp_path / "archive"
    assert place.answer("complete", "complete", PLAYERS_OF, str(archive), "--yes")["documents"] >= PLAYERS
    made = place.answer("restore-archive", "restore-archive", PLAYERS_OF, str(archive))
    assert made["made"] >= PLAYERS
    assert place.answer("collection-status", "reopen", PLAYERS_OF, "--wait")["phase"] == REVERSED
    back = place.answer("certificate", "rollback", PLAYERS_OF, "--yes", *NO_BACKUP)
    assert (back["after"], back["previous"]) == (DUAL, there["seal"])
    assert place.answer("collection-status", "stop", PLAYERS_OF, "--yes")["phase"] == COSMOS
    assert len(place.answer("certificates", "certify", PLAYERS_OF, "--all")["certificates"]) == 2
    history = place.answer("history", "history", PLAYERS_OF, "--limit", "500")["changes"]
    assert {"mira", "the great move"} <= {change["actor"] for change in history} | {c["why"] for c in history}


def test_each_step_repeated_changes_nothing(place: Place) -> None:
    at_least(place, DUAL)
    before = place.answer("collection-status", "start", PLAYERS_OF)
    assert place.answer("collection-status", "start", PLAYERS_OF)["n"] == before["n"]
    at_least(place, REVERSED)
    first = place.answer("certificates", "certify", PLAYERS_OF)["certificates"][0]
    assert place.answer("certificate", "cutover", PLAYERS_OF, "--yes") == first
    at_least(place, POSTGRES)
    assert place.migrate("finish", PLAYERS_OF).code == 0


def test_a_verb_out_of_turn_names_the_step_before_it(place: Place) -> None:
    at_least(place, POSTGRES)
    assert "mystira migrate reopen UserProfiles" in place.migrate("rollback", PLAYERS_OF, "--yes", code=1).apart
    assert "further than that" in place.migrate("cutover", PLAYERS_OF, "--yes", code=1).apart
    assert "mystira migrate start Badges" in place.migrate("cutover", "Badges", "--yes", code=1).apart


def test_a_cut_over_past_its_time_is_taken_back(place: Place) -> None:
    at_least(place, DUAL)
    place.migrate("verify", PLAYERS_OF, "--scrub")
    words = ("cutover", PLAYERS_OF, "--yes", *NO_BACKUP, "--hold-s", "0.001")
    assert place.answer("refused", *words, code=5)["problem"]["code"] == "transition_aborted"
    after = place.answer("status", "status", PLAYERS_OF)["collections"][0]
    assert (after["phase"], after["state"]) == (DUAL, "OPEN")
    assert "nothing to take back" in place.migrate("abort", PLAYERS_OF).apart
    assert place.answer("collection-status", "abort", PLAYERS_OF)["state"] == "OPEN"


def test_a_filling_is_paused_throttled_and_goes_on(place: Place) -> None:
    name = "Badges"
    assert place.migrate("throttle", name, "--units-per-s", "5", code=1).apart.startswith("The backfill of Badges")
    place.migrate("start", name, "--units-per-s", "50")
    assert place.answer("collection-status", "pause", name)["backfill"]["state"] == "paused"
    assert "resume Badges" in place.migrate("status", name).out
    place.answer("collection-status", "throttle", name, "--latency-ms", "80")
    kept = place.with_platform(lambda opened: opened.replication.journal.backfill(name))
    assert kept is not None and (kept.units_per_s, kept.latency_ms) == (50, 80)
    place.answer("collection-status", "throttle", name, "--off")
    assert place.answer("collection-status", "resume", name)["backfill"]["state"] == "running"
    assert place.answer("collection-status", "start", name, "--wait")["phase"] == DUAL
    assert place.answer("collection-status", "shadow", name, "0.5")["shadow"]["rate"] == 0.5
    assert "from 0" in place.migrate("shadow", name, "7", code=2).apart


def test_certificates_are_checked_without_any_store_and_a_changed_one_is_told(place: Place, tmp_path: Path) -> None:
    at_least(place, REVERSED)
    at_least(place, DUAL)
    kept = tmp_path / "kept.json"
    place.migrate("certify", PLAYERS_OF, "--all", "--out", str(kept))
    assert "is there already" in place.migrate("certify", PLAYERS_OF, "--out", str(kept), code=2).apart
    elsewhere = Place(tmp_path / "nothing", MYSTIRA_RELATIONAL="postgresql://127.0.0.1:1/nobody")
    found = elsewhere.answer("verify-certificate", "verify-certificate", str(kept))
    assert found["chained"] and found["genuine"] >= 2
    assert not (tmp_path / "nothing").exists()
    told = json.loads(kept.read_text())
    told["certificates"][1]["refused"] += 1
    kept.write_text(json.dumps(told))
    elsewhere.answer("refused", "verify-certificate", str(kept), code=1)
    told["certificates"][1]["refused"] -= 1
    one = tmp_path / "one.json"
    one.write_text(json.dumps(told["certificates"][1]))
    assert not elsewhere.answer("verify-certificate", "verify-certificate", str(one))["chained"]
    kept.write_text("no JSON at all")
    assert elsewhere.migrate("verify-certificate", str(kept), code=1).out == ""


@pytest.mark.parametrize("verb", ["stop", "cutover", "rollback", "finish"])
def test_what_cannot_be_taken_back_lightly_refuses_where_nobody_can_be_asked(place: Place, verb: str) -> None:
    phase = {"stop": DUAL, "cutover": DUAL, "rollback": REVERSED, "finish": REVERSED}[verb]
    at_least(place, phase)
    if verb == "cutover":
        place.migrate("verify", PLAYERS_OF, "--scrub")
    waived = NO_BACKUP if verb in ("cutover", "rollback") else ()
    assert "--yes" in place.migrate(verb, PLAYERS_OF, *waived, code=2).apart
    assert place.answer("status", "status", PLAYERS_OF)["collections"][0]["phase"] == phase


@pytest.mark.parametrize(("answer", "code"), [("no", 5), ("yes", 0)])
def test_a_person_is_asked_and_only_yes_means_yes(place: Place, answer: str, code: int) -> None:
    at_least(place, REVERSED)
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
    asked = subprocess.Popen(
        [sys.executable, "-m", "mystira", "migrate", "finish", PLAYERS_OF],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | place.environment,
        cwd=ROOT,
    )
    os.write(ours, f"{answer}\n".encode())
    _, apart = asked.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert asked.returncode == code, apart
    assert b"Type yes" in apart


def test_it_works_beside_a_running_platform_which_does_the_long_work(place: Place) -> None:
    running = RunningPlatform(place.data).wait_until_ready()
    try:
        name = "Scenarios"
        place.migrate("start", name)
        while place.answer("status", "status", name)["collections"][0]["copy"] != "whole":
            assert running.process.poll() is None
        assert place.answer("collection-status", "start", name)["phase"] == DUAL
        assert place.answer("verify", "verify", name, "--scrub")["differences"] == 0
        assert place.answer("certificate", "cutover", name, "--yes", *NO_BACKUP)["after"] == REVERSED
    finally:
        assert running.stop() == 0
