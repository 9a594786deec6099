"""A mapping: what other software calls the fields of an entity and how it writes them; data, from YAML or JSON."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mystira.polyglot.fields import Field, FieldKind
from mystira.polyglot.problem import Kind, Problem

if TYPE_CHECKING:
    from mystira.polyglot.collection import Collection

SUFFIXES = (".yaml", ".yml", ".json")

Style = Literal["camel", "pascal", "snake"]
"""How the other software spells the names of fields."""

LISTS = (FieldKind.TEXTS, FieldKind.INTS, FieldKind.NESTED)


class MappingWrong(Problem):
    """The mapping {where} cannot be used: {wrong}. Mend the file, then try again."""

    kind = Kind.INVALID


class FieldRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"names": "from"}):
    """How one field is written elsewhere.

    `names`: under which names, the one to write first. `split`: a list is text with this between its elements.
    `spellings`: for each of our values, what stands for it there, the one to write first. `absent`: what to take
    where the document has nothing.
    """

    names: tuple[str, ...] = ()
    split: str | None = None
    spellings: dict[str, tuple[str | int | bool, ...]] = {}
    absent: Any = None


class Discriminator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The field that tells which kind of document this is, and its values that mean this collection."""

    field: str
    values: tuple[str, ...]


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What other software's documents mean for one collection.

    Names that differ only in case and underscores need no rule. `style` says how the other software spells names, so
    that what is written here can be read there; without it only the names of rules are written.
    """

    collection: str
    discriminator: Discriminator | None = None
    style: Style | None = None
    fields: dict[str, FieldRule] = {}


def load_mapping(path: Path) -> Mapping:
    """Read a mapping from a .yaml, .yml or .json file; MappingWrong says what does not belong there."""
    try:
        data = path.read_bytes()
        decode = msgspec.json.decode if path.suffix == ".json" else msgspec.yaml.decode
        return decode(data, type=Mapping)
    except (OSError, msgspec.DecodeError) as error:
        raise MappingWrong(where=path.name, wrong=str(error)) from error


def load_mappings(folder: Path) -> tuple[Mapping, ...]:
    """Read every mapping of a folder, one for each collection at most."""
    if not folder.is_dir():
        raise MappingWrong(where=f"folder {folder}", wrong="there is no such folder")
    owners: dict[str, Path] = {}
    found: list[Mapping] = []
    for path in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        mapping = load_mapping(path)
        if owners.setdefault(mapping.collection, path) != path:
            raise MappingWrong(where=path.name, wrong=f"{owners[mapping.collection].name} is for the same collection")
        found.append(mapping)
    return tuple(found)


def adopted(collections: "Sequence[Collection[Any]]", mappings: Iterable[Mapping]) -> "tuple[Collection[Any], ...]":
    """Return the collections, those read through their mapping that have one."""
    through = {mapping.collection: mapping for mapping in mappings}
    strange = set(through) - {collection.name for collection in collections}
    if strange:
        known = ", ".join(sorted(collection.name for collection in collections))
        raise MappingWrong(where=f"for {sorted(strange)[0]}", wrong=f"there is no such collection; there are {known}")
    return tuple(
        collection.adopting(through[collection.name]) if collection.name in through else collection
        for collection in collections
    )


def check_mapping(mapping: Mapping, collection: str, fields: Sequence[Field]) -> None:
    """Raise MappingWrong, naming everything that does not fit the collection's fields."""
    wrong: list[str] = []
    if mapping.collection != collection:
        wrong.append(f"it is for {mapping.collection}, not for {collection}")
    known = {field.name: field for field in fields}
    owners: dict[str, str] = {}
    for name, rule in mapping.fields.items():
        if name not in known:
            wrong.append(f"there is no field {name}")
            continue
        if name == "id":
            wrong.append("the id is the key: it stays as it is")
        wrong += _wrong_rule(known[name], rule)
        for foreign in rule.names:
            if owners.setdefault(foreign, name) != name:
                wrong.append(f"{foreign} is given to {owners[foreign]} and to {name}")
    if wrong:
        raise MappingWrong(where=f"of {collection}", wrong="; ".join(wrong))


def _wrong_rule(field: Field, rule: FieldRule) -> list[str]:
    wrong: list[str] = []
    if rule.split is not None and (field.kind not in LISTS or not rule.split):
        wrong.append(f"{field.name} cannot be split")
    meant: dict[str, str] = {}
    for ours, theirs in rule.spellings.items():
        if not theirs:
            wrong.append(f"{field.name}: {ours} has no spelling")
        for spelling in theirs:
            if meant.setdefault(str(spelling), ours) != ours:
                wrong.append(f"{field.name}: {spelling} means {meant[str(spelling)]} and {ours}")
    return wrong
