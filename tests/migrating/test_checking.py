"""Differences are found, shown, planned and repaired from the command line; dead letters are looked at and settled."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterKind
from mystira.polyglot.store import Key
from mystira.services.platform import Platform
from tests.migrating.place import Place

PLAYERS_OF = "UserProfiles"
POISON = 25


@pytest.fixture(scope="module")
def copied(place: Place) -> Place:
    place.migrate("start", PLAYERS_OF, "--wait")
    return place


def spoil(place: Place, *ids: str) -> None:
    """Change rows behind everybody's back."""

    async def work(opened: Platform) -> None:
        async with opened.relational.connection(writes=True) as connection:
            assert isinstance(connection, asyncpg.pool.PoolConnectionProxy)
            for id in ids:
                await connection.execute("UPDATE user_profiles SET avatar = 'owl', name = 'X' WHERE id = $1", id)

    place.with_platform(work)


def test_what_differs_is_found_shown_planned_and_repaired(copied: Place, tmp_path: Path) -> None:
    place = copied
    assert place.answer("verify", "verify", PLAYERS_OF)["differences"] == 0
    assert "No differences" in place.migrate("diff", PLAYERS_OF).out
    spoil(place, "player-1", "player-2", "player-3")
    earlier = place.answer("verify", "verify", PLAYERS_OF, "--scrub", "--lag-goal-s", "0.1", code=4)
    assert earlier["counts"] == {"divergent": 3} and earlier["differences"] == 3
    shown = place.answer("diff", "diff", PLAYERS_OF, "--limit", "2", code=4)
    assert len(shown["differences"]) == 2 and shown["more"]
    fields = {field["path"]: field for field in shown["differences"][0]["fields"]}
    assert (fields["avatar"]["leader"], fields["avatar"]["follower"]) == ('"fox"', '"owl"')
    assert "Player" not in json.dumps(shown), "names identify a person"
    text = place.migrate("diff", PLAYERS_OF, code=4).out
    assert "avatar" in text and "repair UserProfiles --dry-run" in text
    planned = place.answer("repair-plan", "repair", PLAYERS_OF, "--dry-run")
    assert [one["action"] for one in planned["repairs"]] == ["rewrite"] * 3
    kept = tmp_path / "plan.json"
    kept.write_text(json.dumps(planned))
    assert "--yes" in place.migrate("repair", PLAYERS_OF, "--from-plan", str(kept), code=2).apart
    done = place.answer("repair", "repair", PLAYERS_OF, "--from-plan", str(kept), "--yes")
    assert done["counts"]["repaired"] == 3
    again = place.answer("repair", "repair", PLAYERS_OF, "--from-plan", str(kept), "--yes")
    assert again["counts"]["repaired"] == 0
    assert place.answer("verify", "verify", PLAYERS_OF, "--scrub")["differences"] == 0
    compared = place.answer("comparison", "diff", PLAYERS_OF, "--against", earlier["id"])
    assert compared["counts"]["gone"] == 3


def test_a_repair_that_cannot_do_all_says_so(copied: Place, tmp_path: Path) -> None:
    place = copied
    spoil(place, "player-7")
    place.migrate("verify", PLAYERS_OF, "--scrub", "--lag-goal-s", "0.1", code=4)
    planned = place.answer("repair-plan", "repair", PLAYERS_OF, "--dry-run")
    planned["repairs"][0]["leader"] = "something else"
    kept = tmp_path / "plan.json"
    kept.write_text(json.dumps(planned))
    left = place.answer("repair", "repair", PLAYERS_OF, "--from-plan", str(kept), "--yes", code=4)
    assert left["not_repaired"][0]["outcome"] == "changed since the plan was made"
    kept.write_text("{}")
    assert "not a plan" in place.migrate("repair", PLAYERS_OF, "--from-plan", str(kept), "--yes", code=2).apart
    assert "cannot be read" in place.migrate("repair", PLAYERS_OF, "--from-plan", "/none", "--yes", code=2).apart
    place.migrate("repair", PLAYERS_OF, "--yes")


