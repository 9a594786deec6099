"""Where it is kept which pictures are offered."""

from mystira.content.avatars.model import AvatarConfigurationFile
from mystira.polyglot.collection import Collection

AVATAR_CONFIGURATION_FILES = Collection(
    AvatarConfigurationFile, container="AvatarConfigurationFiles", table="avatar_configuration_files"
)

COLLECTIONS = (AVATAR_CONFIGURATION_FILES,)
