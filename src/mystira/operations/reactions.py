"""What the audit keeps of facts that other rooms tell, once however often they arrive."""

from mystira.content.events import ContentChanged
from mystira.operations.actions.keeping import keep_deed
from mystira.polyglot.reaction import Handling, Reaction


async def keep_in_audit(handling: Handling, event: ContentChanged) -> None:
    """Keep who changed what, when and why. The fact's own id makes it one entry."""
    assert event.occurred_at is not None, "a fact that was told has its time"
    await handling.run(
        keep_deed,
        deed_id=event.event_id,
        what=event.what,
        about=event.content_id,
        done=event.change,
        who=event.by,
        why=event.why,
        at=event.occurred_at,
    )


REACTIONS = (Reaction("operations.keep_in_audit", ContentChanged, keep_in_audit),)
