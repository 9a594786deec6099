"""The doctor finds what is wrong, says what to do, and finds nothing where nothing is."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import pytest

from mystira.doctor import machine, stores
from mystira.migrating.answers import schema_of
from mystira.polyglot.control import State
from mystira.polyglot.journal import DeadLetter, LetterKind
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Stream
from mystira.polyglot.store import Key, Stamp
from mystira.polyglot.stores.postgres.embedded import attach
from mystira.polyglot.stores.postgres.schema import revisions
from mystira.run import MIGRATIONS
from mystira.services.platform import Platform
from tests.migrating.place import Place, prepared

NOBODY = {"actor": "nobody", "why": "a test"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with prepared(tmp_path_factory.mktemp("doctor") / "data", players=3) as found:
        yield found


def examine(place: Place, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return the findings by name, the worst of each name."""
    ended = place.run("doctor", "--json")
    assert ended.code == code, ended
    answer = json.loads(ended.out)
    jsonschema.validate(answer, schema_of("doctor"), jsonschema.Draft202012Validator)
    ranked = sorted(answer["findings"], key=lambda one: ("ok", "warning", "wrong").index(one["health"]))
    assert answer["health"] == ranked[-1]["health"]
    assert all(one["advice"] for one in ranked if one["health"] != "ok")
    return {one["name"]: one for one in ranked}


def test_a_healthy_place_has_no_warnings_but_the_machine_s(place: Place) -> None:
    found = examine(place)
    of_the_machine = ("processors", "memory", "disk")
    assert {one["name"] for one in found.values() if one["health"] != "ok"} <= set(of_the_machine)
    assert {
        "python",
        "settings",
        "schema",
        "clock",
        "documents",
        "leases",
        "transitions",
        "lag",
        "events",
    } <= found.keys()
    assert "ok" in place.run("doctor").out


def test_a_place_without_data_is_told_and_nothing_is_made(tmp_path: Path) -> None:
    found = examine(Place(tmp_path / "nowhere"))
    assert found["data"]["health"] == "warning"
    assert not (tmp_path / "nowhere").exists()


def test_settings_and_stores_that_cannot_be_used_are_wrong(tmp_path: Path) -> None:
    assert "MYSTIRA_PORT" in examine(Place(tmp_path, MYSTIRA_PORT="x"), code=1)["settings"]["found"]
    away = Place(tmp_path, MYSTIRA_RELATIONAL="postgresql://127.0.0.1:1/nobody")
    assert "cannot be reached" in examine(away, code=1)["stores"]["found"]


def test_documents_that_cannot_be_opened_are_wrong(place: Place, tmp_path: Path) -> None:
    (tmp_path / "broken.sqlite").write_bytes(b"this is no database at all, and long enough to tell" * 100)
    broken = Place(place.data, MYSTIRA_DOCUMENTS=f"sqlite://{tmp_path / 'broken.sqlite'}")
    found = examine(broken, code=1)
    assert "broken.sqlite" in found["stores"]["found"]
    assert found["PostgreSQL"]["health"] == "ok"


def test_a_move_that_nobody_ends_is_wrong_and_one_under_way_is_worth_knowing(place: Place) -> None:
    async def drain(opened: Platform, left_s: float) -> None:
        r = opened.replication
        row = await r.row(r.catalog.named("Accounts"))
        until = r.clock() + timedelta(seconds=left_s)
        after = row.evolve(n=row.n + 1, state=State.DRAIN, target=Phase.DUAL_WRITE_COSMOS_READ, deadline=until)
        await r.journal.change(row, after, r.noted("drain", row, after, **NOBODY))

    place.with_platform(lambda opened: drain(opened, 300))
    assert examine(place)["transitions"]["health"] == "warning"
    place.with_platform(lambda opened: drain(opened, -300))
    stuck = examine(place, code=1)["transitions"]
    assert stuck["health"] == "wrong"
    place.migrate(*stuck["advice"].split(": mystira migrate ")[1].split())
    assert examine(place)["transitions"]["health"] == "ok"


def test_leases_of_the_dead_and_given_up_letters_are_worth_knowing(place: Place) -> None:
    async def work(opened: Platform) -> None:
        journal = opened.replication.journal
        await journal.lease_range("Accounts", Stream.FOLLOW, "r", "gone", datetime.now(UTC), 60)
        key = Key("a", "a")
        letter = DeadLetter(collection="Accounts", key=key, kind=LetterKind.CONFLICT, stamp=Stamp(0, 1))
        await journal.letter_put(letter)

    place.with_platform(work)
    found = examine(place)
    assert "1 processes that are gone" in found["leases"]["found"]
    assert found["dead letters"]["health"] == "warning"
    place.migrate("dead-letters", "discard", "Accounts", "--all", "--yes")
    assert examine(place)["dead letters"]["health"] == "ok"


def test_a_schema_of_the_future_is_wrong_and_one_of_the_past_is_not_touched() -> None:
    known = ["0001", "0002"]
    assert stores._schema("0002", known).health == "ok"
    assert stores._schema("0001", known).health == "warning"
    assert stores._schema(None, known).health == "warning"
    assert stores._schema("0003", known).health == "wrong"


def test_an_old_schema_stays_as_it_is(place: Place) -> None:
    async def turn_back(opened: Platform) -> None:
        async with opened.relational.connection(writes=True) as connection:
            await connection.execute("UPDATE polyglot.alembic_version SET version_num = '0001'")

    async def forward(dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT version_num FROM polyglot.alembic_version") == "0001"
        await connection.execute("UPDATE polyglot.alembic_version SET version_num = $1", newest)
        await connection.close()

    newest = revisions(MIGRATIONS)[-1]
    place.with_platform(turn_back)
    found = examine(place)
    assert found["schema"]["health"] == "warning"
    assert "transitions" not in found
    attached = asyncio.run(attach(place.data, lambda text: None))
    asyncio.run(forward(attached.dsn))
    asyncio.run(attached.release())


@pytest.mark.parametrize(("apart_s", "health"), [(0.1, "ok"), (-0.7, "warning"), (60.0, "wrong")])
def test_clocks_that_disagree_are_told(apart_s: float, health: str) -> None:
    assert stores._clock("PostgreSQL", apart_s, 0.0).health == health


def test_a_machine_that_is_too_small_is_told() -> None:
    assert machine._memory(100 * 1024**2).health == "wrong"
    assert machine._memory(700 * 1024**2).health == "warning"
    assert machine._memory(None).health == "ok"
    assert machine._cores(1).health == "warning"
    assert machine._python((3, 10)).health == "wrong"
    assert stores._version(14).health == "wrong"
    assert stores._connections(190, 200).health == "warning"
