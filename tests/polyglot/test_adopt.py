"""A database that a C# application wrote: looked at, adopted, filled over, cut over, written to, and rolled back."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import asyncpg
import pytest

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot import backfill
from mystira.polyglot.adopt.foreign import ORIGINALS
from mystira.polyglot.adopt.inspecting import Inspection, inspect, outline
from mystira.polyglot.adopt.mapping import Mapping
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.deadletters import replay
from mystira.polyglot.entity import Stamp
from mystira.polyglot.equality import is_equal
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.journal import LetterFilter, LetterKind
from mystira.polyglot.leadership import Leadership
from mystira.polyglot.phases import Phase
from mystira.polyglot.query import contains, equal
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import DocumentStore, Key, Unavailable
from mystira.polyglot.stores.cosmos.address import read_address
from mystira.polyglot.stores.cosmos.store import open_cosmos, provision_cosmos
from mystira.polyglot.stores.postgres.schema import create_table
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import open_sqlite
from mystira.polyglot.transition import change_phase
from mystira.polyglot.work import Work, Works
from tests.polyglot.library import (
    ADOPTED,
    MAPPING,
    READERS,
    Group,
    Raw,
    RawCosmos,
    RawSqlite,
    Reader,
    foreign,
    read_of,
)
from tests.polyglot.moving import COSMOS, DUAL, POSTGRES, QUICK, REVERSED, SOMEBODY, real_clock

pytestmark = pytest.mark.anyio


class Library:
    """Both stores and everything that carries, for the one collection that is adopted."""

    def __init__(
        self, raw: Raw, documents: DocumentStore, postgres: PostgresStore, collection: Collection[Any]
    ) -> None:
        self._raw, self.documents, self.postgres, self.collection = raw, documents, postgres, collection
        catalog = Catalog([collection])
        self.leadership = Leadership(documents, postgres.journal, tempo=QUICK, clock=real_clock, name="library")
        self.works = Works(
            catalog, documents=documents, relational=postgres, leadership=self.leadership, random=Random(3)
        )
        self.r = Replication(catalog, documents, postgres, QUICK, clock=real_clock, name="library")
        self.follower = FeedFollower([collection], documents, postgres, clock=real_clock, page=7, lease_s=None)
        self.relay = ReverseRelay(catalog, documents, postgres, clock=real_clock)
        self.backfiller = backfill.Backfiller(self.r, steady=monotonic, page=7, lease_s=0.2)

    def write(self, *bodies: dict[str, Any]) -> None:
        self._raw.write(*bodies)

    def raw(self, id: str) -> dict[str, Any]:
        return self._raw.read(id)

    async def fill(self) -> None:
        await backfill.start(self.r, self.collection, **SOMEBODY)
        await backfill.run_to_end(self.r, self.collection, self.backfiller)
        await self.settle()

    async def move(self, *phases: Phase) -> None:
        for phase in phases:
            await change_phase(self.r, self.collection, phase, **SOMEBODY)
            self.leadership.forget(self.collection)

    async def settle(self) -> None:
        while await self.follower.step() + await self.relay.step():
            continue

    async def visit(self, id: str) -> None:
        async def action(work: Work) -> None:
            reader = await work.get(Reader, id)
            assert reader is not None
            work.save(reader.evolve(visits=reader.visits + 1))

        await self.works.run(action)

    async def change(self, id: str, **changes: Any) -> None:
        async def action(work: Work) -> None:
            reader = await work.get(Reader, id)
            work.save((reader or Reader(id=id, full_name="New")).evolve(**changes))

        await self.works.run(action)

    async def get(self, id: str) -> Reader | None:
        return await self.works.open().get(Reader, id)

    async def letters(self) -> dict[str, LetterKind]:
        letters = await self.postgres.journal.letters(LetterFilter())
        return {letter.key.id: letter.kind for letter in letters}

    async def replay(self) -> int:
        return await replay(self.r, LetterFilter(), **SOMEBODY)

    async def is_equal(self) -> bool:
        return await is_equal(self.r, self.collection)


Opening = Callable[[Collection[Any]], AbstractAsyncContextManager[Library]]


@pytest.fixture(params=["sqlite", "cosmos"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path, clean_postgres: str) -> AsyncIterator[Opening]:
    """How the library is opened, as often as a test likes: on one database, whichever store keeps its documents."""
    path = tmp_path / "documents.sqlite"
    if request.param == "sqlite":

        @asynccontextmanager
        async def documents_in(collection: Collection[Any]) -> AsyncGenerator[tuple[Raw, DocumentStore]]:
            store = await open_sqlite(path, [collection])
            yield RawSqlite(path), store
            store.close()

        yield partial(opened, documents_in, clean_postgres)
        return
    endpoint = Endpoint(ranges=2)
    async with listening(endpoint) as (url, _):
        address = read_address(f"cosmos://{WELL_KNOWN_KEY}@{url.removeprefix('http://')}/library?tls=0")
        await provision_cosmos(address, [READERS])

        @asynccontextmanager
        async def documents_at(collection: Collection[Any]) -> AsyncGenerator[tuple[Raw, DocumentStore]]:
            async with open_cosmos(address, [collection]) as store:
                yield RawCosmos(endpoint), store

        yield partial(opened, documents_at, clean_postgres)


@asynccontextmanager
async def opened(documents_in: Any, dsn: str, collection: Collection[Any]) -> AsyncGenerator[Library]:
    postgres = await open_postgres(dsn, [collection])
    async with documents_in(collection) as (raw, documents):
        library = Library(raw, documents, postgres, collection)
        yield library
        await library.works.close()
        await postgres.close()


@pytest.fixture
async def library(opening: Opening, clean_postgres: str) -> AsyncIterator[Library]:
    connection = await asyncpg.connect(clean_postgres)
    if await connection.fetchval("SELECT to_regclass('readers')") is None:
        for statement in create_table(READERS):
            await connection.execute(statement)
    await connection.close()
    async with opening(ADOPTED) as library:
        yield library


def violations(found: Inspection) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {violation.why: (violation.count, violation.ids) for violation in found.violations}


MIXED = (
    foreign("a"),
    foreign("b", AgeGroup="0", Visits=None),
    {"id": "c", "Discriminator": "GuestReader", "name": "Cleo", "interests": ["space"], "visits": 2},
    foreign("twin", Email="a@example.org"),
    foreign("odd", AgeGroup="Ages99"),
    foreign("book", Discriminator="Book"),
)


async def test_an_inspection_tells_what_adopting_would_meet_and_changes_nothing(library: Library) -> None:
    library.write(*MIXED)
    before = [library.raw(body["id"]) for body in MIXED]
    found = await inspect(library.documents, ADOPTED)
    assert (found.seen, found.whole, found.stamped, found.fitting) == (6, True, 0, 4)
    assert found.kinds == {"Discriminator": {"Reader": 4, "GuestReader": 1, "Book": 1}}
    told = violations(found)
    assert told["it shares its email with another document, and PostgreSQL would take only one of them"] == (
        2,
        ("a", "twin"),
    )
    assert told["its Discriminator is '…': it belongs to another collection"] == (1, ("book",))
    assert [ids for why, (_, ids) in told.items() if "Invalid enum value" in why] == [("odd",)]
    shapes = {shape.path: shape for shape in found.shapes}
    assert (shapes["Visits"].types, shapes["Visits"].becomes) == ({"whole number": 4, "null": 1}, "visits")
    assert shapes["AgeGroup"].words == {"Ages6To9": 3, "0": 1, "Ages99": 1}
    assert (shapes["Email"].outlines[0], shapes["Email"].words) == ("a@aaaaaaa.aaa", {})
    assert shapes["FavouriteColour"].becomes is None
    assert shapes["FavouriteColour.Name"].types == shapes["Cards[].CardNo"].types == {"text": 5}
    assert found.kept_beside["legacy_flag"] == 3
    assert [library.raw(body["id"]) for body in MIXED] == before


async def test_no_personal_value_is_in_an_inspection(library: Library) -> None:
    library.write(*MIXED, foreign("z", DisplayName="Zora Secret", JoinedAt="Secret day", Visits="Secret"))
    for collection in (ADOPTED, READERS):
        text = (await inspect(library.documents, collection)).to_json().decode()
        assert "Secret" not in text and "example.org" not in text
        assert json.loads(text)["collection"] == "Readers"
    assert outline("Zoë 42!") == "Aaa 99!"
    assert outline("x" * 40) == f"{'a' * 30}… (40 characters)"


async def test_without_a_mapping_an_inspection_tells_what_will_not_map(library: Library) -> None:
    library.write(*MIXED)
    found = await inspect(library.documents, READERS)
    assert found.fitting == 0
    assert sum(violation.count for violation in found.violations) == 6
    assert {shape.path for shape in found.shapes if shape.becomes is None} >= {"Email", "AgeGroup", "Interests"}


async def test_a_sample_is_a_sample(library: Library) -> None:
    library.write(*(foreign(f"r{at}") for at in range(30)))
    found = await inspect(library.documents, ADOPTED, limit=10)
    assert (found.seen, found.whole) == (10, False)


async def test_what_is_adopted_goes_to_postgres_and_back_and_loses_nothing(library: Library) -> None:
    originals = {body["id"]: body for body in (foreign(f"r{at:02}") for at in range(25))}
    library.write(*originals.values())
    assert await library.get("r03") == read_of("r03")
    await library.fill()
    await library.move(DUAL)
    assert await library.is_equal()
    await library.move(REVERSED)
    await library.visit("r03")
    await library.change("new", interests=("space",))
    await library.settle()
    await library.move(POSTGRES)
    await library.visit("r03")
    await library.change("r04", group=Group.SMALL)
    await library.move(REVERSED, DUAL)
    assert await library.is_equal()
    await library.move(COSMOS)
    assert await library.get("r03") == read_of("r03", visits=5)
    for id, before in originals.items():
        after = library.raw(id)
        changed = {"r03": {"Visits": 5}, "r04": {"AgeGroup": "Ages3To5"}}.get(id, {})
        assert {name: after[name] for name in before} == before | changed
    assert library.raw("new")["Interests"] == "space"
    assert library.raw("new")["Discriminator"] == "Reader"
    assert await library.letters() == {}


async def test_specifications_find_what_was_adopted(library: Library) -> None:
    library.write(foreign("a"), foreign("b", AgeGroup="0"))
    await library.fill()
    work = library.works.open()
    assert [found.id for found in (await work.find(Reader, contains("interests", "space"))).items] == ["a", "b"]
    assert [found.id for found in (await work.find(Reader, equal("group", "3-5"))).items] == ["b"]


async def test_duplicates_wait_in_the_dead_letters_until_one_is_mended(library: Library) -> None:
    library.write(foreign("a"), foreign("twin", Email="a@example.org"))
    await library.fill()
    assert list((await library.letters()).values()) == [LetterKind.MERGE]
    (loser,) = await library.letters()
    winner = {"a": "twin", "twin": "a"}[loser]
    assert await library.replay() == 0
    await library.change(winner, email="other@example.org")
    await library.settle()
    assert (await library.replay(), await library.letters()) == (1, {})
    await library.move(DUAL)
    assert await library.is_equal()
    assert (library.raw(loser)["Email"], library.raw(winner)["Email"]) == ("a@example.org", "other@example.org")


async def test_what_cannot_be_read_comes_over_once_the_mapping_is_mended(library: Library, opening: Opening) -> None:
    library.write(foreign("a"), foreign("odd", AgeGroup="Ages99"))
    await library.fill()
    assert await library.letters() == {"odd": LetterKind.UNREADABLE}
    assert "_polyglot" not in library.raw("odd")
    rules = dict(MAPPING.fields)
    rules["group"] = rules["group"].__class__(names=("AgeGroup",), spellings={"6-9": ("Ages6To9", "Ages99")})
    mended = Mapping(collection="Readers", discriminator=MAPPING.discriminator, style="pascal", fields=rules)
    async with opening(READERS.adopting(mended)) as again:
        assert await again.replay() == 1
        assert await again.letters() == {}
        await again.settle()
        await again.move(DUAL)
        assert await again.is_equal()
        assert (again.raw("odd")["AgeGroup"], again.raw("odd")["group"]) == ("Ages99", "6-9")


@pytest.mark.parametrize("phase", [COSMOS, DUAL])
@pytest.mark.parametrize("keeps_envelope", [False, True], ids=["forgets what it does not know", "keeps it"])
async def test_the_old_application_may_still_write(library: Library, phase: Phase, keeps_envelope: bool) -> None:
    library.write(foreign("a"))
    await library.fill()
    await library.move(*([DUAL] if phase is DUAL else []))
    await library.visit("a")
    await library.settle()
    known = library.raw("a")
    theirs = known if keeps_envelope else {name: known[name] for name in foreign("a")}
    assert theirs["Visits"] == 4
    library.write(theirs | {"Interests": "trains", "Visits": 10})
    expected = read_of("a", visits=10, interests=("trains",))
    assert await library.get("a") == expected
    await library.settle()
    row = await library.postgres.read(ADOPTED, Key("a", "a"))
    assert row is not None and row.entity == expected
    assert await library.is_equal()
    await library.visit("a")
    await library.settle()
    assert library.raw("a")["Visits"] == 11
    assert await library.is_equal()


@pytest.mark.parametrize("keeps_envelope", [False, True], ids=["forgets what it does not know", "keeps it"])
async def test_a_write_right_after_the_old_applications_never_lowers_a_stamp(
    library: Library, keeps_envelope: bool
) -> None:
    library.write(foreign("a"))
    await library.fill()
    await library.move(DUAL)
    for _ in range(3):
        await library.visit("a")
    await library.settle()
    stamp = Stamp.unpack(library.raw("a")["_polyglot"]["stamp"])
    known = library.raw("a")
    library.write((known if keeps_envelope else {name: known[name] for name in foreign("a")}) | {"Visits": 20})
    # Nobody has stamped it yet.
    await library.visit("a")
    assert Stamp.unpack(library.raw("a")["_polyglot"]["stamp"]) > stamp
    await library.settle()
    assert await library.get("a") == read_of("a", visits=21)
    assert await library.is_equal()


async def test_where_postgres_leads_the_old_applications_writes_are_kept_as_conflicts(library: Library) -> None:
    library.write(foreign("a"), foreign("b"))
    await library.fill()
    await library.move(DUAL, REVERSED)
    await library.visit("a")
    await library.settle()
    library.write(library.raw("a") | {"Visits": 50}, foreign("b", Visits=60))
    await library.settle()
    letters = await library.postgres.journal.letters(LetterFilter(kind=LetterKind.CONFLICT))
    assert {letter.key.id: letter.payload["visits"] for letter in letters} == {"a": 50, "b": 60}
    assert await library.is_equal()
    assert (library.raw("a")["Visits"], library.raw("b")["Visits"]) == (4, 3)


async def test_a_document_that_was_adopted_without_its_mapping_is_read_right_with_it(
    library: Library, opening: Opening
) -> None:
    plain: Any = Collection(Reader, container="Readers", table="readers", unique=(("email",),))
    async with opening(plain) as early:
        library.write(foreign("a") | {"fullName": "Ada"})
        await early.fill()
        assert (await early.get("a")) == Reader(id="a", full_name="Ada")
    await library.settle()
    assert await library.get("a") == read_of("a")
    await library.visit("a")
    await library.settle()
    assert await library.is_equal()


async def test_originals_travel_with_their_record(library: Library) -> None:
    library.write(
        {"id": "a", "Discriminator": "Reader", "fullName": "Ada", "interests": "space,  trains", "group": "Ages3To5"}
    )
    await library.fill()
    await library.move(DUAL, REVERSED, POSTGRES)
    await library.visit("a")
    await library.move(REVERSED, DUAL)
    assert library.raw("a")[ORIGINALS] == {"interests": "space,  trains", "group": "Ages3To5"}
    assert library.raw("a")["interests"] == ["space", "trains"]


async def test_while_postgres_is_away_only_what_was_stripped_must_wait(library: Library) -> None:
    library.write(foreign("a"), foreign("b"))
    await library.fill()
    await library.move(DUAL)
    await library.visit("a")
    library.write(foreign("b", Visits=9))
    await library.postgres.close()
    await library.visit("a")
    with pytest.raises(Unavailable):
        await library.visit("b")


@pytest.mark.parametrize("is_known", [True, False], ids=["the copy lags", "the copy knows nothing"])
async def test_what_is_stamped_anew_stands_above_the_stamp_it_carried(library: Library, is_known: bool) -> None:
    library.write(foreign("a"))
    await library.fill()
    id = "a" if is_known else "new"
    for visits in range(5, 8):
        await library.change(id, visits=visits)
    known = library.raw(id)
    library.write(known | {"Visits": 20})
    await library.settle()
    assert library.raw(id)["_polyglot"]["stamp"] > known["_polyglot"]["stamp"]
    assert known["_polyglot"]["op"] in str(library.raw(id)["_polyglot"])
    assert (await library.get(id)).visits == 20  # type: ignore[union-attr]
    assert await library.is_equal()
