"""What every store of media promises: a folder and Azure Blob Storage answer alike."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from mystira.content.media.ports import MediaStore
from mystira.mediafiles.azure_store import BadAccount, open_azure
from mystira.mediafiles.folder_store import FolderStore
from mystira.mediafiles.kept import StoreDown
from tests.media_stores.azurite import KEY, azurite, missing

pytestmark = pytest.mark.anyio

LARGE = bytes(range(256)) * 4_096 * 5


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    why_not = missing()
    if why_not is not None:
        pytest.skip(why_not)
    with azurite(tmp_path_factory.mktemp("azurite")) as address:
        yield address


@pytest.fixture(params=["folder", "azurite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[MediaStore]:
    if request.param == "folder":
        yield FolderStore(tmp_path / "media")
        return
    opened = await open_azure(request.getfixturevalue("account"), KEY)
    yield opened
    await opened.close()


def file(tmp_path: Path, content: bytes) -> tuple[str, Path]:
    """Write a file that no other test has; return its hash and its path."""
    content = content or str(tmp_path).encode()
    path = tmp_path / "source"
    path.write_bytes(content)
    return sha256(content + str(tmp_path).encode()).hexdigest(), path


async def read(store: MediaStore, home: str, hash: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.read(home, hash, start, end)])  # type: ignore[arg-type]


async def test_what_was_put_is_looked_at_and_read_whole_and_in_parts(store: MediaStore, tmp_path: Path) -> None:
    hash, path = file(tmp_path, LARGE)
    assert await store.look("hot", hash) is None
    await store.put("hot", hash, path)
    kept = await store.look("hot", hash)
    assert kept is not None and (kept.hash, kept.size) == (hash, len(LARGE))
    assert await read(store, "hot", hash, 0, len(LARGE)) == LARGE
    assert await read(store, "hot", hash, 1_000_001, 1_000_011) == LARGE[1_000_001:1_000_011]
    assert await read(store, "hot", hash, len(LARGE) - 1, len(LARGE)) == LARGE[-1:]
    assert await read(store, "hot", hash, 5, 5) == b""


async def test_homes_are_apart_and_a_copy_is_new_in_its_home(store: MediaStore, tmp_path: Path) -> None:
    hash, path = file(tmp_path, b"")
    await store.put("hot", hash, path)
    assert await store.look("cool", hash) is None
    await store.copy("hot", hash, "cool")
    assert await read(store, "cool", hash, 0, 10) == path.read_bytes()[:10]
    copied, first = await store.look("cool", hash), await store.look("hot", hash)
    assert copied is not None and first is not None and copied.written_at >= first.written_at


async def test_a_blob_that_became_new_again_is_not_removed(store: MediaStore, tmp_path: Path) -> None:
    hash, path = file(tmp_path, b"")
    await store.put("hot", hash, path)
    old = await store.look("hot", hash)
    assert old is not None
    # Blob Storage counts whole seconds.
    await asyncio.sleep(1.1)
    await store.put("hot", hash, path)
    assert not await store.remove_unless_newer("hot", hash, old.written_at)
    assert await store.look("hot", hash) is not None
    assert await store.remove_unless_newer("hot", hash, old.written_at + timedelta(days=1))
    assert await store.look("hot", hash) is None
    assert await store.remove_unless_newer("hot", hash, old.written_at), "what is gone already is gone"


async def test_every_blob_of_a_home_is_told(store: MediaStore, tmp_path: Path) -> None:
    hash, path = file(tmp_path, b"")
    await store.put("music", hash, path)
    assert (hash, path.stat().st_size) in {(one.hash, one.size) async for one in store.every("music")}
    assert hash not in {one.hash async for one in store.every("cool")}


async def test_what_sleeps_in_the_archive_is_called_back(store: MediaStore, tmp_path: Path) -> None:
    hash, path = file(tmp_path, b"")
    await store.put("archive", hash, path)
    assert not await store.wake("archive", "0" * 64)
    # Both have it back at once: a folder never sleeps, and Azurite wakes up immediately. The service takes hours.
    assert await store.wake("archive", hash)
    assert await read(store, "archive", hash, 0, 4) == path.read_bytes()[:4]


async def test_reading_what_is_not_there_says_that_the_store_cannot(store: MediaStore) -> None:
    with pytest.raises(StoreDown):
        await read(store, "hot", "f" * 64, 0, 10)


async def test_an_address_without_an_account_and_a_wrong_key_are_refused(account: str) -> None:
    with pytest.raises(BadAccount):
        await open_azure("az://", KEY)
    with pytest.raises(StoreDown):
        await open_azure(account, KEY[:-8] + "AAAAAA==")
