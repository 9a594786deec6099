"""What others may hear about the catalogue."""

from mystira.polyglot.entity import Event


class ContentChanged(Event, frozen=True, kw_only=True):
    """An author or admin changed something: `what` is the kind of thing, `change` a verb in the past tense.

    Told with every change that a person asked for, so that whoever audits hears of it in the same commit.
    """

    what: str
    content_id: str
    change: str
    by: str
    why: str = ""
