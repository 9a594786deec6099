"""What the media room refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class MediaNotFound(Problem):
    """There is no picture, sound or film called {media_id}. Look for it in the media library."""

    kind = Kind.NOT_FOUND


class MediaNameUnusable(Problem):
    """The name {name} holds no letter or digit that could be its id. Rename the file, then send it again."""

    kind = Kind.UNPROCESSABLE


class MediaNameTaken(Problem):
    """There is another file called {media_id} already. Rename yours, or say that it shall replace the other one."""

    kind = Kind.CONFLICT


class MediaInUse(Problem):
    """{media_id} is shown by {users}. Take it out there first; until then it cannot be deleted."""

    kind = Kind.CONFLICT


class NoRoomForMedia(Problem):
    """There is no room left to keep what was sent. Free some space where MYSTIRA_DATA and MYSTIRA_MEDIA are."""

    kind = Kind.UNAVAILABLE


class MediaAsleep(Problem):
    """{media_id} has not been asked for in a long time, and is being brought back from the archive. Try again later."""

    kind = Kind.UNAVAILABLE


class MediaClosed(Problem):
    """This address is not valid, or not any more. Open the story again."""

    kind = Kind.FORBIDDEN


class MediaStoreDown(Problem):
    """The store of media cannot be reached ({reason}). Try again in a moment."""

    kind = Kind.UNAVAILABLE


class EntryTwice(Problem):
    """Two entries have the id {entry_id}. Give one of them another."""

    kind = Kind.UNPROCESSABLE


class EntryNotFound(Problem):
    """There is no entry {entry_id} in this list. Perhaps somebody has removed it; the list shows those there are."""

    kind = Kind.NOT_FOUND


class TooManyEntries(Problem):
    """This list holds {most} entries at most. Delete some first."""

    kind = Kind.UNPROCESSABLE
