"""Where everything of this room lives."""

from mystira.content.avatars import storage as avatars
from mystira.content.badges import storage as badges
from mystira.content.bundles import storage as bundles
from mystira.content.characters import storage as characters
from mystira.content.imports import storage as imports
from mystira.content.media import storage as media
from mystira.content.media.uploads import storage as uploads
from mystira.content.purchases import storage as purchases
from mystira.content.scenarios import storage as scenarios
from mystira.content.scenarios.publishing import storage as publishing
from mystira.content.vocabulary import storage as vocabulary

COLLECTIONS = (
    *scenarios.COLLECTIONS,
    *publishing.COLLECTIONS,
    *vocabulary.COLLECTIONS,
    *badges.COLLECTIONS,
    *characters.COLLECTIONS,
    *avatars.COLLECTIONS,
    *imports.COLLECTIONS,
    *media.COLLECTIONS,
    *uploads.COLLECTIONS,
    *bundles.COLLECTIONS,
    *purchases.COLLECTIONS,
)
