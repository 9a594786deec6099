"""What happens on a schedule: games that nobody touched for thirty days are given up."""

from mystira.play.actions import abandon_idle_session
from mystira.play.model.moves import IDLE_UNTIL_ABANDONED
from mystira.play.views import idle
from mystira.polyglot.loops import Job
from mystira.polyglot.work import Works


async def abandon_idle_games(works: Works) -> int:
    """Give up every idle game; return how many there were."""
    work = works.open()
    since = work.now - IDLE_UNTIL_ABANDONED
    given_up = 0
    after = None
    while True:
        found = await idle(work, since, after)
        for game in found.items:
            given_up += await works.run(abandon_idle_session, account_id=game.account_id, session_id=game.id)
        if found.after is None:
            return given_up
        after = found.after


JOBS = (Job("play.abandon_idle_games", abandon_idle_games, every_s=3_600.0),)
