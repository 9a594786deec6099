"""What happens on a schedule: stories of older releases get what the library searches by."""

from mystira.content.scenarios.actions import tell_what_is_shown
from mystira.content.scenarios.model.scenario import Scenario
from mystira.polyglot.loops import Job
from mystira.polyglot.query import Order, any_of, equal, is_null
from mystira.polyglot.work import Works

WORDLESS = any_of(is_null("words"), equal("words", ""))


async def complete_old_stories(works: Works) -> int:
    """Note what the library searches of every story that was published before that was noted; return how many."""
    completed = 0
    after = None
    while True:
        found = await works.open().find(Scenario, WORDLESS, Order("title"), after=after)
        for one in found.items:
            completed += await works.run(tell_what_is_shown, scenario_id=one.id)
        if found.after is None:
            return completed
        after = found.after


JOBS = (Job("content.complete_old_stories", complete_old_stories, every_s=3_600.0),)
