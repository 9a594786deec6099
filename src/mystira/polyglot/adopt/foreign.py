"""Documents that two programs write: our fields, and beside them the same under the other software's names.

The other names stay in the document as long as the mapping is declared. Whatever this platform writes is written under
both, so at any moment a difference between them was made by the other software: its value is the newer one, and the
document counts as unstamped until the follower has stamped it. What our form cannot give back exactly stays beside it.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from msgspec import inspect

from mystira.polyglot.adopt.fitting import fit, fold, holds, pascal, restyle
from mystira.polyglot.adopt.mapping import FieldRule, Mapping, check_mapping
from mystira.polyglot.fields import Field, camel

ORIGINALS = "adoptedFrom"
"""Holds, under our names, the values that were there before and that our form cannot give back exactly."""

_NO_RULE = FieldRule()
_SPELL: dict[str | None, Callable[[str], str] | None] = {
    None: None,
    "camel": camel,
    "pascal": pascal,
    "snake": lambda name: name,
}


class ForeignForm:
    """What a mapping means for one entity."""

    def __init__(
        self, mapping: Mapping, collection: str, entity: type[msgspec.Struct], fields: Sequence[Field]
    ) -> None:
        check_mapping(mapping, collection, fields)
        self.mapping = mapping
        info: Any = inspect.type_info(entity)
        self._types: dict[str, Any] = {field.name: field.type for field in info.fields}
        self._infos = {field.name: field for field in msgspec.structs.fields(entity)}
        self._absent = {field.name: value for field in fields if (value := self._value_of_null(field)) is not None}
        self._fields = tuple(field for field in fields if field.name != "id")
        self._own = {field.document_name: field for field in fields}
        self._folded = {fold(field.name): field for field in self._fields}
        by_name = {field.name: field for field in fields}
        self._named = {name: by_name[ours] for ours, rule in mapping.fields.items() for name in rule.names}
        self._spell = _SPELL[mapping.style]
        self._preferred = {field.name: name for field in self._fields if (name := self._preferred_name(field))}

    def field_of(self, name: str) -> Field | None:
        """Return the field that a document's name stands for."""
        return self._own.get(name) or self._named.get(name) or self._folded.get(fold(name))

    def read(self, body: dict[str, Any], *, is_stamped: bool) -> tuple[dict[str, Any], bool]:
        """Return the body in our form, and whether other software has changed it since it was stamped.

        ValueError when it is no document of this collection, or two of its fields claim to be the same and disagree.
        """
        given: dict[str, list[str]] = {}
        for name in body:
            field = self.field_of(name)
            if field is not None:
                given.setdefault(field.name, []).append(name)
        if is_stamped:
            return self._read_changes(body, given)
        self._refuse_others(body)
        return self._read_plain(body, given), False

    def beside(self, body: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        """Return what goes beside a body of ours into its document: the same under the other names, and the rest."""
        after = dict(extra)
        named = {name: field for name in extra if (field := self.field_of(name)) is not None}
        known = {field.name for field in named.values()}
        fresh = {self._preferred[f.name]: f for f in self._fields if f.name in self._preferred and f.name not in known}
        for name, field in {**named, **fresh}.items():
            ours = body[field.document_name]
            if name in extra and self._stands_for(field, extra[name], ours):
                continue
            after[name] = self._theirs(field, ours)
            if not self._stands_for(field, after[name], ours):
                # The other form cannot say this, and what it would say instead would pass for a change.
                del after[name]
        if self.mapping.discriminator is not None:
            after.setdefault(self.mapping.discriminator.field, self.mapping.discriminator.values[0])
        return after

    def _read_plain(self, body: dict[str, Any], given: dict[str, list[str]]) -> dict[str, Any]:
        read = dict(body)
        originals: dict[str, Any] = {}
        for field in self._fields:
            names = given.get(field.name, [])
            rule = self._rule(field)
            if not names:
                if rule.absent is not None:
                    read[field.document_name] = rule.absent
                continue
            value = self._agreed(field, {name: self._ours(field, body[name]) for name in names})
            read[field.document_name] = value
            if field.document_name in names and not holds(self._given_back(field, value), body[field.document_name]):
                originals[field.document_name] = body[field.document_name]
        if originals:
            read[ORIGINALS] = {**cast(dict[str, Any], read.get(ORIGINALS) or {}), **originals}
        return read

    def _read_changes(self, body: dict[str, Any], given: dict[str, list[str]]) -> tuple[dict[str, Any], bool]:
        changes: dict[str, Any] = {}
        for field in self._fields:
            ours = body.get(field.document_name)
            others = [name for name in given.get(field.name, ()) if name != field.document_name]
            changed = {
                name: self._ours(field, body[name]) for name in others if not self._means(field, body[name], ours)
            }
            if changed:
                changes[field.document_name] = self._agreed(field, changed)
        return {**body, **changes}, bool(changes)

    def _agreed(self, field: Field, values: dict[str, Any]) -> Any:
        """Return the one value that all of these names give; a name that says null says nothing."""
        told = [value for value in values.values() if value is not None]
        if any(not self._is_same(field, value, told[0]) for value in told[1:]):
            raise ValueError(f"{', '.join(values)} all mean {field.name}, and disagree")
        return told[0] if told else None

    def _ours(self, field: Field, value: Any) -> Any:
        """Return a value of theirs as our document holds it."""
        rule = self._rule(field)
        if rule.split is not None and isinstance(value, str):
            value = [part.strip() for part in value.split(rule.split) if part.strip()]
        if rule.spellings:
            value = (
                [_meant(rule, part) for part in cast(list[Any], value)]
                if isinstance(value, list)
                else _meant(rule, value)
            )
        fitted = fit(self._types[field.name], value)
        return self._absent.get(field.name) if fitted is None and not field.nullable else fitted

    def _theirs(self, field: Field, value: Any) -> Any:
        """Return a value of ours as the other software writes it."""
        rule = self._rule(field)
        if rule.spellings:
            value = (
                [_spelled(rule, part) for part in cast(list[Any], value)]
                if isinstance(value, list)
                else _spelled(rule, value)
            )
        if rule.split is not None and isinstance(value, list):
            return rule.split.join(map(str, cast(list[Any], value)))
        return value if self._spell is None else restyle(self._types[field.name], value, self._spell)

    def _stands_for(self, field: Field, theirs: Any, ours: Any) -> bool:
        try:
            return self._means(field, theirs, ours)
        except ValueError:
            # It was written under another mapping; what is ours is the truth.
            return False

    def _means(self, field: Field, theirs: Any, ours: Any) -> bool:
        return self._is_same(field, self._ours(field, theirs), ours)

    def _is_same(self, field: Field, one: Any, other: Any) -> bool:
        return one == other or self._value(field, one) == self._value(field, other)

    def _value(self, field: Field, value: Any) -> Any:
        if value is not None and field.from_document is not None:
            value = field.from_document(value)
        return msgspec.convert(value, self._infos[field.name].type)

    def _given_back(self, field: Field, value: Any) -> Any:
        found = self._value(field, value)
        return found if found is None or field.to_document is None else field.to_document(found)

    def _refuse_others(self, body: dict[str, Any]) -> None:
        told = self.mapping.discriminator
        if told is not None and body.get(told.field) not in told.values:
            raise ValueError(f"its {told.field} is {body.get(told.field)!r}: it belongs to another collection")

    def _rule(self, field: Field) -> FieldRule:
        return self.mapping.fields.get(field.name, _NO_RULE)

    def _value_of_null(self, field: Field) -> Any:
        """Return what a null means where ours must have a value, in document form; None where it means nothing."""
        if field.name in self.mapping.fields and self.mapping.fields[field.name].absent is not None:
            return self.mapping.fields[field.name].absent
        told = self._infos[field.name]
        default = told.default if told.default_factory is msgspec.NODEFAULT else told.default_factory()
        if default is msgspec.NODEFAULT or default is None:
            return None
        return default if field.to_document is None else field.to_document(default)

    def _preferred_name(self, field: Field) -> str | None:
        names = self._rule(field).names
        name = names[0] if names else self._spell(field.name) if self._spell else None
        return None if name == field.document_name else name


def _meant(rule: FieldRule, value: Any) -> Any:
    told = str(value)
    for ours, theirs in rule.spellings.items():
        if told in map(str, theirs):
            return ours
    for ours, theirs in rule.spellings.items():
        if fold(told) in {fold(str(spelling)) for spelling in theirs}:
            return ours
    return value


def _spelled(rule: FieldRule, value: Any) -> Any:
    return rule.spellings[value][0] if value in rule.spellings else value
