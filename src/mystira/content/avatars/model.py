"""The one record that says which pictures players of an age group can choose from."""

from mystira.polyglot.entity import Entity

AVATARS = "avatar-configuration-file"


class AvatarConfigurationFile(Entity, frozen=True, kw_only=True):
    """The media ids that are offered to each age group, in order; its id is always `avatar-configuration-file`."""

    avatars: dict[str, tuple[str, ...]] = {}
