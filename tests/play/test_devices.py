"""Two devices on one game never fork it, however their requests are delayed, doubled, reordered and lost."""

import pytest

from mystira.play.model import moves
from tests.storms.runner import storm

SCHEDULE = "tests.play.devices.two_devices"


def test_two_devices_never_fork_a_game() -> None:
    found = storm(SCHEDULE, range(400))
    assert found.failures == []
    assert found.counts["over"] > 50 and found.counts["moves"] > 1_000 and found.counts["answers"] > 1_000


def test_the_storm_sees_a_game_that_forgets_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "repeated", lambda session, asked: None)
    assert storm(SCHEDULE, range(60), processes=1).failures != []


def test_the_storm_sees_moves_from_scenes_that_were_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "_refuse_unless_current", lambda session, asked: None)
    assert storm(SCHEDULE, range(200), processes=1).failures != []
