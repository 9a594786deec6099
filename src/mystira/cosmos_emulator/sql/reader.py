"""What the grammar reads from: the tokens, how deep it is, and which names each query has in scope."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NoReturn

from mystira.cosmos_emulator.sql.lexer import Token, tokens
from mystira.cosmos_emulator.sql.problems import SqlError
from mystira.cosmos_emulator.sql.syntax import Select

NESTING_MAX = 100


class Frame:
    """The names of one SELECT: what FROM and JOIN introduce, and what is used before they have been read."""

    def __init__(self, parent: "Frame | None", over_container: bool) -> None:
        self.parent = parent
        self.over_container = over_container
        self.aliases: set[str] = set()
        self.used: list[tuple[str, int]] = []
        self.clause = "SELECT"


class Reader:
    """A cursor over the tokens of one query."""

    def __init__(self, text: str, select: "Callable[[Reader, bool], Select]") -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        self.frame: Frame | None = None
        self.parameters: dict[str, int] = {}
        self.select = select

    @property
    def token(self) -> Token:
        """The token not yet taken."""
        return self.tokens[self.at]

    def take(self) -> Token:
        """Take the next token; the end can be taken again and again."""
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these keywords or symbols."""
        token = self.tokens[self.at]
        return token.kind in ("keyword", "symbol") and token.text in texts

    def takes(self, text: str) -> bool:
        """Take the next token if it is this keyword or symbol."""
        if not self.sees(text):
            return False
        self.at += 1
        return True

    def expect(self, text: str, why: str = "") -> Token:
        """Take this keyword or symbol, or say that it is missing."""
        if not self.sees(text):
            self.refuse(f"Expected {text}{why}")
        return self.take()

    def name(self, what: str) -> str:
        """Take a name, or say that what it would name has none."""
        if self.token.kind == "keyword":
            self.fail(f"{self.token.value} is a keyword and cannot be {what}.")
        if self.token.kind != "name":
            self.refuse(f"Expected {what}")
        return self.take().text

    def refuse(self, expectation: str) -> NoReturn:
        """Say what was expected and what is there instead."""
        found = "the query ends" if self.token.kind == "end" else f"found {self.token.value!s:.40}"
        self.fail(f"{expectation}, but {found}.")

    def fail(self, message: str, offset: int | None = None) -> NoReturn:
        """Refuse the query because of what stands here, or at the offset."""
        raise SqlError(message, self.text, self.token.offset if offset is None else offset)

    @contextmanager
    def deeper(self) -> Generator[None]:
        """Go one level down; a query with too many levels is refused before it could exhaust the stack."""
        self.depth += 1
        if self.depth > NESTING_MAX:
            self.fail(f"The query is nested more than {NESTING_MAX} levels deep.")
        yield
        self.depth -= 1

    @contextmanager
    def scope(self, over_container: bool) -> Generator[Frame]:
        """Read one SELECT; the names it uses and does not introduce are looked for in the query around it."""
        frame = self.frame = Frame(self.frame, over_container)
        yield frame
        self.frame = frame.parent
        for name, offset in frame.used:
            if name not in frame.aliases:
                self.use(frame.parent, name, offset)

    def use(self, frame: Frame | None, name: str, offset: int) -> None:
        """Note that a name is used; FROM may introduce it only later."""
        if frame is None:
            self.fail(f"{name} is not known here. Use the name that FROM or JOIN introduces.", offset)
        frame.used.append((name, offset))
