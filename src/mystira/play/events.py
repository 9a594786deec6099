"""What others may hear about games."""

from mystira.polyglot.entity import Event


class SessionStarted(Event, frozen=True, kw_only=True):
    """A game began."""

    session_id: str
    scenario_id: str
    account_id: str


class SessionCompleted(Event, frozen=True, kw_only=True):
    """A game reached an ending. `score` sums the absolute compass values of the session, in thousandths."""

    session_id: str
    scenario_id: str
    account_id: str
    score: int
    duration_s: int


class SessionAbandoned(Event, frozen=True, kw_only=True):
    """A game was given up, by its players or after thirty idle days."""

    session_id: str
    scenario_id: str
    account_id: str


class BadgeEarned(Event, frozen=True, kw_only=True):
    """A profile's lifetime compass reached a badge."""

    profile_id: str
    badge_id: str
    tier: str