def test_what_only_one_store_holds_is_not_compared(place: Place) -> None:
    assert "nothing to compare" in place.migrate("verify", "GameSessions", code=1).apart
    assert "never verified" in place.migrate("diff", "GameSessions", code=1).apart
    assert "no report nix" in place.migrate("diff", PLAYERS_OF, "--run", "nix", code=1).apart


def letter(number: int, kind: LetterKind, *, retried: bool) -> DeadLetter:
    now = datetime.now(UTC)
    return DeadLetter(
        collection="GameSessions",
        key=Key("family", f"game-{number}"),
        kind=kind,
        stamp=Stamp(0, 1),
        payload={"id": f"game-{number}", "state": "odd"},
        error="the sky fell",
        next_try_at=now + timedelta(hours=1) if retried else None,
        created_at=now,
    )


async def poison(opened: Platform) -> None:
    for number in range(POISON):
        kind = LetterKind.UNREADABLE if number else LetterKind.CONFLICT
        await opened.replication.journal.letter_put(letter(number, kind, retried=number > 20))
    person = Key("player-5", "player-5")
    held = DeadLetter(
        collection=PLAYERS_OF,
        key=person,
        kind=LetterKind.CONFLICT,
        stamp=Stamp(0, 1),
        payload={"id": "player-5", "name": "Ann Example", "avatar": "fox"},
        rival={"id": "player-5", "name": "Bob Example", "avatar": "owl"},
    )
    await opened.replication.journal.letter_put(held)


def test_letters_are_listed_shown_replayed_parked_and_discarded(place: Place) -> None:
    place.with_platform(poison)
    listed = place.answer("dead-letters", "dead-letters", "list", "--limit", "10")
    assert len(listed["letters"]) == 10 and listed["more"]
    assert all(one["payload"] is None for one in listed["letters"])
    retrying = place.answer("dead-letters", "dead-letters", "list", "GameSessions", "--retrying")["letters"]
    assert len(retrying) == 4
    status = place.answer("status", "status", "GameSessions")["collections"][0]
    assert (status["dead"], status["retrying"]) == (21, 4)
    assert "the sky fell" in place.migrate("dead-letters", "list", "gamesessions").out
    assert place.migrate("dead-letters", "show", "GameSessions", "game-1", code=1).out == ""
    shown = place.answer("dead-letters", "dead-letters", "show", "GameSessions", "game-1", "--partition", "family")
    assert shown["letters"][0]["payload"]["state"] == "odd"
    done = place.answer("dead-letters-done", "dead-letters", "park", "GameSessions", "--all")
    assert done["done"] == 4
    # There are no such documents, so there is nothing that a replay would still have to carry over.
    words = ("dead-letters", "replay", "GameSessions", "--id", "game-3", "--partition", "family")
    assert place.answer("dead-letters-done", *words)["done"] == 1
    stays = place.answer("dead-letters-done", "dead-letters", "replay", "GameSessions", "--kind", "conflict", code=1)
    assert (stays["chosen"], stays["done"]) == (1, 0)
    assert "--yes" in place.migrate("dead-letters", "discard", "GameSessions", "--all", code=2).apart
    assert place.answer("dead-letters-done", "dead-letters", "discard", "GameSessions", "--all", "--yes")["done"] == 24
    assert place.answer("dead-letters", "dead-letters", "list", "GameSessions")["letters"] == []
    assert "Say which" in place.migrate("dead-letters", "replay", "GameSessions", code=2).apart


def test_what_identifies_a_person_is_masked_unless_it_is_asked_for(place: Place) -> None:
    place.with_platform(poison)
    masked = place.migrate("dead-letters", "show", PLAYERS_OF, "player-5").out
    assert "Example" not in masked and "(personal)" in masked and "owl" in masked
    assert "Bob Example" in place.migrate("dead-letters", "show", PLAYERS_OF, "player-5", "--personal").out
