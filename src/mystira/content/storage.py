"""Where everything of this room lives."""

from mystira.content.badges import storage as badges
from mystira.content.imports import storage as imports
from mystira.content.scenarios import storage as scenarios
from mystira.content.vocabulary import storage as vocabulary

COLLECTIONS = (*scenarios.COLLECTIONS, *vocabulary.COLLECTIONS, *badges.COLLECTIONS, *imports.COLLECTIONS)
