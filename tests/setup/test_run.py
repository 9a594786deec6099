"""`mystira run` as a process: stopped, killed, crowded, and what it says when it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ROOT, RunningPlatform, free_port, postgres_of

ORCHARD = ROOT / "content" / "scenarios" / "the-clockwork-orchard.yaml"


def mystira(*arguments: str, data: Path | None = None, **options: object) -> "subprocess.CompletedProcess[str]":
    given = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
    given |= {"MYSTIRA_DATA": str(data)} if data else {}
    given |= options.pop("environment", {})  # type: ignore[arg-type]
    command = [sys.executable, "-m", "mystira", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=given, cwd=ROOT, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_stops_everything(data: Path, how: int) -> None:
    running = RunningPlatform(data).wait_until_ready()
    assert postgres_of(data)
    assert running.stop(how) == 0
    assert running.output.endswith("Stopping.\nEverything is stopped.\n")
    assert postgres_of(data) == []


def test_after_kill_9_the_next_start_heals_what_was_left(data: Path) -> None:
    running = RunningPlatform(data).wait_until_ready()
    running.stop(signal.SIGKILL)
    orphans = postgres_of(data)
    assert orphans
    again = RunningPlatform(data).wait_until_ready()
    assert again.stop() == 0
    assert postgres_of(data) == []


def test_after_kill_9_of_postgres_as_well_the_next_start_goes_on(data: Path) -> None:
    running = RunningPlatform(data).wait_until_ready()
    running.stop(signal.SIGKILL)
    for pid in postgres_of(data):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    again = RunningPlatform(data).wait_until_ready()
    assert again.stop() == 0


def test_two_that_start_at_once_share_data_and_migrate_once(tmp_path: Path) -> None:
    first, second = RunningPlatform(tmp_path / "data"), RunningPlatform(tmp_path / "data")
    first.wait_until_ready()
    second.wait_until_ready()
    assert first.stop() == 0
    assert postgres_of(tmp_path / "data")
    assert second.stop() == 0
    assert postgres_of(tmp_path / "data") == []


def test_with_reload_a_change_of_the_code_starts_it_again(data: Path) -> None:
    running = RunningPlatform(data, None, "--reload").wait_until_ready()
    time.sleep(0.5)
    os.utime(ROOT / "src" / "mystira" / "settings.py")
    deadline = time.monotonic() + 60
    while running.output.count("Mystira is ready") < 2:
        assert running.process.poll() is None and time.monotonic() < deadline, running.output
        time.sleep(0.05)
    os.killpg(running.process.pid, signal.SIGINT)
    running.process.wait(timeout=60)
    assert running.output.count("Everything is stopped.") == 2, running.output
    assert postgres_of(data) == []


def test_a_second_start_is_ready_soon(data: Path) -> None:
    RunningPlatform(data).wait_until_ready().stop()
    begun = time.monotonic()
    running = RunningPlatform(data).wait_until_ready()
    print(f"second start {time.monotonic() - begun:.2f} s (goal: under 5 s)")
    assert running.output.count("\n") == 1
    running.stop()


@pytest.mark.parametrize(
    "environment, says",
    [
        ({"MYSTIRA_PORT": "x"}, "write a number from 1 to 65535"),
        ({"MYSTIRA_PROT": "1"}, "did you mean MYSTIRA_PORT?"),
        ({"MYSTIRA_DATA": "/proc/nothing"}, "Choose another folder: MYSTIRA_DATA="),
        ({"MYSTIRA_RELATIONAL": "postgresql://127.0.0.1:1/none"}, "cannot be reached"),
        ({"MYSTIRA_DOCUMENTS": "sqlite:////proc/none/x.sqlite"}, "cannot be"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_start_that_cannot_be_is_one_sentence(tmp_path: Path, environment: dict[str, str], says: str) -> None:
    settings = {"MYSTIRA_PORT": str(free_port())} | environment
    ended = mystira("run", data=tmp_path / "data", environment=settings)
    assert ended.returncode == 1
    assert says in ended.stderr and "Traceback" not in ended.stderr, ended.stderr
    assert postgres_of(tmp_path / "data") == []


def test_a_port_in_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = mystira("run", data=tmp_path / "data", environment={"MYSTIRA_PORT": port})
    assert ended.returncode == 1
    assert f"Port {port} is in use" in ended.stderr and "MYSTIRA_PORT=" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_the_terminal_plays_the_same_game_for_the_same_seed_and_other_endings_for_others() -> None:
    played = {seed: mystira("play", str(ORCHARD), "--auto", "--seed", str(seed)).stdout for seed in (1, 2, 3, 4)}
    assert mystira("play", str(ORCHARD), "--auto", "--seed", "1").stdout == played[1]
    endings = {text.split("== ")[-1].split(" ==")[0] for text in played.values()}
    assert len(endings) >= 2 and all("The end, after" in text for text in played.values())


def test_the_terminal_asks_and_understands_numbers() -> None:
    ended = mystira("play", str(ORCHARD), input="\n" + "x\n1\n" * 60)
    assert "Write a number from 1 to" in ended.stdout and "The end, after" in ended.stdout, ended.stdout[-500:]


def test_import_says_what_is_wrong_and_keeps_the_good_ones(tmp_path: Path, data: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(ORCHARD.read_text().replace("difficulty: 9", "difficulty: 99"))
    other = tmp_path / "other.yaml"
    other.write_text(ORCHARD.read_text().replace("title: The Clockwork Orchard", "title: Another Orchard"))
    ended = mystira("content", "import", str(bad), str(other), "--publish", data=data)
    assert ended.returncode == 1
    assert "bad.yaml:110:17: error" in ended.stdout or "difficulty" in ended.stdout, ended.stdout
    assert "imported as another-orchard (published, version 1)" in ended.stdout
    again = mystira("content", "import", str(other), "--publish", "--json", data=data)
    assert again.returncode == 0 and '"id": "another-orchard"' in again.stdout, again.stderr
    assert mystira("reset", "--yes", data=data).returncode == 0


def test_a_new_story_validates_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    made = mystira("content", "new", 'Say: "Hello"', "--file", str(path))
    assert made.returncode == 0, made.stderr
    checked = mystira("content", "validate", str(path))
    assert (checked.returncode, checked.stdout) == (0, f"{path}: 0 errors, 0 warnings.\n")
    again = mystira("content", "new", "Other", "--file", str(path))
    assert again.returncode == 1 and "is there already" in again.stderr
    assert 'Say: \\"Hello' in path.read_text()


def test_watching_checks_again_at_every_change(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(ORCHARD.read_text())
    log = tmp_path / "watch.log"
    with log.open("w") as output:
        command = [sys.executable, "-u", "-m", "mystira", "content", "validate", str(path), "--watch"]
        watching = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
    try:
        _wait_for(log, "0 errors")
        time.sleep(0.5)
        path.write_text(ORCHARD.read_text().replace("difficulty: 9", "difficulty: 99"))
        _wait_for(log, "1 errors")
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait(timeout=20)
    assert "Traceback" not in log.read_text()


def _wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (("content", "validate"), 2, "Name one or more story files"),
        (("content", "validate", "/nowhere.yaml"), 1, "cannot be opened"),
        (("content", "validate", str(ORCHARD)), 0, "0 errors"),
        (("settings",), 0, "MYSTIRA_PORT"),
        (("nonsense",), 2, "nonsense"),
        (("--help",), 0, "play"),
    ],
    ids=str,
)
def test_the_command_line_says_what_to_do(arguments: tuple[str, ...], code: int, says: str) -> None:
    ended = mystira(*arguments)
    assert ended.returncode == code, ended
    assert says in ended.stdout + ended.stderr and "Traceback" not in ended.stderr


def test_a_command_line_that_serves_nothing_loads_no_web_framework() -> None:
    code = "import sys, mystira.run, mystira.migrating.commands; print('litestar' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.strip() == "False"
