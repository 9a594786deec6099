"""What runs together: every collection, every reaction, and the doors of each service."""

from mystira.accounts import storage as accounts
from mystira.content import storage as content
from mystira.play import storage as play
from mystira.play.reactions import REACTIONS as PLAY_REACTIONS

COLLECTIONS = (*accounts.COLLECTIONS, *content.COLLECTIONS, *play.COLLECTIONS)
REACTIONS = (*PLAY_REACTIONS,)
