"""Turns the parts of a parsed file into values, noting everything that is wrong on the way."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from mystira.content.scenarios.model.findings import Finding
from mystira.content.vocabulary.model import Vocabulary, WordKind, slug
from mystira.textfiles.nodes import Node

T = TypeVar("T")

FINDINGS_MAX = 5_000
HINTS_MAX = 100
SHOWN_MAX = 60


class Reading:
    """One pass over one file: collects findings, and the words that are missing in the vocabulary."""

    def __init__(self, vocabulary: Vocabulary, *, add_vocabulary: bool, media: Set[str] | None) -> None:
        self.vocabulary = vocabulary
        self.add_vocabulary = add_vocabulary
        self.media = media
        self.unsure: list[tuple[str, Finding]] = []
        self.findings: list[Finding] = []
        self.added: dict[WordKind, dict[str, str]] = {}
        self._hints = 0

    def error(self, code: str, path: str, node: Node, message: str) -> None:
        """Note why the file cannot be imported."""
        self._note("error", code, path, node, message)

    def warning(self, code: str, path: str, node: Node, message: str) -> None:
        """Note what the author may want to mend."""
        self._note("warning", code, path, node, message)

    def _note(self, severity: Any, code: str, path: str, node: Node, message: str) -> None:
        if len(self.findings) > FINDINGS_MAX:
            return
        if len(self.findings) == FINDINGS_MAX:
            severity, code = "error", "too_much_wrong"
            message = f"There is more to say than {FINDINGS_MAX:,} findings. Mend these first."
        self.findings.append(
            Finding(severity=severity, code=code, path=path, line=node.line, column=node.column, message=message)
        )

    def word(self, kind: WordKind, part: "Part") -> str | None:
        """Return the id of a vocabulary word; an unknown one is an error, or is added if the importer may."""
        text = part.text(1, 200)
        if text is None:
            return None
        found = self.vocabulary.resolve(kind, text) or self.added.get(kind, {}).get(slug(text))
        if found is None and self.add_vocabulary and kind != "age_group" and slug(text):
            self.added.setdefault(kind, {})[slug(text)] = text
            return slug(text)
        if found is None:
            hint = self.hint(slug(text), list(self.vocabulary.words.get(kind, {})))
            message = f"There is no {kind.replace('_', ' ')} {shown(text)!r}.{hint}"
            self.error("unknown_word", part.path, part.node, message)
        return found

    def hint(self, written: str, known: Sequence[str]) -> str:
        """Return a question that names what was probably meant, or nothing."""
        # Comparing is slow, so a file in which everything is wrong gets no more than the first hints.
        self._hints += 1
        if self._hints > HINTS_MAX:
            return ""
        close = difflib.get_close_matches(written[:SHOWN_MAX], known, n=1)
        return f" Did you mean {close[0]!r}?" if close else ""


class Part:
    """One node of the file and where it stands: reads it as what it should be, or notes what is wrong."""

    def __init__(self, reading: Reading, node: Node, path: str) -> None:
        self.reading = reading
        self.node = node
        self.path = path

    def error(self, code: str, message: str) -> None:
        """Note an error at this place."""
        self.reading.error(code, self.path, self.node, message)

    def below(self, *steps: int | tuple[str, ...]) -> "Part":
        """Return the part that these steps lead to, as far as it is there; a field is given by all its spellings."""
        part = self
        for step in steps:
            deeper = part._element(step) if isinstance(step, int) else part._field(step)
            if deeper is None:
                return part
            part = deeper
        return part

    def _element(self, at: int) -> "Part | None":
        if self.node.kind != "list" or at >= len(self.node.value):
            return None
        return Part(self.reading, self.node.value[at], f"{self.path}[{at}]")

    def _field(self, names: tuple[str, ...]) -> "Part | None":
        for key, value in self.node.value if self.node.kind == "map" else ():
            if key.value in names:
                return Part(self.reading, value, self.path_of(str(key.value)))
        return None

    def path_of(self, name: str) -> str:
        """Return the path of the field with this name."""
        return f"{self.path}.{shown(name)}" if self.path else shown(name)

    def warning(self, code: str, message: str) -> None:
        """Note a warning at this place."""
        self.reading.warning(code, self.path, self.node, message)

    def text(self, shortest: int, longest: int, pattern: str | None = None) -> str | None:
        """Return the text, or None after noting why it is none."""
        if self.node.kind in ("int", "float"):
            value = str(self.node.value)
        elif self.node.kind == "text":
            value = self.node.value.strip()
        else:
            self.error("wrong_type", f"This must be text, not {_called(self.node)}.")
            return None
        if not shortest <= len(value) <= longest:
            self.error("wrong_length", f"This must have {shortest} to {longest} characters; it has {len(value)}.")
            return None
        if pattern is not None and not re.fullmatch(pattern, value):
            self.error("wrong_form", f"{shown(value)!r} is not allowed here; use the characters {pattern}.")
            return None
        return value

    def integer(self, lowest: int, highest: int) -> int | None:
        """Return the whole number, or None after noting why it is none."""
        if self.node.kind != "int":
            self.error("wrong_type", f"This must be a whole number, not {_called(self.node)}.")
            return None
        if not lowest <= self.node.value <= highest:
            self.error("out_of_range", f"This must be from {lowest} to {highest}; it is {self.node.value}.")
            return None
        return self.node.value

    def thousandths(self) -> int | None:
        """Return a decimal from -1 to 1 with at most three places as thousandths, exactly."""
        if self.node.kind not in ("int", "float"):
            self.error("wrong_type", f"This must be a number from -1 to 1, not {_called(self.node)}.")
            return None
        try:
            value = Decimal(str(self.node.value)) * 1000
        except InvalidOperation:
            self.error("wrong_type", "This must be a number from -1 to 1.")
            return None
        if not -1000 <= value <= 1000:
            self.error("out_of_range", f"This must be from -1 to 1; it is {self.node.value}.")
            return None
        if value != value.to_integral_value():
            self.error("too_precise", f"At most three places after the point; this is {self.node.value}.")
            return None
        return int(value)

    def boolean(self) -> bool | None:
        """Return true or false, or None after noting that it is neither."""
        if self.node.kind != "bool":
            self.error("wrong_type", f"This must be true or false, not {_called(self.node)}.")
            return None
        return self.node.value

    def one_of(self, allowed: tuple[str, ...]) -> Any:
        """Return the allowed spelling of a word, whatever its case."""
        text = self.text(1, 50)
        if text is None:
            return None
        found = next((word for word in allowed if word.lower() == text.lower()), None)
        if found is None:
            self.error("unknown_value", f"This must be one of {', '.join(allowed)}; it is {text!r}.")
        return found

    def items(self, read: Callable[["Part"], T | None], most: int = 500) -> tuple[T, ...]:
        """Return what each element of a list reads as, leaving out those that are wrong."""
        if self.node.kind != "list":
            self.error("wrong_type", f"This must be a list, not {_called(self.node)}.")
            return ()
        if len(self.node.value) > most:
            self.error("too_many", f"At most {most} here; there are {len(self.node.value)}.")
        parts = (Part(self.reading, node, f"{self.path}[{at}]") for at, node in enumerate(self.node.value))
        return tuple(value for value in map(read, parts) if value is not None)

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts; a single text is a list of one."""
        if self.node.kind == "text":
            one = self.text(1, 2000)
            return () if one is None else (one,)
        return self.items(lambda part: part.text(1, 2000))

    def words(self, kind: WordKind) -> tuple[str, ...]:
        """Return a list of vocabulary ids."""
        if self.node.kind == "text":
            one = self.reading.word(kind, self)
            return () if one is None else (one,)
        return self.items(lambda part: self.reading.word(kind, part))

    def fields(self, allowed: tuple[str, ...], aliases: Mapping[str, str]) -> "Fields":
        """Return the fields of a map; a field nobody knows is an error, never dropped."""
        if self.node.kind != "map":
            self.error("wrong_type", f"This must be a set of fields, not {_called(self.node)}.")
            return Fields(self, {})
        found: dict[str, Part] = {}
        for key, value in self.node.value:
            written = str(key.value)
            name = aliases.get(written, written)
            path = self.path_of(written)
            if name not in allowed:
                hint = self.reading.hint(written, [*allowed, *aliases]) or f" There are: {', '.join(allowed)}."
                self.reading.error("unknown_field", path, key, f"There is no field {shown(written)!r} here.{hint}")
            elif name in found:
                self.reading.error("same_field_twice", path, key, f"{written!r} says again what stood here before.")
            elif value.kind != "null":
                found[name] = Part(self.reading, value, path)
        return Fields(self, found)


