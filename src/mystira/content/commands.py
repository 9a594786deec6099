"""`mystira content`: check and import scenario files, alone or a folder at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mystira.content import views
from mystira.content.actions import make_version, point_to_version, save_definition, save_draft
from mystira.content.badges.model import TIERS, Badge
from mystira.content.scenarios.model.checking import Checked, check, unreadable
from mystira.content.scenarios.model.scenario import Scenario
from mystira.content.vocabulary.model import (
    AgeGroupDefinition,
    ArchetypeDefinition,
    CompassAxis,
    EchoTypeDefinition,
    FantasyThemeDefinition,
    Vocabulary,
    WordKind,
    names_of,
    slug,
)
from mystira.polyglot.work import Works
from mystira.textfiles.nodes import Node, Unreadable
from mystira.textfiles.reading import Refused, read

Definition = (
    AgeGroupDefinition | ArchetypeDefinition | CompassAxis | EchoTypeDefinition | FantasyThemeDefinition | Badge
)
Word = CompassAxis | ArchetypeDefinition | EchoTypeDefinition | FantasyThemeDefinition
WORD_FILES: dict[WordKind, tuple[str, type[Word]]] = {
    "axis": ("axes", CompassAxis),
    "archetype": ("archetypes", ArchetypeDefinition),
    "echo_type": ("echo_types", EchoTypeDefinition),
    "theme": ("fantasy_themes", FantasyThemeDefinition),
}


def check_file(path: Path, vocabulary: Vocabulary, *, add_vocabulary: bool = False) -> Checked:
    """Check one file; what cannot even be read is a finding as well."""
    try:
        return check(read(path.read_bytes()), vocabulary, add_vocabulary=add_vocabulary)
    except Refused as refused:
        return unreadable(refused.why)
    except OSError as error:
        return unreadable(Unreadable("no_file", f"The file cannot be read ({error.strerror})."))


async def import_checked(works: Works, checked: Checked, *, publish: bool) -> Scenario:
    """Import a file without errors: the words it adds first, then the draft, then, if asked, a published version."""
    assert checked.content is not None, "a file with errors is not imported"
    for kind, words in checked.added.items():
        definition = WORD_FILES[kind][1]
        for id, name in words.items():
            await works.run(save_definition, definition=definition(id=id, name=name))
    # The file has no id of its own, so its title gives one: importing it again finds the same story.
    scenario_id = slug(checked.content.title) or works.open().new_id()
    scenario = await works.run(save_draft, scenario_id=scenario_id, content=checked.content)
    if publish:
        number = await works.run(make_version, scenario_id=scenario_id)
        scenario = await works.run(point_to_version, scenario_id=scenario_id, number=number)
    return scenario


async def import_folder(works: Works, folder: Path, report: Callable[[str], None]) -> None:
    """Import a folder's master data, badges and stories and publish them; what is there unchanged stays."""
    definitions = [*read_vocabulary(folder / "vocabulary"), *_badges(folder / "badges" / "badges.yaml")]
    known = await views.vocabulary(works.open())
    if not known.words["age_group"]:
        report(f"Bringing the sample stories from {folder}.")
    for definition in definitions:
        await works.run(save_definition, definition=definition)
    vocabulary = await views.vocabulary(works.open())
    for path in sorted((folder / "scenarios").glob("*.yaml")):
        checked = check_file(path, vocabulary)
        if checked.content is None:
            report(f"{path.name} has {len(checked.errors)} errors; run `mystira content validate {path}`.")
            continue
        await import_checked(works, checked, publish=True)


def vocabulary_of(definitions: Sequence[Definition]) -> Vocabulary:
    """Return the vocabulary that these definitions make up."""
    kinds: dict[WordKind, type[Definition]] = {"age_group": AgeGroupDefinition}
    kinds |= {kind: entity for kind, (_, entity) in WORD_FILES.items()}
    words: dict[WordKind, dict[str, str]] = {
        kind: names_of([one for one in definitions if isinstance(one, entity)])  # pyright: ignore[reportArgumentType]
        for kind, entity in kinds.items()
    }
    return Vocabulary(words)


def read_vocabulary(folder: Path) -> list[Definition]:
    """Return the master data of a folder, one file a kind."""
    definitions: list[Definition] = [
        AgeGroupDefinition(
            id=row["id"], name=row["name"], minimum_age=row["minimum_age"], maximum_age=row["maximum_age"]
        )
        for row in _rows(folder / "age_groups.yaml")
    ]
    for name, entity in WORD_FILES.values():
        for row in _rows(folder / f"{name}.yaml"):
            definitions.append(entity(id=row["id"], name=row["name"], description=row.get("description", "")))
    return definitions


def _badges(path: Path) -> list[Badge]:
    return [
        Badge(
            id=row["id"],
            age_group=row["age_group"],
            axis=row["axis"],
            tier=next(tier for tier in TIERS if tier == row["tier"]),
            name=row["name"],
            description=row.get("description", ""),
            threshold=round(float(row["threshold"]) * 1000),
        )
        for row in _rows(path)
    ]


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    root = read(path.read_bytes())
    return [_plain(row) for row in root.value]


def _plain(node: Node) -> dict[str, Any]:
    return {str(key.value): value.value for key, value in node.value}
