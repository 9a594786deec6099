"""What is wrong with a query, and where."""


class SqlError(Exception):
    """The query cannot be read or run; the position says where to look."""

    def __init__(self, message: str, text: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})"