class Fields:
    """The fields of one map that are there."""

    def __init__(self, owner: Part, found: Mapping[str, Part]) -> None:
        self.owner = owner
        self._found = found

    def part(self, name: str) -> Part | None:
        """Return a field's part, or None when it is absent."""
        return self._found.get(name)

    def get(self, name: str, read: Callable[[Part], T | None], otherwise: T) -> T:
        """Return what an optional field reads as."""
        part = self._found.get(name)
        value = None if part is None else read(part)
        return otherwise if value is None else value

    def optional(self, name: str, read: Callable[[Part], T | None]) -> T | None:
        """Return what an optional field reads as, None when absent or wrong."""
        part = self._found.get(name)
        return None if part is None else read(part)

    def required(self, name: str, read: Callable[[Part], T | None]) -> T | None:
        """Return what a required field reads as; its absence is an error."""
        part = self._found.get(name)
        if part is None:
            if self.owner.node.kind == "map":
                path = self.owner.path_of(name)
                self.owner.reading.error("missing_field", path, self.owner.node, f"The field {name!r} is missing.")
            return None
        return read(part)


def short(part: Part) -> str | None:
    """Return a text of a line or so."""
    return part.text(1, 500)


def media_id(part: Part) -> str | None:
    """Return the id of a picture, a sound or a film; one that was not uploaded is a warning."""
    id = short(part)
    if id is not None and part.reading.media is not None and id not in part.reading.media:
        part.warning("media_not_uploaded", f"Nothing was uploaded as {shown(id)!r} yet; the story shows without it.")
        last = part.reading.findings[-1]
        # Of very many findings the last ones are not kept.
        if (last.code, last.path) == ("media_not_uploaded", part.path):
            part.reading.unsure.append((id, last))
    return id


def shown(text: str) -> str:
    """Return a text that is short enough to be named in a sentence."""
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _called(node: Node) -> str:
    names = {"map": "a set of fields", "list": "a list", "null": "nothing", "bool": "true or false"}
    return names.get(node.kind, f"the {'text' if node.kind == 'text' else 'number'} {str(node.value)[:40]!r}")
