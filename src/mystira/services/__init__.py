"""What runs together: every collection, every reaction, every job, and the doors of each service."""

from mystira.accounts import storage as accounts
from mystira.analytics import storage as analytics
from mystira.analytics.reactions import REACTIONS as ANALYTICS_REACTIONS
from mystira.content import storage as content
from mystira.content.media.reactions import REACTIONS as MEDIA_REACTIONS
from mystira.content.purchases.jobs import JOBS as PURCHASE_JOBS
from mystira.content.scenarios.jobs import JOBS as SCENARIO_JOBS
from mystira.operations import storage as operations
from mystira.operations.reactions import REACTIONS as OPERATIONS_REACTIONS
from mystira.play import storage as play
from mystira.play.jobs import JOBS as PLAY_JOBS
from mystira.play.reactions import REACTIONS as PLAY_REACTIONS

COLLECTIONS = (
    *accounts.COLLECTIONS,
    *content.COLLECTIONS,
    *play.COLLECTIONS,
    *analytics.COLLECTIONS,
    *operations.COLLECTIONS,
)
REACTIONS = (*MEDIA_REACTIONS, *PLAY_REACTIONS, *ANALYTICS_REACTIONS, *OPERATIONS_REACTIONS)
JOBS = (*PLAY_JOBS, *PURCHASE_JOBS, *SCENARIO_JOBS)
