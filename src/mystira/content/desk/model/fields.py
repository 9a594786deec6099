"""The fields of a kind: how they are asked for, what they may hold, and their way between form, file and record.

A definition has three forms. On a page it is text by the name of each input; in files and over HTTP it is plain
(`threshold: 0.3`, what YAML and JSON can hold); as a record it is an entity (`threshold=300`).
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec

from mystira.polyglot.entity import Value

As = Literal["line", "text", "number", "thousandths", "choice", "reference", "references", "media", "lines", "shelves"]
"""How a field is asked for. `shelves` are media ids by the id of what `refers` names."""

LINES_MAX = 200


class Field(Value, frozen=True, kw_only=True):
    """One field: its label, what helps to fill it in, and its bounds.

    `refers` is the noun whose ids it holds. What is `fixed` makes the id, so it is chosen once. `least` and `most` are
    characters, entries or the number itself (of thousandths: on the scale of the files).
    """

    name: str
    label: str
    help: str = ""
    ask: As = "line"
    required: bool = True
    least: int = 0
    most: int = 200
    choices: tuple[str, ...] = ()
    refers: str = ""
    fixed: bool = False
    listed: bool = False

    @property
    def is_many(self) -> bool:
        """Whether it holds several."""
        return self.ask in ("references", "lines", "shelves")


class Wrong(NamedTuple):
    """What is wrong with one field, and what to write instead."""

    field: str
    message: str


def plain_type(field: Field) -> tuple[Any, Any]:
    """Return the type of a field in plain form, and its default (NODEFAULT where it must be there)."""
    meta = msgspec.Meta
    text = Annotated[str, meta(min_length=1, max_length=field.most)]
    match field.ask:
        case "number":
            kind: Any = Annotated[int, meta(ge=field.least, le=field.most)]
        case "thousandths":
            kind = Annotated[float, meta(ge=field.least, le=field.most)]
        case "choice":
            kind = Literal[field.choices]
        case "references" | "lines":
            kind = Annotated[tuple[text, ...], meta(max_length=LINES_MAX)]
        case "shelves":
            kind = dict[str, Annotated[tuple[text, ...], meta(max_length=LINES_MAX)]]
        case "reference" | "media":
            kind = text
        case "line" | "text":
            kind = text if field.required else Annotated[str, meta(max_length=field.most)]
    if field.required:
        return kind, msgspec.NODEFAULT
    empty: dict[str, Any] = {
        "references": (),
        "lines": (),
        "shelves": msgspec.field(default_factory=dict),
        "line": "",
        "text": "",
    }
    return (kind, empty[field.ask]) if field.ask in empty else (kind | None, None)


def plain_of(fields: tuple[Field, ...], entity: Any) -> dict[str, Any]:
    """Return an entity's fields in plain form."""
    plain = {field.name: msgspec.to_builtins(getattr(entity, field.name)) for field in fields}
    return {
        field.name: plain[field.name] / 1000 if field.ask == "thousandths" else plain[field.name] for field in fields
    }


