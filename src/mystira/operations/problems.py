"""What is refused to those who ask for something to be done."""

from mystira.polyglot.problem import Kind, Problem


class VerbUnknown(Problem):
    """There is no verb {verb}. Choose one of {verbs}."""

    kind = Kind.UNPROCESSABLE


class CollectionUnknown(Problem):
    """There is no collection {collection}. Choose one of {collections}."""

    kind = Kind.NOT_FOUND


class WhyMissing(Problem):
    """Say in a few words why, at most {most} characters; it is kept with what was done."""

    kind = Kind.UNPROCESSABLE


class ArgumentsWrong(Problem):
    """These details do not fit {verb}: {reason}."""

    kind = Kind.UNPROCESSABLE


class VerbForbidden(Problem):
    """Only somebody with the role {needed} may ask for this. Ask an administrator."""

    kind = Kind.FORBIDDEN


class CommandNotFound(Problem):
    """There is no command {command_id}. The audit lists all there are."""

    kind = Kind.NOT_FOUND


class CommandDiffers(Problem):
    """Something else was asked for under this number before. Load the page again, then ask anew."""

    kind = Kind.CONFLICT
