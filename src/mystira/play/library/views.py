"""What the pages before a game show of the games before it."""

from mystira.accounts import views as accounts
from mystira.play.model.results import PlayerScenarioScore, score_id
from mystira.polyglot.work import Work


async def played_before(work: Work, account_id: str, scenario_id: str) -> tuple[str, ...]:
    """Return the names of those of the family who have their score for this story: a replay earns no second one."""
    names: list[str] = []
    for profile in await accounts.profiles(work, account_id):
        at = score_id(profile.id, scenario_id)
        if await work.get(PlayerScenarioScore, at, profile.id) is not None:
            names.append(profile.name)
    return tuple(names)
