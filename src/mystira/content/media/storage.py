"""Where media records live; their bytes are blobs, and live behind a port."""

from mystira.content.media.model.asset import MediaAsset, MediaUse
from mystira.content.media.model.metadata import CharacterMediaMetadataFile, MediaMetadataFile
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

MEDIA_ASSETS = Collection(
    MediaAsset,
    container="MediaAssets",
    table="media_assets",
    partition="media_type",
    indexes=(("home", "last_access_day"), ("hash",), ("thumbnail",), ("added_at",), ("title",), ("bytes",)),
    orders=(
        (Order("id"),),
        (Order("added_at"),),
        (Order("added_at", descending=True),),
        (Order("title"),),
        (Order("bytes", descending=True),),
        (Order("last_access_day"),),
    ),
)
MEDIA_USES = Collection(MediaUse, container="MediaUses", table="media_uses", indexes=(("what", "content_id"),))
MEDIA_METADATA_FILES = Collection(MediaMetadataFile, container="MediaMetadataFiles", table="media_metadata_files")
CHARACTER_MEDIA_METADATA_FILES = Collection(
    CharacterMediaMetadataFile,
    container="CharacterMediaMetadataFiles",
    table="character_media_metadata_files",
)

COLLECTIONS = (MEDIA_ASSETS, MEDIA_USES, MEDIA_METADATA_FILES, CHARACTER_MEDIA_METADATA_FILES)
