"""A database that a C# application wrote is inspected and adopted through the Cosmos DB store, there and back."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy

from mystira.accounts.model import ParentalConsent, UserProfile
from mystira.accounts.storage import ACCOUNTS, PARENTAL_CONSENTS, USER_PROFILES
from mystira.adopting import NothingToInspect, collections_of, told
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot import backfill
from mystira.polyglot.adopt.fitting import holds
from mystira.polyglot.adopt.foreign import ORIGINALS
from mystira.polyglot.adopt.mapping import MappingWrong
from mystira.polyglot.backfill import Backfiller
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.equality import is_equal
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Phase
from mystira.polyglot.transition import change_phase
from mystira.polyglot.work import Work
from mystira.run import inspecting, platform, provisioning, settle
from mystira.services.platform import Platform
from mystira.settings import Settings, read_settings
from tests.polyglot.moving import SOMEBODY
from tests.processes import ROOT

pytestmark = pytest.mark.anyio

SAMPLES = ROOT / "docs/adopting"
MAPPINGS = SAMPLES / "mappings"
DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    name: json.loads((SAMPLES / f"documents/{name}.json").read_text())
    for name in ("Accounts", "UserProfiles", "ParentalConsents")
}
KEYS = {"Accounts": "id", "UserProfiles": "id", "ParentalConsents": "childProfileId"}
THANDI = UserProfile(
    id="5b1f0c9e-thandi",
    account_id="acc-1",
    name="Thandi",
    age_group="6-9",
    avatar="fox",
    created_at=datetime(2024, 5, 6, 7, 8, 9, 123457, tzinfo=UTC),
)


@pytest.fixture
async def theirs(tmp_path: Path, clean_postgres: str) -> AsyncIterator[tuple[dict[str, str], DatabaseProxy]]:
    """The settings that name the other application's database, and that application's own way to it."""
    async with listening(Endpoint(ranges=2)) as (url, _), CosmosClient(url, WELL_KNOWN_KEY) as client:
        database = await client.create_database("legacy")
        for name, documents in DOCUMENTS.items():
            container = await database.create_container(name, PartitionKey(f"/{KEYS[name]}"))
            for document in documents:
                await container.create_item(document)
        yield (
            {
                "MYSTIRA_DATA": str(tmp_path / "data"),
                "MYSTIRA_RELATIONAL": clean_postgres,
                "MYSTIRA_DOCUMENTS": f"cosmos://{url.removeprefix('http://')}/legacy?tls=0",
                "MYSTIRA_COSMOS_KEY": WELL_KNOWN_KEY,
            },
            database,
        )


@pytest.fixture
def settings(theirs: tuple[dict[str, str], DatabaseProxy]) -> Settings:
    return read_settings(theirs[0])


@pytest.fixture
def mapped(theirs: tuple[dict[str, str], DatabaseProxy]) -> Settings:
    return read_settings(theirs[0] | {"MYSTIRA_MAPPINGS": str(MAPPINGS)})


async def everything(database: DatabaseProxy, name: str) -> dict[str, dict[str, Any]]:
    items = database.get_container_client(name).query_items("SELECT * FROM c")
    return {item["id"]: item async for item in items}


async def test_an_inspection_without_a_mapping_says_what_would_not_come_over(
    settings: Settings, theirs: tuple[dict[str, str], DatabaseProxy]
) -> None:
    before = await everything(theirs[1], "UserProfiles")
    (found,) = await inspecting(settings, ("UserProfiles",), None, None)
    assert (found.seen, found.whole, found.stamped, found.fitting) == (5, True, 0, 0)
    assert found.kinds["Discriminator"] == {"UserProfile": 4, "GuestProfile": 1}
    text = "\n".join(told(found))
    assert "UserProfiles: 5 documents; 0 fit" in text and "4 would not come over: Object missing required" in text
    assert "Thandi" not in text and "'Aaaaaa'" in text
    assert await everything(theirs[1], "UserProfiles") == before


async def test_through_the_mappings_every_sample_fits(mapped: Settings) -> None:
    for found in await inspecting(mapped, tuple(DOCUMENTS), None, None):
        assert found.violations == () and found.fitting == found.seen == len(DOCUMENTS[found.collection])
    (one,) = await inspecting(mapped, (), MAPPINGS / "user-profiles.yaml", 2)
    assert (one.collection, one.seen, one.whole) == ("UserProfiles", 2, False)


async def test_a_name_that_is_none_is_refused_with_those_there_are(settings: Settings) -> None:
    with pytest.raises(NothingToInspect, match=r"No collection is called Profiles\. There are: Accounts, "):
        await inspecting(settings, ("Profiles",), None, None)
    with pytest.raises(NothingToInspect, match="Name one or more"):
        await inspecting(settings, (), None, None)


async def test_the_command_prints_json_and_its_exit_code_says_whether_all_fits(
    theirs: tuple[dict[str, str], DatabaseProxy],
) -> None:
    for option, code in ((("UserProfiles",), 1), (("--mapping", str(MAPPINGS / "user-profiles.yaml")), 0)):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mystira", "cosmos", "inspect", *option, "--json"),
            env={**os.environ, **theirs[0]},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert (json.loads(printed)[0]["seen"], process.returncode) == (5, code)


@pytest.mark.parametrize("what", ["twice", "strange", "no folder"])
def test_a_folder_of_mappings_that_cannot_be_right_is_refused(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "mappings"
    if what != "no folder":
        folder.mkdir()
        name = "UserProfiles" if what == "twice" else "Users"
        for file in ("a.yaml", "b.json")[: 2 if what == "twice" else 1]:
            (folder / file).write_text(json.dumps({"collection": name}))
    says = {"twice": "a.yaml is for the same", "strange": "no such collection", "no folder": "no such folder"}[what]
    with pytest.raises(MappingWrong, match=says):
        collections_of(read_settings({"MYSTIRA_MAPPINGS": str(folder)}))


async def rename(work: Work, *, id: str, name: str) -> None:
    profile = await work.get(UserProfile, id)
    assert profile is not None
    work.save(profile.evolve(name=name))


async def moved(opened: Platform, collection: Collection[Any], *phases: Phase) -> None:
    for phase in phases:
        await change_phase(opened.replication, collection, phase, **SOMEBODY)
        opened.works.leadership.forget(collection)


async def test_samples_are_adopted_go_to_postgres_and_back_and_keep_everything(
    mapped: Settings, theirs: tuple[dict[str, str], DatabaseProxy]
) -> None:
    await provisioning(mapped, dry_run=False)
    async with platform(mapped, print) as opened:
        catalog: Catalog = opened.works.catalog
        # Read at once, before anything was stamped.
        assert await opened.works.open().get(UserProfile, THANDI.id) == THANDI
        for kind in (UserProfile, ParentalConsent):
            collection = catalog.of(kind)
            await backfill.start(opened.replication, collection, **SOMEBODY)
            await backfill.run_to_end(opened.replication, collection, Backfiller(opened.replication, steady=monotonic))
            await settle(opened)
            await moved(opened, collection, Phase.DUAL_WRITE_COSMOS_READ)
            assert await is_equal(opened.replication, collection)
            await moved(opened, collection, Phase.DUAL_WRITE_POSTGRES_READ)
        await opened.works.run(rename, id=THANDI.id, name="Thandi M.")
        work = opened.works.open()
        assert (await work.get(UserProfile, "5b1f0c9e-amahle")).age_group == "10-12"  # type: ignore[union-attr]
        consent = await work.get(ParentalConsent, "5b1f0c9e-luan", "5b1f0c9e-luan")
        assert consent is not None and (consent.state, consent.analytics) == ("revoked", False)
        await moved(opened, catalog.of(UserProfile), Phase.DUAL_WRITE_COSMOS_READ)
        assert await is_equal(opened.replication, catalog.of(UserProfile))
        assert await opened.relational.journal.letters(LetterFilter()) == []
    after = await everything(theirs[1], "UserProfiles")
    for document in DOCUMENTS["UserProfiles"]:
        changed = {"displayName": "Thandi M."} if document["id"] == THANDI.id else {}
        found = after[document["id"]]
        # A field whose name is ours as well is spelled our way; its value as it was stands beside it.
        kept = found | found.get(ORIGINALS, {})
        for name, value in (document | changed).items():
            assert holds(kept[name], value), (name, kept[name])
        assert "_polyglot" in found


async def test_the_other_application_may_still_write_while_documents_lead(
    mapped: Settings, theirs: tuple[dict[str, str], DatabaseProxy]
) -> None:
    container = theirs[1].get_container_client("UserProfiles")
    await provisioning(mapped, dry_run=False)
    async with platform(mapped, print) as opened:
        collection = opened.works.catalog.of(UserProfile)
        await backfill.start(opened.replication, collection, **SOMEBODY)
        await backfill.run_to_end(opened.replication, collection, Backfiller(opened.replication, steady=monotonic))
        await moved(opened, collection, Phase.DUAL_WRITE_COSMOS_READ)
        await opened.works.run(rename, id=THANDI.id, name="Thandi M.")
        # It knows nothing of stamps, and writes its own document over what is there.
        await container.upsert_item(DOCUMENTS["UserProfiles"][0] | {"ageGroupName": "Ages10To12"})
        await settle(opened)
        found = await opened.works.open().get(UserProfile, THANDI.id)
        assert found is not None and (found.age_group, found.name) == ("10-12", "Thandi")
        assert await is_equal(opened.replication, collection)


def test_the_samples_are_for_collections_with_the_declared_keys() -> None:
    declared = {one.name: one for one in (ACCOUNTS, USER_PROFILES, PARENTAL_CONSENTS)}
    assert {n: c.by_name[c.partition].document_name for n, c in declared.items()} == KEYS
