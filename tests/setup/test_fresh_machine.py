"""The README's two commands in a fresh clone with an empty environment, in each of the four situations."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, free_port, postgres_of

pytestmark = pytest.mark.machine
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
# The Python of the machine itself: the one of a test's environment may lie in a home that others cannot enter.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else "python3"
READY_S_MAX = 600


class Clone:
    """A clone of this repository's HEAD, and the empty environment it is used in."""

    def __init__(self, folder: Path, home: Path, uid: int | None = None) -> None:
        self.folder, self.home, self.uid = folder, home, uid
        subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(folder)], check=True)
        if uid is not None:
            for path in (home, *home.rglob("*"), folder, *folder.rglob("*")):
                os.chown(path, uid, uid, follow_symlinks=False)

    def start(self, *command: str, log: Path, **environment: str) -> "subprocess.Popen[bytes]":
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": PYTHON, **environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self.uid,
                group=self.uid,
                extra_groups=None if self.uid is None else [],
            )

    def make(self, *arguments: str, log: Path, **environment: str) -> tuple[int, str]:
        ended = self.start("make", *arguments, log=log, **environment).wait(timeout=READY_S_MAX)
        return ended, log.read_text()


@pytest.fixture
def place() -> Iterator[Path]:
    place = Path("/var/tmp") / f"mystira-fresh-{os.getpid()}"
    place.mkdir(mode=0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def situation(place: Path, name: str) -> Clone:
    home = place / "home"
    if name == "root in a private home":
        home.mkdir(mode=0o700)
        return Clone(home / "mystira", home)
    home.mkdir()
    if name == "a path of 200 characters":
        return Clone(place / ("x" * 90) / ("y" * (200 - len(str(place)) - 92)), home)
    return Clone(place / "mystira", home, NOBODY if name == "an ordinary user" else None)


@pytest.mark.parametrize(
    "name", ["root in a private home", "root elsewhere", "an ordinary user", "a path of 200 characters"]
)
def test_both_commands_work_from_nothing_and_again(place: Path, name: str) -> None:
    if not IS_ROOT:
        pytest.skip("only root can act as root and as an ordinary user")
    clone = situation(place, name)
    for turn in ("first", "second"):
        log, port = place / f"{turn}.log", free_port()
        begun = time.monotonic()
        process = clone.start("make", "run", log=log, MYSTIRA_PORT=str(port))
        while f"Mystira is ready at http://127.0.0.1:{port}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - begun < READY_S_MAX, log.read_text()
            time.sleep(0.05)
        print(f"{name}: {turn} start {time.monotonic() - begun:.1f} s")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert b"The Clockwork Orchard" in answer.read()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        assert "Everything is stopped." in log.read_text(), log.read_text()
        assert postgres_of(clone.folder / ".mystira") == []
    # The whole suite would run this test again; the settings' and the embedded server's tests stand for it.
    selection = "tests/settings tests/embedded -q -p no:cacheprovider -k 'setting or starts_it'"
    code, said = clone.make("test", f"ARGS={selection}", log=place / "test.log")
    assert code == 0 and " passed" in said, said
    if name == "root elsewhere":
        code, said = clone.make("reset", "YES=1", log=place / "reset.log")
        assert code == 0 and not (clone.folder / ".mystira").exists(), said


def test_a_missing_venv_module_is_told_in_one_sentence(place: Path) -> None:
    clone = Clone(place / "mystira", _home(place))
    fake = place / "python"
    fake.write_text(f'#!/bin/sh\ncase "$*" in *"import venv"*) exit 1;; esac\nexec {PYTHON} "$@"\n')
    fake.chmod(0o755)
    code, said = clone.make("run", f"PYTHON={fake}", log=place / "log")
    assert code != 0 and "apt-get install python3-venv" in said and "Traceback" not in said


def test_an_old_python_is_told_in_one_sentence(place: Path) -> None:
    clone = Clone(place / "mystira", _home(place))
    fake = place / "python"
    fake.write_text('#!/bin/sh\ncase "$*" in *version_info*) exit 1;; esac\necho Python 3.9.2\n')
    fake.chmod(0o755)
    code, said = clone.make("run", f"PYTHON={fake}", log=place / "log")
    assert code != 0 and "This is Python 3.9.2; Mystira needs Python 3.11" in said


@pytest.mark.skipif(not IS_ROOT, reason="only root can act as another user")
def test_a_checkout_that_cannot_be_written_is_told_in_one_sentence(place: Path) -> None:
    clone = Clone(place / "mystira", _home(place))
    clone.uid = NOBODY
    code, said = clone.make("run", log=place / "log")
    assert code != 0 and "cannot be written. Move the checkout" in said and "Traceback" not in said


@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small disk")
def test_a_full_disk_is_told_in_one_sentence(place: Path) -> None:
    small = place / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        clone = Clone(small / "mystira", _home(place))
        code, said = clone.make("run", log=place / "log", TMPDIR=str(small))
        assert code != 0 and "is full. Free" in said and "Traceback" not in said, said
    finally:
        subprocess.run(["umount", str(small)], check=False)


def _home(place: Path) -> Path:
    (place / "home").mkdir()
    return place / "home"
