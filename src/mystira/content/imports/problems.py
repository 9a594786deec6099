"""What imports refuse, and why."""

from mystira.polyglot.problem import Kind, Problem


class ImportNotFound(Problem):
    """There is no such import. Its list names all of them."""

    kind = Kind.NOT_FOUND


class FileMissing(Problem):
    """Choose a file: a story (YAML or JSON), or a ZIP of stories."""

    kind = Kind.UNPROCESSABLE


class FileTooLarge(Problem):
    """The file has more than {most} MB. Split it into smaller ones."""

    kind = Kind.TOO_LARGE
