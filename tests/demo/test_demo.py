"""The demonstration in its short form: it must come out well, and its checker must be able to say that it did not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from demo.kept import PAGE, chapters, with_run
from demo.players import Answer, Kept, Player, Taken, percentiles

from tests.processes import ROOT

pytestmark = pytest.mark.anyio


@pytest.mark.slow
def test_a_migration_under_fire_loses_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | {"DEMO_S": "60"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Nothing was lost." in ended.stdout
    assert chapters(ended.stdout) == chapters(PAGE.read_text()), (
        "docs/demo.md tells another story (python -m demo.kept)"
    )


def test_a_run_takes_the_place_of_the_run_before_without_its_password() -> None:
    page = "# Demo\n\n```\n   0.0 s  == 20 families sign up ==\n```\n\nBelow.\n"
    run = "\n   0.0 s  == 7 families sign up ==\n   1.0 s      sign in as demo, with the password jVLn-q\n"
    kept = with_run(page, run)
    assert "jVLn-q" not in kept and kept.endswith("```\n\nBelow.\n") and kept.count("```") == 2
    assert chapters(kept) == ["N families sign up"] == chapters(page)


def test_a_wrong_length_is_told_in_one_sentence() -> None:
    command = [sys.executable, "-m", "demo"]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"DEMO_S": "soon"}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_whatever_ends_it_early_leaves_no_process_behind(how: signal.Signals, tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env=os.environ | {"DEMO_S": "20", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    assert any("Watch the move" in line for line in demo.stdout)
    assert left_behind(tmp_path)
    demo.send_signal(how)
    demo.stdout.read()
    assert demo.wait() == 130
    assert left_behind(tmp_path) == []


def left_behind(folder: Path) -> list[int]:
    """The pids of services that work in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                held = (process / "environ").read_bytes()
            except OSError:
                continue
            if f"MYSTIRA_DATA={folder}/".encode() in held:
                found.append(int(process.name))
    return found


class Forgetful(Player):
    """A player whose API has forgotten one move and changed another."""

    async def _patiently(self, verb: str, url: str, asked: dict[str, object] | None, *, timed: bool = False) -> Answer:
        if verb == "GET":
            return Answer(200, {"moves": 2, "state": "in_progress"})
        return Answer(200, {"number": 1}) if asked == {"key": "k1"} else Answer(409, {})


async def test_the_checker_sees_a_lost_a_changed_and_a_missing_move() -> None:
    player = Forgetful(1, 0)
    url = "/api/v1/sessions/one/moves"
    player.acknowledged = [Kept(url, {"key": "k1"}, {"number": 1}), Kept(url, {"key": "k2"}, {"number": 2})]
    player.moves = {"one": 3}
    wrong = await player.check()
    assert len(wrong) == 2 and "k2" in wrong[0] and "3 were acknowledged" in wrong[1]


def test_percentiles_are_those_of_the_slowest() -> None:
    taken = [Taken(0, number / 1_000, 1) for number in range(1, 201)]
    middle, high, longest = percentiles(taken)
    assert (round(middle), round(high), round(longest)) == (101, 199, 200)
