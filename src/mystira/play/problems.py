"""What playing refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class SessionNotFound(Problem):
    """This game does not exist, or it is not yours."""

    kind = Kind.NOT_FOUND


class StoryNotFound(Problem):
    """This story does not exist or is not published."""

    kind = Kind.NOT_FOUND


class ProfileNotFound(Problem):
    """This player does not exist in your family."""

    kind = Kind.NOT_FOUND


class SceneMovedOn(Problem):
    """The story has already moved on from this scene. Here is where it stands now."""

    kind = Kind.CONFLICT


class SessionOver(Problem):
    """This game has ended. Start the story again to play once more."""

    kind = Kind.CONFLICT


class SessionPaused(Problem):
    """This game is paused. Resume it first."""

    kind = Kind.CONFLICT


class KeyReused(Problem):
    """This idempotency key was used for something else. Use a new key for a new request."""

    kind = Kind.UNPROCESSABLE


class ChoiceUnknown(Problem):
    """There is no choice {choice!r} in this scene. Choose one of: {possible}."""

    kind = Kind.UNPROCESSABLE


class PlayerUnknown(Problem):
    """Nobody by that id plays this game. Name one of: {possible}."""

    kind = Kind.UNPROCESSABLE


class PlayersInvalid(Problem):
    """{reason}"""

    kind = Kind.UNPROCESSABLE


class ConsentMissing(Problem):
    """{name} needs a parent's consent before playing. You can give it on the family page."""

    kind = Kind.FORBIDDEN


class TooYoung(Problem):
    """This story is meant for players from {minimum_age} years. A parent can allow it for {name}."""

    kind = Kind.FORBIDDEN


class PurchaseNeeded(Problem):
    """{title} is part of a bundle that your family does not have. A parent can get it on the page of the story."""

    kind = Kind.FORBIDDEN


class NeverEnds(Problem):
    """No ending of {title} can be reached within {moves} moves, so there is nothing to count. Give it a shorter way."""

    kind = Kind.CONFLICT


class StoriesMissing(Problem):
    """Name one or more stories: ?story=ID, several times for several."""

    kind = Kind.UNPROCESSABLE


class StoryUnfinished(Problem):
    """{title} has scenes that lead nowhere yet. Open it, mend its errors, then look again."""

    kind = Kind.UNPROCESSABLE
