"""Blobs in Azure Blob Storage: one container a home; bytes go through obstore, tiers through the official client."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import obstore
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import RehydratePriority, StandardBlobTier
from azure.storage.blob.aio import BlobClient, BlobServiceClient
from obstore.auth.azure import AzureAsyncCredentialProvider
from obstore.exceptions import BaseError
from obstore.store import AzureStore

from mystira.mediafiles.kept import Kept, StoreDown

CONTAINERS = {
    "hot": "mystira-media-hot",
    "cool": "mystira-media-cool",
    "archive": "mystira-media-archive",
    "music": "mystira-music",
}
TIERS = {
    "hot": StandardBlobTier.HOT,
    "cool": StandardBlobTier.COOL,
    "archive": StandardBlobTier.ARCHIVE,
    "music": StandardBlobTier.HOT,
}
ARCHIVED = "Archive"
PIECE = 256 * 1024


class BadAccount(ValueError):
    """MYSTIRA_MEDIA names no storage account: write it like az://account."""


class AzureBlobs:
    """Keeps blobs as `ab/abcdef...` in the container of their home, in the tier that the home stands for."""

    def __init__(self, service: BlobServiceClient, stores: dict[str, AzureStore], credential: Any) -> None:
        self._service = service
        self._stores = stores
        self._credential = credential

    async def put(self, home: str, hash: str, source: Path) -> None:
        """Keep a file's bytes; a blob that is there already becomes new again."""
        with _telling():
            await obstore.put_async(self._stores[home], _path(hash), source, chunk_size=4 * 1024 * 1024)
            await self._set_tier(home, hash)

    async def look(self, home: str, hash: str) -> Kept | None:
        """Return what is known of a blob, or None where there is none."""
        with _telling():
            try:
                found = await obstore.head_async(self._stores[home], _path(hash))
            except FileNotFoundError:
                return None
        return Kept(hash, found["size"], found["last_modified"])

    async def read(self, home: str, hash: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end`, a piece at a time."""
        if start >= end:
            return
        with _telling():
            found = await obstore.get_async(self._stores[home], _path(hash), options={"range": (start, end)})
            async for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    async def copy(self, home: str, hash: str, to: str) -> None:
        """Keep a blob in another home too; it is new there."""
        with _telling():
            found = await obstore.get_async(self._stores[home], _path(hash))
            await obstore.put_async(self._stores[to], _path(hash), found.stream(min_chunk_size=PIECE))
            await self._set_tier(to, hash)

    async def wake(self, home: str, hash: str) -> bool:
        """Tell whether a blob can be read now; one in the archive tier is called back, which takes hours."""
        with _telling():
            async with self._blob(home, hash) as blob:
                try:
                    found = await blob.get_blob_properties()
                except ResourceNotFoundError:
                    return False
                if str(found.blob_tier) != ARCHIVED:
                    return True
                if found.archive_status is None:
                    await blob.set_standard_blob_tier(
                        StandardBlobTier.HOT, rehydrate_priority=cast(Any, RehydratePriority.standard)
                    )
                    # An imitation of the service has it back at once.
                    return str((await blob.get_blob_properties()).blob_tier) != ARCHIVED
                return False

    async def remove_unless_newer(self, home: str, hash: str, than: datetime) -> bool:
        """Remove a blob unless it was written after `than`; tell whether it is gone."""
        with _telling():
            async with self._blob(home, hash) as blob:
                try:
                    await blob.delete_blob(if_unmodified_since=than)
                except ResourceNotFoundError:
                    return True
                except ResourceModifiedError:
                    return False
        return True

    async def every(self, home: str) -> AsyncIterator[Kept]:
        """Yield everything that a home holds."""
        with _telling():
            async for page in obstore.list(self._stores[home]):
                for found in page:
                    yield Kept(found["path"].rpartition("/")[2], found["size"], found["last_modified"])

    async def close(self) -> None:
        """Let go of connections."""
        await self._service.close()
        if self._credential is not None and hasattr(self._credential, "close"):
            await self._credential.close()

    async def _set_tier(self, home: str, hash: str) -> None:
        async with self._blob(home, hash) as blob:
            await blob.set_standard_blob_tier(TIERS[home])

    @asynccontextmanager
    async def _blob(self, home: str, hash: str) -> AsyncGenerator[BlobClient]:
        # The blob's client shares the connections of the service's, so it is not closed by itself.
        yield self._service.get_blob_client(CONTAINERS[home], _path(hash))


async def open_azure(address: str, key: str) -> AzureBlobs:
    """Open the account that `az://account?endpoint=...` names, and make the containers that are missing."""
    parts = urlsplit(address)
    if parts.scheme != "az" or not parts.netloc:
        raise BadAccount(BadAccount.__doc__)
    account = parts.netloc
    endpoint = parse_qs(parts.query).get("endpoint", [f"https://{account}.blob.core.windows.net"])[0]
    options = {"allow_http": endpoint.startswith("http://")}
    credential: Any = None
    config: dict[str, Any] = {"account_name": account, "endpoint": endpoint}
    named: dict[str, Any] = {}
    if key:
        config["account_key"] = key
        service = BlobServiceClient(endpoint, credential={"account_name": account, "account_key": key})
    else:
        from azure.identity.aio import DefaultAzureCredential

        credential = DefaultAzureCredential()
        named["credential_provider"] = AzureAsyncCredentialProvider(credential=credential)
        service = BlobServiceClient(endpoint, credential=credential)
    stores = {
        home: AzureStore(name, config=cast(Any, config), client_options=cast(Any, options), **named)
        for home, name in CONTAINERS.items()
    }
    blobs = AzureBlobs(service, stores, credential)
    try:
        await _make_containers(service)
    except StoreDown:
        await blobs.close()
        raise
    return blobs


async def _make_containers(service: BlobServiceClient) -> None:
    for name in CONTAINERS.values():
        with _telling():
            try:
                await service.create_container(name)
            except ResourceExistsError:
                continue


@contextmanager
def _telling() -> Generator[None]:
    """Turn what both clients raise into the one thing that callers know."""
    try:
        yield
    except (BaseError, AzureError, OSError) as error:
        raise StoreDown(str(error).partition("\n")[0][:200]) from error


def _path(hash: str) -> str:
    return f"{hash[:2]}/{hash}"
