"""What people did themselves, kept beside what they asked workers to do; one unit of work."""

from datetime import datetime

from mystira.operations.model import Command, CommandState
from mystira.polyglot.work import Work


async def keep_deed(
    work: Work, *, deed_id: str, what: str, about: str, done: str, who: str, why: str, at: datetime
) -> None:
    """Keep something that is done already; `deed_id` grows with time, as the ids of commands do."""
    if await work.get(Command, deed_id) is None:
        work.save(
            Command(
                id=deed_id,
                verb=done,
                collection=what,
                arguments={"id": about},
                who=who,
                why=why,
                state=CommandState.DONE,
                asked_at=at,
                ended_at=at,
                outcome=f"{about}: {done}.",
            )
        )