def record_values(fields: tuple[Field, ...], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entity holds for a plain form in which nothing is wrong; what is left out is left out."""
    return {
        field.name: round(plain[field.name] * 1000) if field.ask == "thousandths" else plain[field.name]
        for field in fields
        if field.name in plain
    }


def wrongs(fields: tuple[Field, ...], plain: Mapping[str, Any]) -> list[Wrong]:
    """Return everything that is wrong with a plain form by itself."""
    found = [
        Wrong(name, "There is no such field. There are: " + ", ".join(field.name for field in fields) + ".")
        for name in plain
        if name not in {field.name for field in fields}
    ]
    for field in fields:
        value = plain.get(field.name)
        if value in (None, "", [], (), {}):
            if field.required:
                found.append(Wrong(field.name, "Choose one." if field.choices or field.refers else "Write something."))
            continue
        found += [Wrong(field.name, message) for message in _wrong_with(field, value)]
    return found


def _wrong_with(field: Field, value: Any) -> Iterator[str]:
    match field.ask:
        case "number":
            if not isinstance(value, int) or isinstance(value, bool):
                yield "Write a whole number."
            elif not field.least <= value <= field.most:
                yield f"Write a number from {field.least} to {field.most}."
        case "thousandths":
            yield from _wrong_with_thousandths(field, value)
        case "choice":
            if value not in field.choices:
                yield f"Choose one of {', '.join(field.choices)}."
        case "references" | "lines":
            yield from _wrong_with_list(field, value)
        case "shelves":
            if not isinstance(value, dict):
                yield "Write a list of media ids for each age group."
                return
            for name, part in cast(dict[str, Any], value).items():
                yield from (f"{name}: {message}" for message in _wrong_with_list(field, part))
        case _:
            yield from _wrong_with_text(field, value)


def _wrong_with_thousandths(field: Field, value: Any) -> Iterator[str]:
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:
        yield "Write a number, for example 0.3."
    elif not field.least <= value <= field.most:
        yield f"Write a number from {field.least} to {field.most}."
    elif abs(value * 1000 - round(value * 1000)) > 1e-6:
        yield "Write at most three places after the point."


def _wrong_with_list(field: Field, value: Any) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield "Write a list."
        return
    parts = cast(list[Any], value)
    if len(parts) > LINES_MAX:
        yield f"This holds {len(parts)} entries; keep at most {LINES_MAX}."
    if len({str(part) for part in parts}) < len(parts):
        yield "One entry is there twice. Take one of them out."
    for part in parts:
        yield from _wrong_with_text(field, part)


def _wrong_with_text(field: Field, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"Write text (put {value!r} in quotation marks)."
    elif len(value) > field.most:
        yield f"This has {len(value)} characters; keep to {field.most}."
    elif not value.strip():
        yield "Write something."
    elif field.ask != "text" and not value.isprintable():
        yield "Write it in one line."
    elif any(not one.isprintable() and one != "\n" for one in value):
        yield "This holds characters that cannot be seen. Write it anew."


def from_form(fields: tuple[Field, ...], typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the plain form of what was typed; what cannot be read stays text, so that it is found to be wrong.

    An input is named like its field; of several inputs for one field, each is named `field:part`.
    """
    readers: dict[str, Callable[[str], Any]] = {"number": _number, "thousandths": _decimal}
    plain: dict[str, Any] = {}
    for field in fields:
        parts = {name.partition(":")[2]: text for name, text in typed.items() if name.startswith(f"{field.name}:")}
        text = typed.get(field.name, "").strip()
        if field.ask == "references":
            plain[field.name] = [*parts, *_lines(text)]
        elif field.ask == "shelves":
            plain[field.name] = {part: _lines(text) for part, text in parts.items() if text.strip()}
        elif field.ask == "lines":
            plain[field.name] = _lines(text)
        elif text or field.required or field.ask in ("line", "text"):
            plain[field.name] = readers.get(field.ask, str)(text)
        else:
            plain[field.name] = None
    return plain


def to_form(fields: tuple[Field, ...], plain: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain form as the inputs of a page hold it."""
    typed: dict[str, str] = {}
    for field in fields:
        value = plain.get(field.name)
        if field.ask == "references":
            typed |= {f"{field.name}:{part}": "on" for part in value or ()}
        elif field.ask == "shelves":
            shelves = cast(dict[str, list[str]], value or {})
            typed |= {f"{field.name}:{part}": "\n".join(ids) for part, ids in shelves.items()}
        elif field.ask == "lines":
            typed[field.name] = "\n".join(value or ())
        else:
            typed[field.name] = "" if value is None else _shown(value)
    return typed


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _number(text: str) -> Any:
    return int(text) if text.lstrip("-").isdecimal() and text.isascii() and len(text) < 10 else text


def _decimal(text: str) -> Any:
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return text
    return float(number) if number.is_finite() and len(text) < 20 else text


def _shown(value: Any) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
