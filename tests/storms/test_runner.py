"""The command runs every seed on all cores, explains what failed, and cannot be held up by one seed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.storms import runner
from tests.storms.runner import Failure, main, storm

ROOT = Path(__file__).parents[2]
TOYS = "tests.storms.toys"


def command(*arguments: str) -> tuple[int, list[str]]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.storms", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()


def test_the_command_runs_all_seeds_and_its_last_line_counts_them() -> None:
    code, lines = command("--schedule", f"{TOYS}.passes", "--seeds", "101", "--processes", "2")
    assert (code, lines[-1]) == (0, "101 schedules, 0 failed")


def test_the_command_shows_what_a_failing_seed_needs_and_ends_with_one() -> None:
    code, lines = command("--schedule", f"{TOYS}.loses_a_write", "--seeds", "30", "--from", "5", "--processes", "2")
    assert code == 1
    failed = int(lines[-1].removeprefix("30 schedules, ").removesuffix(" failed"))
    assert 5 < failed < 30
    first = lines.index("needs 2 decisions:")
    assert lines[first - 1].startswith("seed ") and lines[first - 1].endswith(": AssertionError a write is gone")
    assert {line.split("#")[0].strip() for line in lines[first + 1 : first + 3]} == {"reply lost", "relay restarts"}
    seed = lines[first - 1].split(":")[0].removeprefix("seed ")
    again, traced = command("--schedule", f"{TOYS}.loses_a_write", "--from", seed, "--trace")
    assert again == 1 and traced[-1] == "AssertionError a write is gone"


@pytest.mark.parametrize("processes", [1, 2])
def test_counts_and_failures_are_those_of_all_seeds(processes: int) -> None:
    ended = storm(f"{TOYS}.fails_rarely", range(10, 150), processes=processes)
    assert (ended.schedules, ended.counts) == (140, {"ran": 140})
    assert [failure.seed for failure in ended.failures] == [61, 62, 140]
    assert ended.failures[0] == Failure(61, "AssertionError", ended.failures[0].message)
    assert "61 is one of them" in ended.failures[0].message
    first = storm(f"{TOYS}.fails_rarely", range(150), processes=processes, until_failure=True)
    assert ([failure.seed for failure in first.failures], first.schedules) == ([61, 62], 70)


def test_arguments_reach_the_schedule() -> None:
    ended = storm(f"{TOYS}.passes", range(3), arguments=("without", "fence"), processes=1)
    assert ended.counts == {"passed without fence": 3}


def test_a_hang_is_a_failure_with_its_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{TOYS}.hangs", ["--seeds", "1"]) == 1
    shown = capsys.readouterr().out
    assert "seed 0: Deadlock" in shown and "main: toys.py:" in shown
    assert shown.endswith("\n1 schedules, 1 failed\n")


def test_a_schedule_that_never_comes_back_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "SEED_S_MAX", 0.2)
    assert main(f"{TOYS}.computes_forever", ["--seeds", "3", "--processes", "1"]) == 1
    shown = capsys.readouterr().out
    assert "seed 1: Stuck It had not ended after" in shown
    assert shown.endswith("\n3 schedules, 1 failed\n")


def test_a_failure_that_does_not_come_again_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"{TOYS}.fails_unwatched", ["--seeds", "1"]) == 1
    assert "The same seed then passed: the schedule is not deterministic." in capsys.readouterr().out
